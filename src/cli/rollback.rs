//! `rollback`: an earlier configuration comes into force again, and into the file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::cli::replace::Replacement;
use crate::cli::session::Session;
use crate::cli::{apply, check};
use crate::config;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::id::ConfigHash;
use crate::store::versions::{self, EditState, HistoryRow, Version};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which one; the one in force before the present one unless said
    #[arg(value_name = "HASH")]
    hash: Option<String>,
}

pub async fn run(session: &Session, options: Options) -> anyhow::Result<CommandOutcome> {
    let named = check::file(&session.globals);
    let path = path(&named)?;
    let version = wanted(session, options.hash.as_deref()).await?;
    let (today, bytes) = (
        SystemClock.now().date_naive(),
        version.body.clone().into_bytes(),
    );

    // As it was named, for what it is compared with is read so too: a key file is the same by one
    // spelling of its folder.
    let file = config::parse(&named, bytes, &config::surroundings(), today).map_err(|error| {
        WrongUse::because(format!(
            "{} does not validate any more, and nothing was changed:\n{error}",
            version.hash
        ))
    })?;

    let passed_over = if options.hash.is_none() {
        newer_edit(session).await?
    } else {
        None
    };

    // Made ready before anything is published: what cannot be written is no roll-back.
    let ready = Replacement::beside(&path, &version.body)?;
    let published = apply::publish(session, &file, "config rollback").await?;

    // Before any node is waited for: a file that is written late counts as an edit of what was
    // applied meanwhile.
    let kept = put(session, ready, &version.hash).await?;
    let published = published.adopted(session).await?;
    let (hash, from, file) = (&version.hash, published.from(), path.display());
    let panelgate = session.globals.again();

    let mut text = match from {
        Some(from) => format!("went back from {from} to {hash}, which is in force\n"),
        None => published.head(),
    };

    if let (Some(edit), Some(from)) = (&passed_over, from) {
        let (edit, state) = (&edit.hash, &edit.state);
        let _ = writeln!(
            text,
            "{edit}, which is newer and {state}, was never in force and was passed over; to have \
             again what was in force a moment ago: `{panelgate} rollback {from}`"
        );
    }

    text += &published.text();
    let _ = writeln!(
        text,
        "{file} holds it; the file before is {}",
        kept.display()
    );

    let mut document = published.document();
    document["file"] = json!(file.to_string());
    document["kept"] = json!(kept.display().to_string());
    document["passed_over"] =
        json!(passed_over.map(|edit| json!({ "config_hash": edit.hash.0, "state": edit.state })));

    Ok(CommandOutcome::new(text, document).failing_if(!published.is_followed()))
}

/// The file that is written; one that is not there is nobody's configuration.
fn path(named: &Path) -> anyhow::Result<PathBuf> {
    let there = named
        .canonicalize()
        .and_then(|path| Ok((std::fs::metadata(&path)?.is_file(), path)));

    let name = named.display();
    match there {
        Ok((true, path)) => Ok(path),
        Ok((false, _)) => Err(WrongUse::because(format!(
            "{name} is no file, and nothing was changed; name the gateway's configuration file \
             with --config"
        ))),
        Err(error) => Err(WrongUse::because(format!(
            "{name} cannot be found, and nothing was changed; name the gateway's configuration \
             file with --config: {error}"
        ))),
    }
}

async fn wanted(session: &Session, hash: Option<&str>) -> anyhow::Result<Version> {
    let panelgate = session.globals.again();
    let Some(hash) = hash else {
        let before = versions::find_before(&session.store).await?;
        return before.with_context(|| {
            format!(
                "there is no version before the one in force; `{panelgate} config list` shows all"
            )
        });
    };

    match versions::find_version(&session.store, hash).await? {
        Some(Some(version)) => Ok(version),
        Some(None) => anyhow::bail!(
            "the text of {hash} is too old to be kept; `{panelgate} config list` shows all"
        ),
        None => anyhow::bail!(
            "{hash:?} was never in force; `{panelgate} config list` shows what was, and what is: \
             \"in force\""
        ),
    }
}

/// A refused or waiting text that was seen after the version in force came to be that.
async fn newer_edit(session: &Session) -> anyhow::Result<Option<HistoryRow>> {
    let newest = versions::list_history(&session.store, 1).await?.pop();
    let is_edit = |row: &HistoryRow| {
        [EditState::Refused, EditState::Waiting]
            .iter()
            .any(|state| state.as_str() == row.state)
    };

    Ok(newest.filter(is_edit))
}

/// Puts the text in the file's place while it is in force; where the replaced file was kept.
async fn put(session: &Session, ready: Replacement, hash: &ConfigHash) -> anyhow::Result<PathBuf> {
    let path = ready.path().display().to_string();
    let mut tx = session.store.begin().await?;
    let newest = versions::newest_held(&mut tx).await?;

    if let Some(newest) = newest.filter(|newest| newest != hash) {
        anyhow::bail!(
            "{hash} came into force, but somebody applied {newest} right after it, which is in \
             force now; {path} was left as it is; `{} config list` tells who did that and why",
            session.globals.again()
        );
    }

    let kept = ready.put(&format!("before-{hash}")).with_context(|| {
        format!("{hash} is in force, but {path} cannot be written; write it there yourself")
    })?;

    tx.commit().await?;
    Ok(kept)
}
