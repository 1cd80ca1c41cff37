//! Proves the books: every question about what must not exist, asked of one moment.

use crate::domain::clock::Instant;
use crate::store::audit::{Check, ask};
use crate::store::{Store, StoreError};

/// What the audit found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Every question with its count; all zero is right.
    pub checks: Vec<Check>,
}

impl Findings {
    /// Whether the books hold.
    pub fn hold(&self) -> bool {
        self.checks.iter().all(|check| check.violations == 0)
    }
}

/// Asks everything, as of this moment.
pub async fn audit(store: &Store, now: Instant) -> Result<Findings, StoreError> {
    Ok(Findings { checks: ask(store, now).await? })
}
