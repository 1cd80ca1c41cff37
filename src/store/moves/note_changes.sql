-- What differs between a panel's catalog as it was and as it is listed now.
with listed as materialized (
    select *, coalesce(trim_scale(own_rate)::text, rate_text) as rate,
        min || '-' || max as bounds,
        concat_ws(
            ', ', case when refill then 'refill' end, case when cancel then 'cancel' end,
            case when dripfeed then 'dripfeed' end
        ) as flags
    from unnest(
        $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
        $8::bigint[], $9::bigint[], $10::boolean[], $11::boolean[], $12::boolean[]
    ) as n (service, name, kind, category, rate_text, own_rate, min, max, refill, cancel, dripfeed)
),
old as materialized (
    select service, name, kind, category, rate_text, own_rate, gone_at,
        coalesce(trim_scale(own_rate)::text, rate_text) as rate,
        min || '-' || max as bounds,
        concat_ws(
            ', ', case when refill then 'refill' end, case when cancel then 'cancel' end,
            case when dripfeed then 'dripfeed' end
        ) as flags
    from panel_service
    where provider = $1
)
insert into catalog_change (provider, service, reading, at, what, name, was, became,
    percent, since)
select $1, coalesce(n.service, o.service), p.catalog_readings + 1, $13, m.what,
    coalesce(n.name, o.name), m.was, m.became,
    -- a rate that was next to nothing moved by more than any number that anybody reads
    case when m.what = 'rate' and o.own_rate > 0
        then least(round((n.own_rate - o.own_rate) * 100 / o.own_rate, 2), 1000000)
    end,
    p.catalog_at
from listed n
full join old o on o.service = n.service
join provider p on p.id = $1
-- what does not exist is no move of what it is compared with: the comparison is null then
cross join lateral (values
    ('added', null, n.rate, o.service is null),
    ('gone', o.rate, null, n.service is null and o.gone_at is null
        and o.service = any($14)),
    ('back', null, n.rate, n.service is not null and o.gone_at is not null),
    ('rate', o.rate, n.rate, n.rate_text <> o.rate_text and n.rate <> o.rate),
    ('bounds', o.bounds, n.bounds, n.bounds <> o.bounds),
    ('name', o.name, n.name, n.name <> o.name),
    ('category', o.category, n.category, n.category <> o.category),
    ('type', o.kind, n.kind, n.kind <> o.kind),
    ('flags', o.flags, n.flags, n.service is not null and o.service is not null
        and n.flags <> o.flags)
) as m (what, was, became, is_so)
where m.is_so and exists (select from old)
order by 2, 5
