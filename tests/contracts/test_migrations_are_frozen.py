"""What a migration writes is what the migrations after it expect, whatever becomes of the code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted(
    [
        *ROOT.glob("services/*/migrations/versions/*.py"),
        *ROOT.glob("libs/kit/src/brobyg_kit/migrations/versions/*.py"),
    ]
)
#: Modules that are copies, never changed.
FROZEN = {"brobyg_kit.sealing_1"}


def imported(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: f"{file.parents[2].name}-{file.stem}")
def test_a_migration_imports_no_code_that_may_change(file: Path) -> None:
    ours = {one for one in imported(file) if one.startswith("brobyg")}
    assert ours <= FROZEN
    assert "alembic" in imported(file), "else this finds nothing"


def test_a_frozen_module_imports_nothing_that_may_change() -> None:
    file = ROOT / "libs/kit/src/brobyg_kit/sealing_1.py"
    assert not [one for one in imported(file) if one.startswith("brobyg")]
