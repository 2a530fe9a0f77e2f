-- The read side: an append-only event log and the projections folded from it, in one schema a version; views in `reporting` show the active one.
-- Versions are made, filled, indexed, shown and compared through the functions below, so that a rebuild needs nothing that is not written here.

create schema reporting;
comment on schema reporting is 'What analysts read: views on the active version of the projections. Query these and not the tables behind them: those are replaced by a rebuild.';

create table reporting.active_version (
    only_row boolean primary key default true check (only_row),
    version int not null,
    switched_at timestamptz not null default clock_timestamp()
);
comment on table reporting.active_version is 'The one version of the projections that the views show and the consumer writes to.';

create table reporting.topic_offset (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (topic, partition)
);
comment on table reporting.topic_offset is 'How far the active version has come in each partition: the first offset it does not hold. Written in the transaction that writes the events.';

create table reporting.rebuild (
    version int primary key,
    state text not null check (state in ('building', 'active', 'differs', 'dropped')),
    fingerprint text not null,
    watermarks jsonb not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    events bigint,
    seconds double precision,
    result jsonb
);
comment on table reporting.rebuild is 'Every version that was built, with the high watermarks taken at its start, the code it was folded by and what the comparison said.';

create table reporting.rebuild_share (
    version int not null references reporting.rebuild (version) on delete cascade,
    share int not null,
    events bigint not null default 0,
    skipped bigint not null default 0,
    primary key (version, share)
);
comment on table reporting.rebuild_share is 'Which shares (a partition of all topics) of a version are in its tables; written in the transaction that fills them, so a stopped rebuild goes on where it was.';

-- Tables of a version, without keys: they are filled by COPY first. Ids are compared byte by byte ("C"): sorting them by a language costs several times as much.
create function reporting.create_version(version int) returns void language plpgsql as $create$
begin
    execute format('create schema projection_v%s', version);
    perform set_config('search_path', format('projection_v%s', version), true);
    create table event_log (
        id uuid not null,
        topic text not null,
        partition int not null,
        record_offset bigint not null,
        type text not null,
        subject text collate "C" not null,
        sequence bigint not null,
        time timestamptz not null,
        correlationid text not null,
        causationid text,
        data jsonb not null
    );
    create table referral (
        referral_id text collate "C" not null,
        citizen_id text collate "C",
        pathway text,
        department text,
        municipality_code text,
        referrer_kind text,
        created_at timestamptz,
        consent text not null,
        consent_given_at timestamptz,
        consent_withdrawn_at timestamptz,
        appointments_booked int not null,
        appointments_rescheduled int not null,
        appointments_cancelled int not null,
        appointments_completed int not null,
        appointments_missed int not null,
        referral_changed_at timestamptz,
        offers_made int not null,
        matches_made int not null,
        matches_released int not null,
        escalations int not null,
        matching_changed_at timestamptz,
        notifications_sent int not null,
        notifications_failed int not null,
        notified_at timestamptz
    );
    create table appointment (
        appointment_id text collate "C" not null,
        referral_id text collate "C",
        citizen_id text collate "C",
        state text,
        starts_at timestamptz,
        ends_at timestamptz,
        location_id text collate "C",
        booked_at timestamptz,
        times_rescheduled int not null,
        closed_at timestamptz,
        match_state text,
        offers_made int not null,
        offers_accepted int not null,
        offers_declined int not null,
        offers_expired int not null,
        offers_withdrawn int not null,
        waves bigint not null,
        first_offered_at timestamptz,
        first_matched_at timestamptz,
        matched_at timestamptz,
        volunteer_id text collate "C",
        minutes bigint,
        times_released int not null,
        release_reason text,
        escalated_at timestamptz,
        escalated_reason text,
        escalated_asked bigint
    );
    create table offer (
        offer_id text collate "C" not null,
        referral_id text collate "C",
        appointment_id text collate "C",
        volunteer_id text collate "C",
        wave bigint,
        rank bigint,
        distance_metres bigint,
        known_to_citizen boolean,
        made_at timestamptz,
        expires_at timestamptz,
        state text,
        closed_at timestamptz,
        withdrawal_reason text
    );
    create table volunteer (
        volunteer_id text collate "C" not null,
        pool text,
        department text,
        municipality_code text,
        status text,
        registered_at timestamptz,
        activated_at timestamptz,
        paused_at timestamptz
    );
    create table notification (
        notification_id text collate "C" not null,
        referral_id text collate "C",
        appointment_id text collate "C",
        recipient_role text,
        template text,
        channel text,
        language text,
        state text,
        finished_at timestamptz,
        failure_reason text
    );
    perform set_config('search_path', 'public', true);
