from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from brobyg_referral.cases.domain.appointment import (
    Announced,
    Appointment,
    AppointmentChange,
    AppointmentMessage,
    AppointmentStatus,
    Content,
    Participation,
    PlannedVisit,
    Transition,
    is_ahead,
    receive,
)
from hypothesis import given
from hypothesis import strategies as st

MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
PLAN = PlannedVisit(
    MONDAY + timedelta(days=2), MONDAY + timedelta(days=2, hours=1), "randers-hospital"
)
#: Booked at an unknown place.
ELSEWHERE = PlannedVisit(PLAN.starts_at, PLAN.ends_at, None)
LATER = PlannedVisit(
    MONDAY + timedelta(days=3), MONDAY + timedelta(days=3, hours=1), "randers-hospital"
)


def message(
    status: AppointmentStatus, minute: int, plan: PlannedVisit = PLAN
) -> AppointmentMessage:
    return AppointmentMessage(Content(status, plan), MONDAY + timedelta(minutes=minute))


def told(*messages: AppointmentMessage) -> tuple[list[AppointmentChange], Appointment]:
    """What is published of these messages, and where the appointment ends up."""
    known: Appointment | None = None
    changes: list[AppointmentChange] = []
    for one in messages:
        step = receive(known, one)
        known = step.appointment
        changes += [step.change] if step.change else []
    assert known is not None
    return changes, known


def test_nobody_goes_along_with_a_patient_who_has_declined() -> None:
    declined = AppointmentMessage(
        Content(AppointmentStatus.BOOKED, PLAN, Participation.DECLINED),
        MONDAY + timedelta(minutes=1),
    )
    assert told(declined)[0] == []
    changes, known = told(
        message(AppointmentStatus.BOOKED, 0), declined, message(AppointmentStatus.BOOKED, 2)
    )
    assert changes == ["booked", "cancelled", "booked"]
    assert known.content.patient is Participation.ACCEPTED


@given(st.permutations(range(5)), st.sampled_from([0, -1, 1]))
def test_the_highest_version_counts_in_whatever_order_and_whatever_the_times_are(
    order: list[int], drift: int
) -> None:
    statuses = [
        AppointmentStatus.BOOKED,
        AppointmentStatus.CANCELLED,
        AppointmentStatus.BOOKED,
        AppointmentStatus.PENDING,
        AppointmentStatus.CANCELLED,
    ]
    history = [
        AppointmentMessage(Content(status, PLAN), MONDAY + timedelta(minutes=drift * at), True, at)
        for at, status in enumerate(statuses)
    ]
    _, known = told(*(history[at] for at in order))
    assert (known.content.status, known.own_version) == (AppointmentStatus.CANCELLED, 4)


def test_a_message_without_a_version_does_not_lower_the_version_that_counts() -> None:
    second = AppointmentMessage(Content(AppointmentStatus.CANCELLED, PLAN), MONDAY, True, 2)
    unnumbered = message(AppointmentStatus.CANCELLED, 1)
    first = AppointmentMessage(
        Content(AppointmentStatus.BOOKED, PLAN), MONDAY + timedelta(hours=1), True, 1
    )
    assert told(second, unnumbered, first)[1].content.status is AppointmentStatus.CANCELLED


def last(known: Appointment | None, one: AppointmentMessage) -> Transition:
    return receive(known, one)


def test_a_booking_is_announced_once_however_often_it_is_repeated() -> None:
    changes, known = told(
        message(AppointmentStatus.BOOKED, 0),
        message(AppointmentStatus.BOOKED, 0),
        message(AppointmentStatus.BOOKED, 5),
    )
    assert changes == ["booked"]
    assert known.version == 2  # the newer time is shown, so it is a version; the repeat is none


@pytest.mark.parametrize(
    "plan",
    [
        LATER,
        PlannedVisit(PLAN.starts_at, LATER.ends_at, PLAN.location_id),
        PlannedVisit(PLAN.starts_at, PLAN.ends_at, "grenaa-health-house"),
    ],
)
def test_another_start_end_or_place_is_a_reschedule(plan: PlannedVisit) -> None:
    assert told(message(AppointmentStatus.BOOKED, 0), message(AppointmentStatus.BOOKED, 1, plan))[
        0
    ] == [
        "booked",
        "rescheduled",
    ]


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (AppointmentStatus.CANCELLED, "cancelled"),
        (AppointmentStatus.ENTERED_IN_ERROR, "cancelled"),
        (AppointmentStatus.FULFILLED, "completed"),
        (AppointmentStatus.NOSHOW, "missed"),
    ],
)
def test_the_end_of_a_booked_appointment_is_announced(
    status: AppointmentStatus, change: str
) -> None:
    assert told(message(AppointmentStatus.BOOKED, 0), message(status, 1), message(status, 2))[
        0
    ] == [
        "booked",
        change,
    ]


