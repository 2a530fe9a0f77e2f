"""What the portal raises.

PortalError
├── UnknownLink           no such link was ever signed
└── MatchingUnavailable   matching cannot be asked now
"""


class PortalError(Exception):
    """What the portal raises."""


class UnknownLink(PortalError):
    """No such link was ever signed."""


class MatchingUnavailable(PortalError):
    """Matching cannot be asked now; nothing was answered, and the same may be tried again."""
