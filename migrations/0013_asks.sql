-- What customers ask of orders that panels have: refills and cancels, each an intent of its own with a life of its own.

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
    -- When the panel took it, under which id, where it gave one, and what it said of it last.
    taken_at     timestamptz,
    panel_refill text,
    panel_status text,
    ended_at     timestamptz,
    -- What the panel answered, or what failed.
    words        text not null default '',
    constraint refill_pk primary key (id),
    constraint refill_public_once unique (public_id),
    constraint refill_order foreign key (order_id) references orders (id),
    constraint refill_state check (state in ('ready', 'sending', 'in_doubt', 'taken', 'completed', 'rejected')),
    constraint refill_ended check ((ended_at is not null) = (state in ('completed', 'rejected')))
);

-- One at a time for each order, whoever asks at the same moment.
create unique index refill_one_under_way on refill (order_id) where ended_at is null;
create index refill_of_order on refill (order_id, id);
create index refill_due on refill (provider, next_at) where ended_at is null;

-- One per order: asking again is asking once.
create table cancel_request (
    order_id   integer not null,
    asked_by   text not null,
    asked_at   timestamptz not null,
    state      text not null default 'ready',
    attempt    integer not null default 0,
    epoch      bigint,
    next_at    timestamptz not null,
    sending_at timestamptz,
    words      text not null default '',
    constraint cancel_request_pk primary key (order_id),
    constraint cancel_request_order foreign key (order_id) references orders (id),
    constraint cancel_request_by check (asked_by in ('customer', 'house')),
    -- Taken: the panel said yes, which is a promise and no end. Only its status ends the order.
    constraint cancel_request_state check (state in ('ready', 'sending', 'taken', 'refused'))
);

create index cancel_request_due on cancel_request (next_at) where state in ('ready', 'sending');
