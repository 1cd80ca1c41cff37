//! What this process sent, in its own memory: a database that goes back in time under it forgets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::clock::Timestamp;
use crate::domain::leg::LeasedLeg;
use crate::store::leases::{SendIntent, SentLeg};

/// Legs that are remembered; of more, the oldest are forgotten.
const REMEMBERED_MAX: usize = 20_000;

/// The latest legs that were marked as sent; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct SentLegs(Arc<Mutex<VecDeque<SentLeg>>>);

impl SentLegs {
    /// Remembers a leg whose mark was acknowledged.
    pub(super) fn note(&self, leg: &LeasedLeg, asked: SendIntent<'_>, at: Timestamp) {
        let sent = SentLeg {
            leg: leg.leg,
            order: leg.order,
            attempt: leg.attempt,
            route: leg.route.clone(),
            request_id: asked.request_id.map(str::to_owned),
            account: asked.account.to_owned(),
            address: asked.address.to_owned(),
            at,
        };

        let mut legs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if legs.len() >= REMEMBERED_MAX {
            legs.pop_front();
        }

        legs.push_back(sent);
    }

    /// All of them, in the order in which they were sent.
    pub(super) fn all(&self) -> Vec<SentLeg> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
