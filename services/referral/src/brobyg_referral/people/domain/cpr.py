"""The Danish civil registration number (CPR) by its form alone.

Rules: the CPR office's "Personnummeret i CPR" (century by the seventh digit). There is no
modulus-11 check: numbers issued since 2007 may fail it. Replacement numbers (X-eCPR, D-eCPR; NSP,
"eCPR-formater") have letters among the last four in place of digits.
"""

import re
from datetime import date

CPR_SYSTEM = "urn:oid:1.2.208.176.1.2"
X_ECPR_SYSTEM = "urn:oid:1.2.208.176.1.6.1.1"
#: Identifier systems under which a citizen may be named: CPR, and the national replacement number.
CITIZEN_SYSTEMS = frozenset({CPR_SYSTEM, X_ECPR_SYSTEM})

_FORM = re.compile(r"[0-9]{6}[0-9A-Z]{4}", re.ASCII)
#: What would have been accepted, for messages; says nothing of what was sent.
EXPECTED_FORM = (
    "10 characters DDMMYYSSSS with a valid date of birth (or an X-eCPR/D-eCPR replacement number),"
    " without a dash"
)


def is_cpr(text: str) -> bool:
    """Whether `text` has the form of a CPR number or a replacement number."""
    if not _FORM.fullmatch(text):
        return False
    day, month, year = int(text[:2]), int(text[2:4]), int(text[4:6])
    if text[6:].isdigit():
        return _is_date(day, month, _century(int(text[6]), year) + year)
    # A replacement number's date may be unknown or agreed: any century in which it exists will do
    # (29 February needs 2000).
    return _is_date(day, month, 2000 + year) or _is_date(day, month, 1900 + year)


def born(cpr: str) -> date | None:
    """The date of birth that a CPR number says; None for a replacement number."""
    day, month, year = int(cpr[:2]), int(cpr[2:4]), int(cpr[4:6])
    if not cpr[6:].isdigit():
        return None
    return date(_century(int(cpr[6]), year) + year, month, day)


def _century(seventh: int, year: int) -> int:
    """The century of birth.

    0-3 are the 1900s; 4 and 9 the 2000s up to year 36, else the 1900s; 5-8 the 2000s up to year 57,
    else the 1800s.
    """
    if seventh <= 3:
        return 1900
    if seventh in (4, 9):
        return 2000 if year <= 36 else 1900
    return 2000 if year <= 57 else 1800


def _is_date(day: int, month: int, year: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
