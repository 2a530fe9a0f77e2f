"""Signed links by which volunteers answer offers."""

from collections.abc import Sequence
from uuid import UUID

from itsdangerous import BadSignature, URLSafeSerializer

from brobyg_matching.errors import UnknownLink

_SALT = "offer-answer"


class Links:
    """A link's token says which offer it is about and nothing else.

    The offer's state is in the database.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """The first key signs; tokens of all keys are accepted."""
        self._serializer = URLSafeSerializer(list(reversed(keys)), salt=_SALT)

    def token(self, offer_id: str) -> str:
        """The token of an offer; the same each time while the first key is the same."""
        return str(self._serializer.dumps(offer_id))

    def offer_id(self, token: str) -> str:
        """The offer of a token. Raises UnknownLink for one that was not signed by our keys."""
        try:
            return str(UUID(str(self._serializer.loads(token))))
        except (BadSignature, ValueError) as error:
            raise UnknownLink from error
