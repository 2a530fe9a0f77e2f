"""Views that count by a period, each for months and for weeks."""

from collections.abc import Mapping

from brobyg_reporting.adapters.view_parts import (
    DEPARTMENT,
    MUNICIPALITY,
    STANDING,
    View,
)

#: How a period is selected.
_PERIODS = {"month": "{month} as month", "week": "{week} as week, {iso_week} as iso_week"}


def need_summary(period: str, columns: Mapping[str, str]) -> View:
    """Needs counted, by the columns of this period among others."""
    keys = range(1, 8 + len(columns))
    return View(
        f"""
        select n.department, d.name as department_name, r.municipality_code,
            {{municipalities}} ->> r.municipality_code as municipality_name, n.pathway,
            n.state, {{standing}} as standing, {_PERIODS[period]}, count(*) as needs,
            coalesce(sum(m.matches), 0)::bigint as matches,
            coalesce(sum(m.minutes), 0)::bigint as helper_minutes
        from {{v}}.need n
        left join {{v}}.referral r on r.referral_id = n.referral_id
        left join (
            select need_id, count(*) as matches, sum(minutes) as minutes
            from {{v}}.match where state = 'agreed' group by 1
        ) m on m.need_id = n.need_id
        left join {{departments}} d on d.id = n.department
        where n.state is not null
        group by {", ".join(map(str, keys))}
        """,  # noqa: S608  # our own names
        f"Needs counted by department, municipality, pathway, {period} and standing.",
        {
            **DEPARTMENT,
            **MUNICIPALITY,
            **STANDING,
            **columns,
            "pathway": "Kind of help.",
            "state": "open or closed.",
            "needs": "Number of needs.",
            "matches": "Helpers who have a seat in them, or had it when they were closed.",
            "helper_minutes": "Minutes of those helpers.",
        },
    )


def time_to_match(period: str, columns: Mapping[str, str]) -> View:
    """How long matching took, by the columns of this period among others."""
    keys = range(1, 4 + len(columns))
    return View(
        f"""
        select n.department, d.name as department_name, n.pathway, {_PERIODS[period]},
            count(*) as matched,
            percentile_cont(0.5) within group (order by {{time_to_match}}) as p50_seconds,
            percentile_cont(0.9) within group (order by {{time_to_match}}) as p90_seconds,
            percentile_cont(0.99) within group (order by {{time_to_match}}) as p99_seconds,
            max({{time_to_match}})::double precision as max_seconds
        from {{v}}.need n left join {{departments}} d on d.id = n.department
        where n.first_matched_at is not null and n.opened_at is not null
        group by {", ".join(map(str, keys))}
        """,  # noqa: S608  # our own names
        f"Time from the opening of a need to its first match, by department, pathway and {period}.",
        {
            **DEPARTMENT,
            **columns,
            "pathway": "Kind of help.",
            "matched": "Needs that were matched at least once.",
            "p50_seconds": "Median, seconds.",
            "p90_seconds": "90th percentile, seconds.",
            "p99_seconds": "99th percentile, seconds.",
            "max_seconds": "Longest, seconds.",
        },
    )
