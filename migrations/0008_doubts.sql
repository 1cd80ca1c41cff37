-- Doubts, and what was found out about each.

alter table leg
    add column doubted_at timestamptz,
    -- When it is looked into next, and how often it was. Null in doubt: only a person can tell.
    add column check_at timestamptz,
    add column checks integer not null default 0;

update leg set doubted_at = coalesce(sending_at, ready_at), check_at = coalesce(sending_at, ready_at)
where state = 'in_doubt';

alter table leg add constraint leg_doubted check (state <> 'in_doubt' or doubted_at is not null);

create index leg_check_due on leg (provider, check_at) where state = 'in_doubt';

-- Each rung of the ladder that was climbed: what was looked at, what it showed, and in which words.
create table rung (
    id      bigint generated always as identity,
    leg_id  bigint not null,
    at      timestamptz not null,
    rung    text not null,
    verdict text not null,
    words   text not null default '',
    constraint rung_pk primary key (id),
    constraint rung_verdict check (verdict in ('placed', 'not_placed', 'unknown'))
);

create index rung_of_leg on rung (leg_id, id);
