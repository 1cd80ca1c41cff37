//! What the panels list, as it is stored: read once after each change, laid out to be looked up,
//! and shared by everything that is laid over it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::spawn_cpu_bound;
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::service::{Route, ServiceRule, ServiceType};
use crate::store::catalog::{self, CatalogEntry};
use crate::store::{Store, StoreError};

/// The panels' catalogs at one moment.
#[derive(Clone, Debug, Default)]
pub struct Listings {
    /// Grows with every change of a panel's catalog.
    pub version: i64,
    panels: HashMap<ProviderId, HashMap<String, PanelListing>>,
    /// What every id of ours that an import ever gave was given to, whether it is sold now or not.
    given: BTreeMap<ServiceId, Route>,
}

/// What a panel says of a service.
#[derive(Clone, Debug)]
pub struct PanelListing {
    /// In its own words, also when it lists it no more.
    pub listed: CatalogEntry,
    /// Its type as we know it; `None`: nothing that we sell.
    pub kind: Option<ServiceType>,
}

impl Listings {
    /// Lays stored rows out.
    pub fn new(version: i64, rows: impl IntoIterator<Item = (ProviderId, CatalogEntry)>) -> Self {
        let mut listings = Self {
            version,
            ..Self::default()
        };

        for (provider, listed) in rows {
            if let Some(id) = listed.imported {
                let route = Route {
                    provider: provider.clone(),
                    service: listed.row.service.clone(),
                };
                listings.given.insert(id, route);
            }

            let (service, kind) = (
                listed.row.service.clone(),
                ServiceType::read(&listed.row.kind),
            );

            listings
                .panels
                .entry(provider)
                .or_default()
                .insert(service, PanelListing { listed, kind });
        }

        listings
    }

    /// Those that are stored now: the known ones, where nothing changed since.
    ///
    /// The version is read first: what changes in between is there the next time.
    pub async fn stored(store: &Store, known: Option<&Arc<Self>>) -> Result<Arc<Self>, StoreError> {
        let version = catalog::catalogs_version(store).await?;
        if let Some(known) = known.filter(|known| known.version == version) {
            return Ok(known.clone());
        }

        let rows = catalog::load_catalogs(store).await?;
        Ok(spawn_cpu_bound(move || Arc::new(Self::new(version, rows))).await)
    }

    /// What a route's panel says of its service.
    pub fn row(&self, route: &Route) -> Option<&PanelListing> {
        self.panels.get(&route.provider)?.get(&route.service)
    }

    /// Whether a block says a type, and every panel of its routes that lists the service has it as
    /// another.
    pub fn is_of_another_type(&self, rule: &ServiceRule) -> bool {
        let Some(kind) = rule.kind else { return false };
        let mut listed = rule
            .routes
            .iter()
            .filter_map(|route| self.row(route))
            .filter(|row| !row.listed.gone)
            .peekable();

        listed.peek().is_some() && listed.all(|row| row.kind != Some(kind))
    }

    /// Everything that a panel lists, or listed under an id of ours.
    pub fn of_panel(&self, provider: &ProviderId) -> impl Iterator<Item = &CatalogEntry> {
        self.panels
            .get(provider)
            .into_iter()
            .flat_map(HashMap::values)
            .map(|row| &row.listed)
    }

    /// The same with ids for these rows, which have none.
    #[must_use]
    pub fn with(&self, ids: impl IntoIterator<Item = (ServiceId, Route)>) -> Self {
        let mut listings = self.clone();
        for (id, route) in ids {
            let panel = listings.panels.get_mut(&route.provider);
            if let Some(row) = panel.and_then(|panel| panel.get_mut(&route.service)) {
                row.listed.imported = Some(id);
                listings.given.insert(id, route);
            }
        }

        listings
    }

    /// Whether anything of a panel was ever read.
    pub fn knows(&self, provider: &ProviderId) -> bool {
        self.panels.contains_key(provider)
    }

    /// Whether nothing of any panel was ever read.
    pub fn is_empty(&self) -> bool {
        self.panels.is_empty()
    }

    /// What an id of ours was given to by an import.
    pub fn given(&self, id: ServiceId) -> Option<&Route> {
        self.given.get(&id)
    }

    /// Everything that an import ever gave an id to, by that id.
    pub fn imported(&self) -> impl Iterator<Item = (ServiceId, &Route, &CatalogEntry)> {
        self.given
            .iter()
            .filter_map(|(id, route)| Some((*id, route, &self.row(route)?.listed)))
    }
}
