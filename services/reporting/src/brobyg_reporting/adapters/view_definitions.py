"""The views that analysts read, as data, with their dictionary.

A column's comment is that of the table's column of the same name; computed ones have theirs here.
`{v}.need` in the SQL stands for the version of the table `need` that is shown, and other names in
braces for the expressions in `views`.
"""

from collections.abc import Mapping

from brobyg_reporting.adapters.tables import tables_of
from brobyg_reporting.adapters.view_citizens import CITIZEN_VIEWS
from brobyg_reporting.adapters.view_parts import (
    DEPARTMENT,
    DEPARTMENT_NAMES,
    MONTH,
    MUNICIPALITY,
    MUNICIPALITY_NAME,
    PLACE_NAME,
    STANDING,
    WEEK,
    View,
)
from brobyg_reporting.adapters.view_summaries import need_summary, time_to_match

VIEWS: Mapping[str, View] = {
    "event_log": View("select * from {v}.event_log", str(tables_of(0)["event_log"].comment)),
    "department": View(
        "select id as department, name, current from {departments} d",
        "One row an id of a department, former ones too.",
        {
            "department": "The id.",
            "name": "What people call it, or its successor.",
            "current": "The id that it has now: another one for a department that was taken over.",
        },
    ),
    "place": View(
        """
        select id as location_id, name, postcode, municipality_code,
            {municipalities} ->> municipality_code as municipality_name
        from {places} p
        """,
        "One row a place of the reference data.",
        {
            "location_id": "The place.",
            "name": "What people call it.",
            "postcode": "Its postcode.",
            "municipality_code": "The municipality it is in.",
            **MUNICIPALITY_NAME,
        },
    ),
    "municipality": View(
        "select key as municipality_code, value as name from jsonb_each_text({municipalities})",
        "One row a municipality of Denmark.",
        {"municipality_code": "Its code, four digits.", "name": "Its name."},
    ),
    "referral": View(
        """
        select r.*, d.name as department_name,
            {municipalities} ->> r.municipality_code as municipality_name,
            coalesce(sums.needs, 0) as needs,
            coalesce(sums.offers_made, 0)::bigint as offers_made,
            coalesce(sums.matches_made, 0)::bigint as matches_made,
            coalesce(sums.matches_released, 0)::bigint as matches_released,
            coalesce(sums.escalations, 0)::bigint as escalations,
            coalesce(sums.notifications_sent, 0)::bigint as notifications_sent,
            coalesce(sums.notifications_failed, 0)::bigint as notifications_failed,
            case
                when r.consent <> 'given' then 'no_consent'
                when next.need_id is null and coalesce(sums.needs, 0) = 0 then 'no_need'
                when next.need_id is null then 'over'
                else next.standing
            end as standing,
            next.need_id as next_need_id,
            next.starts_at as next_starts_at
        from {v}.referral r
        left join lateral (
            select count(*) as needs, sum(n.offers_made) as offers_made,
                sum(n.matches_made) as matches_made, sum(n.matches_released) as matches_released,
                sum(n.escalations) as escalations,
                sum(n.notifications_sent) as notifications_sent,
                sum(n.notifications_failed) as notifications_failed,
                max(greatest(n.changed_at, n.matching_changed_at, n.notified_at)) as changed_at
            from {v}.need n where n.referral_id = r.referral_id
        ) sums on true
        left join lateral (
            select n.need_id, n.starts_at, {standing} as standing
            from {v}.need n
            where n.referral_id = r.referral_id and n.state = 'open'
                -- One that was never closed is passed over once something has happened after it.
                and (n.ends_at is null or n.ends_at > greatest(r.changed_at, sums.changed_at))
            order by n.starts_at nulls last, n.need_id limit 1
        ) next on true
        left join {departments} d on d.id = r.department
        """,
        "One row a referral: where it stands.",
        {
            **DEPARTMENT,
            **MUNICIPALITY_NAME,
            "needs": "Needs ever opened.",
            "offers_made": "Offers made to helpers.",
            "matches_made": "Times a helper was found.",
            "matches_released": "Times a match was released.",
            "escalations": "Times the coordinator was asked to step in.",
            "notifications_sent": "Messages sent about it.",
            "notifications_failed": "Messages given up for a permanent reason.",
            "standing": (
                "no_consent, no_need, searching, waiting, held, matched, escalated, or over"
                " (nothing ahead), judged by the next open need."
            ),
            "next_need_id": (
                "The earliest need still open, of those that end after the latest event of the"
                " referral and its needs."
            ),
            "next_starts_at": "When that one starts, UTC.",
        },
    ),
    "appointment": View(
        """
        select a.*, n.department, d.name as department_name, p.name as place_name, n.need_id,
            n.match_state
        from {v}.appointment a
        left join {v}.need n on n.about_id = a.appointment_id
        left join {departments} d on d.id = n.department
        left join {places} p on p.id = a.location_id
        """,
        "One row an appointment: what the hospital says of it, and the need that it led to.",
        {
            **DEPARTMENT,
            **PLACE_NAME,
            "need_id": "The need; null where the pathway opens none.",
            "match_state": "As in need.match_state.",
        },
    ),
    "need": View(
        """
        select n.*, r.municipality_code, d.name as department_name, p.name as place_name,
            {municipalities} ->> r.municipality_code as municipality_name,
            {standing} as standing, {month} as month, {week} as week, {iso_week} as iso_week,
            {time_to_match}::double precision as seconds_to_match,
            coalesce(m.helpers, '{{}}') as helpers, coalesce(m.minutes, 0)::bigint as helper_minutes
        from {v}.need n
        left join {v}.referral r on r.referral_id = n.referral_id
        left join lateral (
            select array_agg(m.helper_id order by m.seat, m.match_id) as helpers,
                sum(m.minutes) as minutes
            from {v}.match m where m.need_id = n.need_id and m.state = 'agreed'
        ) m on true
        left join {departments} d on d.id = n.department
        left join {places} p on p.id = n.location_id
        """,
        "One row a need: what wants helpers, and how the search for them went.",
        {
            **DEPARTMENT,
            **PLACE_NAME,
            **MUNICIPALITY,
            **STANDING,
            **MONTH,
            **WEEK,
            "seconds_to_match": "Seconds from opening to the first match; null when never matched.",
            "helpers": "Who has its seats, by seat.",
            "helper_minutes": "Minutes of those helpers.",
        },
    ),
    "match": View(
        """
        select m.*, d.name as department_name, p.name as place_name
        from {v}.match m
        left join {departments} d on d.id = m.department
        left join {places} p on p.id = m.location_id
        """,
        "One row a match: a helper's agreement to a seat of a need.",
        {**DEPARTMENT, **PLACE_NAME},
    ),
    "offer": View(
        """
        select o.*, d.name as department_name
        from {v}.offer o left join {departments} d on d.id = o.department
        """,
        "One row an offer to a helper.",
        DEPARTMENT,
    ),
    "helper": View(
        """
        select h.*, {municipalities} ->> h.municipality_code as municipality_name,
            coalesce(served.names, '{{}}') as department_names
        from {v}.helper h left join {served} served using (helper_id)
        """,
        "One row a helper, without identity.",
        {**MUNICIPALITY_NAME, **DEPARTMENT_NAMES},
    ),
    **CITIZEN_VIEWS,
    "notification": View(
        """
        select o.*, n.department, d.name as department_name
        from {v}.notification o
        left join {v}.need n on n.need_id = o.need_id
        left join {departments} d on d.id = n.department
        """,
        "One row a message that was sent or given up.",
        {**DEPARTMENT, "department": "The need's department."},
    ),
    "decision": View(
        """
        select l.id as event_id, subject as need_id, time, data ->> 'department' as department,
            data ->> 'pathway' as pathway, (data -> 'policy_version')::integer as policy_version,
            (data -> 'seat')::integer as seat, data ->> 'role' as role,
            (data -> 'round')::integer as round, (data -> 'wave')::integer as wave,
            data ->> 'outcome' as outcome, (data -> 'could')::integer as could,
            (data -> 'asked')::integer as asked, data -> 'considered' as considered,
            data -> 'excluded' as excluded, data ->> 'actor' as actor,
            data ->> 'actor_role' as actor_role, d.name as department_name
        from {v}.event_log l left join {departments} d on d.id = l.data ->> 'department'
        where type = '{decided}'
        """,
        "One row a decision about a seat, of the rules or by hand, as it was published.",
        {
            "event_id": "The event.",
            "need_id": "The need.",
            "time": "When it was decided, UTC.",
            **DEPARTMENT,
            "department": "Department that runs the need.",
            "pathway": "Kind of help.",
            "policy_version": "Version of the pathway's policy by which it was decided.",
            "seat": "Which seat of the need, from 1.",
            "role": "What the helper is to do.",
            "round": "How often the seat's search had been opened, from 1.",
            "wave": "Which group of the round was asked, from 1.",
            "outcome": "What was decided: asked, assigned, waits, nobody_available or another.",
            "could": "Helpers who passed all hard rules.",
            "asked": "Helpers who were asked.",
            "considered": "Those who could, best first: helper_id, rank (who was asked), points.",
            "excluded": "Those who could not, by the rule: rule, count, helpers.",
            "actor": "Who did it, where it was done by hand: an opaque id.",
            "actor_role": "As what: coordinator or helper.",
        },
    ),
    "escalation": View(
        """
        select n.need_id, n.department, d.name as department_name, n.pathway, {month} as month,
            {week} as week, {iso_week} as iso_week, n.escalations, n.escalated_at,
            n.escalated_reason, n.escalated_asked, n.escalated_missing,
            extract(epoch from n.starts_at - n.escalated_at)::double precision as seconds_ahead,
            {standing} as standing
        from {v}.need n left join {departments} d on d.id = n.department
        where n.escalated_at is not null
        """,
        "One row a need that was handed to the coordinator, by its latest escalation.",
        {
            **DEPARTMENT,
            **STANDING,
            **MONTH,
            **WEEK,
            "need_id": "The need.",
            "pathway": "Kind of help.",
            "escalations": "Times the coordinator was asked to step in.",
            "escalated_at": "Latest escalation, UTC.",
            "escalated_reason": "Why: nobody_available, nobody_answered, too_late or another.",
            "escalated_asked": "Helpers who had been asked.",
            "escalated_missing": "Helpers missing to the least crew.",
            "seconds_ahead": "Seconds from then to the start; null where it has no span.",
        },
    ),
    "attention": View(
        """
        select a.*, d.name as department_name,
            (
                select split_part(l.topic, '.', 2) from {v}.event_log l
                where l.subject = a.attention_id order by l.time, l.id limit 1
            ) as owner
        from {v}.attention a left join {departments} d on d.id = a.department
        """,
        "One row a thing that needs a human: the worklist, and what became of it.",
        {
            **DEPARTMENT,
            "owner": "The service that raised it: it is claimed and settled there.",
        },
    ),
    "need_summary": need_summary("month", MONTH),
    "need_summary_by_week": need_summary("week", WEEK),
    "helper_activity": View(
        """
        select h.helper_id, h.pools, h.departments, h.municipality_code, h.status,
            {municipalities} ->> h.municipality_code as municipality_name,
            coalesce(served.names, '{{}}') as department_names,
            coalesce(o.offers, 0) as offers, coalesce(o.accepted, 0) as accepted,
            coalesce(o.declined, 0) as declined, coalesce(o.expired, 0) as expired,
            coalesce(m.planned, 0) as matches_planned, coalesce(m.done, 0) as matches_done,
            coalesce(m.minutes_done, 0)::bigint as minutes_done,
            round(coalesce(m.minutes_done, 0) / 60.0, 2)::double precision as hours_done,
            m.latest_at
        from {v}.helper h
        left join {served} served using (helper_id)
        left join (
            select helper_id, count(*) as offers,
                count(*) filter (where state = 'accepted') as accepted,
                count(*) filter (where state = 'declined') as declined,
                count(*) filter (where state = 'expired') as expired
            from {v}.offer group by 1
        ) o using (helper_id)
        left join (
            select m.helper_id, count(*) filter (where n.state = 'open') as planned,
                count(*) filter (where n.closed_reason in ('completed', 'missed')) as done,
                sum(m.minutes) filter (where n.closed_reason in ('completed', 'missed'))
                    as minutes_done,
                max(n.starts_at) filter (where n.closed_reason in ('completed', 'missed'))
                    as latest_at
            from {v}.match m join {v}.need n on n.need_id = m.need_id
            where m.state = 'agreed' group by 1
        ) m using (helper_id)
        """,
        "What each helper was asked, answered and did.",
        {
            "helper_id": "Opaque id.",
            "pools": "Pools they belong to.",
            "departments": "Departments they serve.",
            "municipality_code": "Municipality they live in.",
            **MUNICIPALITY_NAME,
            **DEPARTMENT_NAMES,
            "status": "applied, active or paused.",
            "offers": "Offers received.",
            "accepted": "Offers accepted.",
            "declined": "Offers declined.",
            "expired": "Offers left unanswered.",
            "matches_planned": "Seats held in needs that are still open.",
            "matches_done": (
                "Seats held in needs that were completed or missed by the citizen: the helper gave"
                " the time either way. One that ended and was then moved to a later day counts for"
                " the helper of that day."
            ),
            "minutes_done": "Minutes given to those.",
            "hours_done": "The same in hours.",
            "latest_at": "Start of the latest of those, UTC.",
        },
    ),
    "time_to_match": time_to_match("month", MONTH),
    "time_to_match_by_week": time_to_match("week", WEEK),
    "attention_summary": View(
        """
        select a.department, d.name as department_name, a.kind, a.state, a.outcome,
            count(*) as items, sum(a.times_raised)::bigint as times_raised,
            percentile_cont(0.5) within group (
                order by extract(epoch from a.settled_at - a.raised_at)
            ) as p50_seconds
        from {v}.attention a left join {departments} d on d.id = a.department
        where a.state is not null
        group by 1, 2, 3, 4, 5
        """,
        "What needed a human, counted by department, kind, state and outcome.",
        {
            **DEPARTMENT,
            "kind": "As in attention.kind.",
            "state": "As in attention.state.",
            "outcome": "As in attention.outcome; null while it is not settled.",
            "items": "Number of items.",
            "times_raised": "Times they were raised.",
            "p50_seconds": "Median seconds from the latest raising to the settling.",
        },
    ),
    "event_count": View(
        "select type, count(*) as events from {v}.event_log group by type",
        "Number of events of each type.",
        {"type": "CloudEvents type.", "events": "Number of events."},
    ),
    "dictionary": View(
        """
        select c.relname::text as view_name, a.attname::text as column_name,
            format_type(a.atttypid, a.atttypmod) as type, a.attnum::integer as position,
            col_description(c.oid, a.attnum) as meaning
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relkind = 'v' and c.relnamespace = 'reporting'::regnamespace
        """,
        "One row a column of these views: what it means.",
        {
            "view_name": "The view.",
            "column_name": "The column.",
            "type": "Its type.",
            "position": "Its place among the view's columns, from 1.",
            "meaning": "What it holds.",
        },
    ),
}
