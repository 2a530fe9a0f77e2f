"""What status says of a part that is down."""

from pathlib import Path

from brobyg_local.places import Places
from brobyg_local.status import read_status
from brobyg_local.system import System


def test_status_names_the_command_that_starts_what_is_down(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.make()
    places.environment.write_text('{"BROBYG_MATCHING_URL": "http://127.0.0.1:9"}')
    status = read_status(System(places, lambda _text: None, given={}, ports={}))
    why = {state.name: state.why for state in status.components}
    assert "brobyg local start matching" in why["matching"]
    assert why["mail"].endswith("brobyg local start mail")
