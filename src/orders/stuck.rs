//! Nothing rests in silence: what did not move for as long as the operator allows is put before a
//! person, once for each rest, and taken back when it moves.
//!
//! A round of its own, for it looks over all that is open: one process of all runs it, once a
//! minute.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::catalog::InForce;
use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, ProviderId, ServiceId};
use crate::domain::leg::LegState;
use crate::domain::provider::SettlingSettings;
use crate::orders::{Delivery, isolate_failure};
use crate::store::stuck::{self, Resting, STUCK};
use crate::store::{StoreError, providers, rounds, versions};

/// How often it is looked.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Under which name processes agree who does it.
const ROUND: &str = "stuck";
/// Legs looked at together.
const LEGS_MAX: i64 = 500;
/// Such batches of each kind, at each panel, in one round; what is left over is looked at in the
/// next.
const BATCHES_MAX: usize = 20;

/// What one look changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Legs that are stuck since.
    pub stuck: usize,
    /// Legs that are stuck no more.
    pub moved: usize,
}

/// How long orders may stand still.
struct StuckAfter {
    of_services: HashMap<ServiceId, u32>,
    of_panel: u32,
}

impl StuckAfter {
    fn of(in_force: &InForce, provider: &ProviderId) -> Self {
        let rules = in_force.mapping.services.iter();
        let of_services = rules
            .filter_map(|rule| Some((rule.id, rule.stuck_after_h?)))
            .collect();

        let settling = in_force
            .panel(provider)
            .map_or_else(SettlingSettings::default, |panel| panel.settling);

        Self {
            of_services,
            of_panel: settling.stuck_after_h,
        }
    }

    /// In hours: the service's word before its panel's.
    fn hours(&self, service: ServiceId) -> u32 {
        self.of_services
            .get(&service)
            .copied()
            .unwrap_or(self.of_panel)
    }

    fn is_over(&self, resting: &Resting, now: Timestamp) -> bool {
        now.signed_duration_since(resting.since)
            >= TimeDelta::hours(i64::from(self.hours(resting.service)))
    }

    /// What rests since after this moment is not stuck, whatever it is.
    fn earliest(&self, now: Timestamp) -> Timestamp {
        let least = self
            .of_services
            .values()
            .copied()
            .chain([self.of_panel])
            .min()
            .unwrap_or(self.of_panel);

        now - TimeDelta::hours(i64::from(least))
    }
}

/// Which of a panel's legs are looked at.
#[derive(Clone, Copy, Debug)]
enum StuckKind {
    Unsent,
    Doubts,
    Unmoved,
}

impl Delivery {
    /// Looks for what is stuck, and for what is so no more; `None`: somebody did lately, or this
    /// process serves an older file than the newest, and does not know how long is allowed.
    pub async fn look_for_stuck(&self) -> Result<Option<Looked>, StoreError> {
        let now = self.clock.now();
        let in_force = self.catalog.in_force();
        let newest = versions::find_newest(&self.store).await?;

        if newest.is_some_and(|(_, newest)| newest != in_force.mapping.hash) {
            return Ok(None);
        }

        if !rounds::begin_round(&self.store, ROUND, now - LOOK_EVERY, now).await? {
            return Ok(None);
        }

        let mut looked = Looked::default();
        for provider in providers::list_ids(&self.store).await? {
            let patience = StuckAfter::of(&in_force, &provider);

            // Of a panel whose block is gone nobody reads prices: what waits for them is told all
            // the same.
            if in_force.panel(&provider).is_none() {
                self.confirm_differences(&provider, SettlingSettings::default())
                    .await?;
            }

            looked.moved += self.let_moved_go(&provider, &patience, now).await?;
            for kind in [StuckKind::Unsent, StuckKind::Doubts, StuckKind::Unmoved] {
                looked.stuck += self.find_stuck(&provider, &patience, kind, now).await?;
            }
        }

        let mut tx = self.store.begin().await?;
        rounds::end_round(&mut tx, ROUND, now).await?;
        tx.commit().await?;

        Ok(Some(looked))
    }

