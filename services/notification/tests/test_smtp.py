"""What the mail server's answers mean for a message."""

from email.message import EmailMessage

import pytest
from brobyg_notification.adapters.smtp import SmtpTransport
from brobyg_notification.adapters.smtp_address import parse_address
from brobyg_notification.errors import (
    MailDeferred,
    MailRefused,
    MailServerDown,
    RecipientDeferred,
)

TO = "einer@example.org"


def message() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "brobyg@example.org", TO, "Æøå"
    mail.set_content("Hej")
    return mail


@pytest.fixture
async def transport(mail_server):
    box = SmtpTransport(f"smtp://127.0.0.1:{mail_server.port}", connections=2)
    yield box
    await box.close()


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ("550 no such user", MailRefused),
        ("451 greylisted", RecipientDeferred),
        ("452 full", RecipientDeferred),
        ("421 going down", MailServerDown),
        ("550 5.7.1 we take no mail from you", MailRefused),
        ("550 5.1.1 no such user", MailRefused),
    ],
)
async def test_an_answer_about_the_recipient_is_told_apart(
    transport, mail_server, answer: str, meaning: type[Exception]
) -> None:
    mail_server.answers[TO] = [answer]
    with pytest.raises(meaning):
        await transport.send(message())
    await transport.send(message())
    assert len(mail_server.inbox) == 1, "and the next message goes through"


async def test_an_answer_to_the_message_itself_says_nothing_of_one_recipient(
    transport, mail_server
) -> None:
    mail_server.after_data = ["452 no space left"]
    with pytest.raises(MailDeferred) as caught:
        await transport.send(message())
    assert type(caught.value) is MailDeferred


async def test_an_unreachable_server_says_nothing_about_the_message(transport, mail_server) -> None:
    await mail_server.stop()
    with pytest.raises(MailServerDown):
        await transport.send(message())
    assert not await transport.probe()
    await mail_server.start()
    assert await transport.probe()
    await transport.send(message())
    assert len(mail_server.inbox) == 1


async def test_an_error_names_no_recipient(transport, mail_server) -> None:
    mail_server.answers[TO] = [f"550 <{TO}> unknown"]
    with pytest.raises(MailRefused) as caught:
        await transport.send(message())
    assert TO not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "port", "tls", "starttls"),
    [
        ("smtp://mail.example.org", 25, False, False),
        ("smtps://user:p%40ss@mail.example.org", 465, True, False),
        ("smtp+starttls://mail.example.org:2525", 2525, False, True),
    ],
)
def test_the_address_says_how_to_speak_to_the_server(
    url: str, port: int, tls: bool, starttls: bool
) -> None:
    address = parse_address(url)
    assert (address["hostname"], address["port"]) == ("mail.example.org", port)
    assert (address["use_tls"], bool(address["start_tls"])) == (tls, starttls)
    assert address["password"] in (None, "p@ss")


@pytest.mark.parametrize("url", ["mail.example.org:25", "http://mail.example.org", "smtp://", ""])
def test_an_address_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="smtp://host:25"):
        parse_address(url)
