-- What is to be told to whom, kept before it is sent. Nothing personal: the cause (an event) is thin, the rest is fetched when it is sent.

create table notification (
    position bigint generated always as identity primary key,
    notification_id uuid not null unique,
    template text not null,
    recipient_role text not null check (recipient_role in ('volunteer', 'citizen', 'coordinator')),
    recipient_id text not null,
    referral_id uuid not null,
    appointment_id uuid not null,
    cause uuid not null,
    cause_event jsonb not null,
    lane text not null,
    calendar_method text check (calendar_method in ('REQUEST', 'CANCEL')),
    calendar_sequence int,
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'failed', 'superseded')),
    reason text,
    attempts int not null default 0,
    due_at timestamptz not null,
    claimed_by int,
    created_at timestamptz not null,
    kept_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    unique (cause, appointment_id, recipient_role, recipient_id),
    check ((calendar_method is null) = (calendar_sequence is null)),
    check ((state = 'waiting') = (ended_at is null))
);
create index notification_due on notification (due_at, position) where state = 'waiting';
create index notification_waiting_lane on notification (lane, position) where state = 'waiting';
create unique index notification_calendar on notification (lane, calendar_sequence) where calendar_sequence is not null;
create index notification_appointment on notification (appointment_id, position);

comment on table notification is 'One row for each cause, appointment and recipient; the row exists before the message is sent and says what became of it.';
comment on column notification.position is 'The order of causes. Within a lane messages leave in this order.';
comment on column notification.lane is 'Appointment and recipient: a newer message of a lane never overtakes an older one.';
comment on column notification.calendar_sequence is 'SEQUENCE (RFC 5545): 0 for a lane''s first calendar file, then rising.';
comment on column notification.state is 'waiting; sent; failed: given up for a permanent reason; superseded: no longer true (replaced by a newer one, answered) when it would have been sent, so it was not.';
comment on column notification.attempts is 'Counted before each attempt, so that an attempt the process did not survive is counted too.';
comment on column notification.reason is 'Why it failed; while it waits, what was in the way of the last attempt.';
comment on column notification.kept_at is 'created_at in wall time: how long people have waited, whatever clock the service lives by.';
comment on column notification.due_at is 'When to try next, in the clock''s time.';
comment on column notification.claimed_by is 'The sender that has it in hand; the claim holds while a database session holds the advisory lock of this number, and some seconds longer.';
