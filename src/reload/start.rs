//! The start: what this process serves first, which need not be what its own file says.

use crate::config::{self, File, ProcessSettings};
use crate::domain::clock::{SharedClock, Timestamp};
use crate::domain::id::ProviderId;
use crate::reload::node::NodeState;
use crate::reload::{Consent, EditWords, Env, PublishOutcome, publish_file, roll, unreadable_keys};
use crate::store::versions::{self, Edit, EditState};
use crate::store::{Store, StoreError};

/// How a process began.
#[derive(Clone, Debug, Default)]
pub struct Started {
    /// The bytes of its file.
    pub(super) bytes: Vec<u8>,
    /// How that file stands.
    pub(super) standing: NodeState,
    /// The process settings of what it serves.
    pub(super) process: Option<ProcessSettings>,
}

impl Started {
    /// The panels whose key it could not read.
    #[must_use]
    pub fn without(self, keyless: Vec<ProviderId>) -> Self {
        Self {
            standing: NodeState {
                keyless,
                ..self.standing
            },
            ..self
        }
    }

    /// A process that serves this file as it stands, without looking at the database.
    pub fn with(file: &str) -> Self {
        let standing = NodeState {
            file: Some(config::hash(file.as_bytes())),
            ..NodeState::default()
        };

        Self {
            bytes: file.as_bytes().to_owned(),
            standing,
            process: None,
        }
    }
}

/// Why a process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing else to serve than the file, and it cannot be.
    #[error("{0}")]
    Refused(String),
}

/// Decides what a process with this file serves first, and publishes the file where that is right.
///
/// A file that was in force earlier is not published, whether the present version can be read here
/// or not: a node that comes back late must not take everybody back with it. Any other is judged
/// like an edit.
pub async fn start_reload(
    store: &Store,
    clock: &SharedClock,
    file: File,
    ground: &Env,
) -> Result<(File, Started), StartError> {
    let started = |served: &File, judged: Option<EditState>| Started {
        bytes: file.text.clone().into_bytes(),
        standing: NodeState {
            file: Some(file.mapping.hash.clone()),
            judged,
            ..NodeState::default()
        },
        process: Some(served.process.clone()),
    };

    let Some(present) = versions::in_force(store).await? else {
        must_publish(store, clock, &file, ground, "the first configuration").await?;
        let started = started(&file, None);
        return Ok((file, started));
    };

    if present.hash == file.mapping.hash {
        let started = started(&file, None);
        return Ok((file, started));
    }

    let was_in_force = versions::find_version(store, &file.mapping.hash.0)
        .await?
        .is_some();

    let place = ground.place();
    let served = match roll::read(present.body, place).await {
        Ok(served) => served,
        Err(complaints) if was_in_force => {
            let (hash, file) = (&present.hash, &file.mapping.hash);
            return Err(StartError::Refused(format!(
                "the version in force, {hash}, cannot be read by this program, and the file, \
                 {file}, was in force earlier; start a newer program, or go back to the file with \
                 `panelgate apply`: {complaints}"
            )));
        }
        Err(complaints) => {
            tracing::error!(hash = %present.hash,
                "the version in force cannot be read by this program, and its own file \
                 is published instead: {complaints}");

            let why = "the version before cannot be read by this program";
            must_publish(store, clock, &file, ground, why).await?;

            let started = started(&file, None);
            return Ok((file, started));
        }
    };

    if was_in_force {
        tracing::error!(
            file = %file.mapping.hash, in_force = %present.hash,
            "the file was in force earlier and is not any more: the version in force is served; \
             bring its text here, or go back with `panelgate apply`"
        );

        let started = started(&served, None);
        return Ok((served, started));
    }

    let unreadable = unreadable_keys(&file, &ground.surroundings, None);
    let by = format!("start of {}", ground.node);
    let (state, said) = if unreadable.is_empty() {
        match publish_file(store, clock, &file, place, an_edit(&by), None).await? {
            PublishOutcome::Waits(dangers) => (EditState::Waiting, dangers),
            PublishOutcome::Refused(why) => (EditState::Refused, why),
            PublishOutcome::Same | PublishOutcome::Published { .. } => {
                let started = started(&file, None);
                return Ok((file, started));
            }
            PublishOutcome::Crowded => {
                let started = started(&served, None);
                return Ok((served, started));
            }
        }
    } else {
        (EditState::Refused, unreadable)
    };

    keep_judged(store, &file, state, &said, &by, clock.now()).await?;
    let started = started(&served, Some(state));
    Ok((served, started))
}

/// Tells what became of the file, and keeps it for `config history`.
async fn keep_judged(
    store: &Store,
    file: &File,
    state: EditState,
    said: &[String],
    by: &str,
    now: Timestamp,
) -> Result<(), StartError> {
    for said in said {
        tracing::error!(file = %file.mapping.hash, state = state.as_str(),
            "the version in force is served: {said}");
    }

    let edit = Edit {
        hash: &file.mapping.hash,
        body: Some(&config::mask_secrets(&file.text)),
        state,
        said,
        by,
    };

    versions::keep_edit(store, edit, now).await?;

    Ok(())
}

/// What a start publishes is judged like an edit.
fn an_edit(by: &str) -> EditWords<'_> {
    EditWords {
        by,
        reason: "",
        consent: Consent::Edit,
    }
}

/// Nothing else can be served: what keeps the file from being published keeps the process from
/// beginning.
async fn must_publish(
    store: &Store,
    clock: &SharedClock,
    file: &File,
    ground: &Env,
    reason: &str,
) -> Result<(), StartError> {
    let unreadable = unreadable_keys(file, &ground.surroundings, None);
    if !unreadable.is_empty() {
        return Err(StartError::Refused(unreadable.join("\n")));
    }

    let by = format!("start of {}", ground.node);
    let said = EditWords {
        by: &by,
        reason,
        consent: Consent::Person,
    };

    match publish_file(store, clock, file, ground.place(), said, None).await? {
        PublishOutcome::Same | PublishOutcome::Published { .. } => Ok(()),
        PublishOutcome::Refused(why) => Err(StartError::Refused(why.join("\n"))),
        PublishOutcome::Waits(_) | PublishOutcome::Crowded => Err(StartError::Refused(
            "other nodes publish all the time; start again when they are done".to_owned(),
        )),
    }
}
