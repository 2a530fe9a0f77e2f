"""What stands before the week begins: volunteers registered and activated, referrals made, all through the public API."""

from __future__ import annotations

import asyncio

import httpx2
import msgspec

from .outside import Outside, client, persist
from .week import Helper, Referral, Week

__all__ = ["Refused", "register"]

AT_ONCE = 6
JSON = {"Content-Type": "application/json"}


class Refused(Exception):
    """A volunteer or a referral of the example was not accepted: the example and the services disagree."""


class _Created(msgspec.Struct):
    volunteer_id: str


async def register(outside: Outside, week: Week) -> None:
    """Return when all volunteers are active and all referrals made. Blocks for seconds; raises `Refused` or `Unreachable`."""
    hands = asyncio.Semaphore(AT_ONCE)
    async with client() as http:

        async def one(work: object) -> None:
            async with hands:
                if isinstance(work, Helper):
                    await _volunteer(http, outside, work)
                elif isinstance(work, Referral):
                    await _referral(http, outside, work)

        await asyncio.gather(*(one(work) for work in (*week.helpers, *week.referrals)))


async def _volunteer(http: httpx2.AsyncClient, outside: Outside, helper: Helper) -> None:
    department = helper.known.department
    headers = (
        outside.tokens.header("coordinator", organisation=department, department=department) | JSON
    )
    url = f"{outside.url('matching')}/volunteers"
    created = _accepted(
        await persist(http, "POST", url, headers=headers, content=bytes(helper.registration)),
        helper.key,
    )
    volunteer = msgspec.json.decode(created.content, type=_Created).volunteer_id
    _accepted(
        await persist(
            http,
            "POST",
            f"{url}/{volunteer}/activate",
            headers=headers,
            content=bytes(helper.activation),
        ),
        helper.key,
    )


async def _referral(http: httpx2.AsyncClient, outside: Outside, referral: Referral) -> None:
    headers = outside.tokens.header("referrer", organisation=referral.organisation) | JSON
    headers |= {"Idempotency-Key": referral.idempotency_key}
    url = f"{outside.url('referral')}/referrals"
    _accepted(
        await persist(http, "POST", url, headers=headers, content=bytes(referral.body)),
        referral.idempotency_key,
    )


def _accepted(response: httpx2.Response, what: str) -> httpx2.Response:
    if response.status_code >= 300:
        raise Refused(f"{what}: {response.status_code} {response.text[:400]}")
    return response
