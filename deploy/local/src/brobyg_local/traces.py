"""A collector that keeps the traces it is sent (OTLP over HTTP) as files, one a request."""

import http.server
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def collecting(folder: Path) -> Iterator[str]:
    """The collector's address; each request's body is a `.otlp` file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            temporary = folder / f"{uuid.uuid4()}.incoming"
            temporary.write_bytes(body)
            temporary.rename(temporary.with_suffix(".otlp"))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
