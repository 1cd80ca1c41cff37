-- What an order was sold by: a rate that its rule makes of the cost, a configuration that was in
-- force, and an id that was given to a service. Orders that were sold by the same are judged as
-- one.
with sold as (
    select rule, rate, cost_rate, config_hash, service_id, min(id) as id, min(placed_at) as at
    from orders
    where id between $1 and $2 or id = any($3)
    group by rule, rate, cost_rate, config_hash, service_id
),
read as (
    select s.*, m.found[1]::numeric as percent, coalesce(m.found[3], '0')::numeric as fixed,
        coalesce(m.found[5], '0')::numeric as step
    from sold s
    cross join lateral (
        select regexp_match(
            s.rule, ': (-?[0-9.]+) %( [+] ([0-9.]+))?(, up to a multiple of ([0-9.]+))?$'
        ) as found
    ) m
),
priced as (
    select r.*,
        ceil(greatest(r.cost_rate * (1 + r.percent * 0.01) + r.fixed, 0) * 100000000) * 0.00000001
            as price
    from read r
),
judged as (
    select p.id,
        case
            when p.rule = 'fixed rate' then false
            when p.rule = 'no markup' then p.rate <> p.cost_rate
            when p.percent is null then true
            when p.step > 0 then p.rate <> ceil(p.price / p.step) * p.step
            else p.rate <> p.price
        end as rate_is_the_rules,
        -- What is older than the oldest version that is kept was sold by one that is forgotten.
        not exists (select from config_version v where v.hash = p.config_hash)
            and p.at >= (select coalesce(min(v.published_at), '-infinity') from config_version v)
                as config_is_known,
        not exists (select from block_id b where b.id = p.service_id)
            and not exists (select from imported i where i.id = p.service_id) as service_is_known
    from priced p
)
select v.name as "name!", count(*) as "violations!", (array_agg('order '
    || j.id order by j.id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('rate_is_the_rules', j.rate_is_the_rules),
        ('config_is_known', j.config_is_known),
        ('service_is_known', j.service_is_known)
) v (name, broken)
where v.broken
group by v.name
