-- Our money at the panels: what we know of it order by order, what each panel says of it, and what
-- nothing explains.

-- What one leg took from our balance at a panel (positive), or brought back, and between which
-- moments it did. Kept for days: older rows lie before every reading that is still compared.
create table balance_move (
    id       bigint generated always as identity,
    provider text not null,
    leg_id   bigint not null,
    order_id integer not null,
    -- In the gateway's currency, as in the ledger.
    booked   numeric(28, 8) not null,
    -- In the panel's currency, and how far rounding between the two may have moved it.
    amount   numeric(28, 8) not null,
    slack    numeric(28, 8) not null,
    earliest timestamptz not null,
    latest   timestamptz not null,
    -- The lease under which it was sent: clocks of two processes may differ.
    epoch    bigint,
    -- Whether the panel reported it. What only a person found may have moved the balance, and is
    -- the cause of no drift.
    said     boolean not null default true,
    constraint balance_move_pk primary key (id),
    constraint balance_move_moves check (booked <> 0),
    constraint balance_move_window check (earliest <= latest)
);

create index balance_move_latest on balance_move (provider, latest);
create index balance_move_of_leg on balance_move (leg_id);

-- What a panel said of our balance. Each reading is measured against the last settled one before
-- it.
create table reading (
    id            bigint generated always as identity,
    provider      text not null,
    asked_at      timestamptz not null,
    at            timestamptz not null,
    epoch         bigint not null,
    currency      text not null,
    -- In the panel's currency, and as it was sent.
    amount        numeric(28, 8) not null,
    text          text not null,
    -- What was expected when it came; null for a panel's first.
    expected_low  numeric(28, 8),
    expected_high numeric(28, 8),
    -- Since when later ones are measured against it.
    settled_at    timestamptz,
    -- Since when everything up to it is explained. What is skimmed below the rounding of each
    -- reading adds up from the last such one.
    anchored_at   timestamptz,
    constraint reading_pk primary key (id),
    constraint reading_asked_first check (asked_at <= at),
    constraint reading_expected check (
        (expected_low is null) = (expected_high is null) and expected_low <= expected_high
    )
);

create index reading_of_panel on reading (provider, id);
create index reading_settled on reading (provider, id) where settled_at is not null;
create index reading_anchored on reading (provider, id) where anchored_at is not null;

-- A difference between two readings that our orders do not account for: money that is missing, or
-- money that came in.
create table drift (
    id              bigint generated always as identity,
    provider        text not null,
    cause           text not null,
    -- In the panel's currency, without a sign. Where the difference is not exact, the least that it
    -- can be.
    amount          numeric(28, 8) not null,
    currency        text not null,
    -- Of the orders' cost, where it is in proportion to that.
    percent         numeric(28, 8),
    -- After this reading, at that one at the latest.
    after_reading   bigint not null,
    by_reading      bigint not null,
    after_at        timestamptz not null,
    by_at           timestamptz not null,
    found_at        timestamptz not null,
    -- The orders that explain it, or may have to do with it: a bounded list, and how many there
    -- are.
    orders          integer[] not null,
    orders_count    integer not null,
    words           text not null,
    acknowledged_at timestamptz,
    constraint drift_pk primary key (id),
    constraint drift_once unique (provider, by_reading),
    constraint drift_amount check (amount > 0),
    constraint drift_cause check (
        cause in (
            'top_up', 'paid_back', 'proportion', 'missing_refund', 'by_hand', 'doubt', 'order_cost',
            'doubled', 'outside', 'unexplained'
        )
    ),
    constraint drift_percent check ((percent is not null) = (cause = 'proportion'))
);

create index drift_open on drift (provider) where acknowledged_at is null and cause <> 'top_up';

-- What panels say of single orders that does not fit: their charge against what remains, their
-- price against the one in their list, their currency against the one in the file.
create table difference (
    -- Numbered together with the drifts: `treasury acknowledge` takes either.
    id              bigint not null default nextval(pg_get_serial_sequence('drift', 'id')),
    kind            text not null,
    provider        text not null,
    order_id        integer not null,
    leg_id          bigint not null,
    found_at        timestamptz not null,
    -- In the gateway's currency: what was expected, what the panel stated, and the smallest step in
    -- which it states.
    expected        numeric(28, 8) not null,
    stated          numeric(28, 8),
    step            numeric(28, 8) not null default 0,
    -- Units delivered, from which the expected amount was computed.
    delivered       bigint not null,
    words           text not null,
    -- Since when it cannot be a mere move of a price: the panel's catalog was read after the order
    -- had been sent there.
    confirmed_at    timestamptz,
    -- When a person took note of it.
    acknowledged_at timestamptz,
    constraint difference_pk primary key (id),
    constraint difference_once unique (leg_id, kind),
    constraint difference_kind check (
        kind in ('figures_differ', 'overcharged', 'currency_differs', 'reopened')
    ),
    constraint difference_delivered check (delivered >= 0)
);

create index difference_open on difference (provider, kind) where acknowledged_at is null;
