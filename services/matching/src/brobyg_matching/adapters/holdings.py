"""All that matching holds of a citizen or a helper, for themselves (GDPR art. 15 and 20)."""

from collections.abc import Sequence
from functools import partial

import msgspec
from brobyg_contracts.exports import own_reasons
from brobyg_kit.database import Transaction
from brobyg_kit.export import ATTENTION, OF_ANYBODY, About, Held, Holdings, Rows, held
from brobyg_kit.tables import Id
from sqlalchemy import ColumnElement, Table, any_, false, func, literal, or_, select

from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.tables import (
    block,
    booking,
    caseload,
    citizen,
    consent,
    helper,
    helper_contact,
    need,
    offer,
    paper,
    registration,
    seat,
    turn,
)
from brobyg_matching.ports import Contact

_EXEMPT = {
    "person_key": "The key that how they are reached is sealed under: of no use to anybody else.",
    "roster": "Counts changes of the helpers of a department.",
    "waiting_list": "How far a department's needs were looked through.",
}
#: What tells of a helper's journey where they live.
_JOURNEY = ("leave_at", "home_at")
#: Of a seat, what is another person's: who else was asked, could not or was there.
_OTHERS = ("helper_id", "asked", "unwilling", "withdrawn")
#: Of a seat, what is its holder's, told neither to the citizen nor to who was only asked.
_HOLDERS = (
    *_OTHERS, *_JOURNEY, "match_id", "matched_at", "offer_id", "meet_at", "way", "pool", "reason",
)  # fmt: skip
#: Of a question, what is the helper's who was asked: who it was must not be guessed from it.
_ASKED = (
    "helper_id", "reason", "distance_metres", "rank", "known_to_citizen", "answered_at",
    *_JOURNEY,
)  # fmt: skip


def _by(table: Table, column: str) -> About:
    return lambda who: table.c[column] == who


def _of_needs(table: Table) -> About:
    """Rows about the citizen's needs."""
    needs = select(need.c.need_id)
    return lambda who: table.c.need_id.in_(needs.where(need.c.citizen_id == who))


def _asked_for(who: str) -> ColumnElement[bool]:
    """Seats that a helper was asked for, could not take or gave back, and does not hold."""
    named = (seat.c.asked, seat.c.unwilling, seat.c.withdrawn)
    held_by_them = func.coalesce(seat.c.helper_id == who, false())
    return ~held_by_them & or_(*(literal(who, Id) == any_(one) for one in named))


def _wished(column: str, by: str) -> About:
    """Blocks at their own wish: that the other asked for one is the other's to tell."""
    return lambda who: (block.c[column] == who) & (block.c.asked_by == by)


_OF_CITIZENS = (
    held("What helpers must know", citizen, _by(citizen, "citizen_id")),
    held("Consent", consent, _by(consent, "citizen_id")),
    held("What you need help for", need, _by(need, "citizen_id")),
    held("The help itself", seat, _of_needs(seat), without=(*_OTHERS, *_JOURNEY)),
    held(
        "Who was asked to help",
        offer,
        _of_needs(offer),
        without=_ASKED,
    ),
    held("What is booked for you", booking, _of_needs(booking), without=("holder", "span")),
    held("Who is not brought together with you", block, _wished("citizen_id", "citizen")),
    ATTENTION,
    *OF_ANYBODY,
)
_OF_HELPERS = (
    held("What you help with, and when", helper, _by(helper, "helper_id")),
    held("Papers", paper, _by(paper, "helper_id")),
    held("When you registered", registration, _by(registration, "helper_id")),
    held("What you were asked", offer, _by(offer, "helper_id")),
    held("Where you help or have helped", seat, _by(seat, "helper_id"), without=_OTHERS),
    held("Where you were asked to help", seat, _asked_for, without=_HOLDERS),
    held("What you are booked for", booking, _by(booking, "holder")),
    held("How many cases you have", caseload, _by(caseload, "helper_id")),
    held("When you were last asked in turn", turn, _by(turn, "helper_id")),
    held("Who is not brought together with you", block, _wished("helper_id", "helper")),
    *OF_ANYBODY,
)


def holdings(helpers: PostgresHelpers) -> Holdings:
    """The sections; `helpers` opens who a helper is."""

    async def identity(tx: Transaction, helper_id: str) -> Rows:
        contact = await helpers.reached(tx, helper_id)
        return [] if contact is None else [msgspec.structs.asdict(contact)]

    who = Held(
        "Who you are and how you are reached",
        (str(helper_contact.name),),
        Contact.__struct_fields__,
        identity,
    )
    sections: dict[str, Sequence[Held]] = {
        "citizens": _OF_CITIZENS,
        "volunteers": (who, *_OF_HELPERS),
    }
    return Holdings(
        {
            people: tuple(one.edited(partial(own_reasons, people)) for one in told)
            for people, told in sections.items()
        },
        _EXEMPT,
    )
