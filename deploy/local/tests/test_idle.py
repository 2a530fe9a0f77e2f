"""A system is idle when nothing waits and nothing moves."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brobyg_local.demo.access import SystemAccess
from brobyg_local.demo.idle import wait_until_idle
from brobyg_local.keys import make_keys
from brobyg_local.services import SERVICES
from brobyg_local.state import StateFolder


@contextmanager
def services(kafka: str, folder: Path, notices: tuple[int, bytes]) -> Iterator[SystemAccess]:
    """Services that are ready and idle; notification answers `notices` when asked."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, service, path = self.path.split("/", 2)
            ready = json.dumps({"service": service, "ready": True}).encode()
            asked = path.startswith("notifications?state=waiting")
            status, body = notices if asked else (200, ready)
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
            urls = {
                f"BROBYG_{name.upper()}_URL": f"http://127.0.0.1:{server.server_port}/{name}"
                for name in SERVICES
            }
            yield SystemAccess({**make_keys(state), **urls, "BROBYG_KAFKA": kafka}, state.mail)
        finally:
            server.shutdown()
            thread.join()


async def test_a_system_in_which_nothing_waits_and_nothing_moves_is_idle(
    topics: str, tmp_path: Path
) -> None:
    with services(topics, tmp_path, (200, b'{"notifications": [], "next": null}')) as access:
        idle = await wait_until_idle(access, patience=20.0)
    assert idle.idle
    assert idle.busy == ()


@pytest.mark.parametrize(
    ("notices", "says"),
    [
        (
            (200, b'{"notifications": [{"state": "waiting"}], "next": null}'),
            "1 messages or more wait to be sent",
        ),
        ((503, b"{}"), "notification does not say what waits"),
    ],
)
async def test_a_system_with_a_message_that_waits_to_be_sent_is_not_idle(
    notices: tuple[int, bytes], says: str, topics: str, tmp_path: Path
) -> None:
    with services(topics, tmp_path, notices) as access:
        idle = await wait_until_idle(access, patience=2.5)
    assert not idle.idle
    assert idle.busy == (says,)
