-- What each panel's deliveries cost, and what doubts may have cost, is in the books of that panel,
-- order by order.
with moved as (
    select l.order_id, a.id as account, a.kind, l.booked as amount
    from leg l
    join account a on a.provider = l.provider and a.kind = 'cost'
    where l.booked <> 0 and (l.order_id between $1 and $2 or l.order_id = any($3))
    union all
    select l.order_id, a.id, a.kind, l.exposed
    from leg l
    join account a on a.provider = l.provider and a.kind = 'doubt'
    where l.exposed <> 0 and (l.order_id between $1 and $2 or l.order_id = any($3))
    union all
    select t.order_id, a.id, a.kind, case a.id when t.debit then -t.amount else t.amount end
    from transfer t
    join account a on a.kind in ('cost', 'doubt') and a.id = case
        when t.reason in ('cost', 'doubt') then t.debit
        when t.reason = 'doubt_over' then t.credit
        -- Whichever way the panel's last word moved it.
        when (select d.kind from account d where d.id = t.debit) = 'cost' then t.debit
        else t.credit
    end
    where t.reason in ('cost', 'cost_correction', 'doubt', 'doubt_over')
        and t.order_id is not null and (t.order_id between $1 and $2 or t.order_id = any($3))
)
select v.name as "name!", count(*) as "violations!", (array_agg('order '
    || v.id order by v.id))[1:5] as "examples!"
from (
    select case kind when 'cost' then 'cost_is_booked' else 'exposure_is_in_doubt' end as name,
        order_id as id
    from moved
    group by order_id, account, kind
    having sum(amount) <> 0
) v
group by v.name
