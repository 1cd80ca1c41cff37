//! Publishing: a text becomes the version in force, in one guarded transaction, or it waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::imports::{self, Refused};
use crate::catalog::mapping::{Mapping, ReloadTrigger as Mode};
use crate::catalog::plan::{OtherCurrency, Plan};
use crate::catalog::{InForce, Listings, Snapshot, laid, spawn_cpu_bound};
use crate::config::{self, AlertsError, File};
use crate::domain::clock::SharedClock;
use crate::domain::id::{ConfigHash, ProviderId};
use crate::domain::provider::ProviderSettings;
use crate::reload::roll;
use crate::store::versions::{self, Publication};
use crate::store::{Store, StoreError, open_orders, providers, transfers};

/// Times that a publication is planned: each time another one was quicker.
const PLANS_MAX: usize = 8;

/// Who stands behind a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody but the file itself: `reload = "apply"`, dangers, and what it cannot be compared with
    /// have it wait.
    Edit,
    /// A signal: dangers, and what it cannot be compared with, have it wait.
    Signal,
    /// A person who said `apply`.
    Person,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The text is in force already.
    Same,
    /// It is in force now.
    Published {
        /// What was in force before.
        before: Option<ConfigHash>,
        /// What is dangerous about it, all the same.
        dangers: Vec<String>,
        /// What it does, in one line; nothing is said of the first version.
        does: Option<String>,
    },
    /// It needs a person's word, for these reasons.
    Waits(Vec<String>),
    /// Nobody can allow it, for these reasons.
    Refused(Vec<String>),
    /// Others published all the time.
    Crowded,
}

/// What a process that sells already has at hand, and so is not read again.
#[derive(Clone, Copy, Debug)]
pub struct AtHand<'a> {
    /// What it serves.
    pub served: &'a InForce,
    /// What it would sell by the text.
    pub laid: &'a Arc<Snapshot>,
}

/// Where a file lies, and what its keys and addresses are read from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The folder that relative paths of the file begin at.
    pub folder: &'a Path,
    /// The environment.
    pub surroundings: &'a BTreeMap<String, String>,
}

/// Who publishes an edit, and by what right.
#[derive(Clone, Copy, Debug)]
pub struct EditWords<'a> {
    /// Who.
    pub by: &'a str,
    /// Why, where somebody said so.
    pub reason: &'a str,
    /// Whether a person means it.
    pub consent: Consent,
}

/// Publishes a text that was found right.
pub async fn publish_file(
    store: &Store,
    clock: &SharedClock,
    file: &File,
    place: Place<'_>,
    said: EditWords<'_>,
    at_hand: Option<AtHand<'_>>,
) -> Result<PublishOutcome, StoreError> {
    for _ in 0..PLANS_MAX {
        let present = versions::find_newest(store).await?;
        if present
            .as_ref()
            .is_some_and(|(_, present)| *present == file.mapping.hash)
        {
            return Ok(PublishOutcome::Same);
        }

        let before = match &present {
            Some((_, hash)) => Some(mapping_of(store, hash, place, at_hand).await?),
            None => None,
        };

        let (dangers, does): (Vec<String>, _) = match before {
            Some(Ok(before)) => {
                if said.consent == Consent::Edit && before.reload == Mode::Apply {
                    return Ok(PublishOutcome::Waits(vec![
                        "reload = \"apply\": every edit waits for `apply`".to_owned(),
                    ]));
                }

                let listings =
                    Listings::stored(store, at_hand.map(|at_hand| &at_hand.laid.listings)).await?;

                match plan_edit(store, before, &file.mapping, place, &listings, at_hand).await? {
                    Ok(plan) => (
                        plan.dangers.iter().map(ToString::to_string).collect(),
                        Some(plan.in_a_line()),
                    ),
                    Err(other) => return Ok(PublishOutcome::Refused(vec![other.to_string()])),
                }
            }
            Some(Err(why)) => (vec![why], None),
            None => (Vec::new(), None),
        };

        if !dangers.is_empty() && said.consent != Consent::Person {
            return Ok(PublishOutcome::Waits(dangers));
        }

        tracing::debug!(hash = %file.mapping.hash, "an edit is planned");
        let planned_against = present.as_ref().map(|(id, _)| *id);

        match guarded(
            store,
            clock,
            &file.mapping,
            &file.text,
            planned_against,
            said.by,
            said.reason,
        )
        .await
        {
            Ok(true) => {
                return Ok(PublishOutcome::Published {
                    before: present.map(|(_, hash)| hash),
                    dangers,
                    does,
                });
            }

            Ok(false) => {}
            Err(Refused::Taken(taken)) => {
                return Ok(PublishOutcome::Refused(
                    taken.iter().map(ToString::to_string).collect(),
                ));
            }

            Err(Refused::Store(error)) => return Err(error),
        }
    }

    Ok(PublishOutcome::Crowded)
}

/// Puts a configuration in force, whatever is there; the same text again changes nothing.
pub async fn put_in_force(
    store: &Store,
    clock: &SharedClock,
    mapping: &Mapping,
    text: &str,
    by: &str,
    reason: &str,
) -> Result<(), Refused> {
    for _ in 0..PLANS_MAX {
        let present = versions::find_newest(store).await?;
        if present
            .as_ref()
            .is_some_and(|(_, hash)| *hash == mapping.hash)
        {
            return Ok(());
        }

        if guarded(
            store,
            clock,
            mapping,
            text,
            present.map(|(id, _)| id),
            by,
            reason,
        )
        .await?
        {
            return Ok(());
        }
    }

    Err(StoreError::Unexpected("other configurations are published all the time").into())
}

