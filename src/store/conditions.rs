//! Conditions: what is so now and needs a person, as the database tells it.

use chrono::TimeDelta;

use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::domain::float::RUNWAY_SHORT_H;
use crate::domain::id::ProviderId;
use crate::domain::money::Money;
use crate::store::alerts::alert_kind;
use crate::store::{
    StoreError, Tx, clock_watch, moves, nodes, refusals, shrunk, statuses, waiting,
};

/// How long words that nobody listed are news after a panel wrote them last.
const WORDS_ARE_NEWS_FOR: TimeDelta = TimeDelta::hours(24);
/// How long it is told that a panel took what was found not placed: nobody can say that it was seen
/// to.
const LATE_FOR: TimeDelta = TimeDelta::days(3);
/// How long it is told that the database's clock was set.
const CLOCK_IS_NEWS_FOR: TimeDelta = TimeDelta::days(1);
/// Audits in a row that may come to nothing before somebody is told; the fourth is under way when
/// the third has failed.
const AUDITS_UNFINISHED_MAX: i32 = 3;
/// Orders that an alert's words name.
const ORDERS_NAMED: i32 = 10;
/// For so long a refusal may be compared with our balance before somebody is told of the doubt.
const COMPARED_QUIETLY: TimeDelta = TimeDelta::minutes(10);

/// A panel of the file, and the balance below which somebody is told.
#[derive(Clone, Debug)]
pub struct WatchedPanel {
    /// Which panel.
    pub provider: ProviderId,
    /// `None`: nobody wants to be told.
    pub balance_low: Option<Money>,
    /// In how many hours a refill there must end.
    pub refill_expires_after_h: u32,
}

/// Something that is so now and needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What.
    pub kind: AlertKind,
    /// Where; empty when it is about the whole house.
    pub object: String,
    /// How many orders, rows or misses make it up; at least one.
    pub count: i64,
    /// What its words say beside their kind's own; mostly nothing.
    pub more: String,
}

/// Everything that needs a person now, in one look.
///
/// Panels that the file no longer names are not asked any more, so what they said last is nobody's
/// concern; their open orders are.
pub async fn find_conditions(
    tx: &mut Tx,
    watched: &[WatchedPanel],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let providers: Vec<String> = watched
        .iter()
        .map(|panel| panel.provider.0.clone())
        .collect();

    let lows: Vec<_> = watched
        .iter()
        .map(|panel| panel.balance_low.map(Money::decimal))
        .collect();

    let rows = sqlx::query!(
        r#"
        with watched as (
            select p.*, w.balance_low
            from unnest($1::text[], $2::numeric[]) as w (id, balance_low)
            join provider p on p.id = w.id
        )
        -- orders
        select 'orders_in_doubt' as "kind!", provider as "object!", count(*) as "count!"
        from leg
        -- what is asked about again is still in doubt
        where (state = 'in_doubt' or (state = 'sending' and doubted_at is not null))
            -- what our balance decides is told of once that takes long
            and (refused_for is null or doubted_at < $4)
        group by provider
        union all
        select 'orders_for_review', '', count(*)
        from orders
        where review is not null
        having count(*) > 0
        union all
        select 'orders_parked', provider, count(*)
        from leg
        where state = 'parked'
        group by provider
        -- panels: what moves in their catalogs belongs here too
        union all
        select 'breaker_open', id, 1
        from watched
        where breaker <> 'closed'
        union all
        select 'dispatch_frozen', '', 1
        from dispatch
        where frozen_at is not null
        union all
        select 'catalog_unreadable', id, 1
        from watched
        where catalog_error is not null
        union all
        select 'balance_low', id, 1
        from watched
        where balance < balance_low
        -- books
        union all
        select 'audit', name, violations
        from finding
        where violations > 0
        union all
        select 'audit_overdue', '', unfinished
        from round
        where name = 'audit' and unfinished > $3
        "#,
        &providers,
        &lows as &[Option<_>],
        AUDITS_UNFINISHED_MAX,
        now - COMPARED_QUIETLY
    );

    let mut conditions = beside(tx, &providers, now).await?;
    conditions.extend(waiting::waiting_conditions(tx, watched, now).await?);

    for row in rows.fetch_all(&mut **tx).await? {
        conditions.push(condition(&row.kind, row.object, row.count)?);
    }

    with_causes(tx, conditions).await
}

/// What is asked in statements of its own.
async fn beside(
    tx: &mut Tx,
    providers: &[String],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let mut conditions = taken_late(tx, now).await?;
    conditions.extend(of_treasury(tx, providers).await?);
    conditions.extend(of_answers(tx, providers, now).await?);

    if let Some((count, by)) = clock_watch::set_since(tx, now - CLOCK_IS_NEWS_FOR).await? {
        let more = format!("; the last time by {} s", by.num_seconds());
        conditions.push(Condition {
            kind: AlertKind::ClockSet,
            object: String::new(),
            count,
            more,
        });
    }

    for (word, object, count) in nodes::list_troubles(tx, now).await? {
        conditions.push(condition(&word, object, count)?);
    }

    Ok(conditions)
}

