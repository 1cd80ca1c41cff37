//! Parked legs: refused for a reason that passes; nothing of them is at the panel.

use crate::domain::clock::Instant;
use crate::domain::id::{LegId, ProviderId};
use crate::domain::money::Money;
use crate::store::{Store, StoreError};

/// The parked legs of a panel that may be tried again, soonest first, with their expected costs. Those that wait for
/// another order on their link wait on while an order of ours at this panel has it.
pub async fn due(
    store: &Store,
    provider: &ProviderId,
    now: Instant,
    legs_max: i64,
) -> Result<Vec<(LegId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.id, l.cost
        from leg l
        join orders o on o.id = l.order_id
        where l.provider = $1 and l.state = 'parked' and l.ready_at <= $2
            and (l.parked_for <> 'active' or not exists (
                select
                from leg running
                join orders its on its.id = running.order_id
                where running.provider = $1 and running.id <> l.id and its.link = o.link
                    and (running.state in ('sending', 'in_doubt') or running.id in (
                        select w.leg_id from watch w where w.provider = $1 and w.ended_at is null
                    ))
            ))
        order by l.ready_at, l.id
        limit $3
        "#,
        provider.0,
        now,
        legs_max
    );
    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    Ok(rows.map(|row| (LegId(row.id), Money::from_decimal(row.cost))).collect())
}

/// Parked legs become ready again. How many did.
pub async fn let_go(store: &Store, legs: &[LegId], now: Instant) -> Result<u64, StoreError> {
    let ids: Vec<i64> = legs.iter().map(|leg| leg.0).collect();
    let moved = sqlx::query!(
        r#"
        update leg
        set state = 'ready', ready_at = $2, reason = reason || '; tried again'
        where id = any($1) and state = 'parked'
        "#,
        &ids,
        now
    );
    Ok(moved.execute(&store.workers).await?.rows_affected())
}
