//! Refills: begun for a delivered order, done after a while; one at a time for each order.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::{
    clock::Moment,
    reply::{RefillState, Refused},
};

/// Refills that are kept.
const REFILLS_MAX: usize = 250_000;

/// Every refill, in the order of its id; ids begin at 1.
#[derive(Debug, Default)]
pub(super) struct Refills {
    /// When each is done.
    done: Vec<Moment>,
    /// The latest refill of each order.
    latest: HashMap<u64, usize>,
}

impl Refills {
    /// Begins one and says its id.
    pub(super) fn begin(
        &mut self,
        order: u64,
        now: Moment,
        span: TimeDelta,
    ) -> Result<u64, Refused> {
        if self
            .latest
            .get(&order)
            .is_some_and(|at| self.done[*at] > now)
        {
            return Err(Refused::RefillRunning);
        }

        if self.done.len() >= REFILLS_MAX {
            return Err(Refused::Full);
        }

        self.latest.insert(order, self.done.len());
        self.done.push(now + span);
        Ok(self.done.len() as u64)
    }

    /// Where the refill at that place stands.
    pub(super) fn state(&self, at: usize, now: Moment) -> Result<RefillState, Refused> {
        let done = self.done.get(at).ok_or(Refused::UnknownRefill)?;
        Ok(if *done <= now {
            RefillState::Completed
        } else {
            RefillState::InProgress
        })
    }
}
