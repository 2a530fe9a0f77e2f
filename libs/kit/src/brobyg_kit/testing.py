"""For tests: services run in the test's own process on real parts, tokens, and waiting for a thing instead of for a time."""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import asyncpg
import httpx2
import uvicorn

from brobyg_kit.clock import Clock, WallClock
from brobyg_kit.database import Database, migrate
from brobyg_kit.runtime import Role, Runtime, Server
from brobyg_kit.service import Service
from brobyg_kit.tokens import generate_keys, issue_token


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def eventually(
    condition: Callable[[], Awaitable[object]], what: str, timeout: float = 20.0
) -> None:
    """Return when `condition` is true; AssertionError naming `what` when it isn't within `timeout` seconds."""
    deadline = asyncio.get_running_loop().time() + timeout
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        await asyncio.sleep(0.02)


@cache
def token_keys() -> tuple[Path, Path]:
    """Private and public key files for this run's tokens."""
    folder = Path(tempfile.mkdtemp(prefix="brobyg-keys-"))
    generate_keys(folder / "private.json", folder / "public.json")
    return folder / "private.json", folder / "public.json"


def bearer(
    role: str,
    *,
    subject: str = "tester",
    organisation: str | None = None,
    department: str | None = None,
    lifetime: timedelta = timedelta(hours=1),
) -> dict[str, str]:
    """Headers that show a token of this role."""
    text = issue_token(
        token_keys()[0],
        subject,
        [role],
        WallClock(),
        organisation=organisation,
        department=department,
        lifetime=lifetime,
    )
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def fresh_database(server: str, service: Service, clock: Clock) -> AsyncIterator[Database]:
    """The service's own database, new and migrated, open; dropped at the end."""
    name = f"brobyg_{service.name}_t{uuid.uuid4().hex[:10]}"
    await _create(server, name)
    database = Database(f"{server}/{name}", clock, service.name)
    try:
        await migrate(database.url, service.migrations())
        await database.open()
        yield database
    finally:
        await database.close()
        await _drop(server, name)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers."""

    url: str
    runtime: Runtime
    client: httpx2.AsyncClient


@asynccontextmanager
async def served(
    service: Service,
    server: str,
    kafka: str,
    *,
    clock: Clock | None = None,
    role: Role = "api",
    **settings: object,
) -> AsyncIterator[Running]:
    """The service on a free port with a fresh database, in this process. `role="run"` also relays and consumes. `clock` replaces its clock."""
    port = free_port()
    values = {
        "kafka": kafka,
        "database": server,
        "token_keys": token_keys()[1],
        f"{service.name}_port": port,
        "service_token": bearer("portal" if service.name == "portal" else "service")[
            "Authorization"
        ].split()[1],
        **settings,
    }
    runtime = Runtime(
        service,
        service.settings.model_validate(values),
        role,
        clock=clock,
        database_suffix=f"_t{uuid.uuid4().hex[:10]}",
    )
    if runtime.database is not None:
        await _create(server, runtime.database.url.rsplit("/", 1)[1])
        await migrate(runtime.database.url, service.migrations())
    web = Server(
        uvicorn.Config(
            runtime.app(), host="127.0.0.1", port=port, log_config=None, access_log=False
        )
    )
    serving = asyncio.create_task(runtime.serve(web))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

        async def ready() -> bool:
            if serving.done():
                serving.result()
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            await eventually(ready, f"{service.name} is ready", timeout=30)
            yield Running(f"http://127.0.0.1:{port}", runtime, client)
        finally:
            runtime.stop()
            await asyncio.wait([serving], timeout=30)
            if runtime.database is not None:
                await _drop(server, runtime.database.url.rsplit("/", 1)[1])


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f'create database "{name}"')
    await connection.close()


async def _drop(server: str, name: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f'drop database if exists "{name}" with (force)')
    await connection.close()