@pytest.mark.parametrize(
    "status",
    [
        AppointmentStatus.CANCELLED,
        AppointmentStatus.ENTERED_IN_ERROR,
        AppointmentStatus.FULFILLED,
        AppointmentStatus.NOSHOW,
    ],
)
def test_the_end_of_what_nobody_was_told_of_is_kept_and_not_announced(
    status: AppointmentStatus,
) -> None:
    changes, known = told(message(status, 5), message(AppointmentStatus.BOOKED, 1))
    assert changes == []
    assert known.content.status is status


def test_an_older_message_has_no_effect() -> None:
    booked = receive(None, message(AppointmentStatus.BOOKED, 10)).appointment
    step = last(booked, message(AppointmentStatus.CANCELLED, 9))
    assert step.out_of_date
    assert not step.changed
    assert step.appointment == booked


@pytest.mark.parametrize("seconds", [-3, 3])
def test_a_message_with_a_time_of_its_own_wins_over_one_that_only_arrived(seconds: int) -> None:
    booked = AppointmentMessage(Content(AppointmentStatus.BOOKED, PLAN), MONDAY, has_own_time=False)
    assert told(
        booked,
        AppointmentMessage(
            Content(AppointmentStatus.CANCELLED, PLAN), MONDAY + timedelta(seconds=seconds)
        ),
    )[0] == [
        "booked",
        "cancelled",
    ]


@pytest.mark.parametrize("seconds", [-3, 0, 3])
def test_a_message_without_a_time_counts_when_it_arrives_however_wrong_the_hospitals_clock_is(
    seconds: int,
) -> None:
    cancelled = AppointmentMessage(
        Content(AppointmentStatus.CANCELLED, PLAN),
        MONDAY + timedelta(seconds=seconds),
        has_own_time=False,
    )
    assert told(message(AppointmentStatus.BOOKED, 0), cancelled)[0] == ["booked", "cancelled"]


def test_what_was_said_before_a_message_without_a_time_does_not_come_back_by_a_repeat() -> None:
    cancelled = AppointmentMessage(
        Content(AppointmentStatus.CANCELLED, PLAN),
        MONDAY + timedelta(minutes=60),
        has_own_time=False,
    )
    changes, known = told(
        message(AppointmentStatus.BOOKED, 1),
        cancelled,
        message(AppointmentStatus.BOOKED, 1),
        message(AppointmentStatus.BOOKED, 0),
    )
    assert (changes, known.content.status) == (["booked", "cancelled"], AppointmentStatus.CANCELLED)
    assert last(known, message(AppointmentStatus.BOOKED, 2)).change == "booked"


def test_what_is_not_firm_is_kept_and_not_announced_until_it_is_booked() -> None:
    without_time = PlannedVisit(None, None, None)
    assert (
        told(
            message(AppointmentStatus.PROPOSED, 0, without_time),
            message(AppointmentStatus.PENDING, 1),
            message(AppointmentStatus.WAITLIST, 2),
        )[0]
        == []
    )
    assert told(
        message(AppointmentStatus.PROPOSED, 0, without_time), message(AppointmentStatus.BOOKED, 1)
    )[0] == ["booked"]


def test_a_booking_that_is_no_longer_firm_is_cancelled_and_later_booked_anew() -> None:
    changes, _ = told(
        message(AppointmentStatus.BOOKED, 0),
        message(AppointmentStatus.WAITLIST, 1),
        message(AppointmentStatus.PENDING, 2),
        message(AppointmentStatus.BOOKED, 3),
    )
    assert changes == ["booked", "cancelled", "booked"]


def test_a_booking_that_moves_to_a_place_that_is_none_of_ours_is_cancelled_for_others() -> None:
    changes, known = told(
        message(AppointmentStatus.BOOKED, 0), message(AppointmentStatus.BOOKED, 1, ELSEWHERE)
    )
    assert changes == ["booked", "cancelled"]
    assert (known.content.status, known.content.plan) == (AppointmentStatus.BOOKED, ELSEWHERE)
    back = last(known, message(AppointmentStatus.BOOKED, 2))
    assert back.change == "booked"


@pytest.mark.parametrize("before", [AppointmentStatus.PROPOSED, AppointmentStatus.CANCELLED])
def test_a_booking_at_a_place_that_is_none_of_ours_is_not_announced_to_who_was_not_told_of_it(
    before: AppointmentStatus,
) -> None:
    assert told(message(before, 0), message(AppointmentStatus.BOOKED, 1, ELSEWHERE))[0] == []


