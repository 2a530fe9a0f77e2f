"""Passkeys by WebAuthn (W3C, level 2): what a browser is asked, and what its answer proves."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from brobyg_portal.errors import PasskeyRefused

_VERIFIED = UserVerificationRequirement.REQUIRED
#: Bytes of a credential's id (WebAuthn level 2, 4).
_LONGEST_ID = 1023


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey as it is kept: nothing of it is secret."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an answer says of itself, before anything is proven."""

    credential_id: bytes
    challenge: bytes


class Authenticators:
    """Asks and checks for one address. Raises PasskeyRefused for what proves nothing.

    What anybody may send goes through parsers of JSON, CBOR, COSE and certificates: whatever they
    raise, it proves nothing.
    """

    def __init__(self, home: str) -> None:
        """`home` is the portal's own address, without a slash at its end."""
        self._home, self._host = home, urlsplit(home).hostname or ""

    def creation(self, subject: str, challenge: bytes, had: Sequence[bytes]) -> str:
        """What a browser is asked to make a passkey by, as JSON; not where one of `had` is.

        The page says whose it is in words: that stands on the device alone.
        """
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name="Brobyg",
            user_id=UUID(subject).bytes,
            user_name="Brobyg",
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_VERIFIED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(one) for one in had],
        )
        return webauthn.options_to_json(options)

    def request(self, challenge: bytes) -> str:
        """What a browser is asked to show a passkey by, as JSON: any of ours, so it names none."""
        options = webauthn.generate_authentication_options(
            rp_id=self._host, challenge=challenge, user_verification=_VERIFIED
        )
        return webauthn.options_to_json(options)

    def claimed(self, answer: str, *, new: bool) -> Claimed:
        """Of which passkey and challenge an answer is; of a `new` one or of one that is there."""
        try:
            said = (
                parse_registration_credential_json(answer)
                if new
                else parse_authentication_credential_json(answer)
            )
            told = parse_client_data_json(said.response.client_data_json)
        except Exception as error:
            raise PasskeyRefused(type(error).__name__) from error
        if not 0 < len(said.raw_id) <= _LONGEST_ID:
            raise PasskeyRefused("an id of no passkey")
        return Claimed(said.raw_id, told.challenge)

    def added(self, answer: str, challenge: bytes) -> NewPasskey:
        """The passkey that was made."""
        try:
            found = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._home,
                require_user_verification=True,
            )
        except Exception as error:
            raise PasskeyRefused(type(error).__name__) from error
        return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)

    def proven(self, answer: str, challenge: bytes, passkey: NewPasskey) -> int:
        """How often the passkey has signed, now that it has signed this challenge."""
        try:
            found = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._home,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except Exception as error:
            raise PasskeyRefused(type(error).__name__) from error
        return found.new_sign_count
