"""The matches that a transaction is about, in memory: loaded once, changed in order, saved once."""

from collections.abc import Callable, Iterable
from datetime import datetime

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_matching.domain.change import Change
from brobyg_matching.domain.match import Context, Match
from brobyg_matching.domain.referral import Referral
from brobyg_matching.domain.snapshot import Snapshot
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.errors import UnknownReferral
from brobyg_matching.metrics import MatchingMetrics
from brobyg_matching.ports import Loaded, Matches

#: What is done to one match; None for no effect.
Step = Callable[[Match, Context], Change | None]
#: The same about one volunteer.
VolunteerStep = Callable[[Match, str, Context], Change | None]


def about(volunteer_id: str, step: VolunteerStep) -> Step:
    """The step about this volunteer."""
    return lambda match, context: step(match, volunteer_id, context)


class WorkingSet:
    """Referrals, matches and the snapshot as changed so far.

    Only `apply` and `set_referral` change it.
    """

    def __init__(self, now: datetime, loaded: Loaded, snapshot: Snapshot) -> None:
        """Take what was loaded; `loaded` itself is not altered."""
        self._now, self._snapshot = now, snapshot
        self._referrals = dict(loaded.referrals)
        self._matches = dict(loaded.matches)
        self._of_referral: dict[str, set[str]] = {}
        for match in loaded.matches.values():
            self._of_referral.setdefault(match.referral_id, set()).add(match.appointment_id)
        #: In their order, each with the event that caused it.
        self._changes: list[tuple[Change, Event | None]] = []
        #: The referrals that have changed.
        self._changed_referrals: dict[str, Referral] = {}

    def match(self, appointment_id: str) -> Match | None:
        """The appointment's match, if there is one."""
        return self._matches.get(appointment_id)

    def matches_of(self, referral_id: str) -> list[Match]:
        """All loaded matches of the referral, in the order of their ids."""
        return [self._matches[one] for one in sorted(self._of_referral.get(referral_id, ()))]

    def context(self, referral_id: str) -> Context:
        """What a transition of this referral's matches may look at. Raises UnknownReferral."""
        referral = self._referrals.get(referral_id)
        if referral is None:
            raise UnknownReferral("the referral is not known here (yet)")
        return Context(self._now, policy_of(referral.pathway), referral, self._snapshot)

    def set_referral(self, referral: Referral) -> None:
        """Replace the referral."""
        self._referrals[referral.referral_id] = referral
        self._changed_referrals[referral.referral_id] = referral

    def apply(self, change: Change, cause: Event | None = None) -> None:
        """Replace the match and the snapshot by those of the change."""
        match = change.match
        self._matches[match.appointment_id] = match
        self._of_referral.setdefault(match.referral_id, set()).add(match.appointment_id)
        self._snapshot = change.snapshot
        self._changes.append((change, cause))

    def step(self, step: Step, matches: Iterable[Match], cause: Event | None = None) -> None:
        """Apply `step` to these matches, each as changed by the ones before."""
        for match in matches:
            change = step(match, self.context(match.referral_id))
            if change is not None:
                self.apply(change, cause)

    async def save(self, tx: Transaction, store: Matches, metrics: MatchingMetrics) -> None:
        """Write what has changed; it is counted when it is committed. Raises DoubleBooking."""
        await store.save(tx, self._changed_referrals.values(), self._changes)
        tx.after_commit(lambda: metrics.observe(change for change, _ in self._changes))


async def working_set(tx: Transaction, store: Matches, loaded: Loaded) -> WorkingSet:
    """What was loaded, with the snapshot that its matches need."""
    around = [(one.citizen_id, one.starts_at) for one in loaded.matches.values()]
    return WorkingSet(tx.now, loaded, await store.snapshot(tx, around))