def test_arriving_is_not_announced() -> None:
    changes, _ = told(
        message(AppointmentStatus.BOOKED, 0),
        message(AppointmentStatus.ARRIVED, 1),
        message(AppointmentStatus.CHECKED_IN, 2),
        message(AppointmentStatus.FULFILLED, 3),
    )
    assert changes == ["booked", "completed"]


@pytest.mark.parametrize(
    ("first", "second", "changes"),
    [
        (AppointmentStatus.CANCELLED, AppointmentStatus.BOOKED, ["booked", "cancelled", "booked"]),
        (AppointmentStatus.NOSHOW, AppointmentStatus.FULFILLED, ["booked", "missed", "completed"]),
        (AppointmentStatus.FULFILLED, AppointmentStatus.NOSHOW, ["booked", "completed", "missed"]),
        (
            AppointmentStatus.CANCELLED,
            AppointmentStatus.FULFILLED,
            ["booked", "cancelled", "completed"],
        ),
        (AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR, ["booked", "cancelled"]),
    ],
)
def test_the_hospital_may_correct_an_end_by_a_newer_message(
    first: AppointmentStatus, second: AppointmentStatus, changes: list[str]
) -> None:
    assert (
        told(message(AppointmentStatus.BOOKED, 0), message(first, 1), message(second, 2))[0]
        == changes
    )


statuses = st.sampled_from(AppointmentStatus)
plans = st.sampled_from(
    [PLAN, LATER, ELSEWHERE, PlannedVisit(PLAN.starts_at, PLAN.ends_at, "grenaa-health-house")]
)
histories = st.lists(st.tuples(statuses, plans), min_size=1, max_size=8).map(
    lambda pairs: [
        AppointmentMessage(Content(status, plan), MONDAY + timedelta(minutes=minute))
        for minute, (status, plan) in enumerate(pairs)
    ]
)


@given(histories, st.data())
def test_the_hospitals_newest_message_counts_in_whatever_order_and_however_often_messages_come(
    history: list[AppointmentMessage], data: st.DataObject
) -> None:
    repeated = history + data.draw(st.lists(st.sampled_from(history), max_size=5))
    arrival = data.draw(st.permutations(repeated))
    _, known = told(*arrival)
    newest = history[-1]
    assert (known.content.status, known.content.plan, known.last_updated) == (
        newest.content.status,
        newest.content.plan,
        newest.last_updated,
    )


@given(histories, st.data())
def test_an_appointment_that_is_not_booked_does_not_stay_announced(
    history: list[AppointmentMessage], data: st.DataObject
) -> None:
    _, known = told(*data.draw(st.permutations(history)))
    if known.content.status is AppointmentStatus.BOOKED and known.content.plan.is_complete:
        assert known.announced is Announced.BOOKED
        assert known.announced_plan == known.content.plan
    elif known.content.status not in (AppointmentStatus.ARRIVED, AppointmentStatus.CHECKED_IN):
        assert known.announced is not Announced.BOOKED


@given(histories)
def test_receiving_the_same_message_twice_is_receiving_it_once(
    history: list[AppointmentMessage],
) -> None:
    known = told(*history)[1]
    step = receive(known, history[-1])
    assert step.appointment == known
    assert step.change is None


@given(histories)
def test_what_is_announced_follows_one_after_the_other_as_it_can_happen(
    history: list[AppointmentMessage],
) -> None:
    changes = told(*history)[0]
    assert changes[:1] in ([], ["booked"])
    for before, after in pairwise(changes):
        assert after != "rescheduled" or before in ("booked", "rescheduled")
        assert after != "booked" or before in ("cancelled", "completed", "missed")
        assert after == "rescheduled" or after != before


@given(st.timedeltas(min_value=timedelta(days=-40_000), max_value=timedelta(days=40_000)))
def test_only_a_time_more_than_a_day_ahead_is_ahead(ahead: timedelta) -> None:
    assert is_ahead(MONDAY + ahead, MONDAY) is (ahead > timedelta(days=1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(AppointmentStatus)),
            st.integers(0, 9),
            st.sampled_from([PLAN, LATER]),
        ),
        min_size=1,
    )
)
def test_one_version_never_shows_two_contents_or_times(
    life: list[tuple[AppointmentStatus, int, PlannedVisit]],
) -> None:
    shown: dict[int, tuple[AppointmentStatus, PlannedVisit, datetime]] = {}
    known: Appointment | None = None
    for status, minute, plan in life:
        known = receive(known, message(status, minute, plan)).appointment
        content = (known.content.status, known.content.plan, known.last_updated)
        assert shown.setdefault(known.version, content) == content
