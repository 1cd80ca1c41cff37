//! The configuration in force, for commands: as the gateway published it in the database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::mapping::Mapping;
use crate::catalog::{self, Catalog, Snapshot};
use crate::cli::session::Session;
use crate::config;
use crate::domain::clock::SystemClock;
use crate::orders::Delivery;
use crate::store::versions;

async fn mapping(session: &Session) -> anyhow::Result<Mapping> {
    let Some(mapping) = published(session).await? else {
        anyhow::bail!("no gateway was ever started on this database; `panelgate serve` publishes its configuration");
    };
    Ok(mapping)
}

async fn published(session: &Session) -> anyhow::Result<Option<Mapping>> {
    let Some(version) = versions::in_force(&session.store).await? else { return Ok(None) };
    Ok(Some(config::read(&version.body, Path::new("."), &BTreeMap::new())?.mapping))
}

/// The tiers that it knows; `None` before any gateway was started.
pub async fn tiers(session: &Session) -> anyhow::Result<Option<Vec<String>>> {
    Ok(published(session).await?.map(|mapping| mapping.limits.tiers.into_keys().collect()))
}

/// What is sold by it over the stored catalogues.
pub async fn snapshot(session: &Session) -> anyhow::Result<Snapshot> {
    Ok(catalog::read(&session.store, mapping(session).await?).await?)
}

/// What is done with orders by it; this process holds no panel's lease.
pub async fn delivery(session: &Session) -> anyhow::Result<Delivery> {
    let mapping = Arc::new(mapping(session).await?);
    let catalog = Catalog::open(session.store.clone(), mapping).await?;
    Ok(Delivery::new(session.store.clone(), catalog, Arc::new(SystemClock), Uuid::now_v7()))
}
