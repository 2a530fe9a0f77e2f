"""The words that this code knows, of properties whose words may grow.

Another word is no error: whoever reads it takes it as it is, and counts it. What is known is what
the schemas list (`data/words.json`, generated). Words of reference data and policies, such as pools
and pathways, are not listed there: they grow with the data.
"""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import msgspec

#: Event type to property to the words that are known.
WORDS: Mapping[str, Mapping[str, frozenset[str]]] = msgspec.json.decode(
    files(__package__).joinpath("data/words.json").read_bytes(),
    type=dict[str, dict[str, frozenset[str]]],
)
_NONE: Mapping[str, frozenset[str]] = {}


def pattern_of(kind: type[Any], name: str) -> str:
    """A pattern of the words known of an event's property, for who writes it.

    Whoever reads takes others; whoever writes has no place for a name.
    """
    return f"^({'|'.join(sorted(WORDS[kind.EVENT_TYPE][name]))})$"


def unknown_words(said: Any) -> Iterator[str]:
    """The properties of an event, as its Struct, that hold a word this code does not know."""
    for name, known in WORDS.get(said.EVENT_TYPE, _NONE).items():
        word = getattr(said, name)
        if isinstance(word, str) and word not in known:
            yield name
