"""A folder of reference data, read: five YAML files and postcodes.csv.

Every fault is told with its file and line. YAML's values are read as text alone: `0730` is no
number. Anchors and aliases are refused, so that no file is larger than it looks.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, get_args

import yaml
from pydantic import BaseModel, ValidationError

from brobyg_referral.reference.bodies import (
    BODIES,
    MOST_DAYS,
    CalendarFileBody,
    EntryBody,
    PostcodeBody,
)
from brobyg_referral.reference.domain.entries import Entry, Fault, Source
from brobyg_referral.reference.errors import FaultyReference

#: File to the kind of its entries and the name of the list that holds them.
YAML_FILES = {f"{kind}s.yaml": kind for kind in BODIES if kind != "postcode"}
POSTCODES_FILE = "postcodes.csv"
_COLUMNS = ("postcode", "label", "latitude", "longitude", "municipality_code")
#: A file with more bytes is none of reference data.
_LARGEST = 4 * 1024 * 1024

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str"
#: Where a value stands in its file, such as ("places", 3, "postcode").
Path_: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class _File:
    """One file as it is read."""

    name: str
    faults: list[Fault] = field(default_factory=list)
    lines: dict[Path_, int] = field(default_factory=dict)

    def fault(self, line: int, reason: str) -> None:
        self.faults.append(Fault(reason, Source(self.name, line)))

    def line_of(self, path: Path_) -> int:
        """The line of the value at `path`, or of the nearest around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_folder(folder: Path) -> list[Entry]:
    """The entries of all files, in their order. Raises FaultyReference with every fault found.

    What the entries say of each other is checked elsewhere (`domain.checks`), except for
    calendars that are closed as others are.
    """
    names = (*YAML_FILES, POSTCODES_FILE)
    if not folder.is_dir():
        what = "this is not a folder" if folder.exists() else "there is no such folder"
        advice = "name one that has them, or copy schemas/reference and edit the copy"
        raise FaultyReference([Fault(f"{folder}: {what} with {', '.join(names)}; {advice}")])
    entries: list[Entry] = []
    faults: list[Fault] = []
    for name in names:
        file = _File(str(folder / name))
        text = _text(file, folder / name)
        if text is not None:
            read = _postcodes if name == POSTCODES_FILE else _yaml
            entries += read(file, text, YAML_FILES.get(name, "postcode"))
        faults += file.faults
    if faults:
        raise FaultyReference(sorted(faults, key=lambda fault: fault.source or Source("", 0)))
    return entries


