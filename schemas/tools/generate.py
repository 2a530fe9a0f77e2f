"""Writes everything that is generated from `schemas/`: `python -m schemas.tools.generate` (`--check`: only says what is out of date)."""

import argparse
import difflib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from schemas.tools.asyncapi import asyncapi_document
from schemas.tools.sources import SCHEMAS, Sources
from schemas.tools.structs import events_module, package_module
from schemas.tools.topics import topics_module

ROOT = SCHEMAS.parent
PACKAGE = ROOT / "libs/contracts/src/brobyg_contracts"


def generated(sources: Sources) -> Mapping[Path, str]:
    """Each generated file and the text it should have."""
    data = {
        PACKAGE / "data" / path.name: path.read_text()
        for path in [SCHEMAS / "places.json", *SCHEMAS.glob("pathways/*.toml")]
    }
    return {
        PACKAGE / "__init__.py": _formatted(package_module(sources)),
        PACKAGE / "events.py": _formatted(events_module(sources)),
        PACKAGE / "topics.py": _formatted(topics_module(sources)),
        **data,
        SCHEMAS / "asyncapi.yaml": asyncapi_document(sources),
    }


def main(arguments: list[str] | None = None) -> int:
    """Writes what is out of date; with `--check` prints the difference instead and returns 1."""
    parser = argparse.ArgumentParser(
        description="Generate brobyg_contracts and asyncapi.yaml from schemas/."
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; print what is out of date and end with 1",
    )
    check = parser.parse_args(arguments).check
    stale = {
        path: text for path, text in generated(Sources(SCHEMAS)).items() if _current(path) != text
    }
    for path, text in stale.items():
        if check:
            sys.stdout.writelines(_difference(path, text))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if check and stale:
        print(f"{len(stale)} generated file(s) out of date: run `python -m schemas.tools.generate`")
    return 1 if check and stale else 0


def _formatted(module: str) -> str:
    """The module in the house's format, so that the formatter leaves it alone."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--config",
        str(ROOT / "pyproject.toml"),
        "--stdin-filename",
        "m.py",
        "-",
    ]
    return subprocess.run(
        command, input=module, capture_output=True, text=True, check=True, timeout=60
    ).stdout


def _current(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _difference(path: Path, text: str) -> list[str]:
    name = str(path.relative_to(ROOT))
    return list(
        difflib.unified_diff(
            (_current(path) or "").splitlines(True),
            text.splitlines(True),
            name,
            f"{name} (generated)",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
