//! Leaving a panel that cannot be sent to: what waits there unsent, parked included, goes by its
//! order's next route, where one may be used.
//!
//! ```text
//!  paused, breaker open, catalog unread ─▶ all that waits
//!  wants to be left alone for a while     ─▶ what is ready, once
//!  its service names the route no more    ─▶ what is parked; what is ready, when due (`margin`)
//! ```
//! It does not come back by itself when the panel runs again: that would send orders to and fro
//! between panels that stop in turn. A freeze of all sending moves nothing.

use crate::catalog::panels::RESTS_LONG;
use crate::domain::choice::Passed;
use crate::domain::clock::Timestamp;
use crate::domain::id::LegId;
use crate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use crate::orders::{Delivery, isolate_failure};
use crate::routing::standing::Worst;
use crate::store::gates::DispatchGate;
use crate::store::leaving::{self, Because, Waiting};
use crate::store::{StoreError, gates};
use crate::upstream::Panel;

/// Legs looked at together.
const LEGS_MAX: i64 = 500;
/// Such batches in one round; what is left over is looked at in the next.
const BATCHES_MAX: usize = 100;
/// What is said of a route that the file names no more.
pub(super) const ROUTE_GONE: &str = "is no route of the service any more";

/// Why legs leave, for the statement that moves them and for people.
struct LeaveReason {
    because: Because,
    why: String,
}

impl Delivery {
    /// Moves what waits at a panel to which nothing is sent for a while, under the panel's lease.
    /// How many legs left.
    pub async fn leave(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let provider = &panel.settings().id;
        let now = self.clock.now();
        let gate = gates::find_gate(&self.store, provider, now).await?;
        let Some(reason) = leave_reason(&gate, now).filter(|_| !gate.frozen) else {
            return Ok(0);
        };

        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
        let context = RoutingContext {
            catalog: &catalog,
            panels: &panels,
        };

        let services = reroute::offered_beside(context, provider);
        if services.is_empty() {
            return Ok(0);
        }

        let (mut left, mut behind) = (0, (Timestamp::UNIX_EPOCH, LegId(0)));
        for _ in 0..BATCHES_MAX {
            let now = self.clock.now();
            let batch = leaving::find_waiting(
                &self.store,
                provider,
                epoch,
                reason.because,
                behind,
                LEGS_MAX,
                now,
            )
            .await?;

            for waiting in batch
                .iter()
                .filter(|waiting| services.contains(&waiting.sold_as))
            {
                left += self.take_away(context, waiting, epoch, &reason).await?;
            }

            let Some(last) = full(&batch) else { break };
            behind = (last.ready_at, last.leg);
        }

        Ok(left)
    }

    /// Moves what is parked at a panel by a route that its service names no more. How many legs
    /// left.
    pub async fn leave_lost_routes(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let provider = &panel.settings().id;
        let (catalog, panels) = (self.catalog.now(), self.catalog.panels());
        let context = RoutingContext {
            catalog: &catalog,
            panels: &panels,
        };

        let reason = LeaveReason {
            because: Because::RouteGone,
            why: ROUTE_GONE.to_owned(),
        };

        let (mut left, mut behind) = (0, (Timestamp::UNIX_EPOCH, LegId(0)));
        for _ in 0..BATCHES_MAX {
            let batch = leaving::find_parked(&self.store, provider, behind, LEGS_MAX).await?;
            let is_stranded = |waiting: &&Waiting| {
                reroute::is_gone(context, &Sale::from(*waiting), &waiting.route)
            };

            for waiting in batch.iter().filter(is_stranded) {
                left += self.take_away(context, waiting, epoch, &reason).await?;
            }

            let Some(last) = full(&batch) else { break };
            behind = (last.ready_at, last.leg);
        }

        Ok(left)
    }

    /// How many legs left: one or none. Trouble with one holds up no other.
    async fn take_away(
        &self,
        context: RoutingContext<'_>,
        waiting: &Waiting,
        epoch: i64,
        reason: &LeaveReason,
    ) -> Result<usize, StoreError> {
        let moved = self.take_one_away(context, waiting, epoch, reason).await;
        let left = usize::from(matches!(moved, Ok(true)));
        isolate_failure(&format!("{}", waiting.order), moved.map(|_| ()))?;
        Ok(left)
    }

    async fn take_one_away(
        &self,
        context: RoutingContext<'_>,
        waiting: &Waiting,
        epoch: i64,
        reason: &LeaveReason,
    ) -> Result<bool, StoreError> {
        let (from, why) = (&waiting.route, reason.why.as_str());
        let mut barred = self.tried_before(waiting.order, waiting.n).await?;
        barred.push(Passed::because(from, why));

        // Where the panel only rests, to wait elsewhere is no better.
        let worst = if matches!(reason.because, Because::Rests(_)) {
            Worst::Free
        } else {
            Worst::Rests
        };

        let leaving = Leaving { from, why };
        let Some(chosen) =
            reroute::route_away(context, &Sale::from(waiting), leaving, &barred, worst)
        else {
            return Ok(false);
        };

        let to = &chosen.route.provider;

        let words = format!("{}: {why}; {to} is tried", from.provider);
        let now = self.clock.now();

        let moved = leaving::move_leg_away(
            &self.store,
            waiting,
            epoch,
            reason.because,
            &chosen,
            &words,
            now,
        )
        .await?;

        if moved {
            tracing::info!(order = %waiting.order, leg = %waiting.leg, from = %from.provider, %to,
                "a leg left its panel: {why}");
        }

        Ok(moved)
    }
}

/// What keeps orders from a panel for longer than it is worth to wait.
fn leave_reason(gate: &DispatchGate, now: Timestamp) -> Option<LeaveReason> {
    if let Some(stopped) = gate.stopped() {
        return Some(LeaveReason {
            because: Because::Stopped,
            why: format!("panel is stopped: {stopped}"),
        });
    }

    let rests_min = now + RESTS_LONG;
    let rests = gate.rests_until.is_some_and(|until| until >= rests_min);
    rests.then(|| LeaveReason {
        because: Because::Rests(rests_min),
        why: "panel wants to be left alone for a while".to_owned(),
    })
}

/// The last of a batch behind which there may be more.
fn full(batch: &[Waiting]) -> Option<&Waiting> {
    batch
        .last()
        .filter(|_| batch.len() == usize::try_from(LEGS_MAX).unwrap_or(usize::MAX))
}
