-- Orders by what a person looks for; what is null is not asked for.
select id, public_id, customer_id, service_id, kind, link, units, package, state, charge,
    refunded, remains, rate, cost_rate, rule, config_hash, review, placed_at, ended_at
from orders o
where ($1::text is null
        or o.state = $1
        or ($1 = 'review' and o.id in (
            select r.id from orders r where r.review is not null
            union all
            select l.order_id from leg l where l.state = 'in_doubt'
        ))
        or ($1 = 'waiting' and o.id in (
            select l.order_id from leg l where l.state in ('ready', 'leased', 'parked')
        ))
        or ($1 = 'stuck' and o.id in (
            select l.order_id from leg l
            where l.stuck_at is not null and (o.ended_at is null or l.state = 'accepted')
        ))
        or ($1 = 'canceling' and o.ended_at is null and o.id in (
            select c.order_id
            from cancel_request c
            where c.state in ('ready', 'sending') or c.given_up_at is not null
        ))
        or ($1 in ('parked', 'in_doubt') and exists (
            select from leg l where l.order_id = o.id and l.state = $1
        )))
    and ($2::bigint is null or o.customer_id = $2)
    and ($3::text is null or exists (
        select
        from leg l
        where l.order_id = o.id and l.provider = $3
            and (not $11 or l.state in ('ready', 'leased', 'parked'))
    ))
    and ($4::text is null or o.link = $4)
    and ($5::integer[] is null or o.id = any($5))
    and ($7::integer is null or o.service_id = $7)
    and ($8::text is null
        or exists (select from leg l where l.order_id = o.id
            and $8 in (l.panel_order, l.late_order)))
    and ($9::timestamptz is null or o.placed_at >= $9)
    and ($10::timestamptz is null or o.placed_at < $10)
    and (not $11
        or o.id in (select l.order_id from leg l
            where l.state in ('ready', 'leased', 'parked')))
order by o.id desc
limit $6
