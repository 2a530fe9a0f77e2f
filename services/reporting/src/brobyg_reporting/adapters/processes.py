"""Builds of versions, and the workers of a rebuild, as processes of their own.

Plain subprocesses rather than multiprocessing, whose children import the parent's whole program
again before they begin. The work, with the database's address in it, goes in by stdin: a process's
arguments can be read by everybody on the machine.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import msgspec

from brobyg_reporting.adapters import rebuild_worker
from brobyg_reporting.adapters.rebuild_worker import Work
from brobyg_reporting.adapters.tables import schema_of
from brobyg_reporting.domain.log import Offsets
from brobyg_reporting.errors import RebuildRefused, WorkerFailed
from brobyg_reporting.ports import Built, OnProgress, OnRecords

_BUILD = "brobyg_reporting.entrypoints.build_process"


class BuildOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a build's process needs to know."""

    kafka: str
    database: str
    projections: Sequence[str]
    #: The process that must be alive for the build to go on.
    parent: int


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line that a build's process tells: one of how far it is, what was built, or why not."""

    progress: str = ""
    refused: str = ""
    version: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class BuildProcess:
    """`ports.Builder`: a process on this machine, so that the service's own goes on answering."""

    kafka: str
    database: str

    async def build(self, projections: Sequence[str], on_progress: OnProgress) -> Built:
        """Build and switch. Raises RebuildRefused, and WorkerFailed when the process stops."""
        order = BuildOrder(
            kafka=self.kafka,
            database=self.database,
            projections=projections,
            parent=os.getpid(),
        )
        async with aclosing(_lines(_BUILD, order, "a build was ended")) as lines:
            async for line in lines:
                told = _told(line)
                if told.refused:
                    raise RebuildRefused(told.refused)
                if told.version:
                    return Built(told.version, told.events)
                on_progress(told.progress)
        raise WorkerFailed("a build ended without a word; it is begun again")


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
    ended = "a rebuild worker was ended; run the same command again to go on"
    async with aclosing(_lines(rebuild_worker.__name__, work, ended)) as lines:
        async for line in lines:
            if not line.isdigit():
                raise _stopped(line)
            on_records(int(line))


def _told(line: str) -> Told:
    try:
        return msgspec.json.decode(line, type=Told)
    except msgspec.MsgspecError:
        # Not what it said: that may be anything, and is read at /readyz.
        raise WorkerFailed("a build said what is no answer; it is begun again") from None


def _stopped(line: str) -> WorkerFailed:
    if line.isidentifier():
        return WorkerFailed(f"a rebuild worker met {line}; run the same command again to go on")
    return WorkerFailed("a rebuild worker said what is no answer; run the same command again")


async def _lines(module: str, order: msgspec.Struct, ended: str) -> AsyncGenerator[str, None]:
    """The lines that a process says that runs `module`, which is ended with this.

    Raises WorkerFailed, saying that it `ended`, when it does so with another exit code than 0.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None  # asked for above
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(order))
        process.stdin.close()
        async for line in process.stdout:
            yield line.decode().strip()
        code = await process.wait()
        if code != 0:
            raise WorkerFailed(f"{ended} (exit code {code})")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
