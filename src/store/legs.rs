//! Legs: taken, marked, answered. Every write names the state, the attempt and the epoch that it was made for.

use chrono::TimeDelta;
use sqlx::types::Json;

use crate::domain::clock::Instant;
use crate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use crate::domain::leg::{Evidence, LeasedLeg, LegState};
use crate::domain::money::Money;
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::Details;
use crate::store::{Store, StoreError, Tx, unsigned};

/// After a doubt, before it is looked into the first time.
const FIRST_CHECK: TimeDelta = TimeDelta::minutes(2);

/// The longest piece of a panel's answer that is kept as evidence, in characters.
const WORDS_CHARS_MAX: usize = 4_000;

/// Takes up to `legs_max` legs that are due at a panel: ready ones, and leased ones whose lease ran out (provably not
/// sent). The lease on the panel is checked in the same statement.
pub async fn lease(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    legs_max: i64,
    until: Instant,
    now: Instant,
) -> Result<Vec<LeasedLeg>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select id
            from leg
            where provider = $1
                and ready_at <= $5
                and (state = 'ready' or (state = 'leased' and leased_until < $5))
                and exists (select from provider p where p.id = $1 and p.epoch = $2 and p.held_until > $5)
            order by ready_at, id
            limit $3
            for update skip locked
        )
        update leg l
        set state = 'leased', attempt = attempt + 1, epoch = $2, leased_until = $4
        from due, orders o
        where l.id = due.id and o.id = l.order_id
        returning l.id, l.order_id, l.attempt, l.unsent, l.service, l.cost, o.kind, o.link, o.units,
            o.details as "details: Json<Details>"
        "#,
        provider.0,
        epoch,
        legs_max,
        until,
        now
    );
    let rows = rows.fetch_all(&store.workers).await?.into_iter().map(|row| {
        let kind = ServiceType::read(&row.kind).ok_or_else(|| StoreError::Contradiction {
            table: "orders",
            column: "kind",
            id: row.order_id.to_string(),
            value: row.kind.clone(),
        })?;
        Ok(LeasedLeg {
            leg: LegId(row.id),
            order: OrderId(row.order_id),
            attempt: row.attempt,
            unsent: row.unsent,
            route: Route { provider: provider.clone(), service: row.service },
            kind,
            link: row.link,
            units: unsigned(row.units),
            details: row.details.0,
            cost: Money::from_decimal(row.cost),
        })
    });
    rows.collect()
}

/// Commits the intent to send: from here on the leg is sent by no machine again. `false`: it is not ours any more.
pub async fn mark(store: &Store, leg: &LeasedLeg, epoch: i64, now: Instant) -> Result<bool, StoreError> {
    let marked = sqlx::query!(
        r#"
        with marked as (
            update leg
            set state = 'sending', sending_at = $4, reason = 'sent to the panel'
            where id = $1 and state = 'leased' and attempt = $2 and epoch = $3
                and exists (
                    select from provider p where p.id = leg.provider and p.epoch = $3 and p.held_until > $4
                )
            returning id, attempt, provider, service
        )
        insert into exchange (leg_id, attempt, provider, service, sent_at)
        select id, attempt, provider, service, $4
        from marked
        "#,
        leg.leg.0,
        leg.attempt,
        epoch,
        now
    );
    Ok(marked.execute(&store.workers).await?.rows_affected() == 1)
}

/// A leg under lock, with its order's state of affairs that answers need.
#[derive(Clone, Debug)]
pub struct LockedLeg {
    /// The leg.
    pub id: LegId,
    /// Its order.
    pub order: OrderId,
    /// Which of the order's legs.
    pub n: i32,
    /// The panel and its service.
    pub route: Route,
    /// Where it stands.
    pub state: LegState,
    /// The attempt that it stands at.
    pub attempt: i32,
    /// Attempts in a row that never left this machine.
    pub unsent: i32,
    /// What the panel is expected to charge.
    pub cost: Money,
    /// What of it is booked as cost.
    pub booked: Money,
    /// What of it is booked as exposure.
    pub exposed: Money,
    /// Since when it was parked the first time.
    pub parked_at: Option<Instant>,
}

/// Locks a leg; it is locked before its order and its wallet.
pub async fn lock(tx: &mut Tx, leg: LegId) -> Result<LockedLeg, StoreError> {
    let row = sqlx::query!(
        r#"
        select order_id, n, provider, service, state, attempt, unsent, cost, booked, exposed, parked_at
        from leg
        where id = $1
        for update
        "#,
        leg.0
    );
    let row = row.fetch_one(&mut **tx).await?;
    let state = LegState::from_word(&row.state).ok_or_else(|| StoreError::Contradiction {
        table: "leg",
        column: "state",
        id: leg.to_string(),
        value: row.state.clone(),
    })?;
    Ok(LockedLeg {
        id: leg,
        order: OrderId(row.order_id),
        n: row.n,
        route: Route { provider: ProviderId(row.provider), service: row.service },
        state,
        attempt: row.attempt,
        unsent: row.unsent,
        cost: Money::from_decimal(row.cost),
        booked: Money::from_decimal(row.booked),
        exposed: Money::from_decimal(row.exposed),
        parked_at: row.parked_at,
    })
}

