"""What happened, as figures: for the table, for summary.json, and for what must always hold."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from brobyg_contracts import events as contracts
from brobyg_kit.event import Event, EventData

from .clashes import citizen_clashes
from .erasure import Erased
from .history import double_booked
from .idle import IdleState
from .tally import Tally
from .week import Week


class IntakeCounts(msgspec.Struct, frozen=True):
    """GET /counts of referral: what was made of what came in, in messages."""

    rejected: int
    dropped_without_consent: int


class Rebuild(msgspec.Struct, frozen=True):
    """What `brobyg reporting verify --json` tells."""

    seconds: float = 0.0
    equal: bool = False
    events: int = 0
    note: str = ""


#: Figures that are counts of an event, by its key in the summary.
COUNTED: dict[str, type[EventData]] = {
    "referrals": contracts.ReferralCreated,
    "volunteers": contracts.HelperActivated,
    "booked": contracts.AppointmentBooked,
    "rescheduled": contracts.AppointmentRescheduled,
    "offers": contracts.OfferMade,
    "offers_accepted": contracts.OfferAccepted,
    "offers_declined": contracts.OfferDeclined,
    "offers_expired": contracts.OfferExpired,
    "offers_withdrawn": contracts.OfferWithdrawn,
    "matched": contracts.VolunteerMatched,
    "released": contracts.MatchReleased,
    "escalated": contracts.MatchEscalated,
    "completed": contracts.AppointmentCompleted,
    "missed": contracts.AppointmentMissed,
    "cancelled": contracts.AppointmentCancelled,
    "notifications_sent": contracts.NotificationSent,
    "notifications_failed": contracts.NotificationFailed,
    "attention_raised": contracts.AttentionRaised,
    "attention_settled": contracts.AttentionSettled,
}


#: Where nobody was to be erased.
NOBODY_ASKED = Erased()


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the whole week; seconds are wall seconds."""

    #: Events of the kinds in `COUNTED`, by its keys.
    counts: dict[str, int]
    appointments_received: int
    messages_received: int
    rejected: int
    rejected_expected: int
    dropped_without_consent: int
    dropped_expected: int
    #: Requests that were sent more often than once: each may have been counted again.
    sent_again: int
    events_published: int
    rebuild_seconds: float
    rebuild_equals_live: bool
    unpublished: int
    dead_letters: int
    double_booked: int
    #: Pairs of needs of one citizen that overlap or are one way.
    citizen_clashes: int
    #: As few as the week must have of them: fewer, and nothing is shown of clashes.
    least_clashes: int
    #: Those of them where nobody was told and that no single helper serves.
    clashes_unanswered: int
    #: Citizens who asked to be erased, and those of whom nobody has anything any more.
    erased_expected: int
    erased: int
    #: How often something of them was found afterwards: anywhere, and, which shows that the search
    #: does find, in the mails to them and in what the hospital itself wrote.
    canaries_found: int
    canaries_with_owner: int
    #: How often something of them was found before, where they are kept or with their owner, in
    #: which places, and how often anywhere else.
    canaries_before: int
    canaries_before_in: list[str]
    canaries_before_elsewhere: int
    #: Rows, records, lines, mails and files that were searched afterwards, by their kind.
    canaries_searched: dict[str, int]
    quiet: bool
    surprises: list[str]
    answers: dict[str, int]
    #: Wall seconds after its time at which the latest of the hospital's messages was taken.
    late_seconds: float
    seed: int
    started_at: str
    wall_seconds: float

    def figures(self) -> dict[str, object]:
        """All of it, flat: the content of `var/demo/summary.json`."""
        figures = msgspec.structs.asdict(self)
        late = {"answers_late": self.answers.get("late", 0)}
        return {**figures.pop("counts"), **figures, **late}

    def broken(self) -> list[str]:
        """The promises that were not kept, each in a sentence; empty when all is well."""
        rejected = self.rejected - self.rejected_expected
        dropped = self.dropped_without_consent - self.dropped_expected
        first = next(iter(self.surprises), "")
        broken = {
            f"{self.double_booked} times a helper was promised to two at once": (
                self.double_booked
            ),
            f"{self.clashes_unanswered} times a citizen's appointments clashed, and neither was the"
            " coordinator told nor one helper found for both": self.clashes_unanswered,
            f"{self.citizen_clashes} pairs of a citizen's appointments clashed or were one way, and"
            f" {self.least_clashes} or more are in the week": (
                self.citizen_clashes < self.least_clashes
            ),
            "a rebuild from the stream gives another state than the live one": (
                not self.rebuild_equals_live
            ),
            f"{self.unpublished} events were committed and not published": self.unpublished,
            f"{self.dead_letters} messages could not be handled and are in dead-letter queues": (
                self.dead_letters
            ),
            f"{self.erased_expected} citizens were to be erased, and {self.erased} are": (
                self.erased != self.erased_expected
            ),
            f"erased citizens were found {self.canaries_found} times": self.canaries_found,
            "the search for erased citizens does not even find their own mails": (
                self.erased_expected and not self.canaries_with_owner
            ),
            "the search did not find citizens where they are kept, before they were erased": (
                self.erased_expected and not self.canaries_before
            ),
            f"before they were erased, citizens were found {self.canaries_before_elsewhere} times"
            " where nothing of them is kept": self.canaries_before_elsewhere,
            "the system did not become idle": not self.quiet,
            f"{self.rejected} messages were refused as broken, and {self.rejected_expected} are": (
                not 0 <= rejected <= self.sent_again
            ),
            f"{self.dropped_without_consent} messages were dropped, and {self.dropped_expected} are"
            " of somebody without a referral": not 0 <= dropped <= self.sent_again,
            f"{len(self.surprises)} answers were not as expected, the first: {first}": (
                self.surprises
            ),
        }
        return [sentence for sentence, is_broken in broken.items() if is_broken]


