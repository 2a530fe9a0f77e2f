"""What an export of a person leaves unsaid, as it tells of somebody else (GDPR art. 15(4))."""

from collections.abc import Mapping
from typing import Any, Final

#: Fields, of rows and of events, whose words say why something ended or did not come about.
_REASONS: Final = frozenset(
    {"reason", "reasons", "release_reason", "withdrawal_reason", "excluded"}
)  # fmt: skip
#: By who is told: the words that say what another wished, did or is. `blocked` may be the wish of
#: either, who is told of it where the wish itself is kept.
_OF_OTHERS: Final[Mapping[str, frozenset[str]]] = {
    "citizens": frozenset(
        {
            "blocked", "helper_paused", "helper_promised", "helper_withdrew", "helper_erased",
            "helper_restricted",
        }
    ),
    "volunteers": frozenset(
        {"blocked", "consent_withdrawn", "citizen_changed", "citizen_erased", "restricted"}
    ),
}  # fmt: skip


def own_reasons(people: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row, or an event's data, without reasons that tell of others than these people."""
    words = _OF_OTHERS[people]
    return {name: _said(people, words, name, value) for name, value in row.items()}


def _said(people: str, words: frozenset[str], name: str, value: Any) -> Any:
    if name not in _REASONS:
        return own_reasons(people, value) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        return {word: count for word, count in value.items() if word not in words}
    if isinstance(value, list):
        return [one for one in value if not (isinstance(one, str) and one in words)]
    return None if value in words else value
