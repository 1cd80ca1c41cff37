//! `apply`: the configuration file comes into force, dangers included: a person said so.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog;
use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::cli::check;
use crate::cli::session::Session;
use crate::config::{self, File};
use crate::domain::clock::SharedClock;
use crate::domain::id::ConfigHash;
use crate::reload::{self, Consent, PublishOutcome};
use crate::reload::{EditWords, Place};
use crate::store::nodes::{self, Running};
use crate::store::versions::{self, Version};

/// How often it is looked which nodes have adopted it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long they are waited for: within a second they have it, or a busy machine or something else
/// keeps them.
const LOOKS_MAX: u32 = 200;

pub async fn run(session: &Session) -> anyhow::Result<CommandOutcome> {
    let path = check::file(&session.globals);
    let file = config::load(&path, &config::surroundings())?;
    let published = publish(session, &file, "config apply")
        .await?
        .adopted(session)
        .await?;

    let answer = CommandOutcome::new(published.head() + &published.text(), published.document());
    Ok(answer.failing_if(!published.is_followed()))
}

/// What publishing a text came to.
pub struct Published {
    hash: ConfigHash,
    before: Option<ConfigHash>,
    changed: bool,
    dangers: Vec<String>,
    restart: Vec<&'static str>,
    /// Customers whom rules name and whom nobody opened.
    unknown_customers: Vec<String>,
    nodes: Vec<Running>,
    /// What came into force since, by somebody else.
    since: Option<ConfigHash>,
    /// How another command is typed that speaks of the same.
    again: String,
}

/// Publishes a file that was found right; nobody is waited for yet.
pub async fn publish(session: &Session, file: &File, verb: &str) -> anyhow::Result<Published> {
    let surroundings = config::surroundings();
    let path = check::file(&session.globals);
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let present = versions::in_force(&session.store).await?;
    let known = present.as_ref().and_then(|present| read(present, &folder));
    let no_mapping = known.as_ref().map(|known| &*known.mapping);

    let unreadable = match no_mapping {
        Some(known) => reload::unreadable_keys(file, &surroundings, Some(known)),
        None => Vec::new(),
    };

    if !unreadable.is_empty() {
        return Err(WrongUse::because(unreadable.join("\n")));
    }

    let restart = known
        .as_ref()
        .map(|known| known.process.differing(&file.process))
        .unwrap_or_default();

    let clock: SharedClock = session.store.clock();
    let by = session.by();
    let said = EditWords {
        by: &by,
        reason: session.reason(),
        consent: Consent::Person,
    };

    let place = Place {
        folder: &folder,
        surroundings: &surroundings,
    };

    let outcome = reload::publish_file(&session.store, &clock, file, place, said, None).await?;

    let (changed, before, dangers) = match outcome {
        PublishOutcome::Same => (false, present.map(|present| present.hash), Vec::new()),
        PublishOutcome::Published {
            before,
            dangers,
            does: _,
        } => (true, before, dangers),
        PublishOutcome::Refused(why) => return Err(WrongUse::because(why.join("\n"))),
        PublishOutcome::Waits(_) | PublishOutcome::Crowded => {
            anyhow::bail!(
                "other nodes published all the time; look at `{} config list` and try again",
                session.globals.again()
            )
        }
    };

    let hash = file.mapping.hash.clone();
    if changed {
        let mut tx = session.store.begin().await?;
        session
            .note(&mut tx, verb, &format!("configuration {hash}"))
            .await?;
        tx.commit().await?;
    }

    let unknown_customers = catalog::unknown_customers(&session.store, &file.mapping).await?;
    let unknown_customers = unknown_customers.iter().map(ToString::to_string).collect();

    Ok(Published {
        hash,
        before,
        changed,
        dangers,
        restart,
        unknown_customers,
        nodes: Vec::new(),
        since: None,
        again: session.globals.again(),
    })
}

/// What this program makes of the version in force, its key files beside the same file; nothing of
/// its environment is asked.
fn read(version: &Version, folder: &Path) -> Option<File> {
    config::read(&version.body, folder, &BTreeMap::new()).ok()
}

impl Published {
    /// The same with the nodes that run, once all of them serve it, or somebody replaced it, or
    /// when the time is over.
    pub async fn adopted(mut self, session: &Session) -> anyhow::Result<Self> {
        for look in 0..=LOOKS_MAX {
            if look > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }

            let newest = versions::find_newest(&session.store)
                .await?
                .map(|(_, newest)| newest);

            self.since = newest.filter(|newest| *newest != self.hash);
            self.nodes = nodes::running_nodes(&session.store, session.now()).await?;

            if self.is_followed() {
                break;
            }
        }

        Ok(self)
    }

    /// What was in force before, if that was something else.
    pub fn from(&self) -> Option<&ConfigHash> {
        self.before.as_ref().filter(|_| self.changed)
    }

    /// What is in force now, in a line for people.
    pub fn head(&self) -> String {
        let hash = &self.hash;
        match (&self.before, self.changed) {
            (_, false) => format!("{hash} is in force already\n"),
            (Some(before), true) => format!("{hash} is in force; before: {before}\n"),
            (None, true) => format!("{hash} is in force, the first one\n"),
        }
    }

    /// Whether every node that runs serves it, or need not any more.
    pub fn is_followed(&self) -> bool {
        self.since.is_some() || self.nodes.iter().all(|node| node.hash == self.hash)
    }

    /// What else people are told.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for danger in &self.dangers {
            let _ = writeln!(text, "dangerous, and done: {danger}");
        }

        for table in &self.restart {
            let _ = writeln!(
                text,
                "{table} says something else: restart the gateway to apply that"
            );
        }

        for who in &self.unknown_customers {
            let _ = writeln!(
                text,
                "note: a [[markup]] is for customer {who}, who does not exist"
            );
        }

        if let Some(since) = &self.since {
            let again = &self.again;
            let _ = writeln!(
                text,
                "{since} came into force since, by somebody else; `{again} config list` shows all"
            );

            return text;
        }

        let serving = self
            .nodes
            .iter()
            .filter(|node| node.hash == self.hash)
            .count();

        match self.nodes.len() {
            0 => text.push_str("no gateway runs on this database; the next one begins with it\n"),
            running => {
                let _ = writeln!(text, "nodes that serve it: {serving} of {running}");
            }
        }

        for node in &self.nodes {
            if node.hash != self.hash {
                let _ = writeln!(
                    text,
                    "{} still serves {}; its log tells why",
                    node.name, node.hash
                );
            }

            for provider in &node.keyless {
                let _ = writeln!(
                    text,
                    "{} cannot read the key of {provider} and does not deal with it",
                    node.name
                );
            }
        }

        text
    }

    /// All of it, for scripts.
    pub fn document(&self) -> Value {
        let serving = self
            .nodes
            .iter()
            .filter(|node| node.hash == self.hash)
            .count();

        let nodes = self.nodes.iter().map(|node| {
            json!({ "name": node.name, "config_hash": node.hash.0,
                "keyless": node.keyless })
        });

        json!({
            "config_hash": self.hash.0, "before": self.before.as_ref().map(|before| &before.0),
            "changed": self.changed, "dangers": self.dangers, "restart": self.restart,
            "unknown_customers": self.unknown_customers,
            "since": self.since.as_ref().map(|since| &since.0), "running": self.nodes.len(),
            "serving": serving,
            "nodes": nodes.collect::<Value>(),
        })
    }
}
