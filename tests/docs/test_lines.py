"""What is written by hand is as wide as code, so that it is read and compared as easily."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "services", "libs", "deploy", "schemas", "examples", "tests")


def documents() -> list[Path]:
    found = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.md"))]
    return [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *found]


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_line_of_prose_is_wider_than_code(path: Path) -> None:
    """Tables, blocks of code and a single word, such as an address, are as wide as they must be."""
    wide, in_code = [], False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        in_code ^= line.lstrip().startswith("```")
        if len(line) > 100 and not in_code and not line.startswith("|") and " " in line.strip():
            wide.append(number)
    assert wide == []
