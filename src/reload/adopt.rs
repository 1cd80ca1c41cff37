//! Adopting: the newest version becomes what this process does, all of it at once.

use std::sync::{Arc, PoisonError};

use crate::alerts::WEBHOOK_TIMEOUT;
use crate::catalog::mapping::Mapping;
use crate::catalog::{self, spawn_cpu_bound};
use crate::config::{self, AlertSettings, ProcessSettings};
use crate::domain::id::ConfigHash;
use crate::domain::provider::ProviderSettings;
use crate::reload::roll::{Before, Dealt};
use crate::reload::{JudgedFile, Reload, roll};
use crate::store::{Store, StoreError};
use crate::store::{open_orders, versions};

/// A rule for a customer who does not exist speaks for nobody, until that customer is opened.
pub async fn tell_of_nobodys_markups(store: &Store, mapping: &Mapping) -> Result<(), StoreError> {
    for who in catalog::unknown_customers(store, mapping).await? {
        tracing::warn!(customer = %who,
            "a [[markup]] is for a customer who does not exist; it speaks for nobody");
    }
    Ok(())
}

impl Reload {
    /// One look at which version is in force. Whether this process does something else since.
    pub async fn adopt(&self) -> Result<bool, StoreError> {
        let _turn = self.0.turn.lock().await;
        let served = self.0.parts.catalog.mapping().hash.clone();
        let newest = versions::find_newest(&self.0.parts.store).await?;
        self.standing(|standing| standing.newest = newest.as_ref().map(|(id, _)| *id));

        let adopted = match newest {
            Some((_, hash)) if hash != served => self.change(&hash).await?,
            Some(_) | None => false,
        };

        self.tell().await?;
        Ok(adopted)
    }

    /// Reads the keys of the version in force anew: a key file may hold another one by now.
    pub async fn read_keys(&self) -> Result<(), StoreError> {
        let _turn = self.0.turn.lock().await;
        let in_force = self.0.parts.catalog.in_force();
        self.deal_with(&in_force.mapping, (*in_force.retired).clone())
            .await?;
        self.tell().await
    }

    /// One look at the panels that the file names no more: those of which nothing is open are let
    /// go, those of which something is are followed. Whether anything changed.
    pub async fn retire(&self) -> Result<bool, StoreError> {
        let _turn = self.0.turn.lock().await;
        let in_force = self.0.parts.catalog.in_force();
        let retired = self.left_behind(&in_force.mapping).await?;

        if retired == *in_force.retired {
            return Ok(false);
        }

        self.0.parts.catalog.retire(retired.clone()).await;
        self.deal_with(&in_force.mapping, retired).await?;
        self.tell().await?;

        Ok(true)
    }

    /// What cannot be read stays away: this process goes on with what it has, and says so.
    async fn change(&self, hash: &ConfigHash) -> Result<bool, StoreError> {
        let (file, laid) = if let Some(JudgedFile { file, laid }) = self.take_judged(hash) {
            (file, Some(laid))
        } else {
            let Some(version) = versions::in_force(&self.0.parts.store).await? else {
                return Ok(false);
            };

            match roll::read(version.body, self.0.ground.place()).await {
                Ok(file) => (Arc::new(file), None),
                Err(complaints) => {
                    if !self.standing(|standing| std::mem::replace(&mut standing.behind, true)) {
                        tracing::error!(
                            hash = %version.hash,
                            "the configuration in force cannot be adopted: {complaints}"
                        );
                    }

                    return Ok(false);
                }
            }
        };

        let mapping = file.mapping.clone();
        let retired = self.left_behind(&mapping).await?;

        self.0
            .parts
            .catalog
            .change(mapping.clone(), retired.clone(), laid)
            .await?;

        self.hear(&mapping, &file.alerts);
        self.deal_with(&mapping, retired).await?;

        self.standing(|standing| {
            standing.behind = false;
            // What waited, and was applied, waits no more.
            if standing.file.as_ref() == Some(&mapping.hash) {
                standing.judged = None;
            }
        });

        self.tell_of_restart(&file.process);
        tell_of_nobodys_markups(&self.0.parts.store, &mapping).await?;
        tracing::info!(hash = %mapping.hash, "another configuration is in force");

        Ok(true)
    }

    async fn left_behind(&self, mapping: &Mapping) -> Result<Vec<ProviderSettings>, StoreError> {
        roll::left_behind(&self.0.parts.store, mapping, self.0.ground.place()).await
    }

    fn take_judged(&self, hash: &ConfigHash) -> Option<JudgedFile> {
        let mut judged = self.0.judged.lock().unwrap_or_else(PoisonError::into_inner);
        judged.take_if(|judged| judged.file.mapping.hash == *hash)
    }

    fn hear(&self, mapping: &Mapping, alerts: &AlertSettings) {
        let webhook = config::webhook(alerts, &self.0.ground.surroundings, WEBHOOK_TIMEOUT)
            .unwrap_or_else(|error| {
                tracing::error!("{error}; alerts are told to the log only");
                None
            });

        self.0.parts.alerts.follow(mapping, webhook);
    }

    /// The roll changes whole, and the workers follow it.
    async fn deal_with(
        &self,
        mapping: &Arc<Mapping>,
        retired: Vec<ProviderSettings>,
    ) -> Result<(), StoreError> {
        let (mapping, surroundings) = (mapping.clone(), self.0.ground.surroundings.clone());
        let old = self.0.parts.roll.now();
        let clock = self.0.parts.clock.clone();
        let open = open_orders::count_open(&self.0.parts.store).await?;

        let panels = move || {
            let before = Before {
                panels: &old,
                open: &open,
            };
            roll::build_panels(&mapping, &retired, &surroundings, before, &clock)
        };

        let Dealt {
            listed,
            keyless,
            held,
        } = spawn_cpu_bound(panels).await;

        self.0.parts.roll.change(listed);
        for held in &held {
            tracing::error!("another key is not in force: {held}");
        }

        self.standing(|standing| (standing.keyless, standing.held) = (keyless, held));
        if let Some(registry) = self.0.registry.get() {
            registry.follow().await;
        }

        Ok(())
    }

    fn tell_of_restart(&self, process: &ProcessSettings) {
        let mut before = self
            .0
            .process
            .lock()
            .unwrap_or_else(PoisonError::into_inner);

        if let Some(before) = &*before {
            for table in before.differing(process) {
                tracing::warn!(
                    table,
                    "another value is in force in the file; restart this process to apply it"
                );
            }
        }

        *before = Some(process.clone());
    }
}
