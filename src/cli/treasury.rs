//! `treasury`: what panels hold of ours, for how long it lasts, and what of it nothing explains.

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::domain::float::Runway;
use crate::domain::money::{Money, Percent};
use crate::store::differences::{self, DifferenceRow};
use crate::store::{drifts, treasury};

/// Orders that a table shows of one finding; `--json` has more.
const ORDERS_SHOWN: usize = 12;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every panel: what it holds of ours, what was expected, what is spent in an hour, and the
    /// hours left
    List,
    /// What is missing at panels, what they say that does not fit, and which orders explain it
    Drift {
        /// Of this panel only
        provider: Option<String>,
        /// Also what was acknowledged, and top-ups
        #[arg(long)]
        all: bool,
    },
    /// Take note of a finding: it alerts nobody any more
    Acknowledge {
        /// Its number in `treasury drift`
        id: i64,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::List => list(session).await,
        Command::Drift { provider, all } => drift(session, provider.as_deref(), all).await,
        Command::Acknowledge { id } => acknowledge(session, id).await,
    }
}

async fn list(session: &Session) -> anyhow::Result<CommandOutcome> {
    let runways = treasury::list_runways(&session.store).await?;
    let rows: Vec<_> = runways
        .iter()
        .map(|row| {
            [
                row.provider.to_string(),
                shown(row.balance),
                row.currency.clone().unwrap_or_default(),
                maybe_moment(row.at),
                expected(row),
                shown(row.burn_per_hour),
                row.hours_left.clone().unwrap_or_default(),
                row.drift.to_string(),
            ]
        })
        .collect();

    let heads = [
        "panel",
        "balance",
        "currency",
        "at",
        "expected",
        "burn_per_hour",
        "hours_left",
        "drift",
    ];

    Ok(CommandOutcome::new(
        table(heads, &rows),
        runways.iter().map(document).collect(),
    ))
}

/// What is known of a panel's money, for scripts: amounts in the panel's currency.
fn document(row: &Runway) -> Value {
    json!({
        "provider": row.provider.0, "balance": text(row.balance), "balance_text": row.balance_text,
        "currency": row.currency, "at": row.at.map(moment),
        "expected_low": text(row.expected.map(|(low, _)| low)),
        "expected_high": text(row.expected.map(|(_, high)| high)),
        "burn_per_hour": text(row.burn_per_hour),
        "hours_left": row.hours_left, "drift": row.drift.to_string(),
    })
}

/// One number where it is one, else the interval.
fn expected(row: &Runway) -> String {
    row.expected.map_or_else(String::new, |(low, high)| {
        if low == high {
            low.to_string()
        } else {
            format!("{low} to {high}")
        }
    })
}

fn text(amount: Option<Money>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}

fn shown(amount: Option<Money>) -> String {
    text(amount).unwrap_or_default()
}

async fn drift(
    session: &Session,
    provider: Option<&str>,
    all: bool,
) -> anyhow::Result<CommandOutcome> {
    if let Some(provider) = provider {
        session.panel(provider).await?;
    }

    let found = drifts::list_drifts(&session.store, provider, all).await?;
    let differences =
        differences::list_differences(&session.store, provider, all, drifts::DRIFTS_MAX).await?;

    if found.is_empty() && differences.is_empty() {
        let nothing = if all {
            "no difference was ever found"
        } else {
            "nothing is missing that nobody took note of"
        };

        return Ok(CommandOutcome::new(nothing, json!([])));
    }

    let mut rows: Vec<_> = found
        .iter()
        .map(|row| {
            [
                row.id.to_string(),
                row.provider.clone(),
                format!("{} {}", row.amount, row.currency),
                row.cause.clone(),
                moment(row.after_at),
                moment(row.by_at),
                maybe_moment(row.acknowledged_at),
                row.words.clone(),
                orders(&row.orders, i64::from(row.orders_count)),
            ]
        })
        .collect();

    rows.extend(differences.iter().map(cells_of));
    let heads = [
        "id",
        "panel",
        "amount",
        "cause",
        "after",
        "by",
        "acknowledged_at",
        "in words",
        "orders",
    ];

    let document = found.iter().map(|row| {
        json!({
            "id": row.id, "provider": row.provider, "amount": row.amount.to_string(),
            "currency": row.currency,
            "cause": row.cause, "percent": row.percent.map(|percent: Percent| percent.to_string()),
            "after_at": moment(row.after_at), "by_at": moment(row.by_at),
            "found_at": moment(row.found_at),
            "orders": row.orders, "orders_count": row.orders_count, "words": row.words,
            "acknowledged_at": row.acknowledged_at.map(moment),
        })
    });

    let document = document.chain(differences.iter().map(document_of));
    Ok(CommandOutcome::new(table(heads, &rows), document.collect()))
}

/// What a panel says of single orders that does not fit, beside what is missing in its balance.
fn cells_of(row: &DifferenceRow) -> [String; 9] {
    [
        row.id.to_string(),
        row.provider.clone(),
        row.amount.to_string(),
        row.kind.clone(),
        moment(row.first_at),
        moment(row.last_at),
        maybe_moment(row.acknowledged_at),
        row.words.clone(),
        orders(&row.orders, row.orders_count),
    ]
}

/// The same for scripts. Its amount is in the gateway's currency: what was stated is a charge, and
/// no balance.
fn document_of(row: &DifferenceRow) -> Value {
    json!({
        "id": row.id, "provider": row.provider, "amount": row.amount.to_string(), "currency": null,
        "cause": row.kind, "percent": null, "after_at": moment(row.first_at),
        "by_at": moment(row.last_at),
        "found_at": moment(row.last_at), "orders": row.orders, "orders_count": row.orders_count,
        "words": row.words,
        "acknowledged_at": row.acknowledged_at.map(moment),
    })
}

fn orders(orders: &[i32], count: i64) -> String {
    let mut shown: Vec<String> = orders
        .iter()
        .take(ORDERS_SHOWN)
        .map(ToString::to_string)
        .collect();

    let more = usize::try_from(count)
        .unwrap_or(0)
        .saturating_sub(shown.len());

    if more > 0 {
        shown.push(format!("and {more} more"));
    }

    shown.join(" ")
}

async fn acknowledge(session: &Session, id: i64) -> anyhow::Result<CommandOutcome> {
    let mut tx = session.store.begin().await?;
    let noted = match drifts::acknowledge_drift(&mut tx, id, session.now()).await? {
        None => differences::acknowledge_difference(&mut tx, id, session.now()).await?,
        noted => noted,
    };

    let Some(changed) = noted else {
        anyhow::bail!(
            "no finding {id}; `{} treasury drift --all` shows all",
            session.globals.again()
        );
    };

    if changed {
        session
            .note(&mut tx, "treasury acknowledge", &format!("drift {id}"))
            .await?;
    }

    tx.commit().await?;
    let text = if changed {
        format!("finding {id} is acknowledged and alerts nobody any more")
    } else {
        format!("finding {id} needs no note: somebody acknowledged it before, or it is a top-up")
    };

    Ok(CommandOutcome::new(
        text,
        json!({ "id": id, "acknowledged": true, "changed": changed }),
    ))
}
