-- What the panels say they sell, what changed in it, and the ids under which we sell it.

create table panel_service (
    provider      text not null,
    service       text not null,
    name          text not null,
    kind          text not null,
    category      text not null,
    rate_text     text not null,
    rate          numeric(28, 8),
    -- The panel's rate in its own currency. A new exchange rate in the file changes no price of the
    -- panel's.
    own_rate      numeric(28, 8),
    -- The last own rate that was within the bound of the one before it, or that a person accepted.
    accepted_rate numeric(28, 8),
    -- Since when the present rate is too far from the accepted one. Until it is accepted, nothing
    -- new is priced, sold or sent by it.
    held_at       timestamptz,
    min           bigint not null,
    max           bigint not null,
    refill        boolean not null,
    cancel        boolean not null,
    dripfeed      boolean not null,
    -- Since when readings are without it, where many vanished at once: such services are sold as
    -- before until a reading a day later says the same, or a person accepts the shrunk catalog.
    -- Null where it is listed, or gone.
    missing_at    timestamptz,
    -- Since when it is gone from the catalog. The row is kept, because orders refer to it.
    gone_at       timestamptz,
    constraint panel_service_pk primary key (provider, service),
    constraint panel_service_missing check (missing_at is null or gone_at is null)
);

create index panel_service_held on panel_service (provider) where held_at is not null;
create index panel_service_missing on panel_service (provider) where missing_at is not null;

-- What a reading found different from what was stored, one row for each change.
create table catalog_change (
    id       bigint generated always as identity,
    provider text not null,
    service  text not null,
    -- Which reading, by provider.catalog_readings.
    reading  bigint not null,
    at       timestamptz not null,
    -- When the list was read before: the change happened after that. Nobody can say whether a price
    -- that moved between two readings moved before or after an order that was sent in between.
    since    timestamptz,
    what     text not null,
    -- The service's name after the change.
    name     text not null,
    was      text,
    became   text,
    -- How far a rate moved, in percent of the old one; null where that was zero or unreadable.
    percent  numeric,
    constraint catalog_change_pk primary key (id),
    constraint catalog_change_what check (
        what in ('added', 'gone', 'back', 'rate', 'bounds', 'name', 'category', 'type', 'flags')
    )
);

create index catalog_change_of_reading on catalog_change (provider, reading);
create index catalog_change_in_order on catalog_change (provider, id);
create index catalog_change_of_rates on catalog_change (provider, at) where what = 'rate';

-- Our ids of services that an import sells or ever sold. A row is never removed: customers keep the
-- id, and it must never come to mean something else.
create table imported (
    id       integer not null,
    provider text not null,
    service  text not null,
    given_at timestamptz not null,
    constraint imported_pk primary key (id),
    constraint imported_once unique (provider, service),
    constraint imported_id_is_one check (id > 0)
);

-- Ids that a [[service]] block ever had, in any version that was in force. Customers know them, so
-- no import gives one of them to something else: what was bought under it before would be sent on
-- as something that nobody ordered.
create table block_id (
    id integer not null,
    constraint block_id_pk primary key (id)
);

-- A command asks the running gateway to read the panels' catalogs now.
create table refresh (
    id       bigint generated always as identity,
    asked_at timestamptz not null,
    done_at  timestamptz,
    outcome  jsonb,
    constraint refresh_pk primary key (id)
);
