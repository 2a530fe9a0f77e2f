-- What the mechanism keeps beside each service's own tables.

create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    value bytea not null,
    content_type text not null default 'application/cloudevents+json',
    created_at timestamptz not null default clock_timestamp()
);
comment on table outbox is 'Records that are committed and not yet acknowledged by the broker, in the order they are to be sent.';

create table stream (
    subject text primary key,
    sequence bigint not null
) with (fillfactor = 50); -- each row is updated for ever: room beside it keeps the update in its page and out of the index
comment on table stream is 'The last sequence number given to each subject. Its row lock makes outbox order commit order within a subject.';

create table inbox (
    event_id uuid primary key,
    received_at timestamptz not null default clock_timestamp()
);
comment on table inbox is 'Events whose effects are committed here. A second arrival has no effect.';

create table timer (
    kind text not null,
    subject text not null,
    due_at timestamptz not null,
    next_attempt_at timestamptz not null,
    attempts int not null default 0,
    primary key (kind, subject)
);
create index timer_due on timer (next_attempt_at);
create index timer_failing on timer (next_attempt_at) where attempts > 0;
comment on table timer is 'What is to happen later. A row is claimed with SKIP LOCKED and deleted in the transaction that carries out its effects.';
comment on column timer.next_attempt_at is 'When to try it, in the clock''s time: due_at, or later once it has failed.';
comment on column timer.attempts is 'How often it has failed.';

create table parked_event (
    id bigint generated always as identity primary key,
    event_id uuid not null unique,
    subject text not null,
    type text not null,
    topic text not null,
    partition int not null,
    record_offset bigint not null,
    state text not null check (state in ('retrying', 'waiting', 'dead')),
    reason text not null,
    attempts int not null,
    first_failed_at timestamptz not null default clock_timestamp(),
    last_failed_at timestamptz not null default clock_timestamp(),
    next_attempt_at timestamptz
);
create index parked_event_subject on parked_event (subject, id);
create index parked_event_due on parked_event (next_attempt_at) where state = 'retrying';
comment on table parked_event is 'Events that could not be handled, and those of the same subject that wait behind them. Holds where the record is, never its content.';
