-- Orders, the legs that deliver them, and what was said to panels and by them.

-- Drawn before an order exists, in blocks. Ids stay below 2^31: downstream panels keep them in a signed 32-bit column.
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
    charge      numeric(28, 8) not null,
    refunded    numeric(28, 8) not null default 0,
    settlements integer not null default 0,
    start_count bigint,
    remains     bigint not null,
    -- The quote, copied: settlement never looks at today's prices.
    rate        numeric(28, 8) not null,
    cost_rate   numeric(28, 8) not null,
    cost        numeric(28, 8) not null,
    rule        text not null,
    config_hash text not null,
    -- Why a person must look at it; null when nobody must.
    review      text,
    placed_at   timestamptz not null,
    ended_at    timestamptz,
    constraint orders_pk primary key (id),
    constraint orders_public_once unique (public_id),
    constraint orders_state check (
        state in ('pending', 'processing', 'in_progress', 'completed', 'partial', 'canceled')
    ),
    constraint orders_ended check ((ended_at is not null) = (state in ('completed', 'partial', 'canceled'))),
    constraint orders_refunded_within_charge check (refunded >= 0 and refunded <= charge),
    constraint orders_units check (units > 0)
);

create index orders_of_customer on orders (customer_id, id);
create index orders_for_review on orders (id) where review is not null;

-- A remembered answer of `add`: the digest of the customer's request_id, what it is bound to, and the exact bytes.
create table request (
    customer_id bigint not null,
    digest      bytea not null,
    fingerprint bytea not null,
    order_id    integer not null,
    answer      text not null,
    constraint request_pk primary key (customer_id, digest)
);

create table leg (
    id           bigint generated always as identity,
    order_id     integer not null,
    n            integer not null,
    provider     text not null,
    service      text not null,
    state        text not null default 'ready',
    -- Counts the takings; every result names the one it belongs to.
    attempt      integer not null default 0,
    -- Attempts in a row that never left this machine.
    unsent       integer not null default 0,
    epoch        bigint,
    leased_until timestamptz,
    -- Not before this moment.
    ready_at     timestamptz not null,
    parked_at    timestamptz,
    sending_at   timestamptz,
    accepted_at  timestamptz,
    ended_at     timestamptz,
    -- What the panel is expected to charge, what of it is booked as cost, and what is booked as exposure.
    cost         numeric(28, 8) not null,
    booked       numeric(28, 8) not null default 0,
    exposed      numeric(28, 8) not null default 0,
    panel_order  text,
    panel_status text,
    panel_charge text,
    -- Why it stands where it stands, in words.
    reason       text not null,
    constraint leg_pk primary key (id),
    constraint leg_n_once unique (order_id, n),
    constraint leg_order foreign key (order_id) references orders (id),
    constraint leg_state check (
        state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked', 'refused', 'ended')
    ),
    constraint leg_leased check (state <> 'leased' or (epoch is not null and leased_until is not null)),
    constraint leg_accepted check (state not in ('accepted', 'ended') or panel_order is not null)
);

-- What a dispatcher looks for; finished legs are not in it.
create index leg_unsent on leg (provider, ready_at, id) where state in ('ready', 'leased', 'parked');
create index leg_unanswered on leg (provider, id) where state in ('sending', 'in_doubt');

-- One row per `add` that was tried: written with the intent, completed with the answer.
create table exchange (
    leg_id      bigint not null,
    attempt     integer not null,
    provider    text not null,
    service     text not null,
    sent_at     timestamptz not null,
    answered_at timestamptz,
    verdict     text not null default 'sending',
    http_status integer,
    words       text not null default '',
    constraint exchange_pk primary key (leg_id, attempt),
    constraint exchange_verdict check (verdict in ('sending', 'accepted', 'refused', 'never_sent', 'in_doubt'))
);

-- A panel's order belongs to one leg. A table of its own, so that legs can be partitioned when they are many.
create table panel_order (
    provider text not null,
    id       text not null,
    leg_id   bigint not null,
    constraint panel_order_pk primary key (provider, id)
);

-- Legs that are still followed, and nothing else: polling costs what is open, not what was ever sold.
create table watch (
    leg_id      bigint not null,
    provider    text not null,
    panel_order text not null,
    accepted_at timestamptz not null,
    next_at     timestamptz not null,
    -- What the panel said last; the same again changes nothing and costs no more than this row.
    seen        text not null default '',
    -- Answers in a row that settled nothing though they should have.
    puzzled     integer not null default 0,
    constraint watch_pk primary key (leg_id)
) with (fillfactor = 50);

create index watch_due on watch (provider, next_at);

-- Every settlement of an order, in order: what was to be given back in all, and what was given now.
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
    constraint settlement_moves check (amount >= 0 and (amount > 0) = (transfer_id is not null))
);
