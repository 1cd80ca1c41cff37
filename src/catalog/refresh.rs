//! Reading the panels' catalogues: asked, stored whole, or told why not; what was read before stays meanwhile.

use std::sync::Arc;

use futures_util::future::join_all;

use crate::domain::clock::SharedClock;
use crate::store::catalogue::{self, Reading};
use crate::store::{Store, StoreError};
use crate::upstream::Panel;

/// Reads one panel's catalogue.
pub async fn one(store: &Store, panel: &Panel, clock: &SharedClock) -> Result<Reading, StoreError> {
    let provider = &panel.settings().id;
    if let Some(until) = panel.rests_until() {
        // No fault of its catalogue, which is read again in a while.
        return Ok((provider.0.clone(), Err(format!("the panel wants to be left alone until {until}"))));
    }
    match panel.services().await {
        Ok(services) => {
            let mut tx = store.begin().await?;
            catalogue::import(&mut tx, provider, &services, clock.now()).await?;
            tx.commit().await?;
            tracing::info!(%provider, services = services.len(), "a panel's catalogue was read");
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
pub async fn all(store: &Store, panels: &[Arc<Panel>], clock: &SharedClock) -> Result<Vec<Reading>, StoreError> {
    join_all(panels.iter().map(|panel| one(store, panel, clock))).await.into_iter().collect()
}
