-- What needs a person: announced once, and again when it is over.

create table alert (
    -- Random and not counted: a receiver may hear several gateways and tells messages apart by it.
    id           uuid not null default gen_random_uuid(),
    kind         text not null,
    -- What it is about: a provider, a check of the audit; '' when about the whole house.
    object       text not null,
    -- What to do about it.
    words        text not null,
    count        bigint not null,
    -- How many there were when it was raised. More of them are news again after a while.
    raised_count bigint not null default 0,
    -- Since when it is so. What is over within its kind's patience never becomes an alert, and its
    -- row is removed.
    since        timestamptz not null,
    raised_at    timestamptz,
    over_at      timestamptz,
    -- When the webhook took each message, how often the present one was tried, and when it is tried
    -- next.
    told_at      timestamptz,
    over_told_at timestamptz,
    attempts     integer not null default 0,
    next_at      timestamptz not null,
    constraint alert_pk primary key (id),
    constraint alert_over_was_raised check (over_at is null or raised_at is not null),
    constraint alert_told_was_raised check (told_at is null or raised_at is not null),
    -- In order: a receiver that hears of an end has heard of the beginning.
    constraint alert_told_in_order check (
        over_told_at is null or (told_at is not null and over_at is not null)
    )
);

create unique index alert_open_once on alert (kind, object) where over_at is null;
create index alert_untold on alert (next_at)
    where told_at is null or (over_at is not null and over_told_at is null);
create index alert_of_object on alert (kind, object, since);
