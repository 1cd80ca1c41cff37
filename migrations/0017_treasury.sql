-- What our money at the panels does: what we know of it order by order, what each panel says of it, and what of the
-- difference nothing explains.

alter table provider
    -- What one unit of the panel's currency is worth in ours, as the file says: its own balance is compared in its own.
    add column exchange numeric not null default 1,
    -- What was spent there in an hour, in the panel's currency, and for how many hours what it holds lasts, as of its
    -- last reading; null where nothing is spent.
    add column burn_per_hour numeric(28, 8),
    add column hours_left    numeric,
    add constraint provider_exchange check (exchange > 0);

alter table watch
    -- When the panel was asked last, when it was asked last and told where the order stands, and the charge that it
    -- told of the open order: money that came back did so after that.
    add column asked_at timestamptz,
    add column heard_at timestamptz,
    add column charge   numeric(28, 8);

-- What one leg took from our balance at a panel, or brought back, and between which moments it did. Positive: it left
-- our balance. Kept for days, not for ever: what is older lies before every reading that is still compared.
create table float_move (
    id       bigint generated always as identity,
    provider text not null,
    leg_id   bigint not null,
    order_id integer not null,
    -- In the gateway's currency, as the ledger has it.
    booked   numeric(28, 8) not null,
    -- In the panel's currency, and how far the roundings between the two may have moved it.
    amount   numeric(28, 8) not null,
    slack    numeric(28, 8) not null,
    earliest timestamptz not null,
    latest   timestamptz not null,
    -- Under which lease it was sent: clocks of two processes may differ.
    epoch    bigint,
    constraint float_move_pk primary key (id),
    constraint float_move_moves check (booked <> 0),
    constraint float_move_window check (earliest <= latest)
);

create index leg_written_off on leg (provider, id) where state = 'written_off';

create index float_move_latest on float_move (provider, latest);
create index float_move_of_leg on float_move (leg_id);

-- What a panel said of our balance. Each is measured against the last settled one before it.
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
    -- What was expected when it came; unknown of a panel's first.
    expected_low  numeric(28, 8),
    expected_high numeric(28, 8),
    -- Since when later ones are measured against it.
    settled_at    timestamptz,
    constraint reading_pk primary key (id),
    constraint reading_asked_first check (asked_at <= at),
    constraint reading_expected check ((expected_low is null) = (expected_high is null) and expected_low <= expected_high)
);

create index reading_of_panel on reading (provider, id);
create index reading_settled on reading (provider, id) where settled_at is not null;

-- A difference between two readings that our orders do not account for: money that is missing, or money that came in.
create table drift (
    id              bigint generated always as identity,
    provider        text not null,
    cause           text not null,
    -- In the panel's currency, without a sign; of a difference that is not exact, the least that it can be.
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
    -- The orders that explain it, or may have to do with it; bounded, and how many there are.
    orders          integer[] not null,
    orders_count    integer not null,
    words           text not null,
    acknowledged_at timestamptz,
    constraint drift_pk primary key (id),
    constraint drift_once unique (provider, by_reading),
    constraint drift_amount check (amount > 0),
    constraint drift_cause check (
        cause in ('top_up', 'proportion', 'missing_refund', 'doubt', 'order_cost', 'unexplained')
    ),
    constraint drift_percent check ((percent is not null) = (cause = 'proportion'))
);

create index drift_open on drift (provider) where acknowledged_at is null and cause <> 'top_up';
