-- Services that a panel lists no more while it lists far less than before: they are sold as before until a reading a day
-- later says the same, or a person takes the panel at its word.

alter table panel_service
    -- Since when the panel's readings are without it; null where it is listed, or gone.
    add column missing_at timestamptz,
    add constraint panel_service_missing check (missing_at is null or gone_at is null);

create index panel_service_missing on panel_service (provider) where missing_at is not null;
