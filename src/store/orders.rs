//! Orders: bought in one call, looked at, moved from state to state.

use std::time::Duration;

use serde::Serialize;
use sqlx::types::{Json, Uuid};

use crate::domain::choice::Choice;
use crate::domain::clock::Timestamp;
use crate::domain::given_back::GivenBack;
use crate::domain::id::{CustomerId, OrderId, OrderName, PublicId, ServiceId};
use crate::domain::money::Money;
use crate::domain::order::{OrderState, OrderView, Placed, Placement, Request, ShownState};
use crate::domain::service::ServiceType;
use crate::domain::settlement::Bought;
use crate::domain::wish::Details;
use crate::store::leases::kind_of;
use crate::store::stuck::STUCK;
use crate::store::{Store, StoreError, Tx, signed, unsigned};

/// How long the answer is waited for whether an order was bought, before it is asked anew over
/// another connection.
const LOOK_MAX: Duration = Duration::from_millis(2_500);
/// Tries of a batch that the server undid because of a neighbour.
const COLLISIONS_MAX: u32 = 3;

/// A placement as the database function reads it; decimals as text, digests in hex.
#[derive(Serialize)]
struct PlacementRow<'a> {
    place: usize,
    id: i32,
    public_id: Uuid,
    customer_id: i64,
    key_id: i64,
    service_id: i32,
    kind: &'static str,
    link: &'a str,
    units: u64,
    package: bool,
    details: &'a Details,
    charge: String,
    rate: String,
    cost_rate: String,
    cost: String,
    rule: &'a str,
    config_hash: &'a str,
    provider: &'a str,
    panel_service: &'a str,
    leg_cost: String,
    choice: &'a Choice,
    digest: Option<String>,
    fingerprint: Option<String>,
    window_s: Option<u32>,
    answer: &'a str,
    at: Timestamp,
}

impl<'a> PlacementRow<'a> {
    fn of(place: usize, placement: &'a Placement) -> Self {
        let request = placement.request.as_ref();
        Self {
            place,
            id: placement.order.0,
            public_id: placement.public.0,
            customer_id: placement.customer.0,
            key_id: placement.key.0,
            service_id: placement.service.0,
            kind: placement.kind.name(),
            link: &placement.link,
            units: placement.units,
            package: placement.kind.is_package(),
            details: &placement.details,
            charge: placement.quote.charge.decimal().to_string(),
            rate: placement.quote.rate.decimal().to_string(),
            cost_rate: placement.quote.cost_rate.decimal().to_string(),
            cost: placement.quote.cost.decimal().to_string(),
            rule: &placement.quote.rule,
            config_hash: &placement.quote.config.0,
            provider: &placement.route.provider.0,
            panel_service: &placement.route.service,
            leg_cost: placement.leg_cost.decimal().to_string(),
            choice: &placement.choice,
            digest: request.map(|request| hex(&request.digest)),
            fingerprint: request.map(|request| hex(&request.fingerprint)),
            window_s: request.and_then(|request| request.window_s),
            answer: &placement.answer,
            at: placement.at,
        }
    }
}

/// Bytes as the database reads them.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// So many fresh order ids.
pub async fn draw_ids(store: &Store, count: i32) -> Result<Vec<OrderId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select nextval('order_id')::integer as "id!" from generate_series(1, $1::integer)"#,
        count
    );

    Ok(ids
        .fetch_all(store.door()?)
        .await?
        .into_iter()
        .map(OrderId)
        .collect())
}

/// Leaves order ids out, so that the next one is so many further on; near the end of all ids, half
/// of what is left. The last id that is not given out any more.
pub async fn skip_ids(tx: &mut Tx, count: i64) -> Result<OrderId, StoreError> {
    let last = sqlx::query_scalar!(
        r#"
        select setval('order_id', known.last + least($1, ($2 - known.last) / 2))::integer as "last!"
        from (
            select greatest(s.last_value, (select coalesce(max(id), 0) from orders)) as last
            from order_id s
        ) known
        "#,
        count,
        i64::from(i32::MAX)
    );

    Ok(OrderId(last.fetch_one(&mut **tx).await?))
}

