"""Hands messages to an SMTP server (RFC 5321) over a few connections that are kept open."""

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

#: Wall time for connecting and for each command but DATA. After a timeout here no message has been
#: handed over.
_COMMAND_SECONDS = 10.0
#: Wall time for the answer to a message. After a timeout here the message is sent twice if the
#: server was only slow (RFC 1047), so a client should wait ten minutes (RFC 5321, 4.5.3.2.6).
_DATA_SECONDS = 600.0
#: A connection used within so many seconds is used again without asking the server first.
_ASSUMED_ALIVE_SECONDS = 0.5
#: 4yz answers about the whole server, not about this message: not available, and too many
#: connections (RFC 5321, 4.2.2).
_SERVER_CODES = frozenset({421})


class _Connection(SMTP):
    """Waits minutes for the answer to a message; other commands have the connection's timeout."""

    async def data(self, message: str | bytes, /, *, timeout: object = None) -> SMTPResponse:
        return await super().data(message, timeout=_DATA_SECONDS)


class SmtpTransport:
    """Sends over at most `connections` connections. Safe for concurrent use in one event loop."""

    def __init__(
        self, url: str, *, connections: int, command_seconds: float = _COMMAND_SECONDS
    ) -> None:
        """Nothing is connected yet. Raises ValueError for what is not an address.

        `command_seconds` bounds connecting and each command but DATA.
        """
        self._address = parse_address(url)
        self._command_seconds = command_seconds
        self._limit = asyncio.Semaphore(connections)
        self._idle: deque[tuple[SMTP, float]] = deque()

    async def send(self, message: EmailMessage) -> None:
        """See `ports.MailTransport`."""
        async with self._limit:
            connection = await self._take()
            try:
                await connection.send_message(message)
            except asyncio.CancelledError:
                connection.close()
                raise
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                refused = isinstance(
                    error, aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused
                )
                if refused and connection.is_connected:
                    self._idle.append((connection, time.monotonic()))
                else:
                    connection.close()
                raise _classified(error) from error
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
            connection, _ = self._idle.pop()
            try:
                await connection.quit(timeout=1.0)
            except (aiosmtplib.SMTPException, OSError) as error:
                # The server may have closed the connection first; nothing was in flight.
                log.debug("smtp.quit_failed", error=error)
                connection.close()

    async def _take(self) -> SMTP:
        while self._idle:
            connection, used_at = self._idle.pop()
            try:
                # A server that closed the connection meanwhile must not cost a message an attempt.
                if time.monotonic() - used_at > _ASSUMED_ALIVE_SECONDS:
                    await connection.noop(timeout=2.0)
            except (aiosmtplib.SMTPException, OSError) as error:
                log.debug("smtp.connection_lost", error=error)
                connection.close()
            else:
                return connection
        return await self._connect()

    async def _connect(self) -> SMTP:
        connection = _Connection(**self._address, tls_context=_tls(), timeout=self._command_seconds)
        try:
            await connection.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            connection.close()
            raise MailServerDown(type(error).__name__) from error
        return connection


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the machine's list of certificates takes tens of milliseconds."""
    return ssl.create_default_context()


def _classified(error: Exception) -> MailServerDown | MailDeferred | MailRefused:
    """What an error says about the message.

    Only the answers to RCPT and DATA are about the message. A refused sender or login comes from
    our settings: every message waits until they are right.
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
        # An address or header that can't be sent, however often it is tried.
        return MailRefused(type(error).__name__)
    return MailServerDown(type(error).__name__)


def _of_code(code: int) -> MailServerDown | MailDeferred | MailRefused:
    if code in _SERVER_CODES:
        return MailServerDown(str(code))
    return MailRefused(str(code)) if code >= 500 else MailDeferred(str(code))
