-- Ids that a [[service]] block ever had, in any version that was in force. Customers know them: no import gives one of them
-- to something else, or what was bought under it before would be sent on as something that nobody ordered.
create table block_id (
    id integer not null,
    constraint block_id_pk primary key (id)
);

-- Until now nobody wrote them down: they stand in the orders, and as they are usually written in the texts that are kept.
-- A number too many is an id that no import gives, and does no harm.
insert into block_id (id)
select service_id from orders
union
select written.id::integer
from (
    select replace(found[1], '_', '')::numeric as id
    from config_version
    cross join regexp_matches(body, '^\s*id\s*=\s*\+?([0-9][0-9_]{0,20})', 'gn') as found
    where body is not null
) written
where written.id between 1 and 2147483647;
