-- The legs that deliver orders, what was said to panels and by them, and how doubts are resolved.

-- One attempt to have an order delivered by one route.
create table leg (
    id                 bigint generated always as identity,
    order_id           integer not null,
    n                  integer not null,
    provider           text not null,
    service            text not null,
    -- Why it goes by its route: what decided, and why each of the other routes was not taken. It is
    -- as long as the service has routes, at most 20, and is written again when an unsent leg is
    -- moved.
    choice             jsonb,
    -- When it began, where it is not its order's first; the first begins with the purchase.
    began_at           timestamptz,

    state              text not null default 'ready',
    -- Why it stands where it stands, in words.
    reason             text not null,
    -- Counts the times it was taken for sending. Every result names the one it belongs to.
    attempt            integer not null default 0,
    -- Attempts in a row that never left this machine.
    unsent             integer not null default 0,
    -- The lease under which it was taken.
    epoch              bigint,
    leased_until       timestamptz,
    -- It is not sent before this moment.
    ready_at           timestamptz not null,
    -- Since when it is parked, and what it waits for: each reason has a patience of its own.
    parked_at          timestamptz,
    parked_for         text,
    -- It left a panel that wanted to be left alone. It does so once, or orders would go to and fro
    -- between such panels.
    left_resting       boolean not null default false,
    sending_at         timestamptz,
    accepted_at        timestamptz,
    ended_at           timestamptz,
    -- Since when it counts as stuck: it did not move for as long as the operator allows.
    stuck_at           timestamptz,

    -- What the panel is expected to charge, what of it is booked as cost, and what is booked as
    -- exposure.
    cost               numeric(28, 8) not null,
    booked             numeric(28, 8) not null default 0,
    exposed            numeric(28, 8) not null default 0,
    -- What one unit of the panel's currency was worth in ours when the leg was sent. The panel's
    -- charge is worth that, whatever the file says by the time the panel reports it.
    fx_rate            numeric not null default 1,

    panel_order        text,
    panel_status       text,
    panel_charge       text,

    -- Since when it is in doubt.
    doubted_at         timestamptz,
    -- When the doubt is looked into next, and how often it was. Null in doubt: only a person can
    -- tell.
    check_at           timestamptz,
    checks             integer not null default 0,
    -- How often it was asked for again under its name, and when last. A late answer to the first
    -- asking proves nothing about the later ones; what those placed is younger than the first.
    repeats            integer not null default 0,
    repeated_at        timestamptz,
    -- A person said that the panel does not have it, at a time when it could not be seen there yet.
    -- It must be said a second time.
    not_placed_said_at timestamptz,
    -- A refusal that may be of a second asking is a doubt until our balance shows that nothing was
    -- taken: in which words the panel refused, while that is not seen yet.
    refused_for        text,
    -- Until when our balance showed that nothing was taken for it at its panel.
    clear_until        timestamptz,
    -- The id that a panel gave for it after it was found not placed, and when: a person has to
    -- cancel it there.
    late_order         text,
    late_at            timestamptz,

    constraint leg_pk primary key (id),
    constraint leg_n_once unique (order_id, n),
    constraint leg_order foreign key (order_id) references orders (id),
    constraint leg_state check (
        state in (
            'ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked', 'refused', 'ended',
            -- Nothing of it was sent, and its customer or a person took it back.
            'canceled',
            -- Whether the panel has it was never learned. The customer got the money back, and what
            -- the panel may have taken is booked as cost. A late id is still taken; the order at
            -- the panel is then the house's.
            'written_off'
        )
    ),
    constraint leg_leased check (
        state <> 'leased' or (epoch is not null and leased_until is not null)
    ),
    constraint leg_accepted check (state not in ('accepted', 'ended') or panel_order is not null),
    constraint leg_doubted check (state <> 'in_doubt' or doubted_at is not null),
    constraint leg_refused_in_doubt check (refused_for is null or state = 'in_doubt'),
    constraint leg_parked check (
        state <> 'parked' or (parked_at is not null and parked_for is not null)
    ),
    constraint leg_fx_rate check (fx_rate > 0)
);

-- What a dispatcher looks for; finished legs are not in it.
create index leg_unsent on leg (provider, ready_at, id)
    where state in ('ready', 'leased', 'parked');
