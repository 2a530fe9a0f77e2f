"""What can go wrong on the local machine, each with what to do about it.

- `LocalError`: the root; its text is meant for the person at the keyboard.
  - `ProgramMissing`: a program is not on this machine and could not be installed.
  - `CommandFailed`: a command that prepares something failed or did not end in time.
  - `ComponentFailed`: a broker, database, mail server or service did not start.
  - `FolderBusy`: another command is working in the same state folder.
  - `TopicUnreadable`: a topic could not be read to its end.
  - `ServiceUnreachable`: a service did not answer for as long as a sender keeps trying.
  - `PlaceUnreadable`: a place in which erased people are searched for could not be searched.
  - `RegistrationFailed`: a service refused a volunteer or a referral of the example week.
"""

from collections.abc import Sequence


class LocalError(Exception):
    """Something a person can act upon; `str()` says what happened, `advice` what to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """`message` names the thing and what happened to it, `advice` the next step."""
        super().__init__(message)
        self.advice = advice

    def explain(self) -> str:
        """The message and the advice, ready to be printed."""
        return f"{self}\nWhat to do: {self.advice}" if self.advice else str(self)


class ProgramMissing(LocalError):
    """A program that is needed is not here."""


class CommandFailed(LocalError):
    """A command that prepares something failed, or did not end in time."""


class FolderBusy(LocalError):
    """Another command holds the folder's lock and did not release it in time."""


class TopicUnreadable(LocalError):
    """A topic could not be read to its end in time."""


class ServiceUnreachable(LocalError):
    """A service did not answer, or answered only with 5xx, for as long as a sender keeps trying."""


class PlaceUnreadable(LocalError):
    """A place in which erased people are searched for could not be searched."""


class RegistrationFailed(LocalError):
    """A service refused a volunteer or a referral: the example and the services disagree."""


class ComponentFailed(LocalError):
    """A component did not start; carries the cause, what to do, and its last log lines."""

    def __init__(
        self, component: str, cause: str, *, advice: str, log: Sequence[str] = (), source: str = ""
    ) -> None:
        """`component` by its name, `cause` in a sentence, `log` the last lines of `source`."""
        super().__init__(f"{component}: {cause}", advice=advice)
        self.component = component
        self.cause = cause
        self.log = tuple(log)
        self.source = source

    def explain(self) -> str:
        """Name, cause, last log lines, where the log is, and what to do."""
        log = [f"Last lines of {self.source}:", *(f"  | {line}" for line in self.log)]
        said = f"{self.component} did not start: {self.cause}"
        return "\n".join([said, *(log if self.log else []), f"What to do: {self.advice}"])
