"""A process as a whole: what it does while something it needs is away."""

import asyncio

import pytest
import uvicorn
from brobyg_kit.free_ports import free_port
from brobyg_kit.health import HANG_LIMIT
from brobyg_kit.runtime import Runtime, Server
from brobyg_kit.service import Parts, Service
from brobyg_kit.settings import KitSettings, own_database
from brobyg_kit.testing import eventually, token_keys
from delivery_parts import record
from pydantic import SecretStr
from sqlalchemy import MetaData


class ThingSettings(KitSettings):
    """With the database of the service below."""

    thing_database: SecretStr = own_database("thing")


async def test_a_process_that_waits_for_its_database_is_no_hung_one_however_long_it_takes() -> None:
    service = Service(
        "thing", "thing", ThingSettings, lambda _: Parts(handle=record), metadata=MetaData()
    )
    settings = ThingSettings.model_validate(
        {
            "thing_database": f"postgresql://nobody@127.0.0.1:{free_port()}",
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


@pytest.mark.parametrize("for_ever", [False, True])
async def test_what_is_done_at_the_start_is_tried_again_until_it_goes_well_in_every_role(
    for_ever: bool,
) -> None:
    tries = 0

    async def start() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        if for_ever:
            await asyncio.Event().wait()

    service = Service("thing", "thing", KitSettings, lambda _: Parts(starts={"start": start}))
    settings = KitSettings.model_validate({"token_keys": token_keys()[1]})
    runtime = Runtime(service, settings, "api")
    web = Server(uvicorn.Config(runtime.app(), port=free_port(), log_config=None, access_log=False))
    serving = asyncio.create_task(runtime.serve(web))

    async def failed() -> bool:
        return "start" in runtime.health.heartbeats

    async def went_well() -> bool:
        return tries == 2 and not runtime.health.heartbeats

    await eventually(failed, "readiness is told that it failed")
    await eventually(went_well, "it went well, and readiness is told of no trouble")
    runtime.stop()
    await asyncio.wait([serving], timeout=20)
