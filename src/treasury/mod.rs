//! The treasury: what our money at the panels does, and whether it does what our orders say.
//!
//! ```text
//!  reading ──settled──▶ reading ──▶ reading ──▶ reading …   what the panel says
//!        ╲               ╱                                       (in its own currency)
//!         ╰── moves ────╯
//!
//!  each is measured against the last settled one, less what our orders took meanwhile
//! ```
//! Nobody knows to the moment when a panel took or gave back: each move has a moment before which
//! and one after which it did not happen, and some may not have happened at all. So what is
//! expected is an interval, and only what lies outside of it is a difference. Knowledge grows: an
//! order that was heard to be open after a reading was not given back before it. So earlier
//! readings are measured again by what is known now, and one settles when everything is known
//! to have moved before it or after it. A difference is told when it stands at two readings in a
//! row; one that is smaller than what is not known waits some hours for what open orders will tell.
//!
//! What is outside by no more than the roundings can make is none. Each move brings the slack of
//! its own roundings (`balance_moves`), and each of the two readings one unit of the last decimal
//! that the panel showed lately: some round what they show.

mod explain;
mod judge;

use chrono::TimeDelta;

use crate::domain::clock::SharedClock;
use crate::domain::expected_balance::CLOCKS_DIFFER;
use crate::domain::float::{BalanceReading, Drift};
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::money::MoneyError;
use crate::domain::provider::ProviderSettings;
use crate::store::treasury::{UNTOLD_PERCENT, Unsure};
use crate::store::{Store, StoreError, Tx, balance_moves, drifts, readings, treasury};
use crate::treasury::explain::{KnownMoves, Suspect};
use crate::treasury::judge::{BalanceGap, JudgedStep};

/// How long readings and moves are kept.
const KEEP: TimeDelta = TimeDelta::days(7);
/// How long readings are measured against the last one at which everything was explained: less than
/// what is kept.
const ANCHOR_AGE_MAX: TimeDelta = TimeDelta::days(6);
/// Readings kept of one panel, whatever their age: one every ten seconds for half a day.
const READINGS_MAX: i64 = 4_000;

/// Orders that cost what came in where it is not known sharply: more than so many are none that
/// anybody can name.
const NAMED_MAX: usize = 5;

/// Between which readings a difference arose, and the last look, at which a habit of the panel goes
/// on.
#[derive(Clone, Copy, Debug)]
struct Span<'r> {
    /// The reading before it.
    after: &'r BalanceReading,
    /// The reading at which it was seen.
    by: &'r BalanceReading,
    /// The newest reading.
    newest: &'r BalanceReading,
}

/// Who compares.
#[derive(Clone, Debug)]
pub struct Treasury {
    store: Store,
    clock: SharedClock,
}

impl Treasury {
    /// The treasury of a database.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// Measures what a panel said since its last settled reading, and keeps what was found; nothing
    /// is found twice, whoever measures. What was found.
    pub async fn judge(&self, settings: &ProviderSettings) -> Result<Vec<Drift>, StoreError> {
        match self.compare(settings).await {
            // Another process compares the same at this moment; what it finds stands.
            Err(error) if error.is_collision() => Ok(Vec::new()),
            found => found,
        }
    }

