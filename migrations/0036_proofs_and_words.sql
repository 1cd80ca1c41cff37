-- Whether panels answer a `request_id` twice with one order: tried at the house's cost, an account at a time.

create table request_id_proof (
    id           bigint generated always as identity,
    provider     text not null,
    -- The account that was asked, as exchanges have it.
    account      text not null,
    service      text not null,
    link         text not null,
    units        bigint not null,
    request_id   text not null,
    -- What one such order costs, in the gateway's currency and in the panel's.
    cost         numeric(28, 8) not null,
    amount       numeric(28, 8) not null,
    asked_by     text not null,
    sent_at      timestamptz not null,
    -- Null while nobody heard of it: a process that ended leaves it so.
    answered_at  timestamptz,
    outcome      text not null,
    first_order  text,
    second_order text,
    -- Orders that the panel took for certain, and those that it may have taken besides.
    bought       integer not null default 0,
    in_doubt     integer not null default 3,
    constraint request_id_proof_pk primary key (id),
    constraint request_id_proof_outcome check (outcome in ('lost', 'refused', 'not_honoured', 'honoured')),
    constraint request_id_proof_proves check (
        outcome <> 'honoured' or (first_order = second_order and bought = 2 and in_doubt = 0)
    ),
    constraint request_id_proof_counts check (bought >= 0 and in_doubt >= 0 and bought + in_doubt <= 3)
);

create index request_id_proof_of_account on request_id_proof (provider, account, id);

alter table transfer
    drop constraint transfer_reason,
    add constraint transfer_reason check (
        reason in (
            'charge', 'refund', 'deposit', 'cost', 'cost_correction', 'doubt', 'doubt_over', 'clawback', 'absorbed',
            'absorbed_less', 'adjustment', 'opening', 'proof'
        )
    );

-- Refusals in words that nobody listed, and faults of ours, counted towards the breaker.

create table unknown_word (
    provider text not null,
    -- As the panel wrote it, capped, folded where two differ in case only; never shown where only our words may stand.
    text     text not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    count    bigint not null,
    constraint unknown_word_pk primary key (provider, text),
    constraint unknown_word_counts check (count > 0)
);

-- What panels answered to orders since they accepted one last, without a proof of anything or by refusing us: about
-- which links of which customers.
create table refusal_run (
    provider    text not null,
    kind        text not null,
    link        text not null,
    customer_id bigint not null,
    at          timestamptz not null,
    constraint refusal_run_pk primary key (provider, kind, link, customer_id),
    constraint refusal_run_kind check (kind in ('unknown_words', 'ours'))
);

alter table provider
    drop constraint provider_breaker_cause,
    add constraint provider_breaker_cause check (breaker_cause in ('doubts', 'errors', 'slowness', 'refusals'));

alter table exchange
    -- The panel said no in words that nobody listed: the order is in doubt, and no answer was lost.
    add column in_unknown_words boolean not null default false;
