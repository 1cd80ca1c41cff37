//! Parked legs: refused for a reason that passes; nothing of them is at the panel.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, ProviderId};
use crate::domain::money::Money;
use crate::store::{Store, StoreError, Tx};

/// An order that ended so lately may still be open for its panel, which tells of the end and of the
/// link in two places.
const JUST_ENDED: TimeDelta = TimeDelta::minutes(10);

/// The parked legs of a panel that may be tried again, soonest first, with their expected costs.
/// Those of which a late charge is still looked for wait on, and so do those that wait for another
/// order on their link while an order of ours at this panel has
/// it, unless they waited since `long_ago`.
pub async fn due_legs(
    store: &Store,
    provider: &ProviderId,
    long_ago: Timestamp,
    now: Timestamp,
    legs_max: i64,
) -> Result<Vec<(LegId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with waiting as materialized (
            select l.id, l.cost, l.ready_at,
                (select o.link from orders o where o.id = l.order_id) as link,
                l.parked_for = 'active' and l.parked_at > $4 as waits_for_link
            from leg l
            where l.provider = $1 and l.state = 'parked' and l.ready_at <= $2
                and l.clear_until is null
        ),
        -- What is open at the panel, looked through once and not once for each that waits.
        running as materialized (
            select (select o.link from orders o where o.id = r.order_id) as link
            from leg r
            where (select bool_or(waits_for_link) from waiting)
                and r.id in (
                    select id from leg where provider = $1 and state in ('sending', 'in_doubt')
                    union all
                    select leg_id from tracked_leg where provider = $1 and ended_at is null
                )
        )
        select l.id, l.cost
        from waiting l
        where not l.waits_for_link
            or l.link not in (select link from running where link is not null)
        order by l.ready_at, l.id
        limit $3
        "#,
        provider.0,
        now,
        legs_max,
        long_ago
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    Ok(rows
        .map(|row| (LegId(row.id), Money::from_decimal(row.cost)))
        .collect())
}

/// Whether another leg of ours was placed at the same panel on the same link, or may have been, and
/// is open there or ended lately.
pub async fn another_is_on_its_link(
    tx: &mut Tx,
    leg: LegId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_there = sqlx::query_scalar!(
        r#"
        select exists (
            select
            from leg this
            join orders bought on bought.id = this.order_id
            join leg other on other.provider = this.provider and other.id <> this.id
            join orders o on o.id = other.order_id
            where this.id = $1 and o.link = bought.link
                and other.id in (
                    select id from leg where provider = this.provider
                        and state in ('sending', 'in_doubt')
                    union all
                    select leg_id from tracked_leg where provider = this.provider
                        and (ended_at is null or ended_at > $2)
                    union all
                    select id from leg where provider = this.provider and state = 'written_off'
                )
        ) as "is_there!"
        "#,
        leg.0,
        now - JUST_ENDED
    );

    Ok(is_there.fetch_one(&mut **tx).await?)
}

/// Parked legs become ready again. How many did.
pub async fn unpark_legs(store: &Store, legs: &[LegId], now: Timestamp) -> Result<u64, StoreError> {
    let ids: Vec<i64> = legs.iter().map(|leg| leg.0).collect();
    let moved = sqlx::query!(
        r#"
        update leg
        set state = 'ready', ready_at = $2, check_at = null, reason = reason || '; tried again'
        where id = any($1) and state = 'parked'
        "#,
        &ids,
        now
    );

    Ok(moved.execute(&store.workers).await?.rows_affected())
}
