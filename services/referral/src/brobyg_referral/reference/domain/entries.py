"""What reference data is made of: records, where each was read, and what is wrong with it."""

from dataclasses import dataclass
from typing import TypeAlias, get_args

import msgspec
from brobyg_contracts import (
    CalendarRecorded,
    DepartmentRecorded,
    OrganisationRecorded,
    PlaceRecorded,
    PoolRecorded,
    PostcodeRecorded,
)

ReferenceRecord: TypeAlias = (
    PlaceRecorded
    | DepartmentRecorded
    | OrganisationRecorded
    | PoolRecorded
    | PostcodeRecorded
    | CalendarRecorded
)

#: Kind, as it stands in a record's key, to the event that carries it.
KINDS: dict[str, type[ReferenceRecord]] = {
    kind.EVENT_TYPE.split(".")[2]: kind for kind in get_args(ReferenceRecord)
}
#: The version that a record has until it is stored.
NEW = 1


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where an entry was read."""

    file: str
    #: Counted from 1.
    line: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where; `source` is None for what came in a request."""

    reason: str
    source: Source | None = None

    def __str__(self) -> str:
        """As compilers write it: `file:line: reason`."""
        place = f"{self.source.file}:{self.source.line}: " if self.source else ""
        return place + self.reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, its version left out of account."""

    record: ReferenceRecord
    source: Source | None = None

    @property
    def key(self) -> str:
        """Kind and id, such as `place/randers-hospital`."""
        return self.record.record

    @property
    def kind(self) -> str:
        """Such as `place`."""
        return self.key.partition("/")[0]

    @property
    def id(self) -> str:
        """Its own id, such as `randers-hospital`."""
        return self.key.partition("/")[2]

    def says(self, record: ReferenceRecord) -> bool:
        """Whether `record` says the same, whatever its version."""
        return versioned(self.record, record.version) == record


def versioned(record: ReferenceRecord, version: int) -> ReferenceRecord:
    """The same record with this version."""
    return msgspec.structs.replace(record, version=version)
