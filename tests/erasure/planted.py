"""Controls: something of a person who does not exist is put in each kind of place.

The system is a test's own, and what it shows is a copy: nothing of it is in the product.
"""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from uuid import UUID

import asyncpg
import psutil
from brobyg_kit import kafka
from brobyg_local.canaries import Canary, Places
from brobyg_local.mail import recipient_hash
from brobyg_local.supervisor import MARK
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

NAME, WHO, POSTCODE = "Valdemar Prøve", UUID("0190a1b2-0000-7000-8000-00000000cccc"), "8985"
MET, OWN = "met@volunteer.example", "proeve@citizen.example"
CONTROL = Canary(
    (NAME, OWN),
    cpr="1509819996",
    person_id=str(WHO),
    beside_id=(POSTCODE,),
    mailbox=OWN,
    told=("Valdemar",),
    readers=frozenset([MET]),
)
TOPIC = "brobyg.notification.v1"
#: Where the search must find the control as long as it is there.
EVERYWHERE = {
    ("topic", TOPIC),
    ("segment", TOPIC),
    ("file", TOPIC),
    ("table", "brobyg_reporting.public.planted"),
    ("dump", "brobyg_reporting.public.planted"),
    ("data file", "brobyg_reporting.public.planted"),
    ("table", "brobyg_reporting.public.planted_beside"),
    ("dump", "brobyg_reporting.public.planted_beside"),
    ("data file", "brobyg_reporting.public.planted_beside"),
    ("metrics", "planted/metrics"),
    ("log", "planted.log"),
    ("trace", "traces"),
    ("file", "planted.state"),
    ("file", "planted.beside"),
    ("mail header", "mail"),
    ("mail body", "their own"),
    ("mail body", "of who was to meet them"),
    ("mail body", "another's"),
}
#: Until its space is freed, a deleted row is in its table's file.
DEAD = ("data file", "brobyg_reporting.public.planted_dead")


@contextmanager
def planted(places: Places) -> Iterator[Places]:
    """The places with the control in each."""
    (places.folder / "log" / "planted.log").write_bytes(rb'{"name": "valdemar pr\u00f8ve"}')
    (places.folder / "planted.state").write_bytes(NAME.encode("utf-16"))
    (places.folder / "planted.beside").write_bytes(b"\0\1" + WHO.bytes + b" lives in 8985\n")
    (places.traces / "planted.otlp").write_bytes(_trace())
    for number, reader in enumerate(("somebody@citizen.example", OWN, MET)):
        name = f"99999{number}-{recipient_hash(reader)}.eml"
        (places.mail / name).write_bytes(_mail(reader))
    with _metrics() as url, _process() as process:
        yield replace(
            places,
            urls={**places.urls, "planted": url},
            processes=[*places.processes, process],
        )


def _mail(reader: str) -> bytes:
    """All three say it in the body; the header says it to who was to meet them."""
    mail, met = EmailMessage(), reader == MET
    mail["To"], mail["Subject"] = reader, f"To {NAME}" if met else "Help"
    mail.set_content("You meet Valdemar" if met else f"Dear {NAME}", cte="base64")
    return mail.as_bytes()


def _trace() -> bytes:
    sent = ExportTraceServiceRequest()
    span = sent.resource_spans.add().scope_spans.add().spans.add(name="planted")
    span.attributes.add(key="who").value.string_value = NAME
    return sent.SerializeToString()


@contextmanager
def _metrics() -> Iterator[str]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'brobyg_planted_total{{who="{NAME}"}} 1\n'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _process() -> Iterator[psutil.Process]:
    environment = os.environ | {MARK: "planted", "PLANTED": NAME}
    idle = [sys.executable, "-c", "import signal; signal.pause()"]
    process = subprocess.Popen(idle, env=environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


async def plant_in_the_stores(places: Places) -> None:
    """Rows, one of them deleted again, and a record whose header says it."""
    connection = await asyncpg.connect(f"{places.database}/brobyg_reporting")
    try:
        await connection.execute("create table planted (said bytea)")
        await connection.execute("insert into planted values ($1)", NAME.encode())
        for table in ("planted_beside", "planted_dead"):
            await connection.execute(f"create table {table} (who uuid, postcode text)")
            await connection.execute(f"insert into {table} values ($1, $2)", WHO, POSTCODE)
        await connection.execute("delete from planted_dead")
    finally:
        await connection.close()
    producer = kafka.batch_producer(places.kafka, "planting")
    await producer.start()
    headers = [("name", NAME.encode())]
    await producer.send_and_wait(TOPIC, b"{}", key=b"planted", headers=headers)
    await producer.stop()
