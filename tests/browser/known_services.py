"""Stands in for the services behind the pages of who is signed in: what they say is fixed."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from brobyg_kit.ids import derived_id
from brobyg_portal.domain.session import Person, Session
from brobyg_portal.errors import ServiceUnavailable
from brobyg_portal.ports import Answered

#: When all that the pages show is.
THEN = datetime(2026, 12, 1, 9, 15, tzinfo=UTC)
CHIEF = Person(
    "staff", derived_id("staff"), frozenset({"coordinator"}), "municipality-0730", "randers"
)
OPERATOR = Person("staff", derived_id("operator"), frozenset({"operator"}), "brobyg")
CITIZEN = Person("citizen", derived_id("somebody"), frozenset({"citizen"}))
#: Of whom nobody has seen anything.
HELPER = Person("helper", derived_id("helper"), frozenset({"volunteer"}))
#: Who was erased.
ERASED = Person("citizen", derived_id("erased"), frozenset({"citizen"}))
#: Looks when all is well.
LUCKY = Person("staff", derived_id("lucky"), frozenset({"operator"}), "brobyg", "randers")

_WELL = {"ready": True, "outbox": {"rows": 0, "oldest_seconds": 0}, "parked": 0, "dead_letters": 0}
_TROUBLED: dict[str, dict[str, Any]] = {
    "referral": {
        **_WELL, "dead_letters": 12, "parked": 1, "rejections": 31,
        "attention": {"patient_declined": 2, "own_consent_due": 1},
        "troubles": [
            {"cause": "parked", "detail": "1 events wait aside",
             "command": "brobyg dlq list referral"},
            {"cause": "dead_letters", "detail": "12 dead letters",
             "command": "brobyg dlq list referral"},
        ],
    },
    "notification": {
        **_WELL, "ready": False, "outbox": {"rows": 3, "oldest_seconds": 75.0},
        "endings": [{"what": "the token of notification", "ends_at": "x", "days": 9}],
        "troubles": [
            {"cause": "mail", "detail": "mail: the server at 127.0.0.1:2525 does not answer",
             "command": "brobyg local start mail"},
        ],
    },
    "reporting": {**_WELL, "lag_by_topic": {"brobyg.matching.v1": 4100, "brobyg.referral.v1": 0}},
}  # fmt: skip
_LABELS = {
    "department": [{"id": "randers-norddjurs", "label": "Randers og Norddjurs",
                    "former": ["randers"]}],
    "organisation": [{"id": "municipality-0730", "label": "Randers Kommune"}],
}  # fmt: skip


def _letter(number: int) -> dict[str, Any]:
    return {
        "id": number, "event_id": derived_id("event", str(number)),
        "subject": derived_id("subject", str(number)),
        "type": "dk.brobyg.appointment.booked" if number % 3 else "dk.brobyg.referral.created",
        "topic": "hospital.appointment.v1", "partition": number % 4, "offset": 900 + number,
        "state": "waiting" if number == 13 else "dead",
        "reason": "ValueError at brobyg_referral/hospital/use_cases/intake.py:88",
        "attempts": 7, "first_failed_at": THEN - timedelta(hours=20 - number),
        "last_failed_at": THEN - timedelta(minutes=41 * number),
    }  # fmt: skip


class KnownServices:
    """Matching is down; notification sends no mail; referral has dead letters."""

    def __init__(self, *_: object) -> None:
        """Whatever it is given."""

    async def ask(
        self,
        session: Session,
        service: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        key: str = "",
    ) -> Answered:
        """See `ports.Services`."""
        del query, body, key
        if path.startswith("/reference/"):
            return _said(_LABELS[path.rpartition("/")[2]])
        if path.endswith("/accesses"):
            return _accesses(path.split("/")[2])
        if session.subject == LUCKY.subject:
            return _said(_WELL if path == "/operations" else {"letters": [], "total": 0})
        if service == "matching":
            raise ServiceUnavailable("matching: ConnectError")
        if path == "/operations":
            return _said(_TROUBLED[service])
        if path == "/dead-letters":
            letters = [_letter(one) for one in range(1, 14)] if service == "referral" else []
            return _said({"letters": letters, "total": len(letters), "after": None})
        number = int(path.split("/")[2])
        if method == "POST":
            return _said({}, 409)
        return _said(_letter(number)) if number < 20 else _said({}, 404)


def _accesses(person_id: str) -> Answered:
    if person_id == ERASED.subject:
        return _said({}, 410)
    purposes = ("call", "message", "arrange", "search", "meet")
    found = [
        {
            "id": number, "read_at": THEN - timedelta(days=9 * (31 - number), minutes=37 * number),
            "roles": ["service"] if number % 5 in (1, 4) else ["coordinator"],
            "organisation": None if number % 5 in (1, 4) else "municipality-0730",
            "department": None if number % 5 in (1, 4) else "randers-norddjurs",
            "purpose": "safety" if number == 28 else purposes[number % 5],
            "emergency": "at_the_door" if number == 28 else None,
        }
        for number in range(31, 0, -1)
        if person_id != HELPER.subject
    ]  # fmt: skip
    return _said({"accesses": found, "before": None})


def _said(body: object, status: int = 200) -> Answered:
    return Answered(status, msgspec.json.encode(body), "", "")
