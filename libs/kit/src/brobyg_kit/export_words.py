"""What is held of a person, in words: no code, no JSON, times as on the clock.

The words stand in the domain's catalogue of exports: labels of fields as they are, codes under the
context `word`, or the field's name where only that means it so. A code that is not there is shown
with spaces for underscores.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from gettext import NullTranslations
from typing import Any

from babel import Locale
from babel.dates import get_day_names

from brobyg_kit.domain import domain

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d:\d\d|Z)")
_CODE = re.compile(r"[a-z]+(_[a-z]+)*")
#: An event's type, by its namespace.
_TYPE = re.compile(r"([a-z]+\.){2}(?P<name>[a-z]+(\.[a-z]+)*)")
#: A weekly stretch of time: ISO weekday and minutes since midnight.
_WEEKLY = {"weekday", "since", "until"}
_PURPOSES = frozenset({"purpose", "emergency"})
_LANGUAGES = frozenset({"language", "languages"})
_CONTEXT = "word"


def label(name: str) -> str:
    """A field's name as it is read, in English: `starts_at` is "Starts at"."""
    return name.replace("_", " ").capitalize()


def word(code: str) -> str:
    """A code, or an event's type, as it is read in English, and as the catalogue has it."""
    found = _TYPE.fullmatch(code)
    return re.sub("[._]", " ", found["name"] if found else code)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    texts: NullTranslations
    #: ISO 639-1.
    language: str

    def row(self, row: Mapping[str, Any]) -> list[str]:
        """A row's lines, a field each; what is held within a field is indented below it."""
        return [f"  {' ' if n else '-'} {line}" for n, line in enumerate(self._fields(row))]

    def _fields(self, row: Mapping[str, Any]) -> Iterator[str]:
        for name, held in row.items():
            value = _parsed(held)
            if value in (None, [], {}, ""):
                continue
            if isinstance(value, Mapping):
                yield f"{self._label(name)}:"
                yield from (f"  {line}" for line in self._fields(value))
            else:
                yield f"{self._label(name)}: {self.value(value, name)}"

    def _label(self, name: str) -> str:
        return self.texts.gettext(label(name))

    def value(self, value: Any, name: str = "") -> str:
        """A field's value as a short phrase."""
        if isinstance(value, bool):
            return self.texts.gettext("yes" if value else "no")
        if isinstance(value, Mapping):
            return self._phrase(value)
        if isinstance(value, list):
            several = any(isinstance(one, Mapping) for one in value)
            return ("; " if several else ", ").join(self.value(one, name) for one in value)
        if not isinstance(value, str):
            return str(value)
        if _INSTANT.fullmatch(value):
            local = datetime.fromisoformat(value).astimezone(domain().LOCAL_ZONE)
            return f"{local:%Y-%m-%d %H:%M}"
        if name in _PURPOSES:
            text = domain().purpose_text(value, self.language)
            if text != value:
                return text
        if name in _LANGUAGES:
            return str(Locale(self.language).languages.get(value, value))
        is_code = _CODE.fullmatch(value) or (name == "type" and _TYPE.fullmatch(value))
        return self._word(name, word(value)) if is_code else value

    def _word(self, name: str, english: str) -> str:
        """As the field has it, where that is not what other fields mean by it."""
        own = self.texts.pgettext(name, english)
        return own if own != english else self.texts.pgettext(_CONTEXT, english)

    def _phrase(self, value: Mapping[str, Any]) -> str:
        if value.keys() == _WEEKLY:
            days = get_day_names("wide", locale=self.language)
            return f"{days[value['weekday'] - 1]} {_clock(value['since'])}-{_clock(value['until'])}"
        told = {name: one for name, one in value.items() if one not in (None, [], {}, "")}
        return ", ".join(f"{self._label(name)} {self.value(told[name], name)}" for name in told)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _parsed(value: Any) -> Any:
    """What a column of text holds as JSON, as its value."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
