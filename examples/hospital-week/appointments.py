"""What happens to each appointment of the week, before anything goes wrong on the way to Brobyg.

Pure, from a seeded generator of random numbers: the same seed gives the same week.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from fhir import IDENTIFIER_SYSTEM

TIME_ZONE = ZoneInfo("Europe/Copenhagen")
MONDAY = datetime(2026, 11, 30, tzinfo=TIME_ZONE)
#: Starts of one citizen's appointments are this far apart, so that nobody has to be in two places
#: at once.
APART = timedelta(hours=4)
#: From booking to start, at least, for an ordinary appointment: time for several waves of offers.
NOTICE = timedelta(hours=42)
#: How appointments are spread over Monday to Sunday: late for those with a referral, so that there
#: is time to find a volunteer.
LATE_IN_THE_WEEK, ANY_DAY = (0, 1, 5, 22, 30, 22, 16), (0, 20, 20, 20, 20, 10, 10)
SHORT_NOTICE = 8
MOVED, CANCELLED, MISSED = 30, 22, 14
#: Appointments of the twelve citizens who have no referral.
OTHERS_APPOINTMENTS = 96
#: Appointments of each kind that come beside another of the same citizen.
BESIDE = 2
OTHER_SYSTEM = "https://clinics.example/appointments"

Status = Literal["booked", "cancelled", "noshow", "fulfilled"]
Channel = Literal["fhir", "kafka"]


@dataclass(frozen=True)
class Step:
    """The hospital's record of the appointment from `at` on."""

    at: datetime
    status: Status
    starts_at: datetime
    ends_at: datetime
    note: str


@dataclass
class Appointment:
    """One appointment with all that happens to it, oldest first."""

    number: str
    cpr: str
    consented: bool
    channel: Channel
    location_id: str
    #: Whose numbers these are.
    system: str = IDENTIFIER_SYSTEM
    steps: list[Step] = field(default_factory=list)

    @property
    def organisation(self) -> str:
        """Who sends it: each hospital's engine speaks for its own places."""
        return "hospital-grenaa" if self.location_id.startswith("grenaa") else "hospital-randers"


