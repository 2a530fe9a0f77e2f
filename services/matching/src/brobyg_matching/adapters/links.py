"""Signed links by which helpers answer offers, and sign off from what they have promised."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer

from brobyg_matching.errors import UnknownLink

_SALT = "offer-answer"


class MatchLink(NamedTuple):
    """A link to a match, in whatever way the helper came to have the seat."""

    need_id: str
    match_id: str


class OfferLink(NamedTuple):
    """A link to an offer."""

    offer_id: str


class Links:
    """A link's token says which offer, or which match of which need, it is about; nothing else.

    It names no person. Where the offer or match stands is in the database.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """The first key signs; tokens of all keys are accepted."""
        self._serializer = URLSafeSerializer(list(reversed(keys)), salt=_SALT)

    def token(self, offer_id: str) -> str:
        """The token of an offer; the same each time while the first key is the same."""
        return str(self._serializer.dumps(offer_id))

    def match_token(self, need_id: str, match_id: str) -> str:
        """The token of a match; the same each time while the first key is the same."""
        return str(self._serializer.dumps(f"{need_id}/{match_id}"))

    def read(self, token: str) -> OfferLink | MatchLink:
        """What a token is about. Raises UnknownLink for one that was not signed by our keys."""
        try:
            ids = [str(UUID(one)) for one in str(self._serializer.loads(token)).split("/")]
            return OfferLink(*ids) if len(ids) == 1 else MatchLink(*ids)
        except (BadSignature, ValueError, TypeError) as error:
            raise UnknownLink from error
