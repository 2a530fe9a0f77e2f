"""What people's calendars show after the notices planned so far. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from brobyg_contracts import ReleaseReason, VolunteerMatched
from brobyg_kit.event import Event

from brobyg_notification.domain.notice import CalendarMethod, Notice, Role, thread_of


@dataclass(frozen=True, slots=True)
class CalendarStatus:
    """One recipient's calendar entry for one appointment."""

    appointment_id: str
    role: Role
    recipient_id: str
    #: Method and SEQUENCE of the newest calendar file.
    method: CalendarMethod
    sequence: int
    #: The newest match that the recipient was to be told of.
    match: Event | None

    @property
    def thread(self) -> str:
        """The thread of the recipient's messages about the appointment."""
        return thread_of(self.appointment_id, self.role, self.recipient_id)

    def invitation_at(self, moment: datetime) -> VolunteerMatched | None:
        """The match it invites to, agreed by `moment` and not begun by then; None if there is none.

        Once the two have met, a correction is about something under way or past, and only a
        release cancels that.
        """
        if self.method == "CANCEL" or self.match is None or self.match.time > moment:
            return None
        match = self.match.decode(VolunteerMatched)
        return match if match.meet_at > moment else None


@dataclass(frozen=True, slots=True)
class CalledOff:
    """What the referral service has called off."""

    #: The appointment_id; for a withdrawn consent, which is about all of them, the referral_id.
    about: str
    reason: ReleaseReason
    cause: Event


@dataclass(frozen=True, slots=True)
class CalendarUpdate:
    """What an event leads to: notices with their calendar files, and what it calls off."""

    notices: Sequence[Notice] = ()
    called_off: CalledOff | None = None


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendar entries of one referral's people, and what has been called off."""

    #: By thread.
    entries: Mapping[str, CalendarStatus] = field(default_factory=dict)
    #: The newest by what it is about.
    called_off: Mapping[str, CalledOff] = field(default_factory=dict)

    def entry(self, appointment_id: str, role: Role, recipient_id: str) -> CalendarStatus | None:
        """The recipient's entry for the appointment; None when there was never one."""
        return self.entries.get(thread_of(appointment_id, role, recipient_id))

    def citizens(self, appointment_id: str | None) -> list[CalendarStatus]:
        """The citizen's entries: the appointment's, or all when it is None."""
        return [
            one
            for one in self.entries.values()
            if one.role == "citizen" and appointment_id in (None, one.appointment_id)
        ]

    def called_off_since(
        self, moment: datetime, referral_id: str, appointment_id: str
    ) -> CalledOff | None:
        """By what the appointment no longer stands as it did at `moment`; None when it does."""
        found = (self.called_off.get(about) for about in (referral_id, appointment_id))
        since = [one for one in found if one is not None and one.cause.time >= moment]
        return max(since, key=lambda one: one.cause.time, default=None)

    def numbered(self, update: CalendarUpdate) -> CalendarUpdate:
        """`update` with the SEQUENCE of each calendar file, and the match it changes."""
        return replace(update, notices=tuple(map(self._numbered, update.notices)))

    def _numbered(self, notice: Notice) -> Notice:
        if notice.calendar is None:
            return notice
        entry = self.entries.get(notice.thread)
        if entry is None:
            return replace(notice, sequence=0)
        return replace(notice, sequence=entry.sequence + 1, match=notice.match or entry.match)

    def after(self, update: CalendarUpdate) -> "Calendars":
        """As they are once the numbered `update` is stored."""
        changed = {
            one.thread: CalendarStatus(
                one.appointment_id,
                one.role,
                one.recipient_id,
                one.calendar,
                one.sequence,
                one.match,
            )
            for one in update.notices
            if one.calendar is not None and one.sequence is not None
        }
        off = update.called_off
        known = self.called_off.get(off.about) if off else None
        if off is None or (known is not None and known.cause.time >= off.cause.time):
            return Calendars({**self.entries, **changed}, self.called_off)
        return Calendars({**self.entries, **changed}, {**self.called_off, off.about: off})
