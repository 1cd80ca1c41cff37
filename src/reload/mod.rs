//! Live configuration: an edit is judged, published as a version in the database, and adopted whole
//! by every process.
//!
//! ```text
//!  file ─watch─▶ judged ─┬─▶ refused   told; the version in force goes on
//!  SIGHUP, apply ───▶    ├─▶ waiting   dangerous: a person says `apply`
//!                        └─▶ published ─▶ adopted by each process: catalog, alerts, panels, workers
//! ```
//! A publication names the version that it was planned against; when another was quicker, it is
//! planned again. A process publishes only an edit that it saw happen to its own file: one that
//! merely has another file raises an alarm. What is adopted is the text that the database holds, so
//! every process serves the same, and what a request began with it ends with.

mod adopt;
mod node;
mod publish;
mod roll;
mod start;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use uuid::Uuid;

use crate::alerts::Alerts;
use crate::catalog::{Catalog, Snapshot};
use crate::config::{File, ProcessSettings};
use crate::domain::clock::SharedClock;
use crate::store::Store;
use crate::upstream::ProviderSet;
use crate::workers::pulse::Pulse;
use crate::workers::registry::WorkerRegistry;

pub use adopt::tell_of_nobodys_markups;
pub use node::{CLOCK_OFF_MIN, Troubles, our_name};
pub use publish::{
    AtHand, Consent, EditWords, Place, PublishOutcome, plan_edit, publish_file, put_in_force,
    unreadable_keys,
};
pub use roll::{Before, build_panels};
pub use start::{StartError, Started, start_reload};
pub use watch::FileLook;

use node::NodeState;
use watch::FileWatch;

/// Where a process finds its configuration, and how a person knows the process.
#[derive(Clone, Debug)]
pub struct Env {
    /// The file; `None`: it has none, and adopts what others publish.
    pub file: Option<PathBuf>,
    /// The environment, where keys are found.
    pub surroundings: BTreeMap<String, String>,
    /// The process as alerts and the history call it.
    pub node: String,
}

impl Env {
    /// Without a file and an environment.
    pub fn bare(node: &str) -> Self {
        Self {
            file: None,
            surroundings: BTreeMap::new(),
            node: node.to_owned(),
        }
    }

    /// Where relative key files start.
    pub fn folder(&self) -> &Path {
        self.file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
    }

    /// Where keys are found: in files from this folder on, and in the environment.
    fn place(&self) -> Place<'_> {
        Place {
            folder: self.folder(),
            surroundings: &self.surroundings,
        }
    }
}

/// What changes when another configuration comes into force.
#[derive(Clone, Debug)]
pub struct ReloadParts {
    /// The database.
    pub store: Store,
    /// What is sold.
    pub catalog: Catalog,
    /// Who tells what needs a person.
    pub alerts: Alerts,
    /// The panels.
    pub roll: ProviderSet,
    /// The time.
    pub clock: SharedClock,
}

/// The live configuration of one process; clones are the same.
#[derive(Clone, Debug)]
pub struct Reload(Arc<ReloadState>);

#[derive(Debug)]
struct ReloadState {
    parts: ReloadParts,
    ground: Env,
    node: Uuid,
    standing: Mutex<NodeState>,
    /// The process settings of the version served last; changes of them are told.
    process: Mutex<Option<ProcessSettings>>,
    registry: OnceLock<WorkerRegistry>,
    workers: OnceLock<Pulse>,
    /// What else this process has trouble with.
    troubles: OnceLock<Troubles>,
    watch: tokio::sync::Mutex<FileWatch>,
    /// What the watch publishes, until somebody adopts it.
    judged: Mutex<Option<JudgedFile>>,
    /// Who adopts does so alone.
    turn: tokio::sync::Mutex<()>,
}

/// A file that this process read, and what it sells by it: whoever adopts it need not read it
/// again.
#[derive(Debug)]
struct JudgedFile {
    file: Arc<File>,
    laid: Arc<Snapshot>,
}

impl Reload {
    /// The live configuration of a process that began as `started` says.
    pub fn new(parts: ReloadParts, ground: Env, started: Started) -> Self {
        let watch = FileWatch::after(&started, parts.clock.now());
        Self(Arc::new(ReloadState {
            parts,
            ground,
            node: Uuid::now_v7(),
            standing: Mutex::new(started.standing),
            process: Mutex::new(started.process),
            registry: OnceLock::new(),
            workers: OnceLock::new(),
            troubles: OnceLock::new(),
            watch: tokio::sync::Mutex::new(watch),
            judged: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// The registry follows from now on.
    pub fn lead(&self, registry: WorkerRegistry) {
        let _ = self.0.registry.set(registry);
    }

    /// The other nodes are told of these workers from now on.
    pub fn follow_workers(&self, pulse: Pulse) {
        let _ = self.0.workers.set(pulse);
    }

    /// The other nodes are told of these troubles of this process from now on.
    pub fn follow_troubles(&self, troubles: Troubles) {
        let _ = self.0.troubles.set(troubles);
    }

    /// Whether there is a file to watch.
    pub fn has_file(&self) -> bool {
        self.0.ground.file.is_some()
    }
}