/// Buys: all of the batch that can be bought, in one call and one commit. One outcome per
/// placement, in order.
///
/// # Errors
///
/// Unless it [is certain](StoreError::is_certain), the commit may have happened: ask
/// [`order_exists`] before deciding anything.
pub async fn place_orders(store: &Store, batch: &[Placement]) -> Result<Vec<Placed>, StoreError> {
    let rows: Vec<_> = batch
        .iter()
        .enumerate()
        .map(|(place, placement)| PlacementRow::of(place, placement))
        .collect();

    let mut tries = 0;
    loop {
        tries += 1;
        match place_once(store, &rows).await {
            Err(error) if error.is_collision() && tries < COLLISIONS_MAX => {
                tracing::warn!(
                    tries,
                    "placing collided with a neighbour and is tried again"
                );
            }
            placed => return placed,
        }
    }
}

async fn place_once(store: &Store, batch: &[PlacementRow<'_>]) -> Result<Vec<Placed>, StoreError> {
    let rows = sqlx::query!(
        r#"select verdict as "verdict!", remembered from place_orders($1) order by place"#,
        Json(batch) as _
    );

    let rows = rows.fetch_all(store.door()?).await?;
    if rows.len() != batch.len() {
        return Err(StoreError::Unexpected(
            "a batch came back with another number of outcomes",
        ));
    }

    rows.into_iter()
        .map(|row| match (row.verdict.as_str(), row.remembered) {
            ("bought", Some(answer)) => Ok(Placed::Bought(answer)),
            ("replayed", Some(answer)) => Ok(Placed::Replayed(answer)),
            ("reused", None) => Ok(Placed::Reused),
            ("no_money", None) => Ok(Placed::NoMoney),
            _ => Err(StoreError::Unexpected(
                "placing came back with an outcome that nobody knows",
            )),
        })
        .collect()
}

/// Whether the order was committed; waits for a call of [`place_orders`] that the server is still
/// at.
pub async fn order_exists(store: &Store, order: OrderId) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(r#"select order_was_placed($1) as "found!""#, order.0);
    Ok(found.fetch_one(&store.workers.within(LOOK_MAX)).await?)
}

/// The remembered answer of a customer's request at a moment: what it is bound to, and the bytes.
pub async fn find_remembered(
    store: &Store,
    customer: CustomerId,
    request: &Request,
    at: Timestamp,
) -> Result<Option<(Vec<u8>, String)>, StoreError> {
    let row = sqlx::query!(
        r#"
        select r.fingerprint, r.answer
        from request r
        where r.customer_id = $1 and r.digest = $2
            and (
                $3::bigint is null
                or exists (
                    select
                    from orders o
                    where o.id = r.order_id and o.placed_at + make_interval(secs => $3::bigint) > $4
                )
            )
        "#,
        customer.0,
        request.digest.as_slice(),
        request.window_s.map(i64::from),
        at
    );

    Ok(row
        .fetch_optional(store.door()?)
        .await?
        .map(|row| (row.fingerprint, row.answer)))
}

/// What a customer sees of those of the names that are orders of theirs, each with both of its
/// names.
///
/// An order shows `Processing` from the moment its leg is being sent, although the order's own row
/// only moves with the panel's answer: sending costs one row less, and a leg that proves unsent
/// shows `Pending` again.
pub async fn look_up_orders(
    store: &Store,
    customer: CustomerId,
    names: &[OrderName],
) -> Result<Vec<(OrderId, PublicId, OrderView)>, StoreError> {
    let number = |name: &OrderName| match name {
        OrderName::Number(number) => Some(number.0),
        OrderName::Public(_) => None,
    };

    let public = |name: &OrderName| match name {
        OrderName::Public(public) => Some(public.0),
        OrderName::Number(_) => None,
    };

    let numbers: Vec<i32> = names.iter().filter_map(number).collect();
    let publics: Vec<Uuid> = names.iter().filter_map(public).collect();

    // Found by their names first, whoever's they are, and only then asked whose: a plan that is
    // made for the average customer walks through all orders of one who has a hundred thousand
    // (15 ms against 0.1).
    let rows = sqlx::query!(
        r#"
        with named as materialized (
            select o.*
            from orders o
            where o.id = any($2 || array(select p.id from orders p where p.public_id = any($3)))
        )
        select o.id as "id!", o.public_id as "public_id!", o.charge - o.refunded as "charge!",
            o.start_count as "start_count?", o.remains as "remains!",
            o.ended_at is not null and o.by_hand = o.charge as "refunded!",
            case
                when o.state = 'pending' and exists (
                    select from leg l where l.order_id = o.id and l.state = 'sending'
                ) then 'processing'
                else o.state
            end as "state!"
        from named o
        where o.customer_id = $1
        "#,
        customer.0,
        &numbers,
        &publics
    );

    let rows = rows.fetch_all(store.door()?).await?;
    let looked = rows.into_iter().map(|row| {
        let standing = if row.refunded {
            ShownState::Refunded
        } else {
            ShownState::At(order_state(row.id, &row.state)?)
        };

        let look = OrderView {
            charge: Money::from_decimal(row.charge),
            start_count: row.start_count,
            standing,
            remains: row.remains,
        };

        Ok((OrderId(row.id), PublicId(row.public_id), look))
    });

    looked.collect()
}

/// An order under lock, as settlement needs it.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The order.
    pub id: OrderId,
    /// The other name.
    pub public: PublicId,
    /// Who paid.
    pub customer: CustomerId,
    /// Our service.
    pub service: ServiceId,
    /// What kind of service it was when it was bought.
    pub kind: ServiceType,
    /// What was bought.
    pub bought: Bought,
    /// What it was expected to cost when it was priced.
    pub quoted_cost: Money,
    /// Where it stands.
    pub state: OrderState,
    /// What was given back so far, and why.
    pub given_back: GivenBack,
    /// What its customer is shown as missing.
    pub remains: i64,
    /// How many settlements there were.
    pub settlements: i32,
}

