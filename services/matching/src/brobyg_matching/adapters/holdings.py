"""All that matching holds of a citizen or a helper, for themselves (GDPR art. 15 and 20)."""

from collections.abc import Sequence

import msgspec
from brobyg_kit.database import Transaction
from brobyg_kit.export import ATTENTION, OF_ANYBODY, About, Held, Holdings, Rows, held
from brobyg_kit.tables import Id
from sqlalchemy import ColumnElement, Table, any_, literal, or_, select

from brobyg_matching.adapters.helpers import PostgresHelpers
from brobyg_matching.adapters.tables import (
    access_log,
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
#: Of a seat, what is another person's: who else was asked, could not or was there.
_OTHERS = ("helper_id", "asked", "unwilling", "withdrawn")


def _by(table: Table, column: str) -> About:
    return lambda who: table.c[column] == who


def _of_needs(table: Table) -> About:
    """Rows about the citizen's needs."""
    needs = select(need.c.need_id)
    return lambda who: table.c.need_id.in_(needs.where(need.c.citizen_id == who))


def _seats(who: str) -> ColumnElement[bool]:
    """Those a helper has or had, was asked for, or could not take."""
    named = (seat.c.asked, seat.c.unwilling)
    return or_(seat.c.helper_id == who, *(literal(who, Id) == any_(one) for one in named))


_OF_CITIZENS = (
    held("What helpers must know", citizen, _by(citizen, "citizen_id")),
    held("Consent", consent, _by(consent, "citizen_id")),
    held("What you need help for", need, _by(need, "citizen_id")),
    held("The help itself", seat, _of_needs(seat), without=_OTHERS),
    held("Who was asked to help", offer, _of_needs(offer)),
    held("What is booked for you", booking, _of_needs(booking), without=("holder",)),
    held("Who is not brought together with you", block, _by(block, "citizen_id")),
    ATTENTION,
    *OF_ANYBODY,
)
_OF_HELPERS = (
    held("What you help with, and when", helper, _by(helper, "helper_id")),
    held("Papers", paper, _by(paper, "helper_id")),
    held("When you registered", registration, _by(registration, "helper_id")),
    held("What you were asked", offer, _by(offer, "helper_id")),
    held("Where you help, have helped or were asked to", seat, _seats, without=_OTHERS),
    held("What you are booked for", booking, _by(booking, "holder")),
    held("How many cases you have", caseload, _by(caseload, "helper_id")),
    held("When you were last asked in turn", turn, _by(turn, "helper_id")),
    held("Who is not brought together with you", block, _by(block, "helper_id")),
    held("Who was told how you are reached", access_log, _by(access_log, "helper_id")),
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
    of_helpers: Sequence[Held] = (who, *_OF_HELPERS)
    return Holdings({"citizens": _OF_CITIZENS, "volunteers": of_helpers}, _EXEMPT)
