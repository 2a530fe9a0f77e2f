"""What can go wrong on the local machine, each with what to do about it.

- `LocalError`: the root; its text is meant for the person at the keyboard.
  - `ToolMissing`: a program is not on this machine and could not be installed.
  - `ComponentFailed`: a broker, database, mail server or service did not come up or did not end.
  - `Busy`: somebody else is working in the same folder.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Busy", "ComponentFailed", "LocalError", "ToolMissing"]


class LocalError(Exception):
    """Something a person can act upon; `str()` says what happened, `advice` what to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """`message` names the thing and what happened to it, `advice` the next step."""
        super().__init__(message)
        self.advice = advice

    def explain(self) -> str:
        """The message and the advice, ready to be printed."""
        return f"{self}\nWhat to do: {self.advice}" if self.advice else str(self)


class ToolMissing(LocalError):
    """A program that is needed is not here."""


class Busy(LocalError):
    """Another command holds the folder's lock and did not let go in time."""


class ComponentFailed(LocalError):
    """A component did not start or stop; carries its last log lines and the likely cause."""

    def __init__(
        self,
        component: str,
        cause: str,
        *,
        advice: str = "",
        log: Sequence[str] = (),
        log_path: str = "",
    ) -> None:
        """`component` by its name, `cause` in a sentence, `log` its last lines (as the component wrote them)."""
        super().__init__(f"{component}: {cause}", advice=advice)
        self.component = component
        self.cause = cause
        self.log = tuple(log)
        self.log_path = log_path

    def explain(self) -> str:
        """Name, cause, last log lines, where the log is, and what to do."""
        lines = [f"{self.component} did not come up: {self.cause}"]
        if self.log:
            lines.append(f"Last lines of {self.log_path}:")
            lines.extend(f"  | {line}" for line in self.log)
        if self.advice:
            lines.append(f"What to do: {self.advice}")
        return "\n".join(lines)
