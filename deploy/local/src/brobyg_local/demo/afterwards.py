"""When the week is over: the rebuild is asked for, the figures are put together and everything is shown."""

from __future__ import annotations

import subprocess

import msgspec
from brobyg_contracts.domain import LOCAL_ZONE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from brobyg_local.places import ROOT
from brobyg_local.services import brobyg_command, clean_environment

from .outside import Outside, Unreachable, client, persist
from .quiet import Rest
from .story import Line, tell
from .summary import Aftermath, Summary

__all__ = [
    "Rebuild",
    "fetch_timeline",
    "look_back",
    "show_next",
    "show_story",
    "show_summary",
    "verify",
]

VERIFY_TIMEOUT = 180.0
TITLES = {
    "appointments_received": "appointments the hospital told of",
    "messages_received": "messages it took",
    "rejected": "  of them refused as broken",
    "dropped_without_consent": "  of them dropped: no consented referral",
    "referrals": "referrals",
    "volunteers": "volunteers",
    "booked": "appointments booked",
    "rescheduled": "  moved",
    "cancelled": "  cancelled",
    "completed": "  took place",
    "missed": "  nobody came",
    "offers": "offers to volunteers",
    "offers_accepted": "  accepted",
    "offers_declined": "  declined",
    "offers_expired": "  unanswered",
    "offers_withdrawn": "  withdrawn: another was first, or no longer needed",
    "matched": "volunteers found",
    "released": "  released again: moved or cancelled",
    "escalated": "handed to the coordinator",
    "notifications_sent": "mails sent",
    "notifications_failed": "  given up, mostly without an address",
    "events_published": "events in the history",
    "double_booked": "volunteers promised to two at once",
    "unpublished": "events not published",
    "dead_letters": "dead letters",
}


class Rebuild(msgspec.Struct, frozen=True):
    """What `brobyg reporting verify --json` tells."""

    seconds: float = 0.0
    equal: bool = False
    events: int = 0
    note: str = ""


def verify(outside: Outside) -> Rebuild:
    """Rebuild all projections from the stream and compare. Blocks for seconds. A command that fails counts as not equal."""
    done = subprocess.run(
        [brobyg_command(), "reporting", "verify", "--json"],
        env=clean_environment(outside.environment),
        capture_output=True,
        timeout=VERIFY_TIMEOUT,
        check=False,
        cwd=ROOT,
    )
    try:
        return msgspec.json.decode(done.stdout, type=Rebuild)
    except msgspec.DecodeError:
        said = (done.stderr or done.stdout).decode(errors="replace").split()
        return Rebuild(note=f"exit code {done.returncode}: {' '.join(said)[-400:]}")


class _Intake(msgspec.Struct):
    """GET /counts of referral: what was made of what came in, in messages."""

    rejected: int
    dropped_without_consent: int


async def look_back(outside: Outside, rest: Rest, rebuild: Rebuild) -> Aftermath:
    """What can be asked now that all is quiet. Blocks; raises `Unreachable`, also for an answer that tells no counts."""
    async with client() as http:
        headers = outside.tokens.header("analyst")
        answer = await persist(http, "GET", f"{outside.url('referral')}/counts", headers=headers)
    if answer.status_code != 200:
        raise Unreachable(
            f"referral does not tell what it counted: it answered {answer.status_code}"
        )
    try:
        intake = msgspec.json.decode(answer.content, type=_Intake)
    except msgspec.DecodeError as error:
        raise Unreachable(
            "referral does not tell what it counted: its answer has another form"
        ) from error
    return Aftermath(
        dropped_without_consent=intake.dropped_without_consent,
        rejected=intake.rejected,
        unpublished=rest.unpublished,
        dead_letters=rest.dead_letters,
        rebuild_seconds=rebuild.seconds,
        rebuild_equals_live=rebuild.equal,
        quiet=rest.quiet,
    )


class _Timeline(msgspec.Struct):
    events: list[Line]


async def fetch_timeline(outside: Outside, referral_id: str) -> list[Line]:
    """All that happened to one referral, as reporting tells it. Blocks; raises `Unreachable` or a DecodeError."""
    async with client() as http:
        headers = outside.tokens.header("analyst")
        answer = await persist(
            http,
            "GET",
            f"{outside.url('reporting')}/referrals/{referral_id}/timeline",
            headers=headers,
        )
    return msgspec.json.decode(answer.content, type=_Timeline).events


def show_summary(console: Console, summary: Summary) -> None:
    """The table of what happened."""
    table = Table(title="What happened", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, title in TITLES.items():
        table.add_row(title, str(getattr(summary, name)))
    console.print(table)


def show_story(console: Console, timeline: list[Line], wanted: frozenset[str]) -> None:
    """The story of the `wanted` events, a line each."""
    console.print("\n[bold]One citizen's story[/], from the event history")
    for when, sentence in tell(timeline, wanted):
        console.print(f"  {when}  {escape(sentence)}", highlight=False, soft_wrap=True)


BOOK_ONE_MORE = (
    'curl -H "Authorization: Bearer $(.venv/bin/brobyg token --role hospital --organisation hospital-randers)"'
    ' -H "Content-Type: application/fhir+json" -d @examples/hospital-week/one-more-booking.json'
)


def show_next(console: Console, outside: Outside, referral_id: str, pathname: str) -> None:
    """Addresses, sign-ins, mails, and what to try next."""
    now = outside.clock.now().astimezone(LOCAL_ZONE)
    sign_in = ".venv/bin/brobyg token --role"
    lines = [
        (
            "its clock",
            f"{now:%A %-d %B %Y, %H:%M}, at its natural pace from here on: book later than that",
        ),
        ("portal", f"{outside.url('portal')}/answer/...  (by the links in the mails)"),
        *(
            (service, f"{outside.url(service)}/docs")
            for service in ("referral", "matching", "notification", "reporting")
        ),
        ("kafka", outside.kafka),
        ("mails", f"{outside.mail} (one .eml file each)"),
        ("figures", pathname),
        ("sign-ins", f"{sign_in} coordinator --department randers"),
        ("", f"{sign_in} referrer --organisation gp-4411"),
        ("", f"{sign_in} hospital --organisation hospital-randers"),
        ("", f"{sign_in} analyst"),
    ]
    console.print("\n[bold]The system is up[/]")
    for name, text in lines:
        console.print(f"  {name:<13} {text}", highlight=False, soft_wrap=True, markup=False)
    console.print("\n[bold]Try next[/]")
    reporting = outside.url("reporting")
    for command in (
        ".venv/bin/brobyg status",
        f'curl -H "Authorization: Bearer $(.venv/bin/brobyg token --role analyst)" {reporting}/referrals/{referral_id}/timeline',
        ".venv/bin/brobyg reporting verify",
        f"{BOOK_ONE_MORE} {outside.url('referral')}/fhir/Appointment",
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)
    console.print(
        "The last books one more appointment: three volunteers get a mail, and their links are open.",
        soft_wrap=True,
    )
    console.print("make down ends it; what was there is kept until the next make demo.")
