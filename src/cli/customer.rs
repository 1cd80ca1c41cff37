//! `customer`: open, list, show, set the tier, suspend and resume, give credit.

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, WrongUse, maybe_moment, moment, table};
use crate::cli::in_force;
use crate::cli::session::Session;
use crate::domain::customer::{NAME_BYTES_MAX, is_customer_name};
use crate::domain::limit::STANDARD_TIER;
use crate::domain::money::Money;
use crate::store::customers::{self, CustomerRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Open a customer with an empty wallet
    Create {
        /// The name; not all digits, which would be an id
        name: String,
        /// The tier, by which all its keys are limited together and which may have prices of its
        /// own; one of the file's [[tier]] blocks
        #[arg(long, default_value = STANDARD_TIER)]
        tier: String,
    },
    /// All customers
    List,
    /// One customer
    Show {
        /// The id or the name
        customer: String,
    },
    /// Put a customer into another tier: its limit and its prices, from the next second on
    Set {
        /// The id or the name
        customer: String,
        /// The tier; one of the file's [[tier]] blocks
        #[arg(long)]
        tier: String,
    },
    /// Answer everything that a customer asks with "Account suspended"; every node does within a
    /// second
    Suspend {
        /// The id or the name
        customer: String,
    },
    /// End a suspension
    Resume {
        /// The id or the name
        customer: String,
    },
    /// Let a wallet go below zero by so much; 0 ends it
    Credit {
        /// The id or the name
        customer: String,
        /// How far, such as 50.00
        #[arg(allow_negative_numbers = true)]
        amount: String,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Create { name, tier } => create(session, &name, &tier).await,
        Command::List => Ok(shown(&customers::list_customers(&session.store).await?)),
        Command::Show { customer } => {
            let row = session.customer(&customer).await?;
            let text = shown(std::slice::from_ref(&row));
            Ok(text.with_json(document(&row)))
        }
        Command::Set { customer, tier } => set(session, &customer, &tier).await,
        Command::Suspend { customer } => suspend(session, &customer).await,
        Command::Resume { customer } => resume(session, &customer).await,
        Command::Credit { customer, amount } => credit(session, &customer, &amount).await,
    }
}

async fn create(session: &Session, name: &str, tier: &str) -> anyhow::Result<CommandOutcome> {
    if !is_customer_name(name) {
        return Err(WrongUse::because(format!(
            "{name:?} is no name for a customer: 1 to {NAME_BYTES_MAX} bytes, not all digits, \
             nothing unprintable"
        )));
    }

    check_tier(session, tier).await?;
    let mut tx = session.store.begin().await?;
    let Some(id) = customers::open_customer(&mut tx, name, tier, session.now()).await? else {
        anyhow::bail!("there is a customer named {name:?} already");
    };

    session
        .note(
            &mut tx,
            "customer create",
            &format!("customer {id} {name}, tier {tier}"),
        )
        .await?;

    tx.commit().await?;
    Ok(CommandOutcome::new(
        format!("customer {id} {name}"),
        json!({ "id": id.0, "name": name, "tier": tier }),
    ))
}

/// Whether the file in force names the tier. Before a gateway was ever started there is none to
/// ask, and `serve` warns.
pub async fn check_tier(session: &Session, tier: &str) -> anyhow::Result<()> {
    let Some(tiers) = in_force::tiers(session).await? else {
        return Ok(());
    };

    if !tiers.iter().any(|known| known == tier) {
        anyhow::bail!(
            "there is no tier {tier:?}; the configuration in force has {}. Add a [[tier]] block \
             to the gateway's file first: saved, it is in force within seconds",
            tiers.join(", ")
        );
    }

    Ok(())
}

