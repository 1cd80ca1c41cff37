//! The audit's checks: each looks for what must not exist, all read from one moment of the
//! database.
//!
//! The statements stand beside this file, one for each thing that is looked at; each judges many
//! checks in one pass and answers with those that failed. What nobody could notice when it is
//! changed by hand, because it stands in one place only, is listed in `docs/audit.md`.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::provider::RefusalClass;
use crate::domain::service::ServiceType;
use crate::store::doubts::RESTORE;
use crate::store::{Store, StoreError, Tx};

/// A leg that is being sent for longer is forgotten: timeouts and their grace are shorter.
const SENDING_MAX: TimeDelta = TimeDelta::minutes(5);
/// How long anybody holds a leg or a panel, and by how much the clocks of two nodes may differ.
const HELD_MAX: TimeDelta = TimeDelta::minutes(2);
/// How long an unsent or parked leg, a message of an alert, a breaker or a panel that wants to be
/// left alone waits.
const WAIT_MAX: TimeDelta = TimeDelta::hours(1);
/// Between two looks at a doubt: a day, and what a slow look takes.
const DOUBT_CHECK_MAX: TimeDelta = TimeDelta::hours(25);
/// Between two questions about an order: 120 times the longest `status_every_s`, or the last look
/// after its end.
const STATUS_MAX: TimeDelta = TimeDelta::hours(121);
/// Between two tries of a cancel: the last of its doubled waits.
const CANCEL_MAX: TimeDelta = TimeDelta::hours(3);
/// The longest `refill_expires_after_h`.
const REFILL_MAX: TimeDelta = TimeDelta::days(366);
/// Moves of our balances at panels are kept for seven days; younger ones than this are all there.
const MOVES_KEPT: TimeDelta = TimeDelta::hours(7 * 24 - 1);
/// Refills of one order that count, where the configuration says nothing, and the most that it may
/// say.
const REFILLS: i64 = 3;
const REFILLS_MAX: i64 = 1_000;
/// What is written within this time before an audit may be committed after it: it is looked at
/// again.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// Orders that one statement looks at: what it needs for them fits into memory.
const ORDERS_AT_ONCE: i32 = 1_000_000;
/// What of a failed check's rows is told; the statements tell no more either.
const EXAMPLES_MAX: usize = 5;
/// A parked leg that no panel's refusal parked.
const PARKED_BY_MARGIN: &str = "margin";

/// Every check, in the order in which it is told.
pub const CHECKS: [&str; 79] = [
    // wallets.sql
    "wallet_is_sum_of_transfers",
    "wallet_above_floor",
    "wallet_version_chain",
    "wallet_floor_is_credit",
    "customer_has_wallet",
    // transfers.sql
    "accounts_fit_reason",
    "order_fits_reason",
    "reference_fits_reason",
    "wallet_state_is_kept",
    // orders.sql
    "refunded_is_ledger",
    "absorbed_is_ledger",
    "given_by_hand_is_kept",
    "one_charge_per_order",
    "charged_when_placed",
    "wallet_is_the_customers",
    "key_is_the_customers",
    "charge_is_price",
    "kind_counts_units",
    "refunded_is_target",
    "remains_are_what_is_missing",
    "state_is_last_settlements",
    "state_fits_legs",
    "ended_unplaced_is_refunded_whole",
    "open_order_has_open_leg",
    "ended_order_sends_nothing",
    "ended_order_is_over_there",
    "order_has_leg",
    "legs_are_numbered",
    "only_last_leg_is_open",
    // prices.sql
    "rate_is_the_rules",
    "config_is_known",
    "service_is_known",
    // settlements.sql
    "settlements_are_refunded",
    "settlement_is_its_transfer",
    "settlement_reaches_its_target",
    "target_is_what_is_missing",
    "ended_when_settled",
    // gifts.sql
    "given_by_hand_is_ledger",
    // legs.sql
    "leg_is_as_its_state_says",
    "leg_books_what_its_state_says",
    "sending_is_on_record",
    "verdict_fits_leg",
    "panel_order_is_kept",
    "panel_order_is_where_it_was_asked_for",
    "accepted_leg_is_watched",
    "watch_is_its_legs",
    "panel_is_known",
    // costs.sql
    "cost_is_booked",
    "exposure_is_in_doubt",
    // attempts.sql
    "one_send_per_leg",
    "moves_are_booked",
    "move_is_its_legs",
    // refills_and_cancels.sql
    "one_refill_under_way",
    "refills_are_not_too_many",
    "refill_is_of_a_delivery",
    "refill_is_as_its_state_says",
    "cancel_is_as_its_state_says",
    "cancel_ends_with_its_order",
    // due.sql
    "sending_is_young",
    "refill_is_soon_answered",
    "doubt_is_looked_into",
    "leg_is_due_soon",
    "watch_is_due_soon",
    "cancel_is_due_soon",
    "refill_is_due_soon",
    "alert_is_due_soon",
    "round_is_due_soon",
    "panel_rests_shortly",
    // rows.sql, when everything is looked at
    "panel_order_in_one_leg",
    "request_has_order",
    "request_answers_its_order",
    "answer_is_remembered",
    "rows_have_their_owner",
    "house_has_its_accounts",
    "ids_are_new",
    "burned_order_was_not_bought",
    "proof_is_booked",
    "version_is_its_text",
    "drift_is_of_its_readings",
];

