//! How the panels stand, as choosing a route sees them: a picture in memory, so that buying asks
//! the database nothing.
//!
//! It is read anew every second, and so may be late by that much: whoever sends asks the database
//! again.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::domain::choice::Strategy;
use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::routing::standing::{ProviderStanding, Share};
use crate::store::{Store, StoreError, standing};

use crate::catalog::mapping::Mapping;

/// How far back what panels delivered is looked at.
const DELIVERED_WITHIN: TimeDelta = TimeDelta::hours(24);
/// How often that is read anew: it moves slowly, and costs more than the rest.
const DELIVERED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// A panel that wants to be left alone for longer than this is passed over where another may be
/// used; for less it is not worth an order's while to go elsewhere.
pub const RESTS_LONG: TimeDelta = TimeDelta::seconds(10);
/// With fewer ended legs than this a panel is taken to deliver everything: a few orders say little.
pub const DELIVERED_LEGS_MIN: i64 = 20;

/// The panels at one moment; of those that it does not name nothing is known, and so nothing bad.
#[derive(Clone, Debug, Default)]
pub struct Panels {
    standings: HashMap<ProviderId, ProviderStanding>,
    delivered: HashMap<ProviderId, Share>,
    delivered_at: Option<Timestamp>,
}

impl Panels {
    /// How a panel stands.
    pub fn standing(&self, provider: &ProviderId) -> ProviderStanding {
        self.standings.get(provider).copied().unwrap_or_default()
    }

    /// Reads how the panels stand now; what they delivered only now and then, and only where a
    /// service asks for it.
    pub(super) async fn after(
        &self,
        store: &Store,
        mapping: &Mapping,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let halted = standing::halted_panels(store, now + RESTS_LONG).await?;
        let is_old = self
            .delivered_at
            .is_none_or(|at| now - at >= DELIVERED_EVERY || now < at);

        let (delivered, delivered_at) = if is_old && is_scored(mapping) {
            let shares =
                standing::delivered_shares(store, now - DELIVERED_WITHIN, DELIVERED_LEGS_MIN)
                    .await?;
            (shares.into_iter().collect(), Some(now))
        } else {
            (self.delivered.clone(), self.delivered_at)
        };

        let mut standings: HashMap<ProviderId, ProviderStanding> = HashMap::new();
        for (provider, share) in &delivered {
            standings.entry(provider.clone()).or_default().delivered = *share;
        }

        for halted in halted {
            let standing = standings.entry(halted.provider).or_default();
            (standing.stopped, standing.rests) = (halted.stopped, halted.rests);
        }

        Ok(Self {
            standings,
            delivered,
            delivered_at,
        })
    }
}

fn is_scored(mapping: &Mapping) -> bool {
    mapping
        .services
        .iter()
        .any(|service| service.routing.strategy == Strategy::Score)
}
