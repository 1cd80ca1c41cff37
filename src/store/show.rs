//! Orders as operators look at them: lists, and one order's whole timeline.

use sqlx::types::Json;

use crate::domain::choice::Choice;
use crate::domain::clock::Timestamp;
use crate::domain::id::{CustomerId, LegId, OrderId, PublicId};
use crate::domain::leg::LegState;
use crate::domain::money::{Money, Rate};
use crate::store::legs::state_of as leg_state;
use crate::store::{Store, StoreError};

/// The most orders that one list shows.
pub const ORDERS_MAX: i64 = 1_000;

/// Which orders are wanted; what is `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// A state's word, or `review` for those that a person may end (in doubt, or settled by no
    /// machine), `waiting` for those of which nothing is sent, `stuck` for those that do not
    /// move, `canceling` for those whose panel did not answer a cancel, or a leg's `parked` or
    /// `in_doubt`.
    pub state: Option<String>,
    /// Whose.
    pub customer: Option<CustomerId>,
    /// With a leg at this panel.
    pub provider: Option<String>,
    /// With exactly this link.
    pub link: Option<String>,
    /// Exactly these orders.
    pub orders: Option<Vec<OrderId>>,
    /// Of this service of ours.
    pub service: Option<i32>,
    /// With a leg that has this id at its panel.
    pub panel_order: Option<String>,
    /// Bought at this moment or later.
    pub placed_from: Option<Timestamp>,
    /// Bought before this moment.
    pub placed_before: Option<Timestamp>,
    /// Only those of which nothing is sent; `provider` is then the panel where they wait.
    pub unsent_only: bool,
    /// At most so many, [`ORDERS_MAX`] where nobody says.
    pub limit: Option<i64>,
}

/// An order as lists and the head of its timeline show it.
#[derive(Clone, Debug)]
pub struct OrderRow {
    /// The id.
    pub id: OrderId,
    /// The other name.
    pub public: PublicId,
    /// Who paid.
    pub customer: CustomerId,
    /// Our service.
    pub service: i32,
    /// Its type.
    pub kind: String,
    /// Where it is delivered to.
    pub link: String,
    /// How many.
    pub units: i64,
    /// Whether one package was sold.
    pub package: bool,
    /// Where it stands.
    pub state: String,
    /// What was paid.
    pub charge: Money,
    /// What was given back.
    pub refunded: Money,
    /// What is missing.
    pub remains: i64,
    /// The printed price.
    pub rate: Rate,
    /// The panel's rate that was marked up.
    pub cost_rate: Rate,
    /// The rule that spoke.
    pub rule: String,
    /// Which configuration priced it.
    pub config_hash: String,
    /// Why a person must look at it.
    pub review: Option<String>,
    /// When it was bought.
    pub placed_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The newest orders that are wanted.
pub async fn list_orders(store: &Store, wanted: &OrderFilter) -> Result<Vec<OrderRow>, StoreError> {
    let orders: Option<Vec<i32>> = wanted
        .orders
        .as_ref()
        .map(|orders| orders.iter().map(|order| order.0).collect());

    let rows = sqlx::query_file!(
        "src/store/show/orders.sql",
        wanted.state,
        wanted.customer.map(|customer| customer.0),
        wanted.provider,
        wanted.link,
        orders.as_deref(),
        wanted.limit.unwrap_or(ORDERS_MAX).min(ORDERS_MAX),
        wanted.service,
        wanted.panel_order,
        wanted.placed_from,
        wanted.placed_before,
        wanted.unsent_only
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| OrderRow {
            id: OrderId(row.id),
            public: PublicId(row.public_id),
            customer: CustomerId(row.customer_id),
            service: row.service_id,
            kind: row.kind,
            link: row.link,
            units: row.units,
            package: row.package,
            state: row.state,
            charge: Money::from_decimal(row.charge),
            refunded: Money::from_decimal(row.refunded),
            remains: row.remains,
            rate: Rate::from_decimal(row.rate),
            cost_rate: Rate::from_decimal(row.cost_rate),
            rule: row.rule,
            config_hash: row.config_hash,
            review: row.review,
            placed_at: row.placed_at,
            ended_at: row.ended_at,
        });

    Ok(rows.collect())
}

/// A leg in an order's timeline.
#[derive(Clone, Debug)]
pub struct LegRow {
    /// Which leg.
    pub id: i64,
    /// Which of the order's legs.
    pub n: i32,
    /// The panel.
    pub provider: String,
    /// The panel's service.
    pub service: String,
    /// Where it stands.
    pub state: LegState,
    /// Its id there.
    pub panel_order: Option<String>,
    /// The id under which the panel took it late, after it was found not placed or had another id.
    pub late_order: Option<String>,
    /// What the panel said last.
    pub panel_status: Option<String>,
    /// What the panel charged, as it said it.
    pub panel_charge: Option<String>,
    /// Why it stands where it stands.
    pub reason: String,
    /// What it is expected to cost.
    pub cost: Money,
    /// Why it goes by this route; legs of earlier days have no such note.
    pub choice: Option<Choice>,
    /// What the panel says of it while it is followed.
    pub seen: Option<String>,
    /// Whether the panel does not know its id.
    pub unknown_there: bool,
    /// When a doubt is looked into next.
    pub check_at: Option<Timestamp>,
}

/// An order's legs, in order.
pub async fn list_legs(store: &Store, order: OrderId) -> Result<Vec<LegRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select l.id, l.n, l.provider, l.service, l.state, l.panel_order, l.late_order,
            l.panel_status, l.panel_charge,
            l.reason, l.cost, l.check_at, l.choice as "choice: Json<Choice>", w.seen as "seen?",
            coalesce(w.seen like 'missing%' or w.seen like 'error:%', false) as "unknown_there!"
        from leg l
        left join tracked_leg w on w.leg_id = l.id
        where l.order_id = $1
        order by l.n
        "#,
        order.0
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    rows.map(|row| {
        Ok(LegRow {
            id: row.id,
            n: row.n,
            provider: row.provider,
            service: row.service,
            state: leg_state(LegId(row.id), &row.state)?,
            panel_order: row.panel_order,
            late_order: row.late_order,
            panel_status: row.panel_status,
            panel_charge: row.panel_charge,
            reason: row.reason,
            cost: Money::from_decimal(row.cost),
            choice: row.choice.map(|choice| choice.0),
            seen: row.seen,
            unknown_there: row.unknown_there,
            check_at: row.check_at,
        })
    })
    .collect()
}

