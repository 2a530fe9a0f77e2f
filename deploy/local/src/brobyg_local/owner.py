"""`python -m brobyg_local.owner <pid>`: ends its own parent, supervisord, once process <pid> ends.

So a system that a test or a fault injection has started ends with it, however that ends.
"""

import contextlib
import sys

import psutil

if __name__ == "__main__":
    parent = psutil.Process().parent()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(sys.argv[1])).wait()
    with contextlib.suppress(psutil.NoSuchProcess):
        if parent is not None:
            parent.terminate()  # raises NoSuchProcess once its id is another's
