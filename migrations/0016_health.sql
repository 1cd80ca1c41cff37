-- A panel's health beyond its doubts: what opened its breaker, and until when it asked us to wait.

alter table provider
    -- What opened the breaker last; of one that is shut it says nothing. Those that stand open today were opened by
    -- doubts.
    add column breaker_cause text not null default 'doubts',
    -- The panel found us too fast: nothing of any kind is asked before this moment, by whoever deals with it then.
    add column rests_until timestamptz,
    add constraint provider_breaker_cause check (breaker_cause in ('doubts', 'errors', 'slowness'));

-- The id that a panel gave for a leg after it was found not placed, and when: somebody has to cancel it there.
alter table leg
    add column late_order text,
    add column late_at timestamptz;

-- Few, and asked for every other second.
create index leg_late on leg (late_at) where late_at is not null;
