-- Books of so many finished orders (`bench.orders`), as if they had been bought at one every twenty
-- seconds by a hundred customers and delivered by one panel: of twenty orders one was partial and
-- one canceled, every second one was asked for with a request_id, and the last weeks' are not
-- forgotten where others are.
--
-- Everything is laid before `bench.now`.

create temporary table bought as
select i::integer as id,
    1 + i % 100 as customer,
    case when i % 20 = 7 then 'partial' when i % 20 = 13 then 'canceled' else 'completed' end
        as state,
    case when i % 20 = 7 then 600 when i % 20 = 13 then 0 else 1000 end as delivered,
    now.at - make_interval(secs => 20.0 * (orders.n - i)) - interval '3 hours' as placed_at
from (select current_setting('bench.orders')::integer as n) orders,
    (select current_setting('bench.now')::timestamptz as at) now,
    generate_series(1, orders.n) as i;

analyze bought;

insert into provider (id, epoch) values ('a', 1);
insert into account (kind, provider) values ('cost', 'a'), ('float', 'a'), ('doubt', 'a');
insert into block_id (id) values (1);

insert into config_version (hash, body, published_at, published_by)
select left(encode(sha256(''), 'hex'), 12), '', min(placed_at) - interval '1 day', 'bench'
    from bought;

insert into customer (name, created_at)
select 'customer of the bench ' || i, min(placed_at) - interval '1 day'
from bought, generate_series(1, 100) as i
group by i
order by i;

insert into api_key (customer_id, digest, prefix, dialect, created_at)
select id, sha256(id::text::bytea), 'sk', 'classic', created_at from customer order by id;

insert into account (kind, customer_id) select 'wallet', id from customer order by id;

-- What moved in wallets, in order: a deposit, and then charges and refunds.
create temporary table moved as
select m.*,
    row_number() over chain as version,
    sum(m.amount) over (chain rows between unbounded preceding and current row) as balance
from (
    select id as customer, null::integer as order_id, 'deposit' as reason, 1000000.00 as amount,
        created_at as at
    from customer
    union all
    select customer, id, 'charge', -1.18, placed_at from bought
    union all
    select customer, id, 'refund', 1.18 * (1000 - delivered) / 1000, placed_at + interval '1 hour'
    from bought
    where delivered < 1000
) m
window chain as (partition by m.customer order by m.at, m.order_id);

insert into transfer (at, reason, debit, credit, amount, order_id, wallet_version, wallet_balance,
    reference)
select t.at, t.reason, t.debit, t.credit, t.amount, t.order_id, t.wallet_version, t.wallet_balance,
    t.reference
from (
    select m.at, m.reason, case m.reason when 'charge' then w.id else house.id end as debit,
        case m.reason when 'charge' then house.id else w.id end as credit, abs(m.amount) as amount,
            m.order_id,
        m.version as wallet_version, m.balance as wallet_balance,
        case m.reason when 'deposit' then 'bench' end as reference
    from moved m
    join account w on w.customer_id = m.customer
    join account house on house.kind = case m.reason when 'deposit' then 'deposits'
        else 'revenue' end
    union all
    select b.placed_at + interval '1 minute', 'cost', cost.id, held.id, 1.00, b.id, null, null, null
    from bought b, account cost, account held
    where cost.kind = 'cost' and held.kind = 'float'
    union all
    select b.placed_at + interval '1 hour', 'cost_correction', held.id, cost.id,
        1.00 - b.delivered / 1000.0, b.id,
        null, null, null
    from bought b, account cost, account held
    where cost.kind = 'cost' and held.kind = 'float' and b.delivered < 1000
) t
order by t.at, t.order_id, t.reason = 'cost_correction';

insert into wallet (customer_id, account_id, balance, version)
select distinct on (m.customer) m.customer, a.id, m.balance, m.version
from moved m
join account a on a.customer_id = m.customer
order by m.customer, m.version desc;

insert into orders (
    id, public_id, customer_id, key_id, service_id, kind, link, units, package, details, state,
        charge, refunded,
    settlements, remains, rate, cost_rate, cost, rule, config_hash, placed_at, ended_at, remembered
)
select b.id, gen_random_uuid(), b.customer, b.customer, 1, 'Default', 'https://example.org/'
    || b.id, 1000, false, '{}',
    b.state, 1.18, 1.18 * (1000 - b.delivered) / 1000, 1, 1000 - b.delivered, 1.18, 1.00, 1.00,
    'markup of all: 18 %', left(encode(sha256(''), 'hex'), 12), b.placed_at,
        b.placed_at + interval '1 hour',
    b.id % 2 = 0
from bought b
order by b.id;

select setval('order_id', max(id)) from orders;

insert into request (customer_id, digest, fingerprint, order_id, answer)
select customer, sha256(id::text::bytea), sha256(('f' || id)::bytea), id, format('{"order":%s}', id)
from bought
where id % 2 = 0;

insert into leg (
    order_id, n, provider, service, state, attempt, epoch, leased_until, ready_at, sending_at,
        accepted_at, ended_at,
    cost, booked, panel_order, panel_status, panel_charge, reason
)
select b.id, 1, 'a', '1', 'ended', 1, 1, b.placed_at + interval '1 minute', b.placed_at,
    b.placed_at + interval '1 second', b.placed_at + interval '1 minute',
        b.placed_at + interval '1 hour', 1.00,
    b.delivered / 1000.0, (b.id + 5000)::text, b.state, (b.delivered / 1000.0)::text,
        'ended at the panel'
from bought b
order by b.id;

insert into attempt (
    leg_id, n, provider, service, sent_at, answered_at, verdict, http_status, words, account,
        address
)
select id, 1, provider, service, sending_at, accepted_at, 'accepted', 200, format('{"order":%s}',
    panel_order),
    'account', 'panel.example'
from leg;

insert into panel_order (provider, id, leg_id, address) select provider, panel_order, id,
    'panel.example' from leg;

insert into tracked_leg (leg_id, provider, panel_order, accepted_at, next_at, ended_at, checks)
select id, provider, panel_order, accepted_at, ended_at + interval '72 hours', ended_at, 2
from leg
where ended_at > current_setting('bench.now')::timestamptz - interval '72 hours';

insert into balance_move (provider, leg_id, order_id, booked, amount, slack, earliest, latest, epoch)
select m.provider, m.id, m.order_id, m.booked, m.booked, 0.00000004, m.earliest, m.latest, 1
from (
    select provider, id, order_id, cost as booked, sending_at as earliest, accepted_at as latest
        from leg
    union all
    select provider, id, order_id, booked - cost, accepted_at, ended_at
        from leg where booked <> cost
) m
where m.latest >= current_setting('bench.now')::timestamptz - interval '7 days'
order by m.latest;

insert into settlement (order_id, seq, at, state, delivered, target, amount, transfer_id)
select b.id, 1, b.placed_at + interval '1 hour', b.state, b.delivered,
    1.18 * (1000 - b.delivered) / 1000,
    coalesce(t.amount, 0), t.id
from bought b
left join transfer t on t.order_id = b.id and t.reason = 'refund'
order by b.id;
