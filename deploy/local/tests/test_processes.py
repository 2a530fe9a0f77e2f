"""Background processes, tools and services: found again, bounded, and explained when they fail."""

import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from brobyg_local import tools
from brobyg_local.errors import ComponentFailed, ToolMissing
from brobyg_local.places import Places, read_json, write_atomically
from brobyg_local.processes import Component, bound_log, tail, wait_until
from brobyg_local.services import ServiceProcess, clean_environment, likely_cause, readiness

WAIT_FOR_TERM = "import signal; print('up', flush=True); signal.sigwait({signal.SIGTERM})"
IGNORE_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); [signal.pause() for _ in iter(int, 1)]"


@pytest.fixture
def component(tmp_path: Path) -> Iterator[Component]:
    made = Component(Places(tmp_path), "referral")
    yield made
    made.kill()


def test_the_last_lines_of_a_services_log_are_told_as_one_reads_them(tmp_path: Path) -> None:
    said = {
        "event": "relay.failed",
        "level": "error",
        "timestamp": "2026-11-30T07:00:00Z",
        "service": "matching",
        "attempt": 3,
    }
    lines = ["Traceback", json.dumps(said), '{"cut": "in mid', "[1]", "7", "{}"]
    (tmp_path / "log").write_text("\n".join(lines))
    assert tail(tmp_path / "log") == [
        "Traceback", "2026-11-30T07:00:00Z error relay.failed attempt=3", '{"cut": "in mid', "[1]", "7", "{}"
    ]  # fmt: skip
    assert tail(tmp_path / "log", 2) == ["7", "{}"]
    assert tail(tmp_path / "none") == []


def spawn(component: Component, program: str) -> psutil.Process:
    process = component.spawn([sys.executable, "-c", program])
    assert wait_until(lambda: "up" in "".join(tail(component.log)), 20)
    return process


def test_a_process_is_found_ended_and_forgotten(component: Component) -> None:
    process = spawn(component, WAIT_FOR_TERM)
    assert component.find() == process
    assert component.stop() is True
    assert component.find() is None
    assert not component.places.pid("referral").exists()


def test_a_process_that_will_not_end_is_killed_and_that_is_told(component: Component) -> None:
    process = spawn(component, IGNORE_TERM)
    assert component.stop(patience=0.3) is False
    assert not process.is_running()


def test_a_process_is_found_without_its_pid_file_and_not_by_another_name(
    component: Component,
) -> None:
    process = spawn(component, WAIT_FOR_TERM)
    component.forget()
    assert Component(component.places, "matching").find() is None
    assert component.find() == process
    assert read_json(component.places.pid("referral"))["pid"] == process.pid


def test_a_killed_process_is_not_taken_for_running(component: Component) -> None:
    spawn(component, WAIT_FOR_TERM)
    component.kill()
    assert component.places.pid("referral").exists()
    assert component.find() is None


def test_a_log_is_bounded_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    with path.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 1000)
        bound_log(path, limit=1000)
        writer.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "one.log.1").read_bytes() == b"old\n" * 1000


def test_half_a_file_is_never_seen(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_atomically(path, '{"a": 1}', mode=0o600)
    write_atomically(path, '{"a": 2}', mode=0o600)
    assert read_json(path) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_systems_own_settings_reach_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROBYG_STRAY", "1")
    environment = clean_environment({"BROBYG_KAFKA": "here:1"})
    assert environment["BROBYG_KAFKA"] == "here:1"
    assert "BROBYG_STRAY" not in environment
    assert "PATH" in environment


def test_a_missing_program_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="Maven") as missing:
        tools.find_maven(lambda _text: None)
    assert "sudo apt-get install maven" in missing.value.explain()


def test_a_download_that_hangs_is_ended_and_named() -> None:
    hang = [sys.executable, "-c", "import signal; print('begun', flush=True); signal.pause()"]
    lines: list[str] = []
    with pytest.raises(ToolMissing, match="said nothing for 1 s") as hung:
        tools.run_watched(hang, lines.append, silence=1, advice="look at the network")
    assert lines == ["begun"]
    assert "look at the network" in hung.value.explain()


def test_a_tool_that_fails_is_named_with_its_last_lines() -> None:
    with pytest.raises(ToolMissing, match=r"exit code 3:\n  no such host"):
        tools.run_watched(
            [sys.executable, "-c", "print('no such host'); raise SystemExit(3)"],
            lambda _line: None,
            advice="",
        )


def test_a_service_that_ends_at_once_is_named_with_its_last_lines_the_cause_and_what_to_do(
    tmp_path: Path,
) -> None:
    service = ServiceProcess(Places(tmp_path), "matching")
    program = "print('error: relation \"offer\" does not exist')"
    service.component.spawn([sys.executable, "-c", program])
    assert wait_until(
        lambda: service.component.find() is None and bool(tail(service.component.log)), 20
    )
    told = service.failure("http://127.0.0.1:1", 5).explain()
    assert "matching did not come up: its process ended: its database is not migrated" in told
    assert '  | error: relation "offer" does not exist' in told
    assert "What to do: brobyg local up migrates every database" in told


def test_the_usual_suspects_have_each_their_advice() -> None:
    assert (
        likely_cause("OSError: [Errno 98] error while attempting to bind: address already in use")
        is not None
    )
    assert likely_cause("ConnectionRefusedError: [Errno 111]") is not None
    assert likely_cause("all is well") is None


class Answers(http.server.BaseHTTPRequestHandler):
    """What a service that is up but not ready says."""

    report: object = {
        "ready": False,
        "checks": {"consumer": {"ok": False, "detail": "no partitions yet"}},
        "parked": 2,
    }

    def do_GET(self) -> None:
        body = json.dumps(self.report).encode()
        self.send_response(503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_service_that_is_not_ready_says_why_and_one_that_is_down_is_unreachable() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        answer = readiness(url)
        thread.join()
    assert (answer.answered, answer.ready, answer.why) == (
        True,
        False,
        "consumer: no partitions yet",
    )
    assert answer.number("parked") == 2
    down = readiness(url)
    assert not down.answered
    assert down.why.startswith(f"unreachable at {url}")


def test_a_failure_without_a_log_is_still_a_sentence() -> None:
    assert ComponentFailed("mail", "it ended").explain() == "mail did not come up: it ended"
