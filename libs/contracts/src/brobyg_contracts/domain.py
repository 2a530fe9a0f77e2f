"""What the kit is told of the domain: roles, local time, what a log may hold, events of old.

The kit loads this module by the entry point group `brobyg.domain`, see `brobyg_kit.domain`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from brobyg_contracts import EVENTS, TOPICS, CitizenRecorded, PlaceRecorded
from brobyg_contracts.upcasters import UNVERSIONED, major_of, upcaster_of
from brobyg_contracts.words import unknown_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brobyg_contracts.retention import Kept

__all__ = ["EVENTS", "TOPICS", "UNVERSIONED", "major_of", "unknown_words", "upcaster_of"]

#: What a token's bearer may be. `service` may read people's contacts; `portal`, which is open
#: to the internet, may only pass answers on and have links to sign in by sent. `data_protection` is
#: the data protection officer, for any department. `volunteer` is any helper, `citizen` who is
#: helped; each signs in at the portal, for themselves. `operator` keeps the services running and
#: sees nothing of anybody.
ROLES = frozenset(
    {
        "hospital",
        "referrer",
        "coordinator",
        "volunteer",
        "citizen",
        "analyst",
        "service",
        "portal",
        "data_protection",
        "operator",
    }
)
#: The topics that hold how things are, not what happened: of each key the last record.
COMPACTED = frozenset({CitizenRecorded.TOPIC, PlaceRecorded.TOPIC})
#: Local time, for what people read and write, and for what a day or a week is.
LOCAL_ZONE = ZoneInfo("Europe/Copenhagen")
#: The language of people of whom none is known (ISO 639-1), unless BROBYG_DEFAULT_LANGUAGE says
#: another.
DEFAULT_LANGUAGE = "da"
#: Who may ask what is held of them: in a word, and as routes call them.
PEOPLE = {"citizen": "citizens", "helper": "volunteers"}
#: The service that knows who each of them is, by what routes call them.
OWNERS = {"citizens": "referral", "volunteers": "matching"}
#: Folder of the catalogues with the words of an export.
EXPORT_TEXTS = Path(__file__).parent / "texts" / "export"
#: Facts that log lines may hold beside the kit's own: ids and numbers, never who somebody is.
LOGGED_FACTS = frozenset(
    {"appointment_id", "need_id", "notification_id", "notifications", "session_id"}
)
#: What is hidden wherever it stands in a log line.
PERSONAL_PATTERNS = (
    # CPR numbers and replacement numbers; not parts of an id.
    re.compile(r"(?<![0-9a-fA-F])[0-3]\d[01]\d{3}[- ]?[0-9A-Za-z]{4}(?![0-9a-fA-F])"),
    # Danish phone numbers.
    re.compile(r"\+45\s?(\d\s?){8}|\b\d\d \d\d \d\d \d\d\b"),
    # The secret part of an answer link, and of one to sign in by.
    re.compile(r"(?<=/answer/)[\w.-]+|(?<=/answers/)[\w.-]+|(?<=/sign-in/link/)[\w.-]{20,}"),
)


def roles_for(act: str) -> frozenset[str]:
    """The roles that may do this, as schemas/access.yaml says. Raises UnknownAct."""
    from brobyg_contracts.access import act as row  # it needs ROLES

    return frozenset(row(act).who)


def services_with(method: str, path: str) -> frozenset[str]:
    """The services that have this endpoint, as schemas/access.yaml says."""
    from brobyg_contracts import access  # it needs ROLES

    return access.services_with(access.Endpoint(method, path))


def purposes() -> "Sequence[str]":
    """What a caller may say that an identity is opened for, as schemas/purposes.yaml says."""
    from brobyg_contracts import purposes as file

    return tuple(one.purpose for one in file.purposes().purposes if one.by != "system")


def emergencies() -> "Sequence[str]":
    """Why a caller may say that one is opened which is not theirs to see."""
    from brobyg_contracts import purposes as file

    return tuple(one.emergency for one in file.purposes().emergencies)


def purpose_text(word: str, language: str) -> str:
    """A purpose or emergency in words (da, en); one that is unknown as it is."""
    from brobyg_contracts import purposes as file

    return file.purposes().text(word, language)


def retention() -> "Sequence[Kept]":
    """How long each kind of record is kept, as schemas/retention.yaml says."""
    from brobyg_contracts.retention import kinds  # a process that deletes nothing needs no YAML

    return tuple(kinds().values())
