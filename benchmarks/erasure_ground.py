"""What three services hold of so many citizens, written by SQL: each has a referral, appointments,
needs that were searched for, and messages about them.
"""

import base64
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from brobyg_contracts import CitizenErased
from brobyg_kit.database import Database
from brobyg_kit.event import Event, encode_data
from brobyg_kit.health import Health
from brobyg_kit.ids import derived_id
from brobyg_kit.service import Parts, Resources, Service
from brobyg_matching.bootstrap import SERVICE as MATCHING
from brobyg_notification.bootstrap import SERVICE as NOTIFICATION
from brobyg_referral.bootstrap import SERVICE as REFERRAL
from prometheus_client import CollectorRegistry

from benchmarks.ground import Ground, database, driver

_KEY = base64.b64encode(b"k" * 32).decode()
_SETTINGS: dict[str, dict[str, str]] = {
    "referral": {"referral_encryption_key": _KEY, "referral_cpr_key": _KEY},
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
#: `$1` is how many citizens there are. `u` makes the same id of the same words.
_ID = """create function pg_temp.u(word text, n bigint) returns uuid immutable language sql
 as $$ select md5(word || n)::uuid $$"""
_CITIZENS = "generate_series(1, $1::bigint) n"
_TWICE = f"{_CITIZENS}, generate_series(1, 2) k"
_FILL: dict[str, list[str]] = {
    "referral": [
        f"""insert into citizen (citizen_id, created_at, erased_at)
 select pg_temp.u('citizen', n), now(), now() from {_CITIZENS}""",
        f"""insert into referral (referral_id, citizen_id, pathway, department, municipality_code,
 referrer_kind, organisation, status, consent_given_at, created_at)
 select pg_temp.u('referral', n), pg_temp.u('citizen', n), 'escort', 'randers-norddjurs', '0730',
 'gp', 'gp-4411', 'active', now(), now() from {_CITIZENS}""",
        f"""insert into appointment (appointment_id, organisation, is_entered, referral_id,
 citizen_id, status, starts_at, ends_at, location_id, patient_status, location_status,
 last_updated, announced, announced_starts_at, announced_ends_at, announced_location_id, version)
 select pg_temp.u('need', 2 * n + k), 'hospital', false, pg_temp.u('referral', n),
 pg_temp.u('citizen', n), 'booked', now() + k * interval '1 day', now() + k * interval '25 hours',
 'randers-hospital', 'accepted', 'accepted', now(), 'booked', now() + k * interval '1 day',
 now() + k * interval '25 hours', 'randers-hospital', 1 from {_TWICE}""",
        f"""insert into idempotency_key (sender, key_hash, request_hash, made_id, created_at)
 select 'gp-4411', sha256(n::text::bytea), sha256(n::text::bytea), pg_temp.u('referral', n), now()
 from {_CITIZENS}""",
        f"""insert into access_log (citizen_id, purpose, subject, accessed_at)
 select pg_temp.u('citizen', n), 'mail', 'notification', now() from {_TWICE}""",
    ],
    "matching": [
        """insert into helper (helper_id, status, pools, departments, languages, gender,
 competences, home_postcode, range_metres, travel, availability, away, weekly_limit, registered_at)
 values (pg_temp.u('helper', 1), 'active', '{student}', '{randers-norddjurs}', '{da}', 'female',
 '{}', '8900', 30000, 'car', '[]', '{}', 5, now())""",
        f"""insert into citizen (citizen_id, languages, mobility, meeting, postcode)
 select pg_temp.u('citizen', n), '{{da}}', 'independent', 'home', '8900' from {_CITIZENS}""",
        f"""insert into consent (referral_id, citizen_id, given)
 select pg_temp.u('referral', n), pg_temp.u('citizen', n), true from {_CITIZENS}""",
        f"""insert into need (need_id, about_kind, about_id, pathway, department, mode, priority,
 competences, crew, referral_id, citizen_id, location_id, starts_at, ends_at, state, reason,
 opened_at, meet_at, attention, waits)
 select pg_temp.u('need', 2 * n + k), 'appointment', pg_temp.u('need', 2 * n + k), 'escort',
 'randers-norddjurs', 'in_person', 5, '{{}}', '[{{"role":"companion","least":1,"wanted":1}}]',
 pg_temp.u('referral', n), pg_temp.u('citizen', n), 'randers-hospital',
 now() - k * interval '1 day', now() - k * interval '23 hours', 'closed', 'completed', now(),
 now() - k * interval '25 hours', '{{}}', false from {_TWICE}""",
        f"""insert into seat (need_id, no, role, state, round, wave, leave_at, meet_at, home_at,
 asked, unwilling, withdrawn)
 select pg_temp.u('need', 2 * n + k), 1, 'companion', 'closed', 1, 1, now(), now(), now(),
 '{{}}', '{{}}', '{{}}' from {_TWICE}""",
        f"""insert into offer (offer_id, need_id, seat_no, helper_id, round, wave, rank, state,
 distance_metres, known_to_citizen, made_at, expires_at, leave_at, meet_at, home_at)
 select pg_temp.u('offer', 10 * (2 * n + k) + o), pg_temp.u('need', 2 * n + k), 1,
 pg_temp.u('helper', 1), 1, 1, o, 'expired', 4210, false, now(), now(), now(), now(), now()
 from {_TWICE}, generate_series(1, 3) o""",
        f"""insert into booking (need_id, seat_no, holder, span, exclusive)
 select pg_temp.u('need', 2 * n + k), 1, pg_temp.u('helper', 1)::text,
 tstzrange(now() - k * interval '25 hours', now()), false from {_TWICE}""",
        f"""insert into block (citizen_id, helper_id, asked_by, blocked_at)
 select pg_temp.u('citizen', n), pg_temp.u('helper', 1), 'citizen', now() from {_CITIZENS}""",
    ],
    "notification": [
        f"""insert into notification (notification_id, template, recipient_role, recipient_id,
 need_id, referral_id, pathway, department, cause, cause_event, thread, state, due_at, created_at,
 ended_at)
 select pg_temp.u(role, 2 * n + k), 'matched_' || role, role,
 case role when 'citizen' then pg_temp.u('citizen', n) else pg_temp.u('helper', 1) end::text,
 pg_temp.u('need', 2 * n + k), pg_temp.u('referral', n), 'escort', 'randers-norddjurs',
 pg_temp.u('cause', 2 * n + k), '{{}}', role || (2 * n + k), 'sent', now(), now(), now()
 from {_TWICE}, unnest(array['citizen', 'helper']) role""",
    ],
}
_SERVICES: tuple[Service, ...] = (REFERRAL, MATCHING, NOTIFICATION)


@dataclass(frozen=True, slots=True)
class Held:
    """What the three services hold of `citizens` people."""

    citizens: int
    services: tuple[tuple[Database, Parts], ...]

    async def erase(self, number: int) -> None:
        """Erase this citizen everywhere, each service in its own transaction as in life."""
        event = erased(number)
        for database_, parts in self.services:
            assert parts.erase is not None
            async with database_.transaction() as tx:
                await parts.erase(tx, event)


def erased(number: int) -> Event:
    """That the citizen of this number was erased."""
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


def citizen(number: int) -> str:
    """The id of the citizen of this number, as `_FILL` makes it."""
    text = f"citizen{number}".encode()
    return str(uuid.UUID(hashlib.md5(text, usedforsecurity=False).hexdigest()))


@asynccontextmanager
async def held(on: Ground, citizens: int) -> AsyncIterator[Held]:
    """Databases of their own with so many citizens, gone after the block."""
    async with AsyncExitStack() as stack:
        made = []
        for service in _SERVICES:
            new = await stack.enter_async_context(database(on.database, service.name, service))
            await _fill(new, _FILL[service.name], citizens)
            made.append((new, _parts(on, service, new)))
        try:
            yield Held(citizens, tuple(made))
        finally:
            for _, parts in made:
                for close in parts.closers:
                    await close()


async def _fill(into: Database, statements: list[str], citizens: int) -> None:
    async with driver(into) as connection:
        await connection.execute(_ID)
        for statement in statements:
            await connection.execute(statement, *([citizens] if "$1" in statement else []))
        # Else the server looks at the tables while the benchmark runs.
        await connection.execute("vacuum analyze")


def _parts(on: Ground, service: Service, into: Database) -> Parts:
    values = {"kafka": on.kafka, "database": on.database, "token_keys": Path("unused")}
    settings = service.settings.model_validate(values | _SETTINGS[service.name])
    resources = Resources(settings, into.clock, into, CollectorRegistry(), Health(), on.kafka)
    parts = service.build(resources)
    for replica in resources.replicas.values():
        replica.watched = True  # nothing changes it while the benchmark runs
    return parts
