"""`brobyg export`: all that the system holds of a person, asked of every service (GDPR art. 15)."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from gettext import NullTranslations
from typing import Annotated, Any
from uuid import UUID

import httpx2
import msgspec
import typer
from pydantic import SecretStr

from brobyg_kit.catalogues import catalogue, written_in
from brobyg_kit.cli import fail, load_service, service_entry_points
from brobyg_kit.clock import WallClock
from brobyg_kit.domain import domain
from brobyg_kit.export_words import Words
from brobyg_kit.problems import GONE, ReceivedProblem
from brobyg_kit.service import Service
from brobyg_kit.service_token import ServiceToken
from brobyg_kit.settings import KitSettings
from brobyg_kit.tokens import issue_token

#: Exit code: a service could not be asked, or none for want of a token.
INCOMPLETE = 3
_TIMEOUT_SECONDS = 60.0
#: Whose a token is that the command issues for itself, and how long it is valid.
_SUBJECT, _LIFETIME = "command:export", timedelta(minutes=10)

app = typer.Typer(no_args_is_help=True)


class Section(msgspec.Struct):
    """What is held under one heading."""

    heading: str
    rows: list[dict[str, Any]]


class _Told(msgspec.Struct):
    sections: list[Section]


@dataclass(slots=True)
class Export:
    """What was found of a person."""

    kind: str
    person_id: str
    exported_at: str
    #: Whether every service has answered.
    complete: bool = True
    #: By service: why it is missing.
    missing: dict[str, str] = field(default_factory=dict)
    #: By service: what it holds.
    services: dict[str, list[Section]] = field(default_factory=dict)
    #: Services that say that they have erased the person.
    erased: list[str] = field(default_factory=list)


def _command(kind: str, people: str) -> Callable[..., None]:
    def export(
        person_id: Annotated[str, typer.Argument(metavar="ID", help="Who it is.")],
        as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
        language: Annotated[
            str, typer.Option(help="In which language it is written (ISO 639-1).")
        ] = domain().DEFAULT_LANGUAGE,
    ) -> None:
        try:
            person_id = str(UUID(person_id))
        except ValueError:  # its own text says less
            raise typer.BadParameter("an id is a UUID") from None
        try:
            language = written_in(domain().EXPORT_TEXTS, language)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        found = asyncio.run(collect(kind, people, person_id))
        if found.complete and not any(found.services.values()):
            fail("nothing is held of anybody of this id")
        texts = catalogue(domain().EXPORT_TEXTS, language)
        if as_json:
            typer.echo(json.dumps(asdict(found), default=msgspec.to_builtins, indent=2))
        else:
            for line in lines(found, language):
                typer.echo(line)
        if not found.complete:
            typer.secho(_why_incomplete(found, texts), err=True, fg="red")
            raise typer.Exit(INCOMPLETE)

    export.__doc__ = f"""Tell all that is held of a {kind}, by every service; each records it.

    Exit code 0 when every service has answered, 3 when one could not be asked: then the export is
    incomplete, and says so; or none, as there is no token to ask with. 1 when nobody of this id is
    a {kind}, or nothing is held: then nothing is told.
    """
    return export


for _kind, _people in domain().PEOPLE.items():
    app.command(_kind)(_command(_kind, _people))


async def collect(kind: str, people: str, person_id: str) -> Export:
    """Ask every service that may hold of them, first the one that knows who these people are.

    Where nobody of this id is one of them, no other is asked: it would tell of somebody else.
    """
    settings = KitSettings()
    token = _token(settings)
    found = Export(kind, person_id, settings.make_clock().now().isoformat(timespec="seconds"))
    owner = domain().OWNERS[people]
    holding = domain().services_with("GET", f"/{people}/{{person_id}}/export")
    names = [name for name in service_entry_points() if name in holding]
    services = map(load_service, sorted(names, key=lambda name: name != owner))
    async with httpx2.AsyncClient(trust_env=False, timeout=_TIMEOUT_SECONDS, auth=token) as client:
        for service in services:
            url = f"{address_of(service)}/{people}/{person_id}/export"
            known = await _ask(client, service.name, url, found)
            if known:
                continue
            if service.name == owner:
                fail(_nobody(kind))
            found.missing[service.name] = "404"  # another address's: each answers for any id
    found.complete = not found.missing
    return found


def address_of(service: Service) -> str:
    """Where the service is reached: BROBYG_<NAME>_URL, else its port on this machine."""
    name = service.name.upper()
    port = service.settings.model_fields[f"{service.name}_port"].default
    here = f"http://127.0.0.1:{os.environ.get(f'BROBYG_{name}_PORT', port)}"
    return os.environ.get(f"BROBYG_{name}_URL", here).rstrip("/")


def _token(settings: KitSettings) -> ServiceToken:
    """What to ask with: the settings' token, else one for minutes by the key of this system."""
    token = ServiceToken(settings, WallClock())
    if token.is_there:
        return token
    key = settings.token_signing_key
    if key is None or not key.is_file():
        fail(
            "there is no token here to ask with; set BROBYG_SERVICE_TOKEN to one of a service's or"
            " of data protection's, or start the system with 'make up', which has the key to issue"
            " one (brobyg token --role service)",
            INCOMPLETE,
        )
    made = issue_token(key, _SUBJECT, ["service"], WallClock(), lifetime=_LIFETIME)
    return ServiceToken(settings.model_copy(update={"service_token": SecretStr(made)}), WallClock())


def _nobody(kind: str) -> str:
    others = [one for one in domain().PEOPLE if one != kind]
    return f"nobody of this id is a {kind} here; try " + " or ".join(
        f"'brobyg export {one} ID'" for one in others
    )


async def _ask(client: httpx2.AsyncClient, name: str, url: str, found: Export) -> bool:
    """Whether the service may know the person: False when it says that it does not."""
    try:
        answer = await client.get(url)
    except httpx2.HTTPError as error:
        found.missing[name] = type(error).__name__
        return True
    try:
        if answer.status_code == 200:
            found.services[name] = msgspec.json.decode(answer.content, type=_Told).sections
            return True
        problem = msgspec.json.decode(answer.content, type=ReceivedProblem)
    except msgspec.MsgspecError:
        found.missing[name] = f"{answer.status_code}, not as agreed"
        return True
    if answer.status_code == 410 and problem.type == GONE:
        found.erased.append(name)
    elif answer.status_code == 404 and problem.type:
        return False
    else:
        found.missing[name] = str(answer.status_code)
    return True


def lines(found: Export, language: str) -> list[str]:
    """The export as people read it: who they are first, as the owner was asked first."""
    texts = catalogue(domain().EXPORT_TEXTS, language)
    say, words = texts.gettext, Words(texts, language)
    title = say("All that is held of you").rstrip()
    shown = [f"{title} ({say(found.kind)} {found.person_id}, {words.value(found.exported_at)})"]
    if not found.complete:
        shown += ["", _why_incomplete(found, texts)]
    shown += [
        f"{name}: {say('you were erased here; what follows is history about the id alone')}"
        for name in found.erased
    ]
    for name, sections in found.services.items():
        for section in sections:
            shown += ["", f"{say(section.heading)} ({name})"]
            for row in section.rows:
                shown += words.row(row)
    return shown


def _why_incomplete(found: Export, texts: NullTranslations) -> str:
    say = texts.gettext
    missing = ", ".join(f"{name} ({why})" for name, why in sorted(found.missing.items()))
    return f"{say('This is incomplete, try again later. These did not answer:')} {missing}"
