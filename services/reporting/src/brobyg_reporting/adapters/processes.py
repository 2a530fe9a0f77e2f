"""Rebuild workers as processes of their own.

Plain subprocesses rather than multiprocessing, whose children import the parent's whole program
again before they begin. The work, with the database's address in it, goes in by stdin: a process's
arguments can be read by everybody on the machine.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from brobyg_reporting.adapters import rebuild_worker
from brobyg_reporting.adapters.rebuild_worker import Work
from brobyg_reporting.adapters.tables import schema_of, tables_of
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.errors import WorkerFailed
from brobyg_reporting.ports import OnRecords


@dataclass(frozen=True, slots=True)
class WorkerProcesses:
    """`ports.Workers`: processes on this machine."""

    kafka: str
    database: str

    async def fill(
        self, number: int, shares: Mapping[int, Offsets], processes: int, on_records: OnRecords
    ) -> None:
        """Fill in the shares, in so many processes of their own, or in this one for 0.

        Raises WorkerFailed when one of them fails or is killed; the others are ended first. In
        this process what stopped it is raised as it is.
        """
        work = Work(
            kafka=self.kafka,
            database=self.database,
            version=number,
            schema=schema_of(number),
            log=[str(one.name) for one in tables_of(number)["event_log"].c],
            shares={
                share: [(*place, end) for place, end in ends.items()]
                for share, ends in shares.items()
            },
            parent=os.getpid() if processes else 0,
        )
        if not processes:
            await rebuild_worker.run(work, on_records)
            return
        tasks = [asyncio.create_task(_run(work, on_records)) for _ in range(processes)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _run(work: Work, on_records: OnRecords) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        rebuild_worker.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None  # asked for above
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(work))
        process.stdin.close()
        async for line in process.stdout:
            text = line.decode().strip()
            if not text.isdigit():
                raise WorkerFailed(text)
            on_records(int(text))
        code = await process.wait()
        if code != 0:
            raise WorkerFailed(
                f"a rebuild worker was ended (exit code {code});"
                " run the same command again to go on"
            )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
