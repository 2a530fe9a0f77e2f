"""Searches, offers and decisions in PostgreSQL: loaded by array, locked in one order, written once."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import get_args

import msgspec
from brobyg_contracts import Pathway, VolunteerPaused
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_matching.adapters import rows
from brobyg_matching.adapters.volunteers import PostgresVolunteers
from brobyg_matching.domain.match import WAVE, Change, Decision, Match, Offer, have_met
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Referral, Roster, World
from brobyg_matching.ports import Touched

#: Volunteers listed by id under one rule in a decision; the counts are always whole.
MAX_LISTED = 200
#: Promises this far from an appointment's day can matter to it: its week, and the longest fair share of any pathway.
AROUND = timedelta(
    days=max(7, *(policy_of(name).matching.fair_share_days for name in get_args(Pathway))) + 2
)

_LOAD_MATCHES = (
    rows.SELECT_MATCH + " where appointment_id = any($1::uuid[]) or referral_id = any($2::uuid[])"
    " order by appointment_id for no key update"
)
_LOAD_OFFERS = (
    rows.SELECT_OFFER + " where appointment_id = any($1::uuid[]) and state in ('open', 'accepted')"
    " order by appointment_id, rank"
)
_COMMITMENTS = (
    "select appointment_id::text, volunteer_id::text, leave_at, home_at, starts_at from match"
    " where volunteer_id is not null and starts_at between $1 and $2"
)
_KNOWN = (
    "select citizen_id::text, appointment_id::text, volunteer_id::text, reason, ends_at from match"
    " where citizen_id = any($1::uuid[]) and volunteer_id is not null"
)
_BETWEEN = (
    "select o.appointment_id::text from offer o join match m using (appointment_id)"
    " where o.volunteer_id = $1 and o.state = 'open' and ($2::uuid is null or m.citizen_id = $2)"
    " union select appointment_id::text from match where volunteer_id = $1 and citizen_id = $2 and state = 'matched'"
)
_SAVE_REFERRALS = (
    "insert into referral select r.id, r.citizen, r.pathway, r.department, r.consented, string_to_array(r.languages, ','),"
    " r.gender, r.mobility, r.meeting, r.postcode from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[],"
    " $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])"
    " as r(id, citizen, pathway, department, consented, languages, gender, mobility, meeting, postcode)"
    " on conflict (referral_id) do update set consented = excluded.consented, languages = excluded.languages,"
    " gender_wish = excluded.gender_wish, mobility = excluded.mobility, meeting = excluded.meeting, postcode = excluded.postcode"
)
_MATCH_COLUMNS = (
    "appointment_id", "referral_id", "citizen_id", "department", "location_id", "starts_at", "ends_at", "meeting", "meet_at",
    "state", "reason", "round", "wave", "opened_at", "decide_by", "match_id", "offer_id", "volunteer_id", "leave_at", "home_at",
    "asked", "unwilling",
)  # fmt: skip
_UPDATE_MATCHES = (
    "update match set location_id = m.location, starts_at = m.starts, ends_at = m.ends, meet_at = m.meet, state = m.state,"
    " reason = m.reason, round = m.round, wave = m.wave, opened_at = m.opened, decide_by = m.decide, match_id = m.match,"
    " offer_id = m.offer, volunteer_id = m.volunteer, leave_at = m.leave, home_at = m.home,"
    " asked = string_to_array(m.asked, ',')::uuid[], unwilling = string_to_array(m.unwilling, ',')::uuid[]"
    " from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],"
    " $8::int[], $9::int[], $10::timestamptz[], $11::timestamptz[], $12::uuid[], $13::uuid[], $14::uuid[], $15::timestamptz[],"
    " $16::timestamptz[], $17::text[], $18::text[])"
    " as m(id, location, starts, ends, meet, state, reason, round, wave, opened, decide, match, offer, volunteer, leave, home,"
    " asked, unwilling) where appointment_id = m.id"
)
_UPDATE_OFFERS = (
    "update offer set state = o.state, reason = o.reason, answered_at = o.answered from"
    " unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) as o(id, state, reason, answered) where offer_id = o.id"
)
_DECISION_COLUMNS = (
    "appointment_id",
    "round",
    "wave",
    "decided_at",
    "outcome",
    "could",
    "asked",
    "counts",
    "excluded",
)

Caused = tuple[Change, Event | None]


class PostgresStore:
    """`ports.Store` and `ports.Answers` on the service's own database."""

    def __init__(self) -> None:
        """Remembers the roster between transactions until a volunteer changes."""
        self._roster = Roster(())
        self._roster_mark: str | None = None

    async def load(
        self,
        tx: Transaction,
        referral_ids: Collection[str],
        appointment_ids: Collection[str],
        all_of: Collection[str],
        *,
        wait: bool = True,
    ) -> Touched:
        """See `ports.Store.load`. Blocks while somebody else holds one of the matches, unless `wait` is false."""
        statement = _LOAD_MATCHES if wait else f"{_LOAD_MATCHES} skip locked"
        found = await tx.driver.fetch(statement, list(appointment_ids), list(all_of))
        offers: dict[str, list[Offer]] = {}
        if found:
            ids = [row["appointment_id"] for row in found]
            for row in await tx.driver.fetch(_LOAD_OFFERS, ids):
                offers.setdefault(row["appointment_id"], []).append(rows.offer_of(row))
        matches = {
            row["appointment_id"]: rows.match_of(row, tuple(offers.get(row["appointment_id"], ())))
            for row in found
        }
        wanted = {*referral_ids, *(match.referral_id for match in matches.values())}
        referrals = await tx.driver.fetch(
            rows.SELECT_REFERRAL + " where referral_id = any($1::uuid[])", list(wanted)
        )
        return Touched({row["referral_id"]: rows.referral_of(row) for row in referrals}, matches)

    async def world(
        self, tx: Transaction, citizens: Collection[str], days: Sequence[date]
    ) -> World:
        """See `ports.Store.world`."""
        connection, now = tx.driver, tx.clock.now()
        since = datetime.combine(min(days), time(), UTC) - AROUND
        until = datetime.combine(max(days), time(), UTC) + AROUND
        commitments = await connection.fetch(_COMMITMENTS, since, until)
        asked = await connection.fetch(
            "select volunteer_id::text, count(*)::int as open from offer where state = 'open' group by volunteer_id"
        )
        known = await connection.fetch(_KNOWN, list(citizens))
        blocks = await connection.fetch(
            "select volunteer_id::text, citizen_id::text from block where citizen_id = any($1::uuid[])",
            list(citizens),
        )
        return World(
            await self._current_roster(tx),
            (rows.commitment_of(row) for row in commitments),
            ((row["volunteer_id"], row["open"]) for row in asked),
            (
                (row["citizen_id"], row["appointment_id"], row["volunteer_id"])
                for row in known
                if have_met(row["reason"], row["ends_at"], now)
            ),
            ((row["volunteer_id"], row["citizen_id"]) for row in blocks),
        )

    async def _current_roster(self, tx: Transaction) -> Roster:
        """The roster, read again when the fingerprint of all ids and versions says that anything has changed."""
        mark: str | None = await tx.driver.fetchval(
            "select count(*) || ' ' || coalesce(sum(hashtextextended(volunteer_id::text, version)), 0) from volunteer"
        )
        if mark != self._roster_mark:
            found = await tx.driver.fetch(rows.SELECT_VOLUNTEER + " where status <> 'applied'")
            self._roster, self._roster_mark = Roster(rows.volunteer_of(row) for row in found), mark
        return self._roster

    async def save(
        self, tx: Transaction, referrals: Iterable[Referral], changes: Sequence[Caused]
    ) -> None:
        """See `ports.Store.save`. Raises asyncpg.ExclusionViolationError when somebody would be in two places at once."""
        written = _Written()
        for change, cause in changes:
            written.add(change)
            for data in change.events:
                tx.emit(data, subject=change.match.referral_id, cause=cause)
            if change.timer is None:
                tx.unschedule(WAVE, change.match.appointment_id)
            elif change.timer is not False:
                tx.schedule(WAVE, change.match.appointment_id, change.timer)
        await _save_referrals(tx, list(referrals))
        await written.save(tx)

    async def offer(self, tx: Transaction, offer_id: str) -> tuple[Match, Offer, Referral] | None:
        """See `ports.Answers.offer`. Blocks while the match is locked."""
        appointment_id = await tx.driver.fetchval(
            "select appointment_id::text from offer where offer_id = $1", offer_id
        )
        if appointment_id is None:
            return None
        touched = await self.load(tx, (), (appointment_id,), ())
        match = touched.matches[appointment_id]
        row = await tx.driver.fetchrow(rows.SELECT_OFFER + " where offer_id = $1", offer_id)
        return (match, rows.offer_of(row), touched.referrals[match.referral_id]) if row else None

    async def volunteer(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """See `ports.Answers.volunteer`. Blocks while the volunteer is locked."""
        return await PostgresVolunteers.locked(tx, volunteer_id)

    async def between(self, tx: Transaction, volunteer_id: str, citizen_id: str | None) -> set[str]:
        """See `ports.Store.between`."""
        return {row[0] for row in await tx.driver.fetch(_BETWEEN, volunteer_id, citizen_id)}

    async def knows(self, tx: Transaction, citizen_id: str) -> bool:
        """See `ports.Partings.knows`."""
        found = await tx.driver.fetchval(
            "select exists (select from referral where citizen_id = $1)", citizen_id
        )
        return bool(found)

    async def block(
        self, tx: Transaction, volunteer_id: str, citizen_id: str, asked_by: str
    ) -> None:
        """See `ports.Partings.block`."""
        await tx.driver.execute(
            "insert into block (volunteer_id, citizen_id, asked_by, blocked_at) values ($1, $2, $3, $4)"
            " on conflict (volunteer_id, citizen_id) do nothing",
            volunteer_id, citizen_id, asked_by, tx.now,
        )  # fmt: skip

    async def pause(self, tx: Transaction, volunteer: Volunteer) -> None:
        """See `ports.Partings.pause`."""
        await PostgresVolunteers.update(tx, volunteer)
        tx.emit(
            VolunteerPaused(volunteer_id=volunteer.volunteer_id), subject=volunteer.volunteer_id
        )


async def _save_referrals(tx: Transaction, referrals: list[Referral]) -> None:
    if referrals:
        columns = zip(
            *(
                (r.referral_id, r.citizen_id, r.pathway, r.department, r.consented, ",".join(sorted(r.needs.languages)),
                 r.needs.gender_wish, r.needs.mobility, r.needs.meeting, r.needs.postcode)
                for r in referrals
            ),
            strict=True,
        )  # fmt: skip
        await tx.driver.execute(_SAVE_REFERRALS, *columns)


class _Written:
    """What a batch leaves behind, each row once: new rows by COPY, which is several times quicker, known ones by one update."""

    def __init__(self) -> None:
        self.matches: dict[str, Match] = {}
        self.new_matches: set[str] = set()
        self.offers: dict[str, Offer] = {}
        self.new_offers: set[str] = set()
        self.decisions: list[Decision] = []

    def add(self, change: Change) -> None:
        """The change is the last word about its match and its offers so far."""
        appointment_id = change.match.appointment_id
        if change.before is None:
            self.new_matches.add(appointment_id)
        self.matches[appointment_id] = change.match
        # An offer is seen open here only when it is made: whatever else happens to one closes it.
        self.new_offers.update(one for one, offer in change.offers.items() if offer.state == "open")
        self.offers.update(change.offers)
        self.decisions += change.decisions

    async def save(self, tx: Transaction) -> None:
        """Write it all. Matches first: the offers refer to them."""
        new = [
            _match_record(match) for one, match in self.matches.items() if one in self.new_matches
        ]
        if new:
            await tx.driver.copy_records_to_table("match", records=new, columns=_MATCH_COLUMNS)
        await _update_matches(
            tx, [match for one, match in self.matches.items() if one not in self.new_matches]
        )
        made = [
            msgspec.structs.astuple(offer)
            for one, offer in self.offers.items()
            if one in self.new_offers
        ]
        if made:
            await tx.driver.copy_records_to_table(
                "offer", records=made, columns=Offer.__struct_fields__
            )
        await _update_offers(
            tx, [offer for one, offer in self.offers.items() if one not in self.new_offers]
        )
        await _save_decisions(tx, self.decisions)


def _match_record(m: Match) -> tuple[object, ...]:
    return (
        m.appointment_id, m.referral_id, m.citizen_id, m.department, m.location_id, m.starts_at, m.ends_at, m.meeting,
        m.meet_at, m.state, m.reason, m.round, m.wave, m.opened_at, m.decide_by, m.match_id, m.offer_id,
        m.volunteer_id, m.leave_at, m.home_at, m.asked, m.unwilling,
    )  # fmt: skip


async def _update_matches(tx: Transaction, matches: list[Match]) -> None:
    if matches:
        columns = zip(
            *(
                (m.appointment_id, m.location_id, m.starts_at, m.ends_at, m.meet_at, m.state, m.reason, m.round, m.wave,
                 m.opened_at, m.decide_by, m.match_id, m.offer_id, m.volunteer_id, m.leave_at, m.home_at,
                 ",".join(m.asked), ",".join(m.unwilling))
                for m in matches
            ),
            strict=True,
        )  # fmt: skip
        await tx.driver.execute(_UPDATE_MATCHES, *columns)


async def _update_offers(tx: Transaction, offers: list[Offer]) -> None:
    if offers:
        columns = zip(
            *((o.offer_id, o.state, o.reason, o.answered_at) for o in offers), strict=True
        )
        await tx.driver.execute(_UPDATE_OFFERS, *columns)


async def _save_decisions(tx: Transaction, decisions: list[Decision]) -> None:
    if decisions:
        records = [
            (d.appointment_id, d.round, d.wave, d.decided_at, d.outcome, d.could, _json(d.asked),
             _json({rule: len(ids) for rule, ids in d.excluded.items()}),
             _json({rule: ids[:MAX_LISTED] for rule, ids in d.excluded.items()}))
            for d in decisions
        ]  # fmt: skip
        await tx.driver.copy_records_to_table(
            "decision", records=records, columns=_DECISION_COLUMNS
        )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
