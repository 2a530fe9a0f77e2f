"""`brobyg local ...`: the whole system on this machine.

Exit codes: 0 done, 1 something did not start (named, with its log and what to do), 2 the command
was used wrongly. Each command imports what it needs, so that the help is quick.
"""

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .state import COMPONENTS, Component, StateFolder, default_folder

if TYPE_CHECKING:
    from .system import System

app = typer.Typer(
    no_args_is_help=True,
    help="The whole system on this machine: broker, database, mail server and services.",
)

INTERRUPTED = (
    "Stopped waiting. What has started runs on: make up goes on with it, make down ends it."
)
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="The system's state folder; the checkout's var/ by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Name = Annotated[
    Component, typer.Argument(metavar="<component>", help=f"One of {', '.join(COMPONENTS)}.")
]


@contextmanager
def _explained(interrupted: str = INTERRUPTED) -> Iterator[None]:
    """Turn what can be acted upon into a message and exit code 1; on Ctrl-C say `interrupted`."""
    import logging

    from .errors import LocalError

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it complains of is told by us
    try:
        yield
    except LocalError as error:
        typer.echo(f"{typer.style('Failed.', fg='red', bold=True)} {error.explain()}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(interrupted, err=True)
        raise typer.Exit(130) from None


def _print(answer: Mapping[str, object], lines: Iterable[str], *, as_json: bool) -> None:
    """Print the `answer` as JSON, or as `lines` for a person."""
    typer.echo(json.dumps(answer, indent=2) if as_json else "\n".join(lines))


def system_of(folder: Path | None) -> "System":
    """The system of the state folder; of the checkout's own where none is named."""
    from .system import System

    return System(StateFolder(folder.resolve()) if folder else default_folder())


@app.command()
def up(
    smtp: Annotated[
        str | None, typer.Option(help="A mail server to use instead of our own: smtp://host:port.")
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="BROBYG_CLOCK for all services: '<ISO start>;<factor>;<ISO anchor>', '' for the"
            " wall clock. Otherwise it stays what it was."
        ),
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Start everything that does not run yet, with its data kept, and wait until it is ready."""
    from .system import PROVIDER_SETTING

    with _explained():
        system = system_of(folder)
        settings = {"BROBYG_CLOCK": clock, "BROBYG_NOTIFICATION_SMTP": smtp}
        told = {name: value for name, value in settings.items() if value is not None}
        environment = system.up(told)
    where = system.folder
    names = ("portal", "referral", "matching", "notification", "reporting")
    database = environment["BROBYG_DATABASE"].rpartition("@")[2]
    addresses = {
        **{name: environment[f"BROBYG_{name.upper()}_URL"] for name in names},
        "kafka": environment["BROBYG_KAFKA"],
        "postgres": f"postgresql://{database}  (password in {where.environment})",
        "mail": f"{environment['BROBYG_NOTIFICATION_SMTP']}  (read in {where.mail})",
        "sign-in": environment[PROVIDER_SETTING] or "none",
    }
    answer = {
        "addresses": addresses,
        "taken_ports": system.cluster.ports.taken,
        "environment_file": str(where.environment),
    }
    lines = (f"  {name:<13} {address}" for name, address in addresses.items())
    last = "Next: .venv/bin/brobyg status, make demo, make down"
    _print(answer, ["Brobyg is up", *lines, last], as_json=as_json)


@app.command()
def down(folder: Folder = None, as_json: AsJson = False) -> None:
    """End every system of this checkout, tests' too, or the one of --folder; data are kept."""
    from .supervisor import running_folders
    from .system import System

    with _explained():
        systems = [system_of(folder)]
        if folder is None:
            systems += [System(one) for one in running_folders() if one != systems[0].folder]
        killed = [name for system in systems for name in system.down()]
    folders = [str(one.folder.path) for one in systems]
    had = f" Had to be killed: {', '.join(killed)}." if killed else ""
    _print(
        {"down": True, "killed": killed, "folders": folders},
        [
            *(f"Also ended: the system of {path}." for path in folders[1:]),
            f"Everything is down; its data is kept.{had}",
        ],
        as_json=as_json,
    )


@app.command()
def reset(folder: Folder = None) -> None:
    """End every system of this checkout, tests' too, or the one of --folder; remove its data."""
    from .state import ROOT
    from .system import System

    with _explained():
        systems = [system_of(folder)]
        if folder is None:
            kept = (
                path.parent for depth in ("*", "*/*") for path in ROOT.glob(f"var/{depth}/local")
            )
            systems += [System(StateFolder(path)) for path in sorted(kept)]
        for system in systems:
            system.reset()
    typer.echo("Everything is down and empty.")


@app.command()
def start(component: Name, folder: Folder = None) -> None:
    """Start one component and wait until it is ready."""
    with _explained():
        system_of(folder).start(component)
    typer.echo(f"{component} is up.")


@app.command()
def stop(component: Name, folder: Folder = None) -> None:
    """Stop one component cleanly."""
    with _explained():
        system_of(folder).stop(component)
    typer.echo(f"{component} is down.")


@app.command()
def restart(component: Name, folder: Folder = None) -> None:
    """Stop one component, start it again, and wait until it is ready."""
    with _explained():
        system = system_of(folder)
        system.stop(component)
        system.start(component)
    typer.echo(f"{component} is up again.")


@app.command()
def keys(folder: Folder = None) -> None:
    """Print keys as lines for .env, for docker-compose.yml; made once and kept in the folder."""
    import secrets

    from .keys import PORTAL_PUBLIC_KEYS, make_keys

    where = system_of(folder).folder
    with where.locked():
        made = make_keys(where)
    for name in ("BROBYG_TOKEN_SIGNING_KEY", "BROBYG_REPORTING_ANALYST_PASSWORD"):
        del made[name]  # used on this machine only
    made["BROBYG_PUBLIC_KEYS"] = made.pop("BROBYG_TOKEN_KEYS")
    made["BROBYG_PORTAL_PUBLIC_KEYS"] = str(
        Path(made["BROBYG_ISSUERS"]).with_name(PORTAL_PUBLIC_KEYS)
    )
    made["BROBYG_DATABASE_PASSWORD"] = secrets.token_urlsafe(18)
    typer.echo("\n".join(f"{name}={value}" for name, value in made.items()))


@app.command()
def cluster(folder: Folder = None, as_json: AsJson = False) -> None:
    """Start only broker and database; prints their addresses: eval "$(brobyg local cluster)"."""
    import shlex
    from dataclasses import asdict

    from .cluster import ensure
    from .state import given_settings

    with _explained():
        addresses = ensure(system_of(folder).folder.path, environment=given_settings())
    lines = (
        f"export BROBYG_KAFKA={shlex.quote(addresses.kafka)}",
        f"export BROBYG_DATABASE={shlex.quote(addresses.database)}",
    )
    _print(asdict(addresses), lines, as_json=as_json)


@app.command()
def demo(
    factor: Annotated[
        float | None,
        typer.Option(
            min=60.0,
            max=20_000.0,
            help="How many times faster than life the week goes; 5040, and less on a busy machine.",
            show_default=False,
        ),
    ] = None,
    folder: Folder = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON, the rest to standard error.")
    ] = False,
    no_play: Annotated[
        bool, typer.Option("--no-play", help="Start and register, but send no message.")
    ] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Empty the folder first, whatever is in it.")
    ] = False,
) -> None:
    """Play a hospital's week through the whole system and tell what happened.

    Exit code 1: the system did not start, or a promise was broken (it says which).
    """
    from .demo.run import run_demo

    with _explained(
        "Stopped, and what had started ends too. make demo begins again; make up goes on with the"
        " data at real speed."
    ):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        folder_of = system_of(folder).folder
        broken = run_demo(folder_of, factor, as_json=as_json, no_play=no_play, reset=reset)
    for sentence in broken:
        typer.echo(f"{typer.style('Broken:', fg='red', bold=True)} {sentence}", err=as_json)
    raise typer.Exit(1 if broken else 0)
