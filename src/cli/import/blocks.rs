//! Services as `[[service]]` blocks at the end of the configuration file, which stays the only
//! truth for routing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::catalog::imports;
use crate::catalog::mapping::Mapping;
use crate::cli::import::papers::OldService;
use crate::cli::import::sheet::Wrongs;
use crate::cli::replace::Replacement;
use crate::config::{self, NewService};
use crate::domain::service::ServiceRule;
use crate::store::{Store, StoreError, Tx, versions};

/// What the replaced file's name ends in afterwards.
const BEFORE: &str = "before-import";

/// The configuration file with the services in it, found right and not written yet.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    /// The file as it was read.
    original: String,
    text: String,
    mapping: Arc<Mapping>,
    /// Services that it did not have.
    pub added: usize,
    /// Services that it had already.
    pub before: usize,
}

/// Adds the services to the file's text, and reads the whole of it as `check` would.
pub fn draft(path: &Path, services: &[OldService], wrongs: &mut Wrongs) -> anyhow::Result<Draft> {
    let surroundings = config::surroundings();
    let file = config::load(path, &surroundings)?;
    let here: HashMap<i64, &ServiceRule> = file
        .mapping
        .services
        .iter()
        .map(|rule| (i64::from(rule.id.0), rule))
        .collect();

    let (mut blocks, mut before) = (Vec::new(), 0);
    for service in services {
        match here.get(&service.block.id) {
            None => blocks.push(&service.block),
            Some(rule) if delivers(rule, &service.block) => before += 1,
            Some(_) => {
                let (file, id) = (path.display(), service.block.id);
                wrongs.say(
                    &service.place,
                    &format!("{file} has a service {id} already, with another route"),
                );
            }
        }
    }

    let added = blocks.len();
    let (mut text, mut mapping) = (file.text.clone(), file.mapping.clone());

    if added > 0 {
        text = config::with_services(&text, &blocks);
        match config::read(&text, path.parent().unwrap_or(Path::new("")), &surroundings) {
            Ok(file) => mapping = file.mapping,
            Err(complaints) => {
                let name = format!(
                    "{} with the services of the sheet at its end",
                    path.display()
                );
                wrongs.say("services.csv", &complaints.about(name).to_string());
            }
        }
    }

    Ok(Draft {
        path: path.to_owned(),
        original: file.text,
        text,
        mapping,
        added,
        before,
    })
}

/// Whether a block sells the same service of the same panel.
fn delivers(rule: &ServiceRule, service: &NewService) -> bool {
    rule.routes
        .iter()
        .any(|route| route.provider.0 == service.provider && route.service == service.service)
}

impl Draft {
    /// Complains about what would keep the file from being published, or would publish more than
    /// the services. `panelgate` is how a command is typed that speaks of the same file.
    pub async fn check(
        &self,
        tx: &mut Tx,
        services: &[OldService],
        panelgate: &str,
        wrongs: &mut Wrongs,
    ) -> Result<(), StoreError> {
        if self.added == 0 {
            return Ok(());
        }

        let hash = config::hash(self.original.as_bytes());
        if let Some(newest) = versions::newest_held(tx)
            .await?
            .filter(|newest| *newest != hash)
        {
            let what = format!(
                "it is not the version in force, {newest}, and everything else that differs in it \
                 would come into force with the services; apply it first (`{panelgate} apply`), \
                 or have it hold what is in force (`{panelgate} rollback {newest}`)"
            );

            wrongs.say(&self.path.display().to_string(), &what);
        }

        for taken in imports::taken(tx, &self.mapping).await? {
            let place = services
                .iter()
                .find(|service| service.block.id == i64::from(taken.id.0));

            wrongs.say(
                place.map_or("services.csv", |service| &service.place),
                &taken.to_string(),
            );
        }

        Ok(())
    }

    /// Writes the text beside the file, as far as anything can be done before the books are
    /// committed. `None`: there is nothing to write.
    pub fn prepare(self) -> anyhow::Result<Option<Prepared>> {
        if self.added == 0 {
            return Ok(None);
        }

        let ready = Replacement::beside(&self.path, &self.text)?;
        let prepared = Prepared {
            ready,
            original: self.original,
        };

        if !prepared.is_unchanged()? {
            anyhow::bail!(
                "nothing was imported; {} was changed meanwhile; run it again",
                self.path.display()
            );
        }

        Ok(Some(prepared))
    }
}

/// A file that waits for its last step.
#[derive(Debug)]
pub struct Prepared {
    ready: Replacement,
    original: String,
}

impl Prepared {
    /// Puts the file in its place, unless anybody changed it, or what is in force, since it was
    /// read.
    pub async fn finish(self, store: &Store) -> anyhow::Result<()> {
        let path = self.ready.path().display().to_string();
        let left = |why: &str| {
            format!(
                "customers, keys and balances are in, but {why}; {path} was left as it is: run \
                 the import again for its services"
            )
        };

        let mut tx = store.begin().await?;
        let newest = versions::newest_held(&mut tx).await?;
        if let Some(newest) =
            newest.filter(|newest| *newest != config::hash(self.original.as_bytes()))
        {
            anyhow::bail!(left(&format!("{newest} came into force meanwhile")));
        }

        if !self
            .is_unchanged()
            .with_context(|| left("the file cannot be read"))?
        {
            anyhow::bail!(left("the file was changed meanwhile"));
        }

        self.ready
            .put(BEFORE)
            .with_context(|| left("the file cannot be written"))?;

        Ok(tx.commit().await?)
    }

    fn is_unchanged(&self) -> std::io::Result<bool> {
        Ok(config::bytes(self.ready.path())? == self.original.as_bytes())
    }
}
