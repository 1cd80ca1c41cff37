-- What wallets hold is what was moved, step by step, and each is its customer's.
with before as (
    -- Where each wallet stood at the last transfer that need not be looked at again; nothing where
    -- all are looked at. `between` keeps the planner on the indexes of accounts: it would rather
    -- walk back through everybody's transfers.
    select w.account_id, coalesce(last.wallet_version, 0) as version, coalesce(last.wallet_balance,
        0) as balance
    from wallet w
    left join lateral (
        select t.wallet_version, t.wallet_balance
        from (
            (
                select d.id, d.wallet_version, d.wallet_balance
                from transfer d
                where d.debit between w.account_id and w.account_id and d.id <= $1
                order by d.debit desc, d.id desc
                limit 1
            )
            union all
            (
                select c.id, c.wallet_version, c.wallet_balance
                from transfer c
                where c.credit between w.account_id and w.account_id and c.id <= $1
                order by c.credit desc, c.id desc
                limit 1
            )
        ) t
        order by t.id desc
        limit 1
    ) last on $1 > 0
),
moved as (
    select w.account_id, t.wallet_version as version, t.wallet_balance as balance, -t.amount
        as amount
    from transfer t
    join wallet w on w.account_id = t.debit
    where t.id > $1
    union all
    select w.account_id, t.wallet_version, t.wallet_balance, t.amount
    from transfer t
    join wallet w on w.account_id = t.credit
    where t.id > $1
),
steps as (
    select m.account_id, m.version, m.amount,
        coalesce(
            m.version = b.version + row_number() over chain
                and m.balance = lag(m.balance, 1, b.balance) over chain + m.amount,
            false
        ) as follows
    from moved m
    join before b on b.account_id = m.account_id
    window chain as (partition by m.account_id order by m.version)
),
summed as (
    select b.account_id,
        b.version + count(s.account_id) as steps,
        coalesce(max(s.version), b.version) as last,
        b.balance + coalesce(sum(s.amount), 0) as sum,
        coalesce(bool_and(s.follows), true) as whole
    from before b
    left join steps s on s.account_id = b.account_id
    group by b.account_id, b.version, b.balance
),
judged as (
    select coalesce(c.id, w.customer_id) as id,
        w.balance <> s.sum as wallet_is_sum_of_transfers,
        w.balance < w.floor as wallet_above_floor,
        s.steps <> w.version or s.last <> w.version or not s.whole as wallet_version_chain,
        c.id is null or w.customer_id is null or a.kind is distinct from 'wallet'
            or a.customer_id is distinct from w.customer_id as customer_has_wallet,
        w.floor <> -c.credit as wallet_floor_is_credit
    from customer c
    full join wallet w on w.customer_id = c.id
    left join account a on a.id = w.account_id
    left join summed s on s.account_id = w.account_id
)
select v.name as "name!", count(*) as "violations!",
    (array_agg('customer ' || j.id order by j.id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('wallet_is_sum_of_transfers', j.wallet_is_sum_of_transfers),
        ('wallet_above_floor', j.wallet_above_floor),
        ('wallet_version_chain', j.wallet_version_chain),
        ('customer_has_wallet', j.customer_has_wallet),
        ('wallet_floor_is_credit', j.wallet_floor_is_credit)
) v (name, broken)
where v.broken
group by v.name
