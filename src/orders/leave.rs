//! Leaving a stopped panel: what waits there unsent goes by its order's next route, where one may be used.
//!
//! It does not come back by itself when the panel runs again: that would send orders to and fro between panels that
//! stop in turn. A freeze of all sending moves nothing.

use crate::domain::choice::Passed;
use crate::domain::clock::Instant;
use crate::domain::id::LegId;
use crate::orders::reroute::{self, Leaving, Sale, Sight};
use crate::orders::{Delivery, apart};
use crate::store::leaving::{self, Waiting};
use crate::store::{StoreError, gates};
use crate::upstream::Panel;

/// Legs looked at together.
const LEGS_MAX: i64 = 500;
/// Such batches in one round; what is left over is looked at in the next.
const BATCHES_MAX: usize = 100;

impl Delivery {
    /// Moves what waits at a panel to which nothing is sent, under the panel's lease. How many legs left.
    pub async fn leave(&self, panel: &Panel, epoch: i64) -> Result<usize, StoreError> {
        let provider = &panel.settings().id;
        let gate = gates::gate(&self.store, provider, self.clock.now()).await?;
        let Some(stopped) = gate.stopped().filter(|_| !gate.frozen) else { return Ok(0) };
        let why = format!("panel is stopped: {stopped}");
        let (catalogue, panels) = (self.catalog.now(), self.catalog.panels());
        let sight = Sight { catalogue: &catalogue, panels: &panels };
        let services = reroute::offered_beside(sight, provider);
        if services.is_empty() {
            return Ok(0);
        }
        let (mut left, mut behind) = (0, (Instant::UNIX_EPOCH, LegId(0)));
        for _ in 0..BATCHES_MAX {
            let now = self.clock.now();
            let batch = leaving::waiting(&self.store, provider, epoch, behind, LEGS_MAX, now).await?;
            for waiting in batch.iter().filter(|waiting| services.contains(&waiting.sold_as)) {
                let moved = self.take_away(sight, waiting, epoch, &why, now).await;
                left += usize::from(matches!(moved, Ok(true)));
                apart(&format!("{}", waiting.order), moved.map(|_| ()))?;
            }
            match batch.last() {
                Some(last) if batch.len() == usize::try_from(LEGS_MAX).unwrap_or(usize::MAX) => {
                    behind = (last.ready_at, last.leg);
                }
                Some(_) | None => break,
            }
        }
        Ok(left)
    }

    async fn take_away(
        &self,
        sight: Sight<'_>,
        waiting: &Waiting,
        epoch: i64,
        why: &str,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let from = &waiting.route;
        let mut barred = self.tried_before(waiting.order, waiting.n).await?;
        barred.push(Passed::because(from, why));
        let leaving = Leaving { from, why };
        let Some(chosen) = reroute::away(sight, &Sale::from(waiting), leaving, &barred) else { return Ok(false) };
        let to = &chosen.route.provider;
        let reason = format!("{}: {why}; {to} is tried", from.provider);
        let moved = leaving::leave(&self.store, waiting, epoch, &chosen, &reason, now).await?;
        if moved {
            tracing::info!(order = %waiting.order, leg = %waiting.leg, from = %from.provider, %to, "a leg left its panel: {why}");
        }
        Ok(moved)
    }
}
