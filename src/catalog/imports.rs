//! Selling a panel's catalog as it comes: which services an import takes, and the ids of ours
//! that they keep for ever.
//!
//! An id is given in the commit that stores a catalog or publishes a configuration, and nothing
//! is sold before that commit: a service without a stored id is not there. What a `[[service]]`
//! block has as its first route is that block's affair, and no import's.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::catalog::listings::Listings;
use crate::catalog::mapping::Mapping;
use crate::catalog::snapshot::Unsold;
use crate::catalog::spawn_cpu_bound;
use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, ProviderId, ServiceId};
use crate::domain::service::{Route, ServiceRule};
use crate::pricing::markup::matches_glob;
use crate::store::catalog::{CatalogEntry, Shown};
use crate::store::imports::{self, Given, IMPORTED_MAX};
use crate::store::{Store, StoreError, Tx, catalog};

/// One `[[import]]` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRule {
    /// Whose catalog.
    pub provider: ProviderId,
    /// Patterns of categories, of which one must match; none: every category.
    pub categories: Vec<String>,
    /// Patterns of names and categories; where one matches either, the service is left out.
    pub exclude: Vec<String>,
    /// The first id that it may give.
    pub ids_from: i32,
}

impl ImportRule {
    /// Whether it sells a service of its panel's that is shown under this name and category.
    pub fn takes(&self, name: &str, category: &str) -> bool {
        let wanted = self.categories.is_empty()
            || self
                .categories
                .iter()
                .any(|pattern| matches_glob(pattern, category));

        let left_out =
            |pattern: &String| matches_glob(pattern, name) || matches_glob(pattern, category);
        wanted && !self.exclude.iter().any(left_out)
    }
}

impl fmt::Display for ImportRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "provider {:?}", self.provider.0)?;
        for (name, patterns) in [("categories", &self.categories), ("exclude", &self.exclude)] {
            if !patterns.is_empty() {
                write!(f, ", {name} {patterns:?}")?;
            }
        }

        write!(f, ", ids_from {}", self.ids_from)
    }
}

/// Why a configuration cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Blocks took ids that mean something else for ever.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Taken(Vec<TakenServices>),
    /// The database gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A `[[service]]` block under an id that an import gave to another service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "service {id}: the id was given to service {:?} of panel \"{}\" by an import, and keeps that \
     meaning: give the block \
     another id, or make that service its first route", .of.service, .of.provider
)]
pub struct TakenServices {
    /// The id.
    pub id: ServiceId,
    /// What it means.
    pub of: Route,
}

/// What a new configuration needs before it is sold by, in the transaction that publishes it: the
/// ids of its blocks are theirs for ever, every service that its imports take gets its id, and no
/// block has an id that means something else.
pub async fn publish_mapping(
    tx: &mut Tx,
    mapping: &Mapping,
    now: Timestamp,
) -> Result<(), Refused> {
    let mut providers: Vec<&ProviderId> = mapping
        .imports
        .iter()
        .map(|import| &import.provider)
        .collect();

    providers.sort();
    providers.dedup();

    // In the order of their names, so that two who publish cannot wait for each other.
    for provider in &providers {
        catalog::only_one(tx, provider).await?;
    }

    imports::only_one(tx).await?;
    let blocks: Vec<i32> = mapping.services.iter().map(|rule| rule.id.0).collect();
    imports::keep_blocks(tx, &blocks).await?;

    for provider in providers {
        let rows = catalog::listed_by(tx, provider).await?;
        if give(tx, mapping, provider, &rows, None, now).await? > 0 {
            catalog::renew_catalog(tx, provider).await?;
        }
    }

    let taken = taken(tx, mapping).await?;
    if taken.is_empty() {
        Ok(())
    } else {
        Err(Refused::Taken(taken))
    }
}

