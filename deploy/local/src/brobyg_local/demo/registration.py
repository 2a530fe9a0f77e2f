"""What is there before the week: volunteers registered and activated, referrals made, by HTTP."""

import asyncio
from collections.abc import Mapping

import httpx2
import msgspec

from brobyg_local.errors import RegistrationFailed

from .access import SystemAccess, http_client, send_until_answered
from .week import PlayedVolunteer, Referral, Week


async def register(access: SystemAccess, week: Week) -> None:
    """Return when all volunteers are active and all referrals made.

    Raises `RegistrationFailed` or `ServiceUnreachable`.
    """
    async with http_client() as http:
        await asyncio.gather(
            *(_volunteer(http, access, volunteer) for volunteer in week.volunteers),
            *(register_referral(http, access, referral) for referral in week.referrals),
        )


async def register_volunteer(
    http: httpx2.AsyncClient, access: SystemAccess, volunteer: PlayedVolunteer
) -> dict[str, str]:
    """The answer, which is the same each time. Raises as `register`."""
    url = f"{access.url('matching')}/volunteers"
    return await _post(
        http, url, _coordinator(access, volunteer), volunteer.registration, volunteer.key
    )


async def register_referral(
    http: httpx2.AsyncClient, access: SystemAccess, referral: Referral
) -> dict[str, str]:
    """The answer, which is the same each time. Raises as `register`."""
    headers = access.sign_in("referrer", organisation=referral.organisation)
    headers = {**headers, "Idempotency-Key": referral.idempotency_key}
    url = f"{access.url('referral')}/referrals"
    return await _post(http, url, headers, referral.body, referral.idempotency_key)


async def _volunteer(
    http: httpx2.AsyncClient, access: SystemAccess, volunteer: PlayedVolunteer
) -> None:
    created = await register_volunteer(http, access, volunteer)
    url = f"{access.url('matching')}/volunteers/{created['helper_id']}/activate"
    await _post(http, url, _coordinator(access, volunteer), volunteer.activation, volunteer.key)


def _coordinator(access: SystemAccess, volunteer: PlayedVolunteer) -> dict[str, str]:
    department = volunteer.known.department
    return access.sign_in("coordinator", organisation=department, department=department)


async def _post(
    http: httpx2.AsyncClient, url: str, headers: Mapping[str, str], body: msgspec.Raw, what: str
) -> dict[str, str]:
    headers = {**headers, "Content-Type": "application/json"}
    response = await send_until_answered(http, "POST", url, headers=headers, content=bytes(body))
    if response.status_code >= 300:
        raise RegistrationFailed(
            f"{what}: {response.status_code} {response.text[:400]}",
            advice="the example week and the services disagree: make test tells where",
        )
    answer: dict[str, str] = response.json() if response.content else {}
    return answer
