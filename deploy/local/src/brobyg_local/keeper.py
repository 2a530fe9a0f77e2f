"""Keeps one service running: `python -m brobyg_local.keeper <program> <argument>...` starts it again when it ends by itself.

What ends with exit code 0, or because the keeper was asked to end, stays ended; so does what ends of its own accord within seconds of its first
start, as nothing but a change of its settings will help that. Each further short life makes the pause longer, and after the last pause the keeper gives up.
Imports nothing but the standard library, as there is one for each service.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

__all__ = ["keep"]

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each start after a short life; one more short life and it is given up."""
SHORT_LIFE = 10.0
"""Seconds; what has run longer begins with the shortest pause again."""
BY_A_SIGNAL = 128
"""Added to a signal's number, as a shell does: the exit code of what a signal has ended."""
END = frozenset({signal.SIGTERM, signal.SIGINT})


def keep(
    command: Sequence[str], pauses: Sequence[float] = PAUSES, short_life: float = SHORT_LIFE
) -> int:
    """Run `command` until it ends well, is given up, or we are told to end; returns its last exit code. Blocks for as long."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*END, signal.SIGCHLD})
    first, short_lives = True, 0
    while True:
        began = time.monotonic()
        code, asked = _run(command)
        if asked or code == 0:
            return code
        lived = time.monotonic() - began
        short_lives = short_lives + 1 if lived < short_life else 0
        cannot_start = first and short_lives > 0 and code < BY_A_SIGNAL
        if cannot_start or short_lives > len(pauses):
            _log("error", "service.given_up", exit_code=code, lived_seconds=round(lived, 1))
            return code
        first, pause = False, pauses[max(0, short_lives - 1)]
        _log(
            "warning",
            "service.ended",
            exit_code=code,
            lived_seconds=round(lived, 1),
            pause_seconds=pause,
        )
        if signal.sigtimedwait(END, pause) is not None:
            return code


def _run(command: Sequence[str]) -> tuple[int, bool]:
    """One life: its exit code and whether we were asked to end it."""
    pid = os.posix_spawn(command[0], list(command), os.environ, setsigmask=())
    asked = False
    while True:
        if signal.sigwait({*END, signal.SIGCHLD}) in END:
            asked = True
            os.kill(pid, signal.SIGTERM)
            continue
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return (code if code >= 0 else BY_A_SIGNAL - code), asked


def _log(level: str, event: str, **fields: object) -> None:
    """A line in the service's own log, in the form of the others there."""
    line = {**fields, "event": event, "level": level, "timestamp": datetime.now(UTC).isoformat()}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
