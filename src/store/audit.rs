//! The audit's questions: each counts what must not exist, all read from one moment of the database.

use chrono::TimeDelta;

use crate::domain::clock::Instant;
use crate::store::{Store, StoreError, Tx};

/// A leg that is being sent for longer is forgotten: timeouts and their grace are shorter.
const SENDING_MAX: TimeDelta = TimeDelta::minutes(5);

/// A question and how many rows answered it; none is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The question's name.
    pub name: &'static str,
    /// Rows that must not exist.
    pub violations: i64,
}

macro_rules! checks {
    ($tx:expr, $($name:literal: $sql:literal),* $(,)?) => {
        Ok::<_, StoreError>(vec![$(Check { name: $name, violations: sqlx::query_scalar!($sql).fetch_one(&mut **$tx).await? }),*])
    };
}

/// Asks everything, in one snapshot, so that what moves meanwhile is no violation.
pub async fn ask(store: &Store, now: Instant) -> Result<Vec<Check>, StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let mut checks = of_wallets(&mut tx).await?;
    checks.extend(of_settlements(&mut tx).await?);
    checks.extend(of_orders(&mut tx).await?);
    checks.extend(of_legs(&mut tx).await?);
    checks.extend(of_doubts(&mut tx, now).await?);
    tx.rollback().await?;
    Ok(checks)
}

/// What wallets hold is what was moved.
async fn of_wallets(tx: &mut Tx) -> Result<Vec<Check>, StoreError> {
    checks!(tx,
        "wallet_is_sum_of_transfers": r#"
            select count(*) as "count!"
            from wallet w
            left join lateral (
                select coalesce(sum(case when t.credit = w.account_id then t.amount else -t.amount end), 0) as sum
                from transfer t
                where w.account_id in (t.debit, t.credit)
            ) s on true
            where w.balance <> s.sum
        "#,
        "wallet_above_floor": r#"
            select count(*) as "count!" from wallet where balance < floor
        "#,
        "wallet_version_chain": r#"
            select count(*) as "count!"
            from (
                select w.customer_id
                from wallet w
                left join (
                    select x.account_id,
                        count(*) as steps,
                        max(x.wallet_version) as last,
                        bool_and(x.wallet_version = x.place and x.wallet_balance = x.running) as whole
                    from (
                        select a.account_id, t.wallet_version, t.wallet_balance,
                            row_number() over chain as place,
                            sum(case when t.credit = a.account_id then t.amount else -t.amount end)
                                over chain as running
                        from wallet a
                        join transfer t on a.account_id in (t.debit, t.credit)
                        window chain as (
                            partition by a.account_id
                            order by t.wallet_version
                            rows between unbounded preceding and current row
                        )
                    ) x
                    group by x.account_id
                ) c on c.account_id = w.account_id
                where coalesce(c.steps, 0) <> w.version
                    or coalesce(c.last, 0) <> w.version
                    or not coalesce(c.whole, true)
            ) broken
        "#,
    )
}

/// What was given back is what settlements and the ledger say.
async fn of_settlements(tx: &mut Tx) -> Result<Vec<Check>, StoreError> {
    checks!(tx,
        "refunded_is_ledger": r#"
            select count(*) as "count!"
            from orders o
            left join (
                select order_id, sum(case when reason = 'refund' then amount else -amount end) as sum
                from transfer
                where reason in ('refund', 'clawback')
                group by order_id
            ) t on t.order_id = o.id
            where o.refunded <> coalesce(t.sum, 0)
        "#,
        "absorbed_is_ledger": r#"
            select count(*) as "count!"
            from orders o
            left join (
                select order_id, sum(case when reason = 'absorbed' then amount else -amount end) as sum
                from transfer
                where reason in ('absorbed', 'absorbed_less')
                group by order_id
            ) t on t.order_id = o.id
            where o.absorbed <> coalesce(t.sum, 0)
        "#,
        "given_by_hand_is_kept": r#"
            select count(*) as "count!" from orders where refunded < by_hand
        "#,
        "settlements_are_refunded": r#"
            select count(*) as "count!"
            from orders o
            left join (
                select order_id, count(*) as rows, min(seq) as first, max(seq) as last, sum(amount) as sum
                from settlement
                group by order_id
            ) s on s.order_id = o.id
            where o.settlements <> coalesce(s.rows, 0)
                or coalesce(s.last, 0) <> o.settlements
                or coalesce(s.first, 1) <> 1
                or coalesce(s.sum, 0) <> o.refunded
        "#,
    )
}

