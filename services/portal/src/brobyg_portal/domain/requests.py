"""Whether a request is one of our own pages', and acts once. Pure."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

#: Methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_foreign(sec_fetch_site: str | None, origin: str | None, home: str) -> bool:
    """Whether another site's page has made the browser send this (CWE-352).

    By the browser's own word: Sec-Fetch-Site, else Origin. Without either, or with the Origin
    `null` that a page with `Referrer-Policy: no-referrer` gives, the form's token decides alone.
    """
    if sec_fetch_site is not None:
        return sec_fetch_site not in ("same-origin", "none")
    return origin is not None and origin not in ("null", home)


def form_token(form_key: bytes, path: str, nonce: str) -> str:
    """What a form holds that is sent to `path`: its own nonce, signed with the session's key."""
    return f"{nonce}.{_signature(form_key, path, nonce)}"


def nonce_of(token: str, form_key: bytes, path: str) -> str | None:
    """The nonce of a form of this session for this path; None for what is none."""
    nonce, _, signature = token.partition(".")
    if not nonce or not signature.isascii():
        return None
    good = hmac.compare_digest(signature, _signature(form_key, path, nonce))
    return nonce if good else None


def _signature(form_key: bytes, path: str, nonce: str) -> str:
    return hmac.new(form_key, f"{nonce}\x00{path}".encode(), hashlib.sha256).hexdigest()


def networks_of(address: str) -> tuple[str, str]:
    """Whose tries count together, and whose do where there are too many to be told apart.

    An IPv4 address, else its /24; a /64 of IPv6, as one house has it, else its /48, as one
    organisation has it (RFC 6177). What is no address counts for itself.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address, address
    found = getattr(found, "ipv4_mapped", None) or found
    lengths = (32, 24) if found.version == 4 else (64, 48)
    own, wider = (str(ip_network((found, one), strict=False)) for one in lengths)
    return own, wider


class EverybodysTries:
    """How often all together have tried something within a minute, each wider network a tenth."""

    def __init__(self, now: Callable[[], datetime], allowed: int) -> None:
        """So many are `allowed` a minute."""
        self._all, self._shares = Tries(now, allowed), Tries(now, allowed // 10)

    def another(self, address: str) -> bool:
        """Count a try; whether it is allowed."""
        return self._shares.another(networks_of(address)[1]) and self._all.another("")


class Tries:
    """How often each address has tried something within a minute. Bounded, in this process alone.

    An address is never shut out for longer, and nobody is by what others try. While there are more
    than are counted, the networks of those that come last are; while there are more of these too,
    who comes from one that is not counted is let through: what the tries lead to has its own bound.
    """

    _LENGTH = timedelta(minutes=1)
    _MOST = 10_000

    def __init__(self, now: Callable[[], datetime], allowed: int) -> None:
        """So many are `allowed` a minute."""
        self._now, self._allowed = now, allowed
        self._own: dict[str, int] = {}
        self._wider: dict[str, int] = {}
        self._began_at = now()

    def another(self, address: str) -> bool:
        """Count a try; whether it is allowed."""
        now = self._now()
        if now >= self._began_at + self._LENGTH:
            self._began_at, self._own, self._wider = now, {}, {}
        for counts, network in zip((self._own, self._wider), networks_of(address), strict=True):
            if network in counts or len(counts) < self._MOST:
                counts[network] = counts.get(network, 0) + 1
                return counts[network] <= self._allowed
        return True
