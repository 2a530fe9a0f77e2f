"""What three services hold of so many living citizens, written by SQL: each has a key, an identity,
what a search finds them by, consents, a referral, appointments to come, needs that were and are
searched for, and messages about them.
"""

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from brobyg_contracts import CitizenErased, CitizenRecorded
from brobyg_kit.auth import Caller
from brobyg_kit.database import Database
from brobyg_kit.event import TOMBSTONE, Event, encode_data
from brobyg_kit.health import Health
from brobyg_kit.ids import derived_id
from brobyg_kit.person_keys import PersonKeys
from brobyg_kit.service import Parts, Resources, Service
from brobyg_kit.vault import Vault
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_notification.bootstrap import SERVICE as NOTIFICATION
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from brobyg_referral.cases.adapters.appointments import PostgresAppointments
from brobyg_referral.cases.adapters.attention import PostgresOpenItems
from brobyg_referral.cases.adapters.consents import PostgresConsents
from brobyg_referral.cases.adapters.referrals import PostgresReferrals
from brobyg_referral.cases.adapters.requests import PostgresRequests
from brobyg_referral.cases.adapters.retention import PostgresCourses
from brobyg_referral.cases.use_cases.ending import Ending
from brobyg_referral.cases.use_cases.erasure import Erasing
from brobyg_referral.metrics import ReferralMetrics
from brobyg_referral.people.adapters.citizens import PostgresCitizens
from brobyg_referral.people.adapters.tables import person_key
from brobyg_referral.people.domain.hashing import Hasher
from brobyg_referral.reference.adapters.entries import CurrentReference, PostgresEntries
from brobyg_referral.reference.adapters.files import read_folder
from prometheus_client import CollectorRegistry

from benchmarks.ground import Ground, database, driver

_KEY = base64.b64encode(b"k" * 32).decode()
_SETTINGS: dict[str, dict[str, str]] = {
    "matching": {
        "matching_encryption_key": _KEY,
        "matching_lookup_key": _KEY,
        "matching_link_keys": "k" * 32,
        "matching_registration_keys": "r" * 32,
    },
    "notification": {
        "notification_smtp": "smtp://127.0.0.1:1",
        "notification_sender": "Brobyg <brobyg@example.org>",
        "notification_coordinators": "randers=coordinator@example.org",
        "portal_url": "http://portal.example.org",
    },
}
#: What a citizen of an ordinary name is found by.
NAME_TOKENS = 50
#: `$1` is how many citizens there are. `u` makes the same id of the same words.
_ID = """create function pg_temp.u(word text, n bigint) returns uuid immutable language sql
 as $$ select md5(word || n)::uuid $$"""
