-- Every order was paid once, by its customer, for what it costs; what was given back is in the
-- ledger; and its state, its last settlement and its legs tell one story.
with charged as (
    select order_id, count(*) as charges, min(amount) as amount, min(at) as at, min(debit) as wallet
    from transfer
    where reason = 'charge' and order_id is not null and (order_id between $1 and $2
        or order_id = any($3))
    group by order_id
),
moved as (
    select order_id,
        sum(case reason when 'refund' then amount when 'clawback' then -amount else 0 end)
            as refunded,
        sum(case reason when 'absorbed' then amount when 'absorbed_less' then -amount else 0 end)
            as absorbed,
        min(case reason when 'refund' then credit when 'clawback' then debit end) as wallet,
        max(case reason when 'refund' then credit when 'clawback' then debit end) as other
    from transfer
    where reason in ('refund', 'clawback', 'absorbed', 'absorbed_less')
        and order_id is not null and (order_id between $1 and $2 or order_id = any($3))
    group by order_id
),
several as (
    select distinct order_id
    from leg
    where n <> 1 and (order_id between $1 and $2 or order_id = any($3))
),
tried as (
    -- Nearly every order has one leg, which needs no counting.
    select l.order_id, 1 as legs, 1 as first, 1 as last,
        l.panel_order is not null as placed,
        l.state = 'accepted' as accepted,
        l.state in ('ready', 'leased', 'sending', 'in_doubt', 'parked') as unplaced,
        -- What our balance is to decide is shown as it was.
        l.state in ('in_doubt', 'accepted', 'ended', 'written_off')
            and l.refused_for is null as known_there,
        l.sending_at is not null or l.state not in ('ready', 'leased', 'parked') as begun,
        (l.state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked'))::integer
            as open,
        1 as open_n
    from leg l
    where (l.order_id between $1 and $2 or l.order_id = any($3))
        and not exists (select from several where several.order_id = l.order_id)
    union all
    select l.order_id, count(*), min(l.n), max(l.n),
        bool_or(l.panel_order is not null),
        bool_or(l.state = 'accepted'),
        bool_or(l.state in ('ready', 'leased', 'sending', 'in_doubt', 'parked')),
        bool_or(
            l.state in ('in_doubt', 'accepted', 'ended', 'written_off') and l.refused_for is null
        ),
        bool_or(l.sending_at is not null or l.state not in ('ready', 'leased', 'parked')),
        count(*) filter (
            where l.state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked')
        ),
        max(l.n) filter (
            where l.state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked')
        )
    from leg l
    join several on several.order_id = l.order_id
    group by l.order_id
),
judged as (
    select o.id,
        o.refunded <> coalesce(m.refunded, 0) as refunded_is_ledger,
        o.absorbed <> coalesce(m.absorbed, 0) as absorbed_is_ledger,
        o.refunded < o.by_hand as given_by_hand_is_kept,
        c.charges is distinct from 1 or c.amount <> o.charge as one_charge_per_order,
        c.at <> o.placed_at as charged_when_placed,
        w.account_id is null or c.wallet <> w.account_id or m.wallet <> w.account_id
            or m.other <> w.account_id
            as wallet_is_the_customers,
        t.legs is null as order_has_leg,
        t.first <> 1 or t.last <> t.legs as legs_are_numbered,
        t.open > 1 or t.open_n <> t.last as only_last_leg_is_open,
        o.ended_at is not null and o.refunded <> o.charge and not coalesce(t.placed, false)
            as ended_unplaced_is_refunded_whole,
        o.ended_at is null and coalesce(t.open, 0) = 0 as open_order_has_open_leg,
        o.ended_at is not null and t.unplaced as ended_order_sends_nothing,
        -- What was given up in doubt and found at the panel after all is wanted back by the house.
        o.ended_at is not null and t.accepted and h.order_id is null as ended_order_is_over_there,
        case
            when o.state = 'pending' then t.known_there
            when o.state in ('processing', 'in_progress') then not t.begun
            when o.state in ('completed', 'partial') then not t.placed
            else false
        end as state_fits_legs,
        case
            when o.ended_at is not null
                then last.state is distinct from o.state
            else last.state in ('completed', 'partial', 'canceled')
        end as state_is_last_settlements,
        -- A gift after a loss has what stands given back as its target; only what was given is the
        -- customer's.
        o.refunded - o.absorbed <> least(greatest(coalesce(last.target, 0), o.by_hand), o.charge)
            and not (last.target = o.refunded and o.refunded - o.absorbed = o.by_hand)
                as refunded_is_target,
        o.ended_at is not null and o.remains <> o.units - last.delivered
            as remains_are_what_is_missing,
        case
            when not o.package
                then o.charge * 100000000 <> ceil(o.rate * o.units * 100000)
                    or o.cost * 100000000 <> ceil(o.cost_rate * o.units * 100000)
            when o.rate = 0 then o.charge <> 0
            -- The rate once, or for the service's minimum, which is not kept: any whole number of
            -- units, and of cost and charge the same.
            else o.charge * 100000000 <> ceil(o.rate * floor(o.charge * 1000 / o.rate) * 100000)
                or o.rate >= 0.00001
                and o.cost * 100000000 <> ceil(o.cost_rate * floor(o.charge * 1000 / o.rate) * 100000)
        end as charge_is_price,
        o.package <> (o.kind in ('Package', 'Custom Comments Package'))
            or o.package and o.units <> 1
            or o.kind <> all ($4::text[]) as kind_counts_units,
        k.id is null as key_is_the_customers
    from orders o
    left join charged c on c.order_id = o.id
    left join moved m on m.order_id = o.id
    left join settlement last on last.order_id = o.id and last.seq = o.settlements
    left join tried t on t.order_id = o.id
    left join wallet w on w.customer_id = o.customer_id
    left join api_key k on k.id = o.key_id and k.customer_id = o.customer_id
    left join cancel_request h on h.order_id = o.id and h.asked_by = 'house'
    where o.id between $1 and $2 or o.id = any($3)
)
select v.name as "name!", count(*) as "violations!",
    (array_agg('order ' || j.id order by j.id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('refunded_is_ledger', j.refunded_is_ledger),
        ('absorbed_is_ledger', j.absorbed_is_ledger),
        ('given_by_hand_is_kept', j.given_by_hand_is_kept),
        ('one_charge_per_order', j.one_charge_per_order),
        ('charged_when_placed', j.charged_when_placed),
        ('wallet_is_the_customers', j.wallet_is_the_customers),
        ('order_has_leg', j.order_has_leg),
        ('legs_are_numbered', j.legs_are_numbered),
        ('only_last_leg_is_open', j.only_last_leg_is_open),
        ('ended_unplaced_is_refunded_whole', j.ended_unplaced_is_refunded_whole),
        ('open_order_has_open_leg', j.open_order_has_open_leg),
        ('ended_order_sends_nothing', j.ended_order_sends_nothing),
        ('ended_order_is_over_there', j.ended_order_is_over_there),
        ('state_fits_legs', j.state_fits_legs),
        ('state_is_last_settlements', j.state_is_last_settlements),
        ('refunded_is_target', j.refunded_is_target),
        ('remains_are_what_is_missing', j.remains_are_what_is_missing),
        ('charge_is_price', j.charge_is_price),
        ('kind_counts_units', j.kind_counts_units),
        ('key_is_the_customers', j.key_is_the_customers)
) v (name, broken)
where (
        j.refunded_is_ledger or j.absorbed_is_ledger or j.given_by_hand_is_kept
        or j.one_charge_per_order or j.charged_when_placed or j.wallet_is_the_customers
            or j.order_has_leg
        or j.legs_are_numbered or j.only_last_leg_is_open or j.ended_unplaced_is_refunded_whole
        or j.open_order_has_open_leg or j.ended_order_sends_nothing or j.ended_order_is_over_there
        or j.state_fits_legs or j.state_is_last_settlements or j.refunded_is_target
            or j.remains_are_what_is_missing
        or j.charge_is_price or j.kind_counts_units or j.key_is_the_customers
    )
    and v.broken
group by v.name
