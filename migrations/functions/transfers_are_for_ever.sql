-- The ledger is append-only.
create or replace function transfers_are_for_ever() returns trigger
language plpgsql as $$
begin
    raise exception 'the ledger is append-only: % on transfer refused', tg_op;
end
$$;

create or replace trigger transfer_append_only
    before update or delete or truncate on transfer
    for each statement execute function transfers_are_for_ever();
