"""All that the portal holds of somebody, for themselves (GDPR art. 15 and 20)."""

from brobyg_kit.export import OF_ANYBODY, Holdings, held

from brobyg_portal.adapters.tables import passkey, session, sign_in_link

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

_LINKS = held(
    "Links that you were sent to sign in by",
    sign_in_link,
    lambda who: sign_in_link.c.subject == who,
    without=("token_hash", "request_id"),
)
_PASSKEYS = held(
    "Passkeys that you sign in with",
    passkey,
    lambda who: passkey.c.subject == who,
    without=("credential_id", "public_key", "sign_count", "checked_at"),
)
_OWN = (_SIGNED_IN, _LINKS, _PASSKEYS, *OF_ANYBODY)

HOLDINGS = Holdings(
    {"citizens": _OWN, "volunteers": _OWN},
    {
        "attention": "The portal raises nothing that needs a human.",
        "administrator": "Ids of staff.",
        "kept_form": "For half an hour what somebody typed; only their own browser can open it.",
        "sign_in_request": "For a day that a link was asked for, by whomever; names nobody.",
        "spent": "Hashes of random keys, which are about nobody.",
    },
)
