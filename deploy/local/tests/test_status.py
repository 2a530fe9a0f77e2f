"""What status says of a part that is down, of one that is not ours, and of what waits long."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from brobyg_kit.kafka import admin, batch_producer
from brobyg_kit.operations import Trouble
from brobyg_kit.testing import eventually
from brobyg_local import status
from brobyg_local import topics as topics_module
from brobyg_local.health import ComponentState, SystemStatus, read_status
from brobyg_local.ports import endpoint, free_port
from brobyg_local.services import Readiness
from brobyg_local.state import StateFolder
from brobyg_local.system import System
from brobyg_local.topics import TopicState, read_topics


def status_with(folder: Path, environment: dict[str, str]) -> SystemStatus:
    state = StateFolder(folder)
    with state.locked():
        state.environment.write_text(json.dumps(environment))
    return read_status(System(state, lambda _text: None, given={}, ports={}))


def part(status: SystemStatus, name: str) -> ComponentState:
    return next(state for state in status.components if state.name == name)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port at which somebody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_status_names_the_command_that_starts_what_is_down(tmp_path: Path) -> None:
    status = status_with(tmp_path, {"BROBYG_MATCHING_URL": "http://127.0.0.1:9"})
    assert "brobyg local start matching" in part(status, "matching").why
    assert part(status, "mail").why.endswith("brobyg local start mail")


@pytest.mark.parametrize(
    ("address", "default", "found"),
    [
        ("smtp://mail.example.org", None, ("mail.example.org", 25)),
        ("smtps://mail.example.org", None, ("mail.example.org", 465)),
        ("smtp+starttls://user:pass@mail.example.org", None, ("mail.example.org", 587)),
        ("smtp+starttls://user:p%40ss@mail.example.org:2587", None, ("mail.example.org", 2587)),
        ("broker.example.org", 9092, ("broker.example.org", 9092)),
        ("broker.example.org:19092", 9092, ("broker.example.org", 19092)),
        ("[::1]:19092", 9092, ("::1", 19092)),
        ("postgresql://user:secret@database.example.org", 5432, ("database.example.org", 5432)),
    ],
)
def test_an_address_is_read_in_every_form_it_may_have(
    address: str, default: int | None, found: tuple[str, int]
) -> None:
    assert endpoint(address, default) == found


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+starttls"])
def test_a_mail_server_of_somebody_else_is_ready_when_it_answers(
    tmp_path: Path, listening: int, scheme: str
) -> None:
    address = f"{scheme}://user:secret@127.0.0.1:{listening}"
    mail = part(status_with(tmp_path, {"BROBYG_NOTIFICATION_SMTP": address}), "mail")
    assert mail.ready
    assert mail.why == f"not ours: 127.0.0.1:{listening}"


def test_a_mail_server_of_somebody_else_that_is_down_is_not_for_us_to_start(tmp_path: Path) -> None:
    port = free_port()
    mail = part(
        status_with(tmp_path, {"BROBYG_NOTIFICATION_SMTP": f"smtps://u:secret@127.0.0.1:{port}"}),
        "mail",
    )
    assert not mail.ready
    assert mail.why == f"127.0.0.1:{port} does not answer"


def test_one_broker_of_several_that_answers_is_enough(tmp_path: Path, listening: int) -> None:
    found = part(
        status_with(tmp_path, {"BROBYG_KAFKA": f"127.0.0.1:{free_port()}, 127.0.0.1:{listening}"}),
        "kafka",
    )
    assert found.ready


def test_what_only_its_client_can_read_is_left_to_the_services(tmp_path: Path) -> None:
    database = "postgresql://user:secret@one.example.org:5432,two.example.org:5432"
    found = part(status_with(tmp_path, {"BROBYG_DATABASE": database}), "postgres")
    assert found.ready
    assert "secret" not in found.why


READY = ComponentState("notification", up=True, ready=True)


def test_what_waits_for_a_moment_is_well() -> None:
    waiting = ComponentState(
        "notification",
        True,
        True,
        outbox_rows=9,
        outbox_oldest_seconds=3.0,
        messages=4,
        messages_oldest_seconds=120.0,
    )
    assert SystemStatus(
        [READY, waiting], [TopicState("one", 12, 100, {"matching": 7}, {"matching": 0})]
    ).well


@pytest.mark.parametrize(
    ("late", "says"),
    [
        (
            ComponentState("notification", True, True, messages=1, messages_oldest_seconds=901.0),
            "to be sent",
        ),
        (
            ComponentState("matching", True, False, "a: b", told=[Trouble("a", "a: b", "do it")]),
            "matching: a: b: do it",
        ),
    ],
)
def test_what_waits_too_long_is_not_well_and_is_named(late: ComponentState, says: str) -> None:
    status = SystemStatus([READY, late])
    assert not status.well
    assert says in status.troubles[0]


def test_a_backlog_that_is_old_is_not_well() -> None:
    status = SystemStatus([READY], [TopicState("one", 12, 100, {"matching": 7}, {"matching": 5})])
    late = "matching: 5 records of one have been unread for more than 60 s"
    assert status.troubles == [f"{late}: brobyg local restart matching"]


async def commit(kafka: str, offsets: dict[int, int]) -> None:
    """Let matching have read each partition of the topic up to the offset."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=kafka, group_id="brobyg-matching", enable_auto_commit=False
    )
    await reader.start()
    try:
        places = {TopicPartition(TOPIC, number): offset for number, offset in offsets.items()}
        reader.assign(list(places))
        await reader.commit(places)
    finally:
        await reader.stop()


