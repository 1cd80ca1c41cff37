//! `plan`: what the configuration file would do to the version in force. Nothing is changed and no
//! panel is asked.

mod document;
mod groups;
mod text;

use std::path::Path;
use std::sync::Arc;

use crate::catalog::mapping::Mapping;
use crate::catalog::plan::{Plan, SettingChange};
use crate::catalog::{Listings, Snapshot};
use crate::cli::answer::CommandOutcome;
use crate::cli::place::DatabaseTarget;
use crate::cli::session::Session;
use crate::cli::{Globals, check, in_force};
use crate::config::{self, AlertSettings, File};
use crate::domain::id::ProviderId;
use crate::reload;
use crate::reload::Place;
use crate::store::Store;

/// A plan, and what must be known to read it.
struct Planned {
    plan: Plan,
    /// Panels of the file whose catalog nobody has read yet.
    unread: Vec<ProviderId>,
}

pub async fn run(globals: Globals) -> anyhow::Result<CommandOutcome> {
    let path = check::file(&globals);
    let file = config::load(&path, &config::surroundings())?;
    crate::telemetry::quiet();

    // Planning makes no database: without one, no gateway was ever started.
    let place = DatabaseTarget::by_file(&globals, &file.process)?;
    let panelgate = globals.again();

    let planned = if place.is_made() {
        let session = Session::open(globals, &place).await?;
        let planned = over_database(
            &session.store,
            &file,
            path.parent().unwrap_or(Path::new("")),
        )
        .await;

        session.close().await;
        planned?
    } else {
        first(&file.mapping, &Arc::default())
    };

    let name = path.display().to_string();
    Ok(CommandOutcome::new(
        text::of(&planned.plan, &planned.unread, &name, &panelgate),
        document::of(&planned.plan, &planned.unread),
    ))
}

async fn over_database(store: &Store, file: &File, folder: &Path) -> anyhow::Result<Planned> {
    let listings = Listings::stored(store, None).await?;
    let Some(before) = in_force::file(store, folder).await? else {
        return Ok(first(&file.mapping, &listings));
    };

    let place = Place {
        folder,
        surroundings: &config::surroundings(),
    };

    let edit = reload::plan_edit(store, before.mapping, &file.mapping, place, &listings, None);
    let mut plan = edit.await??;

    plan.settings.extend(alerts(&before.alerts, &file.alerts));
    Ok(Planned {
        plan,
        unread: unread(&file.mapping, &listings),
    })
}

fn first(mapping: &Mapping, listings: &Arc<Listings>) -> Planned {
    let plan = Plan::first(&Snapshot::resolve(mapping, listings), mapping);
    Planned {
        plan,
        unread: unread(mapping, listings),
    }
}

fn unread(mapping: &Mapping, listings: &Listings) -> Vec<ProviderId> {
    let ids = mapping.providers.iter().map(|provider| &provider.id);
    ids.filter(|id| !listings.knows(id)).cloned().collect()
}

/// The names of variables, which are no secrets.
fn alerts(old: &AlertSettings, new: &AlertSettings) -> Vec<SettingChange> {
    let pairs = [
        ("[alerts] url_env", &old.url_env, &new.url_env),
        ("[alerts] secret_env", &old.secret_env, &new.secret_env),
    ];

    let differ = pairs.into_iter().filter(|(_, old, new)| old != new);
    differ
        .map(|(what, old, new)| SettingChange {
            what: what.into(),
            old: old.clone(),
            new: new.clone(),
        })
        .collect()
}
