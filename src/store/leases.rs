//! Legs in a dispatcher's hands: taken, and then marked before the call, held, or given back. Every
//! write names the attempt and the epoch that it was made for.

use sqlx::types::Json;

use crate::domain::choice::Choice;
use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::leg::{LeasedLeg, LegState};
use crate::domain::money::{ExchangeRate, Money, Rate};
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::Details;
use crate::routing::Chosen;
use crate::store::{Store, StoreError, Tx, unsigned};

/// Takes up to `legs_max` legs that are due at a panel: ready ones, and leased ones that provably
/// were not sent, because their lease ran out, or because they were taken under an older epoch,
/// which can mark nothing any more. The lease on the panel is checked in the same statement, and
/// where an account is named, that no other one listed what is stored.
pub async fn claim_due_legs(
    store: &Store,
    provider: &ProviderId,
    account: Option<&str>,
    epoch: i64,
    legs_max: i64,
    until: Timestamp,
    now: Timestamp,
) -> Result<Vec<LeasedLeg>, StoreError> {
    let rows = sqlx::query!(
        r#"
        with due as materialized (
            select id
            from leg
            where provider = $1
                and ready_at <= $5
                and (state = 'ready' or (state = 'leased' and (leased_until < $5 or epoch < $2)))
                -- What another account listed is no cost of this one's.
                and exists (
                    select
                    from provider p
                    where p.id = $1 and p.epoch = $2 and p.held_until > $5
                        and ($6::text is null or p.catalog_account is null
                            or p.catalog_account = $6)
                )
            order by ready_at, id
            limit $3
            for update skip locked
        )
        update leg l
        set state = 'leased', attempt = attempt + 1, epoch = $2, leased_until = $4
        from due, orders o
        where l.id = due.id and o.id = l.order_id
        returning l.id, l.order_id, o.public_id, l.n, l.attempt, l.unsent, l.service, l.cost,
            o.kind, o.link, o.units, o.service_id, o.charge, o.cost as quoted_cost, o.cost_rate,
            o.details as "details: Json<Details>"
        "#,
        provider.0,
        epoch,
        legs_max,
        until,
        now,
        account
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| {
            Ok(LeasedLeg {
                leg: LegId(row.id),
                order: OrderId(row.order_id),
                public: PublicId(row.public_id),
                n: row.n,
                attempt: row.attempt,
                unsent: row.unsent,
                route: Route {
                    provider: provider.clone(),
                    service: row.service,
                },
                kind: kind_of(row.order_id, &row.kind)?,
                link: row.link,
                units: unsigned(row.units),
                details: row.details.0,
                cost: Money::from_decimal(row.cost),
                sold_as: ServiceId(row.service_id),
                charge: Money::from_decimal(row.charge),
                quoted_cost: Money::from_decimal(row.quoted_cost),
                quoted_rate: Rate::from_decimal(row.cost_rate),
            })
        });

    rows.collect()
}

/// The type that an order's row names.
pub(super) fn kind_of(order: i32, word: &str) -> Result<ServiceType, StoreError> {
    ServiceType::read(word).ok_or_else(|| StoreError::Contradiction {
        table: "orders",
        column: "kind",
        id: order.to_string(),
        value: word.to_owned(),
    })
}

/// How and where a panel is asked for a leg; what is not known of it is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendIntent<'a> {
    /// The name under which it is asked, where the panel knows names.
    pub request_id: Option<&'a str>,
    /// The account, as [`crate::upstream::Panel::account`] tells it from others.
    pub account: &'a str,
    /// Where the panel is: ids of its orders are one's there, and may be another's elsewhere.
    pub address: &'a str,
    /// What one unit of its currency is worth in ours; `None`: it is ours.
    pub exchange: Option<ExchangeRate>,
}

/// Commits the intent to send, and what it is expected to cost: from here on the leg is sent by no
/// machine again, unless under the name that the panel knows it by. Which account was asked, where,
/// and what its money is worth now, is kept with it. `false`: it is not ours any more, or its
/// panel's gate was closed meanwhile, or the database is not the one, or not as far, as this
/// process knows it.
pub async fn mark_sending(
    store: &Store,
    leg: &LeasedLeg,
    asked: SendIntent<'_>,
    epoch: i64,
    cost: Money,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let known = store.history.known();
    let marked = sqlx::query!(
        r#"
        with marked as (
            update leg
            set state = 'sending', sending_at = $4, cost = $5, fx_rate = $9,
                reason = 'sent to the panel'
            where id = $1 and state = 'leased' and attempt = $2 and epoch = $3
                and gate_lets_through(leg.provider, $3, $4)
                and (
                    $10::uuid is null
                    or exists (select from incarnation i where i.id = $10 and i.beats >= $11)
                )
            returning id, attempt, provider, service
        )
        insert into attempt (leg_id, n, provider, service, sent_at, words, account, address)
        select id, attempt, provider, service, $4, coalesce('request_id ' || $6::text || '; ', ''),
            nullif($7::text, ''), $8
        from marked
        "#,
        leg.leg.0,
        leg.attempt,
        epoch,
        now,
        cost.decimal(),
        asked.request_id,
        asked.account,
        asked.address,
        ExchangeRate::decimal_or_one(asked.exchange),
        known.map(|known| known.incarnation),
        known.map_or(0, |known| known.beats)
    );

    Ok(marked.execute(&store.workers).await?.rows_affected() == 1)
}

