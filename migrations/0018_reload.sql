-- The configuration as it changes while the gateway runs: why each version was published, what was seen and is no
-- version, which version last named each panel, and what each process serves.

-- A text that is long gone is forgotten (null), its hash is not: a node that starts with it must be known as late.
alter table config_version
    add column reason text not null default '',
    alter column body drop not null;

create index config_version_hash on config_version (hash, id);

-- The newest version with a block for the panel: where one that was taken out of the file is followed from, until
-- nothing of it is open.
alter table provider
    add column named_in bigint;

update provider set named_in = (select max(id) from config_version);

-- Texts that were judged and are no versions: refused ones, and ones that wait for `apply`.
create table config_edit (
    id      bigint generated always as identity,
    hash    text not null,
    -- Null where there is no text to keep: too long, or not UTF-8.
    body    text,
    state   text not null,
    -- The complaints, or the dangers.
    said    text[] not null,
    seen_at timestamptz not null,
    seen_by text not null,
    constraint config_edit_pk primary key (id),
    constraint config_edit_state check (state in ('refused', 'waiting'))
);

-- What every process serves and how its own file stands. Unlogged: after a crash of the server each says it anew.
create unlogged table config_node (
    node         uuid not null,
    name         text not null,
    -- The version that it serves.
    hash         text not null,
    -- Its file, where it has one; null: it cannot be read.
    file_hash    text,
    -- What came of that file: it is in force or merely another one (''), or it was refused or waits.
    judged       text not null,
    -- Panels whose key it cannot read.
    keyless      text[] not null,
    -- Whether it could not adopt the version in force.
    behind       boolean not null,
    seen_at      timestamptz not null,
    constraint config_node_pk primary key (node),
    constraint config_node_judged check (judged in ('', 'refused', 'waiting'))
);
