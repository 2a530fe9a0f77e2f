"""A need is explained from the stream alone."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from random import Random

import msgspec
import pytest
from brobyg_contracts.reference import Reference
from brobyg_kit.event import Event
from brobyg_kit.testing import Running, bearer
from brobyg_reporting.bootstrap import SERVICE
from brobyg_reporting.domain.explanation import Explanation, PastEvent, explain
from brobyg_reporting.entrypoints import explain as command
from brobyg_reporting.testing import make_history
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_data import reference
from typer.testing import CliRunner

from .stories import (
    DEPARTMENT,
    HELPER,
    ITEM,
    NEED,
    OFFER,
    OTHER,
    SECOND,
    THIRD,
    facts,
    keep,
    story,
    told,
)

Serve = Callable[..., AbstractAsyncContextManager[Running]]


def explained(events: Sequence[Event], names: Reference | None = None) -> Explanation:
    mine = [event for event in events if event.subject in {NEED, ITEM}]
    past = [PastEvent(event.time, event.type, bytes(event.data)) for event in mine]
    return explain(NEED, past, names or reference())


def texts(found: Explanation, language: str = "en") -> list[str]:
    return [line.sentence[language] for line in found.story]


def test_an_explanation_tells_who_was_considered_ruled_out_asked_and_found_by_which_version() -> (
    None
):
    found = explained(story())
    assert (found.state, found.closed_reason, found.policy_versions) == ("closed", "completed", [1])
    assert (found.department, found.department_name) == (
        DEPARTMENT,
        reference().department(DEPARTMENT).label,
    )
    [decision] = found.decisions
    assert (decision.outcome, decision.could, decision.policy_version) == ("asked", 3, 1)
    first, second = decision.considered
    assert (first.helper_id, first.rank, first.points, first.total) == (
        HELPER,
        1,
        {"known": 210, "fair": 300},
        510,
    )
    assert (first.offer_id, first.answer) == (OFFER, "accepted")
    assert first.answered_at == story()[7].time
    assert (second.helper_id, second.rank, second.answer) == (SECOND, None, None)
    [out] = decision.ruled_out
    assert (out.rule, out.count, list(out.helpers)) == ("availability", 4, [THIRD])
    [match] = found.matches
    assert (match.helper_id, match.way, match.released_at) == (HELPER, "offer", None)


def test_the_story_is_told_in_sentences_of_both_languages() -> None:
    found = explained(story())
    assert texts(found) == [
        (
            "Helpers are needed for an appointment, 2 December 2026 at 10:00,"
            " Regionshospitalet Randers (escort, version 1)."
        ),
        (
            "Decided for seat 1 (round 1, wave 1) by version 1 of the policy escort: helpers were"
            " asked. 3 could, 4 could not, 1 asked."
        ),
        f"Ruled out: not available then: 4 ({THIRD} and 3 more).",
        f"Number 1: {HELPER}, 510 points beside nearness (little to do lately 300, known 210).",
        f"Could, and was not asked: {SECOND}, 0 points beside nearness.",
        "And 1 more who could.",
        f"A helper was asked (wave 1, number 1 in order). Helper: {HELPER}.",
        f"A helper said yes. Helper: {HELPER}.",
        f"A helper was found, who said yes to an offer. Helper: {HELPER}.",
        "Helpers are no longer needed: it took place.",
    ]
    danish = texts(found, "da")
    assert (
        danish[3]
        == f"Nummer 1: {HELPER}, 510 point ud over nærhed (lidt at lave for tiden 300, kendt 210)."
    )
    assert all(one != other for one, other in zip(texts(found), danish, strict=True))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("offer.declined", "declined"),
        ("offer.expired", "expired"),
        ("offer.withdrawn", "withdrawn"),
        (None, "open"),
    ],
)
def test_each_answer_is_told_of_whom_it_is_from(name: str | None, answer: str) -> None:
    given = facts() | {"reason": "taken"}
    answers = [told(name, 170, given)] if name else []
    [decision] = explained([*story()[:7], *answers]).decisions
    assert decision.considered[0].answer == answer
    assert decision.considered[0].reason == ("taken" if answer == "withdrawn" else None)


def test_words_and_types_of_a_later_version_are_shown_as_they_are() -> None:
    odd = facts() | {
        "outcome": "postponed",
        "excluded": [{"rule": "moon_phase", "count": 1, "helpers": [THIRD]}],
        "considered": [{"helper_id": HELPER, "points": {"charm": 7}, "rank": 1}],
    }
    later = msgspec.structs.replace(
        told("need.decided", 5, odd), type="dk.brobyg.need.reconsidered"
    )
    said = " ".join(texts(explained([told("need.decided", 4, odd), later])))
    for word in ("postponed", "moon_phase", "charm 7", "dk.brobyg.need.reconsidered"):
        assert word in said


def test_places_and_departments_that_are_unknown_are_shown_by_their_ids() -> None:
    found = explained(story(), Reference())
    assert found.department_name == DEPARTMENT
    assert "randers-hospital" in texts(found)[0]


def test_a_need_opened_again_and_decided_by_another_version_tells_both() -> None:
    again = facts() | {"policy_version": 2, "round": 2, "helper_id": SECOND, "offer_id": OTHER}
    again |= {"considered": [{"helper_id": SECOND, "points": {}, "rank": 1}], "match_id": OTHER}
    names = ("need.opened", "need.decided", "offer.made", "offer.accepted", "staff.matched")
    released = told("match.released", 4100, facts() | {"reason": "helper_withdrew"})
    found = explained(
        [*story(), released, *(told(name, 5000 + at, again) for at, name in enumerate(names))]
    )
    assert (found.state, found.closed_reason, found.policy_versions) == ("open", None, [1, 2])
    assert [one.considered[0].answer for one in found.decisions] == ["accepted", "accepted"]
    assert [(one.helper_id, one.release_reason) for one in found.matches] == [
        (HELPER, "helper_withdrew"),
        (SECOND, None),
    ]


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_any_history_can_be_explained(seed: int) -> None:
    for (_, subject), stream in make_history(Random(seed), 3).streams.items():
        past = [PastEvent(event.time, event.type, bytes(event.data)) for event in stream]
        found = explain(subject, past, Reference())
        assert len(found.story) >= len(stream)
        msgspec.json.encode(found)


async def test_the_api_and_the_command_tell_what_the_stream_says(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = told("attention.raised", 62, facts(), "matching")
    settled = facts() | {"outcome": "helper_found"}
    events = [*story(), raised, told("attention.settled", 190, settled, "matching")]
    async with serve(SERVICE) as running:
        database = running.runtime.database
        assert database is not None
        await keep(running, events)
        answer = await running.client.get(
            f"/needs/{NEED}/explanation", headers=bearer("coordinator", department=DEPARTMENT)
        )
        assert answer.status_code == 200, answer.text
        in_order = sorted(events, key=lambda one: one.time)
        expected = json.loads(msgspec.json.encode(explained(in_order, Reference())))
        assert sorted(map(str, answer.json().pop("story"))) == sorted(map(str, expected["story"]))
        assert answer.json() | {"story": []} == expected | {"story": []}
        monkeypatch.setattr("brobyg_kit.database.database_url", lambda *_: database.url)
        monkeypatch.setattr(command, "load_environment", lambda: None)

        def run(*arguments: str) -> tuple[int, str]:
            result = CliRunner().invoke(command.app, list(arguments))
            return result.exit_code, result.output

        code, output = await asyncio.to_thread(run, "--language", "en", NEED)
        heading, *lines = output.splitlines()
        assert (code, len(lines)) == (0, len(expected["story"]))
        assert heading == (
            f"Need {NEED} · {DEPARTMENT} · escort · decided by version 1 · closed (completed)"
        )
        assert f"Number 1: {HELPER}, 510 points" in output
        code, output = await asyncio.to_thread(run, NEED, "--json")
        assert (code, json.loads(output)["policy_versions"]) == (0, [1])
        for setting, says in (("da", "Nummer"), ("en", "Number"), ("kl", "Number")):
            monkeypatch.setenv("BROBYG_DEFAULT_LANGUAGE", setting)
            code, output = await asyncio.to_thread(run, NEED)
            assert (code, f"{says} 1: {HELPER}, 510 point" in output) == (0, True)
        code, output = await asyncio.to_thread(run, "--language", "da", NEED)
        assert f"Nummer 1: {HELPER}, 510 point" in output
        assert "left out" not in output
        # A bound that this history passes.
        monkeypatch.setattr("brobyg_reporting.adapters.queries._MOST_EVENTS", 3)
        code, output = await asyncio.to_thread(run, NEED)
        assert (code, "told from the first 3 events; there are more" in output) == (0, True)
        cut = await running.client.get(
            f"/needs/{NEED}/explanation", headers=bearer("coordinator", department=DEPARTMENT)
        )
        assert (answer.json()["cut_after"], cut.json()["cut_after"]) == (None, 3)
        assert (await asyncio.to_thread(run, NEED.upper()))[0] == 0
        assert (await asyncio.to_thread(run, OTHER))[0] == 1
        assert (await asyncio.to_thread(run, "the-third-one"))[0] == 2
        code, output = await asyncio.to_thread(run, "--language", "fr", NEED)
        assert (code, "there are en, da" in output) == (2, True)


def test_where_nobody_was_looked_at_nobody_is_counted() -> None:
    nobody = {"could": 0, "asked": 0, "considered": [], "excluded": [], "outcome": "too_late"}
    [said] = texts(explained([told("need.decided", 2, facts() | nobody)]))
    assert said == (
        "Decided for seat 1 (round 1, wave 1) by version 1 of the policy escort: it was too late to"
        " ask anybody."
    )


def test_seats_and_other_needs_are_named_where_there_are_several() -> None:
    shared = facts() | {"seat": 2, "shares_with": OTHER, "way": "same_way"}
    clash = facts() | {"kind": "clash", "other_need_id": OTHER}
    events = [
        told("offer.accepted", 1, facts()),
        told("volunteer.matched", 2, shared),
        told("attention.raised", 3, clash, "matching"),
    ]
    accepted, matched, raised = texts(explained(events))
    assert accepted == f"A helper said yes. Seat: 1. Helper: {HELPER}."
    assert matched.endswith(f"Seat: 2. Helper: {HELPER}. Other need: {OTHER}.")
    assert raised.endswith(f"two appointments clash. Other need: {OTHER}.")


def test_the_other_need_of_a_clash_is_the_other_one_from_either_side() -> None:
    clash = facts() | {"kind": "clash", "need_id": OTHER, "other_need_id": NEED}
    lines = texts(explained([told("attention.raised", 3, clash, "matching")]))
    assert [f"Other need: {OTHER}" in line for line in lines] == [True]


def test_a_database_that_does_not_answer_ends_the_command_with_3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROBYG_DATABASE", "postgresql://nobody@127.0.0.1:9")
    monkeypatch.setattr(command, "load_environment", lambda: None)
    done = CliRunner().invoke(command.app, [NEED])
    assert done.exit_code == 3
    assert "the history can't be read: the database can't be used" in done.stderr
    assert "sqlalche" not in done.stderr


@pytest.mark.parametrize(
    ("outcome", "en", "da"),
    [
        ("by_hand", "chose the helper", "valgte hjælperen"),
        ("claimed", "took the seat", "tog pladsen"),
        ("released", "took the helper off it", "tog hjælperen af opgaven"),
        ("signed_off", "can't come after all", "kan alligevel ikke"),
        ("held", "stopped the asking", "stoppede spørgsmålene"),
        ("resumed", "let the asking go on", "lod spørgsmålene gå videre"),
        ("reopened", "had it searched once more", "lod der lede en gang til"),
        ("of_a_later_version", "of_a_later_version", "of_a_later_version"),
    ],
)
def test_what_was_done_by_hand_is_told_with_who_did_it_as_what(
    outcome: str, en: str, da: str
) -> None:
    done = {"outcome": outcome, "actor": "kirsten", "actor_role": "coordinator"}
    bare = {"considered": [], "excluded": [], "could": 0, "asked": 0}
    found = explained([told("need.decided", 70, facts() | done | bare)])
    assert texts(found) == [f"By hand for seat 1: the coordinator {en}. By: kirsten."]
    assert texts(found, "da") == [f"Manuelt for plads 1: koordinatoren {da}. Af: kirsten."]
    [decision] = found.decisions
    assert (decision.actor, decision.actor_role) == ("kirsten", "coordinator")


def test_a_decision_of_the_rules_names_no_actor() -> None:
    found = explained([told("need.decided", 61, facts() | {"outcome": "same_way"})])
    assert "on the same way has this one too" in texts(found)[0]
    assert not any("By:" in line for line in texts(found))


def test_the_story_names_a_few_of_many_and_the_decision_all() -> None:
    ids = [f"0190f000-0000-7000-8000-0000000002{number:02}" for number in range(20)]
    many = {
        "could": 60,
        "asked": 0,
        "considered": [{"helper_id": one, "points": {}} for one in ids],
        "excluded": [{"rule": "range", "count": 70, "helpers": ids}],
    }
    found = explained([told("need.decided", 2, facts() | many)])
    _, out, *could, more = texts(found)
    assert out == f"Ruled out: too far away: 70 ({', '.join(ids[:3])} and 67 more)."
    assert (len(could), more) == (3, "And 57 more who could.")
    [decision] = found.decisions
    assert (len(decision.considered), len(decision.ruled_out[0].helpers)) == (20, 20)


@pytest.mark.parametrize(("kind", "told_of"), [("clash", True), ("nobody_found", False)])
async def test_of_two_that_clash_both_are_told_and_of_the_helper_of_one_missing_only_that_one(
    serve: Serve, kind: str, told_of: bool
) -> None:
    item = facts() | {"kind": kind, "need_id": OTHER, "other_need_id": NEED}
    events = [told("need.opened", 1, facts()), told("attention.raised", 2, item, "matching")]
    async with serve(SERVICE) as running:
        await keep(running, events)
        answer = await running.client.get(
            f"/needs/{NEED}/explanation", headers=bearer("coordinator", department=DEPARTMENT)
        )
        lines = [line["sentence"]["en"] for line in answer.json()["story"]]
        assert any(f"Other need: {OTHER}" in line for line in lines) == told_of


def test_a_part_of_one_way_without_its_helper_is_told_as_that_with_the_other_need() -> None:
    part = facts() | {"reason": "part_of_way", "missing": 1, "other_need_id": OTHER}
    found = explained([told("match.escalated", 3, part)])
    [said] = texts(found)
    assert "on the same way does not have this one" in said
    assert said.endswith(f"Other need: {OTHER}.")
    assert "har ikke denne" in texts(found, "da")[0]
