"""Erasing people: who acknowledges, what a topic still holds, and backups of before an erasure."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx2
import msgspec
import pytest
import uvicorn
from aiokafka.admin import NewTopic
from brobyg_kit import erasure_cli, erasure_proof, erasure_replay, kafka, runtime
from brobyg_kit.database import Transaction
from brobyg_kit.erasure import Erasures, ErasureStatus, erased, remember, status
from brobyg_kit.erasure_proof import ErasureProof, KeyOnTopic, keys_on
from brobyg_kit.erasure_replay import Replay
from brobyg_kit.event import Event, EventData
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import Heartbeat
from brobyg_kit.runtime import Role, Runtime, Server
from brobyg_kit.service import Parts as ServiceParts
from brobyg_kit.service import Service
from brobyg_kit.settings import KitSettings, own_database
from brobyg_kit.testing import bearer, eventually, publish, token_keys
from brobyg_kit.topics import SEGMENT, Topic
from delivery_parts import Parts, going
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import MetaData
from typer.testing import CliRunner

#: What a version to come says of its data.
LATER = "https://brobyg.dk/schemas/dk.brobyg.somebody.erased.v99.schema.json"
SOMEBODY, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
ASKED_AT = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


class Acknowledged(msgspec.Struct, frozen=True):
    """Nothing is held any more."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.holding.ended"
    TOPIC: ClassVar[str] = "brobyg.{source}.v1"
    DATASCHEMA: ClassVar[str] = "about:blank"
    person_id: str
    service: str


class Gone(msgspec.Struct, frozen=True):
    """Somebody was erased."""

    EVENT_TYPE: ClassVar[str] = "dk.brobyg.somebody.erased"
    TOPIC: ClassVar[str] = "replaced by each test"
    DATASCHEMA: ClassVar[str] = "about:blank"
    person_id: str


def owner(topic: str | None = None, *expected: str) -> Erasures:
    return Erasures("test", Acknowledged, kinds=(), expected=expected, topic=topic)


async def begun(parts: Parts, erasures: Erasures, person: str = SOMEBODY) -> None:
    async with parts.database.transaction() as tx:
        await erasures.begin(tx, person, "requested", "an-actor", ASKED_AT)


async def proof_of(parts: Parts, person: str = SOMEBODY) -> ErasureStatus:
    async with parts.database.connect() as connection:
        found = await status(connection, person)
    assert found is not None
    return found


async def note(parts: Parts, erasures: Erasures, *said: tuple[str, str]) -> None:
    async with parts.database.transaction() as tx:
        await erasures.note(tx, said)


async def test_an_erasure_is_complete_when_all_who_are_expected_have_acknowledged(
    parts: Parts,
) -> None:
    one = owner(None, "a", "b")
    await begun(parts, one)
    assert [missing.service for missing in (await proof_of(parts)).missing] == ["a", "b"]
    assert {missing.since for missing in (await proof_of(parts)).missing} == {ASKED_AT}
    await note(parts, one, (SOMEBODY, "a"), (OTHER, "b"))
    assert [missing.service for missing in (await proof_of(parts)).missing] == ["b"]
    assert (await proof_of(parts)).completed_at is None
    await note(parts, one, (SOMEBODY, "b"), (SOMEBODY, "b"), (SOMEBODY, "somebody else"))
    assert (await proof_of(parts)).completed_at is not None


async def test_an_acknowledgement_remembers_the_person(parts: Parts) -> None:
    async with parts.database.transaction() as tx:
        await owner().acknowledge(tx, SOMEBODY, None)
        await owner().acknowledge(tx, SOMEBODY, None)
    async with parts.database.transaction() as tx:
        assert await erased(tx, [SOMEBODY, OTHER]) == {SOMEBODY}
    assert await parts.pool.fetchval("select count(*) from outbox") == 2


def test_the_topics_settings_leave_a_value_for_less_than_a_day() -> None:
    """Closed by a record after `segment.ms`, compacted within `max.compaction.lag.ms` of that."""
    settings = Topic("things", 1, -1, "compact", "zstd").configuration()
    longest = int(settings["segment.ms"]) + int(settings["max.compaction.lag.ms"])
    assert longest <= timedelta(hours=12).total_seconds() * 1_000
    assert int(settings["segment.ms"]) == SEGMENT.total_seconds() * 1_000


