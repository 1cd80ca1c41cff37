-- An order whose id was burned is not bought any more.
--
-- `place_orders` holds the advisory lock that `order_was_placed` holds while it burns an id, and
-- both take it before they look. So the second of the two sees what the first did.
create or replace function refuse_burned_order() returns trigger
language plpgsql as $$
begin
    if exists (select from burned_order b where b.id = new.id) then
        raise exception 'order % was found not bought, and is not bought any more', new.id
            using errcode = 'PB001';
    end if;

    return new;
end
$$;

create or replace trigger orders_not_burned
    before insert on orders
    for each row execute function refuse_burned_order();
