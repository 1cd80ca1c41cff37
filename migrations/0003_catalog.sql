-- What the operator configured, and what the panels say they sell.

-- Every text of the configuration that was in force; the newest row is the present one.
create table config_version (
    id           bigint generated always as identity,
    hash         text not null,
    body         text not null,
    published_at timestamptz not null,
    published_by text not null,
    constraint config_version_pk primary key (id)
);

create table provider (
    id                text not null,
    -- Who may send to this panel, over all nodes: the epoch is in every write, so an earlier holder changes nothing.
    holder            uuid,
    epoch             bigint not null default 0,
    held_until        timestamptz,
    catalogue_at      timestamptz,
    catalogue_version bigint not null default 0,
    catalogue_error   text,
    balance           numeric(28, 8),
    balance_text      text,
    balance_at        timestamptz,
    constraint provider_pk primary key (id)
);

create table panel_service (
    provider  text not null,
    service   text not null,
    name      text not null,
    kind      text not null,
    category  text not null,
    rate_text text not null,
    rate      numeric(28, 8),
    min       bigint not null,
    max       bigint not null,
    refill    boolean not null,
    cancel    boolean not null,
    dripfeed  boolean not null,
    seen_at   timestamptz not null,
    -- Vanished from the panel's catalogue since; kept, because orders speak of it.
    gone_at   timestamptz,
    constraint panel_service_pk primary key (provider, service)
);

-- Somebody asks the running gateway to ask the panels now.
create table refresh (
    id       bigint generated always as identity,
    asked_at timestamptz not null,
    done_at  timestamptz,
    outcome  jsonb,
    constraint refresh_pk primary key (id)
);
