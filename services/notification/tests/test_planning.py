"""Who is told, because of which event."""

from contextlib import suppress

import pytest
from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    OfferMade,
    StaffMatched,
    VolunteerMatched,
)
from brobyg_kit.event import Event, UndecodableEvent, topic_of
from brobyg_kit.ids import derived_id
from brobyg_notification.adapters.notices import PostgresNotices
from brobyg_notification.domain.calendar_status import Calendars
from brobyg_notification.domain.notice import Notice
from brobyg_notification.handlers import EMITS, HANDLERS
from brobyg_notification.use_cases.planning import handle_with
from msgspec import UNSET, Raw, structs

FUNCTIONS = {row.event.EVENT_TYPE: row.function for row in HANDLERS}


def planned(event: Event, *earlier: Event) -> list[Notice]:
    """What the event leads to after those before it."""
    calendars = Calendars()
    for one in earlier:
        update = calendars.numbered(FUNCTIONS[one.type](one, calendars))
        calendars = calendars.after(update)
    return list(FUNCTIONS[event.type](event, calendars).notices)


def test_an_offer_reaches_the_helper_alone(cause) -> None:
    (one,) = planned(cause(OfferMade))
    assert (one.template, one.role, one.calendar) == ("offer", "helper", None)


@pytest.mark.parametrize("kind", [VolunteerMatched, StaffMatched])
def test_a_match_invites_both(cause, kind) -> None:
    told = planned(cause(kind))
    assert [(one.template, one.role, one.calendar) for one in told] == [
        ("matched_helper", "helper", "REQUEST"), ("matched_citizen", "citizen", "REQUEST"),
    ]  # fmt: skip


def test_a_match_for_nobodys_referral_invites_the_helper_alone(cause) -> None:
    (one,) = planned(cause(VolunteerMatched, citizen_id=UNSET, referral_id=UNSET))
    assert (one.role, one.referral_id) == ("helper", None)


def test_a_citizen_is_invited_once_the_least_crew_is_there(cause) -> None:
    first = cause(VolunteerMatched, crew_complete=False)
    second = cause(VolunteerMatched, seat=2, helper_id=derived_id("another"))
    assert [one.role for one in planned(first)] == ["helper"]
    assert [one.role for one in planned(second, first)] == ["helper", "citizen"]
    released = cause(MatchReleased, reason="helper_withdrew")
    assert [one.role for one in planned(released, first)] == ["helper"]


@pytest.mark.parametrize(
    "reason",
    ["appointment_cancelled", "consent_withdrawn", "appointment_rescheduled", "citizen_erased"],
)
def test_a_release_takes_it_out_of_both_calendars(cause, reason: str) -> None:
    told = planned(cause(MatchReleased, reason=reason), cause(VolunteerMatched))
    assert [(one.role, one.calendar) for one in told] == [
        ("helper", "CANCEL"),
        ("citizen", "CANCEL"),
    ]


@pytest.mark.parametrize(
    "reason", ["helper_withdrew", "blocked", "reassigned", "of_a_later_version"]
)
def test_when_only_the_helper_goes_the_citizens_entry_stays(cause, reason: str) -> None:
    told = planned(cause(MatchReleased, reason=reason), cause(VolunteerMatched))
    assert [(one.template, one.calendar) for one in told] == [
        ("released_helper", "CANCEL"), ("released_citizen_searching", "REQUEST"),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["helper_withdrew", "coordinator_released", "blocked"])
def test_a_citizen_is_not_troubled_when_one_of_several_goes_and_enough_still_come(
    cause, reason: str
) -> None:
    released = cause(MatchReleased, reason=reason, crew_complete=True)
    assert [one.template for one in planned(released, cause(VolunteerMatched))] == [
        "released_helper"
    ]


def test_a_need_that_was_called_off_is_cancelled_whoever_would_be_left(cause) -> None:
    released = cause(MatchReleased, reason="appointment_cancelled", crew_complete=True)
    assert [one.role for one in planned(released, cause(VolunteerMatched))] == [
        "helper",
        "citizen",
    ]


def test_a_citizen_who_was_told_of_no_match_is_told_of_no_release(cause) -> None:
    assert [one.role for one in planned(cause(MatchReleased))] == ["helper"]


def test_an_escalation_reaches_the_department(cause) -> None:
    (department,) = planned(cause(MatchEscalated))
    assert (department.role, department.recipient_id, department.calendar) == (
        "coordinator",
        "randers-norddjurs",
        None,
    )


def test_the_same_cause_and_recipient_give_the_same_notification(cause) -> None:
    again = [planned(cause(OfferMade, number=7))[0].notification_id for _ in range(2)]
    other = planned(cause(OfferMade, number=8))[0].notification_id
    assert again[0] == again[1] != other


def test_data_that_breaks_the_schema_is_not_guessed_at(cause) -> None:
    broken = structs.replace(cause(OfferMade), data=Raw(b'{"offer_id": 7}'))
    with pytest.raises(UndecodableEvent):
        planned(broken)


def test_the_table_says_what_goes_in_and_out() -> None:
    assert {handler.event.TOPIC for handler in HANDLERS} == {
        "brobyg.matching.v1",
        "brobyg.referral.v1",
    }
    assert {topic_of(kind, "notification") for kind in EMITS} == {"brobyg.notification.v1"}


async def test_a_batch_that_is_rolled_back_and_done_again_is_counted_once(
    parts_for, cause, clock
) -> None:
    event = cause(VolunteerMatched)
    async with parts_for(clock) as parts:
        with suppress(ZeroDivisionError):
            async with parts.database.transaction() as transaction:
                await handle_with(PostgresNotices(), parts.metrics)(transaction, [event])
                raise ZeroDivisionError
        await parts.receive(event)
        counted = parts.registry.get_sample_value(
            "brobyg_notification_planned_total", {"template": "matched_helper"}
        )
        assert counted == 1
