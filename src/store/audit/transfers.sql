-- Each reason moves money between its own two kinds of accounts, of one panel where they are a
-- panel's, for an order or for none, and says a wallet's new state where it touches one.
with ways as (
    select reason, debit, credit, min(id) as id, count(*) as all,
        count(order_id) as for_orders,
        count(wallet_version) as with_wallet,
        count(reference) as referenced,
        count(*) filter (where reference <> 'opening balance') as named_otherwise
    from transfer
    where id > $1
    group by reason, debit, credit
),
judged as (
    select w.*,
        r.reason is null or d.provider is distinct from c.provider as accounts_fit_reason,
        case
            when w.reason in ('deposit', 'adjustment', 'opening', 'proof') then w.for_orders > 0
            else w.for_orders < w.all
        end as order_fits_reason,
        case
            when w.reason = 'opening' then w.referenced < w.all or w.named_otherwise > 0
            when w.reason in ('deposit', 'adjustment') then w.referenced < w.all
            -- A refund by hand has one.
            else w.referenced > 0 and w.reason <> 'refund'
        end as reference_fits_reason,
        w.with_wallet <> case when 'wallet' in (d.kind, c.kind) then w.all else 0 end
            as wallet_state_is_kept
    from ways w
    left join account d on d.id = w.debit
    left join account c on c.id = w.credit
    left join (
        values
            ('charge', 'wallet', 'revenue'),
            ('refund', 'revenue', 'wallet'),
            ('clawback', 'wallet', 'revenue'),
            ('absorbed', 'write_off', 'revenue'),
            ('absorbed_less', 'revenue', 'write_off'),
            ('deposit', 'deposits', 'wallet'),
            ('adjustment', 'adjustments', 'wallet'),
            ('adjustment', 'wallet', 'adjustments'),
            ('opening', 'opening', 'wallet'),
            ('opening', 'wallet', 'opening'),
            ('cost', 'cost', 'float'),
            ('cost_correction', 'cost', 'float'),
            ('cost_correction', 'float', 'cost'),
            ('doubt', 'doubt', 'float'),
            ('doubt_over', 'float', 'doubt'),
            ('proof', 'cost', 'float')
    ) r (reason, debit, credit) on r.reason = w.reason and r.debit = d.kind and r.credit = c.kind
)
select v.name as "name!", count(*) as "violations!",
    (array_agg('transfer ' || j.id order by j.id))[1:5] as "examples!"
from judged j
cross join lateral (
    values
        ('accounts_fit_reason', j.accounts_fit_reason),
        ('order_fits_reason', j.order_fits_reason),
        ('reference_fits_reason', j.reference_fits_reason),
        ('wallet_state_is_kept', j.wallet_state_is_kept)
) v (name, broken)
where v.broken
group by v.name
