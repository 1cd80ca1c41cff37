//! `import`: moving in from an earlier panel, all of it or nothing.
//!
//! A dry run does everything that the import does, and takes it back before the end.

mod blocks;
mod books;
mod papers;
mod sheet;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::answer::CommandOutcome;
use crate::cli::import::books::Brought;
use crate::cli::import::papers::Papers;
use crate::cli::import::sheet::Wrongs;
use crate::cli::session::Session;
use crate::cli::{check, customer};
use crate::store::customers;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Customers, keys that keep working, balances and services, from a folder of comma-separated
    /// sheets
    Csv {
        /// The folder with customers.csv, keys.csv and services.csv, or some of them
        folder: PathBuf,
        /// Try everything, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Csv { folder, dry_run } => import(session, &folder, dry_run).await,
    }
}

async fn import(session: &Session, folder: &Path, dry_run: bool) -> anyhow::Result<CommandOutcome> {
    let mut wrongs = Wrongs::default();
    let papers = papers::read(folder, &mut wrongs);
    check_tiers(session, &papers, &mut wrongs).await?;

    let draft = if papers.services.is_empty() {
        None
    } else {
        Some(blocks::draft(
            &check::file(&session.globals),
            &papers.services,
            &mut wrongs,
        )?)
    };

    let here = customers::list_customers(&session.store).await?;
    books::check_owners(&papers, &here, &mut wrongs);
    wrongs.check()?;
    let mut tx = session.store.begin().await?;
    let brought = books::bring(&mut tx, &papers, here, &mut wrongs, session.now()).await?;

    if let Some(draft) = &draft {
        draft
            .check(
                &mut tx,
                &papers.services,
                &session.globals.again(),
                &mut wrongs,
            )
            .await?;
    }

    wrongs.check()?;
    let (added, before) = draft
        .as_ref()
        .map_or((0, 0), |draft| (draft.added, draft.before));

    let mut answer = told(&brought, added, before, dry_run);
    if added > 0 {
        answer = answer.adding(&what_comes(session, dry_run));
    }

    if dry_run {
        tx.rollback().await?;
        return Ok(answer);
    }

    let prepared = draft
        .and_then(|draft| draft.prepare().transpose())
        .transpose()?;

    let what = format!(
        "{} customers, {} keys, {}, {added} services",
        brought.customers, brought.keys, brought.opened_with
    );

    session.note(&mut tx, "import csv", &what).await?;
    tx.commit().await?;

    if let Some(prepared) = prepared {
        prepared.finish(&session.store).await?;
    }

    Ok(answer)
}

/// Customers whose tier nobody knows would be limited as standard, which nobody may have meant.
async fn check_tiers(
    session: &Session,
    papers: &Papers,
    wrongs: &mut Wrongs,
) -> anyhow::Result<()> {
    let mut checked: Vec<(&str, Option<String>)> = Vec::new();
    for old in &papers.customers {
        if !checked.iter().any(|(tier, _)| *tier == old.tier) {
            let unknown = customer::check_tier(session, &old.tier)
                .await
                .err()
                .map(|error| error.to_string());
            checked.push((&old.tier, unknown));
        }

        if let Some((_, Some(unknown))) = checked.iter().find(|(tier, _)| *tier == old.tier) {
            wrongs.say(&old.place, &format!("tier: {unknown}"));
        }
    }

    Ok(())
}

/// What becomes of services: the file is an edit like any other, and the gateway judges it
/// afterwards.
fn what_comes(session: &Session, dry_run: bool) -> String {
    let (file, panelgate) = (check::file(&session.globals), session.globals.again());
    let (file, holds) = (file.display(), if dry_run { "would hold" } else { "holds" });

    format!(
        "{file} {holds} the services, which are sold once it is in force: a gateway that watches \
         it takes it within seconds, unless it may be a slip: then `{panelgate} plan` says why, \
         and it waits for `{panelgate} apply`"
    )
}

fn told(
    brought: &Brought,
    services: usize,
    services_before: usize,
    dry_run: bool,
) -> CommandOutcome {
    let Brought {
        customers,
        customers_before,
        keys,
        keys_before,
        opened_with,
    } = brought;

    let mut text = String::from(if dry_run {
        "a dry run: nothing is changed; it would bring in\n"
    } else {
        "moved in\n"
    });

    for (what, new, before) in [
        ("customers", *customers, *customers_before),
        ("keys", *keys, *keys_before),
        ("services", services, services_before),
    ] {
        let were = if before > 0 {
            format!(" ({before} were here before)")
        } else {
            String::new()
        };
        let _ = writeln!(text, "  {what}: {new}{were}");
    }

    let _ = writeln!(text, "  opening balances: {opened_with}");
    let document = json!({
        "dry_run": dry_run, "opened_with": opened_with.to_string(),
        "customers": { "new": customers, "before": customers_before },
        "keys": { "new": keys, "before": keys_before },
        "services": { "new": services, "before": services_before },
    });

    CommandOutcome::new(text, document)
}
