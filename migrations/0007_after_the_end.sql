-- What may still happen to an order after its end: the panel's second thoughts, and a person's.

alter table watch
    -- Since when the order is over at the panel; it is asked a few times more, and then forgotten.
    add column ended_at timestamptz,
    -- How many of those times were taken.
    add column checks integer not null default 0,
    -- Answers in a row that named no status at all; counted apart from puzzling ones.
    add column silent integer not null default 0,
    -- Since when the panel reports a failure, which it may yet set right.
    add column failing_at timestamptz;

alter table orders
    -- The least that is given back, as a person decided: settlements go above it and never below.
    add column by_hand numeric(28, 8) not null default 0,
    -- Of what was given back, what the panel's later word says was too much, and the house bears.
    add column absorbed numeric(28, 8) not null default 0,
    add constraint orders_by_hand_within_charge check (by_hand >= 0 and by_hand <= charge),
    add constraint orders_absorbed_within_refunded check (absorbed >= 0 and absorbed <= refunded);

-- A settlement may take back what an earlier one gave too much of.
alter table settlement
    drop constraint settlement_moves,
    add constraint settlement_moves check ((amount <> 0) = (transfer_id is not null));

alter table account
    drop constraint account_kind,
    add constraint account_kind check (
        kind in ('wallet', 'revenue', 'deposits', 'adjustments', 'write_off', 'cost', 'float', 'doubt')
    );

insert into account (kind) values ('adjustments'), ('write_off');

alter table transfer
    drop constraint transfer_reason,
    add constraint transfer_reason check (
        reason in (
            'charge', 'refund', 'deposit', 'cost', 'cost_correction', 'doubt', 'doubt_over', 'clawback', 'absorbed',
            'absorbed_less', 'adjustment'
        )
    );

alter table provider
    -- Orders of which more was delivered than was ordered.
    add column over_delivered bigint not null default 0,
    -- Words after an end that would have given less back.
    add column reversals bigint not null default 0;

-- Nothing of it was sent, and its customer or a person took it back.
alter table leg
    drop constraint leg_state,
    add constraint leg_state check (
        state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked', 'refused', 'ended', 'canceled')
    );
