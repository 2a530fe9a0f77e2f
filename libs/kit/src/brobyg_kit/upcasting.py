"""From a record's value to the events that it is today.

Every reader of records uses `events_in`: the consumer, its retries, a copy of a topic, and
reporting's rebuild. So they agree on what a record of an earlier major version says.
"""

import os
from functools import cache
from typing import Any

import msgspec

from brobyg_kit.domain import domain
from brobyg_kit.event import Event, UndecodableEvent, decode, encode_data
from brobyg_kit.ids import derived_id


@cache
def unversioned_major() -> int:
    """The major version of events whose `dataschema` names none (`KitSettings`)."""
    if not os.environ.get("BROBYG_UNVERSIONED_MAJOR"):  # a rebuild's worker imports no more
        return domain().UNVERSIONED
    from brobyg_kit.settings import KitSettings

    return KitSettings().unversioned_major


def events_in(value: bytes) -> tuple[Event, ...]:
    """The events in a record's value, as of today; one unless an earlier version said several.

    The first has the record's id, the others ids derived from it, so that each reading makes the
    same. All have its time, sequence and chain; the others were caused by it.

    Raises UndecodableEvent as `decode`, and when the data breaks its schema of that time.
    """
    event = decode(value)
    upcast = domain().upcaster_of(event.type, event.dataschema, unversioned_major())
    if upcast is None:
        return (event,)
    try:
        said = upcast(msgspec.json.decode(event.data, type=dict))
    except (KeyError, TypeError, RecursionError, msgspec.MsgspecError) as error:
        raise UndecodableEvent(
            f"{event.type}: data is not as its schema of an earlier version says"
        ) from error
    first, *others = said
    return (
        _as(event, first, id=event.id),
        *(_as(event, one, id=_id(event, one), causationid=event.id) for one in others),
    )


def _id(event: Event, said: Any) -> str:
    return derived_id(event.id, said.EVENT_TYPE)


def _as(event: Event, said: Any, **changed: str) -> Event:
    return msgspec.structs.replace(
        event,
        type=said.EVENT_TYPE,
        subject=getattr(said, said.SUBJECT),
        dataschema=said.DATASCHEMA,
        data=encode_data(said),
        **changed,
    )
