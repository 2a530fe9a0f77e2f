"""A service that ends by itself is started again, unless nothing will help it or somebody wanted it to end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brobyg_local.places import Places
from brobyg_local.processes import Component, tail, wait_until
from brobyg_local.status import read_status
from brobyg_local.system import System

# Notes each of its lives in a file; what it then does is given.
LIFE = "import os, signal, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); "
FOR_EVER = "signal.pause()"
Kept = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Kept]:
    """Starts a keeper over a program, with pauses and a bound that suit a test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        program: str, *, pauses: tuple[float, ...] = (0.1, 0.1), short_life: float = 0.0
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", LIFE + program, str(tmp_path / "lives")]
        keeper = f"import sys; from brobyg_local.keeper import keep; sys.exit(keep({command!r}, {pauses!r}, {short_life!r}))"
        started.append(
            subprocess.Popen([sys.executable, "-c", keeper], stdout=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for one in started:
        one.terminate()
        one.communicate(timeout=20)


def lives(folder: Path) -> list[int]:
    path = folder / "lives"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_one_that_is_killed_is_started_again(keep: Kept, tmp_path: Path) -> None:
    keep(FOR_EVER, short_life=60.0)
    assert wait_until(lambda: len(lives(tmp_path)) == 1, 20)
    os.kill(lives(tmp_path)[0], signal.SIGKILL)
    assert wait_until(lambda: len(lives(tmp_path)) == 2, 20)


def test_one_whose_watchdog_ends_it_is_started_again_and_the_log_says_so(
    keep: Kept, tmp_path: Path
) -> None:
    keeper = keep("os._exit(70) if len(open(sys.argv[1]).readlines()) == 1 else None")
    said, _ = keeper.communicate(timeout=20)
    assert keeper.returncode == 0
    assert len(lives(tmp_path)) == 2
    assert '"exit_code": 70' in said
    assert '"event": "service.ended"' in said


def test_one_that_ends_well_stays_ended(keep: Kept, tmp_path: Path) -> None:
    assert keep("sys.exit(0)").wait(20) == 0
    assert len(lives(tmp_path)) == 1


def test_one_that_ends_within_seconds_of_its_first_start_is_not_tried_again(
    keep: Kept, tmp_path: Path
) -> None:
    assert keep("sys.exit(3)", short_life=60.0).wait(20) == 3
    assert len(lives(tmp_path)) == 1


def test_one_that_keeps_dying_is_given_up_after_the_last_pause(keep: Kept, tmp_path: Path) -> None:
    first_is_long = (
        "time.sleep(1.5) if len(open(sys.argv[1]).readlines()) == 1 else None; sys.exit(3)"
    )
    keeper = keep(first_is_long, short_life=1.0)
    said, _ = keeper.communicate(timeout=30)
    assert keeper.returncode == 3
    assert (
        len(lives(tmp_path)) == 4
    )  # the long one, one after each pause, and the one that is one too many
    assert said.count("service.ended") == 3
    assert said.count("service.given_up") == 1


def test_who_is_told_to_end_ends_its_service_and_starts_none(keep: Kept, tmp_path: Path) -> None:
    keeper = keep(FOR_EVER)
    assert wait_until(lambda: len(lives(tmp_path)) == 1, 20)
    keeper.terminate()
    assert keeper.wait(20) == 128 + signal.SIGTERM
    assert len(lives(tmp_path)) == 1


def test_who_is_told_to_end_in_a_pause_ends_at_once(keep: Kept, tmp_path: Path) -> None:
    keeper = keep("sys.exit(3)", pauses=(600.0,))
    assert keeper.stdout is not None
    assert "service.ended" in keeper.stdout.readline()
    keeper.terminate()
    assert keeper.wait(20) == 3


def test_killing_a_component_leaves_neither_keeper_nor_service(tmp_path: Path) -> None:
    component = Component(Places(tmp_path), "matching")
    program = LIFE + FOR_EVER
    command = [sys.executable, "-c", program, str(tmp_path / "lives")]
    component.spawn([sys.executable, "-m", "brobyg_local.keeper", *command])
    assert wait_until(lambda: len(lives(tmp_path)) == 1, 20)
    component.kill()
    assert component.find() is None
    assert len(lives(tmp_path)) == 1


def test_status_tells_the_last_words_of_a_service_that_ended_by_itself(tmp_path: Path) -> None:
    places = Places(tmp_path)
    component = Component(places, "matching")
    program = "print('no such table'); raise SystemExit(3)"
    component.spawn([sys.executable, "-m", "brobyg_local.keeper", sys.executable, "-c", program])
    assert wait_until(lambda: component.find() is None and bool(tail(component.log)), 20)
    places.environment.write_text('{"BROBYG_MATCHING_URL": "http://127.0.0.1:9"}')
    status = read_status(System(places, lambda _text: None, given={}, ports={}))
    why = next(state.why for state in status.components if state.name == "matching")
    assert why.startswith("it ended by itself: brobyg local start matching")
    assert "\n| no such table" in why
    assert not status.well
