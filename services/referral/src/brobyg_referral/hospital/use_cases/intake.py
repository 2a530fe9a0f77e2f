"""The intake of the hospital's appointments, whether by HTTP or by Kafka.

Any number of messages is one transaction and a handful of statements: which of these citizens are
known and have an active referral (locked), what is known of these appointments, then decisions in
memory in the order received, then one write, one count and the events; metrics and logs follow the
commit. A message about a citizen without an active, consented referral is counted and not kept.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from brobyg_contracts.reference import Reference
from brobyg_kit.database import Transaction
from brobyg_kit.logs import get_logger
from brobyg_kit.restriction import restricted

from brobyg_referral.cases.ports import (
    ActiveReferral,
    AppointmentStore,
    Names,
    StoredAppointment,
    WithheldItems,
)
from brobyg_referral.cases.use_cases import attention
from brobyg_referral.cases.use_cases.attention import AttentionChange
from brobyg_referral.cases.use_cases.events import tell_of_appointment
from brobyg_referral.errors import Overtaken
from brobyg_referral.hospital.ports import IntakeChannel, IntakeCounts, IntakeOutcome
from brobyg_referral.hospital.use_cases.decisions import Decisions, Group, Result
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.people.ports import CitizenStore

log = get_logger(__name__)


class Intake:
    """Takes hospital messages in."""

    def __init__(
        self,
        citizens: CitizenStore,
        store: AppointmentStore,
        counts: IntakeCounts,
        withheld: WithheldItems,
        hasher: Hasher,
        metrics: ReferralMetrics,
        rising_versions: Collection[str] = (),
    ) -> None:
        """`rising_versions`: the organisations whose own versions of an appointment rise."""
        self._citizens, self._store, self._counts = citizens, store, counts
        self._withheld = withheld
        self._hasher, self._metrics = hasher, metrics
        self._rising_versions = rising_versions

    async def take(
        self,
        tx: Transaction,
        channel: IntakeChannel,
        organisation: str,
        groups: Sequence[Group],
        reference: Reference,
    ) -> list[list[Result]]:
        """Do what the groups ask, in order, and return a result for each of their entries.

        Nothing is raised for a refused one: it is in its result. Raises database errors.
        """
        decisions = await self._prepare(tx, channel, organisation, groups)
        results = [decisions.attempt(group) for group in groups]
        await self._store.save(tx, decisions.changed(), decisions.new_identifiers())
        for change, stored, cause in decisions.changes:
            tell_of_appointment(tx, change, stored, reference, cause)
        told, held = _by_restriction(decisions)
        await attention.tell(tx, told, reference)
        await self._withheld.keep(tx, held)
        counts: Counter[IntakeOutcome] = Counter(
            result.outcome for group in results for result in group
        )
        await self._counts.add(tx, channel, counts)
        tx.after_commit(lambda: self._record(channel, counts, told))
        return results

    def _record(
        self,
        channel: IntakeChannel,
        counts: Mapping[IntakeOutcome, int],
        changes: Sequence[AttentionChange],
    ) -> None:
        """Count and log, after the commit: a transaction may be tried several times."""
        for outcome, number in counts.items():
            self._metrics.appointments.labels(channel, outcome).inc(number)
        for one in changes:
            if one.needed:
                about = one.stored.appointment_id
                self._metrics.attention.labels(one.kind).inc()
                log.warning("appointment.needs_attention", kind=one.kind, appointment_id=about)

    async def _prepare(
        self, tx: Transaction, channel: IntakeChannel, organisation: str, groups: Sequence[Group]
    ) -> Decisions:
        """Lock and load what the requests are about; without any, nothing."""
        requests = [request for group in groups for request in group.requests]
        hashes = {cpr: self._hasher.cpr(cpr) for cpr in {one.appointment.cpr for one in requests}}
        citizens: dict[bytes, str] = {}
        locked: dict[str, ActiveReferral] = {}
        known: list[StoredAppointment] = []
        silent: set[str] = set()
        if requests:
            names = Names(
                organisation,
                {one for request in requests for one in request.appointment.identifiers}
                | {request.if_none_exist for request in requests if request.if_none_exist},
                {request.appointment_id for request in requests if request.appointment_id},
            )
            citizens = await self._citizens.ids_of(tx, hashes.values())
            locked, known = await self._lock(tx, citizens.values(), names)
            # Of those who are known too: of each a referral is locked, which a restriction takes.
            silent = await restricted(tx, {one.citizen_id for one in locked.values()})
        # Ids rise with time (UUIDv7): of several active referrals of a citizen the newest counts.
        newest = {locked[one].citizen_id: locked[one] for one in sorted(locked)}
        return Decisions(
            tx,
            channel,
            organisation,
            versions_rise=organisation in self._rising_versions,
            referrals={
                cpr: newest[citizens[key]]
                for cpr, key in hashes.items()
                if citizens.get(key) in newest
            },
            known=known,
            restricted=silent,
        )

    async def _lock(
        self, tx: Transaction, citizen_ids: Collection[str], names: Names
    ) -> tuple[dict[str, ActiveReferral], list[StoredAppointment]]:
        """The referrals, locked, and what is known, read after that: none but theirs.

        All anew where somebody has booked one of these appointments meanwhile, under another: one
        more lock beside those that are held could be waited for by two at once.
        """
        while True:
            async with self._store.locking(tx):
                locked = await self._store.lock_active_referrals(tx, citizen_ids, names)
                known = await self._store.find(tx, replace(names, entered_for=locked.keys()))
                if any(one.referral.referral_id not in locked for one in known):
                    raise Overtaken
                return locked, known


def _by_restriction(
    decisions: Decisions,
) -> tuple[list[AttentionChange], list[tuple[str, str, bool]]]:
    """What is told now; of citizens who are restricted kind, appointment and whether it is so."""
    told: list[AttentionChange] = []
    held: list[tuple[str, str, bool]] = []
    for one in decisions.attention:
        if one.stored.referral.citizen_id in decisions.restricted:
            held.append((one.kind, one.stored.appointment_id, one.needed))
        else:
            told.append(one)
    return told, held
