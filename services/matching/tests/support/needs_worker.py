"""A process of matching without HTTP and Kafka: it does what its arguments say to the database.

`open URL SEED`: all needs are opened.
`random URL SEED ACTIONS`: events, answers, commands and timers by chance, several at a time.
`claim URL NEED SEAT HELPER AT`: one claim, at this time of the machine's monotonic clock.
Prints what came of it as JSON.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from brobyg_kit.clock import ManualClock
from brobyg_kit.database import Database
from brobyg_kit.database_errors import DATABASE_ERRORS, cause_of
from brobyg_kit.health import Heartbeat
from brobyg_kit.metrics import Metrics
from brobyg_kit.replica import Replica
from brobyg_kit.timers import Timers
from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.needs import PostgresNeeds
from brobyg_matching.adapters.rosters import ResidentRosters
from brobyg_matching.bootstrap import REFERENCE
from brobyg_matching.domain.decisions import Actor
from brobyg_matching.domain.need import CAPACITY, RECHECK, SEARCH
from brobyg_matching.errors import MatchingError, NotAllowed
from brobyg_matching.handlers import HANDLERS
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.use_cases.answers import Answers
from brobyg_matching.use_cases.boards import Boards
from brobyg_matching.use_cases.event_processing import EventProcessing
from brobyg_matching.use_cases.timers import MatchingTimers
from matching_samples import (
    BY,
    LATE,
    NOW,
    an_id,
    citizen_recorded,
    consent_given,
    consent_withdrawn,
    event,
    facts,
    need_changed,
    need_closed,
    need_opened,
    query,
)
from prometheus_client import CollectorRegistry

HELPERS = [
    *(f"student {n}" for n in range(3)), *(f"guide {n}" for n in range(3)), "host", "navigator 0",
    "navigator 1",
]  # fmt: skip
WORDS = [f"{kind} {n}" for kind in ("e", "s", "k", "c") for n in range(4)]
SESSION: dict[str, Any] = {"about_kind": "session", "citizen_id": None, "referral_id": None}
CASE: dict[str, Any] = {
    "pathway": "toy_caseload", "about_kind": "referral", "location_id": None, "starts_at": None,
    "ends_at": None,
}  # fmt: skip


class Matching:
    """The service's own parts on one database."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet."""
        self.clock = ManualClock(NOW)
        self.database = Database(url, self.clock, "matching")
        metrics, helpers = MatchingMetrics(CollectorRegistry()), PostgresHelpers(self.database)
        boards = Boards(
            PostgresNeeds(), helpers, ResidentRosters(), Replica(REFERENCE), metrics
        )  # fmt: skip
        self.answers = Answers(self.database, boards, metrics)
        self.handle = EventProcessing(HANDLERS, boards).handle
        timers = MatchingTimers(boards)
        kinds = {
            SEARCH: timers.searches_due,
            RECHECK: timers.helpers_changed,
            CAPACITY: timers.capacity_free,
        }
        self.timers = Timers(
            self.database, self.clock, kinds, Metrics(), Heartbeat("timers of a test")
        )

    async def tell(self, *events: Any) -> None:
        """The events have come, in one batch."""
        async with self.database.transaction() as tx:
            await self.handle(tx, events)


