//! The panels of a configuration: those that stay as they were, those under another block, and
//! those that are only followed to the end of what they have.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use secrecy::SecretString;

use crate::catalog::mapping::Mapping;
use crate::catalog::spawn_cpu_bound;
use crate::config::{self, Complaints, File};
use crate::domain::clock::SharedClock;
use crate::domain::id::ProviderId;
use crate::domain::provider::{KeySource, ProviderSettings};
use crate::reload::Place;
use crate::store::open_orders::OpenOrders;
use crate::store::versions;
use crate::store::{Store, StoreError};
use crate::upstream::{Panel, PanelError, ProviderEntry};

/// The panels of a configuration, as one process deals with them.
#[derive(Debug, Default)]
pub struct Dealt {
    /// Those whose key is known.
    pub listed: Vec<ProviderEntry>,
    /// Those whose key cannot be read here.
    pub keyless: Vec<ProviderId>,
    /// What waits for a person's word: key files that hold another key, while the panel is asked
    /// under the one before.
    pub held: Vec<String>,
}

/// What the panels of a configuration are dealt with from.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The panels until now.
    pub panels: &'a [ProviderEntry],
    /// What is open at them.
    pub open: &'a OpenOrders,
}

/// The panels with their keys. Those on the old list whose block and key are the same stay as they
/// are. Reads key files: not to be called where requests are served.
pub fn build_panels(
    mapping: &Mapping,
    retired: &[ProviderSettings],
    surroundings: &BTreeMap<String, String>,
    before: Before<'_>,
    clock: &SharedClock,
) -> Dealt {
    let mut dealt = Dealt::default();
    let named = mapping.providers.iter().map(|block| (block, false));
    for (block, retired) in named.chain(retired.iter().map(|block| (block, true))) {
        let known = before
            .panels
            .iter()
            .map(|listed| &listed.panel)
            .find(|panel| panel.settings().id == block.id);

        let key = config::read_secret(block, surroundings).map_err(|error| error.to_string());
        let held = known
            .zip(key.as_ref().ok())
            .and_then(|(known, key)| held(block, known, key, before.open));

        let made = match (key, known) {
            (Err(why), _) => Err(why),
            (Ok(_), Some(known)) if held.is_some() && known.settings() == block => {
                Ok(known.clone())
            }
            (Ok(_), Some(known)) if held.is_some() => {
                timed(known.under_own_key(block.clone()), block, clock)
            }
            (Ok(key), Some(known)) if known.settings() == block && known.has_key(&key) => {
                Ok(known.clone())
            }
            (Ok(key), Some(known)) => timed(known.under(block.clone(), key), block, clock),
            (Ok(key), None) => timed(Panel::new(block.clone(), key), block, clock),
        };

        match made {
            Ok(panel) => {
                dealt.listed.push(ProviderEntry { panel, retired });
                dealt.held.extend(held);
            }
            Err(why) => {
                tracing::error!(
                    provider = %block.id, "{why}; this process does not deal with the panel"
                );
                dealt.keyless.push(block.id.clone());
            }
        }
    }

    dealt
}

fn timed(
    made: Result<Panel, PanelError>,
    block: &ProviderSettings,
    clock: &SharedClock,
) -> Result<Arc<Panel>, String> {
    made.map(|panel| Arc::new(panel.timed_by(clock.clone())))
        .map_err(|error| format!("provider \"{}\": {error}", block.id))
}

/// Why a panel is asked under the key before, although another one lies in the same place: the plan
/// of an edit calls that a danger too, and a person who applies another place has said so.
fn held(
    block: &ProviderSettings,
    known: &Panel,
    key: &SecretString,
    open: &OpenOrders,
) -> Option<String> {
    let legs = open.with_looks_back(&block.id);
    let place = |block: &ProviderSettings| (block.dialect, block.url.clone(), block.key.clone());
    if place(known.settings()) != place(block) || known.has_key(key) || legs == 0 {
        return None;
    }

    let KeySource::File(place) = &block.key else {
        return None;
    };

    Some(format!(
        "provider \"{}\": {} holds another key, {legs} are open there or ended within three days, \
         and another account may not know them; the panel is asked under the key before. Where it \
         is the same account, put the new key in another file, name that one in key_file, and \
         `apply`; else write the new account as another [[provider]]",
        block.id,
        place.display()
    ))
}

/// The last known blocks of panels that a configuration does not name and that still have something
/// open.
pub(super) async fn left_behind(
    store: &Store,
    mapping: &Mapping,
    place: Place<'_>,
) -> Result<Vec<ProviderSettings>, StoreError> {
    let named: Vec<ProviderId> = mapping
        .providers
        .iter()
        .map(|provider| provider.id.clone())
        .collect();

    let mut known: BTreeMap<i64, Option<Arc<Mapping>>> = BTreeMap::new();
    let mut blocks = Vec::new();

    for (provider, version) in versions::left_behind(store, &named).await? {
        let Some(version) = version else {
            tracing::error!(%provider,
                "orders are open at a panel that no known version names; put its block back");
            continue;
        };

        let (id, hash) = (version.id, version.hash.clone());
        let mapping = match known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(
                read(version.body, place)
                    .await
                    .ok()
                    .map(|file| file.mapping),
            ),
        };

        let block = mapping
            .as_ref()
            .and_then(|mapping| mapping.providers.iter().find(|block| block.id == provider));

        if let Some(block) = block {
            blocks.push(block.clone());
        } else {
            tracing::error!(
                %provider, %hash,
                "the last version that names a panel with open orders cannot be read; put its \
                 block back"
            );
        }
    }

    Ok(blocks)
}

/// Reads the text of a version, away from requests.
pub(super) async fn read(body: String, place: Place<'_>) -> Result<File, Complaints> {
    let (folder, surroundings) = (place.folder.to_owned(), place.surroundings.clone());
    spawn_cpu_bound(move || config::read(&body, &folder, &surroundings)).await
}
