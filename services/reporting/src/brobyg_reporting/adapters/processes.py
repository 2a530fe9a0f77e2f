"""Running rebuild workers as processes of their own, and hearing from them."""

import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from brobyg_reporting.adapters import rebuild_worker
from brobyg_reporting.adapters.rebuild_worker import Work


class WorkerFailed(RuntimeError):
    """A worker process stopped before its work was done. What it had finished stays; the same command goes on from there."""


def run_all(works: Sequence[Work], heard: Callable[[int], None]) -> None:
    """Run one process for each, and return when all are done; `heard` is told the records read since it was last told.

    Blocks. Raises WorkerFailed when one fails or is killed; the others are ended first.
    """
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of librdkafka
    running: dict[Connection, SpawnProcess] = {}
    for work in works:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(work, theirs), daemon=True, name=f"rebuild-{len(running)}")
        process.start()
        theirs.close()
        running[ours] = process
    try:
        while running:
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)  # nothing else was waited for
                _hear(pipe, running, heard)
    finally:
        for process in running.values():
            process.terminate()
            process.join(timeout=5)


def _hear(pipe: Connection, running: dict[Connection, SpawnProcess], heard: Callable[[int], None]) -> None:
    try:
        message: int | str = pipe.recv()
    except EOFError:
        process = running.pop(pipe)
        process.join(timeout=30)
        if process.exitcode != 0:
            raise WorkerFailed(
                f"a rebuild worker was ended (exit code {process.exitcode}); run the same command again to go on"
            ) from None
        return
    if isinstance(message, str):
        raise WorkerFailed(message)
    heard(message)


def _run(work: Work, pipe: Connection) -> None:
    try:
        rebuild_worker.run(work, pipe.send)
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    except (
        Exception
    ) as error:  # whatever it was, the parent is to say it; a traceback on stderr would tear the progress bar
        with suppress(BrokenPipeError):
            pipe.send(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error
