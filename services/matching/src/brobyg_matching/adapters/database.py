"""Searches, offers and decisions in PostgreSQL: loaded by array, locked in one order, written once."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.event import Event

from brobyg_matching.adapters import rows
from brobyg_matching.domain.match import WAVE, Change, Decision, Match, Offer
from brobyg_matching.domain.travel import policy_of
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Referral, Roster, World
from brobyg_matching.ports import Touched

#: Volunteers listed by id under one rule in a decision; the counts are always whole.
MAX_LISTED = 200

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
    "select citizen_id::text, appointment_id::text, volunteer_id::text from match"
    " where citizen_id = any($1::uuid[]) and volunteer_id is not null and ends_at <= $2"
)
_SAVE_REFERRALS = (
    "insert into referral select r.id, r.citizen, r.pathway, r.department, r.consented, string_to_array(r.languages, ','),"
    " r.gender, r.mobility, r.meeting, r.postcode from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[],"
    " $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])"
    " as r(id, citizen, pathway, department, consented, languages, gender, mobility, meeting, postcode)"
    " on conflict (referral_id) do update set consented = excluded.consented, languages = excluded.languages,"
    " gender_wish = excluded.gender_wish, mobility = excluded.mobility, meeting = excluded.meeting, postcode = excluded.postcode"
)
_SAVE_MATCHES = (
    "insert into match (appointment_id, referral_id, citizen_id, department, location_id, starts_at, ends_at, meeting, meet_at,"
    " state, reason, round, wave, opened_at, decide_by, match_id, offer_id, volunteer_id, leave_at, home_at, asked, unwilling)"
    " select m.a, m.b, m.c, m.d, m.e, m.f, m.g, m.h, m.i, m.j, m.k, m.l, m.m, m.n, m.o, m.p, m.q, m.r, m.s, m.t,"
    " string_to_array(m.u, ',')::uuid[], string_to_array(m.v, ',')::uuid[]"
    " from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],"
    " $9::timestamptz[], $10::text[], $11::text[], $12::int[], $13::int[], $14::timestamptz[], $15::timestamptz[], $16::uuid[],"
    " $17::uuid[], $18::uuid[], $19::timestamptz[], $20::timestamptz[], $21::text[], $22::text[])"
    " as m(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)"
    " on conflict (appointment_id) do update set location_id = excluded.location_id, starts_at = excluded.starts_at,"
    " ends_at = excluded.ends_at, meet_at = excluded.meet_at, state = excluded.state, reason = excluded.reason,"
    " round = excluded.round, wave = excluded.wave, opened_at = excluded.opened_at, decide_by = excluded.decide_by,"
    " match_id = excluded.match_id, offer_id = excluded.offer_id, volunteer_id = excluded.volunteer_id,"
    " leave_at = excluded.leave_at, home_at = excluded.home_at, asked = excluded.asked, unwilling = excluded.unwilling"
)
_SAVE_OFFERS = (
    "insert into offer (offer_id, appointment_id, volunteer_id, round, wave, rank, state, reason, distance_metres,"
    " known_to_citizen, made_at, expires_at, leave_at, meet_at, home_at, answered_at)"
    " select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::int[], $7::text[], $8::text[], $9::int[],"
    " $10::bool[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],"
    " $16::timestamptz[])"
    " on conflict (offer_id) do update set state = excluded.state, reason = excluded.reason, answered_at = excluded.answered_at"
)
_DECISION_COLUMNS = ("appointment_id", "round", "wave", "decided_at", "outcome", "could", "asked", "counts", "excluded")

Caused = tuple[Change, Event | None]


class PostgresStore:
    """`ports.Store` and `ports.Answers` on the service's own database."""

    def __init__(self) -> None:
        """Remembers the roster between transactions until a volunteer changes."""
        self._roster = Roster(())
        self._roster_mark: tuple[int, int] | None = None

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
        found = await tx.connection.fetch(statement, list(appointment_ids), list(all_of))
        offers: dict[str, list[Offer]] = {}
        if found:
            ids = [row["appointment_id"] for row in found]
            for row in await tx.connection.fetch(_LOAD_OFFERS, ids):
                offers.setdefault(row["appointment_id"], []).append(rows.offer_of(row))
        matches = {
            row["appointment_id"]: rows.match_of(row, tuple(offers.get(row["appointment_id"], ()))) for row in found
        }
        wanted = {*referral_ids, *(match.referral_id for match in matches.values())}
        referrals = await tx.connection.fetch(
            rows.SELECT_REFERRAL + " where referral_id = any($1::uuid[])", list(wanted)
        )
        return Touched({row["referral_id"]: rows.referral_of(row) for row in referrals}, matches)

    async def world(self, tx: Transaction, citizens: Collection[str], days: Sequence[date]) -> World:
        """See `ports.Store.world`."""
        connection, now = tx.connection, tx.clock.now()
        margin = timedelta(days=max(policy_of("escort").matching.fair_share_days, 7) + 2)
        since = datetime.combine(min(days), time(), UTC) - margin
        until = datetime.combine(max(days), time(), UTC) + margin
        commitments = await connection.fetch(_COMMITMENTS, since, until)
        asked = await connection.fetch(
            "select volunteer_id::text, count(*)::int as open from offer where state = 'open' group by volunteer_id"
        )
        known = await connection.fetch(_KNOWN, list(citizens), now)
        blocks = await connection.fetch(
            "select volunteer_id::text, citizen_id::text from block where citizen_id = any($1::uuid[])", list(citizens)
        )
        return World(
            await self._current_roster(tx),
            (rows.commitment_of(row) for row in commitments),
            ((row["volunteer_id"], row["open"]) for row in asked),
            ((row["citizen_id"], row["appointment_id"], row["volunteer_id"]) for row in known),
            ((row["volunteer_id"], row["citizen_id"]) for row in blocks),
        )

    async def _current_roster(self, tx: Transaction) -> Roster:
        """Volunteers are never deleted and a version only grows, so count and sum of versions tell whether anything changed."""
        row = await tx.connection.fetchrow("select count(*)::int, coalesce(sum(version), 0)::bigint from volunteer")
        mark = (row[0], row[1]) if row else (0, 0)
        if mark != self._roster_mark:
            found = await tx.connection.fetch(rows.SELECT_VOLUNTEER + " where status <> 'applied'")
            self._roster, self._roster_mark = Roster(rows.volunteer_of(row) for row in found), mark
        return self._roster

    async def save(self, tx: Transaction, referrals: Iterable[Referral], changes: Sequence[Caused]) -> None:
        """See `ports.Store.save`. Raises asyncpg.ExclusionViolationError when somebody would be in two places at once."""
        matches: dict[str, Match] = {}
        offers: dict[str, Offer] = {}
        decisions: list[Decision] = []
        for change, cause in changes:
            match = change.match
            matches[match.appointment_id] = match
            offers.update(change.offers)
            decisions += change.decisions
            for data in change.events:
                tx.emit(data, subject=match.referral_id, cause=cause)
            if change.timer is None:
                tx.unschedule(WAVE, match.appointment_id)
            elif change.timer is not False:
                tx.schedule(WAVE, match.appointment_id, change.timer)
        await _save_referrals(tx, list(referrals))
        await _save_matches(tx, list(matches.values()))
        await _save_offers(tx, list(offers.values()))
        await _save_decisions(tx, decisions)

    async def offer(self, tx: Transaction, offer_id: str) -> tuple[Match, Offer, Referral] | None:
        """See `ports.Answers.offer`. Blocks while the match is locked."""
        appointment_id = await tx.connection.fetchval(
            "select appointment_id::text from offer where offer_id = $1", offer_id
        )
        if appointment_id is None:
            return None
        touched = await self.load(tx, (), (appointment_id,), ())
        match = touched.matches[appointment_id]
        row = await tx.connection.fetchrow(rows.SELECT_OFFER + " where offer_id = $1", offer_id)
        return (match, rows.offer_of(row), touched.referrals[match.referral_id]) if row else None

    async def volunteer(self, tx: Transaction, volunteer_id: str) -> Volunteer | None:
        """See `ports.Answers.volunteer`. Blocks while the volunteer is locked."""
        row = await tx.connection.fetchrow(
            rows.SELECT_VOLUNTEER + " where volunteer_id = $1 for no key update", volunteer_id
        )
        return rows.volunteer_of(row) if row else None


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
        await tx.connection.execute(_SAVE_REFERRALS, *columns)


