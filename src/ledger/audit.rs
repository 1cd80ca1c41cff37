//! Proves the books: every question about what must not exist, asked of one moment.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::store::audit::{self as checks, Answers, Check, Extent};
use crate::store::{Store, StoreError, Tx};

/// How often everything is looked at; in between, what moved since.
const WHOLE_EVERY: TimeDelta = TimeDelta::days(1);

/// What the audit found.
#[derive(Clone, Debug)]
pub struct AuditFindings {
    /// Every question with its count; all zero is right.
    pub checks: Vec<Check>,
    /// What was looked at.
    extent: Extent,
    /// Up to where.
    mark: checks::Mark,
}

impl AuditFindings {
    /// Whether the books hold.
    pub fn hold(&self) -> bool {
        self.checks.iter().all(|check| check.violations == 0)
    }
}

/// Asks everything, as of this moment.
pub async fn audit_books(store: &Store, now: Timestamp) -> Result<AuditFindings, StoreError> {
    look_at(store, Extent::Whole, now).await
}

/// Asks what may have become wrong since everything was asked; once a day, and while the books do
/// not hold, everything.
pub async fn audit_lately(store: &Store, now: Timestamp) -> Result<AuditFindings, StoreError> {
    let mark = checks::last_whole(store, now - WHOLE_EVERY).await?;
    look_at(store, mark.map_or(Extent::Whole, Extent::Since), now).await
}

/// Keeps up to where the books hold, for the next [`audit_lately`].
pub async fn keep_mark(
    tx: &mut Tx,
    findings: &AuditFindings,
    now: Timestamp,
) -> Result<(), StoreError> {
    match findings.extent {
        _ if !findings.hold() => checks::forget_mark(tx).await,
        Extent::Whole => checks::keep_mark(tx, findings.mark, now).await,
        Extent::Since(_) => Ok(()),
    }
}

async fn look_at(
    store: &Store,
    extent: Extent,
    now: Timestamp,
) -> Result<AuditFindings, StoreError> {
    let Answers { checks, mark } = checks::run_checks(store, extent, now).await?;
    Ok(AuditFindings {
        checks,
        extent,
        mark,
    })
}
