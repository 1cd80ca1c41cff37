//! `provider`: the panels' state of affairs.

use serde_json::json;

use crate::cli::answer::{Answer, WrongUse, maybe_moment, moment, table};
use crate::cli::provider_probe;
use crate::cli::session::Session;
use crate::domain::clock::Instant;
use crate::domain::id::ProviderId;
use crate::store::gates;
use crate::store::providers::{self, ProviderRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Learn how a new panel wants to be asked, by questions that buy nothing, and print its block for providers.toml
    Probe(provider_probe::Options),
    /// Every panel: its catalogue, our balance there, what is open, in doubt and parked
    List,
    /// Stop sending orders to a panel; everything else goes on
    Pause {
        /// The panel's id
        provider: String,
    },
    /// Send orders to a panel again, also where too many doubts had stopped it
    Resume {
        /// The panel's id
        provider: String,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::Probe(_) => Err(WrongUse::because("a probe needs no database")),
        Command::List => list(session).await,
        Command::Pause { provider } => pause(session, provider, true).await,
        Command::Resume { provider } => pause(session, provider, false).await,
    }
}

async fn pause(session: &Session, provider: String, paused: bool) -> anyhow::Result<Answer> {
    let id = ProviderId(provider);
    let mut tx = session.store.begin().await?;
    let Some(changed) = gates::pause(&mut tx, &id, paused, session.now()).await? else {
        anyhow::bail!("no panel {:?}; `provider list` shows all", id.0);
    };
    let verb = if paused { "provider pause" } else { "provider resume" };
    if changed {
        session.note(&mut tx, verb, &format!("provider {id}")).await?;
    }
    tx.commit().await?;
    let text = match (paused, changed) {
        (true, true) => {
            format!("no orders go to {id} any more; calls that are out end; statuses are asked for as before")
        }
        (true, false) => format!("{id} was paused already"),
        (false, true) => format!("orders go to {id} again"),
        (false, false) => format!("orders go to {id} already"),
    };
    Ok(Answer::new(text, json!({ "provider": id.0, "paused": paused, "changed": changed })))
}

async fn list(session: &Session) -> anyhow::Result<Answer> {
    let providers = providers::list(&session.store).await?;
    let now = session.now();
    let rows: Vec<_> = providers
        .iter()
        .map(|row| {
            [
                row.id.to_string(),
                state(row, now).to_owned(),
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
            "paused": row.paused, "breaker": row.breaker, "breaker_until": row.breaker_until.map(moment),
            "over_delivered": row.over_delivered, "reversals": row.reversals,
            "margin_held": row.margin_held, "margin_saved": row.margin_saved.to_string(), "in_doubt": row.in_doubt, "parked": row.parked, "error": row.catalogue_error,
        })
    });
    Ok(Answer::new(table(heads, &rows), document.collect()))
}

/// In one word: what keeps orders away, if anything does.
fn state(row: &ProviderRow, now: Instant) -> &'static str {
    if row.paused {
        "paused"
    } else if row.held_until.is_none_or(|until| until <= now) {
        "not served"
    } else {
        match row.breaker.as_str() {
            "open" => "stopped by doubts",
            "probation" => "on probation",
            _ => "served",
        }
    }
}
