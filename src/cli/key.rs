//! `key`: make (and show once), set its terms, list, revoke.

use std::fmt::Write;

use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::customers::keys::{ACTIVE_MAX, NewKey};
use crate::domain::customer::Dialect;
use crate::domain::id::KeyId;
use crate::domain::network::Network;
use crate::store::customers;
use crate::store::keys::{self, KeyChange};

/// Networks that one key may be allowed.
pub const ALLOWED_MAX: usize = 32;
/// The word that lets a key be used from anywhere again.
const ANYWHERE: &str = "any";
/// The longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 100;
/// The largest number of requests of a minute.
pub const PER_MINUTE_MAX: i64 = 10_000_000;
/// The longest time in which an order is taken for a repetition: a day.
pub const DEDUPE_WINDOW_S_MAX: i64 = 86_400;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key and print it, once
    Create {
        /// The id or the name of the customer
        customer: String,
        /// The dialect that the key is answered in: classic or notpanel
        #[arg(long, default_value = "classic")]
        dialect: String,
        /// What the customer calls it
        #[arg(long, default_value = "")]
        label: String,
        #[command(flatten)]
        terms: TermsOptions,
    },
    /// Change what a key may; every node knows it within a second
    Set {
        /// The key's id, from `key list`
        id: i64,
        /// What the customer calls it
        #[arg(long)]
        label: Option<String>,
        #[command(flatten)]
        terms: TermsOptions,
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

/// What a key may.
#[derive(Debug, clap::Args)]
pub struct TermsOptions {
    /// A network that the key may be used from, such as 203.0.113.0/24 or 2001:db8::/32; several
    /// times for several; "any" for everywhere, as it is unless said
    #[arg(long, value_name = "CIDR")]
    allow: Vec<String>,
    /// Requests of a minute; 0: as many as the settings say
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(i32).range(0..=PER_MINUTE_MAX))]
    per_minute: Option<i32>,
    /// Within so many seconds the same order again is answered with the first one's id; 0: never
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(i32).range(0..=DEDUPE_WINDOW_S_MAX))]
    dedupe_window_s: Option<i32>,
}

impl TermsOptions {
    fn read(&self) -> anyhow::Result<KeyChange> {
        let (per_minute, dedupe_window_s) = (self.per_minute, self.dedupe_window_s);
        Ok(KeyChange {
            label: None,
            allowed: allowed(&self.allow)?,
            per_minute,
            dedupe_window_s,
        })
    }
}

fn allowed(texts: &[String]) -> anyhow::Result<Option<Vec<Network>>> {
    if texts.is_empty() {
        return Ok(None);
    }

    if let [one] = texts
        && one == ANYWHERE
    {
        return Ok(Some(Vec::new()));
    }

    if texts.len() > ALLOWED_MAX {
        return Err(WrongUse::because(format!(
            "--allow is given {} times; {ALLOWED_MAX} at most",
            texts.len()
        )));
    }

    let network = |text: &String| {
        text.parse::<Network>()
            .map_err(|why| WrongUse::because(format!("--allow {text:?} {why}")))
    };

    texts
        .iter()
        .map(network)
        .collect::<Result<_, _>>()
        .map(Some)
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Create {
            customer,
            dialect,
            label,
            terms,
        } => create(session, &customer, &dialect, &label, &terms.read()?).await,
        Command::Set { id, label, terms } => {
            set(
                session,
                KeyId(id),
                KeyChange {
                    label,
                    ..terms.read()?
                },
            )
            .await
        }
        Command::List { customer } => list(session, customer.as_deref()).await,
        Command::Revoke { id } => revoke(session, KeyId(id)).await,
    }
}

async fn create(
    session: &Session,
    customer: &str,
    dialect: &str,
    label: &str,
    terms: &KeyChange,
) -> anyhow::Result<CommandOutcome> {
    let Some(parsed) = Dialect::from_word(dialect) else {
        let there_are = Dialect::ALL.map(Dialect::as_str);
        return Err(WrongUse::because(format!(
            "--dialect {dialect:?} is none; there are: {}",
            there_are.join(", ")
        )));
    };

    check_label(label)?;
    let customer = session.customer(customer).await?;
    let (key, id) = make_with(session, &customer, parsed, label, terms).await?;
    let document = json!({ "key": key.reveal(), "id": id.0, "dialect": dialect });

    let text = format!(
        "{}\nkey {id} of {}, shown this once: only its digest is kept",
        key.reveal(),
        customer.name
    );

    Ok(CommandOutcome::new(text, document))
}

/// Draws and keeps a key without terms of its own.
pub async fn make(
    session: &Session,
    customer: &customers::CustomerRow,
    dialect: Dialect,
    label: &str,
) -> anyhow::Result<(NewKey, KeyId)> {
    make_with(session, customer, dialect, label, &KeyChange::default()).await
}

