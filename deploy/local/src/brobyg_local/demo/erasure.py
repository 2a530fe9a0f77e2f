"""Two of the week's citizens ask to be erased, and afterwards nobody may have anything of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec
from brobyg_contracts.events import CitizenRecorded
from brobyg_kit.topics import set_on_topic

from brobyg_local.canaries import Canary, Finding, Places, search
from brobyg_local.errors import ServiceUnreachable

from .access import SystemAccess, http_client, send_until_answered
from .idle import wait_until_idle
from .tally import Tally
from .week import Referral, Week

#: After the last message about them.
ASKED_AT = datetime.fromisoformat("2026-12-06T20:00:00+01:00")
#: By the topic's own settings it takes half a day until nothing is left on the broker's disk; here
#: the segments are closed at once, and what they held is gone with the broker's next look.
SHORT_SEGMENTS = {
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
    "file.delete.delay.ms": "1000",
}
#: Wall seconds: the broker looks every 15 s for what to compact.
PATIENCE, LOOK = 90.0, 0.5


class Erased(msgspec.Struct, frozen=True):
    """What came of it."""

    #: Citizens who asked, and those of whom nobody has anything any more, as referral shows.
    asked: int = 0
    erased: int = 0
    #: How often something of them was found: where nothing may be, and where they themselves, the
    #: hospital and those who were written to have it.
    found: int = 0
    with_owner: int = 0
    places: tuple[str, ...] = ()


async def ask(access: SystemAccess, week: Week, tally: Tally) -> None:
    """Have the week's canaries erased, once all they have told the system has been handled."""
    asking = [one for one in week.referrals if one.canary]
    if not asking:
        return
    await access.until(ASKED_AT)
    await wait_until_idle(access)
    for referral in asking:
        try:
            tally.canaries.append(await _erase(access, referral))
        except ServiceUnreachable as error:
            tally.surprises.append(f"{referral.idempotency_key} could not be erased: {error}")


async def _erase(access: SystemAccess, referral: Referral) -> Canary:
    body = msgspec.json.decode(referral.body)
    referrals, citizens = access.url("referral") + "/referrals", access.url("referral")
    headers = access.sign_in("referrer", organisation=referral.organisation)
    headers |= {
        "Idempotency-Key": referral.idempotency_key,
        "Content-Type": "application/json",
    }
    department = body["department"]
    coordinator = access.sign_in("coordinator", organisation=department, department=department)
    async with http_client() as http:
        content = bytes(referral.body)
        made = await send_until_answered(http, "POST", referrals, headers=headers, content=content)
        if made.status_code >= 300:
            raise ServiceUnreachable(f"the referral made again was answered {made.status_code}")
        citizen_id = made.json()["citizen_id"]
        url = f"{citizens}/citizens/{citizen_id}?reason=requested"
        asked = await send_until_answered(http, "DELETE", url, headers=coordinator)
    if asked.status_code != 202:
        raise ServiceUnreachable(f"the erasure was answered {asked.status_code}")
    return Canary.of_citizen(body["citizen"], citizen_id)


async def shorten_segments(bootstrap: str) -> None:
    """Let an erasure be complete within a minute. Raises KafkaError."""
    await set_on_topic(bootstrap, CitizenRecorded.TOPIC, SHORT_SEGMENTS)


async def proven(access: SystemAccess, canaries: Sequence[Canary]) -> int:
    """Of how many of them referral says in the end that all is erased, the topic with it."""
    if not canaries:
        return 0
    async with http_client() as http:
        headers = access.sign_in("coordinator", department="randers-norddjurs")
        deadline = time.monotonic() + PATIENCE
        while True:
            urls = [f"{access.url('referral')}/erasures/{one.person_id}" for one in canaries]
            answers = [await send_until_answered(http, "GET", url, headers=headers) for url in urls]
            complete = sum(
                one.status_code == 200 and one.json()["completed_at"] is not None for one in answers
            )
            if complete == len(canaries) or time.monotonic() > deadline:
                return complete
            await asyncio.sleep(LOOK)


async def sought(places: Places, canaries: Sequence[Canary], erased: int) -> Erased:
    """Search everywhere, and say what was found. Blocks for seconds."""
    findings = await search(places, canaries)
    times = Counter[bool]()
    for one in findings:
        times[one.is_with_its_owner] += one.times
    return Erased(
        asked=len(canaries),
        erased=erased,
        found=times[False],
        with_owner=times[True],
        places=tuple(map(_told, (one for one in findings if not one.is_with_its_owner))),
    )


def _told(finding: Finding) -> str:
    return f"{finding.times} times in {finding.kind} {finding.where}"