_CITIZENS = "generate_series(1, $1::bigint) n"
_TWICE = f"{_CITIZENS}, generate_series(1, 2) k"
_STARTS = "now() + (k * 2 - 3) * interval '2 days'"
#: A tenth as many as citizens.
_ITS_HELPER = "pg_temp.u('helper', (n + o) % greatest($1::bigint / 10, 4))"
_FILL: dict[str, list[str]] = {
    "referral": [
        f"""insert into citizen (citizen_id, cpr_hash, sealed, record, created_at)
 select pg_temp.u('citizen', n), sha256(('cpr' || n)::bytea), decode(repeat('5e', 300), 'hex'),
 '{{"languages": ["da"], "gender_wish": null, "mobility": "independent", "meeting": "home",
 "postcode": "8900"}}', now() from {_CITIZENS}""",
        f"""insert into person_key (person_id, master_key_id, wrapped)
 select pg_temp.u('citizen', n), '0123456789abcdef', decode(repeat('4b', 60), 'hex')
 from {_CITIZENS}""",
        # Half of what finds a citizen finds others too, the first letters of a name most of all.
        f"""insert into name_token (citizen_id, token)
 select pg_temp.u('citizen', n),
 substring(sha256((k || '-' || case when k <= 25 then n % (20 * k) else n end)::bytea) for 16)
 from {_CITIZENS}, generate_series(1, {NAME_TOKENS}) k""",
        f"""insert into referral (referral_id, citizen_id, pathway, department, municipality_code,
 referrer_kind, organisation, status, created_at)
 select pg_temp.u('referral', n), pg_temp.u('citizen', n), 'escort', 'randers-norddjurs', '0730',
 'gp', 'gp-4411', 'active', now() from {_CITIZENS}""",
        # That to messages was given in an older text before.
        f"""insert into consent (citizen_id, referral_id, scope, text_id, text_version, how,
 by_guardian, given_at, taken_by, taken_role, replaced_at)
 select pg_temp.u('citizen', n), pg_temp.u('referral', n), scope, scope, version, 'oral', false,
 now(), 'anna', 'coordinator', case when version = 1 then now() end
 from {_CITIZENS}, (values ('processing', 2), ('contact', 1), ('contact', 2)) c (scope, version)""",
        f"""insert into appointment (appointment_id, organisation, is_entered, referral_id,
 citizen_id, status, starts_at, ends_at, location_id, patient_status, location_status,
 last_updated, announced, announced_starts_at, announced_ends_at, announced_location_id, version)
 select pg_temp.u('need', 2 * n + k), 'hospital', false, pg_temp.u('referral', n),
 pg_temp.u('citizen', n), 'booked', now() + k * interval '1 day', now() + k * interval '25 hours',
 'randers-hospital', 'accepted', 'accepted', now(), 'booked', now() + k * interval '1 day',
 now() + k * interval '25 hours', 'randers-hospital', 1 from {_TWICE}""",
        # Of each referral, and of an appointment that somebody entered.
        f"""insert into idempotency_key (sender, key_hash, request_hash, made_id, created_at)
 select 'gp-4411', sha256((k || '-' || n)::bytea), sha256(n::text::bytea),
 case k when 1 then pg_temp.u('referral', n) else pg_temp.u('need', 2 * n + k) end, now()
 from {_TWICE}""",
        f"""insert into appointment_identifier (organisation, system, value, appointment_id)
 select 'hospital', 'https://hospital.example/appointments', 2 * n + k,
 pg_temp.u('need', 2 * n + k) from {_TWICE}""",
        f"""insert into access_entry (person_id, purpose, reader, read_at, roles)
 select pg_temp.u('citizen', n), 'message', 'notification', now(), '{{service}}'
 from {_TWICE}""",
    ],
    "matching": [
        """insert into helper (helper_id, status, pools, departments, languages, gender,
 competences, home_postcode, range_metres, travel, availability, away, weekly_limit, registered_at)
 select pg_temp.u('helper', n), 'active', '{student}', '{randers-norddjurs}', '{da}',
 'female', '{}', '8900', 30000, 'car', '[]', '{}', 5, now()
 from generate_series(0, greatest($1::bigint / 10, 4)) n""",
        f"""insert into citizen (citizen_id, languages, mobility, meeting, postcode)
 select pg_temp.u('citizen', n), '{{da}}', 'independent', 'home', '8900' from {_CITIZENS}""",
        f"""insert into consent (referral_id, citizen_id, given)
 select pg_temp.u('referral', n), pg_temp.u('citizen', n), true from {_CITIZENS}""",
        # The first was matched and is over, helpers are asked for the second.
        f"""insert into need (need_id, about_kind, about_id, pathway, department, mode, priority,
 competences, crew, referral_id, citizen_id, location_id, starts_at, ends_at, state, reason,
 opened_at, closed_at, meet_at, attention, waits)
 select pg_temp.u('need', 2 * n + k), 'appointment', pg_temp.u('need', 2 * n + k), 'escort',
 'randers-norddjurs', 'in_person', 5, '{{}}', '[{{"role":"companion","least":1,"wanted":1}}]',
 pg_temp.u('referral', n), pg_temp.u('citizen', n), 'randers-hospital', {_STARTS},
 {_STARTS} + interval '1 hour', case k when 1 then 'closed' else 'open' end,
 case k when 1 then 'completed' end, now() - interval '5 days', case k when 1 then now() end,
 {_STARTS} - interval '1 hour', '{{}}', false from {_TWICE}""",
        f"""insert into seat (need_id, no, role, state, round, wave, searched_at, decide_by, due_at,
 leave_at, meet_at, home_at, asked, unwilling, withdrawn)
 select pg_temp.u('need', 2 * n + k), 1, 'companion',
 case k when 1 then 'closed' else 'searching' end, 1, 1, now(), {_STARTS}, now() + interval '8 h',
 {_STARTS}, {_STARTS}, {_STARTS}, '{{}}', '{{}}', '{{}}' from {_TWICE}""",
        f"""insert into timer (kind, subject, due_at, next_attempt_at)
 select 'need-search', pg_temp.u('need', 2 * n + 2)::text, now() + interval '8 h',
 now() + interval '8 h' from {_CITIZENS}""",
        f"""insert into offer (offer_id, need_id, seat_no, helper_id, round, wave, rank, state,
 distance_metres, known_to_citizen, made_at, expires_at, leave_at, meet_at, home_at)
 select pg_temp.u('offer', 10 * (2 * n + k) + o), pg_temp.u('need', 2 * n + k), 1,
 {_ITS_HELPER}, 1, 1, o, case k when 1 then 'expired' else 'open' end, 4210, false, now(),
 now() + interval '8 h', {_STARTS}, {_STARTS}, {_STARTS} from {_TWICE}, generate_series(0, 2) o""",
        f"""insert into booking (need_id, seat_no, holder, span, exclusive)
 select pg_temp.u('need', 2 * n + 1), 1, {_ITS_HELPER}::text,
 tstzrange(now() - interval '25 hours', now()), false
 from {_CITIZENS}, generate_series(0, 0) o""",
        f"""insert into block (citizen_id, helper_id, asked_by, blocked_at)
 select pg_temp.u('citizen', n), {_ITS_HELPER}, 'citizen', now()
 from {_CITIZENS}, generate_series(3, 3) o""",
    ],
    "notification": [
        f"""insert into notification (notification_id, template, recipient_role, recipient_id,
 need_id, referral_id, pathway, department, cause, cause_event, thread, state, due_at, created_at,
 ended_at)
 select pg_temp.u(role, 2 * n + k), 'matched_' || role, role,
 case role when 'citizen' then pg_temp.u('citizen', n) else pg_temp.u('helper', n % 9) end::text,
 pg_temp.u('need', 2 * n + k), pg_temp.u('referral', n), 'escort', 'randers-norddjurs',
 pg_temp.u('cause', 2 * n + k), '{{}}', role || (2 * n + k), 'sent', now(), now(), now()
 from {_TWICE}, unnest(array['citizen', 'helper']) role""",
    ],
}
_FILL_SECONDS = 600.0
_OTHERS: tuple[Service, ...] = (MATCHING, NOTIFICATION)
_REFERENCE = Path(__file__).parents[1] / "schemas" / "reference"
_COORDINATOR = Caller("anna", frozenset({"coordinator"}), department="randers-norddjurs")


