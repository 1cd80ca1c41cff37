-- Who buys: customers and their API keys.

create table customer (
    id           bigint generated always as identity,
    name         text not null,
    tier         text not null default 'standard',
    -- How far below zero the wallet may go, as a person decided. The wallet's floor is this number
    -- with the sign turned; the audit compares the two, so an edit of the floor alone is seen.
    credit       numeric(28, 8) not null default 0,
    created_at   timestamptz not null,
    suspended_at timestamptz,
    constraint customer_pk primary key (id),
    constraint customer_name_once unique (name),
    -- Every command would take a name of digits for an id.
    constraint customer_name_no_number check (name !~ '^[0-9]*$'),
    constraint customer_credit_no_debt check (credit >= 0)
);

create table api_key (
    id              bigint generated always as identity,
    customer_id     bigint not null,
    -- SHA-256 of the key; the key itself is not kept.
    digest          bytea not null,
    -- For people: it tells keys apart in lists.
    prefix          text not null,
    label           text not null default '',
    dialect         text not null,
    -- Networks from which it may be used; empty: from anywhere.
    allowed         cidr[] not null default '{}',
    -- Requests per minute; null: the number in the settings.
    per_minute      integer,
    -- The same order again within this time counts as a repetition of the first; 0: never.
    dedupe_window_s integer not null default 0,
    created_at      timestamptz not null,
    -- Written at most once a minute, so it may be late by that much.
    last_used_at    timestamptz,
    revoked_at      timestamptz,
    constraint api_key_pk primary key (id),
    constraint api_key_customer foreign key (customer_id) references customer (id),
    constraint api_key_digest_once unique (digest),
    constraint api_key_digest_size check (octet_length(digest) = 32),
    constraint api_key_dialect check (dialect in ('classic', 'notpanel')),
    constraint api_key_per_minute check (per_minute > 0),
    constraint api_key_dedupe_window check (dedupe_window_s >= 0)
);

create index api_key_of_customer on api_key (customer_id);

-- Counts inserts into api_key (the trigger is in functions/a_key_begins.sql). A process remembers
-- which keys do not exist, and forgets it when this number moves. It is one row, so its lock puts
-- the commits in an order: a number that was seen covers every key committed before it.
create table key_news (
    one     boolean not null default true,
    version bigint not null,
    constraint key_news_one primary key (one),
    constraint key_news_only_one check (one)
);

insert into key_news (version) values (0);
