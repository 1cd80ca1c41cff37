//! `order`: lists, one order's whole timeline, and the decision of a doubt.

use serde_json::{Value, json};

use crate::cli::answer::{Answer, WrongUse, maybe_moment, moment, table};
use crate::cli::in_force;
use crate::cli::session::Session;
use crate::domain::id::{OrderId, PanelOrder};
use crate::orders::resolve::{Finding, Resolved};
use crate::store::show::{self, DecisionRow, ExchangeRow, LegRow, OrderRow, TransferRow, Wanted};

/// Words that `--state` takes beside the orders' own states.
const MORE_STATES: [&str; 3] = ["review", "parked", "in_doubt"];

/// The longest id of a panel's order.
const PANEL_ORDER_BYTES_MAX: usize = 128;

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
        finding: Found,
    },
    /// One order: its quote, its legs, what was said to panels, its transfers
    Show {
        /// The order's id
        id: i32,
    },
}

/// What was found at the panel.
#[derive(Debug, clap::Subcommand)]
pub enum Found {
    /// The panel has it: it is followed there from now on
    Accepted {
        /// Its id at the panel
        panel_order: String,
    },
    /// The panel has nothing of it: it goes by its next route, or ends and is refunded whole
    NotPlaced,
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
            let wanted = Wanted { state, customer, provider, link, order: None };
            Ok(listed(&show::list(&session.store, &wanted).await?))
        }
        Command::Resolve { id, finding } => resolve(session, OrderId(id), finding).await,
        Command::Show { id } => timeline(session, OrderId(id)).await,
    }
}

