-- Volunteers, the searches for company, the questions asked and why.

create extension if not exists btree_gist;

create table volunteer (
    volunteer_id uuid primary key,
    status text not null check (status in ('applied', 'active', 'paused')),
    pool text not null,
    department text not null,
    languages text[] not null check (cardinality(languages) > 0),
    gender text not null,
    competences text[] not null,
    home_postcode text not null,
    range_metres int not null check (range_metres >= 0),
    travel text not null,
    availability jsonb not null,
    away date[] not null,
    weekly_limit int not null check (weekly_limit >= 0),
    confidentiality_signed_on date,
    record_checked_on date,
    introduced_on date,
    version int not null,
    registered_at timestamptz not null,
    constraint active_is_ready check (
        status = 'applied'
        or (confidentiality_signed_on is not null and record_checked_on is not null and introduced_on is not null)
    )
);
comment on table volunteer is 'Who can be asked for what. No name and no address: those are in volunteer_contact.';

create table volunteer_contact (
    volunteer_id uuid primary key references volunteer on delete cascade,
    name text not null,
    email text not null,
    phone text,
    language text not null check (language in ('da', 'en'))
);
comment on table volunteer_contact is 'How a volunteer is reached. Every reading of it is a row in access_log.';

create table registration (
    key_hash bytea primary key,
    request_hash bytea not null,
    -- Known before the volunteer is, who is kept in the same transaction.
    volunteer_id uuid not null references volunteer on delete cascade deferrable initially deferred,
    registered_at timestamptz not null
);
comment on table registration is 'Answers to POST /volunteers by the sender''s Idempotency-Key, or by the body where there is none. Both hashes are HMACs: nothing of key or body can be read.';

create table access_log (
    id bigint generated always as identity primary key,
    read_at timestamptz not null,
    reader text not null,
    volunteer_id uuid not null,
    purpose text not null
);
create index access_log_volunteer on access_log (volunteer_id, id);
comment on table access_log is 'Who read which volunteer''s contact, when and what for.';

create table block (
    volunteer_id uuid not null references volunteer on delete cascade,
    citizen_id uuid not null,
    asked_by text not null check (asked_by in ('volunteer', 'citizen')),
    blocked_at timestamptz not null,
    primary key (volunteer_id, citizen_id)
);
comment on table block is 'These two are not brought together again, at the wish of either.';

create table referral (
    referral_id uuid primary key,
    citizen_id uuid not null,
    pathway text not null,
    department text not null,
    consented boolean not null,
    languages text[] not null,
    gender_wish text,
    mobility text not null,
    meeting text not null,
    postcode text not null
);
comment on table referral is 'What the referral''s events have told that matching needs.';

create table match (
    appointment_id uuid primary key,
    referral_id uuid not null,
    citizen_id uuid not null,
    department text not null,
    location_id text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    meeting text not null,
    meet_at timestamptz not null,
    state text not null check (state in ('searching', 'matched', 'escalated', 'closed')),
    reason text,
    round int not null,
    wave int not null,
    opened_at timestamptz not null,
    decide_by timestamptz not null,
    match_id uuid,
    offer_id uuid,
    volunteer_id uuid references volunteer,
    leave_at timestamptz,
    home_at timestamptz,
    asked uuid[] not null,
    unwilling uuid[] not null,
    constraint matched_has_volunteer check (state <> 'matched' or volunteer_id is not null),
    constraint volunteer_has_span check (volunteer_id is null or (leave_at is not null and home_at is not null and leave_at < home_at)),
    -- The last guard: nobody is in two places at once, whatever the code above it does.
    constraint never_two_places_at_once
        exclude using gist (volunteer_id with =, tstzrange(leave_at, home_at) with &&) where (volunteer_id is not null)
);
create index match_referral on match (referral_id);
create index match_volunteer on match (volunteer_id, starts_at) where volunteer_id is not null;
create index match_promised on match (starts_at) where volunteer_id is not null;
create index match_citizen on match (citizen_id) where volunteer_id is not null;
create index match_state on match (state, starts_at, appointment_id);
comment on table match is 'One appointment''s search for company. volunteer_id is set exactly when somebody''s time is taken by it.';

create table offer (
    offer_id uuid primary key,
    appointment_id uuid not null references match,
    volunteer_id uuid not null references volunteer,
    round int not null,
    wave int not null,
    rank int not null,
    state text not null check (state in ('open', 'accepted', 'declined', 'expired', 'withdrawn')),
    reason text,
    distance_metres int not null,
    known_to_citizen boolean not null,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    leave_at timestamptz not null,
    meet_at timestamptz not null,
    home_at timestamptz not null,
    answered_at timestamptz
);
create index offer_live on offer (appointment_id) where state in ('open', 'accepted');
create index offer_appointment on offer (appointment_id);
create index offer_open on offer (volunteer_id) where state = 'open';
comment on table offer is 'One question to one volunteer about one appointment. Changed only under the lock on its match.';

create table decision (
    id bigint generated always as identity primary key,
    appointment_id uuid not null,
    round int not null,
    wave int not null,
    decided_at timestamptz not null,
    outcome text not null,
    could int not null,
    asked text not null,
    counts text not null,
    excluded text not null
);
create index decision_appointment on decision (appointment_id, id);
comment on table decision is 'Why something was decided: who was asked in which order with which points, who was left out by which rule (JSON; ids only).';
