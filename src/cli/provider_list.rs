//! `provider list`: how each panel stands, and what waits there, why and since when.

use std::fmt::Write;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, maybe_moment, moment, table};
use crate::cli::session::Session;
use crate::domain::clock::Timestamp;
use crate::domain::float::Runway;
use crate::domain::money::Money;
use crate::domain::spoken::on_one_line;
use crate::orders::track;
use crate::routing::standing::Stopped;
use crate::store::proofs::{self, ProofRow};
use crate::store::providers::{self, ProviderRow};
use crate::store::waiting::{self, Waits};
use crate::store::{gates, treasury};

/// The columns of the table.
const HEADS: [&str; 12] = [
    "id",
    "state",
    "balance",
    "services",
    "catalog_at",
    "open",
    "in_doubt",
    "parked",
    "burn_per_hour",
    "hours_left",
    "drift",
    "error",
];

/// All that is told of one panel.
struct ProviderDetails<'a> {
    row: &'a ProviderRow,
    runway: Option<&'a Runway>,
    waits: Vec<&'a Waits>,
    proof: Option<&'a ProofRow>,
    now: Timestamp,
}

pub(super) async fn list(session: &Session) -> anyhow::Result<CommandOutcome> {
    let (store, now) = (&session.store, session.now());
    let rows = providers::list_providers(store).await?;
    let runways = treasury::list_runways(store).await?;
    let waits = waiting::by_reason(store).await?;
    let proofs = proofs::list_newest(store).await?;

    let told = rows.iter().map(|row| ProviderDetails {
        row,
        runway: runways.iter().find(|runway| runway.provider == row.id),
        waits: waits
            .iter()
            .filter(|waits| waits.provider == row.id)
            .collect(),
        proof: proofs.iter().find(|proof| proof.provider == row.id.0),
        now,
    });

    let told: Vec<_> = told.collect();

    let cells: Vec<_> = told.iter().map(ProviderDetails::cells).collect();
    let mut text = table(HEADS, &cells);
    for told in &told {
        text += &told.lines();
    }

    if let Some(since) = gates::frozen_since(store).await? {
        let _ = writeln!(
            text,
            "nothing is sent to any panel since {}: `dispatch thaw` lets orders go",
            moment(since)
        );
    }

    Ok(CommandOutcome::new(
        text,
        told.iter().map(ProviderDetails::document).collect(),
    ))
}