async def _save_matches(tx: Transaction, matches: list[Match]) -> None:
    if matches:
        columns = zip(
            *(
                (m.appointment_id, m.referral_id, m.citizen_id, m.department, m.location_id, m.starts_at, m.ends_at, m.meeting,
                 m.meet_at, m.state, m.reason, m.round, m.wave, m.opened_at, m.decide_by, m.match_id, m.offer_id,
                 m.volunteer_id, m.leave_at, m.home_at, ",".join(m.asked), ",".join(m.unwilling))
                for m in matches
            ),
            strict=True,
        )  # fmt: skip
        await tx.connection.execute(_SAVE_MATCHES, *columns)


async def _save_offers(tx: Transaction, offers: list[Offer]) -> None:
    if offers:
        await tx.connection.execute(_SAVE_OFFERS, *zip(*map(msgspec.structs.astuple, offers), strict=True))


async def _save_decisions(tx: Transaction, decisions: list[Decision]) -> None:
    if decisions:
        records = [
            (d.appointment_id, d.round, d.wave, d.decided_at, d.outcome, d.could, _json(d.asked),
             _json({rule: len(ids) for rule, ids in d.excluded.items()}),
             _json({rule: ids[:MAX_LISTED] for rule, ids in d.excluded.items()}))
            for d in decisions
        ]  # fmt: skip
        await tx.connection.copy_records_to_table("decision", records=records, columns=_DECISION_COLUMNS)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
