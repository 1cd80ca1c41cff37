//! Legs that wait at a panel and may go by another route, and moving them. Nothing of them is at
//! the panel.

use rust_decimal::Decimal;
use sqlx::types::{Json, Uuid};

use crate::domain::choice::Passed;
use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::service::{Route, ServiceType};
use crate::routing::Chosen;
use crate::store::leases::kind_of;
use crate::store::legs::LockedLeg;
use crate::store::legs::state_of;
use crate::store::{Store, StoreError, Tx, stuck, unsigned};

/// A leg that waits, as it was seen; who moves it says so.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The leg.
    pub leg: LegId,
    /// Since when, or until when, it waits.
    pub ready_at: Timestamp,
    /// Its order.
    pub order: OrderId,
    /// The order's other name.
    pub public: PublicId,
    /// Which of the order's legs.
    pub n: i32,
    /// Ready, parked, or leased by somebody who can mark nothing any more.
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
pub type WaitingPosition = (Timestamp, LegId);

/// Why legs leave a panel; asked again in the statement that moves one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It gets no orders.
    Stopped,
    /// It wants to be left alone until this moment at least.
    Rests(Timestamp),
    /// Their services name it no more.
    RouteGone,
}

impl Because {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Rests(_) => "rests",
            Self::RouteGone => "route_gone",
        }
    }

    fn rests_min(self) -> Option<Timestamp> {
        match self {
            Self::Rests(until) => Some(until),
            Self::Stopped | Self::RouteGone => None,
        }
    }
}

/// Legs behind a place that wait at a panel, longest first: ready ones, whenever they are due,
/// leased ones that provably were not sent, as [`crate::store::leases::claim_due_legs`] tells them,
/// and parked ones, of which no late charge is looked for any more. Where the panel only rests, those that are parked wait for something else, and
/// those that left another one for that stay.
pub async fn find_waiting(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    because: Because,
    behind: WaitingPosition,
    legs_max: i64,
    now: Timestamp,
) -> Result<Vec<Waiting>, StoreError> {
    // As many as are wanted are found first: many may wait, and each look shall cost no more than
    // what it looks at.
    let rows = sqlx::query_as!(
        WaitingRow,
        r#"
        with waiting as materialized (
            select id, order_id, n, provider, state, attempt, service, ready_at
            from leg
            where provider = $1 and (ready_at, id) > ($3, $4)
                and (
                    state = 'ready'
                    or (state = 'leased' and (leased_until < $6 or epoch < $2))
                    or (state = 'parked' and $7 <> 'rests' and clear_until is null)
                )
                and ($7 <> 'rests' or not left_resting)
            order by ready_at, id
            limit $5
        )
        select w.id, w.order_id, w.n, w.provider, w.state, w.attempt, w.service, w.ready_at,
            o.public_id, o.service_id, o.kind, o.units, o.charge, o.cost as quoted_cost
        from waiting w
        join orders o on o.id = w.order_id
        order by w.ready_at, w.id
        "#,
        provider.0,
        epoch,
        behind.0,
        behind.1.0,
        legs_max,
        now,
        because.as_str()
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(WaitingRow::read)
        .collect()
}

/// Legs behind a place that are parked at a panel, soonest due first.
pub async fn find_parked(
    store: &Store,
    provider: &ProviderId,
    behind: WaitingPosition,
    legs_max: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query_as!(
        WaitingRow,
        r#"
        with waiting as materialized (
            select id, order_id, n, provider, state, attempt, service, ready_at
            from leg
            where provider = $1 and (ready_at, id) > ($2, $3) and state = 'parked'
                and clear_until is null
            order by ready_at, id
            limit $4
        )
        select w.id, w.order_id, w.n, w.provider, w.state, w.attempt, w.service, w.ready_at,
            o.public_id, o.service_id, o.kind, o.units, o.charge, o.cost as quoted_cost
        from waiting w
        join orders o on o.id = w.order_id
        order by w.ready_at, w.id
        "#,
        provider.0,
        behind.0,
        behind.1.0,
        legs_max
    );

    rows.fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(WaitingRow::read)
        .collect()
}

/// A leg that waits, as the database keeps it.
struct WaitingRow {
    id: i64,
    order_id: i32,
    n: i32,
    provider: String,
    state: String,
    attempt: i32,
    service: String,
    ready_at: Timestamp,
    public_id: Uuid,
    service_id: i32,
    kind: String,
    units: i64,
    charge: Decimal,
    quoted_cost: Decimal,
}

impl WaitingRow {
    fn read(self) -> Result<Waiting, StoreError> {
        Ok(Waiting {
            leg: LegId(self.id),
            ready_at: self.ready_at,
            order: OrderId(self.order_id),
            public: PublicId(self.public_id),
            n: self.n,
            state: state_of(LegId(self.id), &self.state)?,
            attempt: self.attempt,
            route: Route {
                provider: ProviderId(self.provider),
                service: self.service,
            },
            sold_as: ServiceId(self.service_id),
            kind: kind_of(self.order_id, &self.kind)?,
            units: unsigned(self.units),
            charge: Money::from_decimal(self.charge),
            quoted_cost: Money::from_decimal(self.quoted_cost),
        })
    }
}

/// Takes a leg away from a panel that it leaves for this reason at this very moment. `false`: the
/// panel runs again, all sending is frozen, somebody else holds the panel, or the leg moved on: let
/// go, taken, sent, or cancelled meanwhile. A dispatcher that took the leg under an earlier
/// attempt, and whose lease ran out, finds it gone when it marks it.
pub async fn move_leg_away(
    store: &Store,
    waiting: &Waiting,
    epoch: i64,
    because: Because,
    chosen: &Chosen,
    reason: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        r#"
        update leg
        set state = 'ready', provider = $6, service = $7, cost = $8, ready_at = least(ready_at, $9),
            reason = $10, choice = $11, left_resting = left_resting or $12 = 'rests',
            -- What it waited for, and since when, was the other panel's affair.
            parked_for = null, parked_at = null, clear_until = null
        where id = $1 and provider = $2 and state = $3 and attempt = $4
            and (state in ('ready', 'parked') or leased_until < $9 or epoch < $5)
            and exists (
                select
                from provider p, dispatch d
                where p.id = $2 and p.epoch = $5 and p.held_until > $9 and d.frozen_at is null
                    and case $12
                        when 'stopped' then p.paused_at is not null or p.breaker = 'open'
                            or p.unread_since is not null
                        when 'rests' then p.rests_until >= $13
                        else true
                    end
            )
        "#,
        waiting.leg.0,
        waiting.route.provider.0,
        waiting.state.as_str(),
        waiting.attempt,
        epoch,
        chosen.route.provider.0,
        chosen.route.service,
        chosen.cost.decimal(),
        now,
        reason,
        Json(&chosen.choice) as _,
        because.as_str(),
        because.rests_min()
    );

    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}

