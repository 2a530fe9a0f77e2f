"""How a reader is addressed."""

from brobyg_notification.domain.contact import given_name


def test_only_the_first_name_is_kept() -> None:
    assert given_name("Ellen Louise Test Lauridsen") == "Ellen"
    assert given_name("  ") == ""
