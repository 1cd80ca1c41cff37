-- The books: accounts, wallets, transfers, and the record of what people changed by hand.

-- Transfers move money between accounts: one per wallet, some per provider, and the house's own.
create table account (
    id          bigint generated always as identity,
    kind        text not null,
    customer_id bigint,
    provider    text,
    constraint account_pk primary key (id),
    constraint account_once unique nulls not distinct (kind, customer_id, provider),
    constraint account_kind check (
        kind in (
            'wallet', 'revenue', 'deposits', 'adjustments',
            -- Money that customers held at an earlier panel. It came in there: here it is neither
            -- a deposit nor an adjustment.
            'opening',
            'write_off', 'cost', 'float', 'doubt'
        )
    ),
    constraint account_owner check (
        (kind = 'wallet') = (customer_id is not null)
        and (kind in ('cost', 'float', 'doubt')) = (provider is not null)
    )
);

insert into account (kind)
values ('revenue'), ('deposits'), ('adjustments'), ('write_off'), ('opening');

-- The one row that a purchase locks. The balance is kept beside the transfers, and each transfer
-- records the balance that it left here, so a gap or an edit shows. Half-empty pages keep the
-- updates of a busy wallet on the same page.
create table wallet (
    customer_id bigint not null,
    account_id  bigint not null,
    balance     numeric(28, 8) not null default 0,
    floor       numeric(28, 8) not null default 0,
    -- Counts the transfers.
    version     bigint not null default 0,
    constraint wallet_pk primary key (customer_id),
    constraint wallet_account_once unique (account_id),
    constraint wallet_above_floor check (balance >= floor),
    constraint wallet_floor_is_credit check (floor <= 0)
) with (fillfactor = 50);

-- One row per transfer, balanced by construction. Rows are never changed or removed: the trigger
-- is in functions/transfers_are_for_ever.sql.
create table transfer (
    id             bigint generated always as identity,
    at             timestamptz not null,
    reason         text not null,
    debit          bigint not null,
    credit         bigint not null,
    amount         numeric(28, 8) not null,
    order_id       integer,
    -- The wallet as this transfer left it. A transfer touches at most one wallet.
    wallet_version bigint,
    wallet_balance numeric(28, 8),
    -- What a person gave as the reason. Each counts once per wallet: the same one again changes
    -- nothing.
    reference      text,
    constraint transfer_pk primary key (id),
    constraint transfer_moves check (amount > 0 and debit <> credit),
    constraint transfer_wallet check ((wallet_version is null) = (wallet_balance is null)),
    constraint transfer_reason check (
        reason in (
            'charge', 'refund', 'deposit', 'cost', 'cost_correction', 'doubt', 'doubt_over',
            'clawback', 'absorbed', 'absorbed_less', 'adjustment', 'opening', 'proof'
        )
    )
    -- No foreign key to the wallet's account: it would lock that row a second time for every order.
    -- The audit checks it instead.
);

create index transfer_of_order on transfer (order_id) where order_id is not null;
create index transfer_debit on transfer (debit, id);
create index transfer_credit on transfer (credit, id);
-- A reference is used once per wallet. Commands look for it under the wallet's lock; these indexes
-- hold when a command is wrong. Everything that leaves wallets by hand goes to one account, so
-- the wallet must be part of the key on either side.
create unique index transfer_reference_once on transfer (credit, debit, reference)
    where reference is not null;
create index transfer_reference_out on transfer (debit, reference) where reference is not null;
-- The reference of a deposit belongs to one payment, and so to one customer.
create index transfer_deposit on transfer (reference) where reason = 'deposit';

-- Who changed what by hand, and why.
create table audit_log (
    id     bigint generated always as identity,
    at     timestamptz not null,
    who    text not null,
    verb   text not null,
    object text not null,
    reason text not null default '',
    constraint audit_log_pk primary key (id)
);

-- What the last scheduled audit found, check by check.
create table finding (
    name       text not null,
    violations bigint not null,
    at         timestamptz not null,
    constraint finding_pk primary key (name)
);

-- Up to where the books were audited: the further audits of a day look only at what moved since.
-- No row: everything is looked at.
create table audit_mark (
    one         boolean not null default true,
    -- When everything was last looked at and found right.
    whole_at    timestamptz not null,
    -- Transfers up to this one need not be looked at again that day.
    transfer_id bigint not null,
    constraint audit_mark_pk primary key (one),
    constraint audit_mark_one check (one)
);
