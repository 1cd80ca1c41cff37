//! `ledger`: the books are proved.

use serde_json::json;

use crate::cli::answer::{CommandOutcome, table};
use crate::cli::session::Session;
use crate::ledger::audit;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Ask everything that must not exist; ends with 1 when the books do not hold
    Audit,
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Audit => audited(session).await,
    }
}

async fn audited(session: &Session) -> anyhow::Result<CommandOutcome> {
    let findings = audit::audit_books(&session.store, session.now()).await?;
    let rows = findings.checks.iter().map(|check| {
        [
            check.name.to_owned(),
            check.violations.to_string(),
            check.examples.join(", "),
        ]
    });

    let rows: Vec<_> = rows.collect();
    let verdict = if findings.hold() {
        "the books hold"
    } else {
        "THE BOOKS DO NOT HOLD"
    };

    let text = format!(
        "{}{verdict}\n",
        table(["check", "violations", "for example"], &rows)
    );

    let checks = findings.checks.iter().map(|check| {
        json!({ "name": check.name, "violations": check.violations,
            "examples": check.examples })
    });

    let document =
        json!({ "ok": findings.hold(), "checks": checks.collect::<serde_json::Value>() });
    Ok(CommandOutcome::new(text, document).failing_if(!findings.hold()))
}