/// The blocks of a configuration whose ids mean something else.
pub async fn taken(tx: &mut Tx, mapping: &Mapping) -> Result<Vec<TakenServices>, StoreError> {
    let blocks: Vec<i32> = mapping.services.iter().map(|rule| rule.id.0).collect();
    let given: HashMap<ServiceId, Route> = imports::list_given(tx, &blocks)
        .await?
        .into_iter()
        .collect();

    let clash = |rule: &ServiceRule| given.get(&rule.id).filter(|of| !means(rule, of)).cloned();
    Ok(mapping
        .services
        .iter()
        .filter_map(|rule| {
            Some(TakenServices {
                id: rule.id,
                of: clash(rule)?,
            })
        })
        .collect())
}

/// What a panel was just stored to list gets its ids, in the same transaction; unless another
/// version came into force meanwhile, which this process has not adopted yet.
pub async fn after_reading(
    tx: &mut Tx,
    mapping: &Mapping,
    provider: &ProviderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    if mapping
        .imports
        .iter()
        .any(|import| import.provider == *provider)
    {
        let rows = catalog::listed_by(tx, provider).await?;
        if give(tx, mapping, provider, &rows, Some(&mapping.hash), now).await? > 0 {
            catalog::renew_catalog(tx, provider).await?;
        }
    }

    Ok(())
}

/// Gives an id to every row of a panel's catalog that an import takes and that has none yet. How
/// many.
async fn give(
    tx: &mut Tx,
    mapping: &Mapping,
    provider: &ProviderId,
    rows: &[Shown],
    by: Option<&ConfigHash>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let rows = rows.iter().map(|row| {
        (
            row.service.as_str(),
            row.name.as_str(),
            row.category.as_str(),
        )
    });

    let wanted = wanted(mapping, provider, rows);
    let Given { missing, given } = imports::give_ids(tx, provider, &wanted, by, now).await?;

    if given < missing {
        tracing::error!(
            %provider, left_out = missing - given,
            "imports sell at most {IMPORTED_MAX} services of a panel: leave categories out"
        );
    }

    Ok(given)
}

/// Which of a panel's rows `(service, name, category)` its imports take, each with the first id
/// that it may get.
fn wanted<'a>(
    mapping: &Mapping,
    provider: &ProviderId,
    rows: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> Vec<(&'a str, i32)> {
    let of_panel: Vec<&ImportRule> = mapping
        .imports
        .iter()
        .filter(|import| import.provider == *provider)
        .collect();

    let own = owned(mapping);
    let foreign = rows.filter(|(service, ..)| !own.contains(&(provider.0.as_str(), *service)));
    let taken = foreign.filter_map(|(service, name, category)| {
        let import = of_panel
            .iter()
            .find(|import| import.takes(name, category))?;
        Some((service, import.ids_from))
    });

    let mut wanted: Vec<(&str, i32)> = taken.collect();

    // Numbers in their order: whoever compares our ids with the panel's finds them in step.
    wanted.sort_by_key(|(service, _)| (service.len(), *service));
    wanted
}

/// The catalogs as they are once this configuration is published: what its imports take has the
/// id that it is given then, so that a plan shows it. Nothing is written.
pub async fn anticipated(
    store: &Store,
    mapping: &Arc<Mapping>,
    listings: &Arc<Listings>,
) -> Result<Arc<Listings>, StoreError> {
    if mapping.imports.is_empty() {
        return Ok(listings.clone());
    }

    let blocks = imports::list_blocks(store).await?;
    let (mapping, listings) = (mapping.clone(), listings.clone());
    Ok(spawn_cpu_bound(move || {
        let ids = to_be_given(&mapping, &listings, &blocks);
        if ids.is_empty() {
            listings
        } else {
            Arc::new(listings.with(ids))
        }
    })
    .await)
}

