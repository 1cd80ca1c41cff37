-- What panels say of single orders that does not fit: their charge against what remains, their price against the one
-- that they told, their currency against the block's.

create table difference (
    -- Of one row of numbers with the drifts: `treasury acknowledge` takes either.
    id           bigint not null default nextval(pg_get_serial_sequence('drift', 'id')),
    kind         text not null,
    provider     text not null,
    order_id     integer not null,
    leg_id       bigint not null,
    found_at     timestamptz not null,
    -- In the gateway's currency: what was expected, what the panel stated, and the smallest step in which it states.
    expected     numeric(28, 8) not null,
    stated       numeric(28, 8),
    step         numeric(28, 8) not null default 0,
    -- Units delivered, by which what was expected was counted.
    delivered    bigint not null,
    words        text not null,
    -- Since when it is no mere move of a price: the panel's catalog was read after the order had been sent there.
    confirmed_at    timestamptz,
    -- When a person took note of it.
    acknowledged_at timestamptz,
    constraint difference_pk primary key (id),
    constraint difference_once unique (leg_id, kind),
    constraint difference_kind check (kind in ('figures_differ', 'overcharged', 'currency_differs', 'reopened')),
    constraint difference_delivered check (delivered >= 0)
);

create index difference_open on difference (provider, kind) where acknowledged_at is null;

alter table provider
    -- The currency that the panel named beside our balance, where it is not the block's, and since when.
    add column balance_currency    text,
    add column balance_currency_at timestamptz,
    -- Since when its balance cannot be read, and what it said instead.
    add column balance_unread_at   timestamptz,
    add column balance_error       text;

alter table reading
    -- Since when everything up to it is explained: what is skimmed below the roundings of each reading adds up from the
    -- last such one.
    add column anchored_at timestamptz;

create index reading_anchored on reading (provider, id) where anchored_at is not null;

alter table drift
    drop constraint drift_cause,
    add constraint drift_cause check (
        cause in (
            'top_up', 'paid_back', 'proportion', 'missing_refund', 'by_hand', 'doubt', 'order_cost', 'doubled', 'outside',
            'unexplained'
        )
    );

alter table float_move
    -- What a person found, and the panel never said: that it moved is possible, and no drift claims it.
    add column said boolean not null default true;

-- What a leg would cost in our currency by its panel's present list; null where it lists no price of it.
create function leg_cost_now(leg_id bigint) returns numeric
language sql stable
as $$
    select case when o.package then s.own_rate else ceil(s.own_rate * o.units * 100000) / 100000000 end * l.exchange
    from leg l
    join orders o on o.id = l.order_id
    join panel_service s on s.provider = l.provider and s.service = l.service
    where l.id = leg_cost_now.leg_id
$$;

alter table alert
    -- How many there were when it was raised: more of them are news again after a while.
    add column raised_count bigint not null default 0;

-- In one account an id is one order's, whatever block it was bought through; and what came late is known.
create index panel_order_by_id on panel_order (id);
create index leg_late_order on leg (late_order) where late_order is not null;

-- A deposit's reference is one payment's, and so one customer's.
create index transfer_deposit on transfer (reference) where reason = 'deposit';
