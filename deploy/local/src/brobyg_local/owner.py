"""`python -m brobyg_local.owner <pid>`: ends its own parent, supervisord, once process <pid> ends.

So a system that a test or a fault injection has started ends with it, however that ends.
"""

import contextlib
import sys
import time

import psutil

#: Seconds between two looks.
_EVERY = 0.5


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended: one whose parent has not asked how it ended is a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    parent = psutil.Process().parent()
    with contextlib.suppress(psutil.NoSuchProcess):
        owner = psutil.Process(int(sys.argv[1]))
        while _runs(owner):
            time.sleep(_EVERY)
    with contextlib.suppress(psutil.NoSuchProcess):
        if parent is not None:
            parent.terminate()  # raises NoSuchProcess once its id is another's