/// What [`give`] will give, as far as nothing comes in between; `blocks` are the ids that blocks
/// ever had.
fn to_be_given(mapping: &Mapping, listings: &Listings, blocks: &[i32]) -> Vec<(ServiceId, Route)> {
    let own = mapping.services.iter().map(|rule| rule.id.0);
    let mut taken: HashSet<i32> = listings
        .imported()
        .map(|(id, ..)| id.0)
        .chain(blocks.iter().copied())
        .collect();

    taken.extend(own);
    let providers: BTreeSet<&ProviderId> = mapping
        .imports
        .iter()
        .map(|import| &import.provider)
        .collect();

    let mut ids = Vec::new();
    for provider in providers {
        let rows = || listings.of_panel(provider).filter(|listed| !listed.gone);
        let shown = rows().map(|CatalogEntry { row, .. }| {
            (
                row.service.as_str(),
                row.name.as_str(),
                row.category.as_str(),
            )
        });

        let known: HashSet<&str> = rows()
            .filter(|listed| listed.imported.is_some())
            .map(|listed| listed.row.service.as_str())
            .collect();

        let (have, mut missing): (Vec<_>, Vec<_>) = wanted(mapping, provider, shown)
            .into_iter()
            .partition(|(service, _)| known.contains(service));

        missing.sort_by_key(|(_, first)| *first);
        let room = usize::try_from(IMPORTED_MAX)
            .unwrap_or(usize::MAX)
            .saturating_sub(have.len());

        let mut next = i32::MIN;
        for (service, first) in missing.into_iter().take(room) {
            next = next.max(first);
            let Some(id) = (next..=i32::MAX).find(|id| !taken.contains(id)) else {
                break;
            };

            taken.insert(id);
            next = id;

            ids.push((
                ServiceId(id),
                Route {
                    provider: provider.clone(),
                    service: service.to_owned(),
                },
            ));
        }
    }

    ids
}

/// The rules of what the imports sell, as if each were a block; and what has an id and is not sold,
/// with the reason.
pub fn rules(mapping: &Mapping, listings: &Listings) -> (Vec<ServiceRule>, Vec<Unsold>) {
    let own = owned(mapping);
    let blocks: HashSet<ServiceId> = mapping.services.iter().map(|rule| rule.id).collect();
    let (mut rules, mut unsold) = (Vec::new(), Vec::new());

    for (id, route, CatalogEntry { row, gone, .. }) in listings.imported() {
        let mut of_panel = mapping
            .imports
            .iter()
            .filter(|import| import.provider == route.provider)
            .peekable();

        if of_panel.peek().is_none() {
            continue;
        }

        let mut leave = |why| {
            unsold.push(Unsold {
                id,
                why,
                routes: vec![route.clone()],
            });
        };

        if own.contains(&(route.provider.0.as_str(), route.service.as_str())) {
            if !blocks.contains(&id) {
                leave("a [[service]] block sells it under an id of its own");
            }
        } else if *gone {
            leave("its panel does not list it now");
        } else if of_panel.any(|import| import.takes(&row.name, &row.category)) {
            rules.push(ServiceRule::as_it_comes(id, route.clone()));
        } else {
            leave("no [[import]] takes it now");
        }
    }

    (rules, unsold)
}

/// Why a block cannot be sold under its id, where an import gave the id to something else: to this.
pub fn refusal(rule: &ServiceRule, given: Option<&Route>) -> Option<&'static str> {
    (!means(rule, given?)).then_some(
        "an import gave its id to another service, which keeps it: give the block another id",
    )
}

/// A block may take up an id that was imported, where the id goes on meaning the same.
fn means(rule: &ServiceRule, of: &Route) -> bool {
    rule.routes.first() == Some(of)
}

/// What blocks sell by their first routes: `(panel, its service)`.
fn owned(mapping: &Mapping) -> HashSet<(&str, &str)> {
    let firsts = mapping
        .services
        .iter()
        .filter_map(|rule| rule.routes.first());

    firsts
        .map(|route| (route.provider.0.as_str(), route.service.as_str()))
        .collect()
}
