"""Named places at which a test can kill the process, to prove what survives.

Off unless `BROBYG_FAULT_POINT` names one.
"""

import os
import signal

AFTER_COMMIT_BEFORE_SEND = "after-commit-before-send"
AFTER_SEND_BEFORE_MARK = "after-send-before-mark"
AFTER_COMMIT_BEFORE_OFFSET = "after-commit-before-offset"
IN_REBALANCE = "in-rebalance"
AFTER_SMTP_BEFORE_MARK = "after-smtp-before-mark"
BEFORE_REWRAPPED_COMMIT = "before-rewrapped-commit"
BETWEEN_REWRAPPED_BATCHES = "between-rewrapped-batches"
BEFORE_REBUILT_NAMES_COMMIT = "before-rebuilt-names-commit"
BETWEEN_REBUILT_NAMES = "between-rebuilt-names"

_armed = os.environ.get("BROBYG_FAULT_POINT", "")


def reach(name: str) -> None:
    """End the process with SIGKILL if the environment named this point; else nothing."""
    if _armed == name:
        os.kill(os.getpid(), signal.SIGKILL)
