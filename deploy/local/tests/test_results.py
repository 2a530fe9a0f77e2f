"""The demo's figures: what could not be asked is not zero, and counts are what the week says."""

import http.server
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx2
import msgspec
import pytest
from brobyg_local.demo.access import SystemAccess, send_until_answered
from brobyg_local.demo.erasure import Erased
from brobyg_local.demo.idle import IdleState
from brobyg_local.demo.results import fetch_intake, show_summary
from brobyg_local.demo.run import EXAMPLE, fitting_factor
from brobyg_local.demo.summary import IntakeCounts, Rebuild, summarise
from brobyg_local.demo.tally import Tally
from brobyg_local.demo.week import load
from brobyg_local.errors import ServiceUnreachable
from brobyg_local.keys import make_keys
from brobyg_local.state import StateFolder
from rich.console import Console


@contextmanager
def answering(folder: Path, *answers: tuple[int, bytes]) -> Iterator[SystemAccess]:
    """A referral service that gives these answers, one after the other, the last one ever after."""
    left = list(answers)

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    state = StateFolder(folder)
    state.local.mkdir(exist_ok=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            yield SystemAccess({**make_keys(state), "BROBYG_REFERRAL_URL": url}, state.mail)
        finally:
            server.shutdown()
            thread.join()


ALL_ERASED = Erased(asked=2, erased=2, with_owner=40, before=90)
IDLE = IdleState(idle=True, unpublished=0, dead_letters=0)


async def test_counts_are_taken_as_they_are_told(tmp_path: Path) -> None:
    with answering(
        tmp_path, (200, b'{"rejected": 15, "dropped_without_consent": 201, "kept": 1}')
    ) as access:
        found = await fetch_intake(access)
    assert (found.rejected, found.dropped_without_consent) == (15, 201)


@pytest.mark.parametrize("answer", [(403, b"{}"), (404, b""), (200, b"{}"), (200, b"<html>")])
async def test_an_answer_without_counts_is_no_zero(
    answer: tuple[int, bytes], tmp_path: Path
) -> None:
    with (
        answering(tmp_path, answer) as access,
        pytest.raises(ServiceUnreachable, match="does not tell its counts"),
    ):
        await fetch_intake(access)


async def test_each_further_try_is_told(tmp_path: Path) -> None:
    tries: list[None] = []
    with answering(tmp_path, (503, b""), (503, b""), (200, b"{}")) as access:
        async with httpx2.AsyncClient(trust_env=False) as http_client:
            await send_until_answered(
                http_client, "GET", access.url("referral"), on_again=lambda: tries.append(None)
            )
    assert len(tries) == 2


def broken(
    *,
    rejected: int = 15,
    dropped: int = 201,
    sent_again: int = 0,
    clashes: int = 3,
    erased: Erased = ALL_ERASED,
) -> list[str]:
    """What the example's week breaks, with these counts."""
    summary = summarise(
        [],
        load(EXAMPLE),
        Tally(again=sent_again),
        IntakeCounts(rejected, dropped),
        IDLE,
        Rebuild(seconds=1.0, equal=True),
        erased=erased,
        started_at="",
        wall_seconds=0.0,
    )
    return msgspec.structs.replace(summary, citizen_clashes=clashes).broken()


def test_as_many_refused_and_dropped_as_the_week_holds_is_well() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"rejected": 0}, "0 messages were refused as broken, and 15 are"),
        ({"rejected": 16}, "16 messages were refused as broken, and 15 are"),
        ({"dropped": 0}, "0 messages were dropped, and 201 are of somebody without a referral"),
        ({"dropped": 202}, "202 messages were dropped, and 201 are of somebody without a referral"),
        ({"dropped": 203, "sent_again": 1}, "203 messages were dropped"),
        ({"clashes": 2}, "2 pairs of a citizen's appointments clashed or were one way, and 3"),
    ],
)
def test_other_counts_are_a_broken_promise(counts: dict[str, Any], says: str) -> None:
    assert [sentence for sentence in broken(**counts) if says in sentence]


@pytest.mark.parametrize(
    ("erased", "says"),
    [
        (Erased(2, 1, 0, 40, 90), "2 citizens were to be erased, and 1 are"),
        (Erased(2, 2, 3, 40, 90), "erased citizens were found 3 times"),
        (Erased(2, 2, 0, 0, 90), "does not even find their own mails"),
        (Erased(2, 2, 0, 40, 0), "did not find citizens where they are kept, before"),
        (Erased(2, 2, 0, 40, 90, 5), "before they were erased, citizens were found 5 times"),
    ],
)
def test_somebody_who_is_left_is_a_broken_promise(erased: Erased, says: str) -> None:
    [sentence] = broken(erased=erased)
    assert says in sentence


def test_a_message_that_was_sent_again_may_have_been_counted_twice() -> None:
    assert broken(rejected=16, dropped=201, sent_again=1) == []


@pytest.mark.parametrize(
    ("load_now", "cores", "factor"),
    [(0.0, 2, 5040.0), (3.0, 2, 5040.0), (6.0, 2, 2520.0), (400.0, 2, 1260.0), (6.0, 8, 5040.0)],
)
def test_a_busy_machine_gets_a_slower_week(load_now: float, cores: int, factor: float) -> None:
    assert fitting_factor(load_now, cores) == factor


def test_how_late_something_is_is_told_in_seconds_of_the_wall(tmp_path: Path) -> None:
    week_begins = datetime(2026, 11, 30, tzinfo=UTC)
    anchor = datetime.now(UTC) - timedelta(hours=1)
    clock = f"{week_begins.isoformat()};100;{anchor.isoformat()}"
    access = SystemAccess({"BROBYG_CLOCK": clock}, tmp_path)
    assert access.late_seconds(week_begins) == pytest.approx(3600, abs=60)
    assert access.late_seconds(week_begins + timedelta(hours=1000)) == 0


def test_a_week_that_was_late_says_by_how_much_and_what_to_do() -> None:
    tally = Tally()
    for seconds in (0.2, 7.25, 1.0):
        tally.was_late(seconds)
    tally.answers.update({"late": 4, "accepted": 9})
    summary = msgspec.structs.replace(
        summarise(
            [], load(EXAMPLE), tally, IntakeCounts(15, 201), IDLE, Rebuild(seconds=1.0, equal=True),
            erased=ALL_ERASED, started_at="", wall_seconds=0.0,
        ),
        citizen_clashes=3,
    )  # fmt: skip
    assert summary.figures()["late_seconds"] == 7.2
    assert summary.figures()["answers_late"] == 4
    console = Console(file=io.StringIO(), width=200)
    show_summary(console, summary, 5040.0)
    shown = cast("io.StringIO", console.file).getvalue()
    assert "This machine was up to 7.2 s behind" in shown
    assert "--factor 2520" in shown
    assert summary.broken() == [], "it is slow, not wrong"


def test_a_week_in_time_says_nothing_of_being_behind() -> None:
    summary = summarise(
        [], load(EXAMPLE), Tally(), IntakeCounts(15, 201), IDLE, Rebuild(seconds=1.0, equal=True),
        started_at="", wall_seconds=0.0,
    )  # fmt: skip
    console = Console(file=io.StringIO(), width=200)
    show_summary(console, summary, 5040.0)
    assert "behind" not in cast("io.StringIO", console.file).getvalue()
