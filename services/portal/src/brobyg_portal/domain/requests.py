"""Whether a request is one of our own pages', and acts once. Pure."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Window:
    began_at: datetime
    tries: int = 0


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
        self._windows: dict[str, _Window] = {}

    def another(self, address: str) -> bool:
        """Count a try; whether it is allowed."""
        now = self._now()
        if address not in self._windows and len(self._windows) >= self._MOST:
            self._windows = {
                one: window
                for one, window in self._windows.items()
                if now < window.began_at + self._LENGTH
            }
            if len(self._windows) >= self._MOST:
                address = ""
        window = self._windows.setdefault(address, _Window(now))
        if now >= window.began_at + self._LENGTH:
            window.began_at, window.tries = now, 0
        window.tries += 1
        return window.tries <= self._allowed
