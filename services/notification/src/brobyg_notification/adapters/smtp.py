"""Handing messages to an SMTP server (RFC 5321) over a few connections that are kept open."""

import asyncio
import ssl
import time
from collections import deque
from email.message import EmailMessage
from functools import cache

import aiosmtplib
from aiosmtplib import SMTP, SMTPResponse
from brobyg_kit.logs import get_logger

from brobyg_notification.adapters.smtp_address import parse_address
from brobyg_notification.errors import (
    MailDeferred,
    MailRefused,
    MailServerDown,
    RecipientDeferred,
)

log = get_logger(__name__)

#: Wall time for connecting and for each command but DATA. To give up on one of these costs nothing:
#: no message has been handed over.
_COMMAND_SECONDS = 10.0
#: Wall time for the answer to a message. To give up on it is to send the message twice if the
#: server only took its time (RFC 1047), so a client should wait ten minutes (RFC 5321, 4.5.3.2.6).
_DATA_SECONDS = 600.0
#: Seconds for which a used connection is taken to be alive.
_FRESH = 0.5
#: 4yz answers about the whole server, not about this message: not available, and too many
#: connections (RFC 5321, 4.2.2).
_SERVER_CODES = frozenset({421})


class _Patient(SMTP):
    """Waits minutes for the answer to a message; other commands have the connection's timeout."""

    async def data(self, message: str | bytes, /, *, timeout: object = None) -> SMTPResponse:
        return await super().data(message, timeout=_DATA_SECONDS)


class SmtpTransport:
    """Sends over at most `connections` connections. Safe for concurrent use in one event loop."""

    def __init__(
        self, url: str, *, connections: int, command_seconds: float = _COMMAND_SECONDS
    ) -> None:
        """Nothing is connected yet. Raises ValueError for an address that is none.

        `command_seconds` bounds connecting and each command but DATA.
        """
        self._address = parse_address(url)
        self._command_seconds = command_seconds
        self._room = asyncio.Semaphore(connections)
        self._idle: deque[tuple[SMTP, float]] = deque()

    async def send(self, message: EmailMessage) -> None:
        """See `ports.MailTransport`."""
        async with self._room:
            connection = await self._take()
            try:
                await connection.send_message(message)
            except asyncio.CancelledError:
                connection.close()
                raise
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                self._after_trouble(connection, error)
                raise _meaning(error) from error
            self._idle.append((connection, time.monotonic()))

    async def probe(self) -> bool:
        """See `ports.MailTransport`. A connection that works is kept for the first message."""
        try:
            self._idle.append((await self._connect(), time.monotonic()))
        except MailServerDown:
            return False
        return True

    async def close(self) -> None:
        """See `ports.MailTransport`."""
        while self._idle:
            await self._quit(self._idle.pop()[0])

    async def _take(self) -> SMTP:
        while self._idle:
            connection, used_at = self._idle.pop()
            if time.monotonic() - used_at < _FRESH or await self._still_there(connection):
                return connection
            await self._quit(connection)
        return await self._connect()

    async def _still_there(self, connection: SMTP) -> bool:
        """Ask before trusting a connection that rested.

        A server that hung up must not cost a message an attempt.
        """
        try:
            await connection.noop(timeout=2.0)
        except (aiosmtplib.SMTPException, OSError) as error:
            log.debug("smtp.connection_gone", error=error)
            return False
        return True

    async def _connect(self) -> SMTP:
        connection = _Patient(**self._address, tls_context=_tls(), timeout=self._command_seconds)
        try:
            await connection.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            connection.close()
            raise MailServerDown(type(error).__name__) from error
        return connection

    def _after_trouble(self, connection: SMTP, error: Exception) -> None:
        """Keep the connection when the server only said no to this message, else drop it."""
        if (
            isinstance(error, aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused)
            and connection.is_connected
        ):
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()

    async def _quit(self, connection: SMTP) -> None:
        try:
            await connection.quit(timeout=1.0)
        except (aiosmtplib.SMTPException, OSError) as error:
            # A courtesy: the server may have hung up first, and nothing was in flight.
            log.debug("smtp.goodbye_unheard", error=error)
            connection.close()


@cache
def _tls() -> ssl.SSLContext:
    """Checks certificates against the machine's list, which takes tens of milliseconds to read."""
    return ssl.create_default_context()


def _meaning(error: Exception) -> MailServerDown | MailDeferred | MailRefused:
    """What an error says about the message.

    Only the answers to RCPT and DATA judge the message. A refused sender or sign-in is our own
    settings', and everything waits until they are right.
    """
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        meant = _of_code(error.recipients[0].code)
        return RecipientDeferred(*meant.args) if isinstance(meant, MailDeferred) else meant
    if isinstance(
        error,
        aiosmtplib.SMTPSenderRefused
        | aiosmtplib.SMTPAuthenticationError
        | aiosmtplib.SMTPHeloError,
    ):
        return (
            MailDeferred(str(error.code)) if error.code < 500 else MailServerDown(str(error.code))
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _of_code(error.code)
    if isinstance(error, aiosmtplib.SMTPNotSupported | ValueError):
        # An address or header that can't be sent: no better tomorrow.
        return MailRefused(type(error).__name__)
    return MailServerDown(type(error).__name__)


def _of_code(code: int) -> MailServerDown | MailDeferred | MailRefused:
    if code in _SERVER_CODES:
        return MailServerDown(str(code))
    return MailRefused(str(code)) if code >= 500 else MailDeferred(str(code))