async fn resolve(session: &Session, order: OrderId, found: Found) -> anyhow::Result<Answer> {
    let (finding, words) = match found {
        Found::Accepted { panel_order } => {
            let id = panel_order.trim().to_owned();
            if id.is_empty() || id.len() > PANEL_ORDER_BYTES_MAX || id.chars().any(char::is_control) {
                return Err(WrongUse::because(format!("{panel_order:?} is no id of a panel's order")));
            }
            (Finding::Accepted(PanelOrder(id.clone())), format!("accepted {id}"))
        }
        Found::NotPlaced => (Finding::NotPlaced, "not-placed".to_owned()),
    };
    let delivery = in_force::delivery(session).await?;
    let mut tx = session.store.begin().await?;
    match delivery.resolve(&mut tx, order, &finding).await? {
        Resolved::Done => {}
        Resolved::NotInDoubt => anyhow::bail!(
            "order {order} is not in doubt, or does not exist; `order list --state in_doubt` shows all that are"
        ),
        Resolved::TakenId => anyhow::bail!("another order has that id at the panel; nothing changed"),
    }
    session.note(&mut tx, "order resolve", &format!("order {order} {words}")).await?;
    tx.commit().await?;
    let text = format!("order {order} is resolved: {words}");
    Ok(Answer::new(text, json!({ "id": order.0, "resolved": words })))
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

fn head(row: &OrderRow) -> Value {
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

async fn timeline(session: &Session, id: OrderId) -> anyhow::Result<Answer> {
    let wanted = Wanted { order: Some(id), ..Wanted::default() };
    let Some(order) = show::list(&session.store, &wanted).await?.into_iter().next() else {
        anyhow::bail!("there is no order {id}");
    };
    let legs = show::legs(&session.store, id).await?;
    let exchanges = show::exchanges(&session.store, id).await?;
    let transfers = show::transfers(&session.store, id).await?;
    let mut document = head(&order);
    document["rate"] = order.rate.to_string().into();
    document["cost_rate"] = order.cost_rate.to_string().into();
    document["rule"] = order.rule.clone().into();
    document["config_hash"] = order.config_hash.clone().into();
    document["legs"] = legs.iter().map(|leg| leg_document(leg, &exchanges)).collect();
    let decisions = show::decisions(&session.store, id).await?;
    document["decisions"] = decisions.iter().map(decision_document).collect();
    document["transfers"] = transfers.iter().map(transfer_document).collect();
    Ok(Answer::new(page(&order, &legs, &exchanges, &transfers) + &decided(&decisions), document))
}

fn leg_document(leg: &LegRow, exchanges: &[ExchangeRow]) -> Value {
    let own = exchanges.iter().filter(|exchange| exchange.leg == leg.id).map(|exchange| {
        json!({
            "attempt": exchange.attempt, "provider": exchange.provider, "sent_at": moment(exchange.sent_at),
            "answered_at": exchange.answered_at.map(moment), "verdict": exchange.verdict,
            "http_status": exchange.http_status, "words": exchange.words,
        })
    });
    json!({
        "n": leg.n, "provider": leg.provider, "service": leg.service, "state": leg.state,
        "panel_order": leg.panel_order, "panel_status": leg.panel_status, "panel_charge": leg.panel_charge,
        "cost": leg.cost.to_string(), "reason": leg.reason, "exchanges": own.collect::<Value>(),
    })
}

fn decision_document(row: &DecisionRow) -> Value {
    json!({ "at": moment(row.at), "who": row.who, "what": row.what, "reason": row.reason })
}

fn decided(rows: &[DecisionRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cells: Vec<_> =
        rows.iter().map(|row| [moment(row.at), row.who.clone(), row.what.clone(), row.reason.clone()]).collect();
    format!("\n{}", table(["at", "who", "decided", "reason"], &cells))
}

fn transfer_document(row: &TransferRow) -> Value {
    json!({
        "id": row.id, "at": moment(row.at), "reason": row.reason, "debit": row.debit, "credit": row.credit,
        "amount": row.amount.to_string(),
    })
}

fn page(order: &OrderRow, legs: &[LegRow], exchanges: &[ExchangeRow], transfers: &[TransferRow]) -> String {
    let facts = [
        ["order".to_owned(), format!("{} ({})", order.id, order.public.letters())],
        ["customer".to_owned(), order.customer.to_string()],
        ["bought".to_owned(), format!("{} of service {} ({})", order.units, order.service, order.kind)],
        ["link".to_owned(), order.link.clone()],
        ["state".to_owned(), format!("{}, {} remain", order.state, order.remains)],
        ["charge".to_owned(), format!("{}, of which {} was refunded", order.charge, order.refunded)],
        ["price".to_owned(), format!("{} per 1,000 or package, from {} ({})", order.rate, order.cost_rate, order.rule)],
        ["config_hash".to_owned(), order.config_hash.clone()],
        ["placed_at".to_owned(), moment(order.placed_at)],
        ["ended_at".to_owned(), maybe_moment(order.ended_at)],
        ["review".to_owned(), order.review.clone().unwrap_or_default()],
    ];
    let legs_rows: Vec<_> = legs
        .iter()
        .map(|leg| {
            let panel_order = leg.panel_order.clone().unwrap_or_default();
            [
                leg.n.to_string(),
                leg.provider.clone(),
                leg.state.clone(),
                panel_order,
                leg.cost.to_string(),
                leg.reason.clone(),
            ]
        })
        .collect();
    let exchange_rows: Vec<_> = exchanges
        .iter()
        .map(|exchange| {
            let status = exchange.http_status.map(|status| status.to_string()).unwrap_or_default();
            let words = exchange.words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
            [moment(exchange.sent_at), exchange.provider.clone(), exchange.verdict.clone(), status, words]
        })
        .collect();
    let transfer_rows: Vec<_> = transfers
        .iter()
        .map(|row| [moment(row.at), row.reason.clone(), row.debit.clone(), row.credit.clone(), row.amount.to_string()])
        .collect();
    [
        table(["", ""], &facts).trim_start().to_owned(),
        table(["leg", "provider", "state", "panel_order", "cost", "reason"], &legs_rows),
        table(["sent_at", "provider", "verdict", "http", "words"], &exchange_rows),
        table(["at", "transfer", "debit", "credit", "amount"], &transfer_rows),
    ]
    .join("\n")
}
