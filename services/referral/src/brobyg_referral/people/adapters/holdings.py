"""What is held of a citizen: who they are, and what helpers must know."""

from brobyg_kit.database import Transaction
from brobyg_kit.export import Held, Rows, held, plain

from brobyg_referral.people.adapters.tables import citizen
from brobyg_referral.people.domain.contact import Contact
from brobyg_referral.people.ports import CitizenStore

_IDENTITY = (
    "given_name",
    "family_name",
    "language",
    "email",
    "phone",
    "address",
    "born",
    "is_protected",
    "has_guardian",
    "guardian_recorded_at",
)


def holdings(citizens: CitizenStore) -> tuple[Held, ...]:
    """The sections; `citizens` opens who they are."""

    async def identity(tx: Transaction, citizen_id: str) -> Rows:
        contact = await citizens.contact(tx, citizen_id)
        return [] if contact is None else [_told(contact)]

    return (
        Held("Who you are and how you are reached", ("citizen",), _IDENTITY, identity),
        held("What helpers must know", citizen, lambda who: citizen.c.citizen_id == who),
    )


def _told(contact: Contact) -> dict[str, object]:
    address, records = contact.address, contact.guardian_records
    return {name: plain(getattr(contact, name, None)) for name in _IDENTITY} | {
        "address": None if address is None else f"{address.line}, {address.postcode}",
        "guardian_recorded_at": plain(records[-1].recorded_at) if records else None,
    }
