"""Every service's HTTP side: no access without a token, bounds, and errors without values."""

import asyncio
import errno
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
import httpx2
import pytest
import yaml
from brobyg_kit.api import create_app
from brobyg_kit.auth import Caller, Verifier, requires_act
from brobyg_kit.clock import ManualClock, WallClock
from brobyg_kit.health import Health
from brobyg_kit.metrics import Metrics
from brobyg_kit.middleware import BODY_LIMIT
from brobyg_kit.operations import OUTBOX_LIMIT
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import bearer, token_keys
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.types import Message

PUBLIC_KEYS = token_keys()[1]
#: The act is for coordinators alone.
Coordinator = Annotated[Caller, Depends(requires_act("work-on-attention"))]


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int
    at: AwareDatetime


#: The database is away, as whoever needs it is told.
AWAY = [
    ConnectionRefusedError(),
    TimeoutError(),
    socket.gaierror(),
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError(
        "Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"
    ),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InterfaceError("pool is closing"),
    asyncpg.CannotConnectNowError(),
    asyncpg.UndefinedTableError("0201609995"),
    asyncpg.InsufficientPrivilegeError("0201609995"),
]
#: Looks like it, and is a mistake of ours that trying again does not mend.
BUGS = [
    RuntimeError("0201609995"),
    FileNotFoundError(errno.ENOENT, "0201609995"),
    PermissionError(errno.EACCES, "0201609995"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
    asyncpg.DataError("invalid input for query argument $1: '0201609995'"),
]


def router() -> APIRouter:
    made = APIRouter()

    @made.post("/things")
    async def create(thing: Thing, caller: Coordinator) -> dict[str, object]:
        return {"number": thing.number, "department": caller.department}

    @made.get("/things")
    async def things(_: Coordinator, limit: int = 10) -> int:
        return limit

    @made.get("/by-id/{one}")
    async def by_id(one: UUID, _: Coordinator) -> UUID:
        return one

    @made.get("/raises/{number}")
    async def raises(number: int, caller: Coordinator) -> None:
        raise (AWAY + BUGS)[number]

    return made


def app(parts: Parts, verifier: Verifier | None = None, **waiting: object) -> FastAPI:
    async def numbers() -> dict[str, object]:
        return waiting

    service = Service("thing", "thing", KitSettings, lambda _: parts, asyncapi=messages_of)
    verifier = verifier or Verifier.of_files(PUBLIC_KEYS, None, WallClock())
    return create_app(
        service,
        parts,
        ManualClock(datetime(2026, 11, 30, tzinfo=UTC)),
        verifier,
        Metrics(),
        Health(),
        numbers,
    )


def messages_of(service: str) -> dict[str, object]:
    return {"asyncapi": "3.0.0", "info": {"title": service, "version": "1"}}


@asynccontextmanager
async def client(application: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://thing") as made:
        yield made


GOOD = {"number": 1, "at": "2026-11-30T10:15:00+01:00"}


async def test_a_coordinator_with_a_token_gets_in() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post(
            "/things", json=GOOD, headers=bearer("coordinator", department="randers")
        )
    assert (answer.status_code, answer.json()) == (200, {"number": 1, "department": "randers"})


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
async def test_without_a_valid_token_nothing_opens_but_health(header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", json=GOOD, headers=headers)
        health = [(await http.get(path)).status_code for path in ("/livez", "/readyz", "/metrics")]
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert health == [200, 200, 200]


async def test_a_body_that_is_missing_is_asked_for() -> None:
    headers = bearer("coordinator") | {"Content-Type": "application/json"}
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "", "detail": "expected a body: a JSON object"}]


async def test_a_query_parameter_that_nobody_looks_at_is_refused_with_those_that_are_known() -> (
    None
):
    async with client(app(Parts(routers=[router()]))) as http:
        known = await http.get("/things?limit=3", headers=bearer("coordinator"))
        slip = await http.get("/things?limit=3&departement=randers", headers=bearer("coordinator"))
        none = await http.post("/things?dry=true", json=GOOD, headers=bearer("coordinator"))
    assert (known.status_code, known.json()) == (200, 3)
    assert (slip.status_code, slip.json()["errors"]) == (
        422,
        [
            {
                "pointer": "query/departement",
                "detail": "this parameter is not known here; known are limit",
            }
        ],
    )
    assert (none.status_code, none.json()["errors"][0]["pointer"]) == (422, "query/dry")


async def test_the_description_of_the_api_says_that_a_token_is_needed_and_what_for() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        described = (await http.get("/openapi.json")).json()
    [scheme] = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert described["paths"]["/things"]["post"]["security"]
    assert "security" not in described["paths"]["/livez"]["get"]


async def test_the_page_that_shows_it_brings_its_own_scripts_and_allows_no_others() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        page = await http.get("/docs")
        sources = re.findall(r'(?:src|href)="(docs/[^"]+)"', page.text)
        loaded = [await http.get(f"/{source}") for source in sources]
        nothing = await http.get("/docs/redoc.standalone.js")
    assert "http" not in page.text.replace("http-equiv", "")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert [one.status_code for one in (page, *loaded)] == [200] * 4
    assert nothing.status_code == 404


async def test_what_the_service_sends_and_receives_is_served_as_asyncapi() -> None:
    async with client(app(Parts())) as http:
        answer = await http.get("/asyncapi.yaml")
    assert answer.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(answer.text) == messages_of("thing")


async def test_the_description_of_the_api_says_of_errors_what_they_are() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        described = (await http.get("/openapi.json")).json()
        answer = (
            await http.post("/things", json={"number": "many"}, headers=bearer("coordinator"))
        ).json()
    for operation in (
        one for path in ("/things", "/raises/{number}") for one in described["paths"][path].values()
    ):
        assert set(operation["responses"]) == {"200", "default"}
        [(kind, content)] = operation["responses"]["default"]["content"].items()
        assert kind == "application/problem+json"
        assert (
            set(content["schema"]["required"])
            <= set(answer)
            <= set(content["schema"]["properties"])
        )
        assert set(answer["errors"][0]) == set(
            content["schema"]["properties"]["errors"]["items"]["properties"]
        )
    assert set(described["components"]["schemas"]) == {"Thing"}


async def test_a_router_whose_errors_have_a_form_of_their_own_describes_them_itself() -> None:
    own = APIRouter(
        responses={
            "default": {"description": "Another form", "content": {"application/fhir+json": {}}}
        }
    )

    @own.get("/own")
    async def read(_: Coordinator, limit: int = 10) -> int:
        return limit

    async with client(app(Parts(routers=[own]))) as http:
        described = (await http.get("/openapi.json")).json()
    assert set(described["paths"]["/own"]["get"]["responses"]["default"]["content"]) == {
        "application/fhir+json"
    }


async def test_an_expired_token_is_refused() -> None:
    later = Verifier.of_files(
        PUBLIC_KEYS, None, ManualClock(datetime.now(UTC) + timedelta(hours=2))
    )
    async with client(app(Parts(routers=[router()]), later)) as http:
        answer = await http.post("/things", json=GOOD, headers=bearer("coordinator"))
    assert answer.status_code == 401


async def test_another_role_is_told_which_role_it_takes() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", json=GOOD, headers=bearer("volunteer"))
    assert answer.status_code == 403
    assert "coordinator" in answer.json()["detail"]


def test_a_service_with_an_open_route_does_not_start() -> None:
    open_router = APIRouter()

    @open_router.get("/open")
    async def everybody() -> None: ...

    with pytest.raises(RuntimeError, match="/open is open"):
        app(Parts(routers=[open_router]))


def test_a_service_with_a_mount_or_a_websocket_among_its_closed_routes_does_not_start() -> None:
    mounting, speaking = APIRouter(), APIRouter()
    mounting.mount("/files", FastAPI())

    @speaking.websocket("/talk")
    async def talk(socket: WebSocket) -> None: ...

    for made, path in ((mounting, "/files"), (speaking, "/talk")):
        with pytest.raises(RuntimeError, match=f"{path} is open"):
            app(Parts(routers=[made]))


async def test_a_service_whose_oldest_unsent_record_is_too_old_is_not_ready() -> None:
    for age, status in ((OUTBOX_LIMIT, 200), (OUTBOX_LIMIT + 1, 503)):
        async with client(app(Parts(), outbox={"rows": 1, "oldest_seconds": age})) as http:
            answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["outbox"]["ok"]) == (
            status,
            status == 200,
        )
        assert answer.json()["outbox"] == {"rows": 1, "oldest_seconds": age}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"number": 1, "at": "2026-11-30T10:15:00"}, "/at"),
        ({"number": 1, "at": "tomorrow 0201609995"}, "/at"),
        ({"number": "many", "at": GOOD["at"]}, "/number"),
        ({"at": GOOD["at"]}, "/number"),
        ({**GOOD, "cpr": "0201609995"}, "/cpr"),
        ({**GOOD, "0201609995 Einer": 1}, "/(not a name)"),
        ({**GOOD, "0201609995": 1}, "/(not a name)"),
        ({**GOOD, "cpr_0201609995": 1}, "/(not a name)"),
        ({**GOOD, "x" * 5_000: 1}, "/(not a name)"),
    ],
)
async def test_a_wrong_field_is_named_and_its_value_is_not_repeated(
    body: dict[str, object], pointer: str
) -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", json=body, headers=bearer("coordinator"))
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert "0201609995" not in answer.text
    assert len(answer.content) < 1_000


