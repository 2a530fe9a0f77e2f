"""What must hold between the entries, and between them and what was known before. Pure.

Each check yields every fault it finds. All entries are those of a whole set: what is applied, or
what is stored with one entry changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from brobyg_contracts import (
    CalendarRecorded,
    DepartmentRecorded,
    OrganisationRecorded,
    PlaceRecorded,
    PoolRecorded,
    PostcodeRecorded,
)
from brobyg_contracts.pathways import PathwayPolicy

from brobyg_referral.reference.domain.entries import Entry, Fault, ReferenceRecord


class Entries:
    """The entries of a whole set, by key. Of two with one key the first counts."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """In the order they were read."""
        self.all = entries
        self.by_key: dict[str, Entry] = {}
        for entry in entries:
            self.by_key.setdefault(entry.key, entry)
        self.municipalities = {
            entry.record.municipality_code
            for entry in entries
            if isinstance(entry.record, PostcodeRecorded)
        }

    def __iter__(self) -> Iterator[Entry]:
        """The entries in use."""
        return (entry for entry in self.all if not entry.record.withdrawn)

    def missing(self, entry: Entry, kind: str, ids: Iterable[str], what: str) -> Iterator[Fault]:
        """A fault for each of `ids` that no entry in use of this kind has."""
        for name in ids:
            found = self.by_key.get(f"{kind}/{name}")
            if found is None:
                yield Fault(f"{entry.key}: {what} {name!r} is not a known {kind}", entry.source)
            elif found.record.withdrawn:
                yield Fault(f"{entry.key}: {what} {name!r} is withdrawn", entry.source)


def faults_of(
    entries: Sequence[Entry],
    known: Mapping[str, ReferenceRecord],
    policies: Mapping[str, PathwayPolicy],
    *,
    move: bool = False,
) -> list[Fault]:
    """All that is wrong with `entries`, by file and line.

    `known` is what was recorded before, by key. `move` allows postcodes to move to another
    municipality.
    """
    given = Entries(entries)
    found = [
        *_doubled(given),
        *_gone(given, known),
        *(() if move else _moved(given, known)),
        *_former(given),
    ]
    for entry in given:
        found += _CHECKS[type(entry.record)](given, entry, policies)
    return sorted(found, key=lambda fault: (fault.source is None, fault.source, fault.reason))


def _doubled(given: Entries) -> Iterator[Fault]:
    seen: dict[str, Entry] = {}
    for entry in given.all:
        names = [entry.key]
        if not entry.record.withdrawn:
            names += [f"{entry.kind} alias {alias!r}" for alias in _aliases(entry)]
            names += [f"resource {resource!r}" for resource in _resources(entry)]
        for name in names:
            first = seen.setdefault(name, entry)
            if first is not entry or names.count(name) > 1:
                where = f" ({first.source.file}:{first.source.line})" if first.source else ""
                yield Fault(f"{name} is given twice; first by {first.key}{where}", entry.source)


def _aliases(entry: Entry) -> Sequence[str]:
    record = entry.record
    return record.aliases if isinstance(record, PlaceRecorded | OrganisationRecorded) else ()


def _resources(entry: Entry) -> Sequence[str]:
    record = entry.record
    if not isinstance(record, PlaceRecorded):
        return ()
    return [resource.resource_id for resource in record.resources]


def _gone(given: Entries, known: Mapping[str, ReferenceRecord]) -> Iterator[Fault]:
    for key, record in known.items():
        if key not in given.by_key and not record.withdrawn:
            yield Fault(
                f"{key} was recorded before and is gone: the history names it, so keep it here and"
                " add `withdrawn: true`"
            )


def _moved(given: Entries, known: Mapping[str, ReferenceRecord]) -> Iterator[Fault]:
    for entry in given.by_key.values():
        before, now = known.get(entry.key), entry.record
        if not isinstance(now, PostcodeRecorded) or not isinstance(before, PostcodeRecorded):
            continue
        if before.municipality_code != now.municipality_code:
            yield Fault(
                f"{entry.key} moves from municipality {before.municipality_code} to"
                f" {now.municipality_code}: say so (`--move`; over HTTP `?move=true`)",
                entry.source,
            )


def _former(given: Entries) -> Iterator[Fault]:
    """Former departments that are still in use, come back to themselves, or have gone into two."""
    former = {
        entry.id: entry.record.former
        for entry in given.by_key.values()
        if isinstance(entry.record, DepartmentRecorded)
    }
    into: dict[str, str] = {}
    for name, ids in former.items():
        entry = given.by_key[f"department/{name}"]
        source = entry.source
        if _comes_back(name, former):
            yield Fault(f"department/{name}: `former` leads back to it: a loop", source)
        if entry.record.withdrawn:
            continue
        for one in ids:
            other = given.by_key.get(f"department/{one}")
            if other is not None and not other.record.withdrawn:
                yield Fault(f"department/{name}: former {one!r} is still in use", source)
            if into.setdefault(one, name) != name:
                yield Fault(f"department/{name}: {one!r} has gone into {into[one]!r}", source)


def _comes_back(name: str, former: Mapping[str, Sequence[str]]) -> bool:
    seen: set[str] = set()
    ahead = [*former[name]]
    while ahead:
        one = ahead.pop()
        if one == name:
            return True
        if one not in seen:
            seen.add(one)
            ahead += former.get(one, ())
    return False


def _place(given: Entries, entry: Entry, _: Mapping[str, PathwayPolicy]) -> Iterator[Fault]:
    record = entry.record
    assert isinstance(record, PlaceRecorded)
    yield from given.missing(entry, "postcode", [record.postcode], "postcode")
    yield from _covered(given, entry, [record.municipality_code])
    if isinstance(record.calendar_record, str):
        name = record.calendar_record.partition("/")[2]
        yield from given.missing(entry, "calendar", [name], "calendar")


def _covered(given: Entries, entry: Entry, codes: Iterable[str]) -> Iterator[Fault]:
    for code in codes:
        if code not in given.municipalities:
            yield Fault(f"{entry.key}: no postcode is in municipality {code!r}", entry.source)


def _department(
    given: Entries, entry: Entry, policies: Mapping[str, PathwayPolicy]
) -> Iterator[Fault]:
    record = entry.record
    assert isinstance(record, DepartmentRecorded)
    yield from _covered(given, entry, record.municipalities)
    yield from given.missing(entry, "pool", record.pools, "pool")
    yield from given.missing(entry, "organisation", record.senders, "sender")
    for name in record.pathways:
        if (policy := policies.get(name)) is None:
            known = ", ".join(sorted(policies))
            yield Fault(f"{entry.key}: there is no pathway {name!r}; known: {known}", entry.source)
        else:
            yield from _served(given, entry, record, policy)


def _served(
    given: Entries, entry: Entry, record: DepartmentRecorded, policy: PathwayPolicy
) -> Iterator[Fault]:
    """A pathway's seats must each have a pool that the department may ask."""
    for seat in policy.seats:
        if not set(seat.pools) & set(record.pools):
            yield Fault(
                f"{entry.key}: pathway {policy.name!r} asks {' or '.join(seat.pools)} for the role"
                f" {seat.role!r}, and the department has no such pool",
                entry.source,
            )
    if policy.asking.calendar is not None:
        calendar = policy.asking.calendar.removeprefix("calendar/")
        what = f"pathway {policy.name!r} asks while a calendar is open, and its calendar"
        yield from given.missing(entry, "calendar", [calendar], what)


