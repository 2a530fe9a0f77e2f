"""`brobyg local ...`: the whole system on this machine.

Exit codes: 0 done, 1 something did not come up (named, with its log and what to do), 2 the command was used wrongly.
"""

from __future__ import annotations

import importlib
import json
import secrets
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .cluster import ensure
from .errors import LocalError
from .keys import make_keys
from .places import Places, default_places, given_settings, say_to_stderr
from .system import COMPONENTS, System

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="The whole system on this machine: broker, database, mail server and services.",
)
console = Console()
errors = Console(stderr=True)

Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where its state is kept; the clone's var/ by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Name = Annotated[str, typer.Argument(help=f"One of {', '.join(COMPONENTS)}.")]


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can be acted upon into a message and exit code 1."""
    try:
        yield
    except LocalError as error:
        errors.print(
            f"[bold red]Failed.[/] {_plain(error.explain())}", highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print(
            "Stopped waiting. What has started runs on: make up goes on with it, make down ends it.",
            highlight=False,
        )
        raise typer.Exit(130) from None


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _system(folder: Path | None, say: Callable[[str], None] = say_to_stderr) -> System:
    return System(Places(folder.resolve()) if folder else default_places(), say)


@app.command()
def up(
    smtp: Annotated[
        str | None, typer.Option(help="A mail server to use instead of our own: smtp://host:port.")
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="BROBYG_CLOCK for all services: '<ISO start>;<factor>;<ISO anchor>', '' for the wall's. Else it stays what it was."
        ),
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Start everything that does not run yet, with its data kept, and wait until it is ready."""
    with errors.status("starting", spinner="dots") as progress, _explained():
        ready: list[str] = []

        def on_ready(name: str) -> None:
            ready.append(name)
            progress.update(f"ready: {', '.join(ready)}")

        def say(text: str) -> None:
            errors.print(_plain(text), highlight=False, soft_wrap=True)

        system = _system(folder, say)
        environment = system.up(
            {"BROBYG_CLOCK": clock} if clock is not None else {}, smtp=smtp, on_ready=on_ready
        )
    addresses = _addresses(environment, system.places)
    if as_json:
        taken = [
            {
                "wanted": one.wanted,
                "used": one.used,
                "holder": str(one.holder) if one.holder else None,
            }
            for one in system.taken
        ]
        console.print_json(
            json.dumps(
                {
                    "addresses": addresses,
                    "taken_ports": taken,
                    "environment_file": str(system.places.environment),
                }
            )
        )
        return
    table = Table(title="Brobyg is up", show_header=False, box=None)
    for name, address in addresses.items():
        table.add_row(name, address)
    console.print(table)
    console.print("Next: .venv/bin/brobyg status, make demo, make down", highlight=False)


def _addresses(environment: dict[str, str], places: Places) -> dict[str, str]:
    """What a person may open or connect to; no password among them."""
    services = {
        name: environment[f"BROBYG_{name.upper()}_URL"]
        for name in ("portal", "referral", "matching", "notification", "reporting")
    }
    database = environment["BROBYG_DATABASE"]
    return {
        **services,
        "kafka": environment["BROBYG_KAFKA"],
        "postgres": "postgresql://"
        + database.rpartition("@")[2]
        + f"  (password in {places.environment})",
        "mail": f"{environment['BROBYG_NOTIFICATION_SMTP']}  (read in {places.mail})",
    }


@app.command()
def down(folder: Folder = None, as_json: AsJson = False) -> None:
    """End everything cleanly; what was there is kept."""
    with _explained():
        killed = _system(folder).down()
    if as_json:
        console.print_json(json.dumps({"down": True, "killed": killed}))
        return
    console.print(
        "Everything is down; its data is kept."
        + (f" Had to be killed: {', '.join(killed)}." if killed else "")
    )


@app.command()
def reset(folder: Folder = None) -> None:
    """End everything and remove its data, keys and logs."""
    with _explained():
        _system(folder).reset()
    console.print("Everything is down and empty.")


@app.command()
def start(component: Name, folder: Folder = None) -> None:
    """Start one component and wait until it is ready."""
    with _explained():
        _system(folder).start(component)
    console.print(f"{component} is up.")


@app.command()
def stop(component: Name, folder: Folder = None) -> None:
    """Stop one component cleanly."""
    with _explained():
        _system(folder).stop(component)
    console.print(f"{component} is down.")


@app.command()
def restart(component: Name, folder: Folder = None) -> None:
    """Stop one component, start it again, and wait until it is ready."""
    with _explained():
        _system(folder).restart(component)
    console.print(f"{component} is up again.")


@app.command()
def keys(folder: Folder = None) -> None:
    """Print a set of keys as lines for .env, for docker-compose.yml; made once and kept in the state folder."""
    places = Places(folder.resolve()) if folder else default_places()
    places.make()
    made = make_keys(places)
    lines = {
        name: value
        for name, value in made.items()
        if name not in {"BROBYG_TOKEN_KEYS", "BROBYG_TOKEN_SIGNING_KEY"}
    }
    lines |= {
        "BROBYG_PUBLIC_KEYS": made["BROBYG_TOKEN_KEYS"],
        "BROBYG_DATABASE_PASSWORD": secrets.token_urlsafe(18),
    }
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in lines.items()))


@app.command()
def cluster(folder: Folder = None, as_json: AsJson = False) -> None:
    """Start only the broker and the database, and print their addresses for a shell: eval "$(brobyg local cluster)"."""
    with _explained():
        addresses = ensure(folder or default_places().folder, environment=given_settings())
    if as_json:
        console.print_json(json.dumps({"kafka": addresses.kafka, "database": addresses.database}))
        return
    sys.stdout.write(
        f"export BROBYG_KAFKA={shlex.quote(addresses.kafka)}\nexport BROBYG_DATABASE={shlex.quote(addresses.database)}\n"
    )


DEMO_HELP = "Play a hospital's week through the whole system and tell what happened."


def _register_demo() -> None:
    """Only the demo itself pays for importing it; every other command just lists it."""
    if "demo" in sys.argv:
        module = importlib.import_module("brobyg_local.demo.cli")
        app.command("demo", help=DEMO_HELP)(module.demo)
        return
    app.command("demo", help=DEMO_HELP)(lambda: None)


_register_demo()