async def lag(kafka: str, lag: int, overdue: int) -> None:
    """Wait until status tells of so many unread and so many overdue records."""

    async def told() -> bool:  # a broker with new topics may need a moment to tell of all
        states, why = await read_topics(kafka, ["matching"])
        found = [(state.lag, state.overdue) for state in states if state.name == TOPIC]
        return (why, found) == ("", [({"matching": lag}, {"matching": overdue})])

    await eventually(told, f"{lag} unread records, {overdue} of them overdue")


TOPIC = "brobyg.referral.v1"


async def test_only_records_that_have_been_unread_for_long_are_overdue(
    topics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with batch_producer(topics, "test") as writer:
        for partition in (0, 0, 1):
            await writer.send_and_wait(TOPIC, b"{}", partition=partition)
        await commit(topics, {0: 1, 1: 0})
        await lag(topics, 2, 0)
        monkeypatch.setattr(topics_module, "LAG_BOUND", 1.0)
        await lag(topics, 2, 2)
        monkeypatch.setattr(topics_module, "LAG_BOUND", 60.0)
        await writer.send_and_wait(TOPIC, b"{}", partition=0)
        await lag(topics, 3, 0)


async def test_records_that_are_gone_are_not_unread(topics: str) -> None:
    async with batch_producer(topics, "test") as writer:
        for partition in (0, 0, 0, 1, 1):
            await writer.send_and_wait(TOPIC, b"{}", partition=partition)
    await commit(topics, {0: 1})
    async with admin(topics) as client:
        places = {0: 2, 1: 2}
        await client.delete_records(
            {TopicPartition(TOPIC, number): RecordsToDelete(end) for number, end in places.items()}
        )
    await lag(topics, 1, 0)


def test_what_a_service_tells_of_its_work_is_shown() -> None:
    told = {
        "attention": {"late": 2},
        "rejections": 3,
        "projections": {"need": {"events_behind": 0}, "offer": {"events_behind": 7}},
    }
    shown = status._details(ComponentState("reporting", True, True, figures=told))
    assert "needs a human: late 2; 3 messages rejected since the beginning" in shown
    assert "2 projections, offer 7 events behind" in shown


def test_a_part_that_is_down_has_the_command_that_starts_it_unless_it_is_anothers() -> None:
    parts = [
        ComponentState("matching", False, False, "it ended"),
        ComponentState("kafka", False, False, "broker:9092 does not answer", own=False),
    ]
    assert SystemStatus(parts).troubles == [
        "matching: it ended: brobyg local start matching",
        "kafka: broker:9092 does not answer",
    ]


def test_what_a_later_version_says_is_shown_and_is_no_trouble() -> None:
    told = {"unknown": {"brobyg.matching.v1": {"dk.brobyg.outcome.measured": 2, "other": 1}}}
    one = ComponentState("reporting", True, True, unknown=Readiness(True, "", told).unknown)

    assert SystemStatus([one]).well
    assert "3 events of brobyg.matching.v1 of a later version" in status._details(one)


def test_what_ends_within_weeks_is_shown_and_is_no_trouble(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ends = [
        {"what": "the token BROBYG_SERVICE_TOKEN", "ends_at": "2026-12-20T09:00:00", "days": 20},
        {"what": "the key a of the issuer b", "ends_at": "2026-11-20T09:00:00", "days": -10},
    ]
    one = ComponentState(
        "portal", True, True, endings=Readiness(True, "", {"endings": ends}).endings
    )
    assert SystemStatus([one]).well
    status.show(SystemStatus([one]))
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("renew")] == [
        "renew portal: the token BROBYG_SERVICE_TOKEN ends on 2026-12-20, in 20 days",
        "renew portal: the key a of the issuer b ended on 2026-11-20",
    ]
