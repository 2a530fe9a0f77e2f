"""The SMTP server that keeps mails as files."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from brobyg_local.mail import SIZE_LIMIT, MailFolder, recipient_hash
from brobyg_local.ports import free_port, is_answering
from brobyg_local.supervisor import wait_until


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server of its own, keeping mails in `tmp_path/mail`."""
    number, folder = free_port(), tmp_path / "mail"
    with subprocess.Popen(
        [sys.executable, "-m", "brobyg_local.mail", str(number), folder]
    ) as server:
        assert wait_until(lambda: is_answering(number), 20)
        yield number
        server.terminate()


def mail(*recipients: str, text: str = "Der er kommet en ny aftale. Æ, ø og å.") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Brobyg <brobyg@example.org>"
    message["To"] = ", ".join(recipients)
    message["Subject"] = "Aftale"
    message.set_content(text)
    return message


def test_each_recipient_gets_a_file_of_its_own_whole_and_numbered(
    port: int, tmp_path: Path
) -> None:
    sent = mail("anna@example.org", "bo@example.org")
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(sent)
        client.send_message(mail("anna@example.org"))
    names = sorted(path.name for path in (tmp_path / "mail").glob("*"))
    anna, bo = recipient_hash("anna@example.org"), recipient_hash("bo@example.org")
    assert names == [f"000001-{anna}.eml", f"000002-{bo}.eml", f"000003-{anna}.eml"]
    assert b"anna" not in b"".join(name.encode() for name in names)
    kept = (tmp_path / "mail" / names[0]).read_bytes()
    assert kept.replace(b"\r\n", b"\n").strip() == sent.as_bytes().strip()


def test_a_mail_beyond_the_size_limit_is_refused_and_nothing_is_kept(
    port: int, tmp_path: Path
) -> None:
    line = "x" * 70 + "\n"
    with (
        smtplib.SMTP("127.0.0.1", port, timeout=20) as client,
        pytest.raises(smtplib.SMTPResponseException) as refused,
    ):
        client.send_message(mail("anna@example.org", text=line * (SIZE_LIMIT // len(line) + 2)))
    assert refused.value.smtp_code == 552
    assert list((tmp_path / "mail").glob("*")) == []


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    first = MailFolder(tmp_path).keep("anna@example.org", b"1")
    second = MailFolder(tmp_path).keep("ANNA@example.org ", b"2")
    assert [path.name[:6] for path in (first, second)] == ["000001", "000002"]
    assert first.name[6:] == second.name[6:]


def test_a_taken_port_ends_the_server_with_an_error_that_says_so(port: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "brobyg_local.mail", str(port), tmp_path / "other"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr.lower()