impl ProviderDetails<'_> {
    fn cells(&self) -> [String; 12] {
        let Self { row, runway, .. } = self;
        [
            row.id.to_string(),
            state(row, self.now).to_owned(),
            self.balance()
                .map_or_else(String::new, |(amount, currency)| {
                    format!("{amount} {currency}").trim().to_owned()
                }),
            row.services.to_string(),
            maybe_moment(row.catalog_at),
            row.open_legs.to_string(),
            row.in_doubt.to_string(),
            row.parked.to_string(),
            runway.map_or_else(String::new, burn),
            runway
                .and_then(|runway| runway.hours_left.clone())
                .unwrap_or_default(),
            runway.map_or_else(String::new, |runway| runway.drift.to_string()),
            row.catalog_error.clone().unwrap_or_default(),
        ]
    }

    fn document(&self) -> Value {
        let Self {
            row,
            runway,
            proof,
            now,
            ..
        } = self;

        json!({
            "id": row.id.0,
            "served": row.held_until.is_some_and(|until| until > *now),
            "balance": self.balance().map(|(amount, _)| amount.to_string()),
            "balance_at": row.balance_at.map(moment),
            "services": row.services,
            "services_missing": row.services_missing,
            "catalog_at": row.catalog_at.map(moment),
            "open": row.open_legs,
            "paused": row.paused,
            "breaker": row.breaker,
            "breaker_until": row.breaker_until.map(moment),
            "breaker_cause": (row.breaker != "closed").then_some(&row.breaker_cause),
            "rests_until": row.rests_until.filter(|until| until > now).map(moment),
            "request_id_proven": proof.is_some_and(|proof| proof.outcome == "honoured"),
            "request_id_proof": proof.map(of_proof),
            "statuses_failed": row.statuses_failed,
            "status_batch_learned": batch_learned(row, *now),
            "over_delivered": row.over_delivered,
            "reversals": row.reversals,
            "margin_held": row.margin_held,
            "margin_saved": row.margin_saved.to_string(),
            "in_doubt": row.in_doubt,
            "parked": row.parked,
            "error": row.catalog_error,
            "currency": runway.and_then(|runway| runway.currency.clone()),
            "balance_error": row.balance_unread.as_ref().map(|(error, _)| error),
            "balance_unread_at": row.balance_unread.as_ref().map(|(_, since)| moment(*since)),
            "balance_currency": row.balance_currency,
            "burn_per_hour": runway
                .and_then(|runway| runway.burn_per_hour)
                .map(|burn| burn.to_string()),
            "hours_left": runway.and_then(|runway| runway.hours_left.clone()),
            "drift": runway.map(|runway| runway.drift.to_string()),
            "unread": row.unread,
            "waiting": self.waits.iter().map(|waits| document_of(waits)).collect::<Vec<_>>(),
        })
    }

    /// What the panel holds of ours in its own currency, as it named it last; in the gateway's,
    /// where that is not kept.
    fn balance(&self) -> Option<(Money, &str)> {
        let own = self
            .runway
            .and_then(|runway| runway.balance.zip(runway.currency.as_deref()));
        own.or(self.row.balance.map(|balance| (balance, "")))
    }

    /// What needs a line of its own, below the table.
    fn lines(&self) -> String {
        let Self { row, now, .. } = self;
        let (mut text, id) = (String::new(), &row.id);

        if row.margin_held > 0 {
            let (times, saved) = (row.margin_held, row.margin_saved);
            let _ = writeln!(
                text,
                "{id}: the margin guard kept {times} legs from it, which would have cost {saved} \
                 more"
            );
        }

        if let Some((error, since)) = &row.balance_unread {
            let _ = writeln!(
                text,
                "{id}: does not tell its balance since {}: {}",
                moment(*since),
                on_one_line(error)
            );
        }

        if let Some(currency) = &row.balance_currency {
            let _ = writeln!(
                text,
                "{id}: tells its balance in {currency}, which is not its block's currency"
            );
        }

        text += &of_statuses(row, *now);

        for waits in &self.waits {
            let (count, words) = (waits.count, why_in_words(&waits.why));
            let oldest = waits.oldest_at.map_or_else(String::new, |at| {
                format!(", the oldest for {}", age(*now - at))
            });
            let _ = writeln!(text, "{id}: {count} {words}{oldest}");
        }

        let unsent = self
            .waits
            .iter()
            .any(|waits| ["ready", "leased"].contains(&waits.why.as_str()));

        if let Some(stopped) =
            Stopped::of(row.paused, row.breaker == "open", row.unread).filter(|_| unsent)
        {
            let _ = writeln!(text, "{id}: nothing is sent there: {stopped}");
        }

        text
    }
}

/// What came of the last proof that it knows adds by their names.
fn of_proof(proof: &ProofRow) -> Value {
    json!({
        "proven": proof.outcome == "honoured", "outcome": proof.outcome,
        "at": moment(proof.sent_at),
        "by": proof.asked_by, "account": proof.account,
        "orders": [proof.first_order, proof.second_order],
    })
}

/// How many orders it answers in one question, where that was learned within a day.
fn batch_learned(row: &ProviderRow, now: Timestamp) -> Option<i32> {
    row.status_batch_learned
        .filter(|(_, at)| now - *at < track::BATCH_REMEMBERED)
        .map(|(batch, _)| batch)
}

/// How the panel answers who asks about its orders, where that is worth a line.
fn of_statuses(row: &ProviderRow, now: Timestamp) -> String {
    let mut text = String::new();
    match batch_learned(row, now) {
        Some(1) => {
            let _ = writeln!(
                text,
                "{}: answers no status questions about several orders; it is asked one by one",
                row.id
            );
        }
        Some(batch) => {
            let _ = writeln!(
                text,
                "{}: answers status questions about {batch} orders at most",
                row.id
            );
        }
        None => {}
    }

    if row.statuses_failed > 0 {
        let rounds = row.statuses_failed;
        let _ = writeln!(
            text,
            "{}: told of no order in the last {rounds} rounds of status questions",
            row.id
        );
    }

    text
}

fn document_of(waits: &Waits) -> Value {
    json!({ "why": waits.why, "count": waits.count, "oldest_at": waits.oldest_at.map(moment),
        "words": why_in_words(&waits.why) })
}

/// Why something waits, in plain words; what it is parked for stands as it is kept where nobody
/// explained it.
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
        "held:margin" => "held: no route of theirs keeps the margin",
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
    runway
        .burn_per_hour
        .map_or_else(String::new, |burn| format!("{burn} {currency}"))
}

/// In one word: what keeps orders away, if anything does.
fn state(row: &ProviderRow, now: Timestamp) -> &'static str {
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
            "half_open" => "on probation",
            _ if row.unread => "catalog unread",
            _ if row.rests_until.is_some_and(|until| until > now) => "left alone as it asked",
            _ => "served",
        }
    }
}
