"""A coordinator finds a citizen by what is known of them; who is erased is not found."""

from typing import Any

import pytest
from brobyg_kit.attention import actor_of
from brobyg_kit.testing import bearer
from referral_bench import REFERRER, Served
from referral_samples import CPR, FAMILY, GIVEN, MESSAGES, OTHER_CPR, PHONE, UNKNOWN_CPR, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")
COORDINATOR = bearer("coordinator", department="randers-norddjurs", subject="coordinator-1")
ELSEWHERE = bearer("coordinator", department="aarhus")
HEAD_OFFICE = bearer("coordinator")


async def search(
    service: Served, headers: dict[str, str] | None = None, **body: Any
) -> dict[str, Any]:
    answer = await service.running.client.post(
        "/citizens/search", json=body, headers=headers or COORDINATOR
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def found(service: Served, headers: dict[str, str] | None = None, **body: Any) -> list[str]:
    return [one["citizen_id"] for one in (await search(service, headers, **body))["citizens"]]


def citizen(cpr: str = CPR, **changes: object) -> dict[str, Any]:
    return {"citizen": referral(cpr)["citizen"] | changes}


async def test_a_citizen_is_found_by_each_thing_and_by_all_of_them(service: Served) -> None:
    made = (await service.referred())["citizen_id"]
    other = await service.referred(**citizen(OTHER_CPR, given_name="Ulla", phone=None))
    for body in (
        {"name": "ejner lauritsen"},
        {"name": "laurid", "phone": "20 30 40 50"},
        {"phone": PHONE},
        {"name": "Einer", "birth_date": "1960-01-02", "phone": PHONE},
    ):
        assert await found(service, **body) == [made], body
    assert sorted(await found(service, name="lauridsen", birth_date="1960-01-02")) == sorted(
        [made, other["citizen_id"]]
    )
    for body in (
        {"name": "einer pedersen"},
        {"name": "einer", "birth_date": "1960-01-03"},
        {"name": "ulla", "phone": PHONE},
    ):
        assert await found(service, **body) == [], body


async def test_the_answer_tells_ids_and_what_matched_and_nothing_of_the_identity(
    service: Served,
) -> None:
    made = (await service.referred())["citizen_id"]
    told = await search(service, name="Einer lauritsen te", phone=PHONE)
    assert told == {
        "citizens": [
            {
                "citizen_id": made,
                "matched": {"given_name": "exact", "family_name": "alike", "phone": "exact"},
            }
        ],
        "more": False,
    }
    seen = await service.rows("select encode(token, 'escape') as token from name_token")
    assert len(seen) > 10
    assert not [one for one in seen if FAMILY.lower()[:4] in one["token"].lower()]


async def test_the_best_is_first_and_the_page_is_bounded(service: Served) -> None:
    alike = (await service.referred(**citizen(family_name="Lauritzen")))["citizen_id"]
    exact = (await service.referred(**citizen(OTHER_CPR, family_name="Lauridsen")))["citizen_id"]
    await service.referred(**citizen(UNKNOWN_CPR, family_name="Holm"))
    assert await found(service, name="lauridsen") == [exact, alike]
    assert await found(service, name="lauritzen") == [alike, exact]
    both = await search(service, name="einer laurid", limit=1)
    assert (len(both["citizens"]), both["more"]) == (1, True)
    both = await search(service, name="einer laur", limit=2)
    assert ({one["citizen_id"] for one in both["citizens"]}, both["more"]) == (
        {alike, exact},
        False,
    )


async def test_each_who_was_found_is_recorded_as_looked_up(service: Served) -> None:
    made = (await service.referred())["citizen_id"]
    await found(service, name="einer")
    await found(service, name="nobody of this name")
    assert await service.rows("select person_id::text, purpose, reader from access_entry") == [
        {"person_id": made, "purpose": "search", "reader": actor_of("coordinator-1")}
    ]


async def test_only_a_department_that_has_referred_the_citizen_and_head_office_find_them(
    service: Served,
) -> None:
    made = (await service.referred())["citizen_id"]
    assert await found(service, ELSEWHERE, name="einer") == []
    assert await found(service, HEAD_OFFICE, name="einer") == [made]
    for anywhere in (None, "aarhus"):  # who asks to be erased is to be found
        officer = bearer("data_protection", department=anywhere)
        assert await found(service, officer, name="einer") == [made]
    for headers in (REFERRER, bearer("service"), bearer("analyst")):
        answer = await service.running.client.post(
            "/citizens/search", json={"name": "einer"}, headers=headers
        )
        assert answer.status_code == 403


async def test_what_is_known_now_is_what_is_found(service: Served) -> None:
    """Another referral of the same citizen tells another name; a phone that is not told stays."""
    made = (await service.referred())["citizen_id"]
    again = referral() | {"pathway": "toy_caseload"}
    again |= citizen(given_name="Ejnar", family_name="Holm", phone=None)
    assert (await service.referred(**again))["citizen_id"] == made
    assert await found(service, name="holm ejnar", phone=PHONE, birth_date="1960-01-02") == [made]
    assert await found(service, name=GIVEN) == []


async def test_who_is_erased_is_not_found_and_leaves_no_key_and_no_token(service: Served) -> None:
    made = await service.referred()
    await service.running.client.delete(
        f"/referrals/{made['referral_id']}/consent", headers=REFERRER
    )
    assert await found(service, name="einer") == [made["citizen_id"]]
    await service.running.client.delete(
        f"/citizens/{made['citizen_id']}?reason=requested", headers=COORDINATOR
    )
    for body in ({"name": "einer"}, {"phone": PHONE}, {"birth_date": "1960-01-02"}):
        assert await found(service, HEAD_OFFICE, **body) == []
    assert await service.rows("select 1 from name_token union all select 1 from person_key") == []


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "e"}, {"name": " - "}, {"phone": "123"}, {"limit": 51, "name": "einer"},
     {"name": "einer", "cpr": CPR}, {"birth_date": "02-01-1960"},
     {"birth_date": -315532800}, {"birth_date": "0"}, {"birth_date": CPR}, {"name": "L"}],
)  # fmt: skip
async def test_what_asks_for_nothing_is_refused_without_being_repeated(
    service: Served, body: dict[str, Any]
) -> None:
    answer = await service.running.client.post("/citizens/search", json=body, headers=COORDINATOR)
    assert answer.status_code == 422
    assert CPR not in answer.text
    if "birth_date" in body:
        assert "expected a date such as 1960-01-31" in answer.text
    elif body.get("name") == "L":
        assert "expected the first 3 letters of a name, a whole name of 2" in answer.text


