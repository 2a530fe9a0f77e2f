"""Writes the record of processing in `docs/privacy.md` from `schemas/retention.yaml`.

The rest of the document is written by hand and stays as it is.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from brobyg_contracts.retention import Kept, load

BEGIN = "<!-- generated from schemas/retention.yaml: do not edit up to the end mark -->\n"
END = "<!-- end of what is generated -->\n"
_GENERATED = re.compile(f"(?s)(?<={re.escape(BEGIN)}).*(?={re.escape(END)})")
_BY = {
    "timer": "the service's timer, daily",
    "broker": "the broker",
    "operator": "the operator",
    "erasure": "the erasure of the person",
    "use": "its use",
    "nobody": "",
}


def privacy_document(text: str, retention: Path) -> str:
    """The document with today's record of processing. Raises InvalidDocument, or ValueError."""
    rows = list(load(retention).values())
    people = [row for row in rows if row.whose != ("nobody",)]
    nobody = [row for row in rows if row.whose == ("nobody",)]
    made = f"\n### About people\n\n{_table(people)}\n### About nobody\n\n{_table(nobody)}\n"
    written, found = _GENERATED.subn(lambda _: made, text)
    if found != 1:
        raise ValueError(f"the document has no part between {BEGIN!r} and {END!r}")
    return written


def _table(rows: Iterable[Kept]) -> str:
    head = "| kind | where | about whom | what | kept | ended by | why | basis |\n"
    return head + "| --- " * 8 + "|\n" + "".join(map(_row, rows))


def _row(row: Kept) -> str:
    kept = f"{row.keep} from: {row.counted_from}" if row.counted_from else row.keep
    action = {"erase": " (the person is erased)"}.get(row.action, "")
    cells = (
        f"`{row.kind}`",
        f"{', '.join(row.services)}: {row.place}",
        ", ".join(row.whose),
        row.what,
        kept,
        _BY[row.by] + action,
        row.why,
        row.basis,
    )
    return f"| {' | '.join(cells)} |\n"