/// Locks the leg of an order that is in doubt, if one is.
pub async fn in_doubt(tx: &mut Tx, order: OrderId) -> Result<Option<LockedLeg>, StoreError> {
    let leg = sqlx::query_scalar!(
        "select id from leg where order_id = $1 and state = 'in_doubt' order by n desc limit 1",
        order.0
    );
    let Some(leg) = leg.fetch_optional(&mut **tx).await? else { return Ok(None) };
    // It may have moved while the lock was waited for.
    let leg = lock(tx, LegId(leg)).await?;
    Ok(Some(leg).filter(|leg| leg.state == LegState::InDoubt))
}

/// Locks the leg of an order that is followed by an id which its panel does not know, where a person was asked.
pub async fn unknown_to_panel(tx: &mut Tx, order: OrderId) -> Result<Option<LockedLeg>, StoreError> {
    let leg = sqlx::query_scalar!(
        r#"
        select l.id
        from leg l
        join watch w on w.leg_id = l.id
        join orders o on o.id = l.order_id
        where l.order_id = $1 and l.state = 'accepted' and o.review is not null
            and (w.seen like 'missing%' or w.seen like 'error:%')
        "#,
        order.0
    );
    let Some(leg) = leg.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let leg = lock(tx, LegId(leg)).await?;
    Ok(Some(leg).filter(|leg| leg.state == LegState::Accepted))
}

/// An accepted leg is in doubt again: its id is nobody's, its cost is exposure, and nobody asks about it.
pub async fn doubt_again(tx: &mut Tx, leg: &LockedLeg, now: Instant) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        with doubted as (
            update leg
            set state = 'in_doubt', panel_order = null, accepted_at = null, booked = 0, exposed = cost,
                doubted_at = $3, check_at = $4, reason = 'the panel does not know the id'
            where id = $1 and state = 'accepted'
            returning id
        ),
        forgotten as (
            delete from panel_order using doubted where panel_order.leg_id = doubted.id
        ),
        review as (
            update orders set review = null where id = $2
        )
        delete from watch using doubted where watch.leg_id = doubted.id
        "#,
        leg.id.0,
        leg.order.0,
        now,
        now + FIRST_CHECK
    );
    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// Completes the exchange that the intent opened. What the panel said is kept, whatever follows from it.
pub async fn record(tx: &mut Tx, leg: LegId, attempt: i32, said: &Evidence, now: Instant) -> Result<(), StoreError> {
    let words: String = said.words.chars().filter(|c| *c != '\0').take(WORDS_CHARS_MAX).collect();
    let recorded = sqlx::query!(
        r#"
        update exchange
        set answered_at = $3, verdict = $4, http_status = $5, words = $6
        where leg_id = $1 and attempt = $2 and verdict in ('sending', 'in_doubt')
        "#,
        leg.0,
        attempt,
        now,
        said.verdict.word(),
        said.http_status.map(i32::from),
        words
    );
    match recorded.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("an answer to an exchange that was never opened, or was answered before")),
    }
}

