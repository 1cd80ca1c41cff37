//! Whether whoever is at work comes on: each answer of the database is a step.
//!
//! How long a round takes says little: it may have a hundred panels' answers to wait for. But
//! between two of them it asks the database something, and each such answer is noted here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static WORKER: Progress;
}

/// Since when somebody who is at work has not come on; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Option<Instant>>>);

impl Progress {
    /// Does the work, and notes each step of it.
    pub async fn of<Work: Future>(&self, work: Work) -> Work::Output {
        self.step();
        let done = WORKER.scope(self.clone(), work).await;
        self.rest();
        done
    }

    /// One more step.
    pub fn step(&self) {
        self.set(Some(Instant::now()));
    }

    /// There is nothing to do for now.
    pub fn rest(&self) {
        self.set(None);
    }

    /// How long the next step has been waited for; nothing while there is nothing to do.
    pub fn stands_still_for(&self) -> Duration {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.map_or(Duration::ZERO, |last| last.elapsed())
    }

    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// The database answered, or did not in time: whoever asked comes on.
pub(super) fn note_progress() {
    // Who is not watched notes nothing.
    let _ = WORKER.try_with(Progress::step);
}
