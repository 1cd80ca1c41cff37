//! The catalog: the configuration in force and the snapshot that each request reads, swapped
//! together and whole.

pub mod imports;
pub mod listings;
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

pub use listings::Listings;
pub use prices::Prices;
pub use snapshot::{Service, Snapshot, Unsold};

use crate::catalog::mapping::Mapping;
use crate::catalog::panels::Panels;
use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::provider::ProviderSettings;
use crate::pricing::markup::NamedCustomer;
use crate::store::{Store, StoreError, customers};

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
        self.mapping
            .providers
            .iter()
            .chain(&*self.retired)
            .find(|provider| provider.id == *id)
    }
}

/// What is sold at this moment.
#[derive(Clone, Debug)]
pub struct Catalog {
    store: Store,
    now: Arc<ArcSwap<InForce>>,
    panels: Arc<ArcSwap<Panels>>,
    /// Who lays a mapping over catalogs does so alone: an older mapping never comes back with
    /// newer catalogs.
    turn: Arc<Mutex<()>>,
}

impl Catalog {
    /// The catalog of a mapping over the panels' catalogs as they are stored.
    pub async fn open(store: Store, mapping: Arc<Mapping>) -> Result<Self, StoreError> {
        let snapshot = Arc::new(read(&store, &mapping).await?);
        let in_force = InForce {
            mapping,
            retired: Arc::default(),
            snapshot,
        };

        let now = Arc::new(ArcSwap::from_pointee(in_force));
        Ok(Self {
            store,
            now,
            panels: Arc::default(),
            turn: Arc::default(),
        })
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
    pub async fn look_at_panels(&self, now: Timestamp) -> Result<(), StoreError> {
        let panels = self
            .panels()
            .after(&self.store, &self.mapping(), now)
            .await?;

        self.panels.store(Arc::new(panels));
        Ok(())
    }

    /// Where panels' catalogs are stored.
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

    /// Adopts what panels' catalogs became meanwhile, read by this process or another. Whether
    /// anything changed.
    pub async fn adopt(&self) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let now = self.in_force();
        let listings = self.listings().await?;

        if Arc::ptr_eq(&listings, &now.snapshot.listings) {
            return Ok(false);
        }

        let snapshot = Arc::new(resolve_mapping(&now.mapping, &listings).await);
        self.swap(InForce {
            snapshot,
            ..(*now).clone()
        })
        .await;

        Ok(true)
    }

    /// What the panels list now, as it is stored.
    pub async fn listings(&self) -> Result<Arc<Listings>, StoreError> {
        Listings::stored(&self.store, Some(&self.now().listings)).await
    }

    /// Sells by another file from now on. `laid` is what it sells, where somebody resolved it
    /// already; over listings that are no more it is resolved anew.
    pub async fn change(
        &self,
        mapping: Arc<Mapping>,
        retired: Vec<ProviderSettings>,
        laid: Option<Arc<Snapshot>>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let listings = self.listings().await?;
        let snapshot = self::laid(&mapping, &listings, laid.as_ref()).await;

        self.swap(InForce {
            mapping,
            retired: Arc::new(retired),
            snapshot,
        })
        .await;

        Ok(())
    }

    /// Follows these panels, which the file no longer names, and no others.
    pub async fn retire(&self, retired: Vec<ProviderSettings>) {
        let _turn = self.turn.lock().await;
        let now = self.in_force();
        self.now.store(Arc::new(InForce {
            retired: Arc::new(retired),
            ..(*now).clone()
        }));
    }

    /// What was in force is given back where no request waits for it.
    async fn swap(&self, next: InForce) {
        let before = self.now.swap(Arc::new(next));
        spawn_cpu_bound(move || drop(before)).await;
    }
}

/// Lays a mapping over what the panels list.
pub async fn resolve_mapping(mapping: &Arc<Mapping>, listings: &Arc<Listings>) -> Snapshot {
    let (mapping, listings) = (mapping.clone(), listings.clone());
    spawn_cpu_bound(move || Snapshot::resolve(&mapping, &listings)).await
}

/// The same, where it is not known already.
pub async fn laid(
    mapping: &Arc<Mapping>,
    listings: &Arc<Listings>,
    known: Option<&Arc<Snapshot>>,
) -> Arc<Snapshot> {
    let fits = |known: &&Arc<Snapshot>| {
        known.hash == mapping.hash && known.listings.version == listings.version
    };

    match known.filter(fits) {
        Some(known) => known.clone(),
        None => Arc::new(resolve_mapping(mapping, listings).await),
    }
}

/// Reads what is sold.
pub async fn read(store: &Store, mapping: &Arc<Mapping>) -> Result<Snapshot, StoreError> {
    Ok(resolve_mapping(mapping, &Listings::stored(store, None).await?).await)
}

/// Thinks on a thread of its own: five thousand services with five routes each take longer than
/// requests that share the thread may wait. Awaited by whoever asked, so that shutdown waits for
/// it; nothing asynchronous happens in there.
pub async fn spawn_cpu_bound<T: Send + 'static>(thought: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(thought).await {
        Ok(thought) => thought,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => unreachable!("a thought that was begun is never cancelled"),
        },
    }
}

/// The customers whom markup rules name and whom nobody opened.
pub async fn unknown_customers(
    store: &Store,
    mapping: &Mapping,
) -> Result<Vec<NamedCustomer>, StoreError> {
    let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
    for who in mapping
        .markups
        .iter()
        .filter_map(|rule| rule.scope.customer.as_ref())
    {
        match who {
            NamedCustomer::Id(id) => ids.insert(id.0),
            NamedCustomer::Name(name) => names.insert(name.clone()),
        };
    }

    let (ids, names): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), names.into_iter().collect());
    let (ids, names) = customers::unknown_names(store, &ids, &names).await?;
    Ok(ids
        .into_iter()
        .map(NamedCustomer::Id)
        .chain(names.into_iter().map(NamedCustomer::Name))
        .collect())
}
