"""Processes of their own that answer over HTTP, each a module that is run with what it serves."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from brobyg_kit.free_ports import free_port
from brobyg_kit.testing import eventually


@asynccontextmanager
async def serving(module: str, which: str, *arguments: str) -> AsyncIterator[httpx2.AsyncClient]:
    """`python -m module which port *arguments`, and a client for it while the block runs."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, which, str(port), *arguments,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False
        ) as client:

            async def answers() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    return (await client.get("/readyz")).status_code == 200
                return False

            await eventually(answers, f"the process of {which} answers", timeout=60)
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


def config(app: object, port: int) -> uvicorn.Config:
    """How such a process serves."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # any ASGI application
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
    )
