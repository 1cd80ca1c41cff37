//! Stuck: legs that did not move for too long, wherever they rest. Found by a round of its own,
//! kept on the leg.
//!
//! A leg rests since it began where nothing of it was sent, since its doubt began where it is in
//! doubt, and since the panel's clear word became what it is where the panel has it.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, ProviderId, ServiceId};
use crate::domain::leg::LegState;
use crate::store::legs::state_of;
use crate::store::{Store, StoreError, Tx};

/// How a review begins that says so, and by which it is known again.
pub const STUCK: &str = "stuck: ";

/// A leg that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The leg.
    pub leg: LegId,
    /// Its order.
    pub order: OrderId,
    /// Our service.
    pub service: ServiceId,
    /// Where it stands.
    pub state: LegState,
    /// The attempt that it stands at.
    pub attempt: i32,
    /// Since when it did not move.
    pub since: Timestamp,
    /// Since when it counts as stuck.
    pub stuck_at: Option<Timestamp>,
}

/// A row as the database keeps it.
struct RestingRow {
    id: i64,
    order_id: i32,
    service_id: i32,
    state: String,
    attempt: i32,
    since: Timestamp,
    stuck_at: Option<Timestamp>,
}

impl RestingRow {
    fn read(self) -> Result<Resting, StoreError> {
        Ok(Resting {
            leg: LegId(self.id),
            order: OrderId(self.order_id),
            service: ServiceId(self.service_id),
            state: state_of(LegId(self.id), &self.state)?,
            attempt: self.attempt,
            since: self.since,
            stuck_at: self.stuck_at,
        })
    }
}

/// Legs behind one that wait unsent at a panel, in the order in which they began, stuck ones
/// included.
pub async fn find_unsent(
    store: &Store,
    provider: &ProviderId,
    behind: LegId,
    legs_max: i64,
) -> Result<Vec<Resting>, StoreError> {
    let rows = sqlx::query_as!(
        RestingRow,
        r#"
        with waiting as materialized (
            select id, order_id, state, attempt, began_at, stuck_at
            from leg
            where provider = $1 and id > $2 and state in ('ready', 'leased', 'parked')
            order by id
            limit $3
        )
        select w.id, w.order_id, o.service_id, w.state, w.attempt,
            coalesce(w.began_at, o.placed_at) as "since!",
            w.stuck_at
        from waiting w
        join orders o on o.id = w.order_id
        order by w.id
        "#,
        provider.0,
        behind.0,
        legs_max
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(RestingRow::read)
        .collect()
}

/// Doubts of a panel that began before a moment and do not count as stuck yet, behind a leg.
pub async fn find_doubts(
    store: &Store,
    provider: &ProviderId,
    before: Timestamp,
    behind: LegId,
    legs_max: i64,
) -> Result<Vec<Resting>, StoreError> {
    let rows = sqlx::query_as!(
        RestingRow,
        r#"
        select l.id, l.order_id, o.service_id, l.state, l.attempt, l.doubted_at as "since!",
            l.stuck_at
        from leg l
        join orders o on o.id = l.order_id
        where l.provider = $1 and l.state = 'in_doubt' and l.doubted_at < $2 and l.stuck_at is null
            and l.id > $3
        order by l.id
        limit $4
        "#,
        provider.0,
        before,
        behind.0,
        legs_max
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(RestingRow::read)
        .collect()
}

/// Legs that a panel has and of which it says the same since before a moment, not counted as stuck
/// yet, behind a leg.
pub async fn find_unmoved(
    store: &Store,
    provider: &ProviderId,
    before: Timestamp,
    behind: LegId,
    legs_max: i64,
) -> Result<Vec<Resting>, StoreError> {
    // Found among those that were accepted before it: no index more that each asking would have to
    // keep.
    let rows = sqlx::query_as!(
        RestingRow,
        r#"
        with unmoved as materialized (
            select leg_id, coalesce(moved_at, accepted_at) as since
            from tracked_leg
            where provider = $1 and accepted_at < $2 and ended_at is null
                and coalesce(moved_at, accepted_at) < $2
        )
        select l.id, l.order_id, o.service_id, l.state, l.attempt, u.since as "since!", l.stuck_at
        from unmoved u
        join leg l on l.id = u.leg_id
        join orders o on o.id = l.order_id
        -- An order that a person gave up is over for its customer, and its panel works on it at the
        -- house's cost.
        where l.state = 'accepted' and l.stuck_at is null and l.id > $3
        order by l.id
        limit $4
        "#,
        provider.0,
        before,
        behind.0,
        legs_max
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(RestingRow::read)
        .collect()
}

/// Everything that counts as stuck at a panel, with since when it rests now.
pub async fn list_stuck(
    store: &Store,
    provider: &ProviderId,
    behind: LegId,
    legs_max: i64,
) -> Result<Vec<Resting>, StoreError> {
    let rows = sqlx::query_as!(
        RestingRow,
        r#"
        select l.id, l.order_id, o.service_id, l.state, l.attempt, l.stuck_at,
            case
                when l.state in ('ready', 'leased', 'parked') then coalesce(l.began_at, o.placed_at)
                when l.state in ('sending', 'in_doubt')
                    then coalesce(l.doubted_at, l.sending_at, o.placed_at)
                when l.state = 'accepted' then coalesce(w.moved_at, w.accepted_at, l.stuck_at)
                -- It is over.
                else timestamptz '9999-01-01 00:00:00+00'
            end as "since!"
        from leg l
        join orders o on o.id = l.order_id
        left join tracked_leg w on w.leg_id = l.id
        where l.provider = $1 and l.stuck_at is not null and l.id > $2
        order by l.id
        limit $3
        "#,
        provider.0,
        behind.0,
        legs_max
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(RestingRow::read)
        .collect()
}

/// A leg counts as stuck from now on, and its order is put before a person, unless somebody else
/// did so already. `false`: it moved meanwhile.
pub async fn mark_stuck(
    store: &Store,
    resting: &Resting,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let stuck = sqlx::query!(
        r#"
        with stuck as (
            update leg l
            set stuck_at = $4
            where l.id = $1 and l.state = $2 and l.attempt = $3 and l.stuck_at is null
                and not exists (
                    select from tracked_leg w where w.leg_id = l.id
                        and coalesce(w.moved_at, w.accepted_at) > $5
                )
            returning l.order_id
        )
        update orders o
        set review = coalesce(o.review, $6)
        from stuck
        where o.id = stuck.order_id
        "#,
        resting.leg.0,
        resting.state.as_str(),
        resting.attempt,
        now,
        resting.since,
        why
    );

    Ok(stuck.execute(&store.workers).await?.rows_affected() == 1)
}

/// A leg moved: it is stuck no more, and nobody need look at its order for that.
pub async fn clear_stuck(tx: &mut Tx, leg: LegId, order: OrderId) -> Result<(), StoreError> {
    // The leg first, as everywhere.
    sqlx::query!(
        "update leg set stuck_at = null where id = $1 and stuck_at is not null",
        leg.0
    )
    .execute(&mut **tx)
    .await?;

    sqlx::query!(
        "update orders set review = null where id = $1 and starts_with(review, $2)",
        order.0,
        STUCK
    )
    .execute(&mut **tx)
    .await?;

    Ok(())
}
