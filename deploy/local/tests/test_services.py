"""A service is asked directly, and what it says of itself is understood."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from brobyg_local.services import readiness


@contextmanager
def answering(status: int, report: object) -> Iterator[str]:
    """A service that gives this answer once."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(report).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        thread.join(5)


def test_a_service_on_this_machine_is_asked_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with answering(200, {"service": "referral", "ready": True}) as url:
        assert readiness("referral", url).ready


def test_a_service_that_is_not_ready_says_why() -> None:
    checks = {"consumer": {"ok": False, "detail": "no partitions yet"}, "database": {"ok": True}}
    report = {"service": "referral", "ready": False, "checks": checks, "parked": 2}
    with answering(503, report) as url:
        answer = readiness("referral", url)
    assert (answer.ready, answer.why) == (False, "consumer: no partitions yet")
    assert answer.number("parked") == 2


@pytest.mark.parametrize(
    "report",
    [
        [],
        {},
        7,
        {"ready": True},
        {"service": "referral", "checks": []},
        {"service": "referral", "ready": True, "checks": {"a": 1}},
    ],
)
def test_something_else_at_the_services_address_is_not_taken_for_it(report: object) -> None:
    with answering(200, report) as url:
        answer = readiness("referral", url)
    assert (answer.ready, answer.report) == (False, {})
    assert answer.why == f"something else answers at {url}"


def test_another_service_at_its_address_is_not_taken_for_it() -> None:
    with answering(200, {"service": "matching", "ready": True, "checks": {}}) as url:
        answer = readiness("referral", url)
    assert (answer.ready, answer.why) == (False, f"matching answers at {url}")


def test_a_service_that_is_down_is_unreachable() -> None:
    answer = readiness("referral", "http://127.0.0.1:9")
    assert (answer.ready, answer.report) == (False, {})
    assert answer.why.startswith("unreachable at http://127.0.0.1:9")
