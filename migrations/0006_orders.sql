-- Orders, the answers that customers got for them, and what was given back.

-- Ids are drawn before an order exists, in blocks. They stay below 2^31: downstream panels keep
-- them in a signed 32-bit column.
create sequence order_id as integer;

create table orders (
    id          integer not null,
    public_id   uuid not null,
    customer_id bigint not null,
    key_id      bigint not null,
    service_id  integer not null,
    kind        text not null,
    link        text not null,
    units       bigint not null,
    package     boolean not null,
    details     jsonb not null,

    state       text not null default 'pending',
    start_count bigint,
    remains     bigint not null,
    -- Why a person must look at it; null when nobody must.
    review      text,

    charge      numeric(28, 8) not null,
    refunded    numeric(28, 8) not null default 0,
    -- The least that is given back, as a person decided. Settlements may give back more, never
    -- less.
    by_hand     numeric(28, 8) not null default 0,
    -- The part of the refund that was too much by a later report of the panel. The house bears it.
    absorbed    numeric(28, 8) not null default 0,
    -- Counts the settlements.
    settlements integer not null default 0,

    -- The quote, copied: settlement never looks at today's prices.
    rate        numeric(28, 8) not null,
    cost_rate   numeric(28, 8) not null,
    cost        numeric(28, 8) not null,
    rule        text not null,
    config_hash text not null,

    -- Whether its answer is remembered for as long as the order is. The audit compares it with
    -- `request`: where the remembered answer is gone, the customer's client would buy a second
    -- time.
    remembered  boolean not null default false,

    placed_at   timestamptz not null,
    ended_at    timestamptz,

    constraint orders_pk primary key (id),
    constraint orders_public_once unique (public_id),
    constraint orders_state check (
        state in ('pending', 'processing', 'in_progress', 'completed', 'partial', 'canceled')
    ),
    constraint orders_ended check (
        (ended_at is not null) = (state in ('completed', 'partial', 'canceled'))
    ),
    constraint orders_units check (units > 0),
    constraint orders_refunded_within_charge check (refunded >= 0 and refunded <= charge),
    constraint orders_by_hand_within_charge check (by_hand >= 0 and by_hand <= charge),
    constraint orders_absorbed_within_refunded check (absorbed >= 0 and absorbed <= refunded)
);

create index orders_of_customer on orders (customer_id, id);
create index orders_for_review on orders (id) where review is not null;

-- Ids of orders that were reported as not bought. The statement that was to buy one may still be
-- under way, in a server process that stands still behind a broken connection. It must fail when
-- it goes on: the trigger is in functions/refuse_burned_order.sql.
create table burned_order (
    id        integer not null,
    burned_at timestamptz not null default now(),
    constraint burned_order_pk primary key (id)
);

-- The remembered answers of `add`: the digest of the customer's request_id, the fingerprint of the
-- order that it was used for, and the exact bytes of the answer.
create table request (
    customer_id bigint not null,
    digest      bytea not null,
    fingerprint bytea not null,
    order_id    integer not null,
    answer      text not null,
    constraint request_pk primary key (customer_id, digest)
);

-- Every settlement of an order, in order: what was to be given back in all, and what was given now.
-- A settlement may take back what an earlier one gave too much.
create table settlement (
    order_id    integer not null,
    seq         integer not null,
    at          timestamptz not null,
    state       text not null,
    delivered   bigint not null,
    target      numeric(28, 8) not null,
    amount      numeric(28, 8) not null,
    transfer_id bigint,
    constraint settlement_pk primary key (order_id, seq),
    constraint settlement_moves check ((amount <> 0) = (transfer_id is not null))
);
