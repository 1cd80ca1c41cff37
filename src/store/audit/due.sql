-- Nothing is forgotten: what is being sent is young, somebody looks into every doubt, and nothing
-- is due later than the house ever puts anything off.
with broken as (
    select 'sending_is_young' as name, 'order ' || order_id as example
    from leg
    where state = 'sending' and sending_at < $1
    union all
    select 'refill_is_soon_answered', 'order ' || order_id
    from refill
    where state = 'sending' and sending_at < $1
    union all
    select 'doubt_is_looked_into', 'order ' || l.order_id
    from leg l
    join orders o on o.id = l.order_id
    where l.state = 'in_doubt' and l.check_at is null and o.review is null
    union all
    select 'leg_is_due_soon', 'order ' || order_id
    from leg
    where state in ('ready', 'leased', 'parked') and (ready_at > $2 or state = 'leased'
        and leased_until > $3)
    union all
    select 'leg_is_due_soon', 'order ' || order_id
    from leg
    where state in ('sending', 'in_doubt') and (sending_at > $3 or state = 'in_doubt'
        and check_at > $4)
    union all
    select 'watch_is_due_soon', 'order ' || l.order_id
    from tracked_leg w
    join leg l on l.id = w.leg_id
    where w.next_at > $5 or w.ended_at > $3
    union all
    select 'cancel_is_due_soon', 'order ' || order_id
    from cancel_request
    where state in ('ready', 'sending') and (next_at > $6 or state = 'sending' and sending_at > $3)
    union all
    select 'refill_is_due_soon', 'order ' || order_id
    from refill
    where ended_at is null and (next_at > $7 or state = 'sending' and sending_at > $3)
    union all
    select 'alert_is_due_soon', 'alert ' || kind || ' ' || object
    from alert
    where (told_at is null or over_at is not null and over_told_at is null) and next_at > $2
    union all
    select 'round_is_due_soon', 'round ' || name
    from round
    where begun_at > $3
    union all
    select 'round_is_due_soon', 'the whole audit'
    from audit_mark
    where whole_at > $3 or transfer_id > (select max(id) from transfer)
    union all
    select 'panel_rests_shortly', 'provider ' || id
    from provider
    where held_until > $3 or breaker_until > $2 or rests_until > $2 or statuses_again_at > $2
    union all
    select 'panel_rests_shortly', 'dispatch'
    from dispatch
    where patience_from > $3
)
select name as "name!", count(*) as "violations!", (array_agg(example order by length(example),
    example))[1:5] as "examples!"
from broken
group by name
