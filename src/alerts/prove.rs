//! Proving: the audit on a schedule, by one process of all, and its complaint in the log.

use std::time::Duration;

use chrono::TimeDelta;

use crate::alerts::Alerts;
use crate::ledger::audit::{AuditFindings, audit_lately, keep_mark};
use crate::store::{StoreError, alerts, rounds};

/// How often the books are proved.
const PROVE_EVERY: Duration = Duration::from_mins(10);
/// What is over for longer is removed.
const KEEP_DAYS: i64 = 90;
/// Under which name processes agree who does it.
const ROUND: &str = "audit";

impl Alerts {
    /// Proves the books, unless that was begun lately; what fails is an alert at the next look.
    /// What was found.
    pub async fn prove(&self) -> Result<Option<AuditFindings>, StoreError> {
        let now = self.clock.now();
        let every = TimeDelta::from_std(PROVE_EVERY).unwrap_or(TimeDelta::zero());
        if !rounds::begin_round(&self.store, ROUND, now - every, now).await? {
            return Ok(None);
        }

        let findings = audit_lately(&self.store, now).await?;
        let mut tx = self.store.begin().await?;
        rounds::keep_findings(&mut tx, &findings.checks, now).await?;
        keep_mark(&mut tx, &findings, now).await?;
        rounds::end_round(&mut tx, ROUND, now).await?;
        tx.commit().await?;

        if !findings.hold() {
            complain(&findings);
        }

        alerts::forget_ended(&self.store, now - TimeDelta::days(KEEP_DAYS)).await?;
        Ok(Some(findings))
    }
}

fn complain(findings: &AuditFindings) {
    let failed = findings.checks.iter().filter(|check| check.violations > 0);
    let failed = failed.map(|check| {
        format!(
            "{} ({}): {}",
            check.name,
            check.violations,
            check.examples.join(", ")
        )
    });

    let failed: Vec<_> = failed.collect();
    tracing::error!(failed = %failed.join("; "), "THE BOOKS DO NOT HOLD");
}