/// Every order was paid once, stands on a leg, and ends as it must.
async fn of_orders(tx: &mut Tx) -> Result<Vec<Check>, StoreError> {
    checks!(tx,
        "one_charge_per_order": r#"
            select count(*) as "count!"
            from orders o
            full join (
                select order_id, count(*) as charges, sum(amount) as sum
                from transfer
                where reason = 'charge'
                group by order_id
            ) t on t.order_id = o.id
            where o.id is null or t.charges is distinct from 1 or t.sum <> o.charge
        "#,
        "request_has_order": r#"
            select count(*) as "count!"
            from request r
            left join orders o on o.id = r.order_id and o.customer_id = r.customer_id
            where o.id is null
        "#,
        "order_has_leg": r#"
            select count(*) as "count!"
            from orders o
            where not exists (select from leg l where l.order_id = o.id)
        "#,
        "ended_unplaced_is_refunded_whole": r#"
            select count(*) as "count!"
            from orders o
            where o.ended_at is not null
                and o.refunded <> o.charge
                and not exists (select from leg l where l.order_id = o.id and l.panel_order is not null)
        "#,
        "open_order_has_open_leg": r#"
            select count(*) as "count!"
            from orders o
            where o.ended_at is null and not exists (
                select
                from leg l
                where l.order_id = o.id and l.state in ('ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked')
            )
        "#,
        "ended_order_sends_nothing": r#"
            select count(*) as "count!"
            from leg l
            join orders o on o.id = l.order_id
            where o.ended_at is not null and l.state in ('ready', 'leased', 'sending', 'in_doubt', 'parked')
        "#,
    )
}

/// No leg was sent twice, forgotten, or booked as something it is not.
async fn of_legs(tx: &mut Tx) -> Result<Vec<Check>, StoreError> {
    checks!(tx,
        "panel_order_in_one_leg": r#"
            select count(*) as "count!"
            from (
                select l.provider, l.panel_order, p.address
                from leg l
                left join panel_order p on p.leg_id = l.id
                where l.panel_order is not null
                group by l.provider, l.panel_order, p.address
                having count(distinct l.id) > 1
            ) twice
        "#,
        "one_send_per_leg": r#"
            select count(*) as "count!"
            from (
                select leg_id
                from exchange
                where verdict not in ('refused', 'never_sent')
                group by leg_id
                having count(*) > 1
            ) twice
        "#,
        "accepted_leg_is_watched": r#"
            select count(*) as "count!"
            from leg l
            full join watch w on w.leg_id = l.id
            where (l.state = 'accepted' and (w.leg_id is null or w.ended_at is not null))
                or (w.leg_id is not null and l.state is distinct from 'accepted' and l.state is distinct from 'ended')
        "#,
        "cost_is_booked": r#"
            select count(*) as "count!"
            from (select order_id, sum(booked) as booked from leg group by order_id) l
            left join (
                select t.order_id,
                    sum(case when d.kind = 'cost' then t.amount else 0 end)
                        - sum(case when c.kind = 'cost' then t.amount else 0 end) as sum
                from transfer t
                join account d on d.id = t.debit
                join account c on c.id = t.credit
                where t.reason in ('cost', 'cost_correction')
                group by t.order_id
            ) t on t.order_id = l.order_id
            where l.booked <> coalesce(t.sum, 0)
        "#,
        "moves_are_booked": r#"
            select count(*) as "count!"
            from (
                select leg_id, sum(booked) as booked, min(latest) as first from float_move group by leg_id
            ) m
            join leg l on l.id = m.leg_id
            -- Moves are forgotten oldest first, so a leg whose first is there has them all.
            where m.first <= l.accepted_at and m.booked <> l.booked
        "#,
        "exposure_is_in_doubt": r#"
            select count(*) as "count!"
            from (
                select o.order_id
                from (select order_id, sum(exposed) as exposed from leg group by order_id) o
                left join (
                    select t.order_id,
                        sum(case when t.reason = 'doubt' then t.amount else -t.amount end) as sum
                    from transfer t
                    where t.reason in ('doubt', 'doubt_over')
                    group by t.order_id
                ) t on t.order_id = o.order_id
                where o.exposed <> coalesce(t.sum, 0)
            ) wrong
        "#,
    )
}

/// Nothing is forgotten: what is being sent is young, and somebody looks into every doubt.
async fn of_doubts(tx: &mut Tx, now: Instant) -> Result<Vec<Check>, StoreError> {
    let long_ago = now - SENDING_MAX;
    let sending = sqlx::query_scalar!(
        r#"select count(*) as "count!" from leg where state = 'sending' and sending_at < $1"#,
        long_ago
    );
    let mut checks = vec![Check { name: "sending_is_young", violations: sending.fetch_one(&mut **tx).await? }];
    checks.extend(checks!(tx,
        "doubt_is_looked_into": r#"
            select count(*) as "count!"
            from leg l
            join orders o on o.id = l.order_id
            where l.state = 'in_doubt' and l.check_at is null and o.review is null
        "#,
        "panel_order_is_kept": r#"
            select count(*) as "count!"
            from leg l
            left join panel_order p on p.provider = l.provider and p.id = l.panel_order and p.leg_id = l.id
            where l.panel_order is not null and p.leg_id is null
        "#,
        "one_refill_under_way": r#"
            select count(*) as "count!"
            from (select order_id from refill where ended_at is null group by order_id having count(*) > 1) twice
        "#,
        "refill_is_of_a_delivery": r#"
            select count(*) as "count!"
            from refill r
            left join leg l on l.id = r.leg_id and l.order_id = r.order_id and l.provider = r.provider
            where l.panel_order is null
        "#,
    )?);
    let refills = sqlx::query_scalar!(
        r#"select count(*) as "count!" from refill where state = 'sending' and sending_at < $1"#,
        long_ago
    );
    checks.push(Check { name: "refill_is_soon_answered", violations: refills.fetch_one(&mut **tx).await? });
    Ok(checks)
}