class Diary:
    """The times at which each citizen is taken, including the old times of moved appointments."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._taken: dict[str, list[datetime]] = {}

    def find(self, cpr: str, *, earliest: datetime, shares: tuple[int, ...]) -> datetime:
        """A free start at or after `earliest`, now taken.

        Raises LookupError when the week is full.
        """
        days = [day for day in range(1, 7) if MONDAY + timedelta(days=day, hours=15) >= earliest]
        weights = [shares[day] for day in days]
        for _ in range(2000):
            day = self._random.choices(days, weights)[0]
            quarters = self._random.randrange(4 * 8, 4 * 15 if day < 5 else 4 * 13)
            start = MONDAY + timedelta(days=day, minutes=15 * quarters)
            if start >= earliest and all(
                abs(start - other) >= APART for other in self._taken.get(cpr, [])
            ):
                self._taken.setdefault(cpr, []).append(start)
                return start
        raise LookupError(f"no free time left after {earliest}")


def week(
    random: Random, consented: list[tuple[str, str, int]], others: list[str]
) -> list[Appointment]:
    """All appointments of the week.

    `consented` is (CPR, town, how many); `others` have no referral.
    """
    wanted = [(cpr, town, True) for cpr, town, count in consented for _ in range(count)]
    wanted += [
        (others[index % len(others)], random.choice(["randers", "grenaa"]), False)
        for index in range(OTHERS_APPOINTMENTS)
    ]
    random.shuffle(wanted)
    diary = Diary(random)
    appointments = [
        _booked(
            random,
            diary,
            f"A-{number:04d}",
            cpr,
            town,
            agreed,
            short=agreed and number <= SHORT_NOTICE * 3,
        )
        for number, (cpr, town, agreed) in enumerate(wanted, start=1)
    ]
    _happen(random, diary, appointments)
    return sorted(appointments, key=lambda appointment: appointment.number)


def _booked(
    random: Random,
    diary: Diary,
    number: str,
    cpr: str,
    town: str,
    consented: bool,
    *,
    short: bool,
) -> Appointment:
    """An appointment that has been booked; with `short`, less than a day ahead."""
    shares = LATE_IN_THE_WEEK if consented else ANY_DAY
    start = diary.find(cpr, earliest=MONDAY + timedelta(days=1, hours=10), shares=shares)
    end = start + timedelta(minutes=random.choice([20, 30, 30, 45, 60]))
    if short and random.random() < 0.5:
        at, note = start - timedelta(minutes=random.randrange(200, 1100)), "booked at short notice"
    else:
        at, note = _booking_time(random, start), "booked"
    channel: Channel = "kafka" if random.random() < 0.25 else "fhir"
    appointment = Appointment(number, cpr, consented, channel, _location(random, town))
    appointment.steps.append(Step(at, "booked", start, end, note))
    return appointment


def _location(random: Random, town: str) -> str:
    if town == "randers":
        return random.choices(
            ["randers-hospital", "randers-health-centre", "randers-nursing-clinic"], [7, 2, 2]
        )[0]
    return random.choices(
        ["grenaa-health-house", "grenaa-nursing-clinic", "randers-hospital"], [7, 3, 1]
    )[0]


def _booking_time(random: Random, start: datetime) -> datetime:
    """When the booking is made: in working hours, with notice.

    Else in the night to Monday or on it, when the engine sends what was booked before.
    """
    latest = start - NOTICE
    hours = [
        MONDAY + timedelta(days=day, hours=hour)
        for day in range(6)
        for hour in range(6, 22)
        if MONDAY + timedelta(days=day, hours=hour + 1) <= latest
    ]
    if not hours or random.random() < 0.15:
        first, last = MONDAY + timedelta(minutes=20), max(latest, MONDAY + timedelta(hours=5))
        return first + timedelta(
            seconds=random.randrange(
                int((min(last, MONDAY + timedelta(hours=16)) - first).total_seconds())
            )
        )
    return random.choice(hours) + timedelta(seconds=random.randrange(3600))


def _happen(random: Random, diary: Diary, appointments: list[Appointment]) -> None:
    """Move, cancel and miss as many as said at the top; what is left is fulfilled."""
    order = [appointment for appointment in appointments if _notice(appointment) >= NOTICE]
    random.shuffle(order)
    moved = list(_move(random, diary, order))
    cancelled = order[-CANCELLED:]
    missed = order[-CANCELLED - MISSED : -CANCELLED]
    for appointment in cancelled:
        _cancel(random, appointment)
    for appointment in appointments:
        if appointment not in cancelled:
            _end(random, appointment, missed=appointment in missed)
    assert len(moved) == MOVED
    assert len(missed) == MISSED


def _notice(appointment: Appointment) -> timedelta:
    return appointment.steps[0].starts_at - appointment.steps[0].at


def _move(random: Random, diary: Diary, order: list[Appointment]) -> Iterator[Appointment]:
    """Move the first MOVED that can be, at least 30 hours before the old and the new time."""
    count = 0
    for appointment in order[: -CANCELLED // 2]:
        first = appointment.steps[-1]
        room = first.starts_at - timedelta(hours=6) - (first.at + timedelta(hours=8))
        if count == MOVED or room < timedelta(hours=1):
            continue
        at = first.at + timedelta(hours=8) + random.random() * room
        at = at.replace(microsecond=0)
        try:
            start = diary.find(appointment.cpr, earliest=at + timedelta(hours=34), shares=ANY_DAY)
        except (LookupError, IndexError):
            continue
        end = start + (first.ends_at - first.starts_at)
        appointment.steps.append(Step(at, "booked", start, end, "moved"))
        count += 1
        yield appointment


def _cancel(random: Random, appointment: Appointment) -> None:
    last = appointment.steps[-1]
    room = last.starts_at - timedelta(hours=2) - (last.at + timedelta(hours=4))
    at = (last.at + timedelta(hours=4) + random.random() * room).replace(microsecond=0)
    appointment.steps.append(Step(at, "cancelled", last.starts_at, last.ends_at, "cancelled"))


def _end(random: Random, appointment: Appointment, *, missed: bool) -> None:
    last = appointment.steps[-1]
    if missed:
        at = last.starts_at + timedelta(minutes=random.randrange(20, 40))
        appointment.steps.append(Step(at, "noshow", last.starts_at, last.ends_at, "did not show"))
    else:
        at = last.ends_at + timedelta(minutes=random.randrange(10, 120))
        appointment.steps.append(Step(at, "fulfilled", last.starts_at, last.ends_at, "took place"))


def beside(random: Random, week: list[Appointment]) -> list[Appointment]:
    """What comes beside appointments of `week`, for the same citizens, an hour after each booking.

    In turn: the two overlap in two houses, follow each other in one, or are one time of which two
    systems tell.
    """
    calm = [
        entry
        for entry in week
        if entry.consented
        and entry.location_id == "randers-hospital"
        and [step.note for step in entry.steps] == ["booked", "took place"]
        and _notice(entry) >= NOTICE + timedelta(hours=2)
    ]
    random.shuffle(calm)
    chosen = list({entry.cpr: entry for entry in calm}.values())[: 3 * BESIDE]
    return [
        _beside(random, entry, kind=index % 3, number=f"A-{len(week) + index + 1:04d}")
        for index, entry in enumerate(chosen)
    ]


def _beside(random: Random, entry: Appointment, *, kind: int, number: str) -> Appointment:
    first = entry.steps[0]
    length = first.ends_at - first.starts_at
    later, location_id, note = (
        (timedelta(minutes=15), "randers-health-centre", "booked, overlaps in another house"),
        (length + timedelta(minutes=20), entry.location_id, "booked, follows in the same house"),
        (timedelta(0), entry.location_id, "booked, the same time from another system"),
    )[kind]
    start = first.starts_at + later
    made = Appointment(number, entry.cpr, True, "fhir", location_id)
    if kind == 2:
        made.system = OTHER_SYSTEM
    made.steps.append(Step(first.at + timedelta(hours=1), "booked", start, start + length, note))
    _end(random, made, missed=False)
    return made
