"""Consent a scope at a time: given, withdrawn, listed, by whom and in which text."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2
import pytest
from brobyg_kit.testing import bearer
from brobyg_referral.cases.entrypoints.models import ReferralIn
from referral_bench import REFERRER, Served
from referral_samples import CPR, MAIL, MESSAGES, referral

pytestmark = pytest.mark.asyncio(loop_scope="session")

COORDINATOR = bearer("coordinator", organisation="municipality-0730", department="randers")
OFFICER = bearer("data_protection", organisation="brobyg")
SERVICE_TOKEN = bearer("service", subject="notification", organisation="brobyg")
#: Official test persons: born on 5 May 2015 and 5 May 2010. The clock says 30 November 2026.
CHILD, SIXTEEN = "0505159995", "0505109990"
SCHEMAS = Path(__file__).parents[3] / "schemas"
RESEARCH = {
    "given_at": "2026-11-27T10:00:00+01:00",
    "text_id": "research",
    "text_version": 1,
    "how": "written",
}
HELP = RESEARCH | {"text_id": "escort-processing"}


async def give(
    service: Served, made: dict[str, Any], scope: str, headers: Any = REFERRER, **body: Any
) -> httpx2.Response:
    path = f"/referrals/{made['referral_id']}/consents/{scope}"
    return await service.running.client.put(path, json=RESEARCH | body, headers=headers)


async def withdraw(
    service: Served, made: dict[str, Any], scope: str, headers: Any = REFERRER
) -> httpx2.Response:
    path = f"/referrals/{made['referral_id']}/consents/{scope}"
    return await service.running.client.delete(path, headers=headers)


async def listed(
    service: Served, made: dict[str, Any], headers: Any = REFERRER
) -> list[dict[str, Any]]:
    path = f"/referrals/{made['referral_id']}/consents"
    answer = await service.running.client.get(path, headers=headers)
    assert answer.status_code == 200
    return list(answer.json())


async def told(service: Served) -> list[tuple[str, str]]:
    """What was told of consent: given or withdrawn, and the scope."""
    return [
        (kind.removeprefix("consent."), data["scope"])
        for kind, data in await service.events()
        if kind.startswith("consent.")
    ]


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["pointer"]


async def contact(service: Served, made: dict[str, Any], use: str = "write") -> httpx2.Response:
    path = f"/citizens/{made['citizen_id']}/contact?purpose=message&use={use}"
    return await service.running.client.get(path, headers=SERVICE_TOKEN)


async def test_a_scope_is_given_listed_and_withdrawn_while_the_help_goes_on(
    service: Served,
) -> None:
    made = await service.referred()
    assert (await give(service, made, "research")).status_code == 200
    assert (await give(service, made, "research")).status_code == 200
    help_, research = await listed(service, made)
    assert (help_["scope"], help_["text_id"], help_["taken_role"]) == (
        "processing", None, "referrer",
    )  # fmt: skip
    assert (research["text_id"], research["text_version"], research["how"]) == (
        "research", 1, "written",
    )  # fmt: skip
    assert research["stands"]
    event = (await service.events())[-1]
    assert event == (
        "consent.given",
        {
            "referral_id": made["referral_id"],
            "citizen_id": made["citizen_id"],
            "scope": "research",
            "text_id": "research",
            "text_version": 1,
            "how": "written",
            "by_guardian": False,
        },
    )
    for _ in range(2):
        gone = (await withdraw(service, made, "research", OFFICER)).json()
    assert [(one["scope"], one["stands"], one["withdrawn_role"]) for one in gone] == [
        ("processing", True, None), ("research", False, "data_protection"),
    ]  # fmt: skip
    assert await told(service) == [
        ("given", "processing"), ("given", "research"), ("withdrawn", "research"),
    ]  # fmt: skip
    assert await service.rows("select status from referral") == [{"status": "active"}]


async def test_who_has_taken_it_is_kept_as_a_pseudonym(service: Served) -> None:
    person = bearer("referrer", subject="nurse@example.org", organisation="gp-4411")
    made = await service.referred()
    await give(service, made, "research", person)
    assert "nurse@" not in str(await service.rows("select * from consent"))
    assert (await listed(service, made))[-1]["taken_by"] is not None


async def test_withdrawn_consent_to_the_help_ends_the_referral_as_ever(service: Served) -> None:
    made = await service.referred(consents=[MESSAGES])
    await withdraw(service, made, "processing")
    assert await service.rows("select status from referral") == [{"status": "consent_withdrawn"}]
    assert [(one["scope"], one["stands"]) for one in await listed(service, made)] == [
        ("processing", False), ("contact", True),
    ]  # fmt: skip
    again = await give(service, made, "processing", **HELP)
    assert refusal(again) == (422, "/given_at")
    later = HELP | {"given_at": "2026-11-30T09:00:00+01:00"}
    assert (await give(service, made, "processing", **later)).status_code == 200
    assert await service.rows("select status from referral") == [{"status": "active"}]


async def test_who_has_not_agreed_to_messages_is_not_written_to(service: Served) -> None:
    made = await service.referred()
    refused = await contact(service, made)
    assert (refused.status_code, refused.json()["type"]) == (
        403, "https://brobyg.dk/problems/contact_not_consented",
    )  # fmt: skip
    assert await service.rows("select 1 from access_entry") == []
    meet = (await contact(service, made, "meet")).json()
    assert (meet["given_name"], meet["email"], meet["meeting"]) == ("Einer Test", None, "home")
    path = f"/citizens/{made['citizen_id']}/contact?purpose=call"
    call = await service.running.client.get(path, headers=COORDINATOR)
    assert (call.status_code, call.json()["email"]) == (200, MAIL)
    await give(service, made, "contact", text_id="messages")
    assert (await contact(service, made)).json()["email"] == MAIL
    await withdraw(service, made, "contact")
    assert (await contact(service, made)).status_code == 403


async def test_a_helper_is_told_whom_to_meet_only_with_consent_to_the_help(
    service: Served,
) -> None:
    made = await service.referred(consents=[MESSAGES])
    assert (await contact(service, made, "meet")).status_code == 200
    await withdraw(service, made, "processing")
    assert (await contact(service, made, "meet")).status_code == 403
    assert (await contact(service, made)).status_code == 200


async def test_the_old_form_does_not_renew_withdrawn_consent_to_messages(service: Served) -> None:
    client = service.running.client
    first = (await client.post("/referrals", json=old_form(), headers=REFERRER)).json()
    await withdraw(service, first, "contact")
    await withdraw(service, first, "processing")
    again = old_form(given_at="2026-11-30T09:00:00+01:00")
    answer = await client.post("/referrals", json=again, headers=REFERRER)
    assert answer.status_code == 201
    assert (await told(service))[-2:] == [("withdrawn", "processing"), ("given", "processing")]
    assert (await contact(service, answer.json())).status_code == 403


def old_form(**consent: Any) -> dict[str, Any]:
    """A referral as it was made before there were scopes."""
    body = referral()
    del body["consents"]
    return body | {"consent": body["consent"] | consent}


async def test_one_consent_without_a_text_is_to_the_help_and_to_messages(service: Served) -> None:
    client = service.running.client
    answer = await client.post("/referrals", json=old_form(), headers=REFERRER)
    made = answer.json()
    assert answer.status_code == 201
    assert await told(service) == [("given", "processing"), ("given", "contact")]
    assert (await contact(service, made)).json()["email"] == MAIL
    await withdraw(service, made, "contact")
    assert (await contact(service, made)).status_code == 403
    assert await service.rows("select status from referral") == [{"status": "active"}]


async def test_one_consent_in_the_text_for_the_help_is_to_nothing_else(service: Served) -> None:
    body = old_form(text_id="escort-processing", text_version=1, how="written")
    answer = await service.running.client.post("/referrals", json=body, headers=REFERRER)
    assert answer.status_code == 201
    assert await told(service) == [("given", "processing")]


async def test_a_scope_that_is_the_citizens_holds_at_every_referral(service: Served) -> None:
    first = await service.referred(consents=[MESSAGES])
    await withdraw(service, first, "processing")
    again = {"given": True, "given_at": "2026-11-30T09:00:00+01:00"}
    second = await service.referred(consent=again)
    assert (await contact(service, second)).status_code == 200
    assert [one["scope"] for one in await listed(service, second)] == ["contact", "processing"]
    await withdraw(service, second, "contact")
    assert (await contact(service, first)).status_code == 403
    event = (await service.events())[-1]
    assert (event[0], event[1]["referral_id"]) == ("consent.withdrawn", first["referral_id"])


@pytest.mark.parametrize(
    ("scope", "changes", "pointer"),
    [
        ("dancing", {}, "path/scope"),
        ("research", {"text_id": "dancing"}, "/text_id"),
        ("research", {"text_id": "messages"}, "/text_id"),
        ("research", {"text_version": 2}, "/text_version"),
        ("research", {"text_version": True}, "/text_version"),
        ("research", {"given_at": "2025-12-31T10:00:00+01:00"}, "/text_version"),
        ("research", {"given_at": "2026-11-30T10:00:00+01:00"}, "/given_at"),
        ("research", {"how": "shouted"}, "/how"),
        ("research", {"by_guardian": True}, "/by_guardian"),
        ("research", {"by_guardian": 1}, "/by_guardian"),
        ("research", {"extra": 1}, "/extra"),
    ],
)
async def test_what_may_not_be_recorded_is_told_with_its_place(
    service: Served, scope: str, changes: dict[str, Any], pointer: str
) -> None:
    made = await service.referred()
    answer = await give(service, made, scope, **changes)
    assert refusal(answer) == (422, pointer)
    assert len(await listed(service, made)) == 1


async def test_what_is_told_with_a_referral_is_checked_as_well(service: Served) -> None:
    for body, pointer in (
        ({"consents": [MESSAGES, MESSAGES | {"scope": "dancing"}]}, "/consents/1/scope"),
        ({"consents": [MESSAGES | {"text_version": 3}]}, "/consents/0/text_version"),
        (
            {"consent": referral()["consent"] | {"text_id": "escort-processing"}},
            "/consent/text_version",
        ),
        (
            {"consent": referral()["consent"] | {"text_id": "help", "text_version": 1}},
            "/consent/text_id",
        ),
        ({"consent": referral()["consent"] | {"text_version": 1}}, "/consent/text_id"),
    ):
        assert refusal(await service.refer(referral(**body))) == (422, pointer)
    assert await service.rows("select 1 from referral") == []
    text = {"text_id": "escort-processing", "text_version": 1, "how": "digital"}
    made = await service.referred(consent=referral()["consent"] | text)
    assert (await listed(service, made))[0]["text_id"] == "escort-processing"


async def test_a_child_is_consented_for_by_a_guardian(service: Served) -> None:
    yes = referral()["consent"]
    assert refusal(await service.refer(referral(CHILD))) == (422, "/consent/by_guardian")
    assert refusal(await service.refer(referral(consent=yes | {"by_guardian": True}))) == (
        422, "/consent/by_guardian",
    )  # fmt: skip
    child = (await service.refer(referral(CHILD, consent=yes | {"by_guardian": True}))).json()
    assert (await listed(service, child))[0]["by_guardian"]
    assert refusal(await give(service, child, "contact", text_id="messages")) == (
        422, "/by_guardian",
    )  # fmt: skip
    answer = await give(service, child, "contact", text_id="messages", by_guardian=True)
    assert answer.status_code == 200
    young = (await service.refer(referral(SIXTEEN))).json()
    assert refusal(await give(service, young, "research")) == (422, "/by_guardian")
    assert (await give(service, young, "research", by_guardian=True)).status_code == 200


async def test_a_recorded_guardian_decides_at_any_age(service: Served) -> None:
    citizen = referral()["citizen"] | {"has_guardian": True}
    assert refusal(await service.refer(referral(citizen=citizen))) == (422, "/consent/by_guardian")
    yes = referral()["consent"] | {"by_guardian": True}
    made = await service.referred(citizen=citizen, consent=yes)
    assert refusal(await give(service, made, "research")) == (422, "/by_guardian")
    await withdraw(service, made, "processing")
    again = {"given": True, "given_at": "2026-11-30T09:00:00+01:00"}
    assert refusal(await service.refer(referral(consent=again))) == (422, "/consent/by_guardian")
    unaware = referral()["citizen"] | {"has_guardian": False}
    assert refusal(await service.refer(referral(citizen=unaware, consent=again))) == (
        422, "/consent/by_guardian",
    )  # fmt: skip
    path, no = f"/citizens/{made['citizen_id']}/guardian", {"has_guardian": False}
    client = service.running.client
    for headers, expected in ((REFERRER, 403), (OFFICER, 403), (COORDINATOR, 204)):
        assert (await client.put(path, json=no, headers=headers)).status_code == expected
    assert refusal(await service.refer(referral(citizen=citizen, consent=again))) == (
        422, "/citizen/has_guardian",
    )  # fmt: skip
    await service.referred(citizen=unaware, consent=again)


async def test_consent_in_a_newer_text_takes_the_place_of_the_old(
    service: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await service.referred()
    await give(service, made, "research", given_at="2026-11-25T10:00:00+01:00")
    folder = Path(shutil.copytree(SCHEMAS / "consent", tmp_path / "consent"))
    text = (folder / "research.yaml").read_text()
    second = text.partition("versions:\n")[2].replace("version: 1", "version: 2")
    (folder / "research.yaml").write_text(text + second.replace("2026-01-01", "2026-11-26"))
    monkeypatch.setenv("BROBYG_CONSENT", str(folder))
    assert refusal(await give(service, made, "research")) == (422, "/text_version")
    assert (await give(service, made, "research", text_version=2)).status_code == 200
    late = await give(service, made, "research", given_at="2026-11-25T10:00:00+01:00")
    assert late.status_code == 200, "the old text was in use then, and a newer one stands"
    found = [(one["text_version"], one["stands"]) for one in (await listed(service, made))[1:]]
    assert found == [(1, False), (2, True)]
    await withdraw(service, made, "research")
    assert not any(one["stands"] for one in (await listed(service, made))[1:])


async def test_consent_in_another_form_takes_the_place_of_the_old(service: Served) -> None:
    made = await service.referred()
    for given_at, how in (("09", "oral"), ("10", "written"), ("11", "written")):
        given_at = f"2026-11-25T{given_at}:00:00+01:00"
        answer = await give(service, made, "research", given_at=given_at, how=how)
        assert answer.status_code == 200, answer.text
    found = [one for one in await listed(service, made) if one["scope"] == "research"]
    assert [(one["how"], one["stands"]) for one in found] == [("oral", False), ("written", True)]


async def test_others_neither_see_nor_change_it(service: Served) -> None:
    made = await service.referred()
    elsewhere = bearer("coordinator", organisation="municipality-0707", department="aarhus")
    other_gp = bearer("referrer", organisation="gp-1")
    path = f"/referrals/{made['referral_id']}/consents"
    for headers, status in (
        (elsewhere, 404), (other_gp, 404), (SERVICE_TOKEN, 403), (bearer("analyst"), 403), ({}, 401)
    ):  # fmt: skip
        assert (await service.running.client.get(path, headers=headers)).status_code == status
        assert (await give(service, made, "research", headers)).status_code == status
        assert (await withdraw(service, made, "processing", headers)).status_code == status
    assert (await give(service, made, "research", OFFICER)).status_code == 403
    for headers in (COORDINATOR, OFFICER, bearer("coordinator", organisation="brobyg")):
        assert len(await listed(service, made, headers)) == 1


async def test_the_data_protection_officer_erases_and_all_other_consent_ends_with_it(
    service: Served,
) -> None:
    made = await service.referred(consents=[MESSAGES])
    await withdraw(service, made, "processing")
    path = f"/citizens/{made['citizen_id']}?reason=requested"
    assert (await service.running.client.delete(path, headers=OFFICER)).status_code == 202
    assert (await told(service))[-1] == ("withdrawn", "contact")
    assert (await give(service, made, "research")).status_code == 410
    assert (await contact(service, made)).status_code == 410


async def test_a_request_from_before_scopes_is_recognised_when_it_is_repeated() -> None:
    """What was hashed then: the body's fields of then, in their order."""
    body = referral() | {"consent": {"given": True, "given_at": "2026-11-23T09:00:00Z"}}
    dumped = ReferralIn.model_validate(body).model_dump_json()
    citizen = body["citizen"] | {"protected": False}
    expected = body | {"citizen": citizen}
    assert json.loads(dumped) == expected
    assert '"consent":{"given":true,"given_at":"2026-11-23T09:00:00Z"},"needs"' in dumped
    assert CPR in dumped
