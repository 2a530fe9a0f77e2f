"""The whole system of one folder: up, restored after kill -9, one component at a time, down."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from brobyg_kit.clock import parse_clock
from brobyg_local.cli import app
from brobyg_local.errors import ComponentFailed, LocalError
from brobyg_local.health import read_status
from brobyg_local.services import SERVICES, readiness
from brobyg_local.state import COMPONENTS, StateFolder
from brobyg_local.supervisor import wait_until
from brobyg_local.system import System
from typer.testing import CliRunner

pytestmark = pytest.mark.timeout(600)


def make(folder: Path) -> System:
    return System(StateFolder(folder), given={}, ports={}, owner=os.getpid(), durable=False)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own."""
    made = make(tmp_path_factory.mktemp("system"))
    try:
        made.up()
        yield made
    finally:
        made.reset()


def pids(system: System) -> dict[str, int]:
    return {
        state.name: state.process.pid
        for state in read_status(system).components
        if state.process is not None
    }


def test_up_makes_everything_ready_and_again_changes_nothing(system: System) -> None:
    environment = system.up()
    assert environment["BROBYG_INSTANCE"] == "local"
    before = pids(system)
    assert set(before) == set(COMPONENTS)
    again = make(system.folder.path)
    assert again.up() == environment
    assert pids(again) == before


def test_status_is_well_and_shows_every_topic(system: System) -> None:
    system.up()
    status = read_status(system)
    assert status.well
    partitions = {topic.name: topic.partitions for topic in status.topics}
    assert partitions["brobyg.referral.v1"] == 12
    assert partitions["brobyg.reporting.dead-letter.v1"] == 3


def test_keys_are_kept_and_are_their_owners_only(system: System) -> None:
    environment = system.up()
    assert system.folder.environment.stat().st_mode & 0o077 == 0
    for name in ("signing.jwk.json", "keys.json"):
        assert (system.folder.local / "keys" / name).stat().st_mode & 0o077 == 0
    assert (
        json.loads(Path(environment["BROBYG_TOKEN_KEYS"]).read_text())["keys"][0]
        .keys()
        .isdisjoint({"d"})
    )


def test_after_kill_9_of_everything_up_heals_with_the_same_addresses(system: System) -> None:
    environment = system.up()
    before = pids(system)
    for component in COMPONENTS:
        system.supervisor.kill(component)
    status = read_status(system)
    assert not status.well
    assert not any(state.up for state in status.components)
    assert system.up() == environment
    assert set(pids(system).values()).isdisjoint(before.values())
    assert read_status(system).well


def kill_the_supervisor(system: System) -> None:
    supervisord = psutil.Process(int((system.folder.local / "supervisord.pid").read_text()))
    supervisord.kill()
    supervisord.wait(10)


def test_after_kill_9_of_the_supervisor_status_says_so_and_up_heals_with_the_same_addresses(
    system: System,
) -> None:
    environment = system.up()
    kill_the_supervisor(system)
    status = read_status(system)
    assert all(state.up and state.ready for state in status.components), "they run on"
    [trouble] = status.troubles
    assert "the supervisor is gone" in trouble
    assert "make up" in trouble
    assert {state.why for state in status.components} == {"an orphan: the supervisor is gone"}
    for refused in (system.start, system.stop):
        with pytest.raises(LocalError, match="the supervisor is gone"):
            refused("matching")
    again = make(system.folder.path)
    assert again.up() == environment
    assert again.cluster.ports.taken == []
    assert read_status(system).well


def test_after_kill_9_of_the_supervisor_down_ends_what_it_has_left(system: System) -> None:
    system.up()
    kill_the_supervisor(system)
    orphans = system.supervisor.orphans()
    assert len(orphans) >= len(COMPONENTS)
    system.down()
    assert not any(one.is_running() for one in orphans)
    assert system.supervisor.orphans() == []
    assert "the supervisor is gone" not in "".join(read_status(system).troubles)


@pytest.mark.parametrize("component", ["mail", "matching"])
def test_one_part_is_stopped_named_by_status_and_started_again(
    system: System, component: str
) -> None:
    system.up()
    system.stop(component)
    status = read_status(system)
    assert [state.name for state in status.components if not state.ready] == [component]
    assert not status.well
    system.start(component)
    assert read_status(system).well


def test_what_has_other_settings_than_it_runs_with_is_restarted_and_a_clock_is_kept(
    system: System,
) -> None:
    system.up()
    before = pids(system)
    start = datetime.fromisoformat("2026-12-07T05:00:00+01:00")
    system.up({"BROBYG_CLOCK": f"{start.isoformat()};60;{datetime.now(UTC).isoformat()}"})
    after = pids(system)
    assert {name for name in after if after[name] != before[name]} == set(SERVICES)
    kept = system.up({"BROBYG_NOTIFICATION_CONCURRENCY": "7"})["BROBYG_CLOCK"]
    assert parse_clock(kept).now() > start
    assert kept.split(";")[1] == "1", "it runs on at real speed"
    assert system.down() == [], "nothing had to be killed"
    assert system.up()["BROBYG_CLOCK"] == kept
    last = pids(system)
    assert system.up({"BROBYG_NOTIFICATION_CONCURRENCY": "7"})["BROBYG_CLOCK"] == kept
    assert {name for name, pid in pids(system).items() if pid != last[name]} == {"notification"}


