-- What a leg would cost in our currency by its panel's present list; null where the list has no
-- price for it.
create or replace function leg_cost_now(leg_id bigint) returns numeric
language sql stable
as $$
    select case when o.package then s.own_rate else ceil(s.own_rate * o.units * 100000) / 100000000 end * l.fx_rate
    from leg l
    join orders o on o.id = l.order_id
    join panel_service s on s.provider = l.provider and s.service = l.service
    where l.id = leg_cost_now.leg_id
$$;
