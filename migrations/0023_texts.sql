-- A large text is compressed while an edit waits to come into force: lz4 takes a tenth of the time. A server that was
-- built without it goes on as before.
do $$
begin
    alter table config_version alter column body set compression lz4;
    alter table config_edit alter column body set compression lz4;
exception
    when feature_not_supported then null;
end
$$;
