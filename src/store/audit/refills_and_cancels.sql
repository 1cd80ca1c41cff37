-- Refills and cancels: of what was delivered, one at a time, no more than may be, and where their
-- state says.
with broken as (
    select 'one_refill_under_way' as name, order_id as id
    from refill
    where ended_at is null
    group by order_id
    having count(*) > 1
    union all
    -- As many as any text of the configuration allowed that is kept; where one is forgotten, as
    -- many as any may allow.
    select 'refills_are_not_too_many', r.order_id
    from refill r
    where r.state <> 'rejected'
    group by r.order_id
    having count(*) > (
        select case when count(*) filter (where v.body is null) > 0 then $2
            else greatest($1, max(replace(said.number[1], '_', '')::bigint)) end
        from config_version v
        left join lateral regexp_matches(
            v.body, 'refills_per_order_max\s*=\s*[+]?([0-9][0-9_]{0,6})', 'g'
        ) as said (number) on true
    )
    union all
    select 'refill_is_of_a_delivery', r.order_id
    from refill r
    left join leg l on l.id = r.leg_id and l.order_id = r.order_id and l.provider = r.provider
    where l.panel_order is null
    union all
    select 'refill_is_as_its_state_says', r.order_id
    from refill r
    where case r.state
            when 'ready' then r.taken_at is not null or r.panel_refill is not null
            when 'sending' then r.sending_at is null or r.epoch is null or r.taken_at is not null
            when 'in_doubt' then r.taken_at is not null or r.panel_refill is not null
            when 'taken' then r.taken_at is null
            when 'completed' then r.taken_at is null or r.panel_refill is null
            else r.panel_refill is not null and r.taken_at is null
        end
        or r.state not in ('ready', 'in_doubt', 'rejected')
        and (r.attempt < 1 or r.sending_at is null)
    union all
    select 'cancel_is_as_its_state_says', c.order_id
    from cancel_request c
    where c.state = 'sending' and (c.sending_at is null or c.epoch is null)
        or c.given_up_at is not null and c.state <> 'refused'
        or c.address_waits not between 0 and c.attempt
    union all
    -- What the house wants back is an order that is over.
    select 'cancel_ends_with_its_order', c.order_id
    from cancel_request c
    join orders o on o.id = c.order_id
    where o.ended_at is not null and c.asked_by = 'customer' and c.state in ('ready', 'sending')
)
select name as "name!", count(*) as "violations!", (array_agg('order ' || id order by id))[1:5]
    as "examples!"
from broken
group by name
