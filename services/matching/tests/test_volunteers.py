"""When somebody is ready to be asked."""

from datetime import UTC, date, datetime

import pytest
from brobyg_matching.domain.volunteer import activated
from brobyg_matching.errors import NotReady
from matching_samples import a_volunteer

#: Half past midnight on 1 December in Denmark; still 30 November by UTC.
AFTER_MIDNIGHT = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
EARLIER = date(2026, 9, 1)


def test_what_was_signed_today_by_the_danish_calendar_is_not_in_the_future() -> None:
    applied = a_volunteer("v", status="applied")
    ready = activated(applied, date(2026, 12, 1), EARLIER, EARLIER, AFTER_MIDNIGHT)
    assert (ready.status, ready.confidentiality_signed_on) == ("active", date(2026, 12, 1))


def test_a_day_of_before_any_volunteer_was_checked_is_a_slip() -> None:
    with pytest.raises(NotReady, match="record_checked_on lies before 1950"):
        activated(
            a_volunteer("v", status="applied"), EARLIER, date(1, 1, 1), EARLIER, AFTER_MIDNIGHT
        )


def test_what_is_signed_tomorrow_by_the_danish_calendar_is_in_the_future() -> None:
    with pytest.raises(NotReady, match="introduced_on"):
        activated(
            a_volunteer("v", status="applied"), EARLIER, EARLIER, date(2026, 12, 2), AFTER_MIDNIGHT
        )
