-- What keeps `add` away from a panel: a person, or the breaker on doubts.

alter table provider
    -- A person stopped sending to this panel.
    add column paused_at timestamptz,
    -- A panel whose answers leave doubts gets no more orders: open. After a while, and after a free call that worked,
    -- it gets one at a time: probation. An answer that proves anything shuts it.
    add column breaker text not null default 'shut',
    add column breaker_at timestamptz,
    -- An open breaker is not tried before this moment.
    add column breaker_until timestamptz,
    -- Openings since it was shut for good; each makes the next wait longer.
    add column breaker_trips integer not null default 0,
    add column doubts_in_a_row integer not null default 0,
    add constraint provider_breaker check (breaker in ('shut', 'open', 'probation')),
    add constraint provider_breaker_open check ((breaker = 'open') = (breaker_until is not null));

-- Doubts of the last minute are counted from what was said, not from legs, which may be resolved meanwhile.
create index exchange_doubted on exchange (provider, answered_at) where verdict = 'in_doubt';

-- One row: whether anything may be sent to any panel. A copy of the database starts frozen.
create table dispatch (
    one       boolean not null default true,
    frozen_at timestamptz,
    constraint dispatch_pk primary key (one),
    constraint dispatch_one check (one)
);

insert into dispatch default values;
