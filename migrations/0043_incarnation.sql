-- Which database this is, and how far it has come: a living process sees from it that the database
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
