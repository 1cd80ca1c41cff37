//! The catalogue: the snapshot that each request reads, swapped whole.

pub mod mapping;
pub mod plan;
pub mod refresh;
pub mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use snapshot::{Snapshot, Sold};

use crate::catalog::mapping::Mapping;
use crate::store::{Store, StoreError, catalogue};

/// What is sold at this moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    store: Store,
    mapping: Arc<Mapping>,
    now: Arc<ArcSwap<Snapshot>>,
}

impl Catalog {
    /// The catalogue of a mapping over the panels' catalogues as they are stored.
    pub async fn open(store: Store, mapping: Arc<Mapping>) -> Result<Self, StoreError> {
        let snapshot = read(&store, &mapping).await?;
        Ok(Self { store, mapping, now: Arc::new(ArcSwap::from_pointee(snapshot)) })
    }

    /// What is sold now; a request keeps what it got until its end.
    pub fn now(&self) -> Arc<Snapshot> {
        self.now.load_full()
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
