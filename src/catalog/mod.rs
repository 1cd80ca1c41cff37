//! The catalogue: the snapshot that each request reads, swapped whole.

pub mod imports;
pub mod mapping;
pub mod panels;
pub mod plan;
pub mod prices;
pub mod refresh;
pub mod snapshot;

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use prices::Prices;
pub use snapshot::{Snapshot, Sold, Unsold};

use crate::catalog::mapping::Mapping;
use crate::catalog::panels::Panels;
use crate::domain::clock::Instant;
use crate::pricing::markup::Who;
use crate::store::{Store, StoreError, catalogue, customers};

/// What is sold at this moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    store: Store,
    mapping: Arc<Mapping>,
    now: Arc<ArcSwap<Snapshot>>,
    panels: Arc<ArcSwap<Panels>>,
}

impl Catalog {
    /// The catalogue of a mapping over the panels' catalogues as they are stored.
    pub async fn open(store: Store, mapping: Arc<Mapping>) -> Result<Self, StoreError> {
        let snapshot = read(&store, &mapping).await?;
        Ok(Self { store, mapping, now: Arc::new(ArcSwap::from_pointee(snapshot)), panels: Arc::default() })
    }

    /// What is sold now; a request keeps what it got until its end.
    pub fn now(&self) -> Arc<Snapshot> {
        self.now.load_full()
    }

    /// How the panels stand, as it was seen last.
    pub fn panels(&self) -> Arc<Panels> {
        self.panels.load_full()
    }

    /// Sees how the panels stand now.
    pub async fn look_at_panels(&self, now: Instant) -> Result<(), StoreError> {
        let panels = self.panels().after(&self.store, &self.mapping, now).await?;
        self.panels.store(Arc::new(panels));
        Ok(())
    }

    /// Where panels' catalogues are stored.
    pub(in crate::catalog) fn store(&self) -> &Store {
        &self.store
    }

    /// The operator's file behind it.
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Adopts what panels' catalogues became meanwhile, read by this process or another. Whether anything changed.
    pub async fn adopt(&self) -> Result<bool, StoreError> {
        if catalogue::version(&self.store).await? == self.now.load().version {
            return Ok(false);
        }
        let snapshot = read(&self.store, &self.mapping).await?;
        self.now.store(Arc::new(snapshot));
        Ok(true)
    }
}

/// Reads what is sold. The version is read first: what changes in between is adopted the next time.
pub async fn read(store: &Store, mapping: &Mapping) -> Result<Snapshot, StoreError> {
    let version = catalogue::version(store).await?;
    let panels = catalogue::load(store).await?;
    Ok(Snapshot::resolve(mapping, version, panels))
}

/// The customers whom markup rules name and whom nobody opened.
pub async fn strangers(store: &Store, mapping: &Mapping) -> Result<Vec<Who>, StoreError> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for who in mapping.markups.iter().filter_map(|rule| rule.scope.customer.as_ref()) {
        match who {
            Who::Id(id) => ids.insert(id.0),
            Who::Name(name) => names.insert(name.clone()),
        };
    }
    let (ids, names): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), names.into_iter().collect());
    let (ids, names) = customers::unknown(store, &ids, &names).await?;
    Ok(ids.into_iter().map(Who::Id).chain(names.into_iter().map(Who::Name)).collect())
}
