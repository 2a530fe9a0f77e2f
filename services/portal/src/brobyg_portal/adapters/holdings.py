"""All that the portal holds of somebody, for themselves (GDPR art. 15 and 20)."""

from brobyg_kit.export import OF_ANYBODY, Holdings, held

from brobyg_portal.adapters.tables import session

_SIGNED_IN = held(
    "When you were signed in",
    session,
    lambda who: (session.c.subject == who) & (session.c.kind != "staff"),
    without=(
        "session_id",
        "roles",
        "organisation",
        "department",
        "provider_session",
        "rotated_at",
        "taken_up_at",
    ),
)

HOLDINGS = Holdings(
    {"citizens": (_SIGNED_IN, *OF_ANYBODY), "volunteers": (_SIGNED_IN, *OF_ANYBODY)},
    {
        "attention": "The portal raises nothing that needs a human.",
        "administrator": "Ids of staff.",
        "kept_form": "For half an hour what somebody typed; only their own browser can open it.",
        "spent": "Hashes of random keys, which are about nobody.",
    },
)
