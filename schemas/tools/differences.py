"""What changed between two schemas, and whether old records can be read under the new one.

History is kept for ever, so a new schema has to accept everything that the old one accepted
(BACKWARD). What widens is harmless to history; readers have to be upgraded before writers use it. A
change that cannot be judged counts as breaking.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest

from schemas.tools.sources import Schema, Sources


@dataclass(frozen=True)
class SchemaChange:
    """One difference."""

    #: The path of the property.
    place: str
    what: str
    #: Whether old records or present readers would fail.
    breaking: bool


@dataclass(frozen=True)
class SchemaVersions:
    """The released sources and today's; each resolves its own references."""

    old: Sources
    new: Sources


def differences(
    versions: SchemaVersions, old: Schema, new: Schema, place: str = ""
) -> Iterator[SchemaChange]:
    """Every difference that matters to a reader. Titles, descriptions and examples don't."""
    old, new = versions.old.resolved(old), versions.new.resolved(new)
    if old.any_of or new.any_of:
        yield from _alternatives(versions, old, new, place)
        return
    if old.type != new.type and (old.type, new.type) != ("integer", "number"):
        yield SchemaChange(
            place, f"type {old.type or 'any'} became {new.type or 'any'}", breaking=True
        )
        return
    yield from _values(old, new, place)
    yield from _limits(old, new, place)
    yield from _properties(versions, old, new, place)
    yield from _inner(versions, old.items, new.items, f"{place}[]")
    yield from _inner(versions, old.property_names, new.property_names, f"{place} (keys)")
    yield from _inner(versions, old.additional_properties, new.additional_properties, f"{place}.*")


def _values(old: Schema, new: Schema, place: str) -> Iterator[SchemaChange]:
    for value in old.enum:
        if new.enum and value not in new.enum:
            yield SchemaChange(place, f"value {value!r} removed", breaking=True)
    for value in new.enum:
        if old.enum and value not in old.enum:
            yield SchemaChange(place, f"value {value!r} added", breaking=False)
    if bool(old.enum) != bool(new.enum):
        yield SchemaChange(
            place,
            "limited to a list of values" if new.enum else "no longer limited to a list of values",
            breaking=bool(new.enum),
        )
    for keyword in ("const", "pattern", "format"):
        before, after = getattr(old, keyword), getattr(new, keyword)
        if before != after:
            yield SchemaChange(
                place,
                f"{keyword} {_shown(before)} became {_shown(after)}",
                breaking=after is not None,
            )


UPPER_LIMITS = ("maximum", "max_length", "max_items")
LOWER_LIMITS = ("minimum", "min_length", "min_items")


def _limits(old: Schema, new: Schema, place: str) -> Iterator[SchemaChange]:
    for keyword in (*LOWER_LIMITS, *UPPER_LIMITS):
        before, after = getattr(old, keyword), getattr(new, keyword)
        if before == after:
            continue
        narrower = after is not None and (
            before is None or (after > before if keyword in LOWER_LIMITS else after < before)
        )
        yield SchemaChange(
            place,
            f"{keyword.replace('_', ' ')} {_shown(before)} became {_shown(after)}",
            breaking=narrower,
        )


def _properties(
    versions: SchemaVersions, old: Schema, new: Schema, place: str
) -> Iterator[SchemaChange]:
    for name, before in old.properties.items():
        here = f"{place}.{name}" if place else name
        after = new.properties.get(name)
        if after is None:
            yield SchemaChange(
                here, "property removed" + _renamed_to(versions, old, new, before), breaking=True
            )
        else:
            yield from differences(versions, before, after, here)
    for name in new.properties.keys() - old.properties.keys():
        here = f"{place}.{name}" if place else name
        required = name in new.required
        yield SchemaChange(
            here,
            "new required property: old records lack it" if required else "optional property added",
            breaking=required,
        )
    for name in sorted(old.properties.keys() & new.properties.keys()):
        here = f"{place}.{name}" if place else name
        if name in new.required and name not in old.required:
            yield SchemaChange(here, "became required: old records may lack it", breaking=True)
        if name in old.required and name not in new.required:
            yield SchemaChange(here, "no longer required", breaking=True)
    for name in sorted(set(new.required) - set(new.properties) - set(old.required)):
        yield SchemaChange(
            f"{place}.{name}" if place else name, "required without being described", breaking=True
        )


def _renamed_to(versions: SchemaVersions, old: Schema, new: Schema, gone: Schema) -> str:
    """A hint: new properties of the same form as the removed one."""
    shape = versions.old.resolved(gone)
    added = [name for name in new.properties if name not in old.properties]
    alike = [
        name for name in added if _same_shape(shape, versions.new.resolved(new.properties[name]))
    ]
    return f" (renamed to {' or '.join(alike)}?)" if alike else ""


def _same_shape(one: Schema, other: Schema) -> bool:
    bare = {"title": None, "description": None, "examples": ()}
    return _without(one, bare) == _without(other, bare)


def _without(schema: Schema, bare: Mapping[str, object]) -> dict[str, object]:
    return {field: bare.get(field, getattr(schema, field)) for field in schema.__struct_fields__}


def _inner(
    versions: SchemaVersions, old: Schema | None, new: Schema | None, place: str
) -> Iterator[SchemaChange]:
    if old is not None and new is not None:
        yield from differences(versions, old, new, place)
    elif old is not None or new is not None:
        yield SchemaChange(
            place, "no longer limited" if new is None else "limited", breaking=new is not None
        )


def _alternatives(
    versions: SchemaVersions, old: Schema, new: Schema, place: str
) -> Iterator[SchemaChange]:
    """Each old alternative needs a new one that accepts all it did; a further one widens."""
    before, after = old.any_of or (old,), new.any_of or (new,)
    for option, counterpart in zip_longest(before, after):
        if option is None:
            yield SchemaChange(place, "alternative added", breaking=False)
            continue
        tries = [list(differences(versions, option, candidate, place)) for candidate in after]
        if any(not any(change.breaking for change in changes) for changes in tries):
            continue
        own = (
            list(differences(versions, option, counterpart, place))
            if counterpart is not None
            else []
        )
        yield from own or [SchemaChange(place, "alternative removed", breaking=True)]


def _shown(value: object) -> str:
    return "(none)" if value is None else f"{value}"


def under(prefix: str, changes: Iterator[SchemaChange]) -> Iterator[SchemaChange]:
    """The changes with `prefix` before their place."""
    return (replace(change, place=f"{prefix} {change.place}".strip()) for change in changes)
