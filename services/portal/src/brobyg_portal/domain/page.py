"""Which page a volunteer sees, and with which status. Pure."""

from typing import Literal

from brobyg_portal.ports import OfferState, Reply

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

#: What one sees on opening the link. An offer that is over is gone (410); one's own answer stays to be read.
ON_LOOKING: dict[OfferState, tuple[PageName, int]] = {
    "open": ("offer", 200),
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "withdrawn": ("withdrawn", 410),
}

#: What one sees after pressing a button. What can't be had is a conflict (409); an offer whose time is over is gone (410).
ON_ANSWERING: dict[Reply, tuple[PageName, int]] = {
    "accepted": ("accepted", 200),
    "declined": ("declined", 200),
    "expired": ("expired", 410),
    "taken": ("taken", 409),
    "withdrawn": ("withdrawn", 409),
    "answered": ("answered", 409),
    "prevented": ("prevented", 409),
}