def _pool(given: Entries, entry: Entry, _: Mapping[str, PathwayPolicy]) -> Iterator[Fault]:
    record = entry.record
    assert isinstance(record, PoolRecorded)
    yield from given.missing(entry, "organisation", [record.organisation], "organisation")
    if (record.capacity == "caseload") != isinstance(record.limit, int):
        yield Fault(
            f"{entry.key}: `limit` goes with `capacity: caseload`, and with no other", entry.source
        )


def _calendar(_given: Entries, entry: Entry, _: Mapping[str, PathwayPolicy]) -> Iterator[Fault]:
    record = entry.record
    assert isinstance(record, CalendarRecorded)
    for span in record.openings:
        if span.closes <= span.opens:
            yield Fault(
                f"{entry.key}: it closes at {span.closes}, not after it opens at {span.opens}",
                entry.source,
            )


def _nothing(_given: Entries, _entry: Entry, _: Mapping[str, PathwayPolicy]) -> Iterator[Fault]:
    return iter(())


_CHECKS: dict[
    type[ReferenceRecord],
    Callable[[Entries, Entry, Mapping[str, PathwayPolicy]], Iterator[Fault]],
] = {
    PlaceRecorded: _place,
    DepartmentRecorded: _department,
    PoolRecorded: _pool,
    CalendarRecorded: _calendar,
    OrganisationRecorded: _nothing,
    PostcodeRecorded: _nothing,
}
