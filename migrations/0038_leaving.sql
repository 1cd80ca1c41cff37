-- What waits unsent leaves a panel that cannot be sent to, wherever its order may go by another route.

alter table provider
    -- Since when its catalogue cannot be read under its present account while nothing of that account is stored.
    add column unread_since timestamptz;

alter table leg
    -- It left a panel that wanted to be left alone: once is enough, or orders would go to and fro between such panels.
    add column left_resting boolean not null default false;

-- What is parked, apart from the many that wait only for a moment.
create index leg_parked on leg (provider, ready_at, id) where state = 'parked';
