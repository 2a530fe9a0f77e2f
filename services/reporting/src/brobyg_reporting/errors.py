"""What reporting raises.

ReportingError
├── AnalystRefused  an analyst's login can't have this name
├── OtherCode       the live version of the projections belongs to other code than this
├── NoVersion       no version of the projections has been built yet
├── RebuildRefused  the rebuild can't be done as asked
├── UnknownTopic    a topic that is to be read is not there
├── ViewsInUse      other sessions hold the views, so that they can't show another version
└── WorkerFailed    a worker process of a rebuild stopped before its work was done

`OtherCode` and `NoVersion` are also the kit's `HandlerBlocked`: the consumer waits.
"""

from brobyg_kit.errors import HandlerBlocked


class ReportingError(Exception):
    """What reporting raises, other than for a wrong argument."""


class AnalystRefused(ReportingError):
    """An analyst's login can't have this name; the message says why."""


class OtherCode(ReportingError, HandlerBlocked):
    """The live version was written by other code, so this code must not write to it."""


class NoVersion(ReportingError, HandlerBlocked):
    """No version of the projections has been built yet."""


class RebuildRefused(ReportingError):
    """The rebuild can't be done as asked; the message says why and what to do."""


class UnknownTopic(ReportingError):
    """A topic that is to be read is not there."""


class ViewsInUse(ReportingError):
    """Other sessions hold the views for minutes; the message names them."""


class WorkerFailed(ReportingError):
    """A worker process stopped before its work was done; the same command goes on from there."""
