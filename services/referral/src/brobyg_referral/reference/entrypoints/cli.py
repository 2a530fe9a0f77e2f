"""`brobyg reference`: the reference data, from files into the running system."""

import json
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from brobyg_kit.database import Transaction

    from brobyg_referral.reference.domain.entries import Entry
    from brobyg_referral.reference.errors import FaultyReference
    from brobyg_referral.reference.use_cases.records import ReferenceRecords

app = typer.Typer(
    help="Places, departments, organisations, pools, postcodes and calendars. They are data: a"
    " change needs no code and no restart."
    "\n\nEdit the files of a folder (schemas/reference is the start), `check` them, `apply` them."
    " All of the folder is applied or nothing; what differs gets the next version and reaches every"
    " service within a second."
    "\n\nExit codes: 0 done, 1 something is wrong with the files, 2 wrong usage, 3 the database"
    " can't be used.",
    no_args_is_help=True,
)
T = TypeVar("T")
_FAULTY, _NO_DATABASE = 1, 3

Folder = Annotated[
    Path,
    typer.Argument(
        help="Folder with places.yaml, departments.yaml, organisations.yaml, pools.yaml,"
        " calendars.yaml and postcodes.csv.",
        envvar="BROBYG_REFERENCE",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For scripts.")]
_FOLDER = Path("schemas/reference")


class Kind(str, Enum):
    """A kind of entry."""

    place = "place"
    department = "department"
    organisation = "organisation"
    pool = "pool"
    postcode = "postcode"
    calendar = "calendar"


@app.command()
def check(folder: Folder = _FOLDER, as_json: Json = False) -> None:
    """Say what is wrong with the files, with file, line and reason. Needs no database.

    What is gone since the last apply, and which postcodes move, only `apply` can tell.
    """
    from brobyg_referral.reference.errors import FaultyReference
    from brobyg_referral.reference.use_cases import records

    entries = _read(folder, as_json)
    try:
        records.check(entries)
    except FaultyReference as error:
        _refuse(error, as_json)
    if as_json:
        typer.echo(json.dumps({"entries": len(entries), "faults": []}))
    else:
        typer.echo(f"{folder}: {len(entries)} entries, nothing wrong")


@app.command()
def apply(
    folder: Folder = _FOLDER,
    move: Annotated[
        bool, typer.Option("--move", help="Let postcodes move to another municipality.")
    ] = False,
    if_empty: Annotated[
        bool,
        typer.Option(
            "--if-empty", help="Do nothing when there is reference data: for a first start."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make the reference data what the files say: all of it or nothing. Safe to run again.

    An entry that is no longer used keeps its place in the files, with `withdrawn: true`.
    """
    from brobyg_referral.reference.errors import FaultyReference
    from brobyg_referral.reference.use_cases.records import Applied

    entries = _read(folder, as_json)

    async def work(tx: "Transaction", records: "ReferenceRecords") -> Applied:
        if if_empty and (version := await records.version(tx)):
            return Applied(version, (), (), len(entries))
        return await records.apply(tx, entries, move=move)

    try:
        done = _in_transaction(work)
    except FaultyReference as error:
        _refuse(error, as_json)
    if as_json:
        report = {
            "version": done.version,
            "added": done.added,
            "changed": done.changed,
            "unchanged": done.unchanged,
        }
        typer.echo(json.dumps(report))
    elif done.added or done.changed:
        typer.echo(
            f"version {done.version}: {len(done.added)} added, {len(done.changed)} changed,"
            f" {done.unchanged} as they were"
        )
    else:
        typer.echo(f"version {done.version}: nothing to change")


@app.command("list")
def list_entries(
    kind: Annotated[Kind | None, typer.Argument(help="Only entries of this kind.")] = None,
    as_json: Json = False,
) -> None:
    """Show the reference data of the running system."""
    import msgspec

    from brobyg_referral.reference.domain.entries import ReferenceRecord

    kinds = [kind] if kind else list(Kind)

    async def work(tx: "Transaction", records: "ReferenceRecords") -> list[ReferenceRecord]:
        return [one for each in kinds for one in await records.listed(tx, each.value)]

    found = _in_transaction(work)
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in found], ensure_ascii=False))
        return
    if not found:
        what = f"no {kind.value}" if kind else "no reference data"
        typer.echo(f"there is {what} yet; 'brobyg reference apply' brings it from files", err=True)
    for one in found:
        withdrawn = "  withdrawn" if one.withdrawn else ""
        typer.echo(f"{one.record:<40} version {one.version:<5} {one.label}{withdrawn}")


def _read(folder: Path, as_json: bool) -> "list[Entry]":
    from brobyg_referral.reference.adapters.files import read_folder
    from brobyg_referral.reference.errors import FaultyReference

    try:
        return read_folder(folder)
    except FaultyReference as error:
        _refuse(error, as_json)


def _in_transaction(work: "Callable[[Transaction, ReferenceRecords], Awaitable[T]]") -> T:
    """The result of `work` on referral's database. Ends with exit code 3 where it can't be used."""
    import asyncio

    from brobyg_kit.cli import load_environment
    from brobyg_kit.database import Database, database_url
    from brobyg_kit.database_errors import DATABASE_ERRORS, trouble_of
    from brobyg_kit.settings import KitSettings

    from brobyg_referral.reference.adapters.entries import PostgresEntries
    from brobyg_referral.reference.use_cases.records import ReferenceRecords

    load_environment()
    settings = KitSettings()

    async def run() -> T:
        url = database_url(settings.database.get_secret_value(), "referral")
        database = Database(url, settings.make_clock(), "referral", size=1)
        await database.open()
        try:
            async with database.transaction() as tx:
                return await work(tx, ReferenceRecords(PostgresEntries()))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DATABASE_ERRORS as error:
        typer.secho(
            f"brobyg: the database of referral can't be used: {trouble_of(error)}; start the system"
            " with 'make up', or run 'brobyg referral migrate' first",
            err=True,
            fg="red",
        )
        raise typer.Exit(_NO_DATABASE) from None


def _refuse(error: "FaultyReference", as_json: bool) -> NoReturn:
    if as_json:
        faults = [
            {
                "file": fault.source.file if fault.source else None,
                "line": fault.source.line if fault.source else None,
                "reason": fault.reason,
            }
            for fault in error.faults
        ]
        typer.echo(json.dumps({"faults": faults}, ensure_ascii=False))
    else:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        count = len(error.faults)
        faulty = "1 fault" if count == 1 else f"{count} faults"
        typer.secho(f"brobyg: {faulty}; nothing was changed", err=True, fg="red")
    raise typer.Exit(_FAULTY)
