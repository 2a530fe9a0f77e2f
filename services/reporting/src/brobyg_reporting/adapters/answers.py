"""What a process of reporting's own answers the one that started it: lines on its first stdout."""

import os
from typing import TextIO


def answers() -> TextIO:
    """Where answers go; whatever else is written to stdout from now on goes to stderr.

    A library that prints, or a log, would otherwise stand among the answers.
    """
    kept = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return kept
