//! What moved of our money at panels as far as we know, and what explains a difference.

use crate::domain::clock::Timestamp;
use crate::domain::float::{BalanceMove, Runway};
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::money::Money;
use crate::store::{Store, StoreError, Tx};

/// What stands for the order of a move that is of no customer's order: no order has this id.
pub const NO_ORDER: OrderId = OrderId(0);
/// Moves looked at in one judgement. A panel that has more of them within hours is judged once it
/// has fewer.
pub const MOVES_MAX: i64 = 100_000;
/// By how many percent a panel's price may stand above what its catalog said, between two
/// readings of it.
pub const UNTOLD_PERCENT: i32 = 30;
/// Orders named of those that cost as much as came in.
const AS_DEAR_MAX: i64 = 20;
/// Refused orders of which one may explain a difference.
const REFUSED_MAX: i64 = 1_000;

/// What cannot be known of a panel.
#[derive(Clone, Copy, Debug)]
pub struct Unsure {
    /// For so many seconds it may keep to itself what it has.
    pub visible_after_s: u32,
    /// So many percent above or below may be a price that it never told.
    pub untold_percent: i32,
}

/// Begins a comparison, which sees one moment of the database: an order that is concluded meanwhile
/// would else be seen neither on its way nor at its panel.
pub async fn begin_comparison(store: &Store) -> Result<Tx, StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read")
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}

/// What moved at a panel since: legs that it took, and what became of their cost.
///
/// Of an order of which it told no charge, or one in another money, only its list says what it
/// took: whatever the list said before and after the order was sent, and anything near it while the
/// list was not read again.
///
/// A price that was never told may stand `untold_percent` above or below the one that is known.
pub async fn known_moves(
    tx: &mut Tx,
    provider: &ProviderId,
    since: Timestamp,
    untold_percent: i32,
) -> Result<Vec<BalanceMove>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with repriced as materialized (
            select service, since, at, became::numeric / was::numeric - 1 as change
            from catalog_change
            where provider = $1 and at >= $2 and what = 'rate'
                and was ~ '^[0-9]+([.][0-9]+)?$' and was::numeric > 0
                    and became ~ '^[0-9]+([.][0-9]+)?$'
        )
        select order_id as "order_id!", round(least, 8) as "least!", round(most, 8) as "most!",
            slack as "slack!", earliest as "earliest!", latest as "latest!", epoch, said as "said!",
            gives_back as "gives_back!"
        from (
            select m.order_id, m.slack, m.earliest, m.latest, m.epoch, m.said,
                -- What becomes of a completed order's cost is its price.
                m.amount < 0 and o.state in ('partial', 'canceled') as gives_back,
                least(m.amount * (1 + price.lowest), m.amount * (1 + price.highest)) as least,
                greatest(m.amount * (1 + price.lowest), m.amount * (1 + price.highest)) as most
            from balance_move m
            join leg l on l.id = m.leg_id
            join orders o on o.id = m.order_id
            join provider p on p.id = m.provider
            left join difference foreign_money
                on foreign_money.leg_id = l.id and foreign_money.kind = 'currency_differs'
            cross join lateral (
                select least(0, min(change)) as lowest, greatest(0, max(change)) as highest
                from (
                    select change from repriced r where r.service = l.service
                        and l.sending_at between r.since and r.at
                    union all
                    select unnest(array[1, -1]) * $5::integer / 100.0
                        where p.catalog_at < l.sending_at
                ) moved
                where l.panel_charge is null or foreign_money.id is not null
            ) price
            where m.provider = $1 and m.latest >= $2
            union all
            -- What a proof bought is no order's.
            select $4::integer, 0.00000002, sent_at, answered_at, null, true, false,
                amount * bought, amount * bought
            from request_id_proof
            where provider = $1 and answered_at >= $2 and bought > 0 and amount > 0
        ) moved
        order by latest
        limit $3
        "#,
        provider.0,
        since,
        MOVES_MAX,
        NO_ORDER.0,
        untold_percent
    );

    let rows = rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| BalanceMove {
            order: OrderId(row.order_id),
            least: Money::from_decimal(row.least),
            most: Money::from_decimal(row.most),
            slack: Money::from_decimal(row.slack),
            earliest: row.earliest,
            latest: Some(row.latest),
            epoch: row.epoch,
            said: row.said,
            gives_back: row.gives_back,
        });

    Ok(rows.collect())
}

/// What may have moved at a panel: what is being sent, in doubt or given up may have been taken,
/// and taken back by the panel since; what is open may have come back since it was heard of, or
/// cost another price than we know.
///
/// A doubt that was not placed after `visible_after_s` never will be.
pub async fn possible_moves(
    tx: &mut Tx,
    provider: &ProviderId,
    unsure: Unsure,
) -> Result<Vec<BalanceMove>, StoreError> {
    let rows = sqlx::query_file!(
        "src/store/treasury/possible_moves.sql",
        provider.0,
        i32::try_from(unsure.visible_after_s).unwrap_or(i32::MAX),
        MOVES_MAX,
        unsure.untold_percent,
        NO_ORDER.0
    );

    let rows = rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| BalanceMove {
            order: OrderId(row.order_id),
            least: Money::from_decimal(row.least),
            most: Money::from_decimal(row.most),
            slack: Money::ZERO,
            earliest: row.earliest,
            latest: row.latest,
            epoch: row.epoch,
            said: true,
            gives_back: false,
        });

    Ok(rows.collect())
}