async fn make_with(
    session: &Session,
    customer: &customers::CustomerRow,
    dialect: Dialect,
    label: &str,
    terms: &KeyChange,
) -> anyhow::Result<(NewKey, KeyId)> {
    let key = NewKey::draw_for(dialect)?;
    let mut tx = session.store.begin().await?;
    if customers::active_keys(&mut tx, customer.id).await? >= ACTIVE_MAX {
        anyhow::bail!(
            "{} has {ACTIVE_MAX} keys in force already; revoke one first",
            customer.name
        );
    }

    let now = session.now();
    let id = customers::add_key(
        &mut tx,
        customer.id,
        &key.digest(),
        key.shown(),
        label,
        dialect,
        now,
    )
    .await?;

    keys::change_key(&mut tx, id, terms).await?;
    session
        .note(
            &mut tx,
            "key create",
            &format!("key {id} of customer {}{}", customer.id, spelled(terms)),
        )
        .await?;

    tx.commit().await?;
    Ok((key, id))
}

async fn set(session: &Session, id: KeyId, terms: KeyChange) -> anyhow::Result<CommandOutcome> {
    if terms == KeyChange::default() {
        return Err(WrongUse::because(
            "nothing to set; say --label, --allow, --per-minute or --dedupe-window-s",
        ));
    }

    check_label(terms.label.as_deref().unwrap_or_default())?;
    let mut tx = session.store.begin().await?;
    if !keys::change_key(&mut tx, id, &terms).await? {
        anyhow::bail!(
            "there is no key {id} in force; `{} key list` shows all",
            session.globals.again()
        );
    }

    let what = spelled(&terms);
    session
        .note(&mut tx, "key set", &format!("key {id}{what}"))
        .await?;

    tx.commit().await?;
    Ok(CommandOutcome::new(
        format!("key {id} is set{what}"),
        json!({ "id": id.0, "set": true }),
    ))
}

fn check_label(label: &str) -> anyhow::Result<()> {
    if label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control) {
        let what = format!(
            "--label {label:?} is none: {LABEL_BYTES_MAX} bytes at most, nothing unprintable"
        );
        return Err(WrongUse::because(what));
    }

    Ok(())
}

/// The terms as the audit keeps them; what is not said is left out.
fn spelled(terms: &KeyChange) -> String {
    let KeyChange {
        label,
        allowed,
        per_minute,
        dedupe_window_s,
    } = terms;

    let mut text = String::new();
    if let Some(label) = label {
        let _ = write!(text, ", label {label:?}");
    }

    if let Some(networks) = allowed {
        let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
        let _ = write!(
            text,
            ", allow {}",
            if networks.is_empty() {
                ANYWHERE.to_owned()
            } else {
                networks.join(" ")
            }
        );
    }

    if let Some(number) = per_minute {
        let _ = write!(text, ", per-minute {number}");
    }

    if let Some(seconds) = dedupe_window_s {
        let _ = write!(text, ", dedupe-window-s {seconds}");
    }

    text
}

const HEADS: [&str; 11] = [
    "id",
    "customer",
    "key",
    "dialect",
    "label",
    "allow",
    "per_minute",
    "dedupe_window_s",
    "created_at",
    "last_used_at",
    "revoked_at",
];

async fn list(session: &Session, customer: Option<&str>) -> anyhow::Result<CommandOutcome> {
    let customer = match customer {
        Some(customer) => Some(session.customer(customer).await?.id),
        None => None,
    };

    let keys = customers::list_keys(&session.store, customer).await?;
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.id.to_string(),
                key.customer.to_string(),
                format!("{}…", key.prefix),
                key.dialect.clone(),
                key.label.clone(),
                key.allowed.join(" "),
                key.per_minute
                    .map(|number| number.to_string())
                    .unwrap_or_default(),
                key.dedupe_window_s.to_string(),
                moment(key.created_at),
                maybe_moment(key.last_used_at),
                maybe_moment(key.revoked_at),
            ]
        })
        .collect();

    let text = table(HEADS, &rows);
    let document = keys.iter().map(|key| {
        json!({
            "id": key.id.0, "customer": key.customer.0, "prefix": key.prefix,
            "dialect": key.dialect,
            "label": key.label, "allow": key.allowed, "per_minute": key.per_minute,
            "dedupe_window_s": key.dedupe_window_s, "created_at": moment(key.created_at),
            "last_used_at": key.last_used_at.map(moment), "revoked_at": key.revoked_at.map(moment),
        })
    });

    Ok(CommandOutcome::new(text, document.collect()))
}

async fn revoke(session: &Session, id: KeyId) -> anyhow::Result<CommandOutcome> {
    let mut tx = session.store.begin().await?;
    if !customers::revoke_key(&mut tx, id, session.now()).await? {
        anyhow::bail!(
            "there is no key {id} in force; `{} key list` shows all",
            session.globals.again()
        );
    }

    session
        .note(&mut tx, "key revoke", &format!("key {id}"))
        .await?;

    tx.commit().await?;
    Ok(CommandOutcome::new(
        format!("key {id} is revoked"),
        json!({ "id": id.0, "revoked": true }),
    ))
}