async def test_a_missing_master_key_is_told_by_readiness_and_is_no_fault_of_the_request(
    service: Served,
) -> None:
    made = (await service.referred())["citizen_id"]
    await service.rows("update person_key set master_key_id = 'ffffffffffffffff'")
    ready = await service.running.client.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["keys"]["ok"]) == (503, False)
    path = f"/citizens/{made}/contact?purpose=message"
    answer = await service.running.client.get(path, headers=bearer("service"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "database" not in answer.json()["title"]
    # Nothing of the identity is opened for a search.
    assert await found(service, name="einer") == [made]


async def test_whose_key_was_lost_is_sealed_anew_when_told_anew(service: Served) -> None:
    made = await service.referred(consents=[MESSAGES])
    await service.rows("delete from person_key")
    path = f"/citizens/{made['citizen_id']}/contact?purpose=message"
    lost = await service.running.client.get(path, headers=bearer("service"))
    assert (lost.status_code, lost.headers["Retry-After"]) == (503, "2"), "they are not erased"
    assert (await service.referred(pathway="toy_caseload"))["citizen_id"] == made["citizen_id"]
    told = await service.running.client.get(path, headers=bearer("service"))
    assert (told.status_code, told.json()["given_name"]) == (200, GIVEN)
    # Nobody knows whether they were protected.
    assert told.json()["meeting_point"] is None
    assert (await service.records())[-1]["meeting"] == "at_location"


async def test_two_letters_alone_are_a_name_and_not_the_beginning_of_one(
    service: Served,
) -> None:
    person = referral()["citizen"] | {"given_name": "Bo Test", "family_name": "Lauridsen"}
    made = (await service.referred(citizen=person))["citizen_id"]
    assert await found(service, name="bo") == [made]
    assert await found(service, name="la") == []
    assert await found(service, name="lau") == [made]
    assert await found(service, name="la bo test") == [made]


async def test_only_what_has_changed_of_a_name_is_written(service: Served) -> None:
    made = await service.referred()
    rows = "select token, xmin::text from name_token order by token"
    before = await service.rows(rows)
    await service.referred(pathway="toy_caseload")
    assert await service.rows(rows) == before
    assert await found(service, name="einer") == [made["citizen_id"]]