/// Whether a locked leg that is leased is in nobody's hands any more, as
/// [`crate::store::leases::claim_due_legs`] tells it.
pub async fn is_let_go(tx: &mut Tx, leg: LegId, now: Timestamp) -> Result<bool, StoreError> {
    let let_go = sqlx::query_scalar!(
        r#"
        select l.state = 'leased' and (l.leased_until < $2 or l.epoch < p.epoch) as "let_go!"
        from leg l
        join provider p on p.id = l.provider
        where l.id = $1
        "#,
        leg.0,
        now
    );

    Ok(let_go.fetch_one(&mut **tx).await?)
}

/// The routes at which an order was in doubt before, or is had after all: what is asked for there
/// again may be bought twice.
pub async fn doubted_before(tx: &mut Tx, order: OrderId) -> Result<Vec<Passed>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select distinct e.provider, e.service
        from leg l
        join attempt e on e.leg_id = l.id
        where l.order_id = $1
            and (
                e.verdict in ('in_doubt', 'accepted', 'sending')
                or exists (select from doubt_check r where r.leg_id = l.id and r.at >= e.sent_at)
            )
        "#,
        order.0
    );

    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    let why = "it was in doubt there, and may have been placed";

    Ok(rows
        .map(|row| Passed {
            provider: row.provider,
            service: row.service,
            why: why.to_owned(),
        })
        .collect())
}

/// Takes a locked leg of which nothing was sent to another panel, as a person wants it.
pub async fn by_hand(
    tx: &mut Tx,
    leg: &LockedLeg,
    chosen: &Chosen,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        update leg
        set state = 'ready', provider = $4, service = $5, cost = $6, ready_at = least(ready_at, $7),
            reason = $8, choice = $9,
            unsent = 0, left_resting = false, parked_for = null, parked_at = null,
            clear_until = null,
            began_at = $7
        where id = $1 and state = $2 and attempt = $3 and state in ('ready', 'leased', 'parked')
        "#,
        leg.id.0,
        leg.state.as_str(),
        leg.attempt,
        chosen.route.provider.0,
        chosen.route.service,
        chosen.cost.decimal(),
        now,
        reason,
        Json(&chosen.choice) as _
    );

    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => stuck::clear_stuck(tx, leg.id, leg.order).await,
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}
