"""Fields of JSON bodies that more than one service takes.

Nothing is converted silently: a number is not a date.
"""

import re
from datetime import date, datetime
from typing import Annotated
from unicodedata import normalize

from babel import Locale
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_ATOM = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#: The dot-atom form of RFC 5321 §4.1.2, which no mail program reads as anything else. Without "?",
#: so that it is not an encoded word (RFC 2047) either.
_MAIL_ADDRESS = re.compile(
    rf"(?=.{{1,64}}@)(?=.{{3,254}}$){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+"
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d.*", re.ASCII)
_PHONE = re.compile(r"\+?[0-9 ]{8,20}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def is_mail_address(text: str) -> bool:
    """Whether `text` is one e-mail address, with nothing that could change a mail's headers."""
    return _MAIL_ADDRESS.fullmatch(text) is not None


def comparable_address(address: str) -> str:
    """A mail address as it is compared: case and composition of letters do not count.

    Case is folded after composing and composed again: folding may take letters apart.
    """
    return normalize("NFC", normalize("NFC", address).casefold())


def _mail_address(text: str) -> str:
    if not is_mail_address(text):
        raise ValueError(
            "expected an e-mail address such as name@example.org"
            " (a domain with æ, ø or å in its xn-- form)"
        )
    return text


def _instant(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.fullmatch(value)):
        return value
    raise ValueError("expected a date and time such as 2026-11-30T10:15:00+01:00")


def _day(value: object) -> object:
    if (isinstance(value, date) and not isinstance(value, datetime)) or (
        isinstance(value, str) and _DAY.fullmatch(value)
    ):
        return value
    raise ValueError("expected a date such as 1960-01-31")


def _phone(text: str) -> str:
    if not _PHONE.fullmatch(text):
        raise ValueError("expected a phone number of 8 digits or more, such as +45 12 34 56 78")
    return text


def _language(code: str) -> str:
    if code not in Locale("en").languages:
        raise ValueError("expected the code of a language (ISO 639-1), such as da")
    return code


#: A language that there is: its two letters of ISO 639-1.
Language = Annotated[str, Field(pattern="^[a-z]{2}$"), AfterValidator(_language)]
#: One e-mail address, ASCII, at most 254 characters.
MailAddress = Annotated[str, AfterValidator(_mail_address)]
#: A phone number as it is typed, spaces and all.
Phone = Annotated[str, AfterValidator(_phone)]
#: A time with a zone, as ISO 8601 text. (pydantic alone reads 20261130 as seconds since 1970.)
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
#: A calendar date, as ISO 8601 text.
Day = Annotated[date, BeforeValidator(_day)]
