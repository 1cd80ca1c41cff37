//! The figures: a table for people, JSON for programs.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::edits::Kind;
use crate::ground::SERVICES;
use crate::load::Answer;

/// A request counts as answered during a reload until so long after it: what was replaced is given
/// back meanwhile.
const AFTERMATH: Duration = Duration::from_millis(250);
/// What is asked for, in the order of the table.
const ACTIONS: [&str; 5] = ["all", "balance", "status", "add", "services"];

/// An edit, step by step.
pub struct Timing {
    pub kind: Kind,
    pub saved: Instant,
    pub judged: Instant,
    pub opened: Option<Instant>,
    pub read: Option<Instant>,
    pub planned: Option<Instant>,
    pub published: Option<Instant>,
    pub end: Instant,
    pub second: Option<Instant>,
}

impl Timing {
    fn total(&self) -> Duration {
        self.end - self.judged
    }

    fn reading(&self) -> Option<Duration> {
        Some(self.read? - self.opened?)
    }
}

/// Everything that was seen.
pub struct Report {
    /// Edits of one gateway under load.
    pub alone: Vec<Timing>,
    /// Edits of one of two gateways.
    pub both: Vec<Timing>,
    /// From when to when all panels' catalogs were read anew.
    pub readings: Vec<(Instant, Instant)>,
    pub answers: Vec<Answer>,
    pub file_bytes: usize,
    pub about: Value,
}

impl Report {
    /// Prints the table and writes the JSON; `parity` is how many orders are kept and how many were
    /// answered.
    pub fn print(&self, (kept, answered): (usize, usize)) -> anyhow::Result<()> {
        let failed = self.answers.iter().filter(|answer| !answer.good).count();
        let report = json!({
            "machine": self.about,
            "file": { "services": SERVICES, "routes": 5, "bytes": self.file_bytes },
            "edits": Kind::ALL.map(|kind| self.edits(kind)),
            "judged_after_saved": spread(self.alone.iter().map(|timing| timing.judged - timing.saved).collect()),
            "second_node": spread(
                self.both.iter().filter_map(|timing| Some(timing.second? - timing.judged)).collect()
            ),
            "catalogs_read": spread(self.readings.iter().map(|(began, ended)| *ended - *began).collect()),
            "requests": ACTIONS.map(|action| self.requests(action)),
            "answers": self.answers.len(),
            "failed": failed,
            "orders": { "kept": kept, "answered": answered },
        });

        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", table(&report))?;
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reload.json");
        std::fs::write(&path, serde_json::to_string_pretty(&report)?)?;
        writeln!(out, "written to {}", path.display())?;

        Ok(())
    }

    fn edits(&self, kind: Kind) -> Value {
        let of: Vec<&Timing> = self
            .alone
            .iter()
            .filter(|timing| timing.kind == kind)
            .collect();

        let step = |from: fn(&Timing) -> Option<Instant>, to: fn(&Timing) -> Option<Instant>| {
            spread(
                of.iter()
                    .filter_map(|timing| Some(to(timing)?.saturating_duration_since(from(timing)?)))
                    .collect(),
            )
        };

        json!({
            "edit": kind.as_str(),
            "count": of.len(),
            "total": spread(of.iter().map(|timing| timing.total()).collect()),
            "read": spread(of.iter().filter_map(|timing| timing.reading()).collect()),
            "work": spread(of.iter().filter_map(|timing| Some(timing.reading()? + timing.total())).collect()),
            "plan": step(|t| Some(t.judged), |t| t.planned),
            "publish": step(|t| t.planned, |t| t.published),
            "adopt": step(|t| t.published, |t| Some(t.end)),
        })
    }

