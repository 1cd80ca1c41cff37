//! `config`: the history of the configuration, with who and when and why.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, moment, table};
use crate::cli::session::Session;
use crate::config::mask_secrets;
use crate::store::versions::{self, HistoryRow};

/// Lines of the list.
const ROWS_MAX: i64 = 200;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every text that was in force, waits or was refused, newest first
    List,
    /// One text, without the passwords in it
    Show {
        /// Its hash
        hash: String,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    let history = versions::list_history(&session.store, ROWS_MAX).await?;
    match command {
        Command::List => Ok(list(&history)),
        Command::Show { hash } => show(session, &history, &hash).await,
    }
}

fn list(history: &[HistoryRow]) -> CommandOutcome {
    let rows: Vec<_> = history
        .iter()
        .map(|row| {
            let why = if row.said.is_empty() {
                row.reason.clone()
            } else {
                row.said.join("; ")
            };

            [
                row.hash.to_string(),
                row.state.clone(),
                moment(row.at),
                row.by.clone(),
                why,
            ]
        })
        .collect();

    CommandOutcome::new(
        table(["hash", "state", "at", "by", "why"], &rows),
        history.iter().map(document).collect(),
    )
}

async fn show(
    session: &Session,
    history: &[HistoryRow],
    hash: &str,
) -> anyhow::Result<CommandOutcome> {
    let Some(row) = history.iter().find(|row| row.hash.0 == hash) else {
        anyhow::bail!(
            "no configuration {hash:?}; `{} config list` shows all",
            session.globals.again()
        );
    };

    let text = versions::read_text(&session.store, &row.hash)
        .await?
        .map(|text| mask_secrets(&text));

    let mut shown = format!(
        "# {} {} {} by {}",
        row.hash,
        row.state,
        moment(row.at),
        row.by
    );

    if !row.reason.is_empty() {
        let _ = write!(shown, ": {}", row.reason);
    }

    shown.push('\n');
    for said in &row.said {
        let _ = writeln!(shown, "# {said}");
    }

    shown += text.as_deref().unwrap_or("# its text is not kept\n");
    let mut document = document(row);
    document["text"] = json!(text);

    Ok(CommandOutcome::new(shown, document))
}

fn document(row: &HistoryRow) -> Value {
    json!({
        "hash": row.hash.0, "state": row.state, "at": moment(row.at), "by": row.by,
        "reason": row.reason,
        "said": row.said,
    })
}
