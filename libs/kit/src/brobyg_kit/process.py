"""How a process of this system runs its event loop."""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

#: For `gc.set_threshold`. Python's 700 new containers have the collector walk a batch's events dozens of times and find nothing: a seventh of a
#: consumer's time.
COLLECT_AFTER = (50_000, 20, 20)


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """`asyncio.run`, on uvloop where there is one, with a collector that is used to batches. Blocks until `work` is done."""
    gc.collect()
    gc.freeze()  # what is imported by now stays for ever and need not be looked at again
    gc.set_threshold(*COLLECT_AFTER)
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)
