-- Counts new API keys, so that processes forget which keys do not exist.
create or replace function a_key_begins() returns trigger
language plpgsql as $$
begin
    update key_news
    set version = version + 1;
    return null;
end
$$;

create or replace trigger api_key_begins
    after insert on api_key
    for each statement execute function a_key_begins();