impl Locked {
    /// Where it stands as customers are shown it; see [`look_up_orders`].
    pub fn standing(&self) -> ShownState {
        let refunded = self.state.is_end() && self.given_back.by_hand == self.bought.charge;
        if refunded {
            ShownState::Refunded
        } else {
            ShownState::At(self.state)
        }
    }
}

/// Locks an order; legs are locked before it, the wallet after it.
pub async fn lock_order(tx: &mut Tx, order: OrderId) -> Result<Locked, StoreError> {
    let row = sqlx::query!(
        r#"
        select id, public_id, customer_id, service_id, kind, charge, cost, units, package, state,
            refunded, by_hand, absorbed, remains, settlements
        from orders
        where id = $1
        for update
        "#,
        order.0
    );

    let row = row.fetch_one(&mut **tx).await?;
    Ok(Locked {
        id: order,
        public: PublicId(row.public_id),
        customer: CustomerId(row.customer_id),
        service: ServiceId(row.service_id),
        kind: kind_of(row.id, &row.kind)?,
        quoted_cost: Money::from_decimal(row.cost),
        bought: Bought {
            charge: Money::from_decimal(row.charge),
            units: unsigned(row.units),
            package: row.package,
        },
        state: order_state(row.id, &row.state)?,
        given_back: GivenBack {
            refunded: Money::from_decimal(row.refunded),
            by_hand: Money::from_decimal(row.by_hand),
            absorbed: Money::from_decimal(row.absorbed),
        },
        remains: row.remains,
        settlements: row.settlements,
    })
}

/// Shows an open order's progress; an order that is over is left alone.
pub async fn show_progress(
    tx: &mut Tx,
    order: OrderId,
    state: OrderState,
    start_count: Option<i64>,
    remains: Option<i64>,
) -> Result<(), StoreError> {
    let moved = sqlx::query!(
        r#"
        update orders
        set state = $2, start_count = coalesce($3, start_count), remains = coalesce($4, remains)
        where id = $1 and state in ('pending', 'processing', 'in_progress')
        "#,
        order.0,
        state.as_str(),
        start_count,
        remains
    );

    moved.execute(&mut **tx).await?;
    Ok(())
}

