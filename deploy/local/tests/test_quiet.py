"""The system is at rest when nobody has anything left to tell."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brobyg_local.demo.outside import SERVICES, Outside
from brobyg_local.demo.quiet import come_to_rest
from brobyg_local.keys import make_keys
from brobyg_local.places import Places


@contextmanager
def services(kafka: str, folder: Path, notices: tuple[int, bytes]) -> Iterator[Outside]:
    """Services that are ready and idle; notification answers `notices` when it is asked what waits."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path.startswith("/notifications?state=waiting")
            status, body = notices if asked else (200, b'{"ready": true}')
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    places = Places(folder)
    places.make()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            urls = {
                f"BROBYG_{name.upper()}_URL": f"http://127.0.0.1:{server.server_port}"
                for name in SERVICES
            }
            yield Outside({**make_keys(places), **urls, "BROBYG_KAFKA": kafka}, places.mail)
        finally:
            server.shutdown()
            thread.join()


async def test_nothing_waits_and_nothing_moves_is_rest(topics: str, tmp_path: Path) -> None:
    with services(topics, tmp_path, (200, b'{"notifications": [], "next": null}')) as outside:
        rest = await come_to_rest(outside, patience=20.0)
    assert rest.quiet
    assert rest.restless == ()


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
async def test_a_message_that_waits_to_be_sent_is_no_rest(
    notices: tuple[int, bytes], says: str, topics: str, tmp_path: Path
) -> None:
    with services(topics, tmp_path, notices) as outside:
        rest = await come_to_rest(outside, patience=2.5)
    assert not rest.quiet
    assert rest.restless == (says,)
