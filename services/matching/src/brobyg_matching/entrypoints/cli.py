"""`brobyg matching keys status | rotate`."""

import typer
from brobyg_kit.keys_cli import keys_app
from brobyg_kit.person_keys import PersonKeys

from brobyg_matching.adapters.tables import person_key
from brobyg_matching.settings import MatchingSettings


def _keys_of(settings: MatchingSettings) -> PersonKeys:
    return PersonKeys(person_key, settings.vault())


app = typer.Typer()
app.add_typer(keys_app("matching", MatchingSettings, _keys_of), name="keys")
