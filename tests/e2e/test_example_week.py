"""The example week is what its generator makes, about nobody real, and broken only on purpose."""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from brobyg_referral.hospital.fhir.reading import read_appointment
from reference_data import reference

WEEK = Path(__file__).parents[2] / "examples" / "hospital-week"
GENERATED = ("messages.jsonl", "referrals.json", "volunteers.json")
CPR_LIKE = re.compile(r"(?<!\d)\d{10}(?!\d)")


@pytest.fixture(scope="module")
def messages() -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in (WEEK / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture(scope="module")
def official() -> set[str]:
    lines = (WEEK / "persons.csv").read_text(encoding="utf-8").splitlines()
    return {line.split(",")[0] for line in lines[1:]}


def document(name: str) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = json.loads((WEEK / name).read_text(encoding="utf-8"))
    return value


def test_the_committed_files_are_what_the_generator_gives(tmp_path: Path) -> None:
    command = [sys.executable, str(WEEK / "generate.py"), "--into", str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert said.startswith("seed 20261130:")
    for name in GENERATED:
        assert (tmp_path / name).read_bytes() == (WEEK / name).read_bytes(), name


def test_no_cpr_appears_that_is_not_on_the_official_list(official: set[str]) -> None:
    assert len(official) == 38
    for path in WEEK.iterdir():
        if path.is_file():
            assert set(CPR_LIKE.findall(path.read_text(encoding="utf-8"))) <= official, path.name


def test_every_mail_address_is_under_a_reserved_domain() -> None:
    for name in ("referrals.json", "volunteers.json"):
        for address in re.findall(r"[\w.+-]+@[\w.-]+", (WEEK / name).read_text(encoding="utf-8")):
            assert address.endswith(".example"), address


def test_the_week_has_as_much_of_everything_as_it_says(messages: list[dict[str, Any]]) -> None:
    expected = Counter(message["expect"] for message in messages)
    assert expected == {"kept": 323, "dropped": 201, "rejected": 15, "repeat": 20, "stale": 15}
    appointments = {key for message in messages for key in message["keys"] if key.startswith("A-")}
    assert len(appointments) == 256
    channels = Counter(message["channel"] for message in messages)
    assert channels["kafka"] > 100
    assert channels["fhir"] > 300


def resources(message: dict[str, Any]) -> list[dict[str, Any]]:
    body = message["body"]
    if isinstance(body, str):
        return []
    return (
        [entry["resource"] for entry in body["entry"]]
        if body["resourceType"] == "Bundle"
        else [body]
    )


def version(resource: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


def cpr_of(resource: dict[str, Any]) -> str:
    return str(resource["participant"][0]["actor"]["identifier"]["value"])


def test_messages_arrive_in_the_order_of_the_file(messages: list[dict[str, Any]]) -> None:
    times = [datetime.fromisoformat(message["at"]) for message in messages]
    assert times == sorted(times)


def test_only_those_with_a_referral_are_kept_and_only_those_without_are_dropped(
    messages: list[dict[str, Any]],
) -> None:
    consented = {entry["body"]["citizen"]["cpr"] for entry in document("referrals.json")}
    assert len(consented) == 26
    for message in messages:
        if message["expect"] != "rejected":
            assert {cpr_of(resource) in consented for resource in resources(message)} == {
                message["expect"] != "dropped"
            }


def test_what_is_expected_of_a_message_follows_from_what_came_before_it(
    messages: list[dict[str, Any]],
) -> None:
    """The rule is meta.lastUpdated: newer is kept, equal is a repeat, older is stale."""
    newest: dict[str, datetime] = {}
    for message in messages:
        if message["expect"] in {"dropped", "rejected"}:
            continue
        for resource in resources(message):
            number = resource["identifier"][0]["value"]
            known = newest.get(number)
            found = version(resource)
            verdict = (
                "kept"
                if known is None or found > known
                else "repeat"
                if found == known
                else "stale"
            )
            assert verdict == message["expect"], number
            newest[number] = max(found, known or found)


def test_a_message_is_never_about_something_that_has_not_happened_yet(
    messages: list[dict[str, Any]],
) -> None:
    for message in messages:
        if message["expect"] == "rejected":
            continue
        for resource in resources(message):
            assert version(resource) <= datetime.fromisoformat(message["at"])
            if resource["status"] == "fulfilled":
                assert datetime.fromisoformat(resource["end"]) <= version(resource)


def final_states(messages: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    last: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message["expect"] == "rejected":
            continue
        for resource in resources(message):
            number = resource["identifier"][0]["value"]
            if number not in last or version(resource) > version(last[number]):
                last[number] = resource
    return last


def test_two_of_each_kind_come_beside_another_and_nobody_else_is_to_be_in_two_places(
    messages: list[dict[str, Any]],
) -> None:
    of_citizen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for resource in final_states(messages).values():
        if resource["status"] != "cancelled":
            of_citizen[cpr_of(resource)].append(resource)
    kinds = Counter(
        kind
        for resources in of_citizen.values()
        for pair in pairwise(sorted(resources, key=start_of))
        if (kind := kind_of(*pair))
    )
    assert kinds == {"same time": 2, "same house": 2, "two houses": 2}


def start_of(resource: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(resource["start"])


def kind_of(first: dict[str, Any], second: dict[str, Any]) -> str | None:
    """How two appointments of one citizen stand to each other; None hours apart."""
    if start_of(second) - start_of(first) >= timedelta(hours=4):
        return None
    if start_of(first) == start_of(second):
        assert first["identifier"][0]["system"] != second["identifier"][0]["system"]
        return "same time"
    if first["participant"][1] == second["participant"][1]:
        assert datetime.fromisoformat(first["end"]) < start_of(second)
        return "same house"
    assert start_of(second) < datetime.fromisoformat(first["end"])
    return "two houses"


def test_every_appointment_ends_within_the_week(messages: list[dict[str, Any]]) -> None:
    statuses = Counter(resource["status"] for resource in final_states(messages).values())
    assert set(statuses) == {"fulfilled", "cancelled", "noshow"}
    assert statuses["cancelled"] == 22
    assert statuses["noshow"] == 14
    assert messages[-1]["at"] < "2026-12-06T23:00"


def test_places_and_postcodes_are_real(messages: list[dict[str, Any]]) -> None:
    known = reference()
    for entry in document("referrals.json"):
        assert entry["body"]["needs"]["postcode"] in known.postcodes
    for entry in document("volunteers.json"):
        assert entry["registration"]["home_postcode"] in known.postcodes
    for resource in final_states(messages).values():
        assert resource["participant"][1]["actor"]["identifier"]["value"] in known.places


def test_forty_volunteers_of_both_pools_and_all_referrals_belong_to_the_one_department() -> None:
    registrations = [entry["registration"] for entry in document("volunteers.json")]
    assert len({registration["email"] for registration in registrations}) == 40
    assert {registration["pool"] for registration in registrations} == {
        "student",
        "retired_professional",
    }
    referrals = [entry["body"] for entry in document("referrals.json")]
    departments = {one["department"] for one in [*registrations, *referrals]}
    assert departments == {"randers-norddjurs"}


def test_the_one_more_booking_to_try_has_a_referral_and_reads_as_the_standard_asks() -> None:
    body = json.loads((WEEK / "one-more-booking.json").read_bytes())
    read = read_appointment(body, reference())
    referred = {
        one["body"]["citizen"]["cpr"] for one in json.loads((WEEK / "referrals.json").read_bytes())
    }
    assert read.cpr in referred
    assert read.content.plan.is_complete
    assert read.content.plan.starts_at is not None
    assert read.content.plan.starts_at > datetime(2026, 12, 7, tzinfo=UTC)


def test_the_postcode_of_who_is_erased_is_nobody_elses() -> None:
    """Beside their id in a table's file the postcode of the next row would pass for theirs."""
    referrals = document("referrals.json")
    lived = Counter(one["body"]["citizen"]["address"]["postcode"] for one in referrals)
    asking = [one["body"]["citizen"] for one in referrals if one.get("canary")]
    assert [lived[one["address"]["postcode"]] for one in asking] == [1, 1]
