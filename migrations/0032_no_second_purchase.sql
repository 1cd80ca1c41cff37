-- What keeps an order from being bought twice by what comes late: a statement that was still on its way, or a person who
-- decides before the panel can have shown what it has.

-- Ids of orders of which it was said that they were not bought. The statement that was to buy one may still be under way,
-- in a server process that stands still behind a broken connection: it must fail when it goes on.
create table burned_order (
    id        integer not null,
    burned_at timestamptz not null default now(),
    constraint burned_order_pk primary key (id)
);

-- Buying holds the lock that `order_was_placed` holds while it burns an id (both take it before they look), so whichever
-- comes second sees what the other did.
create function refuse_burned_order() returns trigger
language plpgsql as $$
begin
    if exists (select from burned_order b where b.id = new.id) then
        raise exception 'order % was found not bought, and is not bought any more', new.id
            using errcode = 'PB001';
    end if;

    return new;
end
$$;

create trigger orders_not_burned
    before insert on orders
    for each row execute function refuse_burned_order();

-- Whether an order was bought; a no is final.
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

alter table leg
    -- A person said that the panel does not have it, at a time when it could not be seen there yet: to be said twice.
    add column not_placed_said_at timestamptz;
