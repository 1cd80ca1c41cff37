-- What may have moved at a panel and nobody knows: between nothing and all of it.
with unknown as materialized (
    select l.id, l.order_id, l.epoch, l.state, l.doubted_at,
        -- Whatever the panel took, it took at its price, which may have moved and never
        -- been told.
        greatest(
            l.cost / l.fx_rate,
            case when o.package then s.own_rate
                else ceil(s.own_rate * o.units * 100000) / 100000000 end
        ) * (1 + $4::integer / 100.0) as cost,
        coalesce(
            (select min(e.sent_at) from attempt e where e.leg_id = l.id
                and e.verdict <> 'never_sent'),
            l.sending_at, l.doubted_at
        ) as sent_at
    from leg l
    join orders o on o.id = l.order_id
    left join panel_service s on s.provider = l.provider and s.service = l.service
    where l.provider = $1
        and (l.state in ('sending', 'in_doubt') or l.state = 'written_off')
),
open as materialized (
    select l.order_id, l.epoch, w.heard_at,
        greatest(l.booked, w.charge) / l.fx_rate as held,
        -- The panel's own word on the price; else what its catalog says today, and what
        -- it may never have told.
        coalesce(
            w.charge / l.fx_rate,
            case when o.package then s.own_rate
                else ceil(s.own_rate * o.units * 100000) / 100000000 end,
            l.cost / l.fx_rate
        ) - l.cost / l.fx_rate as dearer,
        case when w.charge is null then l.cost
            else 0 end / l.fx_rate * $4::integer / 100 as untold,
        coalesce(
            (select min(e.sent_at) from attempt e where e.leg_id = l.id
                and e.verdict <> 'never_sent'),
            l.sending_at, w.accepted_at
        ) as sent_at
    from tracked_leg w
    join leg l on l.id = w.leg_id
    join orders o on o.id = l.order_id
    left join panel_service s on s.provider = l.provider and s.service = l.service
    where w.provider = $1 and w.ended_at is null
)
select order_id as "order_id!", round(least, 8) as "least!", round(most, 8) as "most!",
    sent_at as "earliest!", latest, epoch
from (
    select order_id, 0::numeric as least, cost as most, sent_at,
        case when state <> 'sending'
            then doubted_at + $2::integer * interval '1 second' end as latest, epoch
    from unknown
    union all
    select order_id, -cost, 0, sent_at, null, epoch from unknown where state <> 'sending'
    union all
    select order_id, -held, 0, coalesce(heard_at, sent_at), null, epoch from open
    union all
    select order_id, least(dearer, 0), greatest(dearer, 0) + untold, sent_at, null, epoch
    from open
    where dearer <> 0 or untold > 0
    union all
    -- What a proof may have bought besides.
    select $5::integer, 0, amount * in_doubt, sent_at,
        coalesce(answered_at, sent_at) + $2::integer * interval '1 second', null
    from request_id_proof
    where provider = $1 and in_doubt > 0 and amount > 0
) possible
limit $3
