//! The panels of a configuration: those that stay as they were, those under another block, and those that are only
//! followed to the end of what they have.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::aside;
use crate::catalog::mapping::Mapping;
use crate::config::{self, Complaints, File};
use crate::domain::clock::SharedClock;
use crate::domain::id::ProviderId;
use crate::domain::provider::ProviderSettings;
use crate::store::versions;
use crate::store::{Store, StoreError};
use crate::upstream::{Listed, Panel};

/// The panels with their keys, and those whose key cannot be read here. Those on the old list whose block and key are the
/// same stay as they are. Reads key files: not to be called where requests are served.
pub fn panels(
    mapping: &Mapping,
    retired: &[ProviderSettings],
    surroundings: &BTreeMap<String, String>,
    old: &[Listed],
    clock: &SharedClock,
) -> (Vec<Listed>, Vec<ProviderId>) {
    let (mut listed, mut keyless) = (Vec::new(), Vec::new());
    let named = mapping.providers.iter().map(|block| (block, false));
    for (block, retired) in named.chain(retired.iter().map(|block| (block, true))) {
        let before = old.iter().map(|listed| &listed.panel).find(|panel| panel.settings().id == block.id);
        match panel(block, before, surroundings, clock) {
            Ok(panel) => listed.push(Listed { panel, retired }),
            Err(why) => {
                tracing::error!(provider = %block.id, "{why}; this process does not deal with the panel");
                keyless.push(block.id.clone());
            }
        }
    }
    (listed, keyless)
}

fn panel(
    block: &ProviderSettings,
    before: Option<&Arc<Panel>>,
    surroundings: &BTreeMap<String, String>,
    clock: &SharedClock,
) -> Result<Arc<Panel>, String> {
    let key = config::secret(block, surroundings).map_err(|error| error.to_string())?;
    let made = match before {
        Some(panel) if panel.settings() == block && panel.has_key(&key) => return Ok(panel.clone()),
        Some(panel) => panel.under(block.clone(), key),
        None => Panel::new(block.clone(), key),
    };
    made.map(|panel| Arc::new(panel.timed_by(clock.clone())))
        .map_err(|error| format!("provider \"{}\": {error}", block.id))
}

/// The last known blocks of panels that a configuration does not name and that still have something open.
pub(super) async fn left_behind(
    store: &Store,
    mapping: &Mapping,
    place: (&Path, &BTreeMap<String, String>),
) -> Result<Vec<ProviderSettings>, StoreError> {
    let named: Vec<ProviderId> = mapping.providers.iter().map(|provider| provider.id.clone()).collect();
    let mut known: BTreeMap<i64, Option<Arc<Mapping>>> = BTreeMap::new();
    let mut blocks = Vec::new();
    for (provider, version) in versions::left_behind(store, &named).await? {
        let Some(version) = version else {
            tracing::error!(%provider, "orders are open at a panel that no known version names; put its block back");
            continue;
        };
        let (id, hash) = (version.id, version.hash.clone());
        let mapping = match known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(read(version.body, place).await.ok().map(|file| file.mapping)),
        };
        let block = mapping.as_ref().and_then(|mapping| mapping.providers.iter().find(|block| block.id == provider));
        if let Some(block) = block {
            blocks.push(block.clone());
        } else {
            tracing::error!(
                %provider, %hash, "the last version that names a panel with open orders cannot be read; put its block back"
            );
        }
    }
    Ok(blocks)
}

/// Reads the text of a version, away from requests.
pub(super) async fn read(
    body: String,
    (folder, surroundings): (&Path, &BTreeMap<String, String>),
) -> Result<File, Complaints> {
    let (folder, surroundings) = (folder.to_owned(), surroundings.clone());
    aside(move || config::read(&body, &folder, &surroundings)).await
}
