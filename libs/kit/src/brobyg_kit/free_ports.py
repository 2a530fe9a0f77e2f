"""Ports of this machine for what tests and the local system start."""

import atexit
import random
import socket
from collections import deque
from collections.abc import Collection

#: Below Linux's range for outgoing connections (32768 and up): a client could take such a port
#: before its server listens, or between a server's stop and its start on the same address.
LOWEST, HIGHEST = 20_000, 32_000

#: The last ports given out stay bound here, so that nobody else is given one of them before its
#: server listens. Each is a file descriptor, hence the bound.
_RESERVED: deque[socket.socket] = deque()
_MOST = 64


def free_port(besides: Collection[int] = ()) -> int:
    """A port of 127.0.0.1 that is none of `besides`, and that no other caller is given soon.

    A server that sets SO_REUSEADDR, as all of ours do, can listen on it; until one does,
    connections are refused. Raises OSError when it finds none.
    """
    for _ in range(500):
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - not a secret
        if port not in besides and _reserve(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST}")


def _reserve(port: int) -> bool:
    reserved = socket.socket()
    try:
        reserved.bind(("127.0.0.1", port))
    except OSError:
        reserved.close()
        return False
    # Set only now: set before, it would let two callers reserve the same port.
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _RESERVED.append(reserved)
    if len(_RESERVED) > _MOST:
        _RESERVED.popleft().close()
    return True


@atexit.register
def _release() -> None:
    while _RESERVED:
        _RESERVED.pop().close()
