-- Whether an order was bought. It waits for a transaction that is still buying it, and burns the id
-- of one that is not there: a no is final.
create or replace function order_was_placed(wanted integer) returns boolean
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(wanted);

    if exists (select from orders where id = wanted) then
        return true;
    end if;

    insert into burned_order (id) values (wanted)
    on conflict do nothing;

    return false;
end
$$;