def summarise(
    events: Sequence[Event],
    week: Week,
    tally: Tally,
    intake: IntakeCounts,
    idle: IdleState,
    rebuild: Rebuild,
    *,
    erased: Erased = NOBODY_ASKED,
    started_at: str,
    wall_seconds: float,
) -> Summary:
    """The figures, from the event history, what the players were told, and what was found after."""
    count = Counter(event.type for event in events)
    expected = Counter(message.expect for message in week.messages)
    clashes = citizen_clashes(events)
    return Summary(
        appointments_received=len(tally.keys),
        messages_received=tally.delivered.total(),
        rejected=intake.rejected,
        rejected_expected=expected["rejected"],
        dropped_without_consent=intake.dropped_without_consent,
        dropped_expected=expected["dropped"],
        sent_again=tally.again,
        counts={name: count[kind.EVENT_TYPE] for name, kind in COUNTED.items()},
        events_published=len(events),
        rebuild_seconds=rebuild.seconds,
        rebuild_equals_live=rebuild.equal,
        unpublished=idle.unpublished,
        dead_letters=idle.dead_letters,
        double_booked=double_booked(events),
        citizen_clashes=len(clashes),
        least_clashes=week.least_clashes,
        clashes_unanswered=sum(not one.answered for one in clashes),
        erased_expected=sum(one.canary for one in week.referrals),
        erased=erased.erased,
        canaries_found=erased.found,
        canaries_with_owner=erased.with_owner,
        canaries_before=erased.before,
        canaries_before_in=list(erased.held),
        canaries_before_elsewhere=erased.before_elsewhere,
        canaries_searched=erased.searched,
        quiet=idle.idle,
        surprises=list(tally.surprises),
        answers=dict(tally.answers),
        late_seconds=round(tally.late_seconds, 1),
        seed=week.seed,
        started_at=started_at,
        wall_seconds=round(wall_seconds, 1),
    )
