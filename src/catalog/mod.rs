//! What is sold, as a snapshot that is swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::id::ServiceId;
use crate::domain::money::Rate;
use crate::domain::service::ServiceType;

/// A service as it is sold.
pub struct Sold {
    /// Our id.
    pub id: ServiceId,
    /// Shown name.
    pub name: String,
    /// Its type.
    pub kind: ServiceType,
    /// Shown category.
    pub category: String,
    /// The printed price.
    pub rate: Rate,
    /// Fewest units at once.
    pub min: u64,
    /// Most units at once.
    pub max: u64,
    /// Whether refills are offered.
    pub refill: bool,
    /// Whether cancels are offered.
    pub cancel: bool,
}

/// All that is sold at one moment.
pub struct Snapshot {
    /// Another version, another content.
    pub version: u64,
    /// The gateway's currency.
    pub currency: String,
    /// By id.
    pub sold: BTreeMap<ServiceId, Arc<Sold>>,
}

/// Holds the snapshot in force.
#[derive(Clone)]
pub struct Catalog;

impl Catalog {
    /// The snapshot in force.
    pub fn now(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot { version: 0, currency: "USD".to_owned(), sold: BTreeMap::new() })
    }
}
