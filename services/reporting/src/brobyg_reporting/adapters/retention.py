"""What ends by time in reporting: nothing of somebody restricted, as the history says who is.

The kit's table of who is restricted stays empty here. The projections know it already, and know it
too after a rebuild from the topics, in which no event passes the consumer. They are there before
the first timer fires (`use_cases.upgrade.create_first`); a timer that fires while they are behind
spares those alone whose restriction they know.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from brobyg_kit import access_log
from brobyg_kit.retention import Carrier, deletes
from brobyg_kit.tables import attention
from sqlalchemy import ColumnElement, Text, cast, column, exists, or_, table

from brobyg_reporting.adapters.tables import SCHEMA

_KNOWN_BY = {"citizen": "citizen_id", "helper": "helper_id"}


def _is_restricted(person: ColumnElement[Any]) -> ColumnElement[bool]:
    views = (
        (table(name, column(key), column("restricted_at"), schema=SCHEMA).c, key)
        for name, key in _KNOWN_BY.items()
    )
    return or_(
        *(
            exists().where(cast(row[key], Text) == person, row.restricted_at.is_not(None))
            for row, key in views
        )
    )


RETENTION: Mapping[str, Carrier] = {
    "attention": deletes(
        attention,
        attention.c.settled_at,
        ~_is_restricted(attention.c.body["citizen_id"].astext),
    ),
    access_log.KIND: Carrier(
        partial(access_log.end, is_restricted=lambda person: _is_restricted(cast(person, Text)))
    ),
}
