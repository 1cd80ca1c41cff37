//! Reading the panels' catalogs: asked, stored whole, or told why not; what was read before stays
//! meanwhile.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::catalog::{Catalog, imports};
use crate::domain::clock::SharedClock;
use crate::domain::provider::PanelAccount;
use crate::store::StoreError;
use crate::store::catalog::{self, CatalogReading};
use crate::upstream::Panel;

/// How old a panel's catalog becomes.
const EVERY: TimeDelta = TimeDelta::minutes(10);
/// After a reading that failed; what was read before is sold by meanwhile.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);
/// The same while nothing is sent to the panel before it is read; doubled each time, up to the
/// above.
const AGAIN_SOON: TimeDelta = TimeDelta::seconds(2);

/// How old it may be where something that a panel took waits to be explained by its prices.
const WANTED_EVERY: TimeDelta = TimeDelta::seconds(20);

/// Reads a panel's catalog if it is time: it is old, its prices are wanted, it was not read under
/// this address and account, or the panel never answered. What is stored says so, and not a timer:
/// however often somebody edits the panel's block, it is read.
pub async fn if_due(
    catalog: &Catalog,
    panel: &Panel,
    clock: &SharedClock,
    wanted: bool,
) -> Result<Option<CatalogReading>, StoreError> {
    let now = clock.now();
    let stored = catalog::stored_catalog(catalog.store(), &panel.settings().id).await?;
    let is_its_own = stored
        .account
        .is_none_or(|account| account == panel.account());

    if is_its_own && stored.at.is_some() && stored.unread {
        catalog::is_its_own(catalog.store(), &panel.settings().id).await?;
    }

    if is_its_own && stored.at.is_some() && !panel.is_listed() {
        catalog.adopt().await?;
        panel.list(true);
    } else if !is_its_own {
        panel.list(false);
    }

    let age_max = if wanted { WANTED_EVERY } else { EVERY };
    let is_young = stored.at.is_some_and(|at| now - at < age_max);
    if is_its_own && is_young && panel.has_answered() {
        return Ok(None);
    }

    let least = if panel.is_listed() && panel.has_answered() {
        AGAIN_AFTER
    } else {
        AGAIN_SOON
    };

    if !panel.may_be_browsed(now, least, AGAIN_AFTER) {
        return Ok(None);
    }

    let reading = refresh_one(catalog, panel, clock).await?;
    sell_by(catalog, [(panel, &reading)]).await?;
    Ok(Some(reading))
}

/// Reads all panels' catalogs, side by side, and sells by them: a dead panel holds up nobody
/// else's.
pub async fn refresh_all(
    catalog: &Catalog,
    panels: &[Arc<Panel>],
    clock: &SharedClock,
) -> Result<Vec<CatalogReading>, StoreError> {
    let readings = join_all(
        panels
            .iter()
            .map(|panel| refresh_one(catalog, panel, clock)),
    )
    .await;

    let readings: Vec<CatalogReading> = readings.into_iter().collect::<Result<_, _>>()?;
    sell_by(catalog, panels.iter().map(AsRef::as_ref).zip(&readings)).await?;
    Ok(readings)
}

/// Adopts what was read, and tells the panels.
async fn sell_by<'a>(
    catalog: &Catalog,
    read: impl IntoIterator<Item = (&'a Panel, &'a CatalogReading)>,
) -> Result<(), StoreError> {
    catalog.adopt().await?;
    read.into_iter()
        .filter(|(_, reading)| reading.1.is_ok())
        .for_each(|(panel, _)| panel.was_browsed());
    Ok(())
}

/// Reads one panel's catalog. What moved is written down, and what an import takes gets its id,
/// in the same commit.
pub async fn refresh_one(
    catalog: &Catalog,
    panel: &Panel,
    clock: &SharedClock,
) -> Result<CatalogReading, StoreError> {
    let (store, provider) = (catalog.store(), &panel.settings().id);
    if let Some(until) = panel.rests_until() {
        // No fault of its catalog, which is read again in a while.
        return Ok((
            provider.0.clone(),
            Err(format!("the panel wants to be left alone until {until}")),
        ));
    }

    match panel.services().await {
        Ok(services) => {
            let (mapping, now) = (catalog.mapping(), clock.now());
            let mut tx = store.begin().await?;
            let asked = PanelAccount {
                provider,
                account: &panel.account(),
            };

            let imported =
                catalog::replace_catalog(&mut tx, asked, &services, mapping.price_jump, now)
                    .await?;

            imports::after_reading(&mut tx, &mapping, provider, now).await?;
            if panel.is_replaced() {
                // The one that took its place lists something else, and may have been read already.
                tx.rollback().await?;

                return Ok((
                    provider.0.clone(),
                    Err("another address or account took the panel's place".to_owned()),
                ));
            }

            tx.commit().await?;
            if imported.missing > 0 {
                let missing = imported.missing;
                tracing::warn!(
                    %provider, services = services.len(), missing,
                    "the panel lists far less than before: what is missing is sold as before until \
                     a reading a day later \
                     says the same, or `catalog accept {provider} --all-gone`"
                );
            }

            tracing::info!(%provider, services = services.len(), moved = imported.moved,
                "a panel's catalog was read");
            Ok((provider.0.clone(), Ok(services.len())))
        }
        Err(failure) => {
            tracing::warn!(%provider, %failure, "a panel's catalog could not be read");
            let why = failure.to_string();
            let asked = PanelAccount {
                provider,
                account: &panel.account(),
            };

            catalog::note_unreadable(store, asked, &why, clock.now()).await?;
            Ok((provider.0.clone(), Err(why)))
        }
    }
}