/// A check and how many rows failed it; none is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Rows that must not exist.
    pub violations: i64,
    /// What the first few of them are about: `order 17`, `customer 3`.
    pub examples: Vec<String>,
}

/// A check that failed, as a statement names it.
struct Failed {
    name: String,
    violations: i64,
    examples: Vec<String>,
}

/// What an audit looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// What moved since everything was looked at, and what is open.
    Since(Mark),
}

/// Up to where everything was looked at: the last transfer that need not be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(i64);

/// What was found, and up to where.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Every check.
    pub checks: Vec<Check>,
    /// Up to where was looked.
    pub mark: Mark,
}

/// Which orders a statement is about: those with an id between two, and those named.
struct AuditedOrders {
    first: i32,
    last: i32,
    named: Vec<i32>,
}

/// Checks everything, or what moved lately, in one snapshot: what moves meanwhile is no violation.
pub async fn run_checks(
    store: &Store,
    extent: Extent,
    now: Timestamp,
) -> Result<Answers, StoreError> {
    let mut tx = begin(store).await?;
    let since = match extent {
        Extent::Whole => Mark(0),
        Extent::Since(mark) => mark,
    };

    let mut failed = of_wallets(&mut tx, since).await?;

    for orders in orders_of(&mut tx, extent).await? {
        failed.extend(of_orders(&mut tx, &orders).await?);
        failed.extend(of_legs(&mut tx, &orders, now).await?);
    }

    failed.extend(of_asks(&mut tx).await?);
    failed.extend(of_due_times(&mut tx, now).await?);

    if extent == Extent::Whole {
        failed.extend(
            sqlx::query_file_as!(Failed, "src/store/audit/rows.sql")
                .fetch_all(&mut *tx)
                .await?,
        );
    }

    let mark = mark_of(&mut tx, now).await?;
    tx.rollback().await?;
    Ok(Answers {
        checks: told(failed)?,
        mark,
    })
}

/// One moment of the database, and the means to look at much of it.
async fn begin(store: &Store) -> Result<Tx, StoreError> {
    let mut tx = store.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read, read only")
        .execute(&mut *tx)
        .await?;

    // A statement of the audit looks at a million orders; those of customers may not take so long.
    sqlx::query!("set local statement_timeout = '10min'")
        .execute(&mut *tx)
        .await?;

    sqlx::query!("set local work_mem = '64MB'")
        .execute(&mut *tx)
        .await?;

    // The same statement is asked of everything and of a few orders.
    sqlx::query!("set local plan_cache_mode = force_custom_plan")
        .execute(&mut *tx)
        .await?;

    Ok(tx)
}

