//! `provider`: the panels' state of affairs.

use std::fmt::Write;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cli::answer::{Answer, WrongUse, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::cli::{provider_probe, provider_prove};
use crate::domain::clock::Instant;
use crate::domain::float::Runway;
use crate::domain::id::ProviderId;
use crate::domain::provider::RefusalClass;
use crate::orders::track;
use crate::routing::standing::Stopped;
use crate::store::proofs::{self, ProofRow};
use crate::store::providers::{self, ProviderRow};
use crate::store::refusals::{self, UnknownText};
use crate::store::waiting::{self, Waits};
use crate::store::{gates, treasury};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Learn how a new panel wants to be asked, by questions that buy nothing, and print its block for providers.toml
    Probe(provider_probe::Options),
    /// Every panel: its catalogue, our balance there and how long it lasts, and what waits there, why and since when
    List,
    /// Buy one small order, perhaps twice, to see whether a notpanel panel answers a request_id twice with one order
    Prove(provider_prove::Options),
    /// The words in which a panel refused orders and that nobody listed, with the lines for [provider.words]
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

pub async fn run(session: &Session, command: Command) -> anyhow::Result<Answer> {
    match command {
        Command::Probe(_) => Err(WrongUse::because("a probe needs no database")),
        Command::List => list(session).await,
        Command::Words { provider, done } => words(session, provider, done).await,
        Command::Prove(options) => provider_prove::run(session, options).await,
        Command::Pause { provider } => pause(session, provider, true).await,
        Command::Resume { provider } => pause(session, provider, false).await,
    }
}

async fn pause(session: &Session, provider: String, paused: bool) -> anyhow::Result<Answer> {
    let id = ProviderId(provider);
    let mut tx = session.store.begin().await?;
    let Some(changed) = gates::pause(&mut tx, &id, paused, session.now()).await? else {
        anyhow::bail!("no panel {:?}; `provider list` shows all", id.0);
    };
    let verb = if paused { "provider pause" } else { "provider resume" };
    if changed {
        session.note(&mut tx, verb, &format!("provider {id}")).await?;
    }
    tx.commit().await?;
    let text = match (paused, changed) {
        (true, true) => {
            format!("no orders go to {id} any more; calls that are out end; statuses are asked for as before")
        }
        (true, false) => format!("{id} was paused already"),
        (false, true) => format!("orders go to {id} again"),
        (false, false) => format!("orders go to {id} already"),
    };
    Ok(Answer::new(text, json!({ "provider": id.0, "paused": paused, "changed": changed })))
}

/// What a panel wrote, escaped, and what an operator makes of it.
async fn words(session: &Session, provider: String, done: bool) -> anyhow::Result<Answer> {
    session.panel(&provider).await?;
    let id = ProviderId(provider);
    if done {
        let mut tx = session.store.begin().await?;
        let forgotten = refusals::forget_texts(&mut tx, &id).await?;
        if forgotten > 0 {
            session.note(&mut tx, "provider words", &format!("provider {id}: {forgotten} seen to")).await?;
        }
        tx.commit().await?;
        return Ok(Answer::new(
            format!("{forgotten} texts of {id} are shown no more"),
            json!({ "provider": id.0, "forgotten": forgotten }),
        ));
    }
    let texts = refusals::texts(&session.store, &id).await?;
    let mut text = String::new();
    if texts.is_empty() {
        text = format!("{id} refused no order in words that nobody listed");
    } else {
        let row = |row: &UnknownText| {
            [row.count.to_string(), moment(row.first_at), moment(row.last_at), format!("{:?}", row.text)]
        };
        text += &table(["times", "first", "last", "text"], &texts.iter().map(row).collect::<Vec<_>>());
        let classes = RefusalClass::ALL.map(RefusalClass::word).join(", ");
        let _ = writeln!(
            text,
            "\nOnly of a text that proves that nothing was placed, with its class for CLASS ({classes}):\n[provider.words]"
        );
        for row in &texts {
            let _ = writeln!(text, "{}", word_line(&row.text));
        }
    }
    let document = texts.iter().map(|row| {
        json!({
            "text": row.text, "count": row.count, "first_at": moment(row.first_at), "last_at": moment(row.last_at),
            "line": word_line(&row.text),
        })
    });
    Ok(Answer::new(text, json!({ "provider": id.0, "words": document.collect::<Value>() })))
}

/// A line of `[provider.words]`, whose text is written as JSON does, which TOML reads; its class is for a person to say.
fn word_line(text: &str) -> String {
    format!("{} = \"CLASS\"", Value::from(text).to_string().replace('\u{7f}', "\\u007f"))
}

async fn list(session: &Session) -> anyhow::Result<Answer> {
    let providers = providers::list(&session.store).await?;
    let now = session.now();
    let runways = treasury::runways(&session.store).await?;
    let waits = waiting::by_reason(&session.store).await?;
    let runway = |row: &ProviderRow| runways.iter().find(|runway| runway.provider == row.id);
    let rows: Vec<_> = providers
        .iter()
        .map(|row| {
            [
                row.id.to_string(),
                state(row, now).to_owned(),
                row.balance.map(|balance| balance.to_string()).unwrap_or_default(),
                row.services.to_string(),
                maybe_moment(row.catalogue_at),
                row.open_legs.to_string(),
                row.in_doubt.to_string(),
                row.parked.to_string(),
                runway(row).map_or_else(String::new, burn),
                runway(row).and_then(|runway| runway.hours_left.clone()).unwrap_or_default(),
                runway(row).map_or_else(String::new, |runway| runway.drift.to_string()),
                row.catalogue_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let heads = [
        "id",
        "state",
        "balance",
        "services",
        "catalogue_at",
        "open",
        "in_doubt",
        "parked",
        "burn_per_hour",
        "hours_left",
        "drift",
        "error",
    ];
    let proofs = proofs::newest(&session.store).await?;
    let document = providers.iter().map(|row| {
        json!({
            "id": row.id.0, "served": row.held_until.is_some_and(|until| until > now),
            "balance": row.balance.map(|balance| balance.to_string()), "balance_at": row.balance_at.map(moment),
            "services": row.services, "services_missing": row.services_missing, "catalogue_at": row.catalogue_at.map(moment), "open": row.open_legs,
            "paused": row.paused, "breaker": row.breaker, "breaker_until": row.breaker_until.map(moment),
            "breaker_cause": (row.breaker != "shut").then_some(&row.breaker_cause),
            "rests_until": row.rests_until.filter(|until| *until > now).map(moment),
            "request_id_proven": proofs.iter().any(|proof| proof.provider == row.id.0 && proof.outcome == "honoured"),
            "request_id_proof": proofs.iter().find(|proof| proof.provider == row.id.0).map(of_proof),
            "statuses_failed": row.statuses_failed,
            "status_batch_learned": batch_learned(row, now),
            "over_delivered": row.over_delivered, "reversals": row.reversals,
            "margin_held": row.margin_held, "margin_saved": row.margin_saved.to_string(), "in_doubt": row.in_doubt, "parked": row.parked, "error": row.catalogue_error,
            "currency": runway(row).and_then(|runway| runway.currency.clone()),
            "burn_per_hour": runway(row).and_then(|runway| runway.burn_per_hour).map(|burn| burn.to_string()),
            "hours_left": runway(row).and_then(|runway| runway.hours_left.clone()),
            "drift": runway(row).map(|runway| runway.drift.to_string()),
            "unread": row.unread,
            "waiting": waits.iter().filter(|waits| waits.provider == row.id).map(document_of).collect::<Vec<_>>(),
        })
    });
    let mut text = table(heads, &rows);
    for row in providers.iter().filter(|row| row.margin_held > 0) {
        let (id, times, saved) = (&row.id, row.margin_held, row.margin_saved);
        let _ = writeln!(text, "{id}: the margin guard kept {times} legs from it, which would have cost {saved} more");
    }
    for row in &providers {
        text += &of_statuses(row, now);
        let here: Vec<_> = waits.iter().filter(|waits| waits.provider == row.id).collect();
        for waits in &here {
            let (id, count, words) = (&row.id, waits.count, why_in_words(&waits.why));
            let oldest = waits.oldest_at.map_or_else(String::new, |at| format!(", the oldest for {}", age(now - at)));
            let _ = writeln!(text, "{id}: {count} {words}{oldest}");
        }
        let unsent = here.iter().any(|waits| ["ready", "leased"].contains(&waits.why.as_str()));
        if let Some(stopped) = Stopped::of(row.paused, row.breaker == "open", row.unread).filter(|_| unsent) {
            let _ = writeln!(text, "{}: nothing is sent there: {stopped}", row.id);
        }
    }
    if let Some(since) = gates::frozen_since(&session.store).await? {
        let _ = writeln!(text, "nothing is sent to any panel since {}: `dispatch thaw` lets orders go", moment(since));
    }
    Ok(Answer::new(text, document.collect()))
}

/// What came of the last proof that it knows adds by their names.
fn of_proof(proof: &ProofRow) -> Value {
    json!({
        "proven": proof.outcome == "honoured", "outcome": proof.outcome, "at": moment(proof.sent_at),
        "by": proof.asked_by, "account": proof.account, "orders": [proof.first_order, proof.second_order],
    })
}

/// How many orders it answers in one question, where that was learned within a day.
fn batch_learned(row: &ProviderRow, now: Instant) -> Option<i32> {
    row.status_batch_learned.filter(|(_, at)| now - *at < track::BATCH_REMEMBERED).map(|(batch, _)| batch)
}

/// How the panel answers who asks about its orders, where that is worth a line.
fn of_statuses(row: &ProviderRow, now: Instant) -> String {
    let mut text = String::new();
    match batch_learned(row, now) {
        Some(1) => {
            let _ =
                writeln!(text, "{}: answers no status questions about several orders; it is asked one by one", row.id);
        }
        Some(batch) => {
            let _ = writeln!(text, "{}: answers status questions about {batch} orders at most", row.id);
        }
        None => {}
    }
    if row.statuses_failed > 0 {
        let rounds = row.statuses_failed;
        let _ = writeln!(text, "{}: told of no order in the last {rounds} rounds of status questions", row.id);
    }
    text
}

fn document_of(waits: &Waits) -> Value {
    json!({ "why": waits.why, "count": waits.count, "oldest_at": waits.oldest_at.map(moment), "words": why_in_words(&waits.why) })
}

/// Why something waits, in plain words; what it is parked for stands as it is kept where nobody explained it.
fn why_in_words(why: &str) -> String {
    let words = match why {
        "ready" => "to be sent",
        "leased" => "about to be sent",
        "sending" => "being sent",
        "in_doubt" => "in doubt: the panel may have them",
        "open" => "at the panel",
        "stuck" => "stuck: not moved for too long",
        "refill" => "refills under way",
        "cancel" => "cancels to be asked for",
        "held:margin" => "held: they cost too much now",
        "parked:money" => "parked: our balance there is too low",
        "parked:key" => "parked: the panel does not take our key",
        "parked:rate" => "parked: the panel finds us too fast",
        "parked:active" => "parked: another order runs on their link",
        _ => why,
    };
    words.to_owned()
}

/// In the largest unit that fits: seconds, minutes, hours, or days from three on.
fn age(age: TimeDelta) -> String {
    match age.num_seconds().max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..259_200 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// What is spent in an hour, in the panel's currency.
fn burn(runway: &Runway) -> String {
    let currency = runway.currency.as_deref().unwrap_or_default();
    runway.burn_per_hour.map_or_else(String::new, |burn| format!("{burn} {currency}"))
}

/// In one word: what keeps orders away, if anything does.
fn state(row: &ProviderRow, now: Instant) -> &'static str {
    if row.paused {
        "paused"
    } else if row.held_until.is_none_or(|until| until <= now) {
        "not served"
    } else {
        match row.breaker.as_str() {
            "open" => match row.breaker_cause.as_str() {
                "errors" => "stopped by errors",
                "slowness" => "stopped by slowness",
                "refusals" => "stopped by refusals",
                _ => "stopped by doubts",
            },
            "probation" => "on probation",
            _ if row.unread => "catalogue unread",
            _ if row.rests_until.is_some_and(|until| until > now) => "left alone as it asked",
            _ => "served",
        }
    }
}
