//! `catalog`: what is sold, and reading the panels' catalogues again.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use crate::catalog;
use crate::cli::answer::{Answer, table};
use crate::cli::session::Session;
use crate::cli::{in_force, moves};
use crate::store::catalogue;

/// How often the gateway is looked at while it reads the catalogues.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a gateway may take; a panel's catalogue has at most ten minutes of its own.
const LOOKS_MAX: u32 = 3_100;
/// A gateway that runs takes the request up within a second or so; without a sign of one this is the end.
const UNHEARD_LOOKS_MAX: u32 = 50;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What is sold, at which price and why; and what is not
    List {
        /// Only what this panel may deliver
        #[arg(long)]
        provider: Option<String>,
    },
    /// Have the running gateway ask the panels now
    Refresh,
    /// What moved in the panels' catalogues, the biggest moves of rates first, and which of our services that touches
    Diff(moves::DiffOptions),
    /// Sell by rates again that moved by more than `price_jump_percent`: all of a panel's, or one service's
    Accept {
        /// The panel's id
        provider: String,
        /// The panel's own id of the service; left out: every service whose rate is held
        service: Option<String>,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::List { provider } => list(session, provider.as_deref()).await,
        Command::Refresh => refresh(session).await,
        Command::Diff(options) => moves::diff(session, &options).await,
        Command::Accept { provider, service } => moves::accept(session, provider, service.as_deref()).await,
    }
}

async fn list(session: &Session, provider: Option<&str>) -> anyhow::Result<Answer> {
    let snapshot = in_force::snapshot(session).await?;
    let delivers = |sold: &catalog::Sold| {
        provider.is_none_or(|provider| sold.routes.iter().any(|(route, _)| route.provider.0 == provider))
    };
    let sold: Vec<_> = snapshot.sold.values().filter(|sold| delivers(sold)).collect();
    let rows: Vec<_> = sold
        .iter()
        .map(|sold| {
            let routes: Vec<_> = sold
                .routes
                .iter()
                .map(|(route, _)| {
                    let held = if snapshot.held.contains_key(route) { " (held)" } else { "" };
                    format!("{}:{}{held}", route.provider, route.service)
                })
                .collect();
            [
                sold.id.to_string(),
                sold.name.clone(),
                sold.kind.name().to_owned(),
                sold.price.rate.to_string(),
                sold.price.cost_rate.to_string(),
                format!("{}-{}", sold.min, sold.max),
                routes.join(" "),
                sold.price.rule.clone(),
            ]
        })
        .collect();
    let mut text = table(["id", "name", "type", "rate", "cost", "bounds", "routes", "why"], &rows);
    for unsold in &snapshot.unsold {
        let _ = writeln!(text, "not sold: {} ({})", unsold.id, unsold.why);
    }
    let document = sold.iter().map(|sold| {
        json!({
            "id": sold.id.0, "name": sold.name, "type": sold.kind.name(), "category": sold.category,
            "rate": sold.price.rate.to_string(), "cost": sold.price.cost_rate.to_string(),
            "min": sold.min, "max": sold.max, "refill": sold.refill, "cancel": sold.cancel, "why": sold.price.rule,
            "routes": sold.routes.iter().map(|(route, rate)| json!({
                "provider": route.provider.0, "service": route.service, "cost": rate.map(|rate| rate.to_string()),
                "held": snapshot.held.get(route).map(ToString::to_string),
            })).collect::<serde_json::Value>(),
        })
    });
    let unsold = snapshot.unsold.iter().map(|unsold| json!({ "id": unsold.id.0, "why": unsold.why }));
    let document = json!({
        "config_hash": snapshot.hash.0, "currency": snapshot.currency,
        "services": document.collect::<serde_json::Value>(), "not_sold": unsold.collect::<serde_json::Value>(),
    });
    Ok(Answer::new(text, document))
}

async fn refresh(session: &Session) -> anyhow::Result<Answer> {
    let mut tx = session.store.begin().await?;
    let id = catalogue::ask_refresh(&mut tx, session.now()).await?;
    session.note(&mut tx, "catalog refresh", &format!("refresh {id}")).await?;
    tx.commit().await?;
    for look in 0..LOOKS_MAX {
        if let Some(readings) = catalogue::refreshed(&session.store, id).await? {
            return Ok(told(&readings));
        }
        if look > UNHEARD_LOOKS_MAX && !catalogue::is_served(&session.store, session.now()).await? {
            anyhow::bail!(
                "no gateway deals with panels on this database; start `panelgate serve`, which asks them first"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("the gateway did not finish reading the catalogues in time; its log says why")
}

fn told(readings: &[catalogue::Reading]) -> Answer {
    let rows: Vec<_> = readings
        .iter()
        .map(|(provider, reading)| match reading {
            Ok(services) => [provider.clone(), services.to_string(), String::new()],
            Err(why) => [provider.clone(), String::new(), why.clone()],
        })
        .collect();
    let document = readings.iter().map(|(provider, reading)| match reading {
        Ok(services) => json!({ "provider": provider, "services": services }),
        Err(why) => json!({ "provider": provider, "error": why }),
    });
    let failed = readings.iter().any(|(_, reading)| reading.is_err());
    Answer::new(table(["provider", "services", "error"], &rows), document.collect()).failing_if(failed)
}
