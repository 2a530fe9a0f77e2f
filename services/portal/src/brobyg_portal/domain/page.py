"""The pages there are. Pure."""

from typing import Literal

#: The name of a page, and of its template.
PageName = Literal[
    "offer",
    "choose",
    "accepted",
    "declined",
    "expired",
    "taken",
    "withdrawn",
    "answered",
    "prevented",
    "unknown",
    "unavailable",
    "unsure",
]
