"""What helpers and resources are taken by: spans that never overlap, and cases that are counted."""

from collections.abc import Iterable, Mapping

import msgspec

from brobyg_matching.domain.local_time import week_of

#: A need and the number of its seat; 0 is the resource that is held with it.
Place = tuple[str, int]
#: The number under which a need's resource is booked.
RESOURCE = 0


class Booking(msgspec.Struct, frozen=True, gc=False):
    """Capacity taken. Seconds since 1970 UTC."""

    #: A helper's id, or a resource's.
    holder: str
    need_id: str
    seat_no: int
    #: From leaving home to being back; None for a case.
    since: int | None
    until: int | None
    #: Whether nothing else may overlap it. A case, and a second need on one way, are not.
    exclusive: bool

    @property
    def place(self) -> Place:
        """What it is booked for."""
        return self.need_id, self.seat_no

    @property
    def week(self) -> int:
        """The local ISO week that it counts in, as `week_of` gives it."""
        return week_of(self.since or 0)


class Diary:
    """The bookings that can matter to a batch. Changed only by `book` and `free`."""

    def __init__(
        self, bookings: Iterable[Booking] = (), cases: Mapping[str, int] | None = None
    ) -> None:
        """`cases` says how many each helper has at the moment."""
        #: The spans of each holder.
        self.bookings: dict[str, dict[Place, Booking]] = {}
        #: How many cases each helper has; absent for none.
        self.cases: dict[str, int] = dict(cases or {})
        for one in bookings:
            self.bookings.setdefault(one.holder, {})[one.place] = one

    def of(self, holder: str) -> Mapping[Place, Booking]:
        """The exclusive and shared spans of a helper or resource."""
        return self.bookings.get(holder, {})

    def book(self, booking: Booking) -> None:
        """Take capacity; a booking of the same holder for the same place is replaced."""
        if booking.since is None:
            self.cases[booking.holder] = self.cases.get(booking.holder, 0) + 1
        else:
            self.bookings.setdefault(booking.holder, {})[booking.place] = booking

    def free(self, booking: Booking) -> None:
        """Give the capacity back."""
        if booking.since is None:
            self.cases[booking.holder] = max(0, self.cases.get(booking.holder, 0) - 1)
        else:
            self.bookings.get(booking.holder, {}).pop(booking.place, None)

    def is_taken(self, holder: str, since: int, until: int) -> bool:
        """Whether the span overlaps what the holder has."""
        return any(
            one.exclusive
            and one.since is not None
            and one.until is not None
            and one.since < until
            and since < one.until
            for one in self.of(holder).values()
        )
