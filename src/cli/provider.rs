//! `provider`: the panels' state of affairs.

use serde_json::json;

use crate::cli::answer::{Answer, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::store::providers;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every panel: its catalogue, our balance there, what is open, in doubt and parked
    List,
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::List => list(session).await,
    }
}

async fn list(session: &Session) -> anyhow::Result<Answer> {
    let providers = providers::list(&session.store).await?;
    let now = session.now();
    let rows: Vec<_> = providers
        .iter()
        .map(|row| {
            [
                row.id.to_string(),
                if row.held_until.is_some_and(|until| until > now) { "served" } else { "not served" }.to_owned(),
                row.balance.map(|balance| balance.to_string()).unwrap_or_default(),
                row.services.to_string(),
                maybe_moment(row.catalogue_at),
                row.open_legs.to_string(),
                row.in_doubt.to_string(),
                row.parked.to_string(),
                row.catalogue_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heads = ["id", "state", "balance", "services", "catalogue_at", "open", "in_doubt", "parked", "error"];
    let document = providers.iter().map(|row| {
        json!({
            "id": row.id.0, "served": row.held_until.is_some_and(|until| until > now),
            "balance": row.balance.map(|balance| balance.to_string()), "balance_at": row.balance_at.map(moment),
            "services": row.services, "catalogue_at": row.catalogue_at.map(moment), "open": row.open_legs,
            "in_doubt": row.in_doubt, "parked": row.parked, "error": row.catalogue_error,
        })
    });
    Ok(Answer::new(table(heads, &rows), document.collect()))
}
