"""`brobyg referral keys status | rotate`."""

import typer
from brobyg_kit.keys_cli import keys_app
from brobyg_kit.person_keys import PersonKeys

from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.settings import ReferralSettings


def _keys_of(settings: ReferralSettings) -> PersonKeys:
    return PersonKeys(person_key, settings.vault())


app = typer.Typer()
app.add_typer(keys_app("referral", ReferralSettings, _keys_of), name="keys")
