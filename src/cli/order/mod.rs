//! `order`: lists, one order's whole timeline, and what a person decides.

mod decide;
mod reroute;
mod show;
mod wanted;

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, moment, table};
use crate::cli::session::Session;
use crate::domain::id::OrderId;
use crate::store::show::{self as store, OrderFilter, OrderRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest orders, at most 1,000
    List(wanted::Listing),
    /// Decide an order in doubt, after looking at the panel: `resolve ID accepted PANEL_ORDER`,
    /// `resolve ID not-placed`
    Resolve {
        /// The order's id
        id: i32,
        #[command(subcommand)]
        finding: decide::FoundAtPanel,
    },
    /// End an order as it ended at the panel: `settle ID --delivered N`, `--canceled` or
    /// `--completed`
    Settle {
        /// The order's id
        id: i32,
        #[command(flatten)]
        ended: decide::Ended,
    },
    /// Give back so much more of an order's charge; `--reason` says why, and gives once
    Refund {
        /// The order's id
        id: i32,
        /// How much, such as 0.25
        amount: String,
    },
    /// Take back an order of which nothing was sent
    Cancel {
        /// The order's id
        id: i32,
    },
    /// Have orders of which provably nothing was placed go by another route: those named, or all
    /// that the filters choose
    Reroute(reroute::Options),
    /// One order: its quote, its legs, what was said to panels, its transfers
    Show {
        /// The order's id
        id: i32,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::List(listing) => list(session, &listing.wanted(session).await?).await,
        Command::Resolve { id, finding } => decide::resolve(session, OrderId(id), finding).await,
        Command::Settle { id, ended } => decide::settle(session, OrderId(id), &ended).await,
        Command::Refund { id, amount } => decide::refund(session, OrderId(id), &amount).await,
        Command::Cancel { id } => decide::cancel(session, OrderId(id)).await,
        Command::Reroute(options) => reroute::run(session, options).await,
        Command::Show { id } => show::timeline(session, OrderId(id)).await,
    }
}

/// The list; those for a person come with the evidence and with what may be decided.
async fn list(session: &Session, wanted: &OrderFilter) -> anyhow::Result<CommandOutcome> {
    let rows = store::list_orders(&session.store, wanted).await?;
    let answer = listed(&rows);
    if wanted.state.as_deref() != Some("review") {
        return Ok(answer);
    }

    let mut documents = Vec::with_capacity(rows.len());
    for row in &rows {
        documents.push(show::document(session, row).await?);
    }

    Ok(answer.with_json(documents.into()))
}

fn listed(rows: &[OrderRow]) -> CommandOutcome {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                row.id.to_string(),
                row.customer.to_string(),
                row.service.to_string(),
                row.units.to_string(),
                row.state.clone(),
                row.charge.to_string(),
                row.refunded.to_string(),
                row.remains.to_string(),
                moment(row.placed_at),
                row.review.clone().unwrap_or_default(),
            ]
        })
        .collect();

    let heads = [
        "id",
        "customer",
        "service",
        "units",
        "state",
        "charge",
        "refunded",
        "remains",
        "placed_at",
        "review",
    ];

    CommandOutcome::new(table(heads, &cells), rows.iter().map(head).collect())
}

pub(super) fn head(row: &OrderRow) -> Value {
    json!({
        "id": row.id.0,
        "public_id": row.public.letters(),
        "customer": row.customer.0,
        "service": row.service,
        "type": row.kind,
        "link": row.link,
        "units": row.units,
        "state": row.state,
        "charge": row.charge.to_string(),
        "refunded": row.refunded.to_string(),
        "remains": row.remains,
        "review": row.review,
        "placed_at": moment(row.placed_at),
        "ended_at": row.ended_at.map(moment),
    })
}
