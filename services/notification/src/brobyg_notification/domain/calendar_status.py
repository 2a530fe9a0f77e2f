"""What people's calendars show after the notices planned so far. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from brobyg_contracts import (
    MatchEscalated,
    MatchReleased,
    NeedChanged,
    NeedClosed,
    VolunteerMatched,
)
from brobyg_kit.event import Event
from msgspec import UNSET

from brobyg_notification.domain.notice import CalendarMethod, Notice, Role, decode_match


@dataclass(frozen=True, slots=True)
class Plan:
    """When and where something is to take place; None where it has no span or place."""

    starts_at: datetime | None
    ends_at: datetime | None
    location_id: str | None


def plan_of(told: NeedChanged | VolunteerMatched | MatchReleased | MatchEscalated) -> Plan:
    """The plan that an event tells of."""
    return Plan(told.starts_at or None, told.ends_at or None, told.location_id or None)


@dataclass(frozen=True, slots=True)
class CalendarStatus:
    """One recipient's calendar entry for one need."""

    role: Role
    recipient_id: str
    #: Method and SEQUENCE of the newest message that changes it.
    method: CalendarMethod
    sequence: int
    #: The newest match that the recipient was to be told of.
    match: Event | None

    def invitation_at(self, moment: datetime) -> VolunteerMatched | None:
        """The match it invites to, agreed by `moment` and not begun by then; None if there is none.

        Once it has begun, a correction is about something under way or past, and only a release
        cancels that.
        """
        if self.method == "CANCEL" or self.match is None or self.match.time > moment:
            return None
        match = decode_match(self.match)
        return match if match.starts_at is UNSET or match.starts_at > moment else None


@dataclass(frozen=True, slots=True)
class CalledOff:
    """By what a need no longer stands as it did: it was closed, or it has another plan."""

    need_id: str
    #: In the words of match.released.
    reason: str
    cause: Event
    #: The plan that it has now; None when it is closed.
    plan: Plan | None

    def ends(self, plan: Plan) -> bool:
        """Whether what was agreed by `plan` does not take place."""
        return self.plan != plan


def read_called_off(need_id: str, reason: str, cause: Event) -> CalledOff:
    """From its cause, as it was stored."""
    is_closed = cause.type == NeedClosed.EVENT_TYPE
    return CalledOff(
        need_id, reason, cause, None if is_closed else plan_of(cause.decode(NeedChanged))
    )


@dataclass(frozen=True, slots=True)
class CalendarUpdate:
    """What an event leads to: notices, what it calls off, and what its need or person is then."""

    notices: Sequence[Notice] = ()
    called_off: CalledOff | None = None
    closed: bool = False
    opened: bool = False
    #: Of whom nothing is deleted from now on, and why; None for why once that is lifted.
    restricted: tuple[str, str | None] | None = None
    #: Who was erased: as what they were written to, and their id.
    erased: tuple[Role, str] | None = None


_Recipient: TypeAlias = tuple[Role, str]


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendar entries of one need's people, and by what it was last called off."""

    #: By role and id.
    entries: Mapping[_Recipient, CalendarStatus] = field(default_factory=dict)
    called_off: CalledOff | None = None

    def citizens(self) -> list[CalendarStatus]:
        """The citizen's entry, if there was ever one."""
        return [one for one in self.entries.values() if one.role == "citizen"]

    def called_off_since(self, moment: datetime, plan: Plan) -> CalledOff | None:
        """By what `plan` no longer holds as it did at `moment`; None when it does."""
        off = self.called_off
        return off if off and off.cause.time >= moment and off.ends(plan) else None

    def numbered(self, update: CalendarUpdate) -> CalendarUpdate:
        """`update` with the SEQUENCE of each calendar file, and the match it changes."""
        return replace(update, notices=tuple(map(self._numbered, update.notices)))

    def _numbered(self, notice: Notice) -> Notice:
        if notice.calendar is None:
            return notice
        entry = self.entries.get((notice.role, notice.recipient_id))
        if entry is None:
            return replace(notice, sequence=0)
        return replace(notice, sequence=entry.sequence + 1, match=notice.match or entry.match)

    def after(self, update: CalendarUpdate) -> "Calendars":
        """As they are once the numbered `update` is stored."""
        changed = {
            (one.role, one.recipient_id): CalendarStatus(
                one.role, one.recipient_id, one.calendar, one.sequence, one.match
            )
            for one in update.notices
            if one.calendar is not None and one.sequence is not None
        }
        off, known = update.called_off, self.called_off
        if off is None or (known is not None and known.cause.time >= off.cause.time):
            off = known
        return Calendars({**self.entries, **changed}, off)
