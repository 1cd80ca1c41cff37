-- The panels that we buy from: who may send to each, what keeps orders away from it, and what was
-- learned about it.

create table provider (
    id                      text not null,
    -- The newest configuration version with a block for this provider. One that was taken out of
    -- the file is followed from there until nothing of it is open.
    named_in                bigint,

    -- Which process may send to it, over all nodes. The epoch is part of every write, so an earlier
    -- holder changes nothing.
    holder                  uuid,
    epoch                   bigint not null default 0,
    held_until              timestamptz,

    -- A person stopped sending to it.
    paused_at               timestamptz,
    -- An open breaker lets no orders through. After a while, and after a free call that worked, the
    -- breaker lets one order through at a time: probation. An answer that proves anything shuts it.
    breaker                 text not null default 'closed',
    breaker_at              timestamptz,
    -- An open breaker is not tried before this moment.
    breaker_until           timestamptz,
    -- How often it opened since it was last shut for good. Each time makes the next wait longer.
    breaker_trips           integer not null default 0,
    -- What opened it last. It says nothing about a breaker that is shut.
    breaker_cause           text not null default 'doubts',
    doubts_in_a_row         integer not null default 0,
    -- The panel said that we ask too fast. No process asks it anything before this moment.
    rests_until             timestamptz,

    -- Rounds of status questions in a row that told of no order, and until when no other begins.
    statuses_failed         integer not null default 0,
    statuses_again_at       timestamptz,
    -- The largest batch that it answered after larger ones were refused, and when that was learned.
    status_batch_learned    integer,
    status_batch_learned_at timestamptz,

    catalog_at              timestamptz,
    -- Moves with the stored catalog.
    catalog_version         bigint not null default 0,
    -- Counts the readings that worked.
    catalog_readings        bigint not null default 0,
    -- Which account at which address listed what is stored, written as in attempt.account; null:
    -- not known. What another account listed is no price for this one.
    catalog_account         text,
    catalog_error           text,
    -- Since when its catalog cannot be read under its present account, while nothing of that
    -- account is stored.
    unread_since            timestamptz,

    balance                 numeric(28, 8),
    balance_text            text,
    balance_at              timestamptz,
    -- The currency that the panel named beside our balance, where it is not the one in the file,
    -- and since when.
    balance_currency        text,
    balance_currency_at     timestamptz,
    -- Since when its balance cannot be read, and what it answered instead.
    balance_unread_at       timestamptz,
    balance_error           text,
    -- What one unit of the panel's currency is worth in ours, as the file says. Its balance is
    -- compared in its own currency.
    fx_rate                 numeric not null default 1,
    -- What was spent there per hour, in the panel's currency, and for how many hours the balance
    -- lasts. Both as of the last reading; null where nothing is spent.
    burn_per_hour           numeric(28, 8),
    hours_left              numeric,

    -- Orders of which more was delivered than was ordered.
    over_delivered          bigint not null default 0,
    -- Reports after an order's end that would have given less back.
    reversals               bigint not null default 0,
    -- Legs that the margin guard held back, and what sending them would have cost more.
    margin_held             bigint not null default 0,
    margin_saved            numeric(28, 8) not null default 0,

    constraint provider_pk primary key (id),
    constraint provider_breaker check (breaker in ('closed', 'open', 'half_open')),
    constraint provider_breaker_open check ((breaker = 'open') = (breaker_until is not null)),
    constraint provider_breaker_cause check (
        breaker_cause in ('doubts', 'errors', 'slowness', 'refusals')
    ),
    constraint provider_statuses_failed check (statuses_failed >= 0),
    constraint provider_status_batch_learned check (
        status_batch_learned >= 1
        and (status_batch_learned is null) = (status_batch_learned_at is null)
    ),
    constraint provider_fx_rate check (fx_rate > 0)
);

-- One row: whether anything may be sent to any provider. A copy of the database starts frozen.
create table dispatch (
    one           boolean not null default true,
    frozen_at     timestamptz,
    -- Since when all sending is stopped because a backup was restored; null once a person thawed
    -- it.
    restored_at   timestamptz,
    -- When that copy was thawed. Doubts are given up only when their patience has passed since
    -- then.
    patience_from timestamptz,
    constraint dispatch_pk primary key (one),
    constraint dispatch_one check (one)
);

insert into dispatch default values;

-- Refusals in words that are on no list of ours.
create table unknown_word (
    provider text not null,
    -- As the panel wrote it, cut to a maximum; words that differ only in case are one row. Never
    -- shown where only our own words may stand.
    text     text not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    count    bigint not null,
    constraint unknown_word_pk primary key (provider, text),
    constraint unknown_word_counts check (count > 0)
);

-- Answers to orders since the panel last accepted one, by which customer and link they were about.
-- They prove nothing (unknown words) or refuse us ourselves, and count towards the breaker.
create table refusal_run (
    provider    text not null,
    kind        text not null,
    link        text not null,
    customer_id bigint not null,
    at          timestamptz not null,
    constraint refusal_run_pk primary key (provider, kind, link, customer_id),
    constraint refusal_run_kind check (kind in ('unknown_words', 'ours'))
);

-- Whether a panel answers the same `request_id` twice with one order. It is tried with orders at
-- the house's cost, one account at a time.
create table request_id_proof (
    id           bigint generated always as identity,
    provider     text not null,
    -- The account that was asked, written as in attempt.account.
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
    -- Null while no answer is known. It stays null where the process ended first.
    answered_at  timestamptz,
    outcome      text not null,
    first_order  text,
    second_order text,
    -- Orders that the panel took for certain, and those that it may have taken besides. A proof
    -- asks four times: one of its names twice at the same moment.
    bought       integer not null default 0,
    in_doubt     integer not null default 4,
    constraint request_id_proof_pk primary key (id),
    constraint request_id_proof_outcome check (
        outcome in ('lost', 'refused', 'not_honoured', 'honoured')
    ),
    constraint request_id_proof_proves check (
        outcome <> 'honoured' or (first_order = second_order and bought = 2 and in_doubt = 0)
    ),
    constraint request_id_proof_counts check (
        bought >= 0 and in_doubt >= 0 and bought + in_doubt <= 4
    )
);

create index request_id_proof_of_account on request_id_proof (provider, account, id);
