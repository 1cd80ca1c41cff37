-- The operator's file: the versions that were in force, the edits that were not, and what each
-- process serves.

-- Every text of the configuration that was in force. The newest row is the present one.
create table config_version (
    id           bigint generated always as identity,
    hash         text not null,
    -- Null once the text is old enough to be dropped. The hash stays, because a node that starts
    -- with that text must be recognized as late.
    body         text,
    -- Whether passwords and keys were taken out of the text. A text that holds any is refused
    -- today.
    masked       boolean not null default false,
    reason       text not null default '',
    published_at timestamptz not null,
    published_by text not null,
    constraint config_version_pk primary key (id)
);

create index config_version_hash on config_version (hash, id);

-- Texts that were judged and did not become versions: refused ones, and ones that wait for `apply`.
create table config_edit (
    id      bigint generated always as identity,
    hash    text not null,
    -- Null where there is no text to keep: it is too long, or not UTF-8.
    body    text,
    -- As in config_version.
    masked  boolean not null default false,
    state   text not null,
    -- The complaints, or the dangers.
    said    text[] not null,
    seen_at timestamptz not null,
    seen_by text not null,
    constraint config_edit_pk primary key (id),
    constraint config_edit_state check (state in ('refused', 'waiting'))
);

-- A large text is compressed while an edit waits to come into force. lz4 takes a tenth of the time
-- of the default. A server that was built without lz4 keeps the default.
do $$
begin
    alter table config_version alter column body set compression lz4;
    alter table config_edit alter column body set compression lz4;
exception
    when feature_not_supported then null;
end
$$;

-- What every process serves and how its own file stands. Unlogged: after a crash of the server
-- each process writes it again.
create unlogged table config_node (
    node           uuid not null,
    name           text not null,
    -- The version that it serves.
    hash           text not null,
    -- The hash of its own file, where it has one; null: it cannot be read.
    file_hash      text,
    -- What became of that file: refused, waiting, or '' where it is in force or merely another one.
    judged         text not null,
    -- Providers whose key it cannot read.
    keyless        text[] not null,
    -- Whether it could not adopt the version in force.
    behind         boolean not null,
    -- By how much its clock is ahead of the database's (behind: below 0). Everything that guards
    -- money goes by the database's clock; a process's log and screens go by its own.
    clock_ahead_ms bigint not null default 0,
    -- Workers of the node that do not do their rounds. Any node that looks raises the alert.
    workers_late   text[] not null default '{}',
    -- What else the node has trouble with, in the words of the alerts. Raised by any node too.
    troubles       text[] not null default '{}',
    seen_at        timestamptz not null,
    constraint config_node_pk primary key (node),
    constraint config_node_judged check (judged in ('', 'refused', 'waiting'))
);