@dataclass(frozen=True, slots=True)
class Held:
    """What the three services hold of `citizens` people."""

    citizens: int
    referral: Database
    erasing: Erasing
    #: The services that hear of it.
    others: tuple[tuple[Database, Parts], ...]

    async def erase(self, number: int) -> None:
        """Erase this citizen everywhere, each service in its own transactions as in life."""
        async with self.referral.transaction() as tx:
            await self.erasing.erase(tx, _COORDINATOR, citizen(number), "requested")
        # They come by two topics.
        for event in (_deleted(number), _erased(number)):
            for other, parts in self.others:
                assert parts.handle is not None
                async with other.transaction() as tx:
                    await parts.handle(tx, [event])


def _erased(number: int) -> Event:
    """That the citizen of this number was erased, as the history says it."""
    citizen_id = citizen(number)
    data = CitizenErased(citizen_id=citizen_id, reason="requested")
    event_id = derived_id("erasure", citizen_id)
    return Event(
        id=event_id,
        source="referral",
        type=data.EVENT_TYPE,
        subject=citizen_id,
        time=datetime.now(UTC),
        dataschema=data.DATASCHEMA,
        correlationid=event_id,
        sequence=1,
        data=encode_data(data),
    )


def _deleted(number: int) -> Event:
    """That the citizen's record was deleted, as the compacted topic tells it."""
    like = _erased(number)
    event_id = derived_id("deletion", like.subject)
    return msgspec.structs.replace(like, id=event_id, type=TOMBSTONE, source=CitizenRecorded.TOPIC)


def citizen(number: int) -> str:
    """The id of the citizen of this number, as `_FILL` makes it."""
    text = f"citizen{number}".encode()
    return str(uuid.UUID(hashlib.md5(text, usedforsecurity=False).hexdigest()))


@asynccontextmanager
async def held(on: Ground, citizens: int) -> AsyncIterator[Held]:
    """Databases of their own with so many citizens, gone after the block."""
    async with AsyncExitStack() as stack:
        made = {}
        for service in (REFERRAL, *_OTHERS):
            new = await stack.enter_async_context(database(on.database, service.name, service))
            await _fill(new, _FILL[service.name], citizens)
            made[service.name] = new
        await _store_reference(made["referral"])
        parts = [(service, _parts(on, service, made[service.name])) for service in _OTHERS]
        try:
            others = tuple((made[service.name], one) for service, one in parts)
            yield Held(citizens, made["referral"], _erasing(), others)
        finally:
            for _, one in parts:
                for close in one.closers:
                    await close()


def _erasing() -> Erasing:
    """As referral puts it together."""
    hasher, vault = Hasher(b"k" * 32), Vault([b"k" * 32])
    citizens = PostgresCitizens(PersonKeys(person_key, vault), hasher)
    referrals, reference = PostgresReferrals(), CurrentReference(PostgresEntries())
    metrics = ReferralMetrics(CollectorRegistry())
    ending = Ending(referrals, PostgresConsents(), PostgresAppointments(), metrics)
    requests, courses = PostgresRequests(), PostgresCourses()
    items = PostgresOpenItems()
    return Erasing(citizens, referrals, requests, courses, items, reference, ending)


async def _store_reference(into: Database) -> None:
    records = [entry.record for entry in read_folder(_REFERENCE)]
    async with into.transaction() as tx:
        await PostgresEntries().save(tx, records)


async def _fill(into: Database, statements: list[str], citizens: int) -> None:
    async with driver(into) as connection:
        await connection.execute(_ID)
        for statement in statements:
            given = [citizens] if "$1" in statement else []
            await connection.execute(statement, *given, timeout=_FILL_SECONDS)
        # Else the server looks at the tables while the benchmark runs.
        await connection.execute("vacuum analyze", timeout=_FILL_SECONDS)


def _parts(on: Ground, service: Service, into: Database) -> Parts:
    values = {"kafka": on.kafka, "database": on.database, "token_keys": Path("unused")}
    settings = service.settings.model_validate(values | _SETTINGS[service.name])
    resources = Resources(settings, into.clock, into, CollectorRegistry(), Health(), on.kafka)
    parts = service.build(resources)
    for replica in resources.replicas.values():
        replica.watched = True  # nothing changes it while the benchmark runs
    return parts
