"""What tells whether two releases of the code give a table the same rows.

What reads records as events and folds them is told by its code, without comments and docstrings.
What carries rows from there to the tables is told by a number, as it changes often and its rows
hardly ever: whoever changes those raises `WRITERS`.
"""

import ast
import hashlib
import inspect
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import msgspec
from brobyg_contracts import upcasters
from brobyg_kit import event, upcasting
from sqlalchemy.schema import CreateIndex, CreateTable

from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.domain import log
from brobyg_reporting.domain.projections import PROJECTIONS

#: Raised by a change of the live consumer, catch-up, rebuild, `Folder` or `Projection` that gives
#: rows another content from the same events.
WRITERS = 1
#: What reads records as the events that are logged.
_READERS = (event, upcasting, upcasters, log)


def fingerprint(name: str) -> str:
    """The hash of what decides the rows of this table.

    Of all its columns and indexes. Of the event log what reads records; of a projection the file
    of its folds and what the events say that it folds.
    """
    return _fingerprint(name, WRITERS, upcasting.unversioned_major())


@cache
def _fingerprint(name: str, writers: int, unversioned: int) -> str:
    digest = hashlib.sha256(f"{writers}".encode())
    table = tables_of(0)[name]
    for statement in (CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=str))):
        digest.update(str(statement).encode())
    for projection in PROJECTIONS:
        if projection.table == name:
            digest.update(_code(sys.modules[projection.row.__module__]))
            kinds = sorted(projection.folds, key=lambda kind: kind.EVENT_TYPE)
            digest.update(msgspec.json.encode([kind.EVENT_TYPE for kind in kinds]))
            digest.update(
                msgspec.json.encode(msgspec.json.schema_components(kinds), order="sorted")
            )
    if name == "event_log":
        digest.update(f"{unversioned}".encode())
        for reader in _READERS:
            digest.update(_code(reader))
    return digest.hexdigest()


def _code(module: ModuleType) -> bytes:
    """The module's code, without comments and docstrings."""
    tree = ast.parse(Path(inspect.getfile(module)).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_docstring(one)]
    return ast.dump(tree).encode()


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
