"""When the week is over: the rebuild is compared, counts are collected, and everything is shown."""

import subprocess

import msgspec
from brobyg_contracts.domain import LOCAL_ZONE
from rich.console import Console
from rich.table import Table

from brobyg_local.errors import ServiceUnreachable
from brobyg_local.services import BROBYG
from brobyg_local.sign_ins import sign_ins
from brobyg_local.state import ROOT
from brobyg_local.supervisor import without_settings

from .access import SystemAccess, http_client, send_until_answered
from .story import Line, tell
from .summary import IntakeCounts, Rebuild, Summary
from .tally import BEHIND

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
    "answers_late": "  answered too late: another was first, or it was over",
    "offers_withdrawn": "  withdrawn: another was first, or no longer needed",
    "matched": "volunteers found",
    "released": "  released again: moved or cancelled",
    "escalated": "handed to the coordinator",
    "notifications_sent": "mails sent",
    "notifications_failed": "  given up, mostly without an address",
    "attention_raised": "things that needed a human",
    "attention_settled": "  settled",
    "citizen_clashes": "appointments of one citizen that clashed or were one way",
    "events_published": "events in the history",
    "double_booked": "helpers promised to two at once",
    "erased": "citizens who asked to be erased, and are",
    "canaries_before": "  times found before, with their owner alone",
    "canaries_found": "  times found afterwards, wherever anything is kept or shown",
    "unpublished": "events not published",
    "dead_letters": "dead letters",
}


def verify_rebuild(access: SystemAccess) -> Rebuild:
    """Rebuild all projections from the stream and compare. Blocks for seconds.

    A command that fails counts as not equal.
    """
    done = subprocess.run(
        [BROBYG, "reporting", "verify", "--json"],
        env={**without_settings(), **access.environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=ROOT,
    )
    try:
        return msgspec.json.decode(done.stdout, type=Rebuild)
    except msgspec.DecodeError:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        return Rebuild(note=f"exit code {done.returncode}: {said}")


async def fetch_intake(access: SystemAccess) -> IntakeCounts:
    """What referral has counted. Raises `ServiceUnreachable`, also for an answer without counts."""
    try:
        return msgspec.json.decode(await _ask(access, "referral", "/counts"), type=IntakeCounts)
    except msgspec.DecodeError as error:
        raise ServiceUnreachable("referral's answer does not tell its counts") from error


async def fetch_timeline(access: SystemAccess, referral_id: str) -> list[Line]:
    """All events of one referral, as reporting tells them. Raises `ServiceUnreachable`."""
    answer = await _ask(access, "reporting", f"/referrals/{referral_id}/timeline")
    return msgspec.convert(msgspec.json.decode(answer)["events"], list[Line])


async def _ask(access: SystemAccess, service: str, path: str) -> bytes:
    async with http_client() as http:
        url, headers = f"{access.url(service)}{path}", access.sign_in("analyst")
        answer = await send_until_answered(http, "GET", url, headers=headers)
    if answer.status_code != 200:
        raise ServiceUnreachable(
            f"{service} does not tell its counts or its timeline: it answered {answer.status_code}"
        )
    return answer.content


def show_summary(console: Console, summary: Summary, factor: float) -> None:
    """The table of what happened, and whether this machine could follow at this `factor`."""
    table = Table(title="What happened", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    figures = summary.figures()
    for name, title in TITLES.items():
        table.add_row(title, str(figures[name]))
    console.print(table)
    same = "gives the same state as the live one"
    if not summary.rebuild_equals_live:
        same = "does NOT give the live state"
    took = f"{summary.rebuild_seconds:.1f} s"
    print_line(console, f"A rebuild from the stream took {took} and {same}.")
    if summary.late_seconds > BEHIND:
        print_line(
            console,
            f"This machine was up to {summary.late_seconds} s behind: some answers came too late"
            f" for that alone. --factor {factor / 2:g} gives everybody twice the time.",
        )


def show_story(console: Console, timeline: list[Line], wanted: frozenset[str]) -> None:
    """The story of the `wanted` events, a line each."""
    print_line(console, "\nOne citizen's story, from the event history", style="bold")
    for when, sentence in tell(timeline, wanted):
        print_line(console, f"  {when}  {sentence}")


BOOK_ONE_MORE = (
    'curl -H "Authorization: Bearer $(.venv/bin/brobyg token --role hospital --organisation'
    ' hospital-randers)" -H "Content-Type: application/fhir+json"'
    " -d @examples/hospital-week/one-more-booking.json"
)


def show_next(
    console: Console, access: SystemAccess, referral_id: str, need_id: str, figures: str
) -> None:
    """The portal and its sign-ins, addresses, mails, and what to try next.

    `figures` is the summary's file.
    """
    now = access.clock.now().astimezone(LOCAL_ZONE)
    sign_in = ".venv/bin/brobyg token --role"
    addresses = {
        "portal": f"{access.url('portal')}  (sign in by choosing who you are, without a password)",
        "": f"as {', '.join(user.id for user in sign_ins().user)}",
        "answers": f"{access.url('portal')}/answer/...  (by the links in the mails)",
        "its clock": f"{now:%A %-d %B %Y, %H:%M}, at real speed from here on: book later than that",
        **{
            service: f"{access.url(service)}/docs"
            for service in ("referral", "matching", "notification", "reporting")
        },
        "kafka": access.kafka,
        "mails": f"{access.mail} (one .eml file each)",
        "figures": figures,
        "tokens": f"{sign_in} coordinator --department randers-norddjurs",
        " ": f"{sign_in} referrer --organisation gp-4411",
        "  ": f"{sign_in} hospital --organisation hospital-randers",
        "   ": f"{sign_in} analyst",
    }
    timeline = f"{access.url('reporting')}/referrals/{referral_id}/timeline"
    worklist = f"{access.url('reporting')}/attention"
    commands = (
        ".venv/bin/brobyg status",
        f".venv/bin/brobyg explain {need_id}",
        f'curl -H "Authorization: Bearer $({sign_in} coordinator)" {worklist}',
        f'curl -H "Authorization: Bearer $({sign_in} analyst)" {timeline}',
        ".venv/bin/brobyg reporting verify",
        f"{BOOK_ONE_MORE} {access.url('referral')}/fhir/Appointment",
    )
    print_line(console, "\nThe system is up", style="bold")
    for name, text in addresses.items():
        print_line(console, f"  {name:<13} {text}")
    print_line(console, "\nTry next", style="bold")
    for command in commands:
        print_line(console, f"  {command}")
    print_line(
        console,
        "The last books one more appointment: three volunteers get a mail, and their links are"
        " open.\nmake down ends it; what was there is kept until the next make demo.",
    )


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print `text` as it is, without breaking its lines."""
    console.print(text, style=style, highlight=False, soft_wrap=True, markup=False)