end $create$;
comment on function reporting.create_version(int) is 'Creates the schema of a version with its empty tables, without keys and indexes.';

-- The keys and indexes of one table of a version; apart from the tables because building them after the COPY is several times cheaper.
create function reporting.index_table(version int, name text) returns void language plpgsql as $index$
begin
    perform set_config('search_path', format('projection_v%s', version), true);
    case name
    when 'event_log' then
        alter table event_log add constraint event_log_pkey primary key (id);
        create index event_log_subject on event_log (subject);
    when 'referral' then
        alter table referral add constraint referral_pkey primary key (referral_id);
        create index referral_department on referral (department, created_at);
    when 'appointment' then
        alter table appointment add constraint appointment_pkey primary key (appointment_id);
        create index appointment_referral on appointment (referral_id);
    when 'offer' then
        alter table offer add constraint offer_pkey primary key (offer_id);
    when 'volunteer' then
        alter table volunteer add constraint volunteer_pkey primary key (volunteer_id);
    when 'notification' then
        alter table notification add constraint notification_pkey primary key (notification_id);
    end case;
    execute format('analyze %I', name);
    perform set_config('search_path', 'public', true);
end $index$;
comment on function reporting.index_table(int, text) is 'Adds keys and indexes to one filled table of a version and takes its statistics.';

-- The views, and with them the data dictionary. Called in the transaction of a switch: whoever reads meanwhile waits or sees the old one whole.
create function reporting.show_version(version int) returns void language plpgsql as $show$
begin
    perform set_config('search_path', format('projection_v%s', version), true);

    create or replace view reporting.event_log as select * from event_log;

    create or replace view reporting.referral as
    select r.*,
        case
            when r.consent <> 'given' then 'no_consent'
            when next.appointment_id is null and r.appointments_booked = 0 then 'no_appointment'
            when next.appointment_id is null then 'over'
            when next.match_state = 'matched' then 'matched'
            when next.match_state = 'escalated' then 'escalated'
            else 'searching'
        end as standing,
        next.appointment_id as next_appointment_id,
        next.starts_at as next_starts_at
    from referral r
    left join lateral (
        select a.appointment_id, a.starts_at, a.match_state from appointment a
        where a.referral_id = r.referral_id and a.state = 'booked'
            -- What was booked before consent was withdrawn is forgotten: consent given anew does not bring it back.
            and (r.consent_withdrawn_at is null or a.booked_at > r.consent_withdrawn_at)
            -- One that the hospital never closed is passed over once something has happened after it.
            and a.ends_at > greatest(r.referral_changed_at, r.matching_changed_at, r.notified_at)
        order by a.starts_at, a.appointment_id limit 1
    ) next on true;

    create or replace view reporting.appointment as
    select a.*, r.department, r.municipality_code, r.pathway,
        date_trunc('month', a.starts_at at time zone 'Europe/Copenhagen')::date as month,
        extract(epoch from a.first_matched_at - a.booked_at)::double precision as seconds_to_match
    from appointment a left join referral r on r.referral_id = a.referral_id;

    create or replace view reporting.offer as
    select o.*, r.department from offer o left join referral r on r.referral_id = o.referral_id;

    create or replace view reporting.volunteer as select * from volunteer;

    create or replace view reporting.notification as
    select n.*, r.department from notification n left join referral r on r.referral_id = n.referral_id;

    create or replace view reporting.appointment_summary as
    select r.department, r.municipality_code,
        date_trunc('month', a.starts_at at time zone 'Europe/Copenhagen')::date as month,
        case when a.state = 'booked' and a.booked_at <= r.consent_withdrawn_at then 'forgotten' else a.state end as state,
        a.match_state, count(*) as appointments, coalesce(sum(a.minutes), 0)::bigint as volunteer_minutes
    from appointment a left join referral r on r.referral_id = a.referral_id
    where a.state is not null
    group by 1, 2, 3, 4, 5;

    create or replace view reporting.volunteer_activity as
    select v.volunteer_id, v.pool, v.department, v.municipality_code, v.status,
        coalesce(o.offers, 0) as offers, coalesce(o.accepted, 0) as accepted, coalesce(o.declined, 0) as declined,
        coalesce(o.expired, 0) as expired,
        coalesce(e.planned, 0) as escorts_planned, coalesce(e.done, 0) as escorts_done,
        coalesce(e.minutes_done, 0)::bigint as minutes_done,
        round(coalesce(e.minutes_done, 0) / 60.0, 2)::double precision as hours_done,
        e.latest_escort_at
    from volunteer v
    left join (
        select volunteer_id, count(*) as offers, count(*) filter (where state = 'accepted') as accepted,
            count(*) filter (where state = 'declined') as declined, count(*) filter (where state = 'expired') as expired
        from offer group by 1
    ) o using (volunteer_id)
    left join (
        select volunteer_id, count(*) filter (where state = 'booked') as planned,
            count(*) filter (where state in ('completed', 'missed')) as done,
            sum(minutes) filter (where state in ('completed', 'missed')) as minutes_done,
            max(starts_at) filter (where state in ('completed', 'missed')) as latest_escort_at
        from appointment where volunteer_id is not null group by 1
    ) e using (volunteer_id);

    create or replace view reporting.time_to_match as
    select r.department, date_trunc('month', a.starts_at at time zone 'Europe/Copenhagen')::date as month, count(*) as matched,
        percentile_cont(0.5) within group (order by extract(epoch from a.first_matched_at - a.booked_at)) as p50_seconds,
        percentile_cont(0.9) within group (order by extract(epoch from a.first_matched_at - a.booked_at)) as p90_seconds,
        percentile_cont(0.99) within group (order by extract(epoch from a.first_matched_at - a.booked_at)) as p99_seconds,
        max(extract(epoch from a.first_matched_at - a.booked_at))::double precision as max_seconds
    from appointment a left join referral r on r.referral_id = a.referral_id
    where a.first_matched_at is not null and a.booked_at is not null
    group by 1, 2;

    create or replace view reporting.event_count as select type, count(*) as events from event_log group by type;

    perform set_config('search_path', 'public', true);
    insert into reporting.active_version (version) values (version)
    on conflict (only_row) do update set version = excluded.version, switched_at = clock_timestamp();
