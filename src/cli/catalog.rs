//! `catalog`: what is sold, and reading the panels' catalogs again.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalog::{Service, Snapshot};
use crate::cli::answer::{CommandOutcome, table};
use crate::cli::session::Session;
use crate::cli::{in_force, moves};
use crate::domain::choice::Strategy;
use crate::domain::customer::Buyer;
use crate::domain::service::Route;
use crate::pricing::Price;
use crate::store::catalog;

/// How often the gateway is looked at while it reads the catalogs.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a gateway may take; a panel's catalog has at most ten minutes of its own.
const LOOKS_MAX: u32 = 3_100;
/// A gateway that runs takes the request up within a second or so; without a sign of one this is
/// the end.
const UNHEARD_LOOKS_MAX: u32 = 50;

/// Why a service that others may buy is not sold to one customer.
const NO_PRICE: &str = "this customer's markup leaves no price";

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What is sold, at which price and why; and what is not
    List {
        /// Only what this panel may deliver
        #[arg(long)]
        provider: Option<String>,
        /// What this customer pays, by id or name; without it, what everybody pays of whom no rule
        /// speaks
        #[arg(long)]
        customer: Option<String>,
    },
    /// Have the running gateway ask the panels now
    Refresh,
    /// What moved in the panels' catalogs, the biggest moves of rates first, and which of our
    /// services that touches
    Diff(moves::DiffOptions),
    /// Sell by rates again that moved by more than `price_jump_percent`: all of a panel's, or one
    /// service's
    Accept {
        /// The panel's id
        provider: String,
        /// The panel's own id of the service; left out: every service whose rate is held
        service: Option<String>,
        /// What it costs, in the panel's currency, as you saw it: nothing is accepted where it
        /// costs something else by now
        #[arg(long, requires = "service")]
        rate: Option<String>,
        /// Take the panel at its word where it lists far less than before: what is missing is gone
        #[arg(long, conflicts_with_all = ["service", "rate"])]
        all_gone: bool,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::List { provider, customer } => {
            list(session, provider.as_deref(), customer.as_deref()).await
        }
        Command::Refresh => refresh(session).await,
        Command::Diff(options) => moves::diff(session, &options).await,
        Command::Accept {
            provider,
            all_gone: true,
            ..
        } => moves::accept_gone(session, provider).await,
        Command::Accept {
            provider,
            service,
            rate,
            all_gone: false,
        } => moves::accept(session, provider, service.as_deref(), rate.as_deref()).await,
    }
}

/// A service and what it costs whom it is listed for.
type PricedService<'a> = (&'a Service, Cow<'a, Price>);

async fn list(
    session: &Session,
    provider: Option<&str>,
    customer: Option<&str>,
) -> anyhow::Result<CommandOutcome> {
    let (snapshot, unknown_customers) = in_force::snapshot(session).await?;
    let by = |route: &Route| provider.is_none_or(|provider| route.provider.0 == provider);
    let delivers = |sold: &Service| sold.routes.iter().any(|(route, _)| by(route));

    let unsold: Vec<_> = snapshot
        .unsold
        .iter()
        .filter(|unsold| provider.is_none() || unsold.routes.iter().any(by))
        .collect();

    if let Some(provider) = provider
        && unsold.is_empty()
        && !snapshot.sold.values().any(|sold| delivers(sold))
    {
        // Nothing goes by it: is it a panel at all?
        session.panel(provider).await?;
    }

    let customer = match customer {
        Some(who) => Some(session.customer(who).await?),
        None => None,
    };

    let prices = match &customer {
        Some(row) => snapshot.prices_for(Buyer {
            customer: row.id,
            name: &row.name,
            tier: &row.tier,
        }),
        None => snapshot.prices(),
    };

    let mut not_sold: Vec<_> = unsold
        .iter()
        .map(|unsold| (unsold.id, unsold.why))
        .collect();

    let mut sold: Vec<PricedService<'_>> = Vec::new();
    for one in snapshot.sold.values().filter(|sold| delivers(sold)) {
        match prices.of(one) {
            Some(price) => sold.push((one, price)),
            None => not_sold.push((one.id, NO_PRICE)),
        }
    }

    let notes: Vec<String> = unknown_customers
        .iter()
        .map(|who| format!("a [[markup]] is for customer {who}, who does not exist"))
        .collect();

    let mut text = lines(&snapshot, &sold);
    for (id, why) in &not_sold {
        let _ = writeln!(text, "not sold: {id} ({why})");
    }

    // Beside what one customer pays: whoever wonders why a rule is silent may have misspelled the
    // name in it.
    for note in notes.iter().filter(|_| customer.is_some()) {
        let _ = writeln!(text, "note: {note}");
    }

    let not_sold = not_sold
        .iter()
        .map(|(id, why)| json!({ "id": id.0, "why": why }));

    let mut document = json!({
        "config_hash": snapshot.hash.0, "currency": snapshot.currency, "notes": notes,
        "services": sold.iter().map(|(sold, price)| document(&snapshot, sold,
            price)).collect::<Value>(),
        "not_sold": not_sold.collect::<Value>(),
    });

    if let Some(row) = customer {
        document["customer"] = json!({ "id": row.id.0, "name": row.name, "tier": row.tier });
    }

    Ok(CommandOutcome::new(text, document))
}

