-- The books: one row per transfer, balanced by construction, never changed.

create table transfer (
    id             bigint generated always as identity,
    at             timestamptz not null,
    reason         text not null,
    debit          bigint not null,
    credit         bigint not null,
    amount         numeric(28, 8) not null,
    order_id       integer,
    -- What the one wallet that this transfer touches, if any, looked like afterwards.
    wallet_version bigint,
    wallet_balance numeric(28, 8),
    -- What a person gave as the reason, once per wallet: the same reference again changes nothing.
    reference      text,
    constraint transfer_pk primary key (id),
    constraint transfer_moves check (amount > 0 and debit <> credit),
    constraint transfer_wallet check ((wallet_version is null) = (wallet_balance is null)),
    constraint transfer_reason check (
        reason in ('charge', 'refund', 'deposit', 'cost', 'cost_correction', 'doubt', 'doubt_over')
    )
    -- No foreign key to the wallet's account: it would lock that row a second time for every order. The audit checks.
);

create index transfer_of_order on transfer (order_id) where order_id is not null;
create index transfer_debit on transfer (debit, id);
create index transfer_credit on transfer (credit, id);
create unique index transfer_reference_once on transfer (credit, reference) where reference is not null;

create function transfers_are_for_ever() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only: % on transfer refused', tg_op;
end
$$;

create trigger transfer_append_only
    before update or delete or truncate on transfer
    for each statement execute function transfers_are_for_ever();

-- Who changed what by hand, and why.
create table deed (
    id     bigint generated always as identity,
    at     timestamptz not null,
    who    text not null,
    verb   text not null,
    object text not null,
    reason text not null default '',
    constraint deed_pk primary key (id)
);
