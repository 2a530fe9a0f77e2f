"""Every coded word that an event may hold has a text where people read it, and no text is dead."""

from pathlib import Path

import msgspec
import pytest
from brobyg_contracts import EventData
from brobyg_matching.domain.decisions import counts
from brobyg_matching.domain.rules import HARD_RULES
from brobyg_notification.adapters.templates import WORDS
from brobyg_reporting.domain.words import CODED, RULES

SCHEMAS = Path(__file__).parents[2] / "schemas"
TYPES = msgspec.json.decode((SCHEMAS / "types.schema.json").read_bytes())["$defs"]
#: The names by which matching tells whom it ruled out, in `match.escalated` and `need.decided`.
RULES_TOLD = set(counts({rule: ["somebody"] for rule in HARD_RULES}))


def known(type_name: str) -> set[str]:
    """The words that the schema knows of this type: its examples."""
    return set(TYPES[type_name]["examples"])


def test_the_coordinators_mail_has_words_for_every_reason_and_rule() -> None:
    assert set(WORDS) == known("escalation_reason") | RULES_TOLD


def test_the_explanation_has_words_for_every_rule() -> None:
    assert set(RULES) == RULES_TOLD


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in CODED.items() for name in names]
)
def test_the_log_has_words_for_every_word_that_the_schema_knows(
    kind: type[EventData], name: str
) -> None:
    short = kind.EVENT_TYPE.removeprefix("dk.brobyg.")
    schema = msgspec.json.decode((SCHEMAS / "events" / f"{short}.schema.json").read_bytes())
    words = known(schema["properties"][name]["$ref"].rpartition("/")[2])
    assert words
    assert words <= set(CODED[kind][name])
