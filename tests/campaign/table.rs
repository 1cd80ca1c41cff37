//! The one table of figures, and every other word that the campaign says.

use std::io::Write;
use std::time::Duration;

use crate::clients::Counts;
use crate::evidence::Evidence;
use crate::forgeries::Trial;
use crate::judge;
use crate::killer::Strikes;
use crate::plan::Plan;

/// What a campaign came to, row by row.
pub struct Figures(Vec<(&'static str, String)>);

impl Figures {
    /// What was done to everyone.
    pub fn of(plan: &Plan, counts: &Counts, strikes: &Strikes) -> Self {
        Self(vec![
            ("seed", plan.seed.to_string()),
            ("faults of the panels", plan.faults()),
            (
                "gateways killed",
                format!(
                    "{}, all {} at once {} times",
                    strikes.nodes, plan.nodes, strikes.at_once
                ),
            ),
            ("databases killed", strikes.databases.to_string()),
            (
                "gateways frozen",
                format!(
                    "{}, {} in a handshake",
                    strikes.freezes, strikes.in_a_handshake
                ),
            ),
            ("decided meanwhile by a person", strikes.decided.to_string()),
            ("ways to the database cut", strikes.cuts.to_string()),
            (
                "purchases kept back until later",
                strikes.kept_back.to_string(),
            ),
            (
                "ways that swallowed all, and were told",
                strikes.silences.to_string(),
            ),
            (
                "crowds at a door, and were told",
                strikes.crowds.to_string(),
            ),
            ("panics of workers", strikes.panics.to_string()),
            (
                "gateways that served without a log",
                strikes.without_log.to_string(),
            ),
            (
                "wishes",
                format!(
                    "{}, of which {} without request_id",
                    plan.orders, counts.without_request_id
                ),
            ),
            (
                "requests",
                format!("{}, of which {} hung up on", counts.asks, counts.hang_ups),
            ),
            (
                "left unanswered, without request_id",
                counts.never_answered.to_string(),
            ),
            ("audits in between", strikes.audits.to_string()),
        ])
    }

    /// What came of it.
    pub fn judged(
        &mut self,
        evidence: &Evidence,
        trial: &Trial,
        complaints: usize,
        took: Duration,
    ) {
        let orders = |state: &str| {
            evidence
                .orders
                .iter()
                .filter(|order| order.state == state)
                .count()
        };

        let legs = |state: &str| {
            evidence
                .legs
                .iter()
                .filter(|leg| leg.state == state)
                .count()
        };

        let states = ["completed", "partial", "canceled", "processing"]
            .map(|state| format!("{} {state}", orders(state)));
        let at_panels = evidence.at_panels();

        let link = |leg: i32| {
            evidence
                .orders
                .iter()
                .find(|order| order.id == leg)
                .map(|order| order.link.as_str())
        };

        let placed = evidence.legs.iter().filter(|leg| leg.state == "in_doubt");
        let placed = placed
            .filter(|leg| link(leg.order).is_some_and(|link| at_panels.contains_key(link)))
            .count();

        let doubts = legs("in_doubt");
        let reviews = evidence
            .orders
            .iter()
            .filter(|order| order.review.is_some())
            .count();

        self.0.extend([
            (
                "orders",
                format!("{}: {}", evidence.orders.len(), states.join(", ")),
            ),
            (
                "sent on after a proven refusal",
                legs("refused").to_string(),
            ),
            (
                "in doubt",
                format!(
                    "{doubts}: {placed} the panel has, {} it has not",
                    doubts - placed
                ),
            ),
            (
                "killed between intent and answer",
                evidence.cut_off.to_string(),
            ),
            (
                "misled by another order's id",
                judge::misled(evidence).to_string(),
            ),
            ("before a person", reviews.to_string()),
            (
                "orders at the panels",
                evidence.panel_orders.len().to_string(),
            ),
            (
                "forgeries told",
                format!("{} of {}", trial.told, trial.told + trial.missed.len()),
            ),
            ("forgeries not possible", trial.impossible.join(", ")),
            ("took", format!("{} s", took.as_secs())),
            ("COMPLAINTS", complaints.to_string()),
        ]);
    }
}

/// Prints the table.
pub fn print(plan: &Plan, figures: &Figures) {
    let width = figures
        .0
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);

    say(&format!(
        "campaign: {} orders, {} kills, {} of the database, {} freezes, {} broken ways, {} silent \
         ones, {} crowds, {} rounds of panics",
        plan.orders,
        plan.kills,
        plan.database_kills,
        plan.freezes,
        plan.cuts,
        plan.silences,
        plan.crowds,
        plan.panics
    ));

    let rows = figures.0.iter().filter(|(_, value)| !value.is_empty());
    rows.for_each(|(name, value)| say(&format!("  {name:<width$}  {value}")));
}

/// Says a line. Nobody may be left to read it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
