//! `provider`: the panels' state of affairs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, WrongUse, moment, table};
use crate::cli::session::Session;
use crate::cli::{provider_list, provider_probe, provider_prove};
use crate::domain::id::ProviderId;
use crate::domain::provider::RefusalClass;
use crate::store::gates;
use crate::store::refusals::{self, UnknownText};
use crate::upstream::is_quote;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Learn how a new panel wants to be asked, by questions that buy nothing, and print its block
    /// for providers.toml
    Probe(provider_probe::Options),
    /// Every panel: its catalog, our balance there and how long it lasts, and what waits there,
    /// why and since when
    List,
    /// Buy one small order, perhaps twice, to see whether a notpanel panel answers a request_id
    /// twice with one order
    ///
    /// It tells nothing of a panel that restarts and forgets the names it was told: what is asked
    /// there again, within 30 minutes of the first asking and never later, is then bought
    /// twice.
    Prove(provider_prove::Options),
    /// The words in which a panel refused orders and that nobody listed, with the lines for
    /// [provider.words]
    Words {
        /// The panel's id
        provider: String,
        /// They are seen to: show them no more, and end the alert
        #[arg(long)]
        done: bool,
    },
    /// Stop sending orders to a panel; everything else goes on
    Pause {
        /// The panel's id
        provider: String,
    },
    /// Send orders to a panel again, also where doubts, refusals, errors or slowness had stopped it
    Resume {
        /// The panel's id
        provider: String,
    },
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Probe(_) => Err(WrongUse::because("a probe needs no database")),
        Command::List => provider_list::list(session).await,
        Command::Words { provider, done } => words(session, provider, done).await,
        Command::Prove(options) => provider_prove::run(session, options).await,
        Command::Pause { provider } => pause(session, provider, true).await,
        Command::Resume { provider } => pause(session, provider, false).await,
    }
}

async fn pause(
    session: &Session,
    provider: String,
    paused: bool,
) -> anyhow::Result<CommandOutcome> {
    let id = ProviderId(provider);
    let mut tx = session.store.begin().await?;
    let Some(changed) = gates::pause_provider(&mut tx, &id, paused, session.now()).await? else {
        anyhow::bail!("no panel {:?}; `provider list` shows all", id.0);
    };

    let verb = if paused {
        "provider pause"
    } else {
        "provider resume"
    };

    if changed {
        session
            .note(&mut tx, verb, &format!("provider {id}"))
            .await?;
    }

    tx.commit().await?;
    let text = match (paused, changed) {
        (true, true) => {
            format!(
                "no orders go to {id} any more; calls that are out end; statuses are asked for as \
                 before"
            )
        }
        (true, false) => format!("{id} was paused already"),
        (false, true) => format!("orders go to {id} again"),
        (false, false) => format!("orders go to {id} already"),
    };

    Ok(CommandOutcome::new(
        text,
        json!({ "provider": id.0, "paused": paused, "changed": changed }),
    ))
}

/// What a panel wrote, escaped, and what an operator makes of it.
async fn words(session: &Session, provider: String, done: bool) -> anyhow::Result<CommandOutcome> {
    session.panel(&provider).await?;
    let id = ProviderId(provider);

    if done {
        let mut tx = session.store.begin().await?;
        let forgotten = refusals::forget_texts(&mut tx, &id).await?;
        if forgotten > 0 {
            session
                .note(
                    &mut tx,
                    "provider words",
                    &format!("provider {id}: {forgotten} seen to"),
                )
                .await?;
        }

        tx.commit().await?;
        return Ok(CommandOutcome::new(
            format!("{forgotten} texts of {id} are shown no more"),
            json!({ "provider": id.0, "forgotten": forgotten }),
        ));
    }

    let texts = refusals::list_texts(&session.store, &id).await?;
    let mut text = String::new();
    if texts.is_empty() {
        text = format!("{id} refused no order in words that nobody listed");
    } else {
        let row = |row: &UnknownText| {
            [
                row.count.to_string(),
                moment(row.first_at),
                moment(row.last_at),
                format!("{:?}", row.text),
            ]
        };

        text += &table(
            ["times", "first", "last", "text"],
            &texts.iter().map(row).collect::<Vec<_>>(),
        );

        let classes = RefusalClass::ALL.map(RefusalClass::as_str).join(", ");
        let _ = writeln!(
            text,
            "\nOnly of a text that proves that nothing was placed, with its class for CLASS \
             ({classes}):\n[provider.words]"
        );

        for row in &texts {
            let line =
                word_line(&row.text).unwrap_or_else(|| format!("# {OF_AN_ORDER}: {:?}", row.text));
            let _ = writeln!(text, "{line}");
        }
    }

    let document = texts.iter().map(|row| {
        json!({
            "text": row.text, "count": row.count, "first_at": moment(row.first_at),
            "last_at": moment(row.last_at),
            "line": word_line(&row.text),
        })
    });

    Ok(CommandOutcome::new(
        text,
        json!({ "provider": id.0, "words": document.collect::<Value>() }),
    ))
}

/// A line of `[provider.words]`, whose text is written as JSON does, which TOML reads; its class is
/// for a person to say. None of a text that begins with an order's own words: it would mean
/// whatever customers write.
fn word_line(text: &str) -> Option<String> {
    let line = || {
        format!(
            "{} = \"CLASS\"",
            Value::from(text).to_string().replace('\u{7f}', "\\u007f")
        )
    };

    (!is_quote(text)).then(line)
}

/// Why there is no line for a text.
const OF_AN_ORDER: &str = "begins with what its order sent, so it can have no class";