    fn requests(&self, action: &str) -> Value {
        let of = self
            .answers
            .iter()
            .filter(|answer| action == "all" || answer.action == action);

        let touches = |answer: &Answer, (from, to): (Instant, Instant)| {
            answer.done >= from && answer.due <= to
        };

        // While the file is read, and from then on when it is judged; what is refused is no reload.
        let good = || {
            self.alone
                .iter()
                .chain(&self.both)
                .filter(|timing| timing.kind != Kind::Broken)
        };

        let spans = |timing: &Timing| {
            [
                timing.opened.zip(timing.read),
                Some((timing.judged, timing.end + AFTERMATH)),
            ]
        };

        let meanwhile = |answer: &&Answer| {
            good()
                .flat_map(spans)
                .flatten()
                .any(|span| touches(answer, span))
        };

        let reading = |answer: &&Answer| {
            self.readings
                .iter()
                .any(|(began, ended)| touches(answer, (*began, *ended + AFTERMATH)))
        };

        let (reading, rest): (Vec<&Answer>, Vec<&Answer>) = of.partition(reading);
        let (during, outside): (Vec<&Answer>, Vec<&Answer>) = rest.into_iter().partition(meanwhile);

        let took = |answers: Vec<&Answer>| {
            spread(
                answers
                    .iter()
                    .map(|answer| answer.done - answer.due)
                    .collect(),
            )
        };

        json!({
            "action": action,
            "during_reloads": took(during),
            "while_catalogs_are_read": took(reading),
            "otherwise": took(outside),
        })
    }
}

/// Microseconds.
fn spread(mut of: Vec<Duration>) -> Value {
    of.sort_unstable();
    let at =
        |per_mille: usize| of.get((of.len() * per_mille / 1_000).min(of.len().saturating_sub(1)));
    let us = |per_mille: usize| at(per_mille).map(Duration::as_micros);
    json!({ "count": of.len(), "min_us": us(0), "p50_us": us(500), "p99_us": us(990), "max_us": us(1_000) })
}

fn ms(value: &Value) -> String {
    value.as_u64().map_or_else(
        || "-".to_owned(),
        |us| format!("{}.{}", us / 1_000, us % 1_000 / 100),
    )
}

fn table(report: &Value) -> String {
    let (machine, file) = (&report["machine"], &report["file"]);
    let mut lines = vec![
        format!("machine: {machine}"),
        format!("file:    {file}"),
        format!(
            "\n{:<14}{:>26}{:>9}{:>9}{:>9}{:>9}{:>26}",
            "edit, ms",
            "total min/median/max",
            "plan",
            "publish",
            "adopt",
            "read",
            "work min/median/max"
        ),
    ];

    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for edit in list(&report["edits"]) {
        let spread = |name: &str| {
            let took = &edit[name];
            format!(
                "{} / {} / {}",
                ms(&took["min_us"]),
                ms(&took["p50_us"]),
                ms(&took["max_us"])
            )
        };

        let step = |name: &str| ms(&edit[name]["p50_us"]);
        lines.push(format!(
            "{:<14}{:>26}{:>9}{:>9}{:>9}{:>9}{:>26}",
            edit["edit"].as_str().unwrap_or_default(),
            spread("total"),
            step("plan"),
            step("publish"),
            step("adopt"),
            step("read"),
            spread("work"),
        ));
    }

    for (name, what) in [
        ("saved until judged", "judged_after_saved"),
        ("second node sells by it", "second_node"),
        ("all catalogs read anew", "catalogs_read"),
    ] {
        let took = &report[what];
        lines.push(format!(
            "{name}: {} / {} / {}",
            ms(&took["min_us"]),
            ms(&took["p50_us"]),
            ms(&took["max_us"])
        ));
    }

    lines.push(format!(
        "\n{:<27}{:>21}{:>34}{:>34}",
        "request, ms p50/p99/max (n)", "during reloads", "while catalogs are read", "otherwise"
    ));

    for row in list(&report["requests"]) {
        let shown = |side: &str| {
            let took = &row[side];
            let (p50, p99, max) = (
                ms(&took["p50_us"]),
                ms(&took["p99_us"]),
                ms(&took["max_us"]),
            );

            format!("{p50} / {p99} / {max} ({})", took["count"])
        };

        let sides = ["during_reloads", "while_catalogs_are_read", "otherwise"].map(shown);
        lines.push(format!(
            "{:<14}{:>34}{:>34}{:>34}",
            row["action"].as_str().unwrap_or_default(),
            sides[0],
            sides[1],
            sides[2]
        ));
    }

    let orders = &report["orders"];
    lines.push(format!(
        "\n{} requests answered, {} failed; {} orders answered, {} kept",
        report["answers"], report["failed"], orders["answered"], orders["kept"]
    ));

    lines.join("\n")
}
