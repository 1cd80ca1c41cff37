-- What customers ask of orders that panels have: refills and cancels. Each is written down before
-- it is sent, and is followed to its own end.

create sequence refill_id as integer;

create table refill (
    id           integer not null,
    public_id    uuid not null,
    order_id     integer not null,
    leg_id       bigint not null,
    provider     text not null,
    state        text not null default 'ready',
    attempt      integer not null default 0,
    epoch        bigint,
    asked_for_at timestamptz not null,
    -- When something is due: sending it, asking about it, or giving it up.
    next_at      timestamptz not null,
    sending_at   timestamptz,
    -- When the panel took it, under which id, where it gave one, and the last status it reported.
    taken_at     timestamptz,
    panel_refill text,
    panel_status text,
    ended_at     timestamptz,
    -- What the panel answered, or what failed.
    words        text not null default '',
    constraint refill_pk primary key (id),
    constraint refill_public_once unique (public_id),
    constraint refill_order foreign key (order_id) references orders (id),
    constraint refill_state check (
        state in ('ready', 'sending', 'in_doubt', 'taken', 'completed', 'rejected')
    ),
    constraint refill_ended check ((ended_at is not null) = (state in ('completed', 'rejected')))
);

-- One at a time for each order, even when several are asked for at the same moment.
create unique index refill_one_under_way on refill (order_id) where ended_at is null;
create index refill_of_order on refill (order_id, id);
create index refill_due on refill (provider, next_at) where ended_at is null;
-- A refill is asked about by its id at the panel. The next panel of the same name may give that id
-- to another refill.
create index refill_of_panel on refill (provider, panel_refill) where panel_refill is not null;

-- One per order: asking again is asking once.
create table cancel_request (
    order_id      integer not null,
    asked_by      text not null,
    asked_at      timestamptz not null,
    state         text not null default 'ready',
    attempt       integer not null default 0,
    epoch         bigint,
    next_at       timestamptz not null,
    -- How often it was put off because its panel is at another address. That is no answer, and
    -- spends none of its tries.
    address_waits integer not null default 0,
    sending_at    timestamptz,
    -- Since when it is not asked any more, because the panel never answered.
    given_up_at   timestamptz,
    words         text not null default '',
    constraint cancel_request_pk primary key (order_id),
    constraint cancel_request_order foreign key (order_id) references orders (id),
    constraint cancel_request_by check (asked_by in ('customer', 'house')),
    -- Taken: the panel said yes. That is a promise and no end; only its status ends the order.
    constraint cancel_request_state check (state in ('ready', 'sending', 'taken', 'refused'))
);

create index cancel_request_due on cancel_request (next_at) where state in ('ready', 'sending');
create index cancel_request_given_up on cancel_request (given_up_at) where given_up_at is not null;
