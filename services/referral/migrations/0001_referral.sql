-- Citizens, their referrals and what is needed of the hospital's appointments. Whatever names a person is in citizen.sealed and nowhere else.

create table citizen (
    citizen_id uuid primary key,
    cpr_hash bytea unique check (length(cpr_hash) = 32),
    key_id text,
    sealed bytea,
    created_at timestamptz not null,
    erased_at timestamptz,
    check ((erased_at is null) = (cpr_hash is not null and key_id is not null and sealed is not null))
);
comment on table citizen is 'Who the citizens are: encrypted (AES-256-GCM), found by a keyed hash of the CPR number. An erased citizen keeps the id alone.';
comment on column citizen.cpr_hash is 'HMAC-SHA256 of the CPR number.';
comment on column citizen.sealed is 'Nonce and ciphertext of name, contact and address as JSON; the citizen_id and key_id are authenticated with it.';

create table referral (
    referral_id uuid primary key,
    citizen_id uuid not null references citizen,
    pathway text not null,
    department text not null,
    municipality_code text not null,
    referrer_kind text not null,
    organisation text not null,
    needs jsonb not null,
    status text not null check (status in ('active', 'consent_withdrawn')),
    consent_given_at timestamptz not null,
    consent_withdrawn_at timestamptz,
    created_at timestamptz not null,
    check ((status = 'consent_withdrawn') = (consent_withdrawn_at is not null))
);
create unique index referral_active on referral (citizen_id, pathway) where status = 'active';
comment on table referral is 'A request for help for one citizen. Active is: consent is given and not withdrawn; one active referral per citizen and pathway.';

create table idempotency_key (
    organisation text not null,
    key_hash bytea not null,
    request_hash bytea not null,
    referral_id uuid not null references referral,
    created_at timestamptz not null,
    primary key (organisation, key_hash)
);
comment on table idempotency_key is 'Answers to POST /referrals by the sender''s Idempotency-Key. Of the key and of the body there is an HMAC: nothing of them can be read.';

create table appointment (
    appointment_id uuid primary key,
    organisation text not null,
    referral_id uuid not null references referral,
    citizen_id uuid not null references citizen,
    status text not null,
    starts_at timestamptz,
    ends_at timestamptz,
    location_id text,
    last_updated timestamptz not null,
    own_time timestamptz,
    announced text not null check (announced in ('nothing', 'booked', 'cancelled', 'completed', 'missed')),
    announced_starts_at timestamptz,
    announced_ends_at timestamptz,
    announced_location_id text,
    version int not null check (version > 0)
);
create index appointment_referral on appointment (referral_id);
comment on table appointment is 'What is needed of the hospital''s appointments of citizens with an active referral. Rows go when consent is withdrawn.';
comment on column appointment.last_updated is 'The time of the message that counts: the hospital''s own, or its arrival where it gave none.';
comment on column appointment.own_time is 'The newest time that the hospital itself gave; what it says is older has no effect. Null while it gave none.';
comment on column appointment.announced is 'What was last published about it, and in the three columns beside it for when and where.';

create table appointment_identifier (
    organisation text not null,
    system text not null,
    value text not null,
    appointment_id uuid not null references appointment on delete cascade,
    primary key (organisation, system, value)
);
create index appointment_identifier_appointment on appointment_identifier (appointment_id);
comment on table appointment_identifier is 'The organisation''s own names for an appointment: any one of them finds it.';

create view named_appointment as
select a.*, named.identifier_systems, named.identifier_values from appointment a cross join lateral (
    select array_agg(i.system order by i.system, i.value) as identifier_systems, array_agg(i.value order by i.system, i.value) as identifier_values
    from appointment_identifier i where i.appointment_id = a.appointment_id
) as named;
comment on view named_appointment is 'Appointments with all their identifiers.';

create table access_log (
    access_id bigint generated always as identity primary key,
    citizen_id uuid not null references citizen,
    purpose text not null,
    subject text not null,
    organisation text,
    accessed_at timestamptz not null
);
create index access_log_citizen on access_log (citizen_id, accessed_at);
comment on table access_log is 'Who was told how to reach whom, when and what for.';

create table intake_count (
    door text not null check (door in ('http', 'kafka')),
    outcome text not null check (outcome in ('rejected', 'dropped_without_consent', 'kept', 'unchanged')),
    shard smallint not null,
    total bigint not null,
    primary key (door, outcome, shard)
);
comment on table intake_count is 'What became of the hospital''s messages; the one trace of those dropped. Sharded so that requests do not wait for each other; sum over shard.';
