"""What a service consumes and what handles it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from brobyg_kit.database import Transaction
from brobyg_kit.event import Event
from brobyg_kit.ids import derived_id
from brobyg_kit.parking import Origin
from brobyg_kit.replica import Copies

#: Handles events within a transaction, all effects or none: it raises to have all undone.
BatchHandler = Callable[[Transaction, Sequence[Event]], Awaitable[None]]
#: Makes an event, or several, of a record that is not in our envelope or needs its place, from its
#: origin, key and value. Raises UndecodableEvent.
Decoder = Callable[[Origin, bytes | None, bytes], Event | Sequence[Event]]
#: The id by whose lock an event is handled, or the empty text.
LockedBy = Callable[[Event], str]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service consumes and what handles it."""

    service: str
    topics: Sequence[str]
    handle: BatchHandler
    #: By topic. A topic without one carries events in our envelope.
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    #: The topics of which the service keeps a copy.
    copies: Copies | None = None
    #: The topics on which a record without a value deletes what its key had. It comes as an event
    #: of type TOMBSTONE.
    compacted: Collection[str] = ()
    #: The most events of one transaction.
    max_batch: int = 2_000
    #: How long the broker may gather records before it sends them, seconds: fewer transactions for
    #: what nobody waits for. 0 for at once.
    gather: float = 0.0
    #: False where the handler itself drops events it has handled before.
    inbox: bool = True
    #: This process's name in the group (Kafka's static membership): a process that comes back
    #: under the name of one that died takes over its partitions at once. Empty for none.
    instance: str = ""
    #: The event types whose words are looked at for unknown ones: those that are handled.
    types: Collection[str] = ()
    #: Where many subjects are handled under one lock, two lanes would do nothing but wait for each
    #: other. By this a batch is handled in parts beside each other, each a transaction of its own.
    locked_by: LockedBy | None = None

    @property
    def group(self) -> str:
        """The consumer group, `brobyg-<service>`."""
        return f"brobyg-{self.service}"

    def member(self, lane: int) -> str | None:
        """Kafka's `group.instance.id` of a lane; None for a process without a name.

        It also stands for the topics: the broker gives a member that comes back what it had
        before, without looking whether it now subscribes to more.
        """
        if not self.instance:
            return None
        return f"{self.instance}-{derived_id(*sorted(self.topics))[:8]}-{lane}"
