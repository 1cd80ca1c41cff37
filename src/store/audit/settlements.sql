-- Settlements are numbered, each has the transfer that it names, and its target is what was not
-- delivered; all of them together are what was given back.
with several as (
    select distinct order_id
    from settlement
    where seq <> 1 and (order_id between $1 and $2 or order_id = any($3))
),
listed as (
    -- Nearly every order has one, which needs no counting.
    select s.order_id, s.seq, s.at, s.state, s.delivered, s.target, s.amount, s.transfer_id,
        1::bigint as place, 1::bigint as rows, s.amount as running,
        case when s.state in ('completed', 'partial', 'canceled') then s.at end as ended_at
    from settlement s
    where (s.order_id between $1 and $2 or s.order_id = any($3))
        and not exists (select from several where several.order_id = s.order_id)
    union all
    select s.order_id, s.seq, s.at, s.state, s.delivered, s.target, s.amount, s.transfer_id,
        row_number() over chain,
        count(*) over (partition by s.order_id),
        sum(s.amount) over chain,
        -- When it ended first: a panel's later word changes how, and not when. A person who takes back
        -- that it was not placed makes its end undone.
        min(case when s.state in ('completed', 'partial', 'canceled') and s.seq > s.undone
            then s.at end) over (partition by s.order_id)
    from (
        select x.*, max(case when x.state not in ('completed', 'partial', 'canceled')
            and x.amount <= 0 then x.seq else 0 end) over (partition by x.order_id) as undone
        from settlement x
        join several on several.order_id = x.order_id
    ) s
    window chain as (partition by s.order_id order by s.seq rows between unbounded preceding
        and current row)
),
judged as (
    select o.id,
        o.settlements <> coalesce(s.rows, 0) or s.place <> s.seq
            or coalesce(s.seq = s.rows, true) and coalesce(s.running, 0) <> o.refunded
                as settlements_are_refunded,
        s.ended_at is distinct from o.ended_at as ended_when_settled,
        s.transfer_id is not null and (
            t.id is null or t.order_id is distinct from o.id or t.at <> s.at
            or s.amount is distinct from case t.reason when 'refund' then t.amount when 'clawback'
                then -t.amount end
        ) as settlement_is_its_transfer,
        case
            -- What a person gave: all that stands given back is what is to stand.
            when t.reference is not null then s.target <> s.running
            -- What was undone stands at nothing.
            when s.state not in ('completed', 'partial', 'canceled') and s.amount <= 0
                then s.target <> 0
            else s.target * o.units > o.charge * (o.units - s.delivered)
                or (s.target + 0.00000001) * o.units <= o.charge * (o.units - s.delivered)
                or s.state not in ('completed', 'partial', 'canceled')
                or s.state = 'completed' and s.delivered <> o.units
        end or s.delivered not between 0 and o.units as target_is_what_is_missing,
        s.running < s.target or s.running > o.charge as settlement_reaches_its_target
    from orders o
    left join listed s on s.order_id = o.id
    left join transfer t on t.id = s.transfer_id
    where o.id between $1 and $2 or o.id = any($3)
)
select v.name as "name!", count(distinct j.id) as "violations!",
    (array_agg(distinct 'order ' || j.id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('settlements_are_refunded', j.settlements_are_refunded),
        ('ended_when_settled', j.ended_when_settled),
        ('settlement_is_its_transfer', j.settlement_is_its_transfer),
        ('target_is_what_is_missing', j.target_is_what_is_missing),
        ('settlement_reaches_its_target', j.settlement_reaches_its_target)
) v (name, broken)
where (
        j.settlements_are_refunded or j.ended_when_settled or j.settlement_is_its_transfer
        or j.target_is_what_is_missing or j.settlement_reaches_its_target
    )
    and v.broken
group by v.name
