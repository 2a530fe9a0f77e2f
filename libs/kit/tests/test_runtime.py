"""A process as a whole: what it does while something it needs is away."""

import asyncio

import uvicorn
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import HANG_LIMIT
from brobyg_kit.runtime import Runtime, Server
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings
from brobyg_kit.testing import eventually, token_keys
from delivery_parts import record
from sqlalchemy import MetaData


async def test_a_process_that_waits_for_its_database_is_no_hung_one_however_long_it_takes() -> None:
    service = Service(
        "thing", "thing", KitSettings, lambda _: Parts(handle=record), metadata=MetaData()
    )
    settings = KitSettings.model_validate(
        {
            "database": f"postgresql://nobody@127.0.0.1:{free_port()}",
            "kafka": f"127.0.0.1:{free_port()}",
            "token_keys": token_keys()[1],
        }
    )
    runtime = Runtime(service, settings)
    port = free_port()
    web = Server(
        uvicorn.Config(
            runtime.app(), host="127.0.0.1", port=port, log_config=None, access_log=False
        )
    )
    serving = asyncio.create_task(runtime.serve(web))

    async def known() -> bool:
        return {"relay", "consumer"} <= runtime.health.heartbeats.keys()

    async def none_hung() -> bool:
        return not runtime.health.hung()

    await eventually(known, "the loops are there")
    for heartbeat in runtime.health.heartbeats.values():
        heartbeat.beaten_at -= HANG_LIMIT + 1
    assert runtime.health.hung()
    await eventually(none_hung, "each loop shows that it lives")
    assert runtime.health.heartbeat("consumer").trouble == "waits for the database"
    runtime.stop()
    await asyncio.wait([serving], timeout=20)
    assert serving.done()
