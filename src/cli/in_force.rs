//! The configuration in force, for commands: as the gateway published it in the database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use uuid::Uuid;

use crate::catalog::mapping::Mapping;
use crate::catalog::{self, Catalog, Snapshot};
use crate::cli::session::Session;
use crate::config;
use crate::orders::Delivery;
use crate::pricing::markup::NamedCustomer;
use crate::store::{Store, versions};

async fn mapping(session: &Session) -> anyhow::Result<Arc<Mapping>> {
    let Some(mapping) = published(session).await? else {
        anyhow::bail!(
            "no gateway was ever started on this database; `panelgate serve` publishes its \
             configuration"
        );
    };

    Ok(mapping)
}

async fn published(session: &Session) -> anyhow::Result<Option<Arc<Mapping>>> {
    let Some(version) = versions::in_force(&session.store).await? else {
        return Ok(None);
    };

    Ok(Some(
        config::read(&version.body, Path::new("."), &BTreeMap::new())?.mapping,
    ))
}

/// The whole of it, with relative key files at `folder`; `None` before any gateway was started.
pub async fn file(store: &Store, folder: &Path) -> anyhow::Result<Option<config::File>> {
    let Some(version) = versions::in_force(store).await? else {
        return Ok(None);
    };

    Ok(Some(
        config::read(&version.body, folder, &BTreeMap::new())
            .context("the version in force cannot be read")?,
    ))
}

/// The tiers that it knows; `None` before any gateway was started.
pub async fn tiers(session: &Session) -> anyhow::Result<Option<Vec<String>>> {
    Ok(published(session)
        .await?
        .map(|mapping| mapping.limits.tiers.keys().cloned().collect()))
}

/// What is sold by it over the stored catalogs, and for which customers it has rules who do not
/// exist.
pub async fn snapshot(session: &Session) -> anyhow::Result<(Snapshot, Vec<NamedCustomer>)> {
    let mapping = mapping(session).await?;
    let unknown_customers = catalog::unknown_customers(&session.store, &mapping).await?;
    Ok((
        catalog::read(&session.store, &mapping).await?,
        unknown_customers,
    ))
}

/// What is done with orders by it; this process holds no panel's lease.
pub async fn delivery(session: &Session) -> anyhow::Result<Delivery> {
    let mapping = mapping(session).await?;
    let catalog = Catalog::open(session.store.clone(), mapping).await?;
    catalog.look_at_panels(session.now()).await?;

    Ok(Delivery::new(
        session.store.clone(),
        catalog,
        session.store.clock(),
        Uuid::now_v7(),
    ))
}
