-- By how much a process's clock is ahead of the database's (behind: below 0). All that guards money goes by the
-- database's; what a process logs and shows goes by its own.
alter table config_node
    add column clock_ahead_ms bigint not null default 0;
