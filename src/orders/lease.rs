//! The leases on panels that this process holds: under which epoch it acts, and by when what it
//! marked must have left.
//!
//! The database says who holds a panel; a process that was stopped does not hear it. So it
//! remembers, on a clock that runs on meanwhile, how long its lease lasts at least: counted from
//! before it asked for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Deadline;
use crate::domain::id::ProviderId;
use crate::orders::Delivery;
use crate::store::{StoreError, providers};
use crate::upstream::Panel;

/// How long a panel's lease is held without being renewed, in seconds; a dead process blocks its
/// panels no longer. What a process marked under it leaves within that time or never, so a panel
/// must show an order that much later than it answers one.
pub const LEASE_S: u32 = 10;
/// With less than this left of the lease nothing is marked as being sent: a connection takes its
/// time, and what cannot leave any more had better not be marked at all.
const LEFT_MIN: Duration = Duration::from_secs(2);

/// A lease as its holder knows it.
#[derive(Clone, Copy, Debug)]
struct Lease {
    epoch: i64,
    ends: Deadline,
}

/// What this process holds; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<HashMap<ProviderId, Lease>>>);

impl Leases {
    fn keep(&self, provider: &ProviderId, lease: Option<Lease>) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lease {
            Some(lease) => leases.insert(provider.clone(), lease),
            None => leases.remove(provider),
        };
    }

    fn of(&self, provider: &ProviderId, epoch: i64) -> Option<Deadline> {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases
            .get(provider)
            .filter(|lease| lease.epoch == epoch)
            .map(|lease| lease.ends)
    }
}

impl Delivery {
    /// Takes or renews the lease on a panel. The epoch to act under; `None`: another process has
    /// the panel.
    pub async fn hold(&self, panel: &Panel) -> Result<Option<i64>, StoreError> {
        let provider = &panel.settings().id;

        // Before anything else: the database counts from a moment that is read later, however long
        // it is until then.
        let ends = Deadline::after(Duration::from_secs(u64::from(LEASE_S)));
        let now = self.clock.now();
        let until = now + TimeDelta::seconds(i64::from(LEASE_S));

        let held = providers::acquire_lease(
            &self.store,
            provider,
            self.node,
            until,
            panel.rests_until(),
            now,
        )
        .await?;

        self.leases.keep(
            provider,
            held.map(|held| Lease {
                epoch: held.epoch,
                ends,
            }),
        );

        Ok(held.map(|held| {
            // Another holder may have been told to leave the panel alone.
            held.rests_until
                .into_iter()
                .for_each(|until| panel.rest(until));
            held.epoch
        }))
    }

    /// Whether the lease under this epoch still runs, as far as this process can know without
    /// asking: a process that was stopped finds that it does not.
    pub fn holds(&self, provider: &ProviderId, epoch: i64) -> bool {
        self.leases
            .of(provider, epoch)
            .is_some_and(|ends| !ends.is_over())
    }

    /// By when what is marked now under this epoch must have left. `None`: too little is left of
    /// the lease to mark anything, or it is another one.
    pub(super) fn leave_by(&self, provider: &ProviderId, epoch: i64) -> Option<Deadline> {
        self.leases
            .of(provider, epoch)
            .filter(|ends| ends.left() >= LEFT_MIN)
    }

    /// Gives all leases of this process up.
    pub async fn let_go(&self) -> Result<(), StoreError> {
        providers::let_go(&self.store, self.node).await
    }

    /// Gives the lease on one panel up.
    pub async fn let_one_go(&self, provider: &ProviderId) -> Result<(), StoreError> {
        self.leases.keep(provider, None);
        providers::let_one_go(&self.store, provider, self.node).await
    }
}
