"""Running rebuild workers as processes of their own, and hearing from them.

Plain subprocesses rather than multiprocessing, whose children import the parent's whole program again before they begin. The work, with
the database's address in it, goes in by stdin: what stands in an argument can be read by everybody on the machine.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from brobyg_reporting.adapters import rebuild_worker
from brobyg_reporting.adapters.rebuild_worker import Work


class WorkerFailed(RuntimeError):
    """A worker process stopped before its work was done. What it had finished stays; the same command goes on from there."""


async def run_all(works: Sequence[Work], heard: Callable[[int], None]) -> None:
    """Run one process for each, and return when all are done; `heard` is told the records read since it was last told.

    Raises WorkerFailed when one fails or is killed; the others are ended first.
    """
    tasks = [asyncio.create_task(_run(work, heard)) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run_here(work: Work, heard: Callable[[int], None]) -> None:
    """Do the work in this process: for little of it, starting another one would take longer. Raises what stopped it."""
    await rebuild_worker.run(work, heard)


async def _run(work: Work, heard: Callable[[int], None]) -> None:
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
        process.stdin.write(rebuild_worker.encode_work(work))
        process.stdin.close()
        async for line in process.stdout:
            text = line.decode().strip()
            if not text.isdigit():
                raise WorkerFailed(text)
            heard(int(text))
        code = await process.wait()
        if code != 0:
            raise WorkerFailed(
                f"a rebuild worker was ended (exit code {code}); run the same command again to go on"
            )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