-- What waits unsent, oldest first: legs are numbered as they begin.
create index leg_unsent_oldest on leg (provider, id) where state in ('ready', 'leased', 'parked');
-- What is parked, apart from the many that wait only for a moment.
create index leg_parked on leg (provider, ready_at, id) where state = 'parked';
create index leg_unanswered on leg (provider, id) where state in ('sending', 'in_doubt');
create index leg_check_due on leg (provider, check_at) where state = 'in_doubt';
create index leg_written_off on leg (provider, id) where state = 'written_off';
create index leg_stuck on leg (provider) where stuck_at is not null;
-- What a panel delivered lately, for those services that choose by it.
create index leg_ended_lately on leg (provider, ended_at) where state in ('ended', 'written_off');
-- Few, and asked for every other second.
create index leg_late on leg (late_at) where late_at is not null;
create index leg_late_order on leg (late_order) where late_order is not null;

-- One row per `add` that was tried: written with the intent, completed with the answer.
create table attempt (
    leg_id           bigint not null,
    n                integer not null,
    provider         text not null,
    service          text not null,
    -- Which account, at which address, was asked. A doubt is looked into nowhere else: another
    -- account knows nothing of the order, and would take it as new. The text tells accounts apart
    -- and reveals nothing of their keys. Null: not known.
    account          text,
    -- A host, with its port where the address names one; '' where it is not known.
    address          text not null default '',
    sent_at          timestamptz not null,
    answered_at      timestamptz,
    verdict          text not null default 'sending',
    http_status      integer,
    -- The panel said no in words that are on no list: the order is in doubt, though no answer was
    -- lost.
    in_unknown_words boolean not null default false,
    words            text not null default '',
    constraint attempt_pk primary key (leg_id, n),
    constraint attempt_verdict check (
        verdict in ('sending', 'accepted', 'refused', 'never_sent', 'in_doubt')
    )
);

-- Doubts of the last minute are counted from here and not from legs, which may be resolved by then.
create index attempt_doubted on attempt (provider, answered_at) where verdict = 'in_doubt';
-- Looked through for each doubt that is searched among ids, and for each difference at a panel.
-- They are few among all.
create index attempt_refused on attempt (sent_at) where verdict in ('refused', 'in_doubt');

-- Each check of a doubt: what was looked at, what it showed, and in which words.
create table doubt_check (
    id      bigint generated always as identity,
    leg_id  bigint not null,
    at      timestamptz not null,
    kind    text not null,
    verdict text not null,
    words   text not null default '',
    constraint doubt_check_pk primary key (id),
    constraint doubt_check_verdict check (verdict in ('placed', 'not_placed', 'unknown'))
);

create index doubt_check_of_leg on doubt_check (leg_id, id);

-- An order at a panel belongs to one leg. Under one name an operator may have had one panel and
-- then another, whose order ids begin at 1 too: an id belongs to one leg at one address.
create table panel_order (
    provider text not null,
    id       text not null,
    -- As in attempt.address.
    address  text not null default '',
    leg_id   bigint not null,
    constraint panel_order_pk primary key (provider, id, address)
);

-- In one account an id is one order's, whatever block it was bought through.
create index panel_order_by_id on panel_order (id);

-- Legs whose status is still asked for. A table of its own: polling costs what is open, and not
-- what was ever sold.
create table tracked_leg (
    leg_id      bigint not null,
    provider    text not null,
    panel_order text not null,
    accepted_at timestamptz not null,
    next_at     timestamptz not null,
    -- When the panel was last asked, and when its answer last said where the order stands.
    asked_at    timestamptz,
    heard_at    timestamptz,
    -- What the panel said last. The same again changes nothing and costs only this row.
    seen        text not null default '',
    -- The panel's last clear status, and since when it is that; null: there was none.
    word        text,
    moved_at    timestamptz,
    -- The charge that the panel reported for the open order. Money that came back did so after
    -- that.
    charge      numeric(28, 8),
    -- Answers in a row that should have settled something and did not.
    puzzled     integer not null default 0,
    -- Answers in a row that named no status at all; not counted in `puzzled`.
    silent      integer not null default 0,
    -- Since when the panel reports a failure, which it may still set right.
    failing_at  timestamptz,
    -- Since when the order is over at the panel. It is asked about a few times more, and then
    -- forgotten.
    ended_at    timestamptz,
    -- How many of those times there were.
    checks      integer not null default 0,
    constraint tracked_leg_pk primary key (leg_id)
) with (fillfactor = 50);

-- Few are silent, and whose they are is asked every minute.
create index tracked_leg_silent on tracked_leg (provider) where silent > 0;
create index tracked_leg_due on tracked_leg (provider, next_at);
-- The neighbours of a doubt are looked for by when they were accepted.
create index tracked_leg_accepted on tracked_leg (provider, accepted_at);
