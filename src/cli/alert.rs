//! `alert`: what needs a person, and what did.

use serde_json::json;

use crate::cli::answer::{CommandOutcome, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::store::alerts;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What needs a person, and what is over: since when, what to do, and whether the webhook took
    /// it
    List,
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::List => list(session).await,
    }
}

async fn list(session: &Session) -> anyhow::Result<CommandOutcome> {
    let alerts = alerts::list_alerts(&session.store).await?;
    let rows: Vec<_> = alerts
        .iter()
        .map(|row| {
            [
                row.kind.clone(),
                row.object.clone(),
                row.count.to_string(),
                moment(row.since),
                maybe_moment(row.over_at),
                maybe_moment(row.told_at),
                maybe_moment(row.over_told_at),
                row.words.clone(),
            ]
        })
        .collect();

    let heads = [
        "kind",
        "object",
        "count",
        "since",
        "over_at",
        "told_at",
        "over_told_at",
        "what to do",
    ];

    let document = alerts.iter().map(|row| {
        json!({
            "id": row.id, "kind": row.kind, "object": row.object, "count": row.count,
            "since": moment(row.since),
            "over_at": row.over_at.map(moment), "told_at": row.told_at.map(moment),
            "over_told_at": row.over_told_at.map(moment), "attempts": row.attempts,
            "words": row.words,
        })
    });

    Ok(CommandOutcome::new(table(heads, &rows), document.collect()))
}
