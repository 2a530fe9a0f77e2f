"""Two of the week's citizens ask to be erased, and afterwards nobody may have anything of them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg
import httpx2
import msgspec
from brobyg_contracts.events import CitizenRecorded
from brobyg_kit.topics import set_on_topic

from brobyg_local.canaries import Canary, Finding, Places, Searched, search
from brobyg_local.errors import ServiceUnreachable

from .access import SystemAccess, http_client, send_until_answered
from .history import promises, read_events
from .idle import wait_until_idle
from .registration import register_referral, register_volunteer
from .tally import Tally
from .week import PlayedVolunteer, Referral, Week

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
    #: hospital and those who were to meet them have it.
    found: int = 0
    with_owner: int = 0
    #: The same before: where they are kept too, and where they are not.
    before: int = 0
    before_elsewhere: int = 0
    #: Where they were before, and where they were found and should not have been.
    held: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    #: Pieces that were searched afterwards, by their kind.
    searched: dict[str, int] = {}


async def ask(access: SystemAccess, week: Week, tally: Tally, places: Places) -> None:
    """Have the week's canaries erased, once all they have told the system has been handled.

    Before that they are searched for. Blocks for seconds.
    """
    asking = [one for one in week.referrals if one.canary]
    if not asking:
        return
    await access.until(ASKED_AT)
    await wait_until_idle(access)
    try:
        tally.canaries = await canaries_of(access, week, asking)
        tally.before = await in_a_thread(places, tally.canaries)
        for referral, canary in zip(asking, tally.canaries, strict=True):
            await _erase(access, referral, canary)
    except ServiceUnreachable as error:
        tally.surprises.append(f"a citizen could not be erased: {error}")


async def canaries_of(access: SystemAccess, week: Week, asking: Sequence[Referral]) -> list[Canary]:
    """What is to be searched for of these citizens. Asks anew for what was registered."""
    met = defaultdict[str, set[str]](set)
    for promise in promises(await read_events(access.kafka)):
        met[str(promise.match.citizen_id)].add(promise.match.helper_id)
    found = []
    async with http_client() as http:
        helpers = dict([await _helper(http, access, one) for one in week.volunteers])
        for referral in asking:
            citizen = msgspec.json.decode(referral.body)["citizen"]
            who = (await register_referral(http, access, referral))["citizen_id"]
            found.append(Canary.of_citizen(citizen, who, [helpers[one] for one in met[who]]))
    return found


async def _helper(
    http: httpx2.AsyncClient, access: SystemAccess, volunteer: PlayedVolunteer
) -> tuple[str, str]:
    made = await register_volunteer(http, access, volunteer)
    return made["helper_id"], volunteer.known.email


async def _erase(access: SystemAccess, referral: Referral, canary: Canary) -> None:
    department = msgspec.json.decode(referral.body)["department"]
    coordinator = access.sign_in("coordinator", organisation=department, department=department)
    url = f"{access.url('referral')}/citizens/{canary.person_id}?reason=requested"
    async with http_client() as http:
        asked = await send_until_answered(http, "DELETE", url, headers=coordinator)
    if asked.status_code != 202:
        raise ServiceUnreachable(f"the erasure was answered {asked.status_code}")


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


async def sweep(server: str) -> None:
    """Free the space of deleted rows in all databases at once, which otherwise is used again."""
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        query = "select datname from pg_database where datname like 'brobyg\\_%'"
        names = [row["datname"] for row in await connection.fetch(query)]
    finally:
        await connection.close()
    for name in names:
        connection = await asyncpg.connect(f"{server}/{name}")
        try:
            tables = await connection.fetch("select relid::regclass::text from pg_stat_user_tables")
            for (table,) in tables:
                await connection.execute(f"vacuum (full) {table}")
        finally:
            await connection.close()


async def sought(
    places: Places, canaries: Sequence[Canary], before: Searched, erased: int
) -> Erased:
    """Search everywhere, and say what was found. Blocks for seconds."""
    if not canaries:
        return Erased()
    await sweep(places.database)
    after = await in_a_thread(places, canaries)
    owned = [one for one in before.findings if one.is_with_its_owner or one.is_a_record]
    early = [one for one in before.findings if one not in owned]
    left = [one for one in after.findings if not one.is_with_its_owner]
    return Erased(
        asked=len(canaries),
        erased=erased,
        found=_times(left),
        with_owner=_times(after.findings) - _times(left),
        before=_times(owned),
        before_elsewhere=_times(early),
        held=tuple(sorted({_place(one) for one in owned})),
        places=(*(f"before, {_told(one)}" for one in early), *map(_told, left)),
        searched=dict(after.pieces),
    )


async def in_a_thread(places: Places, canaries: Sequence[Canary]) -> Searched:
    """Search in a thread, so that others go on."""
    return await asyncio.to_thread(lambda: asyncio.run(search(places, canaries)))


def _times(findings: Iterable[Finding]) -> int:
    return sum(one.times for one in findings)


def _place(finding: Finding) -> str:
    return f"{finding.kind} {finding.where}"


def _told(finding: Finding) -> str:
    return f"{finding.times} times in {_place(finding)}"
