-- Orders for which something moved after a transfer, that are followed at their panels, or whose
-- legs are not sent yet.
select coalesce(array_agg(id), '{}') as "ids!"
from (
    select order_id as id from transfer where id > $1 and order_id is not null
    union
    select l.order_id
    from tracked_leg w
    join leg l on l.id = w.leg_id
    where w.ended_at is null
    union
    select order_id from leg where state in ('ready', 'leased', 'parked')
    union
    select order_id from leg where state in ('sending', 'in_doubt')
) concerned