/// One settlement: where the order stands, and what was given back for it.
#[derive(Clone, Debug)]
pub struct SettlementRow {
    /// The order's end, or its open state where a person gave something back before the end.
    pub state: OrderState,
    /// Units delivered.
    pub delivered: u64,
    /// What is to be given back in all.
    pub target: Money,
    /// What was given back now; negative where it was taken back.
    pub amount: Money,
    /// By which transfer.
    pub transfer: Option<i64>,
    /// What stands given back afterwards.
    pub after: GivenBack,
    /// The count before delivery, where the panel told.
    pub start_count: Option<i64>,
    /// What customers are shown as missing.
    pub remains: i64,
    /// Whether it answers what a person was asked.
    pub answers_review: bool,
}

/// Settles an order that stands as it was locked, and writes the settlement down.
pub async fn settle_order(
    tx: &mut Tx,
    order: &Locked,
    row: &SettlementRow,
    at: Timestamp,
) -> Result<(), StoreError> {
    let settled = sqlx::query!(
        r#"
        with settled as (
            update orders
            set state = $2, refunded = $12, by_hand = $13, absorbed = $14,
                settlements = settlements + 1, remains = $4,
                start_count = coalesce($5, start_count),
                ended_at = case when $15 then coalesce(ended_at, $6) end,
                -- That it is there twice is no panel's to answer.
                review = case when $16 and not starts_with(review, $17) then null else review end
            where id = $1 and settlements = $7 and state = $8 and refunded + $3 = $12
            returning id, settlements
        )
        insert into settlement (order_id, seq, at, state, delivered, target, amount, transfer_id)
        select id, settlements, $6, $2, $9, $10, $3, $11
        from settled
        "#,
        order.id.0,
        row.state.as_str(),
        row.amount.decimal(),
        row.remains,
        row.start_count,
        at,
        order.settlements,
        order.state.as_str(),
        signed(row.delivered),
        row.target.decimal(),
        row.transfer,
        row.after.refunded.decimal(),
        row.after.by_hand.decimal(),
        row.after.absorbed.decimal(),
        row.state.is_end(),
        row.answers_review,
        TWICE
    );

    match settled.execute(&mut **tx).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Unexpected(
            "an order moved under the settlement's lock",
        )),
    }
}

/// How a review begins that says that panels have an order twice, and by which it is known again.
pub const TWICE: &str = "it is there twice: ";

/// Nobody need look at an open order any more: its panel speaks clearly again. That it does not
/// move, or is there twice, is no matter of how clearly the panel says so.
pub async fn clear_review(tx: &mut Tx, order: OrderId) -> Result<(), StoreError> {
    let calmed = sqlx::query!(
        r#"
        update orders
        set review = null
        where id = $1 and review is not null and not starts_with(review, $2)
            and not starts_with(review, $3)
        "#,
        order.0,
        STUCK,
        TWICE
    );

    calmed.execute(&mut **tx).await?;
    Ok(())
}

/// What a person was asked of an order is answered, whatever it was.
pub async fn answer(tx: &mut Tx, order: OrderId) -> Result<(), StoreError> {
    let answered = sqlx::query!(
        "update orders set review = null where id = $1 and review is not null",
        order.0
    );

    answered.execute(&mut **tx).await?;
    Ok(())
}

/// Puts an order before a person, with the reason. `false`: it was there already for the same
/// reason, or because it is there twice, which is the graver one.
pub async fn flag_for_review(tx: &mut Tx, order: OrderId, why: &str) -> Result<bool, StoreError> {
    let put = sqlx::query!(
        r#"
        update orders
        set review = $2
        where id = $1 and review is distinct from $2
            and (review is null or not starts_with(review, $3) or starts_with($2, $3))
        "#,
        order.0,
        why,
        TWICE
    );

    Ok(put.execute(&mut **tx).await?.rows_affected() == 1)
}

/// Whether a person was asked about an order because it is at panels twice, and did not answer yet.
pub async fn is_there_twice(tx: &mut Tx, order: OrderId) -> Result<bool, StoreError> {
    let is = sqlx::query_scalar!(
        r#"select coalesce(starts_with(review, $2), false) as "is!" from orders where id = $1"#,
        order.0,
        TWICE
    );

    Ok(is.fetch_one(&mut **tx).await?)
}

fn order_state(id: i32, word: &str) -> Result<OrderState, StoreError> {
    OrderState::from_word(word).ok_or_else(|| StoreError::Contradiction {
        table: "orders",
        column: "state",
        id: id.to_string(),
        value: word.to_owned(),
    })
}
