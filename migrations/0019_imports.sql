-- Selling a panel's catalogue as it comes, what moves in it, and rates that moved too far to be believed at once.

-- Our ids of services that an import sells or ever sold. A row is never removed: customers keep the id, and it must never
-- come to mean something else.
create table imported (
    id       integer not null,
    provider text not null,
    service  text not null,
    given_at timestamptz not null,
    constraint imported_pk primary key (id),
    constraint imported_once unique (provider, service),
    constraint imported_id_is_one check (id > 0)
);

alter table panel_service
    -- The panel's rate in its own currency: an exchange rate that the operator writes anew moves no price of the panel's.
    add column own_rate numeric(28, 8),
    -- The last own rate that was within the bound of the one before it, or that a person accepted.
    add column accepted_rate numeric(28, 8),
    -- Since when the present rate is too far from the accepted one: nothing new is priced, sold or sent by it.
    add column held_at timestamptz;

-- What was stored before is what was accepted before; odd spellings are accepted when they are read next.
update panel_service
set own_rate = ceil(rate_text::numeric * 100000000) / 100000000,
    accepted_rate = ceil(rate_text::numeric * 100000000) / 100000000
where rate is not null and rate_text ~ '^[0-9]{1,18}([.][0-9]{1,40})?$';

create index panel_service_held on panel_service (provider) where held_at is not null;

-- Counts the readings that worked: what moved is told by the reading that found it.
alter table provider
    add column catalogue_readings bigint not null default 0;

-- What a reading found different from what was stored, one row for each thing that moved.
create table catalogue_move (
    id       bigint generated always as identity,
    provider text not null,
    service  text not null,
    reading  bigint not null,
    at       timestamptz not null,
    what     text not null,
    -- The service's name, as it is since.
    name     text not null,
    was      text,
    became   text,
    -- How far a rate moved, in percent of what it was; null where it was nothing or could not be read.
    percent  numeric,
    constraint catalogue_move_pk primary key (id),
    constraint catalogue_move_what
        check (what in ('added', 'gone', 'back', 'rate', 'bounds', 'name', 'category', 'type', 'flags'))
);

create index catalogue_move_of_reading on catalogue_move (provider, reading);
create index catalogue_move_in_order on catalogue_move (provider, id);
