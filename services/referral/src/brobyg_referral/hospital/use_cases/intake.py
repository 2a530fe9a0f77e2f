"""The intake of the hospital's appointments, whether by HTTP or by Kafka.

Any number of messages is one transaction and a handful of statements: which of these citizens have
an active referral (locked), what is known of these appointments, then decisions in memory in the
order received, then one write, one count and the events; metrics and logs follow the commit. A
message about a citizen without an active, consented referral is counted and not kept.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from brobyg_kit.database import Transaction
from brobyg_kit.logs import get_logger

from brobyg_referral.cases.ports import (
    ActiveReferral,
    AppointmentStore,
    IntakeChannel,
    IntakeOutcome,
    Names,
    StoredAppointment,
)
from brobyg_referral.cases.use_cases.events import appointment_event
from brobyg_referral.hospital.use_cases.decisions import AttentionReason, Decisions, Group, Result
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.domain.hashing import Hasher

log = get_logger(__name__)


class Intake:
    """Takes hospital messages in."""

    def __init__(
        self,
        store: AppointmentStore,
        hasher: Hasher,
        metrics: ReferralMetrics,
        rising_versions: Collection[str] = (),
    ) -> None:
        """`rising_versions`: the organisations whose own versions of an appointment rise."""
        self._store, self._hasher, self._metrics = store, hasher, metrics
        self._rising_versions = rising_versions

    async def take(
        self,
        tx: Transaction,
        channel: IntakeChannel,
        organisation: str,
        groups: Sequence[Group],
    ) -> list[list[Result]]:
        """Do what the groups ask, in order, and return a result for each of their entries.

        Nothing is raised for a refused one: it is in its result. Raises database errors.
        """
        decisions = await self._prepare(tx, channel, organisation, groups)
        results = [decisions.attempt(group) for group in groups]
        await self._store.save(tx, decisions.changed(), decisions.new_identifiers())
        for change, stored, cause in decisions.changes:
            event = appointment_event(change, stored)
            tx.emit(event, subject=stored.referral.referral_id, cause=cause)
        counts: Counter[IntakeOutcome] = Counter(
            result.outcome for group in results for result in group
        )
        await self._store.count(tx, channel, counts)
        attention = decisions.attention
        tx.after_commit(lambda: self._record(channel, counts, attention))
        return results

    def _record(
        self,
        channel: IntakeChannel,
        counts: Mapping[IntakeOutcome, int],
        attention: Sequence[tuple[AttentionReason, str]],
    ) -> None:
        """Count and log, after the commit: a transaction may be tried several times."""
        for outcome, number in counts.items():
            self._metrics.appointments.labels(channel, outcome).inc(number)
        for reason, appointment_id in attention:
            self._metrics.attention.labels(reason).inc()
            log.warning("appointment.needs_attention", kind=reason, appointment_id=appointment_id)

    async def _prepare(
        self, tx: Transaction, channel: IntakeChannel, organisation: str, groups: Sequence[Group]
    ) -> Decisions:
        """Lock and load what the requests are about; without any, nothing."""
        requests = [request for group in groups for request in group.requests]
        hashes = {cpr: self._hasher.cpr(cpr) for cpr in {one.appointment.cpr for one in requests}}
        referrals: dict[bytes, ActiveReferral] = {}
        locked: frozenset[str] = frozenset()
        known: list[StoredAppointment] = []
        if requests:
            names = Names(
                organisation,
                {one for request in requests for one in request.appointment.identifiers}
                | {request.if_none_exist for request in requests if request.if_none_exist},
                {request.appointment_id for request in requests if request.appointment_id},
            )
            referrals, locked = await self._store.lock_active_referrals(tx, hashes.values(), names)
            # Read after the locks were got: what others have committed meanwhile is seen.
            known = await self._store.find(tx, names)
        return Decisions(
            tx,
            channel,
            organisation,
            versions_rise=organisation in self._rising_versions,
            referrals={cpr: referrals[key] for cpr, key in hashes.items() if key in referrals},
            locked=locked,
            known=known,
        )
