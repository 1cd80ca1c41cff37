//! How panels answer status questions: in which batches, and whether their rounds tell anything.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, ProviderId};
use crate::store::{Store, StoreError, Tx};

/// Rounds in a row that tell nothing, from which on a person is told.
const ROUNDS_FAILED_MIN: i32 = 3;

/// Panels whose rounds tell nothing while orders are open there: each with how many orders.
pub async fn note_unreadable(tx: &mut Tx) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select p.id, o.open as "open!"
        from provider p
        cross join lateral (select count(*) as open from tracked_leg w where w.provider = p.id
            and w.ended_at is null) o
        where p.statuses_failed >= $1 and o.open > 0
        "#,
        ROUNDS_FAILED_MIN
    );

    Ok(rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.id, row.open))
        .collect())
}

/// Panels that do not know orders of ours which were sent under another key than they are asked
/// under now: each with how many, and some of them. As the catalog is read under every new key, its
/// account is the one that is asked.
pub async fn sent_under_another_key(
    tx: &mut Tx,
    orders_max: i32,
) -> Result<Vec<(String, i64, Vec<i32>)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select w.provider, count(*) as "count!",
            (array_agg(l.order_id order by l.order_id desc))[1:$1::integer] as "orders!"
        from tracked_leg w
        join leg l on l.id = w.leg_id
        join attempt e on e.leg_id = l.id and e.n = l.attempt
        join provider p on p.id = w.provider
        where w.silent > 0 and w.ended_at is null and e.account <> p.catalog_account
        group by w.provider
        "#,
        orders_max
    );

    Ok(rows
        .fetch_all(&mut **tx)
        .await?
        .into_iter()
        .map(|row| (row.provider, row.count, row.orders))
        .collect())
}

/// The most orders in one question to a panel, where that was learned since `learned_min`.
pub async fn batch_learned(
    store: &Store,
    provider: &ProviderId,
    learned_min: Timestamp,
) -> Result<Option<u32>, StoreError> {
    let learned = sqlx::query_scalar!(
        "select status_batch_learned from provider where id = $1 and status_batch_learned_at > $2",
        provider.0,
        learned_min
    );

    let learned = learned.fetch_optional(&store.workers).await?.flatten();
    Ok(learned.and_then(|batch| u32::try_from(batch).ok()))
}

/// Keeps the most orders that a panel takes in one question.
pub async fn learn_batch(
    store: &Store,
    provider: &ProviderId,
    batch: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let learned = sqlx::query!(
        "update provider set status_batch_learned = $2, status_batch_learned_at = $3 where id = $1",
        provider.0,
        i32::try_from(batch).unwrap_or(i32::MAX),
        now
    );

    match learned.execute(&store.workers).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "a panel that was asked is not known",
        )),
    }
}

/// A round told where orders stand; where it ended early, no further one is begun before
/// `again_at`. Nothing is written of a panel whose last one was as good.
pub async fn round_worked(
    store: &Store,
    provider: &ProviderId,
    again_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let worked = sqlx::query!(
        r#"
        update provider
        set statuses_failed = 0, statuses_again_at = $2
        where id = $1 and (statuses_failed > 0 or statuses_again_at is distinct from $2)
        "#,
        provider.0,
        again_at
    );

    worked.execute(&store.workers).await?;
    Ok(())
}

/// A round told of no order, and the next is not begun before `again_at`. How many in a row that
/// were.
pub async fn round_failed(
    store: &Store,
    provider: &ProviderId,
    again_at: Timestamp,
) -> Result<i32, StoreError> {
    let failed = sqlx::query_scalar!(
        r#"
        update provider
        set statuses_failed = least(statuses_failed, 1000000) + 1, statuses_again_at = $2
        where id = $1
        returning statuses_failed
        "#,
        provider.0,
        again_at
    );

    let failed = failed.fetch_optional(&store.workers).await?;
    failed.ok_or(StoreError::Unexpected(
        "a panel that was asked is not known",
    ))
}

/// Whether a panel told since a moment where another order than this one stands.
pub async fn speaks_of_others(
    store: &Store,
    provider: &ProviderId,
    than: LegId,
    heard_min: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    speaks_of_others_in(&mut tx, provider, than, heard_min).await
}

/// The same within a transaction.
pub async fn speaks_of_others_in(
    tx: &mut Tx,
    provider: &ProviderId,
    than: LegId,
    heard_min: Timestamp,
) -> Result<bool, StoreError> {
    let speaks = sqlx::query_scalar!(
        r#"select exists (select from tracked_leg where provider = $1 and leg_id <> $2
            and heard_at > $3)
            as "speaks!""#,
        provider.0,
        than.0,
        heard_min
    );

    Ok(speaks.fetch_one(&mut **tx).await?)
}
