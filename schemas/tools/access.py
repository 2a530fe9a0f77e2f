"""Writes `docs/access.md` from `schemas/access.yaml`."""

from pathlib import Path

from brobyg_contracts.access import Whose, load

_HEAD = """# Who may do what on whose data

<!-- Generated from schemas/access.yaml by `python -m schemas.tools.generate`; do not edit. -->

Each act that is done with a person's data is one row of `schemas/access.yaml`. The service that
owns the data enforces it: the role at the door (`requires_act`), and on whose data in the use case.
An act that is in no row can't be done.

| act | what | who, on whose data | why |
| --- | --- | --- | --- |
"""
_WHOSE: dict[Whose, str] = {
    "all": "everybody",
    "department": "those of their department (head office: everybody)",
    "organisation": "those whom their organisation referred",
}


def access_document(table: Path) -> str:
    """The document's text. Raises InvalidDocument."""
    rows = []
    for act in load(table).values():
        who = "<br>".join(f"{role}: {_WHOSE[whose]}" for role, whose in act.who.items())
        rows.append(f"| `{act.act}` | {act.what} | {who} | {act.why} |\n")
    return _HEAD + "".join(rows)
