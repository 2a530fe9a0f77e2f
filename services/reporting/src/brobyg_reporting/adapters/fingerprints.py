"""What tells whether two releases of the code give a table the same rows."""

import hashlib
import inspect
import sys
from functools import cache
from pathlib import Path

import msgspec
from brobyg_contracts import upcasters
from brobyg_kit import event, upcasting
from sqlalchemy.schema import CreateIndex, CreateTable

from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.domain.projections import PROJECTIONS

_PACKAGE = Path(__file__).parent.parent
#: What every table is written by, from what is read: it decides rows as the folds do.
_WRITERS = (
    "adapters/lags.py",
    "adapters/rebuild_worker.py",
    "adapters/store.py",
    "domain/folding.py",
    "domain/log.py",
    "domain/projection.py",
    "handlers.py",
    "use_cases/follow.py",
    "use_cases/live.py",
)


@cache
def fingerprint(name: str) -> str:
    """The hash of the code that decides the rows of this table.

    That is the file of its folds, its columns, what the events say that it folds, what reads
    records as events, and what writes rows.
    """
    digest = hashlib.sha256()
    table = tables_of(0)[name]
    for statement in (CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=str))):
        digest.update(str(statement).encode())
    for projection in PROJECTIONS:
        if projection.table == name:
            digest.update(Path(str(sys.modules[projection.row.__module__].__file__)).read_bytes())
            kinds = sorted(projection.folds, key=lambda kind: kind.EVENT_TYPE)
            digest.update(msgspec.json.encode([kind.EVENT_TYPE for kind in kinds]))
            digest.update(
                msgspec.json.encode(msgspec.json.schema_components(kinds), order="sorted")
            )
    read_by = (Path(inspect.getfile(one)) for one in (event, upcasting, upcasters))
    for file in (*read_by, *(_PACKAGE / name for name in _WRITERS)):
        digest.update(file.read_bytes())
    return digest.hexdigest()
