//! Legs that wait at a stopped panel and may go by another route. Nothing of them was sent.

use sqlx::types::Json;

use crate::domain::clock::Instant;
use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::service::{Route, ServiceType};
use crate::routing::Chosen;
use crate::store::leases::kind_of;
use crate::store::legs::state_of;
use crate::store::{Store, StoreError, unsigned};

/// A leg that waits, as it was seen; who moves it says so.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The leg.
    pub leg: LegId,
    /// Since when, or until when, it waits.
    pub ready_at: Instant,
    /// Its order.
    pub order: OrderId,
    /// The order's other name.
    pub public: PublicId,
    /// Which of the order's legs.
    pub n: i32,
    /// Ready, or leased by somebody who can mark nothing any more.
    pub state: LegState,
    /// The attempt that it stands at.
    pub attempt: i32,
    /// The panel and its service.
    pub route: Route,
    /// Our service.
    pub sold_as: ServiceId,
    /// What kind of service it was when it was bought.
    pub kind: ServiceType,
    /// How many; one for packages.
    pub units: u64,
    /// What the customer paid.
    pub charge: Money,
    /// What it was expected to cost when it was priced.
    pub quoted_cost: Money,
}

/// A place among the legs that wait, longest first.
pub type Place = (Instant, LegId);

/// Legs behind a place that wait at a panel, longest first: ready ones, whenever they are due, and leased ones that
/// provably were not sent, as [`crate::store::leases::take`] tells them.
pub async fn waiting(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    behind: Place,
    legs_max: i64,
    now: Instant,
) -> Result<Vec<Waiting>, StoreError> {
    // As many as are wanted are found first: many may wait, and each look shall cost no more than what it looks at.
    let rows = sqlx::query!(
        r#"
        with waiting as materialized (
            select id, order_id, n, state, attempt, service, ready_at
            from leg
            where provider = $1 and (ready_at, id) > ($3, $4)
                and (state = 'ready' or (state = 'leased' and (leased_until < $6 or epoch < $2)))
            order by ready_at, id
            limit $5
        )
        select w.id, w.order_id, w.n, w.state, w.attempt, w.service, w.ready_at, o.public_id, o.service_id, o.kind,
            o.units, o.charge, o.cost as quoted_cost
        from waiting w
        join orders o on o.id = w.order_id
        order by w.ready_at, w.id
        "#,
        provider.0,
        epoch,
        behind.0,
        behind.1.0,
        legs_max,
        now
    );
    let rows = rows.fetch_all(&store.workers).await?.into_iter().map(|row| {
        Ok(Waiting {
            leg: LegId(row.id),
            ready_at: row.ready_at,
            order: OrderId(row.order_id),
            public: PublicId(row.public_id),
            n: row.n,
            state: state_of(LegId(row.id), &row.state)?,
            attempt: row.attempt,
            route: Route { provider: provider.clone(), service: row.service },
            sold_as: ServiceId(row.service_id),
            kind: kind_of(row.order_id, &row.kind)?,
            units: unsigned(row.units),
            charge: Money::from_decimal(row.charge),
            quoted_cost: Money::from_decimal(row.quoted_cost),
        })
    });
    rows.collect()
}

/// Takes a leg away from a panel that is stopped at this very moment. `false`: the panel runs again, all sending is
/// frozen, somebody else holds the panel, or the leg moved on. A dispatcher that took the leg under an earlier attempt,
/// and whose lease ran out, finds it gone when it marks it.
pub async fn leave(
    store: &Store,
    waiting: &Waiting,
    epoch: i64,
    chosen: &Chosen,
    reason: &str,
    now: Instant,
) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        r#"
        update leg
        set state = 'ready', provider = $6, service = $7, cost = $8, ready_at = least(ready_at, $9), reason = $10,
            choice = $11
        where id = $1 and provider = $2 and state = $3 and attempt = $4
            and (state = 'ready' or leased_until < $9 or epoch < $5)
            and exists (
                select
                from provider p, dispatch d
                where p.id = $2 and p.epoch = $5 and p.held_until > $9 and d.frozen_at is null
                    and (p.paused_at is not null or p.breaker = 'open')
            )
        "#,
        waiting.leg.0,
        waiting.route.provider.0,
        waiting.state.word(),
        waiting.attempt,
        epoch,
        chosen.route.provider.0,
        chosen.route.service,
        chosen.cost.decimal(),
        now,
        reason,
        Json(&chosen.choice) as _
    );
    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}