def _text(file: _File, path: Path) -> str | None:
    try:
        content = path.read_bytes()
        if len(content) > _LARGEST:
            file.fault(1, f"it has more than {_LARGEST} bytes")
            return None
        return content.decode("utf-8-sig")
    except OSError as error:
        file.fault(1, f"it can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        file.fault(line, "it is not UTF-8")
    return None


def _yaml(file: _File, text: str, kind: str) -> list[Entry]:
    tree = _tree(file, text)
    if tree is None:
        return []
    listed = f"{kind}s"
    if not isinstance(tree, dict) or set(tree) != {listed} or not isinstance(tree[listed], list):
        file.fault(1, f"expected `{listed}:` and a list, and nothing else")
        return []
    form = CalendarFileBody if kind == "calendar" else BODIES[kind]
    bodies: list[tuple[EntryBody, int]] = []
    for number, one in enumerate(tree[listed]):
        body = _body(file, form, one, (listed, number))
        if body is not None:
            bodies.append((body, file.line_of((listed, number))))
    closed = _closed_days(file, bodies)
    return [
        Entry((closed.get(body.id) or body).record(), Source(file.name, line))
        for body, line in bodies
    ]


def _body(file: _File, form: type[EntryBody], value: Tree, path: Path_) -> EntryBody | None:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            place = (*path, *one["loc"])
            name = ".".join(str(part) for part in one["loc"])
            reason = one["msg"].removeprefix("Value error, ")
            if one["type"] == "extra_forbidden":
                known = ", ".join(_known(form, one["loc"]))
                reason = f"this property is not known here; known: {known}"
            file.fault(file.line_of(place), f"{name}: {reason}" if name else reason)
    return None


def _known(form: type[BaseModel], place: Path_) -> Iterable[str]:
    """The properties that may stand where the last of `place` does."""
    for name in place[:-1]:
        if isinstance(name, str):
            (form,) = get_args(form.model_fields[name].annotation)  # a list of parts
    return form.model_fields


def _closed_days(file: _File, bodies: Sequence[tuple[EntryBody, int]]) -> Mapping[str, EntryBody]:
    """Calendars with the closing days of those they are closed as, by id."""
    calendars = {one.id: (one, line) for one, line in bodies if isinstance(one, CalendarFileBody)}
    resolved: dict[str, EntryBody] = {}
    for name, (calendar, line) in calendars.items():
        days, seen, other = set(calendar.closed_on), {name}, calendar.closed_as
        while other is not None:
            if other in seen:
                file.fault(line, f"calendar/{name}: `closed_as` comes back to {other!r}: a loop")
                break
            if other not in calendars:
                file.fault(line, f"calendar/{name}: `closed_as` {other!r} is not a calendar")
                break
            seen.add(other)
            days |= set(calendars[other][0].closed_on)
            other = calendars[other][0].closed_as
        if len(days) > MOST_DAYS:
            file.fault(
                line,
                f"calendar/{name}: it is closed on {len(days)} days with those of `closed_as`, and"
                f" at most {MOST_DAYS} are kept",
            )
            continue
        resolved[name] = calendar.model_copy(update={"closed_on": sorted(days)})
    return resolved


def _tree(file: _File, text: str) -> "Tree | None":
    """The file's values, all scalars as text; the lines are noted. None when it is not YAML."""
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = getattr(event.start_mark, "line", 0) + 1
                file.fault(line, "anchors and aliases (& and *) are not read")
                return None
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        file.fault(getattr(mark, "line", 0) + 1, f"it is not YAML: {error.problem}")
        return None
    except yaml.YAMLError as error:
        file.fault(1, f"it is not YAML: {error}")
        return None
    except RecursionError:
        file.fault(1, "it is nested too deeply")
        return None
    return _value(file, node, ()) if node is not None else {}


def _value(file: _File, node: yaml.Node, path: Path_) -> Tree:
    file.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, one, (*path, number)) for number, one in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return dict(_pairs(file, node, path))
    return str(node.value)


def _pairs(file: _File, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Tree]]:
    seen: set[str] = set()
    for name, value in node.value:
        text = str(name.value)
        if text in seen:
            file.fault(name.start_mark.line + 1, f"`{text}` is given twice")
        seen.add(text)
        yield text, _value(file, value, (*path, text))


def _postcodes(file: _File, text: str, _: str) -> list[Entry]:
    entries: list[Entry] = []
    # Comments are emptied, so that their lines still count.
    lines = ("\n" if line.startswith("#") else line for line in text.splitlines(keepends=True))
    rows = csv.reader(lines, strict=True)
    try:
        filled = (row for row in rows if row)
        if tuple(next(filled, ())) != _COLUMNS:
            file.fault(rows.line_num, f"expected the columns {','.join(_COLUMNS)}")
            return []
        for row in filled:
            entries += _postcode(file, row, rows.line_num)
    except csv.Error as error:
        file.fault(rows.line_num, f"it is not CSV: {error}")
    return entries


def _postcode(file: _File, row: Sequence[str], line: int) -> list[Entry]:
    """The entry, or none where it is faulty."""
    if len(row) != len(_COLUMNS):
        file.fault(line, f"expected {len(_COLUMNS)} values, as many as columns")
        return []
    file.lines[()] = line
    values = dict(zip(("id", *_COLUMNS[1:]), row, strict=True))
    body = _body(file, PostcodeBody, dict[str, Tree](values), ())
    return [Entry(body.record(), Source(file.name, line))] if body else []
