//! Alerts: what needs a person is told once, to the log and to the operator's webhook, and once
//! more when it is over.
//!
//! ```text
//!            ┌ not so any more: forgotten
//!  so ───────┤                                    ┌ not so any more
//!            └ for its kind's patience ─▶ raised ─┴─▶ over
//!                                           │          │
//!                              alert.raised ▼          ▼ alert.over
//!
//!  each to the log at once, and to the webhook until it takes it
//! ```
//! The database holds what was found so and what was told of it, so any number of processes look
//! and tell, and each message has one teller. Told at least once: a process that dies between a
//! message and its note leaves it to be told again, under the same id. An alert that is over before
//! it was told is told as both, in order: a try that looked failed may have been heard, and a
//! receiver that heard of a beginning shall hear of its end.

mod away;
mod look;
mod prove;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::alerts::away::Absence;
use crate::catalog::Catalog;
use crate::catalog::mapping::Mapping;
use crate::domain::clock::SharedClock;
use crate::domain::id::ConfigHash;
use crate::store::Store;
use crate::store::conditions::WatchedPanel;
use crate::webhooks::Webhook;

pub use look::Turns;

/// How long the webhook may take for one message; shorter than the drain, which waits for it.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Who looks, tells and proves.
#[derive(Clone, Debug)]
pub struct Alerts {
    store: Store,
    clock: SharedClock,
    catalog: Catalog,
    heard: Arc<ArcSwap<AlertSettings>>,
    /// As alerts call this process.
    node: String,
    absence: Arc<Absence>,
}

/// What the configuration in force says: what is watched, and who is told.
#[derive(Debug)]
struct AlertSettings {
    hash: ConfigHash,
    watched: Vec<WatchedPanel>,
    webhook: Option<Webhook>,
}

impl AlertSettings {
    fn of(mapping: &Mapping, webhook: Option<Webhook>) -> Self {
        let watched = mapping.providers.iter().map(|provider| WatchedPanel {
            provider: provider.id.clone(),
            balance_low: provider.balance_low,
            refill_expires_after_h: provider.asking.refill_expires_after_h,
        });

        Self {
            hash: mapping.hash.clone(),
            watched: watched.collect(),
            webhook,
        }
    }
}

impl Alerts {
    /// Alerts about what is sold and about the panels of the configuration, told to the log only.
    /// `node` is this process.
    pub fn new(store: Store, catalog: Catalog, clock: SharedClock, node: &str) -> Self {
        let heard = Arc::new(ArcSwap::from_pointee(AlertSettings::of(
            &catalog.mapping(),
            None,
        )));

        Self {
            store,
            clock,
            catalog,
            heard,
            node: node.to_owned(),
            absence: Arc::default(),
        }
    }

    /// The same, told to this webhook too.
    #[must_use]
    pub fn telling(self, webhook: Option<Webhook>) -> Self {
        let heard = self.heard.load();
        let (hash, watched) = (heard.hash.clone(), heard.watched.clone());
        self.heard.store(Arc::new(AlertSettings {
            hash,
            watched,
            webhook,
        }));

        self
    }

    /// Watches what another configuration says, and tells whom it names, from the next round on.
    pub fn follow(&self, mapping: &Mapping, webhook: Option<Webhook>) {
        self.heard
            .store(Arc::new(AlertSettings::of(mapping, webhook)));
    }
}