/// The panel has it: under its id, watched from now on. `false`: another leg owns that id.
pub async fn accept(
    tx: &mut Tx,
    leg: &LockedLeg,
    panel_order: &PanelOrder,
    first_ask: Instant,
    now: Instant,
) -> Result<bool, StoreError> {
    let owned = sqlx::query!(
        "insert into panel_order (provider, id, leg_id) values ($1, $2, $3) on conflict do nothing",
        leg.route.provider.0,
        panel_order.0,
        leg.id.0
    );
    if owned.execute(&mut **tx).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let accepted = sqlx::query!(
        r#"
        with accepted as (
            update leg
            set state = 'accepted', panel_order = $3, accepted_at = $4, booked = cost, exposed = 0, unsent = 0,
                reason = 'accepted by the panel'
            where id = $1 and state = $2
            returning id, provider
        )
        insert into watch (leg_id, provider, panel_order, accepted_at, next_at)
        select id, provider, $3, $4, $5
        from accepted
        "#,
        leg.id.0,
        leg.state.word(),
        panel_order.0,
        now,
        first_ask
    );
    match accepted.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(true),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// How a locked leg goes on when the panel does not have it for certain.
#[derive(Clone, Debug)]
pub enum Turn {
    /// Nothing was sent: ready again later, perhaps by another route.
    Again {
        /// Not before.
        at: Instant,
        /// By which route.
        route: Route,
        /// What it is expected to cost there.
        cost: Money,
    },
    /// Refused for a reason that passes: ready again later.
    Parked {
        /// Not before.
        at: Instant,
    },
    /// Refused, and over.
    Refused,
    /// Nobody knows; its cost is exposure from now on.
    InDoubt,
}

/// Moves a locked leg on.
pub async fn turn(tx: &mut Tx, leg: &LockedLeg, turn: &Turn, reason: &str, now: Instant) -> Result<(), StoreError> {
    let (state, ready_at, route, cost, unsent) = match turn {
        Turn::Again { at, route, cost } => (LegState::Ready, Some(*at), route, *cost, leg.unsent + 1),
        Turn::Parked { at } => (LegState::Parked, Some(*at), &leg.route, leg.cost, 0),
        Turn::Refused => (LegState::Refused, None, &leg.route, leg.cost, 0),
        Turn::InDoubt => (LegState::InDoubt, None, &leg.route, leg.cost, 0),
    };
    let moved = sqlx::query!(
        r#"
        update leg
        set state = $3, ready_at = coalesce($4, ready_at), provider = $5, service = $6, cost = $7, unsent = $8,
            reason = $9,
            exposed = case when $3 = 'in_doubt' then cost else 0 end,
            doubted_at = case when $3 = 'in_doubt' then coalesce(doubted_at, $10) end,
            check_at = case when $3 = 'in_doubt' then coalesce(check_at, $11) end,
            parked_at = case when $3 = 'parked' then coalesce(parked_at, $10) else parked_at end,
            ended_at = case when $3 = 'refused' then $10 end
        where id = $1 and state = $2
        "#,
        leg.id.0,
        leg.state.word(),
        state.word(),
        ready_at,
        route.provider.0,
        route.service,
        cost.decimal(),
        unsent,
        reason,
        now,
        now + FIRST_CHECK
    );
    match moved.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("a leg moved under its lock")),
    }
}

/// The order's next leg, by another route.
pub async fn follow(
    tx: &mut Tx,
    after: &LockedLeg,
    route: &Route,
    cost: Money,
    reason: &str,
    now: Instant,
) -> Result<(), StoreError> {
    let added = sqlx::query!(
        r#"
        insert into leg (order_id, n, provider, service, ready_at, cost, reason)
        values ($1, $2, $3, $4, $5, $6, $7)
        "#,
        after.order.0,
        after.n + 1,
        route.provider.0,
        route.service,
        now,
        cost.decimal(),
        reason
    );
    added.execute(&mut **tx).await?;
    Ok(())
}

/// Every route that the order was tried on.
pub async fn tried(tx: &mut Tx, order: OrderId) -> Result<Vec<Route>, StoreError> {
    let rows = sqlx::query!("select provider, service from leg where order_id = $1", order.0);
    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    Ok(rows.map(|row| Route { provider: ProviderId(row.provider), service: row.service }).collect())
}

/// Legs that were being sent by somebody who lost the panel's lease since, or whose answer is overdue.
pub async fn orphans(
    store: &Store,
    provider: &ProviderId,
    epoch: i64,
    sent_before: Instant,
    legs_max: i64,
) -> Result<Vec<(LegId, i32)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, attempt
        from leg
        where provider = $1 and state = 'sending' and (epoch < $2 or sending_at < $3)
        order by id
        limit $4
        "#,
        provider.0,
        epoch,
        sent_before,
        legs_max
    );
    Ok(rows.fetch_all(&store.workers).await?.into_iter().map(|row| (LegId(row.id), row.attempt)).collect())
}

/// What the parked legs of a panel wait for, soonest first: the leg, its expected cost and why it waits.
pub async fn parked(
    store: &Store,
    provider: &ProviderId,
    now: Instant,
    legs_max: i64,
) -> Result<Vec<(LegId, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, cost
        from leg
        where provider = $1 and state = 'parked' and ready_at <= $2
        order by ready_at, id
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
pub async fn unpark(store: &Store, legs: &[LegId], now: Instant) -> Result<u64, StoreError> {
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

/// An accepted leg is over: what the panel said last, and what its cost finally is.
pub async fn end(
    tx: &mut Tx,
    leg: &LockedLeg,
    status: &str,
    charge_text: Option<&str>,
    cost: Money,
    now: Instant,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        r#"
        with ended as (
            update leg
            set state = 'ended', panel_status = $2, panel_charge = $3, booked = $4, ended_at = $5,
                reason = 'ended at the panel'
            where id = $1 and state = 'accepted'
            returning id
        )
        delete from watch
        using ended
        where watch.leg_id = ended.id
        "#,
        leg.id.0,
        status,
        charge_text,
        cost.decimal(),
        now
    );
    match ended.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected("an ended leg was not watched")),
    }
}