/// Panels that took after all what was found not placed.
async fn taken_late(tx: &mut Tx, now: Timestamp) -> Result<Vec<Condition>, StoreError> {
    let late_min = now - LATE_FOR;
    let rows = sqlx::query!(
        r#"
        select provider, count(*) as "count!",
            (array_agg(order_id order by late_at desc))[1:$2::integer] as "orders!"
        from leg
        where late_at > $1
        group by provider
        "#,
        late_min,
        ORDERS_NAMED
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let condition = |provider, count, orders: &[i32]| Condition {
        kind: AlertKind::TakenLate,
        object: provider,
        count,
        more: among(orders),
    };

    Ok(rows
        .map(|row| condition(row.provider, row.count, &row.orders))
        .collect())
}

/// The same, with what opened each breaker.
async fn with_causes(
    tx: &mut Tx,
    mut conditions: Vec<Condition>,
) -> Result<Vec<Condition>, StoreError> {
    for condition in conditions
        .iter_mut()
        .filter(|condition| condition.kind == AlertKind::BreakerOpen)
    {
        let cause = sqlx::query_scalar!(
            "select breaker_cause from provider where id = $1",
            condition.object
        );

        if let Some(cause) = cause.fetch_optional(&mut **tx).await? {
            condition.more = format!("; what stopped it: {cause}");
        }
    }

    Ok(conditions)
}

/// What panels answer, or do not.
async fn of_answers(
    tx: &mut Tx,
    providers: &[String],
    now: Timestamp,
) -> Result<Vec<Condition>, StoreError> {
    let told = |kind: AlertKind| {
        move |(object, count)| Condition {
            kind,
            object,
            count,
            more: String::new(),
        }
    };

    let mut conditions: Vec<_> = statuses::note_unreadable(tx)
        .await?
        .into_iter()
        .map(told(AlertKind::StatusesUnreadable))
        .collect();

    conditions.extend(
        statuses::sent_under_another_key(tx, ORDERS_NAMED)
            .await?
            .into_iter()
            .map(|(object, count, orders)| Condition {
                kind: AlertKind::AccountDiffers,
                object,
                count,
                more: among(&orders),
            }),
    );

    conditions.extend(
        shrunk::list_shrunk(tx, providers)
            .await?
            .into_iter()
            .map(|panel| Condition {
                kind: AlertKind::CatalogShrunk,
                more: format!(
                    "; {} of {} services are missing",
                    panel.missing, panel.listed
                ),
                count: panel.missing,
                object: panel.provider,
            }),
    );

    let wrote = refusals::panels_that_wrote(tx, providers, now - WORDS_ARE_NEWS_FOR).await?;
    conditions.extend(wrote.into_iter().map(told(AlertKind::UnknownWords)));
    Ok(conditions)
}

/// What the treasury says: money that runs out, and money that is missing.
async fn of_treasury(tx: &mut Tx, providers: &[String]) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select 'runway_short' as "kind!", id as "object!", 1::bigint as "count!"
        from provider
        where id = any($1) and hours_left < $2
        union all
        select case when cause = 'paid_back' then 'paid_back' else 'balance_drift' end, provider,
            count(*)
        from drift
        where acknowledged_at is null and cause <> 'top_up'
        group by 1, 2
        union all
        select 'balance_unread', id, 1
        from provider
        where id = any($1) and balance_unread_at is not null
        "#,
        providers,
        rust_decimal::Decimal::from(RUNWAY_SHORT_H)
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let mut conditions = rows
        .map(|row| condition(&row.kind, row.object, row.count))
        .collect::<Result<Vec<_>, _>>()?;

    conditions.extend(of_differences(tx, providers).await?);
    Ok(conditions)
}

/// What panels say of single orders that does not fit, with the newest of them.
async fn of_differences(tx: &mut Tx, providers: &[String]) -> Result<Vec<Condition>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with open as (
            select d.kind, d.provider, d.order_id
            from difference d
            join orders o on o.id = d.order_id
            where d.confirmed_at is not null and d.acknowledged_at is null
                and (d.kind <> 'figures_differ' or o.review is not null)
            union all
            select 'currency_differs', id, null
            from provider
            where id = any($1) and balance_currency is not null
        )
        select kind as "kind!", provider as "provider!", count(*) as "count!",
            coalesce((array_agg(order_id order by order_id desc)
                filter (where order_id is not null))[1:$2::integer], '{}')
                as "orders!"
        from open
        group by kind, provider
        "#,
        providers,
        ORDERS_NAMED
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    rows.map(|row| {
        Ok(Condition {
            more: among(&row.orders),
            ..condition(&row.kind, row.provider, row.count)?
        })
    })
    .collect()
}

fn condition(word: &str, object: String, count: i64) -> Result<Condition, StoreError> {
    Ok(Condition {
        kind: alert_kind(word, &object)?,
        object,
        count,
        more: String::new(),
    })
}

/// Panels whose rates moved too far to be believed at once, and which rates, by the panels' own
/// ids.
pub async fn price_jumps(
    tx: &mut Tx,
    watched: &[WatchedPanel],
) -> Result<Vec<Condition>, StoreError> {
    let providers: Vec<String> = watched
        .iter()
        .map(|panel| panel.provider.0.clone())
        .collect();

    let held = moves::list_held(tx, &providers).await?.into_iter();
    let condition = |(object, count, named): (String, i64, Vec<String>)| {
        let more = if named.is_empty() {
            String::new()
        } else {
            format!("; among them are {}", named.join(", "))
        };

        Condition {
            kind: AlertKind::PriceJump,
            object,
            count,
            more,
        }
    };

    Ok(held.map(condition).collect())
}

/// Which orders an alert is about, as far as its words name them.
fn among(orders: &[i32]) -> String {
    if orders.is_empty() {
        return String::new();
    }
    let orders: Vec<String> = orders.iter().map(ToString::to_string).collect();
    format!("; among the orders are {}", orders.join(", "))
}
