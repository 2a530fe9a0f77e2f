"""What ends by itself is started again, what is told to end stays ended, and nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from brobyg_local import supervisor as module
from brobyg_local.logs import tail
from brobyg_local.ports import Ports
from brobyg_local.state import StateFolder
from brobyg_local.supervisor import Program, Supervisor, running_folders, wait_until

# Notes each of its runs in a file; what it then does is given.
RUN = "import os, signal, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); "
FOR_EVER = "signal.pause()"


def make(folder: Path, owner: int | None = None) -> Supervisor:
    state = StateFolder(folder)
    for path in (state.local, state.logs):
        path.mkdir(exist_ok=True)
    return Supervisor(state, Ports(state, lambda _text: None), owner)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = make(tmp_path)
    yield made
    made.shut_down()


def start(supervisor: Supervisor, program: str, **settings: str) -> None:
    command = [sys.executable, "-c", RUN + program, str(supervisor.folder.path / "runs")]
    supervisor.start(supervisor.load([Program("one", command, settings)]))


def runs(supervisor: Supervisor) -> list[int]:
    path = supervisor.folder.path / "runs"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def has_run(supervisor: Supervisor, times: int) -> bool:
    return wait_until(lambda: len(runs(supervisor)) == times, 20)


def test_one_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    start(supervisor, FOR_EVER)
    assert has_run(supervisor, 1)
    os.kill(runs(supervisor)[0], signal.SIGKILL)
    assert has_run(supervisor, 2)


def test_one_that_ends_well_after_a_while_stays_ended(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0)
    start(supervisor, "sys.exit(0)")
    assert wait_until(lambda: supervisor.states()["one"].state == "EXITED", 20)
    assert len(runs(supervisor)) == 1


def test_one_that_keeps_ending_is_given_up_after_the_last_try(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_RETRIES", 1)
    start(supervisor, "sys.exit(3)")
    assert wait_until(lambda: supervisor.states()["one"].state == "FATAL", 20)
    assert len(runs(supervisor)) == 2
    start(supervisor, "sys.exit(3)")
    assert has_run(supervisor, 3)


def test_one_that_is_stopped_stays_ended(supervisor: Supervisor) -> None:
    start(supervisor, FOR_EVER)
    assert has_run(supervisor, 1)
    assert supervisor.stop(["one", "another"]) == []
    assert not psutil.pid_exists(runs(supervisor)[0])
    assert supervisor.states()["one"].state == "STOPPED"
    assert supervisor.stop(["one"]) == []


def test_one_that_will_not_end_is_killed_and_that_is_told(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(supervisor, f"signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); {FOR_EVER}")
    assert wait_until(lambda: "up" in tail(supervisor.folder.log("one")), 20)
    monkeypatch.setattr(module, "STOP_PATIENCE", 0.3)
    assert supervisor.stop(["one"]) == ["one"]
    assert not psutil.pid_exists(runs(supervisor)[0])


def test_one_that_is_killed_by_us_stays_down_and_is_sent_no_other_signal(
    supervisor: Supervisor,
) -> None:
    start(supervisor, "signal.signal(signal.SIGTERM, lambda *_: print('bye')); print('up'); "
          "[signal.pause() for _ in iter(int, 1)]")  # fmt: skip
    assert wait_until(lambda: "up" in tail(supervisor.folder.log("one")), 20)
    supervisor.kill("one")
    assert not psutil.pid_exists(runs(supervisor)[0])
    assert supervisor.states()["one"].state == "STOPPED"
    assert tail(supervisor.folder.log("one")) == ["up"]
    supervisor.kill("one")
    start(supervisor, FOR_EVER)
    assert has_run(supervisor, 2)


def test_only_other_settings_restart_what_runs(supervisor: Supervisor) -> None:
    start(supervisor, FOR_EVER, BROBYG_CLOCK="")
    assert has_run(supervisor, 1)
    start(supervisor, FOR_EVER, BROBYG_CLOCK="")
    assert supervisor.states()["one"].pid == runs(supervisor)[0]
    start(supervisor, FOR_EVER, BROBYG_CLOCK="2026-11-30T00:00:00+01:00;5040;x")
    assert has_run(supervisor, 2)


@pytest.mark.parametrize(
    "value",
    [
        "Brobyg <brobyg@example.org>",
        "randers=a@example.org,norddjurs=b@example.org",
        '"Brobyg; Randers" <a@example.org>',
        "50%20off %(here)s",
        "it's both \" and ' ;here #there",
        "two\nlines",
        "",
        "postgresql://a:p%40ss@h/?x=1#y",
    ],
)
def test_a_setting_reaches_its_program_as_it_is(supervisor: Supervisor, value: str) -> None:
    start(supervisor, "print(repr(os.environ['BROBYG_X'])); signal.pause()", BROBYG_X=value)
    assert wait_until(lambda: bool(tail(supervisor.folder.log("one"))), 20)
    assert tail(supervisor.folder.log("one")) == [repr(value)]


def test_no_other_setting_of_ours_reaches_a_program(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROBYG_STRAY", "1")
    start(supervisor, "print(sorted(one for one in os.environ if 'BROBYG' in one)); signal.pause()",
          BROBYG_X="1")  # fmt: skip
    assert wait_until(lambda: bool(tail(supervisor.folder.log("one"))), 20)
    assert tail(supervisor.folder.log("one")) == ["['BROBYG_LOCAL_SYSTEM', 'BROBYG_X']"]


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(supervisor: Supervisor) -> None:
    start(supervisor, FOR_EVER)
    assert has_run(supervisor, 1)
    (parent,) = psutil.Process(runs(supervisor)[0]).parents()[:1]
    parent.kill()
    parent.wait(10)
    assert supervisor.states() == {}
    start(supervisor, FOR_EVER)
    assert has_run(supervisor, 2)
    assert not psutil.pid_exists(runs(supervisor)[0])


def test_each_running_system_of_this_checkout_is_found(supervisor: Supervisor) -> None:
    assert supervisor.folder not in running_folders()
    start(supervisor, FOR_EVER)
    assert supervisor.folder in running_folders()
    supervisor.shut_down()
    assert supervisor.folder not in running_folders()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_everything_ends_with_its_owner_however_that_ends(tmp_path: Path, number: int) -> None:
    program = (
        "import os, sys, signal; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from test_supervisor import *;"
        "start(make(Path(sys.argv[2]), os.getpid()), FOR_EVER); print('up', flush=True);"
        "signal.pause()"
    )
    folder = str(Path(__file__).parent)
    supervisor = make(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", program, folder, str(tmp_path)], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        assert has_run(supervisor, 1)
        owner.send_signal(number)
        # Before its own parent has noticed, too: until then it is a zombie.
        assert wait_until(lambda: not psutil.pid_exists(runs(supervisor)[0]), 30)
        assert wait_until(lambda: supervisor.folder not in running_folders(), 30)


def test_what_its_owner_has_released_goes_on_after_the_owner_has_ended(tmp_path: Path) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from test_supervisor import *; supervisor = make(Path(sys.argv[2]), os.getpid());"
        "start(supervisor, FOR_EVER); supervisor.release()"
    )
    folder = str(Path(__file__).parent)
    subprocess.run([sys.executable, "-c", program, folder, str(tmp_path)], check=True, timeout=60)
    supervisor = make(tmp_path)
    assert has_run(supervisor, 1)
    states = supervisor.states()
    assert (states["one"].running, states["owner"].running) == (True, False)
    supervisor.shut_down()


def test_one_that_does_not_start_is_named_with_its_last_lines_the_cause_and_what_to_do(
    supervisor: Supervisor,
) -> None:
    start(supervisor, "print('error: relation \"offer\" does not exist'); sys.exit(1)")
    assert wait_until(lambda: supervisor.states()["one"].failed, 20)
    told = supervisor.failure("one").explain()
    assert "one did not start: its process ended: its database is not migrated" in told
    assert '  | error: relation "offer" does not exist' in told
    assert "What to do: brobyg local up migrates every database" in told


def test_a_program_that_ends_again_and_again_can_be_given_other_settings(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It counts as started at once: supervisord starts it again whenever it has ended.
    monkeypatch.setattr(module, "START_SECONDS", 0)
    for number in range(20):
        signal_name = ("TERM", "INT")[number % 2]
        supervisor.load([Program("one", ["false"], stop_signal=signal_name, autostart=True)])
        assert supervisor.states()["one"].state != "STOPPED", "supervisord keeps it by them"