async def test_a_body_that_is_not_json_is_a_400() -> None:
    headers = {**bearer("coordinator"), "content-type": "application/json"}
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", content=b"{", headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "content", [b'{"number": "\xff"}', b"[" * 50_000], ids=["not UTF-8", "nested deeply"]
)
async def test_a_body_that_can_not_be_read_at_all_is_a_400_that_says_why(content: bytes) -> None:
    headers = {**bearer("coordinator"), "content-type": "application/json"}
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", content=content, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (
        400,
        "The body is not JSON in UTF-8, or is nested too deeply",
    )


async def test_an_id_that_is_none_is_told_without_a_character_of_it() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.get("/by-id/0201609995", headers=bearer("coordinator"))
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "path/one")
    assert error["detail"] == "expected a UUID such as 019ad7a0-1f00-7c3a-9a51-3b7f0e6d2a11"


async def test_json_that_is_not_said_to_be_is_a_415_that_says_so() -> None:
    headers = {**bearer("coordinator"), "content-type": "text/plain"}
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post("/things", content=b"{}", headers=headers)
    assert (answer.status_code, "application/json" in answer.json()["title"]) == (415, True)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_a_413_whether_or_not_it_says_so(declared: bool) -> None:
    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (BODY_LIMIT // 16)

    body = b" " * (BODY_LIMIT + 1) if declared else streamed()
    async with client(app(Parts(routers=[router()]))) as http:
        answer = await http.post(
            "/things",
            content=body,
            headers=bearer("coordinator") | {"content-type": "application/json"},
        )
    assert answer.status_code == 413


@pytest.mark.parametrize("number", range(len(AWAY)))
async def test_a_missing_database_is_a_503_to_retry(number: int) -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        away = await http.get(f"/raises/{number}", headers=bearer("coordinator"))
    assert (away.status_code, away.headers["retry-after"]) == (503, "2")
    assert "Idempotency-Key" not in away.json()["detail"]  # reading takes none


@pytest.mark.parametrize("number", range(len(BUGS)))
async def test_a_bug_is_a_500_that_tells_nothing_and_does_not_ask_to_be_sent_again(
    number: int,
) -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        broken = await http.get(f"/raises/{len(AWAY) + number}", headers=bearer("coordinator"))
    assert broken.status_code == 500
    assert broken.json()["request_id"] == broken.headers["x-request-id"]
    assert "0201609995" not in broken.text
    assert "retry-after" not in broken.headers


async def test_an_answer_that_breaks_off_is_not_begun_a_second_time() -> None:
    broken = APIRouter()

    @broken.get("/broken")
    async def half(
        _: Coordinator,
    ) -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise RuntimeError("0201609995")

        return StreamingResponse(parts())

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", bearer("coordinator")["Authorization"].encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/broken",
        "query_string": b"",
        "headers": headers,
    }
    await app(Parts(routers=[broken]))(scope, forever, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1] == {"type": "http.response.body", "body": b"half of it", "more_body": True}


