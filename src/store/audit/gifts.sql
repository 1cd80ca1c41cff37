-- What a person gave back is what stood given back after the last gift, less what the house bore by
-- then.
with gifts as (
    select order_id, max(id) as last
    from transfer
    where reason = 'refund' and reference is not null
        and order_id is not null and (order_id between $1 and $2 or order_id = any($3))
    group by order_id
)
select 'given_by_hand_is_ledger' as "name!", count(*) as "violations!",
    (array_agg('order ' || o.id order by o.id))[1:5] as "examples!"
from orders o
left join gifts g on g.order_id = o.id
where (o.id between $1 and $2 or o.id = any($3))
    and (o.by_hand <> 0 or g.order_id is not null)
    and o.by_hand is distinct from (
        select sum(
            case
                when t.reason in ('refund', 'absorbed_less') then t.amount
                when t.reason in ('clawback', 'absorbed') then -t.amount
                else 0
            end
        )
        from transfer t
        where t.order_id = o.id and t.id <= g.last
    )
    -- Whoever gives an order up that a panel still works on gives all of it, and the house wants it back.
    and not (o.by_hand = o.charge and exists (
        select
        from cancel_request c
        where c.order_id = o.id and c.asked_by = 'house'
    ))
having count(*) > 0
