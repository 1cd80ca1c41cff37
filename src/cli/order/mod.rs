//! `order`: lists, one order's whole timeline, and what a person decides.

mod decide;
mod show;

use serde_json::{Value, json};

use crate::cli::answer::{Answer, WrongUse, moment, table};
use crate::cli::session::Session;
use crate::domain::id::OrderId;
use crate::store::show::{self as store, OrderRow, Wanted};

/// Words that `--state` takes beside the orders' own states.
const MORE_STATES: [&str; 3] = ["review", "parked", "in_doubt"];

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The newest orders, at most 1,000
    List {
        /// pending, processing, in_progress, completed, partial, canceled; or review, parked, in_doubt
        #[arg(long)]
        state: Option<String>,
        /// The id or the name of the customer
        #[arg(long)]
        customer: Option<String>,
        /// With a leg at this panel
        #[arg(long)]
        provider: Option<String>,
        /// With exactly this link
        #[arg(long)]
        link: Option<String>,
    },
    /// Decide an order in doubt, after looking at the panel: `resolve ID accepted PANEL_ORDER`, `resolve ID not-placed`
    Resolve {
        /// The order's id
        id: i32,
        #[command(subcommand)]
        finding: decide::Found,
    },
    /// End an order as it ended at the panel: `settle ID --delivered N`, `--canceled` or `--completed`
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
    /// One order: its quote, its legs, what was said to panels, its transfers
    Show {
        /// The order's id
        id: i32,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::List { state, customer, provider, link } => {
            let known =
                |word: &&str| crate::domain::order::OrderState::from_word(word).is_some() || MORE_STATES.contains(word);
            if let Some(word) = state.as_deref().filter(|word| !known(word)) {
                return Err(WrongUse::because(format!(
                    "--state {word:?} is none; there are: pending, processing, in_progress, completed, partial, canceled, review, \
                     parked, in_doubt"
                )));
            }
            let customer = match customer {
                Some(customer) => Some(session.customer(&customer).await?.id),
                None => None,
            };
            if let Some(provider) = &provider {
                session.panel(provider).await?;
            }
            let wanted = Wanted { state, customer, provider, link, order: None };
            list(session, &wanted).await
        }
        Command::Resolve { id, finding } => decide::resolve(session, OrderId(id), finding).await,
        Command::Settle { id, ended } => decide::settle(session, OrderId(id), &ended).await,
        Command::Refund { id, amount } => decide::refund(session, OrderId(id), &amount).await,
        Command::Cancel { id } => decide::cancel(session, OrderId(id)).await,
        Command::Show { id } => show::timeline(session, OrderId(id)).await,
    }
}

/// The list; those for a person come with the evidence and with what may be decided.
async fn list(session: &Session, wanted: &Wanted) -> anyhow::Result<Answer> {
    let rows = store::list(&session.store, wanted).await?;
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

fn listed(rows: &[OrderRow]) -> Answer {
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
    let heads = ["id", "customer", "service", "units", "state", "charge", "refunded", "remains", "placed_at", "review"];
    Answer::new(table(heads, &cells), rows.iter().map(head).collect())
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
