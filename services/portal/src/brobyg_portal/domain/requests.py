"""Whether a request is one of our own pages', and acts once. Pure."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

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


class Tries:
    """How often each address has tried something within a minute. Bounded, in this process alone.

    An address is never shut out for longer, and nobody is by what others try; only while there are
    more addresses than are counted do those that come last count as one.
    """

    _LENGTH = timedelta(minutes=1)
    _MOST = 10_000

    def __init__(self, now: Callable[[], datetime], allowed: int) -> None:
        """So many are `allowed` a minute."""
        self._now, self._allowed = now, allowed
        self._counts: dict[str, int] = {}
        self._began_at = now()

    def another(self, address: str) -> bool:
        """Count a try; whether it is allowed."""
        now = self._now()
        if now >= self._began_at + self._LENGTH:
            self._began_at, self._counts = now, {}
        if address not in self._counts and len(self._counts) >= self._MOST:
            address = ""
        self._counts[address] = self._counts.get(address, 0) + 1
        return self._counts[address] <= self._allowed
