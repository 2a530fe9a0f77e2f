"""Needs of several seats, and the views that analysts read of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from brobyg_contracts import EVENTS
from brobyg_kit.event import Event
from brobyg_kit.testing import Running
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.folding import Folder
from brobyg_reporting.domain.projections import NEED
from brobyg_reporting.domain.projections.need import NeedRow
from reference_data import give_reference, reference
from sqlalchemy import text

from .stories import DEPARTMENT, HELPER, SECOND, THIRD, facts, keep, story, told
from .stories import NEED as NEED_ID

Serve = Callable[..., AbstractAsyncContextManager[Running]]


def folded(events: list[Event]) -> NeedRow:
    folder = Folder([NEED])
    for event in events:
        folder.fold(event.decode(EVENTS[event.type]), event.time)
    [row] = folder.rows["need"].values()
    assert isinstance(row, NeedRow)
    return row


def matched(minutes: int, helper: str, *, complete: bool, kind: str = "volunteer") -> Event:
    seat = facts() | {"helper_id": helper, "match_id": helper, "crew_complete": complete}
    return told(f"{kind}.matched", minutes, seat)


def corrected(minutes: int, helper: str) -> Event:
    seat = {"helper_id": helper, "match_id": helper, "crew_complete": True, "corrected": True}
    return told("volunteer.matched", minutes, facts() | seat)


def released(minutes: int, helper: str, *, complete: bool = False) -> Event:
    seat = facts() | {"helper_id": helper, "match_id": helper, "crew_complete": complete}
    return told("match.released", minutes, seat | {"reason": "helper_withdrew"})


def test_a_need_is_matched_when_the_least_crew_is_there_and_while_it_is() -> None:
    """Three seats, of which two are the least crew."""
    events = [told("need.opened", 1, facts()), told("offer.made", 2, facts())]
    states = []
    for event in (
        matched(3, HELPER, complete=False),
        matched(4, SECOND, complete=True, kind="staff"),
        matched(5, THIRD, complete=True),
        told("offer.made", 6, facts()),
        released(7, HELPER, complete=True),
        released(8, SECOND),
        told("offer.made", 9, facts()),
        matched(10, HELPER, complete=True),
    ):
        events.append(event)
        row = folded(events)
        states.append((row.match_state, row.crew, row.crew_complete))
    assert states == [
        ("offered", 1, False),
        ("matched", 2, True),
        ("matched", 3, True),
        ("matched", 3, True),
        ("matched", 2, True),
        ("released", 1, False),
        ("offered", 1, False),
        ("matched", 2, True),
    ]


def test_a_helper_beyond_the_least_crew_of_a_role_leaves_a_need_that_is_still_matched() -> None:
    """Two nurses come before the doctor; the least crew is one of each."""
    found = [
        told("need.opened", 1, facts()),
        matched(2, HELPER, complete=False),
        matched(3, SECOND, complete=False),
        matched(4, THIRD, complete=True),
    ]
    row = folded([*found, released(5, SECOND, complete=True)])
    assert (row.match_state, row.crew, row.crew_complete) == ("matched", 2, True)
    assert row.filled_at == found[-1].time
    row = folded([*found, released(5, THIRD)])
    assert (row.match_state, row.crew, row.crew_complete) == ("released", 2, False)


def test_a_match_that_is_told_again_is_no_other_helper() -> None:
    events = [told("need.opened", 1, facts()), matched(2, HELPER, complete=True)]
    row = folded([*events, corrected(3, HELPER)])
    assert (row.match_state, row.crew, row.matches_made) == ("matched", 1, 1)
    row = folded([*events, corrected(3, HELPER), released(4, HELPER)])
    assert (row.match_state, row.crew) == ("released", 0)


def test_a_need_opened_again_is_open_and_counts_both_openings() -> None:
    closed = told("need.closed", 3, facts() | {"reason": "appointment_cancelled"})
    row = folded([told("need.opened", 1, facts()), closed])
    assert (row.state, row.closed_reason) == ("closed", "appointment_cancelled")
    again = folded([told("need.opened", 1, facts()), closed, told("need.opened", 4, facts())])
    assert (again.state, again.closed_reason, again.times_opened) == ("open", None, 2)
    assert again.opened_at == row.opened_at


def test_seats_that_differ_from_the_policy_s_are_counted_over_the_roles() -> None:
    seats = [
        {"role": "nurse", "least": 1, "wanted": 2},
        {"role": "doctor", "least": 0, "wanted": 1},
    ]
    row = folded([told("need.opened", 1, facts() | {"seats": seats})])
    assert (row.seats_least, row.seats_wanted) == (1, 3)
    as_declared = folded([told("need.opened", 1, facts())])
    assert (as_declared.seats_least, as_declared.seats_wanted) == (None, None)


async def test_the_views_name_places_and_departments_and_tell_decisions_and_escalations(
    serve: Serve,
) -> None:
    escalation = facts() | {"reason": "nobody_answered", "missing": 1}
    raised = told("attention.raised", 70, facts(), "matching")
    settled = told("attention.settled", 80, facts() | {"outcome": "helper_found"}, "matching")
    async with serve(SERVICE) as running:
        database = running.runtime.database
        assert database is not None
        await give_reference(database)
        await keep(running, [*story(), told("match.escalated", 65, escalation), raised, settled])

        async def one(sql: str) -> dict[str, Any]:
            async with database.connect() as connection:
                row = (await connection.execute(text(sql))).mappings().one()
            return dict(row)

        department = reference().department(DEPARTMENT)
        place = reference().place("randers-hospital")
        need = await one("select * from reporting.need")
        names = (need["department_name"], need["place_name"], need["helpers"])
        assert names == (department.label, place.label, [HELPER])
        appointment = await one("select * from reporting.appointment")
        assert (appointment["need_id"], appointment["place_name"]) == (NEED_ID, place.label)
        known = await one("select * from reporting.place where location_id = 'randers-hospital'")
        assert (known["name"], known["postcode"]) == (place.label, place.postcode)
        former = f"select * from reporting.department where department = '{department.former[0]}'"
        assert (await one(former))["current"] == DEPARTMENT
        decision = await one("select * from reporting.decision")
        assert (decision["need_id"], decision["policy_version"]) == (NEED_ID, 1)
        assert decision["excluded"][0]["rule"] == "availability"
        escalated = await one("select * from reporting.escalation")
        assert (escalated["escalated_reason"], escalated["escalated_missing"]) == (
            "nobody_answered",
            1,
        )
        attention = await one("select * from reporting.attention_summary")
        assert (attention["kind"], attention["outcome"], attention["items"]) == (
            "nobody_found",
            "helper_found",
            1,
        )
        assert attention["p50_seconds"] == 600


def test_a_need_whose_asking_a_coordinator_has_stopped_is_held_until_it_goes_on() -> None:
    nobody = facts() | {"could": 0, "asked": 0, "considered": [], "excluded": []}
    held = told("need.decided", 3, nobody | {"outcome": "held"})
    events = [told("need.opened", 1, facts()), told("offer.made", 2, facts()), held]
    assert folded(events).match_state == "held"
    resumed = told("need.decided", 4, nobody | {"outcome": "resumed"})
    assert folded([*events, resumed]).match_state is None
    assert folded([*events, told("offer.made", 4, facts())]).match_state == "offered"
    assert folded([*events, matched(4, HELPER, complete=True)]).match_state == "matched"
    assert folded([*events[:2], matched(2, HELPER, complete=True), held]).match_state == "matched"
