//! Readings of what panels hold of ours: kept, settled, anchored, and forgotten.

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::float::BalanceReading;
use crate::domain::id::ProviderId;
use crate::domain::money::Money;
use crate::store::{Store, StoreError, Tx};

/// Readings measured at once; beyond that, the oldest are given up.
pub const READINGS_MAX: i64 = 300;
/// Readings forgotten at once.
const FORGOTTEN_MAX: i64 = 5_000;
/// Readings until a moment that the newest one is measured against.
const AROUND_MAX: i64 = 100;
/// Readings from which it is learned how exactly a panel tells our balance.
const EXACT_OF_MAX: i64 = 100;

/// A reading as it is stored.
struct ReadingRow {
    id: i64,
    asked_at: Timestamp,
    at: Timestamp,
    epoch: i64,
    amount: Decimal,
    text: String,
}

impl From<ReadingRow> for BalanceReading {
    fn from(row: ReadingRow) -> Self {
        let ReadingRow {
            id,
            asked_at,
            at,
            epoch,
            amount,
            text,
        } = row;

        Self {
            id,
            asked_at,
            at,
            epoch,
            amount: Money::from_decimal(amount),
            text,
        }
    }
}

/// What a panel just said of our balance.
#[derive(Clone, Copy, Debug)]
pub struct NewReading<'a> {
    /// Before it was asked.
    pub asked_at: Timestamp,
    /// When the answer was there.
    pub at: Timestamp,
    /// The panel's currency.
    pub currency: &'a str,
    /// In that currency.
    pub amount: Money,
    /// As it was sent.
    pub text: &'a str,
}

/// Keeps a reading, of the one process that deals with the panel: two do not keep one moment twice.
/// A panel's first, and its first in another currency, is what later ones are measured against.
/// Whether it was kept.
pub async fn keep_reading(
    store: &Store,
    provider: &ProviderId,
    node: Uuid,
    said: NewReading<'_>,
) -> Result<bool, StoreError> {
    let kept = sqlx::query!(
        r#"
        insert into reading (provider, asked_at, at, epoch, currency, amount, text, settled_at)
        select p.id, $3, $4, p.epoch, $5, $6, $7,
            case when not exists (
                select from reading r where r.provider = p.id and r.settled_at is not null
                    and r.currency = $5
            ) then $4::timestamptz end
        from provider p
        where p.id = $1 and p.holder = $2
        "#,
        provider.0,
        node,
        said.asked_at,
        said.at,
        said.currency,
        said.amount.decimal(),
        said.text
    );

    Ok(kept.execute(&store.workers).await?.rows_affected() == 1)
}

/// The last settled reading of a panel in this currency, and those after it, oldest first.
pub async fn list_unsettled(
    tx: &mut Tx,
    provider: &ProviderId,
    currency: &str,
) -> Result<Vec<BalanceReading>, StoreError> {
    let rows = sqlx::query_as!(
        ReadingRow,
        r#"
        with base as (
            select max(id) as id from reading where provider = $1 and currency = $2
                and settled_at is not null
        ),
        last as (
            select r.*
            from reading r, base
            where r.provider = $1 and r.currency = $2 and r.id > base.id
            order by r.id desc
            limit $3
        )
        select r.id as "id!", asked_at as "asked_at!", at as "at!", epoch as "epoch!",
            amount as "amount!", text as "text!"
        from reading r, base
        where r.id = base.id
        union all
        select id, asked_at, at, epoch, amount, text
        from last
        order by 1
        "#,
        provider.0,
        currency,
        READINGS_MAX
    );

    let rows = rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(BalanceReading::from);

    Ok(rows.collect())
}

/// What a panel told of our balance around a moment.
#[derive(Clone, Debug)]
pub struct ReadingsAround {
    /// The newest reading of all.
    pub newest: BalanceReading,
    /// Those until the moment, oldest first.
    pub before: Vec<BalanceReading>,
    /// How many decimals it tells, as far as they were ever seen.
    pub decimals: usize,
}