end $show$;
comment on function reporting.show_version(int) is 'Points every view at a version and makes it the active one. Atomic with the transaction it is called in.';

-- An order-independent fingerprint of a table: the same rows give the same numbers, in whatever order they were written.
create function reporting.table_hash(version int, name text, out row_count bigint, out hash numeric) language plpgsql stable as $hash$
begin
    execute format('select count(*), coalesce(sum(hash_record_extended(t, 0)), 0) from projection_v%s.%I t', version, name)
    into row_count, hash;
end $hash$;
comment on function reporting.table_hash(int, text) is 'Number of rows and the sum of their 64-bit hashes.';

create function reporting.first_differences(left_version int, right_version int, name text, key text, most int)
returns table (differing_key text) language plpgsql stable as $diff$
begin
    return query execute format(
        'select coalesce(l.k, r.k) from (select %2$I::text as k, hash_record_extended(t, 0) as h from projection_v%3$s.%1$I t) l'
        ' full join (select %2$I::text as k, hash_record_extended(t, 0) as h from projection_v%4$s.%1$I t) r on l.k = r.k'
        ' where l.h is distinct from r.h order by 1 limit %5$s', name, key, left_version, right_version, most);
end $diff$;
comment on function reporting.first_differences(int, int, text, text, int) is 'Keys of rows that two versions do not hold alike, in key order.';

do $first$
declare name text;
begin
    perform reporting.create_version(1);
    foreach name in array array['event_log', 'referral', 'appointment', 'offer', 'volunteer', 'notification'] loop
        perform reporting.index_table(1, name);
    end loop;
    perform reporting.show_version(1);
    insert into reporting.rebuild (version, state, fingerprint, watermarks, finished_at, events)
    values (1, 'active', '', '[]', clock_timestamp(), 0);
end $first$;