def test_a_fast_clock_does_not_run_on_while_nothing_runs_and_an_up_that_is_killed_heals(
    system: System,
) -> None:
    fast = f"2026-12-01T00:00:00+01:00;5040;{datetime.now(UTC).isoformat()}"
    environment = {**system.up(), "BROBYG_CLOCK": fast}
    system.folder.environment.write_text(json.dumps(environment))
    system.down()
    assert system.environment()["BROBYG_CLOCK"].split(";")[1] == "1"
    folder = system.folder.path
    program = (
        "from brobyg_local.state import StateFolder; from brobyg_local.system import System;"
        "from pathlib import Path;"
        f"System(StateFolder(Path({str(folder)!r})), given={{}}, ports={{}}).up()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True
    ) as starting:
        assert starting.stderr is not None
        for line in starting.stderr:
            if line.startswith("matching: starting"):
                starting.kill()
                break
    assert system.up({"BROBYG_CLOCK": ""})["BROBYG_CLOCK"] == ""
    assert read_status(system).well


def test_a_service_that_cannot_start_is_named_with_its_last_lines_and_what_to_do(
    system: System,
) -> None:
    system.up()
    with pytest.raises(ComponentFailed) as failed:
        system.up({"BROBYG_NOTIFICATION_CONCURRENCY": "many"})
    told = failed.value.explain()
    assert "BROBYG_NOTIFICATION_CONCURRENCY" in told
    assert "its process ended: a setting is missing or wrong" in told
    assert "What to do: brobyg config" in told

    def status_says_so() -> bool:
        states = read_status(system).components
        why = next(one.why for one in states if one.name == "notification")
        return why.startswith("it ended") and "BROBYG_NOTIFICATION_CONCURRENCY" in why

    assert wait_until(status_says_so, 60)
    assert not read_status(system).well
    system.up()
    assert read_status(system).well


@pytest.mark.parametrize("component", ["kafka", "postgres", "mail", "light-provider", "matching"])
def test_a_component_that_is_killed_comes_back_by_itself(system: System, component: str) -> None:
    system.up()
    before = pids(system)
    psutil.Process(before[component]).kill()
    assert wait_until(lambda: pids(system).get(component) not in {None, before[component]}, 30)
    assert wait_until(lambda: read_status(system).well, 60, every=0.5)
    after = pids(system)
    assert {name for name in after if after[name] != before[name]} == {component}


def test_a_clock_that_is_none_is_refused_before_anything_is_touched(system: System) -> None:
    system.up()
    before = pids(system)
    with pytest.raises(LocalError, match="BROBYG_CLOCK is 'yesterday'"):
        system.up({"BROBYG_CLOCK": "yesterday"})
    assert pids(system) == before
    assert system.environment()["BROBYG_CLOCK"] == ""


def test_a_port_that_was_named_and_is_taken_is_refused_with_who_holds_it(system: System) -> None:
    system.up()
    before = pids(system)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            LocalError, match=f"port {port}, which BROBYG_MATCHING_PORT names for matching"
        ) as refused:
            system.up({"BROBYG_MATCHING_PORT": str(port)})
    assert f"held by pid {os.getpid()} (" in str(refused.value)
    assert f"kill {os.getpid()}" in refused.value.advice
    assert pids(system) == before
    own = system.environment()["BROBYG_MATCHING_PORT"]
    assert system.up({"BROBYG_MATCHING_PORT": own})["BROBYG_MATCHING_PORT"] == own
    assert pids(system) == before


def test_an_unknown_component_is_refused_with_those_that_exist() -> None:
    for command in ("start", "stop", "restart"):
        refused = CliRunner().invoke(app, [command, "broker"])
        assert refused.exit_code == 2
        assert "'broker' is not one of" in refused.output
        assert all(f"'{component}'" in refused.output for component in COMPONENTS)


def test_down_ends_every_process_of_every_system_of_the_checkout_and_keeps_the_data(
    system: System, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = system.up()
    monkeypatch.setattr("brobyg_local.cli.default_folder", lambda: StateFolder(tmp_path))
    # The run's own broker and database are a system of this checkout, too: not that one here.
    monkeypatch.setattr("brobyg_local.supervisor.running_folders", lambda: [system.folder])
    done = CliRunner().invoke(app, ["down"])
    assert done.exit_code == 0
    assert f"Also ended: the system of {system.folder.path}." in done.output
    assert system.supervisor.states() == {}
    assert not any(state.up for state in read_status(system).components)
    assert not readiness("portal", environment["BROBYG_PORTAL_URL"]).report
    assert os.path.isdir(system.cluster.postgres.data)  # noqa: PTH112 - the path is another user's
