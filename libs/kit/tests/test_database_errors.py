"""What an error of the database, or of a handler that can't work, means."""

from brobyg_kit.database_errors import is_environment, is_transient, trouble_of
from brobyg_kit.errors import HandlerBlocked


def test_a_blocked_handler_is_never_an_event_s_fault_and_is_told_in_its_own_words() -> None:
    blocked = HandlerBlocked("version 3 is being built")
    assert (is_environment(blocked), is_transient(blocked)) == (True, False)
    assert trouble_of(blocked) == "version 3 is being built"
