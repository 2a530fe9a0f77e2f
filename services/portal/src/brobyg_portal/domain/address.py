"""The address of the page that is open, and of the same page with something else asked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Address:
    """A path of the portal, decoded, and its query, in its order."""

    path: str
    query: Sequence[tuple[str, str]] = ()

    def but(self, **changes: object) -> str:
        """The address with these parameters instead, as it stands in a link. None leaves one out.

        What is not named stays, so that a sorted table keeps its filter, and the other way round.
        """
        kept = [(name, value) for name, value in self.query if name not in changes]
        added = [(name, str(value)) for name, value in changes.items() if value is not None]
        query = urlencode([*kept, *added])
        return quote(self.path) + (f"?{query}" if query else "")

    def value(self, name: str) -> str:
        """The last value of a parameter, "" without one."""
        return dict(self.query).get(name, "")

    def __str__(self) -> str:
        return self.but()
