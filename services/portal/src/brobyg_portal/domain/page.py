"""The pages there are. Pure."""

from typing import Literal

#: The name of a page, and of its template.
PageName = Literal[
    "offer",
    "choose",
    "accepted",
    "declined",
    "released",
    "begun",
    "ended",
    "expired",
    "taken",
    "withdrawn",
    "restricted",
    "erased",
    "answered",
    "prevented",
    "unknown",
    "unavailable",
    "unsure",
    "sign_in",
    "sign_in_failed",
    "provider_away",
    "no_role",
    "too_many",
    "signed_out",
    "start",
    "sessions",
    "already",
    "foreign",
    "forbidden",
    "not_a_form",
    "away",
    "again",
]