@asynccontextmanager
async def compacted_topic(parts: Parts) -> AsyncIterator[str]:
    """One whose segments are closed after half a second."""
    name = f"{parts.topic}-compacted"
    configs = {
        "cleanup.policy": "compact",
        "segment.ms": "500",
        "max.compaction.lag.ms": "500",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "86400000",
        "message.timestamp.type": "LogAppendTime",
    }
    async with kafka.admin(parts.kafka) as admin:
        await admin.create_topics([NewTopic(name, 3, 1, topic_configs=configs)])

        async def led() -> bool:
            known = [one for one in await admin.describe_topics() if one["topic"] == name]
            return bool(known) and all(one["leader"] >= 0 for one in known[0]["partitions"])

        await eventually(led, "every partition has a leader")
        yield name
        await admin.delete_topics([name])


async def test_the_proof_is_read_from_the_topic_once_its_segment_was_compacted(
    parts: Parts,
) -> None:
    async with compacted_topic(parts) as topic, going(parts.relay()):
        await parts.publish(b"what is said of somebody", key=SOMEBODY, topic=topic)
        await parts.publish(b"what is said of another", key=OTHER, topic=topic)
        before = await keys_on(parts.kafka, topic, [SOMEBODY])
        assert (before[SOMEBODY].values, before[SOMEBODY].is_deleted) == (1, False)
        await begun(parts, owner(topic))
        await parts.sent_all()
        proof = ErasureProof(parts.database, parts.kafka)
        assert await proof.look() == 0, "the value stands in a segment that is open"
        seen = await proof_of(parts)
        assert seen.tombstoned_at is not None
        assert (seen.compacted_at, seen.completed_at) == (None, None)

        async def proven() -> bool:
            return await proof.look() == 1

        await eventually(proven, "no record of somebody has a value", timeout=90)
        shown = await proof_of(parts)
        assert shown.compacted_at is not None
        assert shown.completed_at is not None
        left = await keys_on(parts.kafka, topic, [SOMEBODY, OTHER])
        assert (left[SOMEBODY].values, left[OTHER].values) == (0, 1)
        assert await proof.look() == 0, "what is proven is not looked at again"


async def test_without_a_later_record_the_segment_stays_open_and_nothing_is_proven(
    parts: Parts,
) -> None:
    """The control: the proof itself has the segment closed."""
    async with compacted_topic(parts) as topic, going(parts.relay()):
        await parts.publish(b"what is said of somebody", key=SOMEBODY, topic=topic)
        await begun(parts, owner(topic))
        await parts.sent_all()
        never = ErasureProof(
            parts.database, parts.kafka, segment=timedelta(days=1), again=timedelta(0)
        )
        for _ in range(3):
            assert await never.look() == 0
        sent = await parts.read(2, topic)
        assert [one.value is None for one in sent] == [False, True]


async def test_a_tombstone_that_is_not_sent_yet_is_no_proof(parts: Parts) -> None:
    async with compacted_topic(parts) as topic:
        await begun(parts, owner(topic))
        proof = ErasureProof(parts.database, parts.kafka, again=timedelta(0))
        assert await proof.look() == 0
        assert (await proof_of(parts)).tombstoned_at is None


class Holder:
    """A service that holds people, and makes the erasures of its history again."""

    def __init__(self, parts: Parts) -> None:
        self.done: list[str] = []
        self.kind: type[EventData] = type("Gone", (Gone,), {"TOPIC": parts.topic}, frozen=True)
        self.erasures = Erasures("test", Acknowledged, kinds=(self.kind,))
        self.replay = Replay(parts.database, parts.kafka, self.erasures, self.erase)
        self.asked: list[str] = []
        self.fails_for = ""
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def was_asked(self) -> bool:
        return bool(self.asked)

    async def erase(self, tx: Transaction, event: Event) -> None:
        self.asked.append(event.subject)
        if event.subject == self.fails_for:
            raise LookupError("as a bug does")
        await self.may_go_on.wait()
        await remember(tx, [event.subject])
        tx.after_commit(lambda: self.done.append(event.subject))


async def history(parts: Parts, holder: Holder, *people: str) -> None:
    """These were erased, one after the other, among much else."""
    make: Any = holder.kind
    await parts.emit(range(20), subjects=5)
    async with parts.database.transaction() as tx:
        for one in people:
            tx.emit(make(person_id=one), subject=one)
    await parts.emit(range(20), subjects=5)
    async with going(parts.relay()):
        await parts.sent_all()