async fn set(session: &Session, customer: &str, tier: &str) -> anyhow::Result<CommandOutcome> {
    let customer = session.customer(customer).await?;
    check_tier(session, tier).await?;
    let mut tx = session.store.begin().await?;
    let changed = customers::set_tier(&mut tx, customer.id, tier).await?;

    if changed {
        let object = format!(
            "{}, from tier {} to {tier}",
            named(&customer),
            customer.tier
        );

        session.note(&mut tx, "customer set", &object).await?;
    }

    tx.commit().await?;
    let what = if changed {
        "is of"
    } else {
        "was of that tier before; nothing changed:"
    };

    let document =
        json!({ "id": customer.id.0, "name": customer.name, "tier": tier, "changed": changed });
    Ok(CommandOutcome::new(
        format!("{} {what} tier {tier}", customer.name),
        document,
    ))
}

async fn suspend(session: &Session, customer: &str) -> anyhow::Result<CommandOutcome> {
    let customer = session.customer(customer).await?;
    let mut tx = session.store.begin().await?;
    let changed = customers::suspend_customer(&mut tx, customer.id, session.now()).await?;

    if changed {
        session
            .note(&mut tx, "customer suspend", &named(&customer))
            .await?;
    }

    tx.commit().await?;
    let what = if changed {
        "is suspended"
    } else {
        "was suspended before; nothing changed"
    };

    let document = json!({ "id": customer.id.0, "suspended": true, "changed": changed });
    Ok(CommandOutcome::new(
        format!("{} {what}", customer.name),
        document,
    ))
}

async fn resume(session: &Session, customer: &str) -> anyhow::Result<CommandOutcome> {
    let customer = session.customer(customer).await?;
    let mut tx = session.store.begin().await?;
    let changed = customers::resume_customer(&mut tx, customer.id).await?;

    if changed {
        session
            .note(&mut tx, "customer resume", &named(&customer))
            .await?;
    }

    tx.commit().await?;
    let what = if changed {
        "is served again"
    } else {
        "was not suspended; nothing changed"
    };

    let document = json!({ "id": customer.id.0, "suspended": false, "changed": changed });
    Ok(CommandOutcome::new(
        format!("{} {what}", customer.name),
        document,
    ))
}

async fn credit(session: &Session, customer: &str, amount: &str) -> anyhow::Result<CommandOutcome> {
    let money = Money::parse(amount)
        .map_err(|why| WrongUse::because(format!("the amount {amount:?} {why}")))?;

    if money.is_negative() {
        return Err(WrongUse::because(format!(
            "the amount {amount:?} is below zero; say how far the wallet may go"
        )));
    }

    let customer = session.customer(customer).await?;
    let mut tx = session.store.begin().await?;
    if !customers::give_credit(&mut tx, customer.id, money).await? {
        anyhow::bail!(
            "{} holds {}, which is further below zero than {money}",
            customer.name,
            customer.balance
        );
    }

    session
        .note(
            &mut tx,
            "customer credit",
            &format!("{} {money}", named(&customer)),
        )
        .await?;

    tx.commit().await?;
    let document = json!({ "id": customer.id.0, "credit": money.to_string() });
    Ok(CommandOutcome::new(
        format!("the wallet of {} may go {money} below zero", customer.name),
        document,
    ))
}

fn named(customer: &CustomerRow) -> String {
    format!("customer {} {}", customer.id, customer.name)
}

fn shown(rows: &[CustomerRow]) -> CommandOutcome {
    let cells = rows.iter().map(|row| {
        let id = row.id.to_string();
        let suspended = maybe_moment(row.suspended_at);
        let (balance, credit) = (row.balance.to_string(), row.credit.to_string());

        [
            id,
            row.name.clone(),
            row.tier.clone(),
            balance,
            credit,
            moment(row.created_at),
            suspended,
        ]
    });

    let heads = [
        "id",
        "name",
        "tier",
        "balance",
        "credit",
        "created_at",
        "suspended_at",
    ];

    let text = table(heads, &cells.collect::<Vec<_>>());
    CommandOutcome::new(text, rows.iter().map(document).collect())
}

fn document(row: &CustomerRow) -> Value {
    json!({
        "id": row.id.0,
        "name": row.name,
        "tier": row.tier,
        "balance": row.balance.to_string(),
        "credit": row.credit.to_string(),
        "created_at": moment(row.created_at),
        "suspended_at": row.suspended_at.map(moment),
    })
}
