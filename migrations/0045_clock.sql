-- The database's clock, as processes watched it. What was waited for is measured by time that somebody watched: a clock
-- that jumps ahead makes nothing older, and one that is set back leaves nothing due far in the future.

create table clock_watch (
    one boolean not null default true,
    -- When a process looked last, by the clock itself; null before the first look.
    at  timestamptz,
    constraint clock_watch_pk primary key (one),
    constraint clock_watch_one check (one)
);

insert into clock_watch default values;

-- Spans that nobody watched, and steps back.
create table clock_step (
    id      bigint generated always as identity,
    from_at timestamptz not null,
    to_at   timestamptz not null,
    -- Whether the clock was set for certain: a process ran all along. Else nobody ran, and nobody knows.
    was_set boolean not null,
    constraint clock_step_pk primary key (id)
);

create index clock_step_ahead on clock_step (to_at) where to_at > from_at;

-- A proof asks four times: one of its names twice at the same moment.
alter table request_id_proof
    alter column in_doubt set default 4,
    drop constraint request_id_proof_counts,
    add constraint request_id_proof_counts check (bought >= 0 and in_doubt >= 0 and bought + in_doubt <= 4);

-- Whether passwords and keys were taken out of a text. A configuration's text that holds any is refused now.
alter table config_version
    add column masked boolean not null default false;
alter table config_edit
    add column masked boolean not null default false;
