-- A panel's services as it lists them; a rate that jumps is held.
insert into panel_service as old (
    provider, service, name, kind, category, rate_text, rate, own_rate, accepted_rate, min,
    max, refill, cancel, dripfeed
)
select $1, n.service, n.name, n.kind, n.category, n.rate_text, n.rate, n.own_rate,
    n.own_rate, n.min, n.max, n.refill, n.cancel, n.dripfeed
from unnest(
    $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[],
    $8::numeric[], $9::bigint[], $10::bigint[], $11::boolean[], $12::boolean[], $13::boolean[]
) as n (
    service, name, kind, category, rate_text, rate, own_rate, min, max, refill, cancel, dripfeed
)
on conflict (provider, service) do update
set name = excluded.name, kind = excluded.kind, category = excluded.category,
    rate_text = excluded.rate_text, rate = excluded.rate, own_rate = excluded.own_rate,
    min = excluded.min, max = excluded.max, refill = excluded.refill,
    cancel = excluded.cancel, dripfeed = excluded.dripfeed, gone_at = null, missing_at = null,
    accepted_rate = case
        when excluded.own_rate is null then old.accepted_rate
        when abs(excluded.own_rate - old.accepted_rate) * 100 > old.accepted_rate * $15
            then old.accepted_rate
        else excluded.own_rate
    end,
    held_at = case
        when excluded.own_rate is null then old.held_at
        when abs(excluded.own_rate - old.accepted_rate) * 100 > old.accepted_rate * $15
            then coalesce(old.held_at, $14)
    end
where old.held_at is not null
    or (
        old.name, old.kind, old.category, old.rate_text, old.rate, old.own_rate,
        old.accepted_rate, old.min, old.max, old.refill, old.cancel, old.dripfeed, old.gone_at,
        old.missing_at
    ) is distinct from (
        excluded.name, excluded.kind, excluded.category, excluded.rate_text, excluded.rate,
        excluded.own_rate, excluded.own_rate, excluded.min, excluded.max, excluded.refill,
        excluded.cancel, excluded.dripfeed, null::timestamptz, null::timestamptz
    )
