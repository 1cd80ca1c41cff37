-- No leg was sent twice, and what is known of our money at panels is what its legs took there.
with moved as (
    select m.leg_id, min(m.latest) as first, sum(m.booked) as booked
    from balance_move m
    where m.order_id between $1 and $2 or m.order_id = any($3)
    group by m.leg_id
),
broken as (
    select 'one_send_per_leg' as name, l.order_id as id
    from leg l
    join attempt e on e.leg_id = l.id
    where e.verdict not in ('refused', 'never_sent') and (l.order_id between $1 and $2
        or l.order_id = any($3))
    group by l.id, l.order_id
    having count(*) > 1
    union all
    -- Moves are forgotten oldest first, so a leg whose first is there has them all; and of what was
    -- taken lately ($4) none is forgotten.
    select 'moves_are_booked', l.order_id
    from leg l
    left join moved m on m.leg_id = l.id
    where (l.order_id between $1 and $2 or l.order_id = any($3))
        and case
            when l.accepted_at is null then m.leg_id is not null
            when m.first <= l.accepted_at then m.booked <> l.booked
            else l.accepted_at > $4 and coalesce(m.booked, 0) <> l.booked
        end
    union all
    select 'move_is_its_legs', m.order_id
    from balance_move m
    join leg l on l.id = m.leg_id
    join orders o on o.id = l.order_id
    where (m.order_id between $1 and $2 or m.order_id = any($3)) and (
        m.order_id <> l.order_id or m.provider <> l.provider
            or m.amount <> round(m.booked / l.fx_rate, 8)
            -- Our own roundings at least, and no more than a panel's rounding to whole units besides.
            or m.slack - round(0.00000001 * (2 + o.units / 1000.0) / l.fx_rate, 8) - 0.00000001
                not between 0 and greatest(abs(m.amount), 1)
    )
)
select name as "name!", count(*) as "violations!", (array_agg('order ' || id order by id))[1:5]
    as "examples!"
from broken
group by name