    /// What was stuck and moved, or may rest for longer now.
    async fn let_moved_go(
        &self,
        provider: &ProviderId,
        patience: &StuckAfter,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (mut moved, mut behind) = (0, LegId(0));
        for _ in 0..BATCHES_MAX {
            let batch = stuck::list_stuck(&self.store, provider, behind, LEGS_MAX).await?;
            for resting in batch
                .iter()
                .filter(|resting| !patience.is_over(resting, now))
            {
                isolate_failure(
                    &resting.order.to_string(),
                    self.let_one_moved_go(resting).await,
                )?;
                moved += 1;
            }

            let Some(last) = full(&batch) else { break };
            behind = last.leg;
        }

        Ok(moved)
    }

    async fn let_one_moved_go(&self, resting: &Resting) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        stuck::clear_stuck(&mut tx, resting.leg, resting.order).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn find_stuck(
        &self,
        provider: &ProviderId,
        patience: &StuckAfter,
        kind: StuckKind,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let earliest = patience.earliest(now);
        let (mut found, mut behind) = (0, LegId(0));

        for _ in 0..BATCHES_MAX {
            let batch = match kind {
                StuckKind::Unsent => {
                    stuck::find_unsent(&self.store, provider, behind, LEGS_MAX).await?
                }
                StuckKind::Doubts => {
                    stuck::find_doubts(&self.store, provider, earliest, behind, LEGS_MAX).await?
                }
                StuckKind::Unmoved => {
                    stuck::find_unmoved(&self.store, provider, earliest, behind, LEGS_MAX).await?
                }
            };

            let is_stuck =
                |resting: &&Resting| resting.stuck_at.is_none() && patience.is_over(resting, now);

            for resting in batch.iter().filter(is_stuck) {
                let why = words(resting, provider, patience.hours(resting.service));
                let sticks = stuck::mark_stuck(&self.store, resting, &why, now).await;
                found += usize::from(matches!(sticks, Ok(true)));

                if matches!(sticks, Ok(true)) {
                    tracing::warn!(
                        order = %resting.order, %provider, "an order waits for a person: {why}"
                    );
                }

                isolate_failure(&resting.order.to_string(), sticks.map(|_| ()))?;
            }

            // What waits unsent comes in the order in which it began: behind a batch of young ones
            // all are young.
            let all_young = batch.iter().all(|resting| resting.since > earliest);
            let Some(last) = full(&batch).filter(|_| !all_young) else {
                break;
            };

            behind = last.leg;
        }

        Ok(found)
    }
}

/// What a person is told of an order that does not move, and what can be done.
fn words(resting: &Resting, provider: &ProviderId, hours: u32) -> String {
    let order = resting.order;
    match resting.state {
        LegState::Ready | LegState::Leased | LegState::Parked => format!(
            "{STUCK}it has waited at {provider} for {hours} h and was not sent: `order show \
             {order}` tells why; `order reroute {order}` moves it, `order cancel {order}` takes \
             it back"
        ),
        LegState::InDoubt => format!(
            "{STUCK}it has been in doubt at {provider} for {hours} h: look for it there, and \
             decide with `order resolve {order}`"
        ),
        LegState::Sending
        | LegState::Accepted
        | LegState::Refused
        | LegState::Ended
        | LegState::Canceled
        | LegState::WrittenOff => format!(
            "{STUCK}it has not moved at {provider} for {hours} h: ask the panel, and settle it \
             with `order settle {order}`"
        ),
    }
}

/// The last of a batch behind which there may be more.
fn full(batch: &[Resting]) -> Option<&Resting> {
    batch
        .last()
        .filter(|_| batch.len() == usize::try_from(LEGS_MAX).unwrap_or(usize::MAX))
}
