"""What is kept for a number of days, and how it is ended."""

from brobyg_kit.retention import Carrier, deletes
from sqlalchemy import func

from brobyg_notification.adapters.tables import called_off, notification

_n = notification.c
RETENTION: dict[str, Carrier] = {
    "notification": deletes(
        notification, func.greatest(_n.ended_at, _n.ends_at), _n.state != "waiting"
    ),
    "called_off": deletes(called_off, called_off.c.happened_at),
}