class Chance:
    """Does something by chance, again and again."""

    def __init__(self, matching: Matching, seed: int) -> None:
        """Nothing is done yet."""
        self.matching, self.chance = matching, random.Random(seed)
        self.number = 0
        self.came: Counter[str] = Counter()

    def _event(self, data: Any) -> Any:
        self.number += 1
        return event(data, self.chance.getrandbits(60))

    async def open_all(self) -> None:
        """Each need once. Kafka brings the events of one need to one process at a time."""
        for word in WORDS:
            await self.matching.tell(self._event(need_opened(self._need(word)[1])))

    def _need(self, word: str = "") -> Any:
        word = word or self.chance.choice(WORDS)
        number = self.chance.randrange(3)
        start = LATE + timedelta(minutes=self.chance.choice([0, 15, 90, 1440]))
        person = {"citizen_id": an_id(f"c{number}"), "referral_id": an_id(f"r{number}")}
        if word.startswith("e"):
            place = self.chance.choice(["randers-hospital", "randers-clinic"])
            return word, facts(word, **person, starts_at=start, location_id=place)
        if word.startswith("c"):
            return word, facts(word, **CASE, **person, priority=self.chance.randint(1, 5))
        pathway = "toy_session" if word.startswith("s") else "toy_claim"
        place = self.chance.choice(["toy-house", "toy-palace"])
        return word, facts(
            word, **SESSION, pathway=pathway, starts_at=start, location_id=place
        )  # fmt: skip

    async def events(self) -> None:
        """One to three events."""
        told = []
        for _ in range(self.chance.randint(1, 3)):
            word, one = self._need()
            number = self.chance.randrange(3)
            match self.chance.choice(["need", "need", "need", "end", "record", "yes", "yes", "no"]):
                case "need":
                    told.append(self._event(need_changed(one)))
                case "end":
                    reason = self.chance.choice(["completed", "withdrawn"])
                    told.append(self._event(need_closed(word, reason)))
                case "record":
                    language = self.chance.choice(["da", "da", "so"])
                    told.append(self._event(citizen_recorded(f"c{number}", languages=(language,))))
                case "yes":
                    told.append(self._event(consent_given(f"r{number}", f"c{number}")))
                case "no":
                    told.append(self._event(consent_withdrawn(f"r{number}", f"c{number}")))
        await self.matching.tell(*told)

    async def answer(self) -> None:
        """An answer to an offer; to one that is open, as a rule."""
        found = await query(
            self.matching.database,
            "select offer_id::text from offer order by state = 'open' desc, random() limit 3",
        )
        if found:
            answer = self.chance.choice(["accept", "accept", "accept", "decline", "withdraw"])
            await self.matching.answers.answer(
                self.chance.choice(found)[0],
                answer,  # type: ignore[arg-type]  # one of them
            )

    async def command(self) -> None:
        """A coordinator's act, or a helper's claim."""
        word, _ = self._need()
        need, no = an_id(word), self.chance.randint(1, 3)
        helper, answers = an_id(self.chance.choice(HELPERS)), self.matching.answers
        match self.chance.choice(["claim", "claim", "assign", "release", "hold", "resume", "reopen",
                                  "block"]):  # fmt: skip
            case "claim":
                await answers.claim(need, no, helper, Actor(helper, "helper"))
            case "assign":
                await answers.assign(need, no, helper, BY)
            case "release":
                await answers.release(need, no, BY)
            case "block":
                citizen = an_id(f"c{self.chance.randrange(3)}")
                await answers.block(helper, citizen, "helper", lambda _: True)
            case step:
                await getattr(answers, step)(need, BY)

    async def timer(self) -> None:
        """What is due is carried out, some time later at times."""
        self.matching.clock.advance(timedelta(minutes=self.chance.choice([0, 0, 30, 61])))
        await self.matching.timers.fire()

    async def act(self) -> None:
        """One of these, and what came of it."""
        acts: list[Callable[[], Awaitable[None]]] = [
            self.events, self.events, self.answer, self.answer, self.command, self.command,
            self.timer,
        ]  # fmt: skip
        what = self.chance.choice(acts)
        try:
            await what()
            self.came[f"{what.__name__} done"] += 1
        except NotAllowed as error:
            self.came[f"{what.__name__} {error.objection}"] += 1
        except MatchingError as error:
            self.came[f"{what.__name__} {type(error).__name__}"] += 1
        except DATABASE_ERRORS as error:
            cause = cause_of(error)
            rule = getattr(cause, "constraint_name", None) or ""
            self.came[f"{what.__name__} database: {type(cause).__name__} {rule}"] += 1


async def by_chance(matching: Matching, seed: int, actions: int) -> object:
    """Four at a time."""
    several = [Chance(matching, seed * 10 + number) for number in range(4)]

    async def go_on(one: Chance) -> None:
        for _ in range(actions // 4):
            await one.act()

    await asyncio.gather(*map(go_on, several))
    return sum((one.came for one in several), Counter[str]())


async def claim(matching: Matching, need: str, no: int, helper: str) -> object:
    """Claim the seat once a line comes, after saying that all is ready for it."""
    async with matching.database.transaction():
        pass  # the connection is there
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    try:
        await matching.answers.claim(need, no, helper, Actor(helper, "helper"))
    except NotAllowed as error:
        return error.objection
    return "done"


async def main() -> None:
    """Do what the arguments say."""
    what, url, *rest = sys.argv[1:]
    matching = Matching(url)
    await matching.database.open()
    try:
        came: object
        if what == "claim":
            came = await claim(matching, rest[0], int(rest[1]), rest[2])
        elif what == "open":
            await Chance(matching, int(rest[0])).open_all()
            came = None
        else:
            came = await by_chance(matching, int(rest[0]), int(rest[1]))
    finally:
        await matching.database.close()
    print(json.dumps(came))


if __name__ == "__main__":
    asyncio.run(main())