async def forever() -> Message:
    """A client that sends nothing and stays."""
    await asyncio.Event().wait()
    raise AssertionError("the event is never set")


async def test_a_callers_request_id_comes_back_and_a_dangerous_one_does_not() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        good = await http.get("/livez", headers={"X-Request-Id": "engine-42"})
        bad = await http.get("/livez", headers={"X-Request-Id": "0201609995 Lonni <b>"})
    assert good.headers["x-request-id"] == "engine-42"
    assert "Lonni" not in bad.headers["x-request-id"]


async def test_unknown_paths_and_methods_are_problems_too() -> None:
    async with client(app(Parts(routers=[router()]))) as http:
        unknown, method = await http.get("/nothing"), await http.delete("/things")
    assert (unknown.status_code, method.status_code) == (404, 405)
    assert {unknown.headers["content-type"], method.headers["content-type"]} == {
        "application/problem+json"
    }


async def test_a_span_tells_the_route_and_nothing_that_was_written_into_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    headers = bearer("coordinator") | {"User-Agent": "Lonni"}
    async with client(app(Parts(routers=[router()]))) as http:
        for path in ("/by-id/0201609996", "/raises/8?of=Lonni", "/Lonni", "/things?of=Lonni"):
            await http.get(path, headers=headers)
    spans = [span.to_json() for span in kept.get_finished_spans()]
    assert len(spans) == 4
    assert any("GET /by-id/{one}" in span for span in spans)
    assert not [span for span in spans if "Lonni" in span or "0201609996" in span]
