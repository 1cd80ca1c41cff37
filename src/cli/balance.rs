//! `balance` and `statement`: money into wallets, and what moved there.

use std::fmt::Write;

use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse, moment, table};
use crate::cli::session::Session;
use crate::domain::money::Money;
use crate::ledger::{self, Adjustment, Deposit};
use crate::store::customers::CustomerRow;
use crate::store::transfers::{self, StatementRow};

/// Lines of a statement that are read at once; all of them are printed.
const PAGE_ROWS: i64 = 1_000;
/// Lines of one statement; a longer one is cut, and says so.
const STATEMENT_ROWS_MAX: usize = 1_000_000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// A customer's money came in
    Add {
        /// The id or the name of the customer
        customer: String,
        /// How much, such as 25.00
        amount: String,
        /// What names this payment; the same one again changes nothing
        #[arg(long)]
        reference: String,
    },
    /// Put a wallet right, up or down; never below its floor
    Adjust {
        /// The id or the name of the customer
        customer: String,
        /// By how much, such as +5.00 or -5.00
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// What names this adjustment; the same one again changes nothing
        #[arg(long)]
        reference: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct StatementOptions {
    /// The id or the name of the customer
    customer: String,
    /// As comma-separated values
    #[arg(long)]
    csv: bool,
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Add {
            customer,
            amount,
            reference,
        } => add(session, &customer, &amount, &reference).await,
        Command::Adjust {
            customer,
            amount,
            reference,
        } => adjust(session, &customer, &amount, &reference).await,
    }
}

async fn add(
    session: &Session,
    customer: &str,
    amount: &str,
    reference: &str,
) -> anyhow::Result<CommandOutcome> {
    let money = Money::parse(amount)
        .map_err(|why| WrongUse::because(format!("the amount {amount:?} {why}")))?;

    if !money.is_positive() {
        return Err(WrongUse::because(format!(
            "the amount {amount:?} is not above zero"
        )));
    }

    check_reference(reference)?;
    let customer = session.customer(customer).await?;
    let mut tx = session.store.begin().await?;
    let outcome =
        ledger::book_deposit(&mut tx, customer.id, money, reference, session.now()).await?;

    let what = match outcome {
        Deposit::Done => format!("{money} added to {}", customer.name),
        Deposit::DoneBefore => {
            format!("reference {reference:?} was booked before; nothing changed")
        }
        Deposit::OtherAmount(before) => {
            anyhow::bail!(
                "reference {reference:?} was booked before with {before}; nothing changed"
            )
        }
        Deposit::OtherCustomer(other) => anyhow::bail!(
            "reference {reference:?} was booked before for customer {other}; nothing changed. A \
             reference names one payment, over all customers"
        ),
    };

    if outcome == Deposit::Done {
        session
            .note(
                &mut tx,
                "balance add",
                &format!("customer {} {money} {reference}", customer.id),
            )
            .await?;
    }

    tx.commit().await?;
    moved(
        session,
        &customer,
        money,
        reference,
        outcome == Deposit::Done,
        &what,
    )
    .await
}

async fn adjust(
    session: &Session,
    customer: &str,
    amount: &str,
    reference: &str,
) -> anyhow::Result<CommandOutcome> {
    let money = Money::parse(amount.strip_prefix('+').unwrap_or(amount));
    let money = money.map_err(|why| WrongUse::because(format!("the amount {amount:?} {why}")))?;
    if money == Money::ZERO {
        return Err(WrongUse::because(format!(
            "the amount {amount:?} is zero; there is nothing to adjust"
        )));
    }

    check_reference(reference)?;
    let customer = session.customer(customer).await?;
    let mut tx = session.store.begin().await?;
    let outcome =
        ledger::book_adjustment(&mut tx, customer.id, money, reference, session.now()).await?;

    let what = match outcome {
        Adjustment::Done => format!("{} adjusted by {money}", customer.name),
        Adjustment::DoneBefore => {
            format!("reference {reference:?} was booked before; nothing changed")
        }
        Adjustment::OtherAmount(before) => {
            anyhow::bail!(
                "reference {reference:?} was booked before with {before}; nothing changed"
            )
        }
        Adjustment::BelowFloor => anyhow::bail!(
            "{} holds {} and may go {} below zero; {money} is more than that. Nothing changed",
            customer.name,
            customer.balance,
            customer.credit
        ),
    };

    if outcome == Adjustment::Done {
        session
            .note(
                &mut tx,
                "balance adjust",
                &format!("customer {} {money} {reference}", customer.id),
            )
            .await?;
    }

    tx.commit().await?;
    moved(
        session,
        &customer,
        money,
        reference,
        outcome == Adjustment::Done,
        &what,
    )
    .await
}

fn check_reference(reference: &str) -> anyhow::Result<()> {
    if reference.trim().is_empty() {
        return Err(WrongUse::because(
            "--reference is empty; name what is booked, so that it is never booked twice",
        ));
    }

    Ok(())
}

/// What came of it, and the balance after it.
async fn moved(
    session: &Session,
    customer: &CustomerRow,
    amount: Money,
    reference: &str,
    booked: bool,
    what: &str,
) -> anyhow::Result<CommandOutcome> {
    let balance = session.customer(&customer.id.to_string()).await?.balance;
    let document = json!({
        "customer": customer.id.0, "amount": amount.to_string(), "reference": reference,
        "booked": booked, "balance": balance.to_string(),
    });

    Ok(CommandOutcome::new(
        format!("{what}; the balance is {balance}"),
        document,
    ))
}

/// Everything that moved in a wallet, oldest first.
pub async fn statement(
    session: &Session,
    options: &StatementOptions,
) -> anyhow::Result<CommandOutcome> {
    let customer = session.customer(&options.customer).await?;
    let mut rows: Vec<StatementRow> = Vec::new();
    while rows.len() < STATEMENT_ROWS_MAX {
        let after = rows.last().map_or(0, |row| row.id);
        let page = transfers::read_statement(&session.store, customer.id, after, PAGE_ROWS).await?;
        let full = i64::try_from(page.len()).is_ok_and(|rows| rows == PAGE_ROWS);
        rows.extend(page);

        if !full {
            break;
        }
    }

    let text = if options.csv {
        csv(&rows)
    } else {
        plain(&rows)
    };

    let document = rows.iter().map(|row| {
        json!({
            "id": row.id, "at": moment(row.at), "reason": row.reason, "order": row.order,
            "reference": row.reference, "amount": row.amount.to_string(),
            "balance": row.balance.to_string(),
        })
    });

    Ok(CommandOutcome::new(text, document.collect()))
}

fn cells(row: &StatementRow) -> [String; 7] {
    let order = row.order.map(|order| order.to_string()).unwrap_or_default();
    let reference = row.reference.clone().unwrap_or_default();
    let (amount, balance) = (row.amount.to_string(), row.balance.to_string());

    [
        row.id.to_string(),
        moment(row.at),
        row.reason.clone(),
        order,
        reference,
        amount,
        balance,
    ]
}

const HEADS: [&str; 7] = [
    "id",
    "at",
    "reason",
    "order",
    "reference",
    "amount",
    "balance",
];

fn plain(rows: &[StatementRow]) -> String {
    table(HEADS, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// Quoted where a comma, a quote or a line break would change the columns.
fn csv(rows: &[StatementRow]) -> String {
    let mut text = HEADS.join(",") + "\n";
    for row in rows {
        let cells = cells(row).map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        });

        let _ = writeln!(text, "{}", cells.join(","));
    }

    text
}
