"""The citizens' referrals and the volunteers, from the tables beside this file."""

import csv
from pathlib import Path

from fhir import Json

HERE = Path(__file__).parent
#: The week before the example week: all consent is given before the first message.
CONSENT_GIVEN_AT = "2026-11-23T10:00:00+01:00"
#: The texts of `schemas/consent` that they agreed to, as they were on that day.
HELP_TEXT, MESSAGES_TEXT, VERSION = "escort-processing", "messages", 1
#: One department covers both towns.
DEPARTMENT = "randers-norddjurs"
#: `meta.security` code of name and address protection in Denmark.
PROTECTED = "R"
#: How a volunteer answers offers: shares (the rest is silence) and how long it takes, in minutes.
HABITS: dict[str, Json] = {
    "eager": {"accept": 0.85, "decline": 0.10, "delay_minutes": [5, 40]},
    "usual": {"accept": 0.65, "decline": 0.20, "delay_minutes": [10, 90]},
    "busy": {"accept": 0.35, "decline": 0.45, "delay_minutes": [30, 180]},
    "silent": {"accept": 0.0, "decline": 0.0, "delay_minutes": [60, 120]},
}


def table(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file beside this module. Raises OSError when it is missing."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def mailbox(name: str, domain: str) -> str:
    """An address under a reserved domain (RFC 2606), so that a stray mail reaches nobody."""
    plain = name.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa")
    return f"{plain.replace(' test', '').replace(' ', '.')}@{domain}"


def referrals() -> list[Json]:
    """One entry a consented citizen: who refers, the key, and the body of POST /referrals."""
    persons = {row["cpr"]: row for row in table("persons.csv")}
    return [
        _referral(number, row, persons[row["cpr"]])
        for number, row in enumerate(table("needs.csv"), start=1)
    ]


def _referral(number: int, row: dict[str, str], person: dict[str, str]) -> Json:
    citizen: Json = {
        "cpr": row["cpr"],
        "given_name": person["given"],
        "family_name": person["family"],
        "language": row["mail"],
        "address": {"line": f"Testgaden {number}", "postcode": row["postcode"]},
        "protected": row["protected"] == PROTECTED,
    }
    consent: Json = {"given_at": CONSENT_GIVEN_AT, "text_version": VERSION, "how": "oral"}
    if row["reachable"] == "email":
        citizen["email"] = mailbox(f"{person['given']} {person['family']}", "citizen.example")
    canary = {"canary": True} if row["canary"] else {}
    return canary | {
        "organisation": row["organisation"],
        "idempotency_key": f"hospital-week-referral-{number:02d}",
        "body": {
            "citizen": citizen,
            "pathway": "escort",
            "referrer_kind": row["referrer_kind"],
            "department": DEPARTMENT,
            "consent": {"given": True, **consent, "text_id": HELP_TEXT},
            "needs": {
                "languages": row["languages"].split(),
                "gender_wish": row["gender_wish"] or None,
                "mobility": row["mobility"],
                "meeting": row["meeting"],
                "postcode": row["postcode"],
            },
            "consents": [{"scope": "contact", **consent, "text_id": MESSAGES_TEXT}],
        },
    }


def volunteers() -> list[Json]:
    """One entry a volunteer: the bodies of registration and activation, and how they answer."""
    return [_volunteer(row) for row in table("helpers.csv")]


def _volunteer(row: dict[str, str]) -> Json:
    first, last = (int(day) for day in row["days"].split("-"))
    opens, closes = row["hours"].split("-")
    return {
        "key": row["key"],
        "registration": {
            "name": row["name"],
            "email": mailbox(row["name"], "volunteer.example"),
            "language": row["mail"],
            "pool": row["pool"],
            "department": DEPARTMENT,
            "languages": row["languages"].split(),
            "gender": row["gender"],
            "competences": row["competences"].split(),
            "home_postcode": row["home_postcode"],
            "range_metres": int(row["range_km"]) * 1000,
            "travel": row["travel"],
            "availability": [
                {"weekday": day, "from": opens, "to": closes} for day in range(first, last + 1)
            ],
            "weekly_limit": int(row["weekly_limit"]),
        },
        "activation": {
            "confidentiality_signed_on": "2026-09-01",
            "record_checked_on": "2026-09-08",
            "introduced_on": "2026-09-15",
        },
        "habit": HABITS[row["habit"]],
    }
