-- Asked of everything at once, and only when everything is looked at: rows without the row that
-- they are about, orders at panels that two legs have, remembered answers, and what there must be
-- one of.
with twice as (
    select provider, panel_order
    from leg
    where panel_order is not null
    group by provider, panel_order
    having count(*) > 1
),
broken as (
    -- At one address, or of one account whatever the address was called.
    select 'panel_order_in_one_leg' as name, 'order ' || min(t.order_id) as example
    from (
        select l.id, l.order_id, l.provider, l.panel_order, p.address, e.account
        from twice
        join leg l on l.provider = twice.provider and l.panel_order = twice.panel_order
        left join panel_order p on p.leg_id = l.id
        left join attempt e on e.leg_id = l.id and e.n = l.attempt
    ) t
    cross join lateral (values ('address', t.address), ('account', t.account)) at (what, which)
    where at.which is not null or at.what = 'address'
    group by t.provider, t.panel_order, at.what, at.which
    having count(distinct t.id) > 1
    union all
    select 'request_has_order', 'customer ' || r.customer_id
    from request r
    left join orders o on o.id = r.order_id and o.customer_id = r.customer_id
    where o.id is null
    union all
    select 'request_answers_its_order', 'order ' || o.id
    from request r
    join orders o on o.id = r.order_id
    where octet_length(r.digest) <> 32 or octet_length(r.fingerprint) <> 32
        -- The order's id in digits, or the end of its other name as it is spelled in letters, five
        -- bits each.
        or regexp_replace(r.answer, '[^0-9]', '', 'g') <> o.id::text and position(
            (
                select string_agg(
                    substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', substring(b.bits
                        from 5 * n + 1 for 5)::integer + 1, 1),
                    ''
                    order by n
                )
                from (select ('x' || right(o.public_id::text, 10))::bit(40) as bits) b,
                    generate_series(0, 7) as n
            ) in r.answer
        ) = 0
    union all
    select 'answer_is_remembered', 'order ' || o.id
    from orders o
    left join request r on r.order_id = o.id and r.customer_id = o.customer_id
    where o.remembered and r.order_id is null
    union all
    select 'rows_have_their_owner', 'transfer ' || t.id
    from transfer t
    left join orders o on o.id = t.order_id
    where t.order_id is not null and o.id is null
    union all
    select 'rows_have_their_owner', 'settlement of order ' || s.order_id
    from settlement s
    left join orders o on o.id = s.order_id
    where o.id is null
    union all
    select 'rows_have_their_owner', 'attempt of leg ' || e.leg_id
    from attempt e
    left join leg l on l.id = e.leg_id
    where l.id is null or e.n not between 1 and l.attempt
    union all
    select 'rows_have_their_owner', 'panel order ' || p.id
    from panel_order p
    left join leg l on l.id = p.leg_id and l.panel_order = p.id and l.provider = p.provider
    where l.id is null
    union all
    select 'rows_have_their_owner', 'tracked leg ' || w.leg_id
    from tracked_leg w
    left join leg l on l.id = w.leg_id
    where l.id is null
    union all
    select 'rows_have_their_owner', 'move of leg ' || m.leg_id
    from balance_move m
    left join leg l on l.id = m.leg_id
    where l.id is null
    union all
    select 'rows_have_their_owner', 'doubt of leg ' || r.leg_id
    from doubt_check r
    left join leg l on l.id = r.leg_id
    where l.id is null
    union all
    select 'customer_has_wallet', 'account ' || a.id
    from account a
    left join wallet w on w.account_id = a.id
    where a.kind = 'wallet' and w.account_id is null
    union all
    select 'house_has_its_accounts', wanted.kind
    from unnest(array['revenue', 'deposits', 'adjustments', 'opening', 'write_off'])
        as wanted (kind)
    where not exists (select from account a where a.kind = wanted.kind)
    union all
    select 'house_has_its_accounts', wanted.kind || ' of ' || l.provider
    from (select distinct provider from leg) l
    cross join unnest(array['cost', 'float', 'doubt']) as wanted (kind)
    where not exists (select from account a where a.kind = wanted.kind and a.provider = l.provider)
    union all
    select 'house_has_its_accounts', one.name
    from (
        select 'dispatch' as name, count(*) as rows from dispatch
        union all
        select 'key_news', count(*) from key_news
    ) one
    where one.rows <> 1
    union all
    select 'ids_are_new', 'order_id'
    from order_id
    where last_value < (select max(id) from orders)
    union all
    select 'ids_are_new', 'refill_id'
    from refill_id
    where last_value < (select max(id) from refill)
    union all
    select 'burned_order_was_not_bought', 'order ' || o.id
    from burned_order b
    join orders o on o.id = b.id
    union all
    select 'proof_is_booked', 'provider ' || coalesce(p.provider, t.provider)
    from (
        select provider, sum(cost * bought) as cost
        from request_id_proof
        group by provider
    ) p
    full join (
        select a.provider, sum(t.amount) as cost
        from transfer t
        join account a on a.id = t.debit
        where t.reason = 'proof'
        group by a.provider
    ) t on t.provider = p.provider
    where coalesce(p.cost, 0) <> coalesce(t.cost, 0)
    union all
    select 'version_is_its_text', 'configuration ' || hash
    from config_version
    where hash <> left(encode(sha256(convert_to(body, 'UTF8')), 'hex'), 12)
        -- Long gone ones are forgotten, the one in force is not.
        or body is null and id = (select max(id) from config_version)
    union all
    select 'drift_is_of_its_readings', 'drift ' || d.id
    from drift d
    join reading r on r.id in (d.after_reading, d.by_reading)
    where r.provider <> d.provider or r.currency <> d.currency
        or r.at <> case r.id when d.by_reading then d.by_at else d.after_at end
)
select name as "name!", count(*) as "violations!", (array_agg(example order by length(example),
    example))[1:5] as "examples!"
from broken
group by name