    async fn compare(&self, settings: &ProviderSettings) -> Result<Vec<Drift>, StoreError> {
        let now = self.clock.now();
        let provider = &settings.id;

        // By itself, for what is sent and concluded meanwhile wants the panel's row too.
        if !treasury::keep_runway(&self.store, provider, now).await? {
            return Ok(Vec::new());
        }

        let mut tx = treasury::begin_comparison(&self.store).await?;
        let readings = readings::list_unsettled(&mut tx, provider, &settings.currency).await?;
        let (Some(base), Some(last)) = (readings.first(), readings.last()) else {
            return Ok(Vec::new());
        };

        if base.id == last.id {
            return Ok(Vec::new());
        }

        // What moved is forgotten after a while, so what nobody remembers is measured from the
        // base.
        let oldest = now - ANCHOR_AGE_MAX;
        let anchor = readings::find_anchor(&mut tx, provider, &settings.currency).await?;
        let anchor = anchor
            .filter(|anchor| anchor.asked_at >= oldest)
            .unwrap_or_else(|| base.clone());

        let since = anchor.asked_at.min(base.asked_at) - CLOCKS_DIFFER;
        let mut moves = treasury::known_moves(&mut tx, provider, since, UNTOLD_PERCENT).await?;
        let unsure = Unsure {
            visible_after_s: settings.doubts.visible_after_s,
            untold_percent: UNTOLD_PERCENT,
        };

        moves.extend(treasury::possible_moves(&mut tx, provider, unsure).await?);
        let doubted = treasury::found_not_placed(&mut tx, provider, since, last.at).await?;
        let candidate = |(order, amount)| Suspect { order, amount };
        let doubted: Vec<Suspect> = doubted.into_iter().map(candidate).collect();
        let refused = treasury::refused_orders(&mut tx, provider, since, last.at).await?;
        let refused: Vec<Suspect> = refused.into_iter().map(candidate).collect();

        if moves.len() >= usize::try_from(treasury::MOVES_MAX).unwrap_or(usize::MAX) {
            // Half of the moves would be worse than none: measured anew from here.
            tracing::warn!(
                %provider, "too much moved at a panel to compare it with its balance; begun anew"
            );

            readings::settle_reading(&mut tx, last.id, now).await?;
            tx.commit().await?;
            return Ok(Vec::new());
        }

        let judged = judge::judge_readings(&anchor, &readings, &moves).map_err(too_large)?;
        readings::keep_expected(&mut tx, last.id, judged.last.low, judged.last.high).await?;
        readings::keep_anchor(&mut tx, judged.anchor.id, now).await?;
        let mut found = Vec::new();

        for step in judged.steps {
            let reading = step.by();
            if !readings::settle_reading(&mut tx, reading.id, now).await? {
                // Another process measured the same; what it found stands, and this changes
                // nothing.
                return Ok(Vec::new());
            }

            if let JudgedStep::Differs { after, by, gap } = step {
                let as_dear = as_dear(&mut tx, provider, &gap).await?;
                let known = KnownMoves {
                    moves: &moves,
                    doubted: &doubted,
                    refused: &refused,
                    as_dear: &as_dear,
                };

                let newest = last;
                let span = Span { after, by, newest };
                let drift = explain::explain_gap(&gap, span, known).map_err(too_large)?;

                drifts::keep_drift(
                    &mut tx,
                    provider,
                    &settings.currency,
                    after,
                    by,
                    &drift,
                    now,
                )
                .await?;

                found.push(drift);
            }
        }

        tx.commit().await?;
        log_drifts(settings, &found);
        Ok(found)
    }

    /// Forgets what no comparison needs any more.
    pub async fn forget(&self) -> Result<(), StoreError> {
        let before = self.clock.now() - KEEP;
        readings::forget_readings(&self.store, before, READINGS_MAX).await?;
        balance_moves::forget_moves(&self.store, before).await
    }
}

fn log_drifts(settings: &ProviderSettings, found: &[Drift]) {
    for drift in found {
        let (cause, amount) = (drift.cause.as_str(), drift.amount);
        tracing::info!(
            provider = %settings.id, cause, %amount, currency = settings.currency,
            "float: {}", drift.words
        );
    }
}

/// Orders whose cost came in, by exactly so much or else by what it may be.
async fn as_dear(
    tx: &mut Tx,
    provider: &ProviderId,
    gap: &BalanceGap,
) -> Result<Vec<OrderId>, StoreError> {
    if !gap.missing.is_negative() {
        return Ok(Vec::new());
    }

    let came_in = gap.missing.size();
    let least = came_in.minus(gap.tolerance).map_err(too_large)?;
    let most = came_in.plus(gap.tolerance).map_err(too_large)?;
    let exactly = treasury::as_dear(tx, provider, least, most).await?;

    if !exactly.is_empty() || gap.is_exact() {
        return Ok(exactly);
    }

    let most = most.plus(gap.blur).map_err(too_large)?;
    let perhaps = treasury::as_dear(tx, provider, least, most).await?;
    Ok(if perhaps.len() > NAMED_MAX {
        Vec::new()
    } else {
        perhaps
    })
}

/// A panel's balance and a few thousand orders always fit.
fn too_large(_: MoneyError) -> StoreError {
    StoreError::Unexpected("an amount that the books cannot hold")
}
