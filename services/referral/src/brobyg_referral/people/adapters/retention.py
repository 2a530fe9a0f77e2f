"""What the people's tables keep for a number of days, and how it is ended."""

from brobyg_kit.retention import Carrier, deletes, is_restricted

from brobyg_referral.people.adapters.tables import access_log

DELETED: dict[str, Carrier] = {
    "access_log": deletes(
        access_log, access_log.c.accessed_at, ~is_restricted(access_log.c.citizen_id)
    )
}
