//! `customer`: open, list, show.

use serde_json::{Value, json};

use crate::cli::answer::{Answer, WrongUse, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::domain::customer::{NAME_BYTES_MAX, is_customer_name};
use crate::store::customers::{self, CustomerRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Open a customer with an empty wallet
    Create {
        /// The name; not all digits, which would be an id
        name: String,
        /// The tier
        #[arg(long, default_value = "standard")]
        tier: String,
    },
    /// All customers
    List,
    /// One customer
    Show {
        /// The id or the name
        customer: String,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::Create { name, tier } => create(session, &name, &tier).await,
        Command::List => Ok(shown(&customers::list(&session.store).await?)),
        Command::Show { customer } => {
            let row = session.customer(&customer).await?;
            let text = shown(std::slice::from_ref(&row));
            Ok(text.with_json(document(&row)))
        }
    }
}

async fn create(session: &Session, name: &str, tier: &str) -> anyhow::Result<Answer> {
    if !is_customer_name(name) {
        return Err(WrongUse::because(format!(
            "{name:?} is no name for a customer: 1 to {NAME_BYTES_MAX} bytes, not all digits, nothing unprintable"
        )));
    }
    let mut tx = session.store.begin().await?;
    let Some(id) = customers::open(&mut tx, name, tier, session.now()).await? else {
        anyhow::bail!("there is a customer named {name:?} already");
    };
    session.note(&mut tx, "customer create", name).await?;
    tx.commit().await?;
    Ok(Answer::new(format!("customer {id} {name}"), json!({ "id": id.0, "name": name, "tier": tier })))
}

fn shown(rows: &[CustomerRow]) -> Answer {
    let cells = rows.iter().map(|row| {
        let id = row.id.to_string();
        let suspended = maybe_moment(row.suspended_at);
        [id, row.name.clone(), row.tier.clone(), row.balance.to_string(), moment(row.created_at), suspended]
    });
    let text = table(["id", "name", "tier", "balance", "created_at", "suspended_at"], &cells.collect::<Vec<_>>());
    Answer::new(text, rows.iter().map(document).collect())
}

fn document(row: &CustomerRow) -> Value {
    json!({
        "id": row.id.0,
        "name": row.name,
        "tier": row.tier,
        "balance": row.balance.to_string(),
        "created_at": moment(row.created_at),
        "suspended_at": row.suspended_at.map(moment),
    })
}
