"""What coordinators and analysts are answered."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from random import Random

import pytest
from brobyg_contracts import EVENTS
from brobyg_contracts import TOPICS as CARRIED
from brobyg_contracts.reference import Reference
from brobyg_kit.testing import Running, bearer, eventually
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.sentences import sentence
from brobyg_reporting.handlers import TOPICS
from brobyg_reporting.testing import make_history
from reference_data import give_reference

from .stories import (
    APPOINTMENT,
    DEPARTMENT,
    ELSEWHERE,
    FORMER,
    HELPER,
    NEED,
    OFFER,
    OTHER,
    REFERRAL,
    STARTS_AT,
    facts,
    keep,
    story,
    told,
)

Serve = Callable[..., AbstractAsyncContextManager[Running]]
Json = dict[str, object]

ANALYST = bearer("analyst")
OURS, OTHERS = (
    bearer("coordinator", department=DEPARTMENT),
    bearer("coordinator", department=ELSEWHERE),
)


async def fill(running: Running) -> None:
    """A whole story of our department, and one of another that has only begun."""
    assert running.runtime.database is not None
    await give_reference(running.runtime.database)
    await keep(running, story() + story(OTHER, ELSEWHERE)[1:5])


async def rows(running: Running, path: str, key: str, headers: dict[str, str] = OURS) -> list[Json]:
    answer = await running.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()[key]
    return found


async def test_the_timeline_tells_a_referral_s_story_in_english_and_danish(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(SERVICE) as running:
        await fill(running)

        async def named() -> bool:
            events = await rows(running, f"/referrals/{REFERRAL}/timeline", "events")
            return "Regionshospitalet" in str(events[2]["sentence"])

        await eventually(named, "places are named by the reference data", timeout=20)
        events = await rows(running, f"/referrals/{REFERRAL}/timeline", "events")
        assert [str(event["type"]).removeprefix("dk.brobyg.") for event in events] == [
            "referral.created",
            "consent.given",
            "appointment.booked",
            "need.opened",
            "need.decided",
            "offer.made",
            "offer.accepted",
            "volunteer.matched",
            "appointment.completed",
            "need.closed",
        ]
        assert events[2]["sentence"] == {
            "en": "An appointment was booked: 2 December 2026 at 10:00, Regionshospitalet Randers.",
            "da": "En aftale blev booket: 2. december 2026 kl. 10.00, Regionshospitalet Randers.",
        }
        for bound, told, cut_after in ((10, 10, None), (9, 9, 9)):
            monkeypatch.setattr("brobyg_reporting.adapters.queries._MOST_EVENTS", bound)
            answer = await running.client.get(f"/referrals/{REFERRAL}/timeline", headers=ANALYST)
            assert len(answer.json()["events"]) == told
            assert answer.json()["cut_after"] == cut_after


async def test_a_coordinator_sees_their_own_department_and_an_analyst_all(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await fill(running)

        async def seen(headers: dict[str, str]) -> set[object]:
            answer = (await running.client.get("/referrals", headers=headers)).json()
            assert answer["total"] == len(answer["referrals"])
            return {row["referral_id"] for row in answer["referrals"]}

        assert (await seen(OURS), await seen(OTHERS), await seen(ANALYST)) == (
            {REFERRAL},
            {OTHER},
            {REFERRAL, OTHER},
        )
        for path in (f"/referrals/{REFERRAL}/timeline", f"/needs/{NEED}/explanation"):
            answer = await running.client.get(path, headers=OTHERS)
            assert answer.status_code == 404
        totals = [
            (await running.client.get("/counts", headers=headers)).json()["total"]
            for headers in (OURS, OTHERS, ANALYST)
        ]
        assert totals == [11, 4, 15]
        for path, key in (
            ("/needs/summary", "needs"),
            ("/matching/time-to-match", "time_to_match"),
        ):
            all_rows = await rows(running, path, key, ANALYST)
            mine = await rows(running, path, key)
            assert mine == [row for row in all_rows if row["department"] == DEPARTMENT] != []
        assert len(await rows(running, "/helpers/activity", "helpers")) == 1
        assert await rows(running, "/helpers/activity", "helpers", OTHERS) == []


async def test_a_department_sees_what_was_its_predecessor_s(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        assert running.runtime.database is not None
        await give_reference(running.runtime.database)
        await keep(running, story(REFERRAL, FORMER))

        async def seen(headers: dict[str, str]) -> bool:
            answer = await running.client.get("/referrals", headers=headers)
            return bool(answer.json()["referrals"])

        async def both() -> bool:
            as_former = bearer("coordinator", department=FORMER)
            return await seen(OURS) and await seen(as_former) and not await seen(OTHERS)

        await eventually(both, "the department is known with the ids it had", timeout=20)
        [need] = await rows(running, "/needs/summary", "needs")
        assert need["department_name"] not in {None, FORMER}


async def test_the_sums_are_those_of_the_story(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await fill(running)
        [helper] = await rows(running, "/helpers/activity", "helpers")
        done = (helper["matches_done"], helper["hours_done"], helper["accepted"])
        assert done == (1, 1.0, 1)
        [taken] = await rows(running, "/matching/time-to-match", "time_to_match")
        assert taken["p50_seconds"] == 7200
        [summary] = await rows(running, "/needs/summary", "needs")
        expected = {
            "municipality_code": "0730",
            "month": "2026-12-01",
            "pathway": "escort",
            "state": "closed",
            "standing": "completed",
            "needs": 1,
            "helper_minutes": 60,
        }
        assert {name: summary[name] for name in expected} == expected
        [referral] = await rows(running, "/referrals?standing=over", "referrals")
        assert (referral["referral_id"], referral["matches_made"]) == (REFERRAL, 1)
        assert await rows(running, "/referrals?standing=searching", "referrals") == []
        answer = await running.client.get("/projections", headers=OURS)
        assert answer.json()["rows"]["event_log"] == 15


async def test_a_referral_stands_as_its_next_open_need_does(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        given, later = facts(), facts(OTHER)
        second = given | {
            "need_id": later["need_id"],
            "about_id": later["need_id"],
            "starts_at": STARTS_AT + timedelta(days=9),
            "ends_at": STARTS_AT + timedelta(days=9, hours=1),
        }

        async def standing() -> tuple[object, object]:
            [row] = await rows(running, "/referrals", "referrals")
            return row["standing"], row["next_need_id"]

        await keep(running, [told("referral.created", 0, given)])
        assert await standing() == ("no_consent", None)
        await keep(running, [told("consent.given", 1, given)])
        assert await standing() == ("no_need", None)
        await keep(running, [told("need.opened", 2, given), told("need.opened", 3, second)])
        assert await standing() == ("searching", NEED)
        await keep(running, [told("need.decided", 4, given | {"outcome": "waits"})])
        assert await standing() == ("waiting", NEED)
        await keep(running, [told("volunteer.matched", 5, given)])
        assert await standing() == ("matched", NEED)
        # The first is never closed; what happens after its end shows that it is over.
        await keep(running, [told("offer.made", 4 * 24 * 60, second)])
        assert await standing() == ("searching", second["need_id"])
        escalation = second | {"reason": "nobody_available", "missing": 1}
        await keep(running, [told("match.escalated", 4 * 24 * 60 + 1, escalation)])
        assert await standing() == ("escalated", second["need_id"])
        await keep(running, [told("consent.withdrawn", 4 * 24 * 60 + 2, given)])
        assert await standing() == ("no_consent", second["need_id"])


@pytest.mark.parametrize(
    "order", [("need.changed", "match.released"), ("match.released", "need.changed")]
)
@pytest.mark.parametrize("match", ["volunteer.matched", "staff.matched"])
@pytest.mark.parametrize(
    "substitute", [None, OTHER], ids=["nobody comes instead", "another comes instead"]
)
async def test_a_need_moved_after_its_end_is_no_longer_counted_for_who_had_it(
    serve: Serve, order: tuple[str, str], match: str, substitute: str | None
) -> None:
    """The two topics have no order between them."""
    given = facts()
    later = STARTS_AT + timedelta(days=3)
    moved = given | {"starts_at": later, "ends_at": later + timedelta(hours=1)}
    released = given | {"reason": "appointment_rescheduled"}
    matched = told(match, 180, given)
    before = [one for one in story()[:-2] if one.type != "dk.brobyg.volunteer.matched"]

    async with serve(SERVICE) as running:

        async def activity() -> dict[object, tuple[object, ...]]:
            return {
                row["helper_id"]: (row["matches_planned"], row["matches_done"], row["minutes_done"])
                for row in await rows(running, "/helpers/activity", "helpers")
            }

        said = {
            "need.changed": told("need.changed", 5000, moved),
            "match.released": told("match.released", 5001, released),
        }
        registered = told("helper.registered", 0, given | {"helper_id": OTHER})
        await keep(running, [*before, matched, registered])
        assert await activity() == {HELPER: (1, 0, 0), OTHER: (0, 0, 0)}
        await keep(running, [said[name] for name in order])
        assert await activity() == {HELPER: (0, 0, 0), OTHER: (0, 0, 0)}
        if substitute:
            instead = moved | {"helper_id": substitute, "match_id": OTHER}
            await keep(running, [told(match, 5002, instead)])
        await keep(running, [told("need.closed", 9000, moved)])
        assert await activity() == {
            HELPER: (0, 0, 0),
            OTHER: (0, 1, 60) if substitute else (0, 0, 0),
        }


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/counts", {}, 401),
        ("/counts", bearer("referrer"), 403),
        ("/referrals/not-a-uuid/timeline", ANALYST, 422),
        (f"/referrals/{APPOINTMENT}/timeline", ANALYST, 404),
        (f"/needs/{OFFER}/explanation", ANALYST, 404),
        ("/needs/not-a-uuid/explanation", ANALYST, 422),
        (f"/attention/{OFFER}", ANALYST, 404),
        (f"/attention?after={OFFER}", ANALYST, 404),
        ("/attention?state=lost", ANALYST, 422),
        ("/attention?limit=100000", ANALYST, 422),
        (f"/attention?department={ELSEWHERE}", OURS, 403),
        ("/referrals?limit=100000", ANALYST, 422),
        ("/referrals?standing=lost", ANALYST, 422),
    ],
)
async def test_what_can_t_be_answered_is_a_clear_4xx(
    serve: Serve, path: str, headers: dict[str, str], status: int
) -> None:
    async with serve(SERVICE) as running:
        await fill(running)
        answer = await running.client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (
            status,
            "application/problem+json",
        )


def test_every_event_type_has_a_sentence_in_both_languages_and_an_unknown_one_is_named() -> None:
    said = {
        event.type: sentence(event.type, bytes(event.data), Reference())
        for event in make_history(Random(1), 60).events()
    }
    assert said.keys() == {name for topic in TOPICS for name in CARRIED[topic]} <= EVENTS.keys()
    for kind, (english, danish) in said.items():
        assert english.endswith(".")
        assert danish.endswith(".")
        assert english != danish
        assert kind not in english
    unknown = sentence("dk.brobyg.outcome.measured", b"{}", Reference())
    assert "dk.brobyg.outcome.measured" in unknown.en
    assert "not readable" in sentence("dk.brobyg.consent.given", b"{}", Reference()).en