fn lines(snapshot: &Snapshot, sold: &[PricedService<'_>]) -> String {
    let row = |(sold, price): &PricedService<'_>| {
        let routes: Vec<_> = sold
            .routes
            .iter()
            .map(|(route, _)| shown(snapshot, sold, route))
            .collect();

        [
            sold.id.to_string(),
            sold.name.clone(),
            sold.kind.name().to_owned(),
            price.rate.to_string(),
            price.cost_rate.to_string(),
            margin(price)
                .map(|margin| format!("{margin} %"))
                .unwrap_or_default(),
            format!("{}-{}", sold.min, sold.max),
            sold.routing.strategy.as_str().to_owned(),
            routes.join(" "),
            price.rule.clone(),
        ]
    };

    let heads = [
        "id", "name", "type", "rate", "cost", "margin", "bounds", "strategy", "routes", "why",
    ];

    table(heads, &sold.iter().map(row).collect::<Vec<_>>())
}

fn document(snapshot: &Snapshot, sold: &Service, price: &Price) -> Value {
    json!({
        "id": sold.id.0, "name": sold.name, "type": sold.kind.name(), "category": sold.category,
        "rate": price.rate.to_string(), "cost": price.cost_rate.to_string(),
        "margin_percent": margin(price),
        "min": sold.min, "max": sold.max, "refill": sold.refill, "cancel": sold.cancel,
        "why": price.rule,
        "strategy": sold.routing.strategy.as_str(),
        "routes": sold.routes.iter().map(|(route, rate)| json!({
            "provider": route.provider.0, "service": route.service,
            "cost": rate.map(|rate| rate.to_string()),
            "weight": sold.routing.weight(route),
            "held": snapshot.held(route).map(|rate| rate.to_string()),
        })).collect::<Value>(),
    })
}

/// What is left of the price, in percent of it.
fn margin(price: &Price) -> Option<String> {
    price
        .rate
        .margin_over(price.cost_rate)
        .map(|margin| margin.to_string())
}

/// A panel and its service, with what it weighs where that counts, and whether its rate waits for a
/// person.
fn shown(snapshot: &Snapshot, sold: &Service, route: &Route) -> String {
    let held = if snapshot.held(route).is_some() {
        " (held)"
    } else {
        ""
    };

    let name = format!("{}:{}{held}", route.provider, route.service);
    match sold.routing.strategy {
        Strategy::Weighted => format!("{name}*{}", sold.routing.weight(route)),
        Strategy::Priority | Strategy::Cheapest | Strategy::Score => name,
    }
}

async fn refresh(session: &Session) -> anyhow::Result<CommandOutcome> {
    let mut tx = session.store.begin().await?;
    let id = catalog::ask_refresh(&mut tx, session.now()).await?;
    session
        .note(&mut tx, "catalog refresh", &format!("refresh {id}"))
        .await?;

    tx.commit().await?;
    for look in 0..LOOKS_MAX {
        if let Some(readings) = catalog::refresh_answer(&session.store, id).await? {
            return Ok(told(&readings));
        }

        if look > UNHEARD_LOOKS_MAX && !catalog::is_served(&session.store, session.now()).await? {
            anyhow::bail!(
                "no gateway deals with panels on this database; start `panelgate serve`, which \
                 asks them first"
            );
        }

        tokio::time::sleep(LOOK_EVERY).await;
    }

    anyhow::bail!("the gateway did not finish reading the catalogs in time; its log says why")
}

fn told(readings: &[catalog::CatalogReading]) -> CommandOutcome {
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
    CommandOutcome::new(
        table(["provider", "services", "error"], &rows),
        document.collect(),
    )
    .failing_if(failed)
}
