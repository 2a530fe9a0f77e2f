"""How a process of this system runs its event loop."""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

#: For `gc.set_threshold`. At Python's default of 700 new containers the collector walks a batch's
#: events dozens of times and finds nothing, which takes a seventh of a consumer's time.
COLLECT_AFTER = (50_000, 20, 20)


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """`asyncio.run`, on uvloop where there is one, with the collector set for batches.

    Blocks until `work` is done.
    """
    gc.collect()
    gc.freeze()  # what is imported by now stays, so the collector need not look at it
    gc.set_threshold(*COLLECT_AFTER)
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)
