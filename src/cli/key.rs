//! `key`: make (and show once), list, revoke.

use serde_json::json;

use crate::cli::answer::{Answer, WrongUse, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::customers::keys::{ACTIVE_MAX, NewKey};
use crate::domain::customer::Dialect;
use crate::domain::id::KeyId;
use crate::store::customers;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key and print it, once
    Create {
        /// The id or the name of the customer
        customer: String,
        /// The tongue that the key is answered in: classic or notpanel
        #[arg(long, default_value = "classic")]
        dialect: String,
        /// What the customer calls it
        #[arg(long, default_value = "")]
        label: String,
    },
    /// All keys, or one customer's
    List {
        /// The id or the name of the customer
        customer: Option<String>,
    },
    /// End a key; every node refuses it within a second
    Revoke {
        /// The key's id, from `key list`
        id: i64,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::Create { customer, dialect, label } => create(session, &customer, &dialect, &label).await,
        Command::List { customer } => list(session, customer.as_deref()).await,
        Command::Revoke { id } => revoke(session, KeyId(id)).await,
    }
}

async fn create(session: &Session, customer: &str, dialect: &str, label: &str) -> anyhow::Result<Answer> {
    let Some(tongue) = Dialect::from_word(dialect) else {
        let there_are = Dialect::ALL.map(Dialect::word);
        return Err(WrongUse::because(format!("--dialect {dialect:?} is none; there are: {}", there_are.join(", "))));
    };
    let customer = session.customer(customer).await?;
    let (key, id) = make(session, &customer, tongue, label).await?;
    let document = json!({ "key": key.reveal(), "id": id.0, "dialect": dialect });
    let text = format!("{}\nkey {id} of {}, shown this once: only its digest is kept", key.reveal(), customer.name);
    Ok(Answer::new(text, document))
}

/// Draws and keeps a key.
pub async fn make(
    session: &Session,
    customer: &customers::CustomerRow,
    dialect: Dialect,
    label: &str,
) -> anyhow::Result<(NewKey, KeyId)> {
    let key = NewKey::draw()?;
    let mut tx = session.store.begin().await?;
    if customers::active_keys(&mut tx, customer.id).await? >= ACTIVE_MAX {
        anyhow::bail!("{} has {ACTIVE_MAX} keys in force already; revoke one first", customer.name);
    }
    let now = session.now();
    let id = customers::add_key(&mut tx, customer.id, &key.digest(), key.shown(), label, dialect, now).await?;
    session.note(&mut tx, "key create", &format!("key {id} of customer {}", customer.id)).await?;
    tx.commit().await?;
    Ok((key, id))
}

async fn list(session: &Session, customer: Option<&str>) -> anyhow::Result<Answer> {
    let customer = match customer {
        Some(customer) => Some(session.customer(customer).await?.id),
        None => None,
    };
    let keys = customers::keys(&session.store, customer).await?;
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.id.to_string(),
                key.customer.to_string(),
                format!("{}…", key.prefix),
                key.dialect.clone(),
                key.label.clone(),
                moment(key.created_at),
                maybe_moment(key.revoked_at),
            ]
        })
        .collect();
    let text = table(["id", "customer", "key", "dialect", "label", "created_at", "revoked_at"], &rows);
    let document = keys.iter().map(|key| {
        json!({
            "id": key.id.0, "customer": key.customer.0, "prefix": key.prefix, "dialect": key.dialect,
            "label": key.label, "created_at": moment(key.created_at), "revoked_at": key.revoked_at.map(moment),
        })
    });
    Ok(Answer::new(text, document.collect()))
}

async fn revoke(session: &Session, id: KeyId) -> anyhow::Result<Answer> {
    let mut tx = session.store.begin().await?;
    if !customers::revoke_key(&mut tx, id, session.now()).await? {
        anyhow::bail!("there is no key {id} in force; `panelgate key list` shows all");
    }
    session.note(&mut tx, "key revoke", &format!("key {id}")).await?;
    tx.commit().await?;
    Ok(Answer::new(format!("key {id} is revoked"), json!({ "id": id.0, "revoked": true })))
}
