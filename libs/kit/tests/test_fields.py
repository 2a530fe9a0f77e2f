"""What a body may say, and what it may not be taken for."""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from brobyg_kit.fields import Day, Instant, Language, MailAddress, is_mail_address
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

MAIL, INSTANT, DAY = TypeAdapter[Any](MailAddress), TypeAdapter[Any](Instant), TypeAdapter[Any](Day)


@pytest.mark.parametrize(
    "text", ["ellen@example.org", "o'neil+walk@post.example.org", "a.b-c_d@xn--sren-gra.example"]
)
def test_usual_addresses_are_taken(text: str) -> None:
    assert MAIL.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ellen",
        "ellen@",
        "@example.org",
        "ellen@example",
        "a@b@example.org",
        "a b@example.org",
        "a..b@example.org",
        ".a@example.org",
        "x[y@z.dk",
        "a(b@c.dk",
        "a@(x.dk",
        "a@[1.dk",
        "=?utf-8?q?a?=@x.dk",
        "a@x.dk\r\nBcc: b@x.dk",
        "a@x.dk\n",
        "a,b@x.dk",
        "<a@x.dk>",
        "søren@example.org",
        "a@søren.example",
        "a@-x.dk",
        f"{'a' * 65}@example.org",
        f"a@{'b.' * 130}dk",
    ],
)
def test_what_a_mail_header_could_be_turned_with_is_no_address(text: str) -> None:
    with pytest.raises(ValidationError, match="expected an e-mail address"):
        MAIL.validate_python(text)


@given(st.from_regex(r"[a-z.=?_'+()\[\]-]{1,8}@[a-z.\[(-]{1,8}\.[a-z]{2}", fullmatch=True))
def test_what_is_taken_for_an_address_reaches_that_address(text: str) -> None:
    if is_mail_address(text):
        message = EmailMessage(policy=SMTP)
        message["To"] = text
        [to] = message["To"].addresses
        assert to.addr_spec == text


@pytest.mark.parametrize(
    "value", [20261130, "20261130", 0, 1.5, True, None, "2026-11-30", "monday"]
)
def test_what_is_no_text_of_a_time_is_no_time(value: object) -> None:
    with pytest.raises(ValidationError, match="expected a date and time such as"):
        INSTANT.validate_python(value)


def test_a_time_needs_a_zone() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        INSTANT.validate_python("2026-11-30T10:15:00")
    assert (
        INSTANT.validate_python("2026-11-30T10:15:00+01:00").isoformat()
        == "2026-11-30T10:15:00+01:00"
    )


@pytest.mark.parametrize("value", [20261130, "20261130", 0, True, None, "2026-11-30T00:00:00Z"])
def test_what_is_no_text_of_a_date_is_no_date(value: object) -> None:
    with pytest.raises(ValidationError, match="expected a date such as"):
        DAY.validate_python(value)
    assert DAY.validate_python("2026-11-30").isoformat() == "2026-11-30"


@pytest.mark.parametrize("text", ["da", "en", "ar", "kl", "so"])
def test_a_language_that_there_is_is_taken(text: str) -> None:
    assert TypeAdapter[Any](Language).validate_python(text) == text


@pytest.mark.parametrize("text", ["qq", "xx", "DA", "dan", "d", "", "d\n"])
def test_a_language_that_there_is_not_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[Any](Language).validate_python(text)
    [error] = caught.value.errors()
    assert "ISO 639-1" in error["msg"] or "pattern" in error["msg"]