/// All orders, a million ids at a time, or those of which anything moved or may move.
async fn orders_of(tx: &mut Tx, extent: Extent) -> Result<Vec<AuditedOrders>, StoreError> {
    match extent {
        Extent::Whole => {
            let last = sqlx::query_scalar!(r#"select coalesce(max(id), 0) as "last!" from orders"#);
            let last = last.fetch_one(&mut **tx).await?;
            let slices = (0..=last / ORDERS_AT_ONCE).map(|slice| {
                let first = slice * ORDERS_AT_ONCE;
                AuditedOrders {
                    first,
                    last: first.saturating_add(ORDERS_AT_ONCE - 1),
                    named: Vec::new(),
                }
            });

            Ok(slices.collect())
        }
        Extent::Since(mark) => {
            let named = sqlx::query_file_scalar!("src/store/audit/concerned.sql", mark.0)
                .fetch_one(&mut **tx)
                .await?;

            // No order has an id below 1.
            Ok(vec![AuditedOrders {
                first: 0,
                last: 0,
                named,
            }])
        }
    }
}

async fn of_wallets(tx: &mut Tx, since: Mark) -> Result<Vec<Failed>, StoreError> {
    let wallets = sqlx::query_file_as!(Failed, "src/store/audit/wallets.sql", since.0);
    let mut failed = wallets.fetch_all(&mut **tx).await?;

    let transfers = sqlx::query_file_as!(Failed, "src/store/audit/transfers.sql", since.0);
    failed.extend(transfers.fetch_all(&mut **tx).await?);
    Ok(failed)
}

async fn of_orders(tx: &mut Tx, orders: &AuditedOrders) -> Result<Vec<Failed>, StoreError> {
    let AuditedOrders { first, last, named } = orders;
    let kinds = ServiceType::ALL.map(|kind| kind.name().to_owned());

    let stand = sqlx::query_file_as!(
        Failed,
        "src/store/audit/orders.sql",
        first,
        last,
        named,
        &kinds[..]
    );

    let mut failed = stand.fetch_all(&mut **tx).await?;

    let sold = sqlx::query_file_as!(Failed, "src/store/audit/prices.sql", first, last, named);
    failed.extend(sold.fetch_all(&mut **tx).await?);

    let settled = sqlx::query_file_as!(
        Failed,
        "src/store/audit/settlements.sql",
        first,
        last,
        named
    );

    failed.extend(settled.fetch_all(&mut **tx).await?);
    let given = sqlx::query_file_as!(Failed, "src/store/audit/gifts.sql", first, last, named);
    failed.extend(given.fetch_all(&mut **tx).await?);

    Ok(failed)
}

async fn of_legs(
    tx: &mut Tx,
    orders: &AuditedOrders,
    now: Timestamp,
) -> Result<Vec<Failed>, StoreError> {
    let AuditedOrders { first, last, named } = orders;
    let mut parked_for: Vec<String> = RefusalClass::ALL
        .map(|class| class.as_str().to_owned())
        .to_vec();

    parked_for.push(PARKED_BY_MARGIN.to_owned());
    let stand = sqlx::query_file_as!(
        Failed,
        "src/store/audit/legs.sql",
        first,
        last,
        named,
        &parked_for,
        RESTORE
    );

    let mut failed = stand.fetch_all(&mut **tx).await?;

    let costs = sqlx::query_file_as!(Failed, "src/store/audit/costs.sql", first, last, named);
    failed.extend(costs.fetch_all(&mut **tx).await?);

    let sent = sqlx::query_file_as!(
        Failed,
        "src/store/audit/attempts.sql",
        first,
        last,
        named,
        now - MOVES_KEPT
    );

    failed.extend(sent.fetch_all(&mut **tx).await?);
    Ok(failed)
}

async fn of_asks(tx: &mut Tx) -> Result<Vec<Failed>, StoreError> {
    let asks = sqlx::query_file_as!(
        Failed,
        "src/store/audit/refills_and_cancels.sql",
        REFILLS,
        REFILLS_MAX
    );
    Ok(asks.fetch_all(&mut **tx).await?)
}

async fn of_due_times(tx: &mut Tx, now: Timestamp) -> Result<Vec<Failed>, StoreError> {
    let due = sqlx::query_file_as!(
        Failed,
        "src/store/audit/due.sql",
        now - SENDING_MAX,
        now + WAIT_MAX,
        now + HELD_MAX,
        now + DOUBT_CHECK_MAX,
        now + STATUS_MAX,
        now + CANCEL_MAX,
        now + REFILL_MAX
    );

    Ok(due.fetch_all(&mut **tx).await?)
}

/// The last transfer before which none is still to be committed.
async fn mark_of(tx: &mut Tx, now: Timestamp) -> Result<Mark, StoreError> {
    let last = sqlx::query_scalar!(
        "select id from transfer where at < $1 order by id desc limit 1",
        now - OVERLAP
    );
    Ok(Mark(last.fetch_optional(&mut **tx).await?.unwrap_or(0)))
}

/// Every check in its place, with what the statements found of it.
fn told(failed: Vec<Failed>) -> Result<Vec<Check>, StoreError> {
    let mut checks = CHECKS.map(|name| Check {
        name,
        violations: 0,
        examples: Vec::new(),
    });

    for found in failed {
        let check = checks.iter_mut().find(|check| check.name == found.name);
        let check = check.ok_or(StoreError::Unexpected(
            "a statement of the audit names a check that nobody knows",
        ))?;

        check.violations = check.violations.saturating_add(found.violations);
        check.examples.extend(found.examples);
        check.examples.truncate(EXAMPLES_MAX);
    }

    Ok(checks.to_vec())
}

/// Up to where everything was looked at, if that was after a moment, and the books held.
pub async fn last_whole(store: &Store, whole_min: Timestamp) -> Result<Option<Mark>, StoreError> {
    let mark = sqlx::query_scalar!(
        "select transfer_id from audit_mark where whole_at > $1",
        whole_min
    );
    Ok(mark.fetch_optional(&store.workers).await?.map(Mark))
}

/// Everything was looked at, and the books hold up to there.
pub async fn keep_mark(tx: &mut Tx, mark: Mark, now: Timestamp) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        r#"
        insert into audit_mark (whole_at, transfer_id)
        values ($1, $2)
        on conflict (one) do update
        set whole_at = excluded.whole_at, transfer_id = excluded.transfer_id
        "#,
        now,
        mark.0
    );

    kept.execute(&mut **tx).await?;
    Ok(())
}

/// The books do not hold: until they do, everything is looked at every time.
pub async fn forget_mark(tx: &mut Tx) -> Result<(), StoreError> {
    sqlx::query!("delete from audit_mark")
        .execute(&mut **tx)
        .await?;
    Ok(())
}
