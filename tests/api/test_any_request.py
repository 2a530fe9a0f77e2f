"""Any request, valid by the schema or not, is answered with what is wrong and never with a 5xx."""

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta

import pytest
import schemathesis
from brobyg_contracts.domain import ROLES
from brobyg_kit.cli import load_service
from brobyg_kit.clock import WallClock
from brobyg_kit.testing import Running, token_keys
from brobyg_kit.tokens import issue_token
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from reference_data import give_reference, reference, store_reference
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation

pytestmark = pytest.mark.timeout(300)

#: Valid by the schema, and with one thing wrong.
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SETTINGS: dict[str, dict[str, str]] = {
    "referral": {
        "referral_encryption_key": base64.b64encode(b"e" * 32).decode(),
        "referral_cpr_key": base64.b64encode(b"c" * 32).decode(),
    },
    "matching": {
        "matching_link_keys": "a key for the links of these tests only",
        "matching_registration_keys": "a key for the registrations of these tests only",
        "matching_encryption_key": base64.b64encode(b"m" * 32).decode(),
        "matching_lookup_key": base64.b64encode(b"l" * 32).decode(),
    },
    "notification": {
        "notification_smtp": "smtp://127.0.0.1:1",
        "notification_sender": "Brobyg <brobyg@example.org>",
        "portal_url": "http://portal.example.org",
        "notification_coordinators": ",".join(
            f"{department}=coordinator@example.org" for department in reference().departments
        ),
    },
    "reporting": {},
}


def all_roles() -> dict[str, str]:
    """A token with every role, so that what is tested is what comes after the authorisation."""
    roles = sorted(ROLES)
    token = issue_token(
        token_keys()[0],
        "tester",
        roles,
        WallClock(),
        organisation="gp-4411",
        lifetime=timedelta(hours=1),
    )
    return {"Authorization": f"Bearer {token}"}


def tried(operation: APIOperation, mode: GenerationMode, headers: dict[str, str]) -> Counter[int]:
    """The statuses that some requests of this mode got. Blocks."""
    seen: Counter[int] = Counter()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: schemathesis.Case) -> None:
        answer = case.call(headers=headers, timeout=20)
        seen[answer.status_code] += 1
        assert answer.status_code < 500, f"{operation.label}: {answer.status_code}"
        if answer.status_code >= 400:
            assert _says_what(answer), (
                f"{operation.label}: {answer.status_code} {answer.headers.get('content-type')}"
            )

    with suppress(Unsatisfiable):  # a route without input cannot be sent anything wrong
        send()
    return seen


def _says_what(answer: schemathesis.Response) -> bool:
    """Whether the answer says what is wrong: as a problem, an OperationOutcome, or a page."""
    kind = (answer.headers.get("content-type") or [""])[0]
    if kind.startswith("text/html"):
        return "<h1>" in answer.text
    body = answer.json()
    return bool(body.get("title")) if "problem+json" in kind else bool(body.get("issue"))


@pytest.mark.parametrize("name", SETTINGS)
async def test_no_request_is_answered_with_a_fault_of_the_service(
    serve: Callable[..., AbstractAsyncContextManager[Running]], name: str
) -> None:
    async with serve(load_service(name), **SETTINGS[name]) as running:
        assert running.runtime.database is not None
        give = store_reference if name == "referral" else give_reference
        await give(running.runtime.database)
        await asyncio.to_thread(_all_operations, running.url)


async def test_nor_by_the_portal_in_front_of_matching(
    serve: Callable[..., AbstractAsyncContextManager[Running]],
) -> None:
    async with (
        serve(load_service("matching"), **SETTINGS["matching"]) as matching,
        serve(load_service("portal"), matching_url=matching.url) as portal,
    ):
        await asyncio.to_thread(_all_operations, portal.url)


def _all_operations(url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    headers, seen = all_roles(), Counter[int]()
    for found in schema.get_all_operations():
        for mode in MODES:
            seen += tried(found.ok(), mode, headers)
    assert sum(number for status, number in seen.items() if 400 <= status < 500) > 0
