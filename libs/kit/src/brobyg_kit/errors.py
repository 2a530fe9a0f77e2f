"""What the kit raises.

KitError
├── CannotDecrypt      what was sealed was altered, or is another person's
├── DatabaseTooOld     a database was made before the migrations that this code has
├── HandlerBlocked     a service can't handle any event now
│   ├── MasterKeyMissing   a person's key is wrapped by a master key that is not among ours
│   └── PersonKeyLost   a person is not erased, and their key is not there
├── InvalidIssuers     the file of who may issue tokens, or a file of keys, is not as it should be
├── InstanceReplaced   another process has joined the consumer group under this one's name
├── KeysUnavailable    none of an issuer's keys could be read yet
├── LaneFailed         a part of a consumer has ended or lost its group
├── LoginRefused      a login of the database is not one that a service may have
├── PartitionsDiffer   a topic has another number of partitions than its file declares
├── RecordGone         a record is no longer in its topic, or never was
├── SendFailed         the broker refused a record or did not acknowledge it
├── attention.ItemClaimed    somebody else has claimed what needs a human
├── attention.ItemSettled    what needs a human is settled already
├── attention.NoSuchItem     nothing of this id needs a human here
├── event.UndecodableEvent   the bytes are not an event, or its data breaks its schema
│   ├── event.LaterVersion   the data is of a later major version
│   └── event.UnknownWord    the data holds a word that only a later schema can list
└── problems.Problem   a request is answered with this status and explanation
"""


def raised_at(error: BaseException) -> str:
    """Where in the code `error` was raised, as `module:line`; empty when it was not raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else ""


class KitError(Exception):
    """What the kit raises, other than for a wrong argument."""


class CannotDecrypt(KitError):
    """What was sealed was altered, or is another person's."""


class DatabaseTooOld(KitError):
    """The database was made before the migrations that this code has, and can't be migrated."""


class TableInUse(KitError):
    """A table that a migration changes was not free for minutes."""


class HandlerBlocked(KitError):
    """A handler can't work now, for a reason that no event is the cause of.

    The consumer waits, parks nothing, and readiness shows the message.
    """


class MasterKeyMissing(HandlerBlocked):
    """A person's key is wrapped by a master key that is not among ours.

    Whoever runs the service gives it, and the same succeeds: waited out, never an event's fault.
    """


class PersonKeyLost(HandlerBlocked):
    """Somebody is not erased, and yet their own key is not there.

    A backup may have it: nothing that the key has sealed is taken for erased.
    """


class InvalidIssuers(KitError):
    """The file of who may issue tokens, or a file of keys, is not as it should be."""


class KeysUnavailable(KitError):
    """None of an issuer's keys could be read yet: what it has signed can't be checked."""


class InstanceReplaced(KitError):
    """Another process has joined the consumer group under this one's instance name."""


class LaneFailed(KitError):
    """A part of a consumer has ended or lost its group; the consumer is restarted."""


class LoginRefused(KitError):
    """An address names no login, or one that a service or an analyst must not sign in with."""


class PartitionsDiffer(KitError):
    """A topic has another number of partitions than its file declares."""


class RecordGone(KitError):
    """The record is no longer in its topic, or never was."""


class SendFailed(KitError):
    """The broker refused a record, or did not acknowledge it before the relay was stopped."""