async def test_a_restored_backup_erases_again_whom_its_history_says_to(parts: Parts) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY, OTHER)
    assert await holder.replay.once() == 2
    assert await holder.replay.once() == 0
    backup = await parts.pool.fetch("select * from erasures_replayed")
    third = str(uuid.uuid4())
    await history(parts, holder, third)
    assert await holder.replay.once() == 1
    # The backup of before the third erasure is restored.
    await parts.pool.execute("delete from erased_person where person_id = $1", third)
    await parts.pool.execute("delete from erasures_replayed")
    await parts.pool.executemany("insert into erasures_replayed values ($1, $2, $3)", backup)
    assert await holder.replay.once() == 1
    assert holder.done[-1] == third


async def test_from_the_beginning_finds_what_no_position_leads_to(parts: Parts) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY)
    await holder.replay.once()
    await parts.pool.execute("truncate erased_person")
    assert await holder.replay.once() == 0
    assert await holder.replay.once(from_the_beginning=True) == 1


async def test_a_replay_goes_on_where_it_was_ended(parts: Parts) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY)
    await holder.replay.once()
    await parts.pool.execute("truncate erased_person")
    await history(parts, holder, OTHER)
    assert await holder.replay.once() == 1
    assert holder.done == [SOMEBODY, OTHER]


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning(parts: Parts) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY)
    for partition in range(3):
        await parts.pool.execute(
            "insert into erasures_replayed values ($1, $2, 1000000)", parts.topic, partition
        )
    assert await holder.replay.once() == 1


async def test_before_there_is_a_topic_nothing_is_replayed_and_nothing_proven(
    parts: Parts,
) -> None:
    holder = Holder(parts)
    nowhere = type("Gone", (Gone,), {"TOPIC": f"{parts.topic}-to-come"}, frozen=True)
    erasures = Erasures("test", Acknowledged, kinds=(nowhere,))
    assert await Replay(parts.database, parts.kafka, erasures, holder.erase).once() == 0
    found = await keys_on(parts.kafka, f"{parts.topic}-to-come", [SOMEBODY])
    assert (found[SOMEBODY].values, found[SOMEBODY].is_deleted) == (0, False)


async def test_without_a_broker_the_replay_waits_and_says_so(parts: Parts) -> None:
    holder = Holder(parts)
    nowhere = Replay(parts.database, f"127.0.0.1:{free_port()}", holder.erasures, holder.erase)
    heartbeat = Heartbeat("erasures")
    waiting = asyncio.create_task(nowhere.until_done(heartbeat))

    async def said() -> bool:
        return "looks first for erasures" in heartbeat.trouble

    await eventually(said, "the replay says that it can't look")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert holder.done == []


class ThingSettings(KitSettings):
    """With the database of the service below."""

    thing_database: SecretStr = own_database("thing")


class AwaySettings(ThingSettings):
    """With that of another service."""

    away_database: SecretStr = own_database("away")


def a_service(parts: Parts, holder: Holder, role: Role = "run") -> Service:
    router = APIRouter()

    @router.get("/hello")
    async def hello() -> str:
        return "hello"

    async def endless() -> None:
        holder.done.append("a worker works")
        await asyncio.Event().wait()

    async def nothing(*_: object) -> None:
        raise AssertionError("only a consumer handles events")

    return Service(
        "thing",
        "brobyg_kit",
        ThingSettings,
        lambda _: ServiceParts(
            public_routers=(router,),
            erase=holder.erase,
            workers={"worker": endless},
            handle=nothing if role == "api" else None,
        ),
        metadata=MetaData(),
        erasures=holder.erasures,
    )


def a_process(
    parts: Parts, holder: Holder, postgres: str, monkeypatch: pytest.MonkeyPatch, role: Role = "run"
) -> Runtime:
    monkeypatch.setattr(runtime, "database_url", lambda *_: parts.database.url)
    values = {"kafka": parts.kafka, "thing_database": postgres, "token_keys": token_keys()[1]}
    settings = ThingSettings.model_validate(values)
    return Runtime(a_service(parts, holder, role), settings, role, replays=True)


@asynccontextmanager
async def serving(process: Runtime) -> AsyncIterator[httpx2.AsyncClient]:
    """The process serves in the block, asked by this client, and stops well afterwards."""
    port = free_port()
    web = Server(uvicorn.Config(process.app(), host="127.0.0.1", port=port, log_config=None))
    task = asyncio.create_task(process.serve(web))

    async def started() -> bool:
        return web.started

    await eventually(started, "it listens")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    process.stop()
    await asyncio.wait([task], timeout=20)
    assert task.done()