/// Orders of which it was found that a panel does not have them, after a doubt that began between
/// two moments, with what each would have cost there.
pub async fn found_not_placed(
    tx: &mut Tx,
    provider: &ProviderId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(OrderId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.order_id, round(l.cost / l.fx_rate, 8) as "cost!"
        from attempt e
        join leg l on l.id = e.leg_id
        where e.provider = $1 and e.verdict = 'in_doubt' and e.answered_at >= $2 and e.sent_at <= $3
            and l.provider = $1 and l.state in ('refused', 'canceled')
        order by l.order_id
        limit $4
        "#,
        provider.0,
        from,
        until,
        MOVES_MAX
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    Ok(rows
        .map(|row| (OrderId(row.order_id), Money::from_decimal(row.cost)))
        .collect())
}

/// Orders that a panel refused between two moments, with what each would have cost there: it may
/// have them all the same, where somebody on the way asked twice, or its books and its answers are
/// two things. The newest, a few.
pub async fn refused_orders(
    tx: &mut Tx,
    provider: &ProviderId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(OrderId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select distinct l.order_id, round(l.cost / l.fx_rate, 8) as "cost!"
        from attempt e
        join leg l on l.id = e.leg_id
        where e.provider = $1 and e.verdict = 'refused' and e.sent_at between $2 and $3
        order by l.order_id desc
        limit $4
        "#,
        provider.0,
        from,
        until,
        REFUSED_MAX
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    Ok(rows
        .map(|row| (OrderId(row.order_id), Money::from_decimal(row.cost)))
        .collect())
}

/// Orders of a panel that cost an amount of its currency between these, and were not given back:
/// the newest, a few.
pub async fn as_dear(
    tx: &mut Tx,
    provider: &ProviderId,
    least: Money,
    most: Money,
) -> Result<Vec<OrderId>, StoreError> {
    let orders = sqlx::query_scalar!(
        r#"
        select l.order_id
        from leg l
        where l.provider = $1 and l.booked > 0
            and round(l.booked / l.fx_rate, 8) between $2::numeric and $3::numeric
        order by l.id desc
        limit $4
        "#,
        provider.0,
        least.decimal(),
        most.decimal(),
        AS_DEAR_MAX
    );

    Ok(orders
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(OrderId)
        .collect())
}

/// What every panel said last, and for how long it lasts.
pub async fn list_runways(store: &Store) -> Result<Vec<Runway>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id, r.amount as "amount?", r.text as "text?", r.currency as "currency?",
            r.at as "at?", e.expected_low as "expected_low?", e.expected_high as "expected_high?",
            p.burn_per_hour, p.hours_left::text as hours_left, (
                select coalesce(sum(d.amount), 0)
                from drift d
                where d.provider = p.id and d.acknowledged_at is null
                    and d.cause not in ('top_up', 'paid_back')
            ) as "drift!"
        from provider p
        left join lateral (
            select * from reading r where r.provider = p.id order by r.id desc limit 1
        ) r on true
        left join lateral (
            select * from reading e where e.provider = p.id and e.expected_low is not null
                order by e.id desc limit 1
        ) e on true
        order by p.id
        "#
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| Runway {
            provider: ProviderId(row.id),
            balance: row.amount.map(Money::from_decimal),
            balance_text: row.text,
            currency: row.currency,
            at: row.at,
            expected: row
                .expected_low
                .map(Money::from_decimal)
                .zip(row.expected_high.map(Money::from_decimal)),
            burn_per_hour: row.burn_per_hour.map(Money::from_decimal),
            hours_left: row.hours_left,
            drift: Money::from_decimal(row.drift),
        });

    Ok(rows.collect())
}

/// Counts anew what is spent at a panel in an hour, net of what came back, and for how many hours
/// what it holds lasts: over a day; of a panel that is known for less, over the time since its
/// first reading, and over an hour at least, for one order in the first minute is no habit.
/// `false`: it never told what it holds.
pub async fn keep_runway(
    store: &Store,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let kept = sqlx::query!(
        r#"
        with known as (
            select greatest(1, least(24, extract(epoch from $2 - min(asked_at)) / 3600)) as hours
            from reading
            where provider = $1
        ),
        spent as (
            select k.hours, coalesce(sum(m.amount), 0) as spent
            from known k
            left join balance_move m on m.provider = $1
                and m.latest > $2 - k.hours * interval '1 hour' and m.latest <= $2
            group by k.hours
        )
        update provider p
        set burn_per_hour = case when s.spent > 0 then round(s.spent / s.hours, 8) end,
            hours_left = case when s.spent > 0
                then trunc(greatest(r.amount, 0) * s.hours / s.spent, 1) end
        from spent s, (select amount from reading where provider = $1 order by id desc limit 1) r
        where p.id = $1
        "#,
        provider.0,
        now
    );

    Ok(kept.execute(&store.workers).await?.rows_affected() == 1)
}
