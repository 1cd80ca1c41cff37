//! Reading the panels' catalogues: asked, stored whole, or told why not; what was read before stays meanwhile.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::catalog::{Catalog, imports};
use crate::domain::clock::SharedClock;
use crate::store::StoreError;
use crate::store::catalogue::{self, Reading};
use crate::upstream::Panel;

/// Reads one panel's catalogue. What moved is written down, and what an import takes gets its id, in the same commit.
pub async fn one(catalog: &Catalog, panel: &Panel, clock: &SharedClock) -> Result<Reading, StoreError> {
    let (store, provider) = (catalog.store(), &panel.settings().id);
    if let Some(until) = panel.rests_until() {
        // No fault of its catalogue, which is read again in a while.
        return Ok((provider.0.clone(), Err(format!("the panel wants to be left alone until {until}"))));
    }
    match panel.services().await {
        Ok(services) => {
            let (mapping, now) = (catalog.mapping(), clock.now());
            let mut tx = store.begin().await?;
            let moved = catalogue::import(&mut tx, provider, &services, mapping.price_jump, now).await?;
            imports::after_reading(&mut tx, &mapping, provider, now).await?;
            tx.commit().await?;
            tracing::info!(%provider, services = services.len(), moved, "a panel's catalogue was read");
            Ok((provider.0.clone(), Ok(services.len())))
        }
        Err(failure) => {
            tracing::warn!(%provider, %failure, "a panel's catalogue could not be read");
            let why = failure.to_string();
            catalogue::failed(store, provider, &why).await?;
            Ok((provider.0.clone(), Err(why)))
        }
    }
}

/// Reads all panels' catalogues, side by side: a dead panel holds up nobody else's.
pub async fn all(catalog: &Catalog, panels: &[Arc<Panel>], clock: &SharedClock) -> Result<Vec<Reading>, StoreError> {
    join_all(panels.iter().map(|panel| one(catalog, panel, clock))).await.into_iter().collect()
}
