"""Writes everything that is generated from `schemas/`.

`python -m schemas.tools.generate` writes it; `--check` only prints what is out of date.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from schemas.tools.access import access_document
from schemas.tools.asyncapi import asyncapi_document
from schemas.tools.privacy import privacy_document
from schemas.tools.sources import SCHEMAS, Json, Sources, event_type, type_name
from schemas.tools.structs import events_module

ROOT = SCHEMAS.parent
PACKAGE = ROOT / "libs/contracts/src/brobyg_contracts"
PRIVACY = ROOT / "docs/privacy.md"
HEADER = "# Generated from schemas/ by `python -m schemas.tools.generate`; do not edit.\n"


def generated(sources: Sources) -> Mapping[Path, str]:
    """Each generated file and the text it should have."""
    document = asyncapi_document(sources)
    by_hand = [SCHEMAS / f"{name}.yaml" for name in ("access", "purposes", "retention")]
    copied = [*by_hand, *SCHEMAS.glob("pathways/*.toml")]
    data = {path.name: path.read_text() for path in copied} | {
        **{f"consent/{path.name}": path.read_text() for path in SCHEMAS.glob("consent/*.yaml")},
        "sign_in/sign-in.toml": (SCHEMAS / "sign-in.toml").read_text(),
        "topics.json": _json(
            {name: list(map(event_type, topic.events)) for name, topic in sources.topics.items()}
        ),
        "asyncapi.json": _json(document),
        "words.json": _json(known_words(sources)),
    }
    return {
        PACKAGE / "events.py": events_module(sources),
        **{PACKAGE / "data" / name: text for name, text in data.items()},
        ROOT / "docs/access.md": access_document(SCHEMAS / "access.yaml"),
        PRIVACY: privacy_document(PRIVACY.read_text(), SCHEMAS / "retention.yaml"),
        SCHEMAS / "asyncapi.yaml": HEADER
        + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100),
    }


#: The shared types whose words are data (reference data, policies): what is known is not in code.
WORDS_OF_DATA = {"pathway", "pool", "role", "competence", "resource_kind", "paper_kind"}


def known_words(sources: Sources) -> Json:
    """Event type to property to the words that are known of it, for properties that may grow."""
    return {
        event_type(event): words
        for event, schema in sources.events.items()
        if (
            words := {
                name: [str(word) for word in sources.types[kind].examples]
                for name, value in schema.properties.items()
                if value.ref
                and (kind := type_name(value.ref)) not in WORDS_OF_DATA
                and "Others may come" in (sources.types[kind].description or "")
            }
        )
    }


def _json(value: Json) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


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
