//! The catalogue: the configuration in force and the snapshot that each request reads, swapped together and whole.

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
use tokio::sync::Mutex;

pub use prices::Prices;
pub use snapshot::{Snapshot, Sold, Unsold};

use crate::catalog::mapping::Mapping;
use crate::catalog::panels::Panels;
use crate::domain::clock::Instant;
use crate::domain::id::ProviderId;
use crate::domain::provider::ProviderSettings;
use crate::pricing::markup::Who;
use crate::store::catalogue::Listed;
use crate::store::{Store, StoreError, catalogue, customers};

/// The panels' catalogues as they are stored.
pub type Rows = Vec<(ProviderId, Listed)>;

/// The operator's file and what is sold by it: one belongs to the other.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The file.
    pub mapping: Arc<Mapping>,
    /// The last known blocks of panels that it no longer names and that still have something open.
    pub retired: Arc<Vec<ProviderSettings>>,
    /// What is sold.
    pub snapshot: Arc<Snapshot>,
}

impl InForce {
    /// The block of a panel, also of one that is only followed to the end of what it has.
    pub fn panel(&self, id: &ProviderId) -> Option<&ProviderSettings> {
        self.mapping.providers.iter().chain(&*self.retired).find(|provider| provider.id == *id)
    }
}

/// What is sold at this moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    store: Store,
    now: Arc<ArcSwap<InForce>>,
    panels: Arc<ArcSwap<Panels>>,
    /// Who lays a mapping over catalogues does so alone: an older mapping never comes back with newer catalogues.
    turn: Arc<Mutex<()>>,
}

impl Catalog {
    /// The catalogue of a mapping over the panels' catalogues as they are stored.
    pub async fn open(store: Store, mapping: Arc<Mapping>) -> Result<Self, StoreError> {
        let in_force = over(&store, mapping, Arc::default()).await?;
        let now = Arc::new(ArcSwap::from_pointee(in_force));
        Ok(Self { store, now, panels: Arc::default(), turn: Arc::default() })
    }

    /// What is sold now; a request keeps what it got until its end.
    pub fn now(&self) -> Arc<Snapshot> {
        self.now.load().snapshot.clone()
    }

    /// How the panels stand, as it was seen last.
    pub fn panels(&self) -> Arc<Panels> {
        self.panels.load_full()
    }

    /// Sees how the panels stand now.
    pub async fn look_at_panels(&self, now: Instant) -> Result<(), StoreError> {
        let panels = self.panels().after(&self.store, &self.mapping(), now).await?;
        self.panels.store(Arc::new(panels));
        Ok(())
    }

    /// Where panels' catalogues are stored.
    pub(in crate::catalog) fn store(&self) -> &Store {
        &self.store
    }

    /// The operator's file behind it.
    pub fn mapping(&self) -> Arc<Mapping> {
        self.now.load().mapping.clone()
    }

    /// Both, as they belong together.
    pub fn in_force(&self) -> Arc<InForce> {
        self.now.load_full()
    }

    /// Adopts what panels' catalogues became meanwhile, read by this process or another. Whether anything changed.
    pub async fn adopt(&self) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let now = self.in_force();
        if catalogue::version(&self.store).await? == now.snapshot.version {
            return Ok(false);
        }
        self.now.store(Arc::new(over(&self.store, now.mapping.clone(), now.retired.clone()).await?));
        Ok(true)
    }

    /// Sells by another file from now on.
    pub async fn change(&self, mapping: Arc<Mapping>, retired: Vec<ProviderSettings>) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.now.store(Arc::new(over(&self.store, mapping, Arc::new(retired)).await?));
        Ok(())
    }

    /// Follows these panels, which the file no longer names, and no others.
    pub async fn retire(&self, retired: Vec<ProviderSettings>) {
        let _turn = self.turn.lock().await;
        let now = self.in_force();
        self.now.store(Arc::new(InForce { retired: Arc::new(retired), ..(*now).clone() }));
    }
}

async fn over(
    store: &Store,
    mapping: Arc<Mapping>,
    retired: Arc<Vec<ProviderSettings>>,
) -> Result<InForce, StoreError> {
    let snapshot = Arc::new(resolve(&mapping, stored(store).await?).await);
    Ok(InForce { mapping, retired, snapshot })
}

/// The panels' catalogues as they are stored, and their version, which is read first: what changes in between is adopted
/// the next time.
pub async fn stored(store: &Store) -> Result<(i64, Rows), StoreError> {
    let version = catalogue::version(store).await?;
    Ok((version, catalogue::load(store).await?))
}

/// Lays a mapping over catalogues.
pub async fn resolve(mapping: &Arc<Mapping>, (version, rows): (i64, Rows)) -> Snapshot {
    let mapping = mapping.clone();
    aside(move || Snapshot::resolve(&mapping, version, rows)).await
}

/// Reads what is sold.
pub async fn read(store: &Store, mapping: Mapping) -> Result<Snapshot, StoreError> {
    Ok(resolve(&Arc::new(mapping), stored(store).await?).await)
}

/// Thinks on a thread of its own: five thousand services with five routes each take longer than requests that share the
/// thread may wait. Awaited by whoever asked, so that shutdown waits for it; nothing asynchronous happens in there.
pub async fn aside<T: Send + 'static>(thought: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(thought).await {
        Ok(thought) => thought,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("a thought that was begun is never cancelled"),
        },
    }
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
