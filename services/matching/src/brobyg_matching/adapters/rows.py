"""Rows of the database as things of the domain, and back."""

from datetime import date

import asyncpg
import msgspec

from brobyg_matching.domain.local_time import Window
from brobyg_matching.domain.match import Match, Offer
from brobyg_matching.domain.volunteer import Volunteer
from brobyg_matching.domain.world import Commitment, Needs, Referral

Row = asyncpg.Record

SELECT_MATCH = (
    "select appointment_id::text, referral_id::text, citizen_id::text, department, location_id, starts_at, ends_at, meeting, meet_at,"
    " state, reason, round, wave, opened_at, decide_by, match_id::text, offer_id::text, volunteer_id::text, leave_at, home_at,"
    " asked::text[], unwilling::text[] from match"
)
SELECT_OFFER = (
    "select offer_id::text, appointment_id::text, volunteer_id::text, round, wave, rank, state, reason, distance_metres,"
    " known_to_citizen, made_at, expires_at, leave_at, meet_at, home_at, answered_at from offer"
)
SELECT_VOLUNTEER = (
    "select volunteer_id::text, status, pool, department, languages, gender, competences, home_postcode, range_metres, travel,"
    " availability, away, weekly_limit, confidentiality_signed_on, record_checked_on, introduced_on, version from volunteer"
)
SELECT_REFERRAL = (
    "select referral_id::text, citizen_id::text, pathway, department, consented, languages, gender_wish,"
    " mobility, meeting, postcode from referral"
)


def match_of(row: Row, offers: tuple[Offer, ...] = ()) -> Match:
    """A search with its open and accepted offers."""
    fields = dict(row)
    fields["asked"], fields["unwilling"] = tuple(fields["asked"]), tuple(fields["unwilling"])
    return Match(**fields, offers=offers)


def offer_of(row: Row) -> Offer:
    """One question to one volunteer."""
    return Offer(**dict(row))


def referral_of(row: Row) -> Referral:
    """A referral as its events have told."""
    return Referral(
        referral_id=row["referral_id"],
        citizen_id=row["citizen_id"],
        pathway=row["pathway"],
        department=row["department"],
        consented=row["consented"],
        needs=Needs(
            languages=frozenset(row["languages"]),
            gender_wish=row["gender_wish"],
            mobility=row["mobility"],
            meeting=row["meeting"],
            postcode=row["postcode"],
        ),
    )


def volunteer_of(row: Row) -> Volunteer:
    """A volunteer as the rules see one."""
    fields = dict(row)
    fields["languages"] = frozenset(fields["languages"])
    fields["competences"] = frozenset(fields["competences"])
    fields["availability"] = tuple(msgspec.convert(fields["availability"], list[Window]))
    away: list[date] = fields["away"]
    fields["away"] = frozenset(away)
    return Volunteer(**fields)


def commitment_of(row: Row) -> Commitment:
    """Time that a volunteer has promised."""
    return Commitment(
        row["appointment_id"],
        row["volunteer_id"],
        int(row["leave_at"].timestamp()),
        int(row["home_at"].timestamp()),
        int(row["starts_at"].timestamp()),
    )
