"""Danish public holidays: `python -m schemas.tools.holidays 2041 2045` prints them for calendars.

The ten days by law (since 2024 without the Great Prayer Day), and 24 December, on which public
offices are closed.
"""

import argparse
import sys
from datetime import date, timedelta

from dateutil.easter import easter

#: Days from Easter Sunday: Maundy Thursday, Good Friday, Easter, Easter Monday, Ascension,
#: Pentecost, Pentecost Monday.
_FROM_EASTER = (-3, -2, 0, 1, 39, 49, 50)
_FIXED = ((1, 1), (12, 24), (12, 25), (12, 26))


def holidays(year: int) -> list[date]:
    """The days of a year from 2024 on, in order."""
    moving = [easter(year) + timedelta(days=days) for days in _FROM_EASTER]
    return sorted([*moving, *(date(year, month, day) for month, day in _FIXED)])


def main(arguments: list[str] | None = None) -> int:
    """Prints a line of YAML for each year."""
    parser = argparse.ArgumentParser(description="Print Danish public holidays as YAML.")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    given = parser.parse_args(arguments)
    for year in range(given.first, given.last + 1):
        print("\n".join(f"      - {day}" for day in holidays(year)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
