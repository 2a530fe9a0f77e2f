"""What coordinators and analysts are answered."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from random import Random

import msgspec
import pytest
from brobyg_contracts import (
    EVENTS,
    AppointmentCompleted,
    AppointmentRescheduled,
    MatchReleased,
    VolunteerMatched,
    VolunteerRegistered,
)
from brobyg_kit.event import Event, EventData, encode
from brobyg_kit.testing import Running, bearer
from brobyg_reporting.adapters.versions import within
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.log import read_logged
from brobyg_reporting.domain.projections import PROJECTIONS
from brobyg_reporting.domain.sentences import sentence
from brobyg_reporting.testing import START, event_of, make_history, new_uuid
from brobyg_reporting.use_cases.live import log_and_fold

Serve = Callable[..., AbstractAsyncContextManager[Running]]

REFERRAL, OTHER = "0190f000-0000-7000-8000-000000000001", "0190f000-0000-7000-8000-000000000002"
APPOINTMENT, OFFER, VOLUNTEER = (f"0190f000-0000-7000-8000-00000000000{n}" for n in (3, 4, 5))


def story(referral_id: str, department: str, municipality: str) -> list[Event]:
    """From referral to a completed appointment with a volunteer, two hours after it was booked."""
    random, starts_at = Random(referral_id), START + timedelta(days=2, hours=9)
    appointment = APPOINTMENT if referral_id == REFERRAL else new_uuid(random)
    fields = {
        "referral_id": referral_id,
        "citizen_id": new_uuid(random),
        "appointment_id": appointment,
        "volunteer_id": VOLUNTEER,
        "offer_id": OFFER,
        "match_id": OFFER,
        "pathway": "escort",
        "department": department,
        "municipality_code": municipality,
        "referrer_kind": "gp",
        "needs": {
            "languages": ["da"],
            "gender_wish": None,
            "mobility": "independent",
            "meeting": "home",
            "postcode": "8900",
        },
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=1),
        "location_id": "randers-hospital",
        "wave": 1,
        "rank": 1,
        "distance_metres": 2300,
        "known_to_citizen": False,
        "expires_at": starts_at,
        "meeting": "home",
        "meet_at": starts_at - timedelta(hours=1),
        "home_at": starts_at + timedelta(hours=2),
        "minutes": 195,
        "pool": "student",
    }
    names = [
        "volunteer.registered",
        "referral.created",
        "consent.given",
        "appointment.booked",
        "offer.made",
        "offer.accepted",
        "volunteer.matched",
        "appointment.completed",
    ]
    times = [0, 0, 0, 60, 61, 180, 180, 4000]
    events = []
    for number, (name, minutes) in enumerate(zip(names, times, strict=True), 1):
        kind = EVENTS[f"dk.brobyg.{name}"]
        subject = VOLUNTEER if name.startswith("volunteer.r") else referral_id
        events.append(
            event_of(
                random,
                msgspec.convert(fields, kind),
                subject,
                number,
                START + timedelta(minutes=minutes),
            )
        )
    return events


async def fill(running: Running) -> None:
    await keep(running, story(REFERRAL, "randers", "0730") + story(OTHER, "norddjurs", "0707")[1:4])


async def keep(running: Running, events: list[Event]) -> None:
    database = running.runtime.database
    assert database is not None
    placed = [
        read_logged(EVENTS[event.type].TOPIC, 0, number, encode(event))
        for number, event in enumerate(events)
    ]
    async with database.transaction() as tx:
        version = within(tx).version(1)
        await log_and_fold(version, placed, PROJECTIONS)


ANALYST = bearer("analyst")
RANDERS, NORDDJURS = (
    bearer("coordinator", department="randers"),
    bearer("coordinator", department="norddjurs"),
)


async def test_the_timeline_tells_a_referral_s_story_in_english_and_danish(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await fill(running)
        answer = await running.client.get(f"/referrals/{REFERRAL}/timeline", headers=RANDERS)
        assert answer.status_code == 200
        events = answer.json()["events"]
        assert [event["type"].removeprefix("dk.brobyg.") for event in events] == [
            "referral.created",
            "consent.given",
            "appointment.booked",
            "offer.made",
            "offer.accepted",
            "volunteer.matched",
            "appointment.completed",
        ]
        assert events[2]["sentence"] == {
            "en": "An appointment was booked: 2 December 2026 at 10:00, Regionshospitalet Randers.",
            "da": "En aftale blev booket: 2. december 2026 kl. 10.00, Regionshospitalet Randers.",
        }


async def test_a_coordinator_sees_their_own_department_and_an_analyst_all(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await fill(running)

        async def seen(headers: dict[str, str]) -> set[str]:
            answer = (await running.client.get("/referrals", headers=headers)).json()
            assert answer["total"] == len(answer["referrals"])
            return {row["referral_id"] for row in answer["referrals"]}

        assert (await seen(RANDERS), await seen(NORDDJURS), await seen(ANALYST)) == (
            {REFERRAL},
            {OTHER},
            {REFERRAL, OTHER},
        )
        assert (
            await running.client.get(f"/referrals/{REFERRAL}/timeline", headers=NORDDJURS)
        ).status_code == 404
        totals = [
            (await running.client.get("/counts", headers=headers)).json()["total"]
            for headers in (RANDERS, NORDDJURS, ANALYST)
        ]
        assert totals == [8, 3, 11]
        for path, key in (
            ("/appointments/summary", "appointments"),
            ("/volunteers/activity", "volunteers"),
            ("/matching/time-to-match", "time_to_match"),
        ):
            rows = (await running.client.get(path, headers=ANALYST)).json()[key]
            mine = (await running.client.get(path, headers=RANDERS)).json()[key]
            assert mine == [row for row in rows if row["department"] == "randers"] != []


async def test_the_sums_are_those_of_the_story(serve: Serve) -> None:
    async with serve(SERVICE) as running:
        await fill(running)

        async def get(path: str) -> dict[str, list[dict[str, object]]]:
            found: dict[str, list[dict[str, object]]] = (
                await running.client.get(path, headers=RANDERS)
            ).json()
            return found

        volunteer = (await get("/volunteers/activity"))["volunteers"][0]
        assert (volunteer["escorts_done"], volunteer["hours_done"], volunteer["accepted"]) == (
            1,
            3.25,
            1,
        )
        assert (await get("/matching/time-to-match"))["time_to_match"][0]["p50_seconds"] == 7200
        summary = (await get("/appointments/summary"))["appointments"]
        expected = {
            "municipality_code": "0730",
            "month": "2026-12-01",
            "state": "completed",
            "match_state": "matched",
            "appointments": 1,
        }
        assert [{name: row[name] for name in expected} for row in summary] == [expected]
        assert (await get("/referrals?standing=over"))["referrals"][0]["referral_id"] == REFERRAL
        assert (await get("/referrals?standing=searching"))["referrals"] == []
        assert (await running.client.get("/projections", headers=RANDERS)).json()["rows"][
            "event_log"
        ] == 11


async def test_consent_given_anew_does_not_bring_back_what_was_booked_before_it_was_withdrawn(
    serve: Serve,
) -> None:
    async with serve(SERVICE) as running:
        before = story(REFERRAL, "randers", "0730")[1:4]

        async def tell(name: str, hours: int) -> dict[str, object]:
            data = EVENTS[f"dk.brobyg.{name}"](referral_id=REFERRAL, citizen_id=OTHER)
            event = event_of(
                Random(name + str(hours)), data, REFERRAL, 4 + hours, START + timedelta(hours=hours)
            )
            await keep(running, [event])
            [row] = (await running.client.get("/referrals", headers=RANDERS)).json()["referrals"]
            return {name: row[name] for name in ("standing", "next_appointment_id")}

        await keep(running, before)
        assert await tell("consent.given", 2) == {
            "standing": "searching",
            "next_appointment_id": APPOINTMENT,
        }
        assert await tell("consent.withdrawn", 3) == {
            "standing": "no_consent",
            "next_appointment_id": None,
        }
        assert await tell("consent.given", 4) == {"standing": "over", "next_appointment_id": None}
        summary = (await running.client.get("/appointments/summary", headers=RANDERS)).json()[
            "appointments"
        ]
        assert [row["state"] for row in summary] == ["forgotten"]


async def test_an_appointment_that_the_hospital_never_closed_does_not_hide_the_next(
    serve: Serve,
) -> None:
    async with serve(SERVICE) as running:
        before = story(REFERRAL, "randers", "0730")[1:4]
        [passed] = [event for event in before if event.type.endswith("booked")]
        starts_at = START + timedelta(days=9)
        later = msgspec.structs.replace(
            passed.decode(EVENTS[passed.type]),
            appointment_id=OFFER,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1),
        )
        await keep(running, before)
        await keep(running, [event_of(Random(1), later, REFERRAL, 4, START + timedelta(days=4))])
        [row] = (await running.client.get("/referrals", headers=RANDERS)).json()["referrals"]
        assert row["next_appointment_id"] == OFFER


@pytest.mark.parametrize(
    "order", [("rescheduled", "released"), ("released", "rescheduled")], ids="-then-".join
)
@pytest.mark.parametrize(
    "substitute", [None, OTHER], ids=["nobody comes instead", "another comes instead"]
)
async def test_an_appointment_moved_after_its_end_is_no_longer_counted_for_who_had_it(
    serve: Serve, order: tuple[str, str], substitute: str | None
) -> None:
    """The two topics have no order between them."""
    *before, _ = story(REFERRAL, "randers", "0730")
    matched = next(
        event.decode(VolunteerMatched)
        for event in before
        if event.type == VolunteerMatched.EVENT_TYPE
    )
    later = matched.starts_at + timedelta(days=3)
    known = msgspec.to_builtins(matched) | {"reason": "appointment_rescheduled"}
    moved = known | {"starts_at": later, "ends_at": later + timedelta(hours=1), "minutes": 60}

    def one(
        kind: type[EventData], data: dict[str, object], hours: int, subject: str = REFERRAL
    ) -> Event:
        time = matched.ends_at + timedelta(hours=hours)
        return event_of(
            Random(f"{kind} {hours}"), msgspec.convert(data, kind), subject, hours, time
        )

    async with serve(SERVICE) as running:

        async def activity() -> dict[str, tuple[object, ...]]:
            found = (await running.client.get("/volunteers/activity", headers=RANDERS)).json()[
                "volunteers"
            ]
            return {
                row["volunteer_id"]: (
                    row["escorts_planned"],
                    row["escorts_done"],
                    row["minutes_done"],
                )
                for row in found
            }

        said = {
            "rescheduled": one(AppointmentRescheduled, moved, 20),
            "released": one(MatchReleased, known, 21),
        }
        registered = msgspec.structs.replace(
            before[0].decode(VolunteerRegistered), volunteer_id=OTHER
        )
        await keep(running, [*before, event_of(Random(2), registered, OTHER, 1, START)])
        assert await activity() == {VOLUNTEER: (1, 0, 0), OTHER: (0, 0, 0)}
        await keep(running, [said[name] for name in order])
        assert await activity() == {VOLUNTEER: (0, 0, 0), OTHER: (0, 0, 0)}
        if substitute:
            await keep(running, [one(VolunteerMatched, moved | {"volunteer_id": substitute}, 22)])
        await keep(running, [one(AppointmentCompleted, moved, 80)])
        assert await activity() == {
            VOLUNTEER: (0, 0, 0),
            OTHER: (0, 1, 60) if substitute else (0, 0, 0),
        }


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/counts", {}, 401),
        ("/counts", bearer("volunteer"), 403),
        ("/referrals/not-a-uuid/timeline", ANALYST, 422),
        (f"/referrals/{APPOINTMENT}/timeline", ANALYST, 404),
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
    told = {
        event.type: sentence(event.type, bytes(event.data))
        for event in make_history(Random(1), 60).events()
    }
    assert told.keys() == EVENTS.keys()
    for kind, (english, danish) in told.items():
        assert english.endswith(".")
        assert danish.endswith(".")
        assert english != danish
        assert kind not in english
    assert "dk.brobyg.outcome.measured" in sentence("dk.brobyg.outcome.measured", b"{}")[0]
    assert "not readable" in sentence("dk.brobyg.consent.given", b"{}")[0]
