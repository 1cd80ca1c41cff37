//! What this process tells the others of itself: what it serves, and how its own file stands.

use std::fmt;
use std::sync::PoisonError;

use chrono::TimeDelta;

use crate::domain::alert::AlertKind;
use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, ProviderId};
use crate::reload::Reload;
use crate::store::nodes::{self, NodeRow};
use crate::store::{StoreError, versions::EditState};
use crate::workers::pulse::Pulse;

/// How often it is said that this process still runs; well within the time after which it counts as
/// gone.
const TELL_EVERY: TimeDelta = TimeDelta::seconds(3);

/// A machine's clock that is off by less is near enough.
pub const CLOCK_OFF_MIN: TimeDelta = TimeDelta::seconds(2);

/// What else a process has trouble with, asked now and again.
pub struct Troubles(Box<dyn Fn() -> Vec<AlertKind> + Send + Sync>);

impl Troubles {
    /// As this says.
    pub fn by(ask: impl Fn() -> Vec<AlertKind> + Send + Sync + 'static) -> Self {
        Self(Box::new(ask))
    }
}

impl fmt::Debug for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Troubles")
    }
}

/// How this process stands.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// Its file; `None`: it cannot be read.
    pub file: Option<ConfigHash>,
    /// What came of that file, unless it is in force or merely another one.
    pub judged: Option<EditState>,
    /// Panels whose key it cannot read.
    pub keyless: Vec<ProviderId>,
    /// Why keys that lie in their places are not in force.
    pub held: Vec<String>,
    /// Whether it could not adopt the version in force.
    pub behind: bool,
    /// The newest version that it knows of.
    pub(super) newest: Option<i64>,
    /// What was told of it last, and when.
    pub(super) told: Option<(NodeRow, Timestamp)>,
}

impl NodeState {
    /// What came of its file, and of the keys that it names.
    fn judged_as(&self) -> Option<EditState> {
        self.judged
            .or((!self.held.is_empty()).then_some(EditState::Waiting))
    }
}

/// The machine and the process.
pub fn our_name() -> String {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());

    format!(
        "{}:{}",
        host.unwrap_or_else(|| "localhost".to_owned()),
        std::process::id()
    )
}

impl Reload {
    /// How this process stands now.
    pub(super) fn standing<T>(&self, with: impl FnOnce(&mut NodeState) -> T) -> T {
        with(
            &mut self
                .0
                .standing
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Tells the others, when there is news or it is time.
    pub(super) async fn tell(&self) -> Result<(), StoreError> {
        let (now, served) = (self.0.parts.clock.now(), self.0.parts.catalog.mapping());
        let row = self.standing(|standing| NodeRow {
            node: self.0.node,
            name: self.0.ground.node.clone(),
            // A process without a file of its own has none that could differ.
            file_hash: if self.has_file() {
                standing.file.clone()
            } else {
                Some(served.hash.clone())
            },
            hash: served.hash.clone(),
            judged: standing.judged_as().map_or("", EditState::as_str),
            keyless: standing.keyless.clone(),
            behind: standing.behind,
            clock_ahead_ms: self.clock_ahead_ms(),
            workers_late: self.0.workers.get().map(Pulse::late).unwrap_or_default(),
            troubles: self
                .0
                .troubles
                .get()
                .map(|troubles| (troubles.0)())
                .unwrap_or_default(),
        });

        let known = |standing: &mut NodeState| {
            standing
                .told
                .as_ref()
                .is_some_and(|(told, at)| *told == row && now - *at < TELL_EVERY && *at <= now)
        };

        if self.standing(known) {
            return Ok(());
        }

        nodes::announce_node(&self.0.parts.store, &row, now).await?;
        self.standing(|standing| standing.told = Some((row, now)));
        Ok(())
    }

    /// By how much the machine's clock is ahead of the database's, in whole seconds, so that it is
    /// no news each time; 0 where it is near enough.
    fn clock_ahead_ms(&self) -> i64 {
        let ahead = self.0.parts.store.clock().machine_is_ahead();
        if ahead.abs() < CLOCK_OFF_MIN {
            0
        } else {
            ahead.num_seconds() * 1_000
        }
    }

    /// Tells the others that this process ends.
    pub async fn leave(&self) -> Result<(), StoreError> {
        nodes::withdraw_node(&self.0.parts.store, self.0.node).await
    }
}