/// A leg that this process sent, as it remembers it: the database may forget it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentLeg {
    /// The leg.
    pub leg: LegId,
    /// Its order.
    pub order: OrderId,
    /// Which attempt it was.
    pub attempt: i32,
    /// Where it went.
    pub route: Route,
    /// The name under which it was asked for.
    pub request_id: Option<String>,
    /// The account that was asked.
    pub account: String,
    /// Where the panel was.
    pub address: String,
    /// When it was marked.
    pub at: Timestamp,
}

/// What the database knows of a leg that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// That it was sent, or what came of it.
    Sent,
    /// It had forgotten, and was told again.
    SentAgainNow,
    /// Nothing at all: there is no such leg of this order.
    Nothing,
}

/// Tells the database again that a leg was sent, where it waits there as if it were not.
pub async fn remember_sent(tx: &mut Tx, sent: &SentLeg) -> Result<Remembered, StoreError> {
    let told = sqlx::query!(
        r#"
        with forgotten as (
            update leg
            set state = 'sending', attempt = $3, sending_at = $4, provider = $5, service = $6,
                reason = 'sent to the panel, and forgotten by the database'
            where id = $1 and order_id = $2 and state in ('ready', 'leased', 'parked')
                and attempt <= $3
                and not exists (select from attempt e where e.leg_id = $1 and e.n = $3)
            returning id
        )
        insert into attempt (leg_id, n, provider, service, sent_at, words, account, address)
        select id, $3, $5, $6, $4, coalesce('request_id ' || $7::text || '; ', ''),
            nullif($8::text, ''), $9
        from forgotten
        "#,
        sent.leg.0,
        sent.order.0,
        sent.attempt,
        sent.at,
        sent.route.provider.0,
        sent.route.service,
        sent.request_id,
        sent.account,
        sent.address
    );

    if told.execute(&mut **tx).await?.rows_affected() == 1 {
        return Ok(Remembered::SentAgainNow);
    }

    let known = sqlx::query_scalar!(
        r#"select exists (select from leg where id = $1 and order_id = $2) as "known!""#,
        sent.leg.0,
        sent.order.0
    );

    let known = known.fetch_one(&mut **tx).await?;
    Ok(if known {
        Remembered::Sent
    } else {
        Remembered::Nothing
    })
}

/// Leaves leg ids out: whoever went on without this copy may still hear of legs that are numbered
/// as the next ones here.
pub async fn skip_ids(tx: &mut Tx, count: i64) -> Result<(), StoreError> {
    let skipped = sqlx::query_scalar!(
        r#"
        select setval(
            pg_get_serial_sequence('leg', 'id'),
            greatest(
                nextval(pg_get_serial_sequence('leg', 'id')), (select coalesce(max(id), 0) from leg)
            ) + $1
        ) as "last!"
        "#,
        count
    );

    skipped.fetch_one(&mut **tx).await?;
    Ok(())
}

/// How a leased leg is kept from a panel that became too dear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarginHold {
    /// It goes by another route.
    Elsewhere(Chosen),
    /// It waits here.
    Here {
        /// Until then at least.
        until: Timestamp,
        /// Why no route can be taken.
        choice: Choice,
    },
}

/// Keeps a leased leg from its panel; nothing of it was sent. `false`: it is not ours any more.
pub async fn hold_leg(
    store: &Store,
    leg: &LeasedLeg,
    epoch: i64,
    held: &MarginHold,
    reason: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, route, cost, ready_at, choice) = match held {
        MarginHold::Elsewhere(Chosen {
            route,
            cost,
            choice,
        }) => (LegState::Ready, route, *cost, now, choice),
        MarginHold::Here { until, choice } => {
            (LegState::Parked, &leg.route, leg.cost, *until, choice)
        }
    };

    let moved = sqlx::query!(
        r#"
        update leg
        set state = $4, provider = $5, service = $6, cost = $7, ready_at = $8, reason = $9,
            choice = $11, clear_until = null,
            parked_for = case when $4 = 'parked' then 'margin' else parked_for end,
            parked_at = case when $4 = 'parked' and parked_for is distinct from 'margin' then $10
                else parked_at end
        where id = $1 and state = 'leased' and attempt = $2 and epoch = $3
        "#,
        leg.leg.0,
        leg.attempt,
        epoch,
        state.as_str(),
        route.provider.0,
        route.service,
        cost.decimal(),
        ready_at,
        reason,
        now,
        Json(choice) as _
    );

    Ok(moved.execute(&store.workers).await?.rows_affected() == 1)
}

/// Gives a leg back that was taken and not sent.
pub async fn release_leg(store: &Store, leg: &LeasedLeg, epoch: i64) -> Result<(), StoreError> {
    let released = sqlx::query!(
        "update leg set state = 'ready' where id = $1 and state = 'leased' and attempt = $2 and \
         epoch = $3",
        leg.leg.0,
        leg.attempt,
        epoch
    );

    released.execute(&store.workers).await?;
    Ok(())
}