async def comes(client: httpx2.AsyncClient, status_code: int) -> None:
    async def came() -> bool:
        return (await client.get("/hello")).status_code == status_code

    await eventually(came, f"it answers {status_code}")


async def test_nothing_is_served_and_nothing_works_before_the_erasures_are_made_again(
    parts: Parts, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY)
    holder.may_go_on.clear()
    async with serving(a_process(parts, holder, postgres, monkeypatch)) as client:

        async def replaying() -> bool:
            checks = (await client.get("/readyz")).json()["checks"]
            return "erasures" in checks and not checks["erasures"]["ok"]

        await eventually(replaying, "it says that it is not ready")
        early = await client.get("/hello")
        assert (early.status_code, early.headers["retry-after"]) == (503, "2")
        assert (await client.get("/livez")).status_code == 200
        assert holder.done == []
        holder.may_go_on.set()
        await comes(client, 200)

        async def both() -> bool:
            return len(holder.done) == 2

        await eventually(both, "the worker works")
        assert holder.done == [SOMEBODY, "a worker works"]


async def test_an_operator_sees_why_nothing_is_served_yet(
    parts: Parts, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, operator = Holder(parts), bearer("operator")
    await history(parts, holder, SOMEBODY)
    holder.may_go_on.clear()
    async with serving(a_process(parts, holder, postgres, monkeypatch, "api")) as client:
        await eventually(holder.was_asked, "the erasure is in hand")
        told = await client.get("/operations", headers=operator)
        assert (told.status_code, told.json()["ready"]) == (200, False)
        assert "erasures" in [one["cause"] for one in told.json()["troubles"]]
        for path, headers, status_code in (
            ("/operations", {}, 401), ("/operations", bearer("coordinator"), 403),
            ("/dead-letters", operator, 503),
        ):  # fmt: skip
            assert (await client.get(path, headers=headers)).status_code == status_code
        holder.may_go_on.set()
        await comes(client, 200)


async def test_a_process_whose_database_is_restored_ends_and_the_next_erases_again_first(
    parts: Parts, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure_replay, "LOOK", timedelta(seconds=0.05))
    holder, codes = Holder(parts), list[int]()

    async def ended() -> bool:
        return bool(codes)

    process = a_process(parts, holder, postgres, monkeypatch)
    process.abort = codes.append
    async with serving(process) as client:
        await comes(client, 200)
        # An erasure later than the last look at the history, and a backup that does not have it.
        await history(parts, holder, SOMEBODY)
        await parts.pool.execute(
            "create table restored (like erasures_replayed including all);"
            " insert into restored select * from erasures_replayed; drop table erasures_replayed;"
            " alter table restored rename to erasures_replayed"
        )
        await eventually(ended, "the process ends")
        assert codes[0] == 70
    assert SOMEBODY not in holder.done
    async with serving(a_process(parts, holder, postgres, monkeypatch)) as client:
        await comes(client, 200)
        assert SOMEBODY in holder.done


async def test_a_stop_while_erasures_are_made_again_takes_no_time(
    parts: Parts, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Holder(parts)
    await history(parts, holder, SOMEBODY)
    holder.may_go_on.clear()
    process = a_process(parts, holder, postgres, monkeypatch)
    web = Server(uvicorn.Config(process.app(), host="127.0.0.1", port=free_port(), log_config=None))
    task = asyncio.create_task(process.serve(web))
    await eventually(holder.was_asked, "the erasure is in hand")
    process.stop()
    await asyncio.wait([task], timeout=8)
    assert task.done()
    assert holder.done == []


async def test_the_command_shows_how_far_it_has_come_and_makes_erasures_again(
    parts: Parts, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = Holder(parts)
    service = replace(a_service(parts, holder), erasures=replace(holder.erasures, expected=("a",)))
    away = replace(service, name="away", settings=AwaySettings)
    holds = replace(a_service(parts, holder), name="holds")
    there = {"thing": parts.database.url, "holds": f"postgresql://127.0.0.1:{free_port()}/none"}
    for module in (erasure_cli, runtime):
        monkeypatch.setattr(module, "database_url", lambda _, name: there.get(name, there["holds"]))
    monkeypatch.setenv("BROBYG_AWAY_DATABASE", postgres)
    monkeypatch.setattr(erasure_cli, "_services", lambda: [away, service])
    monkeypatch.setenv("BROBYG_KAFKA", parts.kafka)
    monkeypatch.setenv("BROBYG_THING_DATABASE", postgres)
    monkeypatch.setenv("BROBYG_TOKEN_KEYS", str(token_keys()[1]))

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, erasure_cli.app, list(arguments))

    await begun(parts, owner(None, "a", "b"))
    await note(parts, owner(), (SOMEBODY, "a"))
    shown = await run("status", SOMEBODY)
    assert shown.exit_code == 0, shown.output
    for told in ("being erased (requested", "a has acknowledged", "b is missing since 2026-11-30"):
        assert told in shown.output
    found = json.loads((await run("status", SOMEBODY, "--json")).output)
    assert found["missing"] == [{"service": "b", "since": "2026-11-30T08:00:00Z"}]
    unknown = await run("status", OTHER)
    assert unknown.exit_code == 3, "whoever is away may know"
    assert "the database of away can't be used" in unknown.output
    monkeypatch.setattr(erasure_cli, "_services", lambda: [holds, service])
    unknown = await run("status", OTHER)
    assert unknown.exit_code == 1
    assert "nobody of this id was erased here" in unknown.output
    assert (await run("status", "Einer Test")).exit_code == 2
    await history(parts, holder, OTHER)
    monkeypatch.setattr(erasure_cli, "_services", lambda: [away, service])
    made = await run("replay")
    assert made.exit_code == 3
    for told in ("thing: 1 erased again", "away: can't be made again"):
        assert told in made.output
    monkeypatch.setattr(erasure_cli, "_services", lambda: [service])
    assert "thing: 0 erased again" in (await run("replay", "--all")).output


async def meets(parts: Parts, work: "asyncio.Task[Any]") -> None:
    """Return when the work is done, or waits for somebody's lock."""
    waiting = (
        "select count(*) from pg_locks l join pg_stat_activity using (pid)"
        " where datname = current_database() and not granted"
    )

    async def so() -> bool:
        return work.done() or bool(await parts.pool.fetchval(waiting))

    await eventually(so, "it is done, or waits for a lock")


async def test_the_last_two_who_acknowledge_at_the_same_moment_complete_the_proof(
    parts: Parts,
) -> None:
    one = owner(None, "a", "b")
    await begun(parts, one)
    async with parts.database.transaction() as tx:
        await one.note(tx, [(SOMEBODY, "a")])
        other = asyncio.create_task(note(parts, one, (SOMEBODY, "b")))
        await meets(parts, other)
    await other
    assert (await proof_of(parts)).completed_at is not None


async def test_an_acknowledgement_while_the_topic_is_proven_completes_the_proof(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def read(*_: object) -> dict[str, KeyOnTopic]:
        reading.set()
        await go_on.wait()
        return {SOMEBODY: KeyOnTopic(values=0, is_deleted=True)}

    monkeypatch.setattr(erasure_proof, "keys_on", read)
    one = owner(parts.topic, "a")
    await begun(parts, one)
    looking = asyncio.create_task(ErasureProof(parts.database, parts.kafka).look())
    await reading.wait()
    async with parts.database.transaction() as tx:
        await one.note(tx, [(SOMEBODY, "a")])
        go_on.set()
        await meets(parts, looking)
    assert await looking == 1
    assert (await proof_of(parts)).completed_at is not None


async def test_an_erasure_of_a_later_version_is_left_and_told_and_others_are_made(
    parts: Parts,
) -> None:
    holder = Holder(parts)
    later = type("Later", (holder.kind,), {"DATASCHEMA": LATER}, frozen=True)
    async with parts.database.transaction() as tx:
        tx.emit(later(person_id=SOMEBODY), subject=SOMEBODY)
    await history(parts, holder, *(str(uuid.uuid4()) for _ in range(9)))
    assert await holder.replay.once() == 9
    assert "1 erasures can't be made again yet" in (await holder.replay.check()).detail
    # As once the code was renewed.
    renewed = Holder(parts)
    of_later = Erasures("test", Acknowledged, kinds=(later,))
    replay = Replay(parts.database, parts.kafka, of_later, renewed.erase)
    assert await replay.once() == 1
    assert renewed.done == [SOMEBODY]
    assert (await replay.check()).ok


async def test_an_erasure_that_fails_is_left_and_told_and_others_are_made(parts: Parts) -> None:
    holder = Holder(parts)
    holder.fails_for = SOMEBODY
    others = [str(uuid.uuid4()) for _ in range(9)]
    await history(parts, holder, SOMEBODY, *others)
    heartbeat = Heartbeat("erasures")
    async with asyncio.timeout(30):
        assert await holder.replay.until_done(heartbeat) == 9
    assert not (await holder.replay.check()).ok
    assert SOMEBODY not in (await holder.replay.check()).detail
    holder.fails_for = ""
    assert await holder.replay.once() == 1
    assert (await holder.replay.check()).ok
    assert sorted(holder.done) == sorted([SOMEBODY, *others])


async def test_processes_that_start_together_make_an_erasure_once(parts: Parts) -> None:
    one, other = Holder(parts), Holder(parts)
    other.replay = Replay(parts.database, parts.kafka, one.erasures, other.erase)
    await history(parts, one, SOMEBODY)
    one.may_go_on.clear()
    first = asyncio.create_task(one.replay.once())
    await eventually(one.was_asked, "the erasure is in hand")
    waits = asyncio.Event()
    second = asyncio.create_task(other.replay.once(said=waits.set))
    async with asyncio.timeout(20):
        await waits.wait()
    one.may_go_on.set()
    assert (await first, await second) == (1, 0)
    assert other.asked == []


async def test_a_tombstone_that_was_seen_is_looked_at_again_once_its_segment_is_closed(
    parts: Parts,
) -> None:
    async with compacted_topic(parts) as topic, going(parts.relay()):
        await parts.publish(b"what is said of somebody", key=SOMEBODY, topic=topic)
        await begun(parts, owner(topic))
        await parts.sent_all()
        proof = ErasureProof(parts.database, parts.kafka, segment=SEGMENT, again=timedelta(0))
        assert await proof.look() == 0
        until = await parts.pool.fetchval("select look_at - sent_at from erasure")
        assert until == SEGMENT


async def test_processes_do_not_look_for_the_same(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with compacted_topic(parts) as topic:
        await begun(parts, owner(topic))
        asked: list[list[str]] = []

        async def none(_: str, __: str, keys: list[str]) -> dict[str, KeyOnTopic]:
            asked.append(keys)
            await ErasureProof(parts.database, parts.kafka).look()
            return {one: KeyOnTopic() for one in keys}

        monkeypatch.setattr(erasure_proof, "keys_on", none)
        await ErasureProof(parts.database, parts.kafka).look()
        assert asked == [[SOMEBODY]]


async def test_a_tombstone_that_was_removed_before_it_was_seen_is_sent_again(
    parts: Parts,
) -> None:
    async with compacted_topic(parts) as topic:
        await begun(parts, owner(topic))
        # As when nobody looked for longer than deletions are kept.
        await parts.pool.execute("delete from outbox")
        await parts.pool.execute("update erasure set sent_at = sent_at - interval '2 days'")
        proof = ErasureProof(parts.database, parts.kafka, again=timedelta(0))
        assert await proof.look() == 0
        async with going(parts.relay()):
            await parts.sent_all()
        assert await proof.look() == 1


async def test_what_waits_to_be_said_of_an_erased_person_is_never_sent(parts: Parts) -> None:
    async with parts.database.transaction() as tx:
        for one in (SOMEBODY, OTHER):
            tx.send(parts.topic, one, b"what is said of them")
            tx.send(f"{parts.topic}-history", one, b"what happened")
    await begun(parts, owner(parts.topic))
    left = await parts.pool.fetch(
        "select topic, key, value is null as gone from outbox order by id"
    )
    assert [tuple(one) for one in left] == [
        (f"{parts.topic}-history", SOMEBODY, False),
        (parts.topic, OTHER, False),
        (f"{parts.topic}-history", OTHER, False),
        (parts.topic, SOMEBODY, True),
    ]


async def test_what_is_no_event_stops_no_replay_and_is_passed_over(parts: Parts) -> None:
    holder = Holder(parts)
    kind = holder.kind.EVENT_TYPE
    poison = (f'{{"type": "{kind}"'.encode(), f'"{kind}"'.encode(), kind.encode(), b"\xff")
    await publish(parts.kafka, parts.topic, *poison, key=SOMEBODY)
    await history(parts, holder, SOMEBODY)
    await publish(parts.kafka, parts.topic, *poison, key=SOMEBODY)
    assert await holder.replay.once() == 1
    assert (await holder.replay.check()).ok, "it is parked where it is consumed"
    await parts.pool.execute("truncate erased_person")
    assert await holder.replay.once() == 0, "the position is behind all of it"
