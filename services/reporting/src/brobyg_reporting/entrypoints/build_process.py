"""The process in which a running service has versions built: `python -m` this module.

What is to be built comes in by stdin, with the database's address in it; on stdout one JSON
document a line, and nothing else, tells how far it is, and at last what was built or why not.
"""

import asyncio
import os
import sys
from typing import TextIO

import msgspec
from aiokafka.errors import KafkaError
from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of

from brobyg_reporting.adapters.answers import answers
from brobyg_reporting.adapters.processes import BuildOrder, Told
from brobyg_reporting.errors import ReportingError
from brobyg_reporting.rebuild_parts import rebuild_ports
from brobyg_reporting.use_cases.rebuild import RebuildRequest, rebuild

#: It gives way to the service, which answers requests meanwhile.
_NICE = 10


def main() -> int:
    """Build and switch. The exit code is 0 when what became of it was told."""
    to = answers()
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=BuildOrder)
    os.nice(_NICE)
    try:
        told = asyncio.run(_build(order, to))
    except ReportingError as error:
        told = Told(refused=str(error))
    except DATABASE_ERRORS as error:
        told = Told(refused=trouble_of(error))
    except KafkaError as error:
        told = Told(refused=f"Kafka can't be read ({type(error).__name__})")
    _tell(told, to)
    return 0


async def _build(order: BuildOrder, to: TextIO) -> Told:
    def progress(phase: str, done: int, total: int) -> None:
        if os.getppid() != order.parent:
            raise RuntimeError("the service that started this build has ended")
        _tell(Told(progress=f"{phase} {done} of {total}"), to)

    ports = rebuild_ports(order.kafka, order.database)
    result = await rebuild(ports, RebuildRequest(order.projections), progress)
    return Told(version=result.version, events=result.events)


def _tell(told: Told, to: TextIO) -> None:
    print(msgspec.json.encode(told).decode(), file=to, flush=True)


if __name__ == "__main__":
    sys.exit(main())
