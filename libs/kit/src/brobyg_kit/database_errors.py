"""The one place that decides what an error of the database means.

Three kinds:

- transient: the server is away or busy, and the same statement may succeed later;
- environment: a table, column or right is missing, or the service says that its tables are not
  ready for it (`HandlerBlocked`): never the fault of an event;
- all others: the caller's fault.

SQLAlchemy wraps the driver's errors, COPY and the hottest statements raise them as they are; both
are judged by the driver's own error.
"""

import errno
import socket

import asyncpg
import sqlalchemy.exc

from brobyg_kit.errors import HandlerBlocked

#: Whatever a statement can raise: for loops with fixed statements, which can only wait.
DATABASE_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
    sqlalchemy.exc.DBAPIError,
    sqlalchemy.exc.TimeoutError,
)
_TRANSIENT: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    asyncpg.InternalClientError,  # the driver's error for a connection lost in mid-answer
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, before it is promoted
    asyncpg.InvalidCachedStatementError,  # the tables were changed under a connection
    asyncpg.QueryCanceledError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    sqlalchemy.exc.TimeoutError,  # no connection of the pool became free in time
)
_ENVIRONMENT: tuple[type[Exception], ...] = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    HandlerBlocked,
)
_UNREACHABLE = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH})
#: How the driver says that the connection or the pool was closed.
_CLOSED = ("connection is closed", "released back to the pool", "pool is clos")


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error in `error`; `error` itself where SQLAlchemy has wrapped none."""
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the server is away, busy or out of space.

    A wrong argument, or a connection that two tasks use at once, is a bug, though the driver has
    the same class of error for it.
    """
    cause = cause_of(error)
    if isinstance(cause, _TRANSIENT):
        return True
    if isinstance(cause, asyncpg.InterfaceError):
        return any(text in str(cause) for text in _CLOSED)
    if not isinstance(cause, OSError):
        return False
    # "Multiple exceptions": a host with several addresses, none of which answers.
    return cause.errno in _UNREACHABLE or str(cause).startswith("Multiple exceptions")


def is_environment(error: BaseException) -> bool:
    """Whether a table, column, schema, database or right is missing, or a handler is blocked.

    Never an event's fault: migrations have not run, a grant was taken away, or the service has
    other tables to make first. It is waited out and shown by readiness.
    """
    return isinstance(cause_of(error), _ENVIRONMENT)


def is_never_the_callers(error: BaseException) -> bool:
    """Whether it can't be the caller's fault, however long it goes on.

    The environment's faults, and a lock that another session holds: a migration, or a switch of
    tables.
    """
    return is_environment(error) or isinstance(cause_of(error), asyncpg.LockNotAvailableError)


def is_waited_out(error: BaseException) -> bool:
    """Whether any event would fail now: the same is tried again after a pause."""
    return is_transient(error) or is_environment(error)


def trouble_of(error: BaseException) -> str:
    """What is wrong with the database, for readiness, without a value of a row."""
    if isinstance(error, HandlerBlocked):
        return str(error)
    kind = type(cause_of(error)).__name__
    if is_environment(error):
        return f"the database lacks a table, a column or a right ({kind}): was it migrated?"
    return f"the database can't be used ({kind})"
