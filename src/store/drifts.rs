//! Drifts: differences between readings of our balance at panels that our orders do not account
//! for.

use crate::domain::clock::Timestamp;
use crate::domain::float::{BalanceReading, Drift};
use crate::domain::id::ProviderId;
use crate::domain::money::{Money, Percent};
use crate::store::{Store, StoreError, Tx};

/// The most findings that one list shows.
pub const DRIFTS_MAX: i64 = 500;

/// Keeps a finding. Of one reading there is one.
pub async fn keep_drift(
    tx: &mut Tx,
    provider: &ProviderId,
    currency: &str,
    after: &BalanceReading,
    by: &BalanceReading,
    drift: &Drift,
    now: Timestamp,
) -> Result<(), StoreError> {
    let orders: Vec<i32> = drift.orders.iter().map(|order| order.0).collect();
    let found = sqlx::query!(
        r#"
        insert into drift (
            provider, cause, amount, currency, percent, after_reading, by_reading, after_at, by_at,
            found_at, orders, orders_count, words
        )
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        "#,
        provider.0,
        drift.cause.as_str(),
        drift.amount.decimal(),
        currency,
        drift.percent.map(Percent::decimal),
        after.id,
        by.id,
        after.at,
        by.at,
        now,
        &orders,
        i32::try_from(drift.orders_count).unwrap_or(i32::MAX),
        drift.words
    );

    found.execute(&mut **tx).await?;
    Ok(())
}

/// A finding as lists show it.
#[derive(Clone, Debug)]
pub struct DriftRow {
    /// Its number.
    pub id: i64,
    /// At which panel.
    pub provider: String,
    /// What explains it, in a word.
    pub cause: String,
    /// In the panel's currency, without a sign.
    pub amount: Money,
    /// The panel's currency.
    pub currency: String,
    /// Of the cost of the orders, where it is in proportion.
    pub percent: Option<Percent>,
    /// It happened after this moment.
    pub after_at: Timestamp,
    /// It had happened by this moment.
    pub by_at: Timestamp,
    /// When it was told.
    pub found_at: Timestamp,
    /// The orders that explain it, or may have to do with it.
    pub orders: Vec<i32>,
    /// How many there are, listed or not.
    pub orders_count: i32,
    /// In words.
    pub words: String,
    /// When a person took note of it.
    pub acknowledged_at: Option<Timestamp>,
}

/// Findings, the newest first; of one panel where one is named. Those that a person took note of
/// are left out unless asked for.
pub async fn list_drifts(
    store: &Store,
    provider: Option<&str>,
    all: bool,
) -> Result<Vec<DriftRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, provider, cause, amount, currency, percent, after_at, by_at, found_at, orders,
            orders_count, words, acknowledged_at
        from drift
        where ($1::text is null or provider = $1)
            and ($2 or (acknowledged_at is null and cause <> 'top_up'))
        order by id desc
        limit $3
        "#,
        provider,
        all,
        DRIFTS_MAX
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DriftRow {
            id: row.id,
            provider: row.provider,
            cause: row.cause,
            amount: Money::from_decimal(row.amount),
            currency: row.currency,
            percent: row.percent.map(Percent::from_decimal),
            after_at: row.after_at,
            by_at: row.by_at,
            found_at: row.found_at,
            orders: row.orders,
            orders_count: row.orders_count,
            words: row.words,
            acknowledged_at: row.acknowledged_at,
        });

    Ok(rows.collect())
}

/// A person took note of a finding. `None`: there is no such one; `false`: somebody did before, or
/// there is nothing to take note of.
pub async fn acknowledge_drift(
    tx: &mut Tx,
    drift: i64,
    now: Timestamp,
) -> Result<Option<bool>, StoreError> {
    let known = sqlx::query_scalar!("select id from drift where id = $1", drift)
        .fetch_optional(&mut **tx)
        .await?;

    if known.is_none() {
        return Ok(None);
    }

    let noted = sqlx::query!(
        "update drift set acknowledged_at = $2 where id = $1 and acknowledged_at is null and \
         cause <> 'top_up'",
        drift,
        now
    );

    Ok(Some(noted.execute(&mut **tx).await?.rows_affected() == 1))
}
