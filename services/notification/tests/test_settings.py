"""A service that could tell nobody does not start: what mail needs has no default."""

import pytest
from brobyg_notification.settings import NotificationSettings
from pydantic import ValidationError

REQUIRED = {
    "notification_smtp": "smtp://mail.example.org",
    "notification_sender": "Brobyg <brobyg@example.org>",
    "notification_coordinators": "north=a@example.org,south=b@example.org",
    "portal_url": "https://portal.example.org",
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(f"BROBYG_{name.upper()}", raising=False)


@pytest.mark.parametrize("missing", sorted(REQUIRED))
def test_what_mail_needs_has_no_default(missing: str) -> None:
    NotificationSettings(**REQUIRED)
    with pytest.raises(ValidationError, match=missing):
        NotificationSettings(**{k: v for k, v in REQUIRED.items() if k != missing})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("notification_smtp", ""),
        ("notification_sender", "Brobyg"),
        ("notification_sender", ""),
        ("notification_coordinators", ""),
        ("notification_coordinators", "north"),
        ("notification_coordinators", "north=k@postkontor"),
        ("notification_coordinators", "north=søren@x.dk"),
        ("notification_coordinators", "north=Koordinator <k@x.dk>"),
        ("notification_coordinators", "=k@x.dk"),
        ("portal_url", ""),
        ("portal_url", "portal.example.org"),
    ],
)
def test_a_setting_with_which_no_mail_would_leave_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=name):
        NotificationSettings(**REQUIRED | {name: wrong})


def test_coordinators_are_one_address_a_department(monkeypatch) -> None:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"BROBYG_{name.upper()}", value)
    monkeypatch.setenv("BROBYG_NOTIFICATION_COORDINATORS", "north=a@x.dk, south=b@x.dk")
    assert NotificationSettings().notification_coordinators == {
        "north": "a@x.dk",
        "south": "b@x.dk",
    }


def test_the_default_language_has_a_catalogue() -> None:
    assert NotificationSettings(**REQUIRED).default_language == "da"
    with pytest.raises(ValidationError, match="known are da, en"):
        NotificationSettings(**REQUIRED, default_language="so")
