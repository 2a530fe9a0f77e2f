"""Writes `docs/access.md` from `schemas/access.yaml`."""

from collections.abc import Iterable
from pathlib import Path

from brobyg_contracts.access import Whose, load

_HEAD = """# Who may do what on whose data

<!-- Generated from schemas/access.yaml by `python -m schemas.tools.generate`; do not edit. -->

Each act is one row of `schemas/access.yaml`, with every endpoint that it opens. The service that
owns the data enforces it: the role at the door (`requires_act`), and on whose data in the use case.
An act that is in no row can't be done, and an endpoint that is in none fails the tests.

Without a token all but what is open answers 401, and 403 where no role of the caller's has the act.
Who has it, but not for this one, is answered 404 where the path or the body names it, as for one
that isn't there; 403 where a department is named, and where it is for head office. Lists leave it
out. `libs/kit/tests/support/access_matrix.py` asks every endpoint as every role, of the own and of
another organisation and department.

| act | what | who, on whose data | why | where |
| --- | --- | --- | --- | --- |
"""
_OPEN = """
Open to everybody, without a token:

| where | why |
| --- | --- |
"""
_SESSIONS = """
By a session of the portal, without a token:

| where | who | why |
| --- | --- | --- |
"""
_SIGNED_IN: dict[str, str] = {
    "signed_in": "who is signed in",
    "administrator": "administrators, who are named by command",
    "by_link": "helpers and citizens, who sign in by a link",
}
_WHOSE: dict[Whose, str] = {
    "all": "everybody",
    "department": "those of their department (head office: everybody)",
    "organisation": "those whom their organisation referred, or what it sent",
    "self": "their own",
    "head_office": "everybody, from head office alone",
}


def access_document(file: Path) -> str:
    """The document's text. Raises InvalidDocument."""
    table = load(file)
    rows = []
    for act in table.acts:
        who = "<br>".join(f"{role}: {_WHOSE[whose]}" for role, whose in act.who.items())
        rows.append(f"| `{act.act}` | {act.what} | {who} | {act.why} | {_listed(act.at)} |\n")
    opened = [f"| {_listed(one.at)} | {one.why} |\n" for one in table.open]
    pages = [
        f"| {_listed(one.at)} | {_SIGNED_IN.get(one.who, f'by `{one.who}`')} | {one.why} |\n"
        for one in table.sessions
    ]
    return "".join([_HEAD, *rows, _OPEN, *opened, _SESSIONS, *pages])


def _listed(places: Iterable[str]) -> str:
    return "<br>".join(
        f"`{place.removeprefix('* ')}`{' of every service' * place.startswith('* ')}"
        for place in places
    )
