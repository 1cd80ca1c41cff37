-- What the processes that share this database know of each other, of its history, and of its
-- clock.

-- Which database this is, and how far it has come. A living process sees from it that the database
-- went back in time under it, or that a backup was put in its place.
create table incarnation (
    one   boolean not null default true,
    -- Drawn when the schema was made, and anew by each restore.
    id    uuid not null default gen_random_uuid(),
    -- Raised by every heartbeat of every process, so it never falls while time goes on.
    beats bigint not null default 0,
    constraint incarnation_pk primary key (one),
    constraint incarnation_one check (one)
);

insert into incarnation default values;

-- Which functions of functions/ are in this database. A process that starts replaces them where its
-- own are others, unless a newer release put them here.
create table schema_functions (
    one        boolean not null default true,
    -- SHA-256 over all files of functions/.
    checksum   bytea not null,
    -- The release that put them here: major, minor, patch.
    release    integer[] not null,
    applied_at timestamptz not null default now(),
    constraint schema_functions_pk primary key (one),
    constraint schema_functions_one check (one)
);

-- Which processes accept customers at present; limits are shared among them. Not worth a log: each
-- process writes its row again within a second.
create unlogged table door (
    node    uuid not null,
    seen_at timestamptz not null,
    constraint door_pk primary key (node)
);

-- What processes took of a minute's limits, each in slices (functions/take_allowance.sql). After a
-- crash of the server a minute is counted anew.
create unlogged table allowance (
    minute  bigint not null,
    subject text not null,
    taken   bigint not null,
    constraint allowance_pk primary key (minute, subject)
);

-- A round that one process runs for all: the first that comes when it is due.
create table round (
    name       text not null,
    begun_at   timestamptz not null,
    done_at    timestamptz,
    -- Rounds begun since one was last completed: they failed, or their process ended, except for
    -- the one that runs now.
    unfinished integer not null default 0,
    constraint round_pk primary key (name)
);

-- The database's clock, as processes watched it. Waiting is measured by time that some process
-- watched: a clock that jumps ahead makes nothing older, and one that is set back leaves nothing
-- due far in the future.
create table clock_watch (
    one boolean not null default true,
    -- When a process last looked, by the clock itself; null before the first look.
    at  timestamptz,
    constraint clock_watch_pk primary key (one),
    constraint clock_watch_one check (one)
);

insert into clock_watch default values;

-- Spans that no process watched, and steps back.
create table clock_step (
    id      bigint generated always as identity,
    from_at timestamptz not null,
    to_at   timestamptz not null,
    -- Whether the clock was set for certain: a process ran all along. If none ran, it is not known.
    was_set boolean not null,
    constraint clock_step_pk primary key (id)
);

create index clock_step_ahead on clock_step (to_at) where to_at > from_at;
