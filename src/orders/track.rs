//! Tracking: panels are asked about what they have of ours, often while it is young; their last word settles.

use chrono::TimeDelta;

use crate::domain::clock::Instant;
use crate::domain::id::{LegId, OrderId, PanelOrder};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::provider::{PanelStatus, ProviderSettings};
use crate::domain::settlement::{self, Bought, Outcome, Report};
use crate::ledger;
use crate::orders::{Delivery, settle};
use crate::store::watches::{self, Due};
use crate::store::{StoreError, Tx, legs, orders};
use crate::upstream::{Failure, FailureKind, Panel, Row};

/// Answers in a row that should have settled and could not, before a person is asked.
const PUZZLES_MAX: i32 = 3;
/// Answers in a row that named no status of the order, before a person is asked.
const SILENCES_MAX: i32 = 10;

impl Delivery {
    /// Asks a panel about the orders that are due there, one batch. How many were asked about.
    pub async fn track(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let settings = panel.settings();
        let now = self.clock.now();
        // Until this answer is written down nobody else asks about these; should this process die, they are due again.
        let meanwhile = now + TimeDelta::seconds(i64::from(settings.status_every_s).max(1));
        let batch = i64::from(settings.status_batch_max);
        let due = watches::take(&self.store, &settings.id, epoch, batch, meanwhile, now).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = due.iter().map(|due| due.panel_order.clone()).collect();
        let rows = match ask(panel, &ids).await {
            Ok(rows) => rows,
            Err(failure) => {
                tracing::warn!(provider = %settings.id, orders = ids.len(), %failure, "a panel gave no statuses");
                return Ok(0);
            }
        };
        let now = self.clock.now();
        let mut unchanged = Vec::new();
        for due in &due {
            let row = rows.iter().find(|(id, _)| *id == due.panel_order).map(|(_, row)| row);
            let said = Said::of(row.unwrap_or(&Row::Missing));
            let next_at = next_ask(settings, due.accepted_at, now);
            if said.text == due.seen && !said.puzzles {
                unchanged.push((due.leg, next_at));
                continue;
            }
            self.apply(due, &said, next_at, now).await?;
        }
        watches::put_off_all(&self.store, &unchanged).await?;
        Ok(due.len())
    }

    /// One order's news, in one commit: leg, then order, then wallet.
    async fn apply(&self, due: &Due, said: &Said, next_at: Instant, now: Instant) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let leg = legs::lock(&mut tx, due.leg).await?;
        if leg.state != LegState::Accepted {
            return Ok(());
        }
        let order = orders::lock(&mut tx, leg.order).await?;
        let outcome = match &said.report {
            Some(report) => settlement::outcome(order.bought, report).map_err(settle::too_large)?,
            None => Outcome::AskAgain("the panel names no status of it"),
        };
        match outcome {
            Outcome::Open(state) => {
                let (start, remains) = said.counts();
                orders::progress(&mut tx, order.id, state, start, remains).await?;
                watches::put_off(&mut tx, leg.id, &said.text, next_at, false).await?;
            }
            Outcome::End { state, target, delivered } => {
                let report = said.report.as_ref().ok_or(StoreError::Unexpected("an end without a report"))?;
                let cost = final_cost(report, leg.booked, order.bought, delivered)?;
                ledger::correct_cost(&mut tx, &leg, cost, now).await?;
                let status = &report.status_text;
                legs::end(&mut tx, &leg, status, report.charge_text.as_deref(), cost, now).await?;
                let remains = shown_remains(order.bought, report, delivered);
                let end = settle::End { state, target, delivered, start_count: report.start_count, remains };
                settle::to_target(&mut tx, &order, end, now).await?;
            }
            Outcome::AskAgain(why) => {
                let patience = if said.report.is_some() { PUZZLES_MAX } else { SILENCES_MAX };
                puzzled(&mut tx, leg.id, order.id, &said.text, next_at, why, patience).await?;
            }
            Outcome::Review(why) => puzzled(&mut tx, leg.id, order.id, &said.text, next_at, why, 1).await?,
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Asks about a batch; a panel that declines the batch as a whole, or knows no batches, is asked one by one: one bad
/// id must not keep the others' news away.
async fn ask(panel: &Panel, ids: &[PanelOrder]) -> Result<Vec<(PanelOrder, Row)>, Failure> {
    match panel.status(ids).await {
        Err(failure) if ids.len() > 1 && matches!(failure.kind, FailureKind::Declined | FailureKind::Unreadable) => {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.extend(panel.status(std::slice::from_ref(id)).await?);
            }
            Ok(rows)
        }
        answer => answer,
    }
}

/// Keeps the state and asks again; when patience is over, a person is asked too.
async fn puzzled(
    tx: &mut Tx,
    leg: LegId,
    order: OrderId,
    seen: &str,
    next_at: Instant,
    why: &str,
    patience: i32,
) -> Result<(), StoreError> {
    let times = watches::put_off(tx, leg, seen, next_at, true).await?;
    // Not only at the very number: puzzles of another kind, with more patience, may have counted past it.
    if times >= patience && orders::review(tx, order, why).await? {
        tracing::warn!(%order, %leg, why, "an order waits for a person");
    }
    Ok(())
}

/// What a panel said of one order, and the text by which the same again is recognised.
struct Said {
    report: Option<Report>,
    text: String,
    puzzles: bool,
}

impl Said {
    fn of(row: &Row) -> Self {
        let silent = |text: &str| Self { report: None, text: text.to_owned(), puzzles: true };
        match row {
            Row::Said(report) => Self {
                text: format!("{}|{:?}|{:?}", report.status_text, report.start_count, report.remains),
                puzzles: matches!(
                    report.status,
                    PanelStatus::Partial | PanelStatus::Canceled | PanelStatus::Failed | PanelStatus::Expired
                ),
                report: Some(report.clone()),
            },
            Row::UnknownStatus { text } => silent(&format!("unknown status: {text}")),
            Row::Error { text } => silent(&format!("error: {text}")),
            Row::Missing => silent("missing"),
        }
    }

    /// What an open order shows of its counts; a negative remains is over-delivery, shown as nothing missing.
    fn counts(&self) -> (Option<i64>, Option<i64>) {
        self.report.as_ref().map_or((None, None), |report| (report.start_count, report.remains.map(|r| r.max(0))))
    }
}

/// The panel's own final charge; where it gives none, the expected cost of what it delivered.
fn final_cost(report: &Report, booked: Money, bought: Bought, delivered: u64) -> Result<Money, StoreError> {
    match report.charge {
        Some(charge) if !charge.is_negative() => Ok(charge),
        Some(_) | None => booked.share_rounding_down(delivered, bought.units).map_err(settle::too_large),
    }
}

/// Completed: nothing is missing. Otherwise what was not delivered.
fn shown_remains(bought: Bought, report: &Report, delivered: u64) -> i64 {
    let missing = if report.status == PanelStatus::Completed { 0 } else { bought.units - delivered };
    i64::try_from(missing).unwrap_or(i64::MAX)
}

/// When an order is asked about next: often while it is young, rarely when it is old.
pub fn next_ask(settings: &ProviderSettings, accepted_at: Instant, now: Instant) -> Instant {
    let age = now - accepted_at;
    let times = match age {
        age if age < TimeDelta::minutes(2) => 1,
        age if age < TimeDelta::hours(1) => 4,
        age if age < TimeDelta::hours(24) => 20,
        _ => 120,
    };
    now + TimeDelta::seconds(i64::from(settings.status_every_s).saturating_mul(times))
}
