-- Who buys: customers, their API keys, and the wallet that one order locks.

create table customer (
    id           bigint generated always as identity,
    name         text not null,
    tier         text not null default 'standard',
    created_at   timestamptz not null,
    suspended_at timestamptz,
    constraint customer_pk primary key (id),
    constraint customer_name_once unique (name),
    -- A name of digits would be taken for an id by every command.
    constraint customer_name_no_number check (name !~ '^[0-9]*$')
);

-- Only the SHA-256 of a key is kept. The prefix is for people: it tells keys apart in lists.
create table api_key (
    id          bigint generated always as identity,
    customer_id bigint not null,
    digest      bytea not null,
    prefix      text not null,
    label       text not null default '',
    dialect     text not null,
    created_at  timestamptz not null,
    revoked_at  timestamptz,
    constraint api_key_pk primary key (id),
    constraint api_key_customer foreign key (customer_id) references customer (id),
    constraint api_key_digest_once unique (digest),
    constraint api_key_digest_size check (octet_length(digest) = 32),
    constraint api_key_dialect check (dialect in ('classic', 'notpanel'))
);

create index api_key_of_customer on api_key (customer_id);

-- The accounts that transfers move money between: one per wallet, and the house's.
create table account (
    id          bigint generated always as identity,
    kind        text not null,
    customer_id bigint,
    provider    text,
    constraint account_pk primary key (id),
    constraint account_once unique nulls not distinct (kind, customer_id, provider),
    constraint account_kind check (kind in ('wallet', 'revenue', 'deposits', 'cost', 'float', 'doubt')),
    constraint account_owner check (
        (kind = 'wallet') = (customer_id is not null)
        and (kind in ('cost', 'float', 'doubt')) = (provider is not null)
    )
);

insert into account (kind) values ('revenue'), ('deposits');

-- The one row that an order locks. The balance is kept beside the transfers, and each transfer records what it left
-- here, so that a gap or an edit shows. Half-empty pages keep the updates of a busy wallet on their page.
create table wallet (
    customer_id bigint not null,
    account_id  bigint not null,
    balance     numeric(28, 8) not null default 0,
    floor       numeric(28, 8) not null default 0,
    version     bigint not null default 0,
    constraint wallet_pk primary key (customer_id),
    constraint wallet_account_once unique (account_id),
    constraint wallet_above_floor check (balance >= floor),
    constraint wallet_floor_is_credit check (floor <= 0)
) with (fillfactor = 50);