/// `false`: another version is in force than the one that this was planned against.
async fn guarded(
    store: &Store,
    clock: &SharedClock,
    mapping: &Mapping,
    text: &str,
    planned_against: Option<i64>,
    by: &str,
    reason: &str,
) -> Result<bool, Refused> {
    let named: Vec<ProviderId> = mapping
        .providers
        .iter()
        .map(|provider| provider.id.clone())
        .collect();

    let mut tx = store.begin().await?;

    // In one order by everyone, so that two who publish at once cannot wait for each other.
    let mut in_order: Vec<&ProviderSettings> = mapping.providers.iter().collect();
    in_order.sort_by(|one, other| one.id.cmp(&other.id));

    for provider in in_order {
        providers::register_providers(&mut tx, &provider.id).await?;
        providers::keep_exchange(&mut tx, &provider.id, provider.exchange).await?;
        transfers::open_provider_accounts(&mut tx, &provider.id).await?;
    }

    imports::publish_mapping(&mut tx, mapping, clock.now()).await?;
    let publication = Publication {
        hash: &mapping.hash,
        body: text,
        providers: &named,
        by,
        reason,
    };

    if versions::publish_version(&mut tx, planned_against, publication, clock.now())
        .await?
        .is_none()
    {
        tx.rollback().await.map_err(StoreError::from)?;
        return Ok(false);
    }

    tx.commit().await.map_err(StoreError::from)?;
    Ok(true)
}

/// The configuration in force, or why nothing can be compared with it: a newer program may have
/// published it, and what cannot be compared may be anything.
async fn mapping_of(
    store: &Store,
    hash: &ConfigHash,
    place: Place<'_>,
    at_hand: Option<AtHand<'_>>,
) -> Result<Result<Arc<Mapping>, String>, StoreError> {
    if let Some(AtHand { served, .. }) =
        at_hand.filter(|at_hand| at_hand.served.mapping.hash == *hash)
    {
        return Ok(Ok(served.mapping.clone()));
    }

    let Some(version) = versions::in_force(store).await? else {
        return Ok(Err(format!(
            "the text of the version in force, {hash}, is not kept, so nothing can be compared \
             with it"
        )));
    };

    let read = roll::read(version.body, place).await;
    Ok(read.map(|file| file.mapping).map_err(|complaints| {
        let hash = version.hash;
        format!(
            "the version in force, {hash}, cannot be read by this program, so nothing can be \
             compared with it: {complaints}"
        )
    }))
}

/// What going from the configuration in force to another would do, over these listings. What
/// `panelgate plan` shows and what is judged when an edit is published is this and nothing else.
pub async fn plan_edit(
    store: &Store,
    before: Arc<Mapping>,
    after: &Arc<Mapping>,
    place: Place<'_>,
    listings: &Arc<Listings>,
    at_hand: Option<AtHand<'_>>,
) -> Result<Result<Plan, OtherCurrency>, StoreError> {
    let before = with_retired(store, before, after, place).await?;
    let was = laid(
        &before,
        listings,
        at_hand.map(|at_hand| &at_hand.served.snapshot),
    )
    .await;

    // What its imports give ids to when it is published is shown, and judged, before.
    let to_come = imports::anticipated(store, after, listings).await?;
    let known = at_hand
        .map(|at_hand| at_hand.laid)
        .filter(|_| Arc::ptr_eq(&to_come, listings));

    let is = laid(after, &to_come, known).await;
    let open = open_orders::count_open(store).await?;
    let after = after.clone();

    Ok(spawn_cpu_bound(move || Plan::between(&was, &is, &before, &after, &open)).await)
}

/// The mapping in force with the last blocks of panels that it does not name, that still have
/// something open, and that come back with the edit: under one name they must be the same account.
async fn with_retired(
    store: &Store,
    before: Arc<Mapping>,
    after: &Mapping,
    place: Place<'_>,
) -> Result<Arc<Mapping>, StoreError> {
    let retired = roll::left_behind(store, &before, place).await?.into_iter();
    let back: Vec<_> = retired
        .filter(|block| after.providers.iter().any(|named| named.id == block.id))
        .collect();

    if back.is_empty() {
        return Ok(before);
    }

    let mut before = Arc::unwrap_or_clone(before);
    before.providers.extend(back);
    Ok(Arc::new(before))
}

/// What of a file's keys and addresses cannot be read in these surroundings. Those of panels that
/// the version in force finds in the same place are not looked for where `known` is given: a
/// command has another environment than the gateway.
pub fn unreadable_keys(
    file: &File,
    surroundings: &BTreeMap<String, String>,
    known: Option<&Mapping>,
) -> Vec<String> {
    let is_known = |provider: &ProviderSettings| {
        let known =
            known.and_then(|known| known.providers.iter().find(|other| other.id == provider.id));
        known.is_some_and(|known| known.key == provider.key)
    };

    let unknown = file
        .mapping
        .providers
        .iter()
        .filter(|provider| !is_known(provider));

    let keys = unknown.filter_map(|provider| config::read_secret(provider, surroundings).err());
    let mut complaints: Vec<String> = keys.map(|error| error.to_string()).collect();

    if known.is_none() {
        let webhook = config::webhook(&file.alerts, surroundings, crate::alerts::WEBHOOK_TIMEOUT);
        complaints.extend(webhook.err().as_ref().map(AlertsError::to_string));
    }

    complaints
}
