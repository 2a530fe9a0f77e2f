"""All that notification holds of somebody, for themselves (GDPR art. 15 and 20)."""

from collections.abc import Mapping
from functools import partial

from brobyg_contracts.exports import own_reasons
from brobyg_kit.export import ATTENTION, OF_ANYBODY, About, Held, Holdings, held

from brobyg_notification.adapters.tables import notification
from brobyg_notification.domain.notice import Role

#: Events as they came, which name others too; the message says what they are to the person.
_EVENTS = ("cause_event", "match_event")
#: `created_at` by the machine's clock, for how long a message has waited.
_MACHINE = ("kept_at",)
#: What else is others': the case that is the citizen's.
_OTHERS: Mapping[str, tuple[str, ...]] = {"citizens": (), "volunteers": ("referral_id",)}


def _to(role: Role) -> About:
    columns = notification.c
    return lambda who: (columns.recipient_id == who) & (columns.recipient_role == role)


def _sections(people: str, role: Role) -> tuple[Held, ...]:
    messages = held(
        "Messages to you", notification, _to(role), without=(*_EVENTS, *_MACHINE, *_OTHERS[people])
    )
    return (
        messages.edited(partial(own_reasons, people)),
        ATTENTION,
        *OF_ANYBODY,
    )


HOLDINGS = Holdings(
    {
        "citizens": _sections("citizens", "citizen"),
        "volunteers": _sections("volunteers", "helper"),
    },
    {
        "called_off": "What was called off of a need, without the person whose it is.",
        "closed_need": "When a need was closed, without the person whose it is.",
    },
)
