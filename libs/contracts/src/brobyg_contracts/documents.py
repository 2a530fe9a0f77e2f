"""YAML files of the contracts, read into Structs; what is wrong is told with its line.

PyYAML is imported where a file is read: that takes a tenth of the time in which a process begins
that reads none.
"""

import re
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, ValidationError, convert

from brobyg_contracts.errors import InvalidDocument

if TYPE_CHECKING:
    import yaml

_StructT = TypeVar("_StructT", bound=Struct)
#: Where a ValidationError says the fault is.
_PLACE = re.compile(r"(?s)(.*?)(?: - at `\$(.*)`)?")


def read(file: Traversable, form: type[_StructT]) -> _StructT:
    """The file as `form` says it. Raises InvalidDocument, or OSError when it can't be read."""
    import yaml

    lines: dict[str, int] = {}
    try:
        node = yaml.compose(file.read_text("utf-8"), yaml.SafeLoader)
        tree = _value(node, "", lines) if node is not None else {}
        return convert(tree, form, strict=False)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise refused(file, mark.line + 1 if mark else 1, f"it is not YAML: {error.problem}") from (
            error
        )
    except yaml.YAMLError as error:
        raise refused(file, 1, f"it is not YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise refused(file, error.object[: error.start].count(b"\n") + 1, "it is not UTF-8") from (
            error
        )
    except ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        assert found is not None  # every text fits
        reason, place = found[1], found[2] or ""
        named = f"{place.lstrip('.')}: {reason}" if place else reason
        raise refused(file, _line(lines, place), named) from error


def refused(file: Traversable, line: int, reason: str) -> InvalidDocument:
    """The error that says what is wrong with this line."""
    return InvalidDocument(f"{file.name}:{line}: {reason}")


def line_of(file: Traversable, entry: str) -> int:
    """The last line that begins with this entry, such as `id: one`; 1 where none does."""
    lines = [line.strip().removeprefix("- ") for line in file.read_text("utf-8").splitlines()]
    return max(
        (number for number, line in enumerate(lines, 1) if line.startswith(entry)), default=1
    )


def _line(lines: dict[str, int], place: str) -> int:
    while place and place not in lines:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return lines.get(place, 1)


def _value(node: "yaml.Node", place: str, lines: dict[str, int]) -> object:
    """The node's value, all scalars as text; the lines are noted. Raises MarkedYAMLError."""
    import yaml

    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, f"{place}[{number}]", lines) for number, one in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in values:
                raise yaml.MarkedYAMLError(
                    problem=f"`{name}` is given twice", problem_mark=key.start_mark
                )
            lines[f"{place}.{name}"] = key.start_mark.line + 1
            values[name] = _value(value, f"{place}.{name}", lines)
        return values
    return str(node.value)
