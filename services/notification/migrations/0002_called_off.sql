-- What the referral service has called off, whichever topic is heard first.

create table called_off (
    about uuid primary key,
    happened_at timestamptz not null,
    event jsonb not null
);

comment on table called_off is 'The newest event by which an appointment (or, by its referral, all of them) no longer stands as it did.';
comment on column called_off.about is 'The appointment_id; for a withdrawn consent the referral_id.';

create index notification_referral on notification (referral_id) where recipient_role = 'citizen';