/// A panel's last readings between two moments, and its newest one, in the currency of that. `None`
/// where none was asked for since.
pub async fn readings_around(
    tx: &mut Tx,
    provider: &ProviderId,
    oldest: Timestamp,
    until: Timestamp,
) -> Result<Option<ReadingsAround>, StoreError> {
    let rows = sqlx::query_as!(
        ReadingRow,
        r#"
        with newest as (
            select * from reading where provider = $1 order by id desc limit 1
        ),
        before as (
            select r.*
            from reading r, newest n
            where r.provider = $1 and r.currency = n.currency and r.id < n.id
                and r.at between $2 and $3 and n.asked_at >= $3
            order by r.id desc
            limit $4
        )
        select id as "id!", asked_at as "asked_at!", at as "at!", epoch as "epoch!",
            amount as "amount!", text as "text!"
        from (
            select * from before
            union all
            select * from newest where asked_at >= $3
        ) reading
        order by id
        "#,
        provider.0,
        oldest,
        until,
        AROUND_MAX
    );

    let rows = rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(BalanceReading::from);

    let mut before: Vec<_> = rows.collect();
    let Some(newest) = before.pop() else {
        return Ok(None);
    };

    let decimals = sqlx::query_scalar!(
        r#"
        select max(length(split_part(text, '.', 2))) as "decimals!"
        from (select text from reading where provider = $1 order by id desc limit $2) told
        "#,
        provider.0,
        EXACT_OF_MAX
    );

    let decimals = usize::try_from(decimals.fetch_one(&mut **tx).await?).unwrap_or_default();
    Ok(Some(ReadingsAround {
        newest,
        before,
        decimals,
    }))
}

/// The reading of a panel at which everything was explained last, in this currency.
pub async fn find_anchor(
    tx: &mut Tx,
    provider: &ProviderId,
    currency: &str,
) -> Result<Option<BalanceReading>, StoreError> {
    let row = sqlx::query_as!(
        ReadingRow,
        r#"
        select r.id, r.asked_at, r.at, r.epoch, r.amount, r.text
        from reading r
        where r.provider = $1 and r.currency = $2 and r.anchored_at is not null
        order by r.id desc
        limit 1
        "#,
        provider.0,
        currency
    );

    Ok(row
        .fetch_optional(&mut **tx)
        .await?
        .map(BalanceReading::from))
}

/// Later readings are measured against this one too.
pub async fn keep_anchor(tx: &mut Tx, reading: i64, now: Timestamp) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        "update reading set anchored_at = $2 where id = $1 and anchored_at is null",
        reading,
        now
    );

    kept.execute(&mut **tx).await?;
    Ok(())
}

/// Keeps what was expected when a reading came.
pub async fn keep_expected(
    tx: &mut Tx,
    reading: i64,
    low: Money,
    high: Money,
) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        "update reading set expected_low = $2, expected_high = $3 where id = $1",
        reading,
        low.decimal(),
        high.decimal()
    );

    match kept.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a reading that was just read is gone",
        )),
    }
}

/// Later readings are measured against this one. `false`: another process came first.
pub async fn settle_reading(tx: &mut Tx, reading: i64, now: Timestamp) -> Result<bool, StoreError> {
    let settled = sqlx::query!(
        "update reading set settled_at = $2 where id = $1 and settled_at is null",
        reading,
        now
    );

    Ok(settled.execute(&mut **tx).await?.rows_affected() == 1)
}

/// A copy of the past knows nothing of what was spent since: the next reading of each panel is a
/// first one.
pub async fn begin_anew(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("delete from reading")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Forgets readings before this moment, and more of a panel than so many, some each time; never
/// those that the next one is measured against.
pub async fn forget_readings(
    store: &Store,
    at_min: Timestamp,
    rows_max: i64,
) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        r#"
        delete from reading
        where id in (
            select r.id
            from reading r
            where (
                    r.at < $1
                    or (
                        r.id < (
                            select n.id from reading n where n.provider = r.provider
                                order by n.id desc offset $2 limit 1
                        )
                        and r.id <> all (
                            select max(a.id) from reading a
                                where a.anchored_at is not null group by a.provider
                        )
                    )
                )
                and r.id < (select max(s.id) from reading s where s.provider = r.provider
                    and s.settled_at is not null)
            order by r.id
            limit $3
        )
        "#,
        at_min,
        rows_max - 1,
        FORGOTTEN_MAX
    );

    forgotten.execute(&store.workers).await?;
    Ok(())
}
