"""What the portal raises.

PortalError
├── UnknownLink           no such link was ever signed
├── ServiceUnavailable    a service cannot be asked now
│   ├── MatchingUnavailable   matching cannot
│   └── ServiceFailed         it is there, and answers something else than was asked for
├── ProviderUnavailable   the identity provider cannot be asked now
├── SignInRefused         what came back from the provider proves nothing
├── PasskeyRefused        what a browser says of a passkey proves nothing
├── SignInNeeded          this is for somebody who is signed in
└── NotAllowed            this is for somebody else
"""


class PortalError(Exception):
    """What the portal raises."""


class UnknownLink(PortalError):
    """No such link was ever signed."""


class ServiceUnavailable(PortalError):
    """A service cannot be asked now; the same may be tried again."""


class MatchingUnavailable(ServiceUnavailable):
    """Matching cannot be asked now; nothing was answered, and the same may be tried again."""


class ServiceFailed(ServiceUnavailable):
    """The service is there, as far as can be told, and does not answer what it is asked."""


class ProviderUnavailable(PortalError):
    """The identity provider cannot be asked now; the same may be tried again."""


class SignInRefused(PortalError):
    """What came back from the provider proves nothing: a new sign-in may."""


class PasskeyRefused(PortalError):
    """What a browser says of a passkey proves nothing, or not for somebody who may come in."""


class SignInNeeded(PortalError):
    """This is for somebody who is signed in."""


class NotAllowed(PortalError):
    """This is for somebody else than who is signed in."""