/// What was looked at to end a doubt.
#[derive(Clone, Debug)]
pub struct DoubtCheckRow {
    /// Whose.
    pub leg: i64,
    /// When.
    pub at: Timestamp,
    /// What was looked at.
    pub kind: String,
    /// What it showed.
    pub verdict: String,
    /// In which words.
    pub words: String,
}

/// Every look at the doubts of an order, in order.
pub async fn list_checks(store: &Store, order: OrderId) -> Result<Vec<DoubtCheckRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select r.leg_id, r.at, r.kind, r.verdict, r.words
        from doubt_check r
        join leg l on l.id = r.leg_id
        where l.order_id = $1
        order by r.id
        "#,
        order.0
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| DoubtCheckRow {
            leg: row.leg_id,
            at: row.at,
            kind: row.kind,
            verdict: row.verdict,
            words: row.words,
        });

    Ok(rows.collect())
}

/// One try to have a leg placed: what was asked when, and what came back.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    /// Whose.
    pub leg: i64,
    /// Which attempt.
    pub attempt: i32,
    /// The panel it went to.
    pub provider: String,
    /// When the intent was committed.
    pub sent_at: Timestamp,
    /// When the answer was written down.
    pub answered_at: Option<Timestamp>,
    /// What was made of it.
    pub verdict: String,
    /// The HTTP status, where there was one.
    pub http_status: Option<i32>,
    /// The answer, or what failed.
    pub words: String,
}

/// All tries of an order's legs, in order.
pub async fn list_attempts(store: &Store, order: OrderId) -> Result<Vec<ExchangeRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select e.leg_id, e.n as attempt, e.provider, e.sent_at, e.answered_at, e.verdict,
        e.http_status,
            e.words
        from attempt e
        join leg l on l.id = e.leg_id
        where l.order_id = $1
        order by l.n, e.n
        "#,
        order.0
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| ExchangeRow {
            leg: row.leg_id,
            attempt: row.attempt,
            provider: row.provider,
            sent_at: row.sent_at,
            answered_at: row.answered_at,
            verdict: row.verdict,
            http_status: row.http_status,
            words: row.words,
        });

    Ok(rows.collect())
}

/// A transfer in an order's timeline.
#[derive(Clone, Debug)]
pub struct TransferRow {
    /// The transfer.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// From which account.
    pub debit: String,
    /// To which account.
    pub credit: String,
    /// How much.
    pub amount: Money,
}

/// All transfers of an order, in order.
pub async fn list_transfers(store: &Store, order: OrderId) -> Result<Vec<TransferRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select t.id, t.at, t.reason, t.amount,
            d.kind || coalesce(':' || d.provider, ':' || d.customer_id, '') as "debit!",
            c.kind || coalesce(':' || c.provider, ':' || c.customer_id, '') as "credit!"
        from transfer t
        join account d on d.id = t.debit
        join account c on c.id = t.credit
        where t.order_id = $1
        order by t.id
        "#,
        order.0
    );

    let rows = rows
        .fetch_all(&store.workers)
        .await?
        .into_iter()
        .map(|row| TransferRow {
            id: row.id,
            at: row.at,
            reason: row.reason,
            debit: row.debit,
            credit: row.credit,
            amount: Money::from_decimal(row.amount),
        });

    Ok(rows.collect())
}

/// What a person decided of an order.
#[derive(Clone, Debug)]
pub struct DecisionRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// Why, in that person's words.
    pub reason: String,
}

/// What became of an order's cancel.
#[derive(Clone, Debug)]
pub struct CancelLine {
    /// Who wants it back: `customer` or `house`.
    pub asked_by: String,
    /// Since when.
    pub asked_at: Timestamp,
    /// `ready`, `sending`, `taken` or `refused`.
    pub state: String,
    /// What the panel said, or why it was not asked; empty where there is nothing to say.
    pub words: String,
}

/// The cancel of an order, where one was asked for.
pub async fn find_cancel(store: &Store, order: OrderId) -> Result<Option<CancelLine>, StoreError> {
    let row = sqlx::query_as!(
        CancelLine,
        "select asked_by, asked_at, state, words from cancel_request where order_id = $1",
        order.0
    );

    Ok(row.fetch_optional(&store.workers).await?)
}

/// All decisions of an order, in order.
pub async fn list_decisions(store: &Store, order: OrderId) -> Result<Vec<DecisionRow>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select at, who, verb || ': ' || object as "what!", reason
        from audit_log
        where object like 'order ' || $1 || ' %'
        order by id
        "#,
        order.to_string()
    );

    let rows = rows.fetch_all(&store.workers).await?.into_iter();
    Ok(rows
        .map(|row| DecisionRow {
            at: row.at,
            who: row.who,
            what: row.what,
            reason: row.reason,
        })
        .collect())
}
