"""No code and no SQL knows a department, a pathway or a language: they are data.

The package that opens the needs of a pathway may name it.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Where code is that runs in production.
CODE = (
    "libs/*/src/**/*.py",
    "libs/*/src/*/migrations/**/*.py",
    "services/*/src/**/*.py",
    "services/*/migrations/**/*.py",
    # Not its demo, which plays a week of these places.
    "deploy/local/src/brobyg_local/*.py",
)
#: The one package that opens needs of the pathway; its policy is data.
ESCORTS = "services/referral/src/brobyg_referral/cases/"

#: What events of an earlier version meant, which no data says any more.
HISTORY = "libs/contracts/src/brobyg_contracts/upcasters.py"

#: The official names of all municipalities, each by its code.
MUNICIPALITIES = "services/reporting/src/brobyg_reporting/adapters/municipalities.py"

#: Where the setting BROBYG_DEFAULT_LANGUAGE has its own default.
DEFAULT_LANGUAGE = "libs/contracts/src/brobyg_contracts/domain.py"


def files() -> list[Path]:
    return sorted({path for pattern in CODE for path in ROOT.glob(pattern)})


def literals(path: Path) -> Iterator[str]:
    """Every text of the module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in documents:
                yield text


@cache
def texts() -> list[tuple[str, str]]:
    """Each text of the code with the path of its module; every test here searches the same."""
    return [(str(path.relative_to(ROOT)), text) for path in files() for text in literals(path)]


@pytest.mark.parametrize("word", ["randers", "norddjurs", "escort"])
def test_no_code_names_a_department_or_a_pathway(word: str) -> None:
    found = [
        f"{path}: {text[:80]!r}"
        for path, text in texts()
        if word in text.lower()
        and path != MUNICIPALITIES
        and not (word == "escort" and path.startswith((ESCORTS, HISTORY)))
    ]
    assert found == []


def test_no_code_names_a_language() -> None:
    found = {path for path, text in texts() if text == "da"}
    assert found == {DEFAULT_LANGUAGE}


def test_the_search_would_find_one(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""About Randers."""\nDEPARTMENT = f"randers-{1}"\nLANGUAGE = "da"\n')
    assert set(literals(module)) == {"randers-", "da"}
