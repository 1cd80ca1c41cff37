//! The file watch: sees the operator's edits, and has each judged once.
//!
//! It looks at the file's whole content a few times a second instead of being told by the system:
//! that sees saves by renaming, editors of every kind, network folders and bind mounts alike, and a
//! file of some hundred kilobytes costs nothing to compare.

use std::io;
use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::catalog::{Snapshot, laid, spawn_cpu_bound};
use crate::config::{self, ConfigError};
use crate::domain::clock::Timestamp;
use crate::domain::id::ConfigHash;
use crate::reload::{
    AtHand, Consent, EditWords, JudgedFile, PublishOutcome, Reload, ReloadParts, Started,
    publish_file, unreadable_keys,
};
use crate::store::StoreError;
use crate::store::versions::{self, Edit, EditState};

/// For so long the file must have stood still: nobody saves for longer than that, and an edit seen
/// half written is none.
pub const STOOD_STILL: TimeDelta = TimeDelta::milliseconds(400);

/// What the watch knows of the file.
#[derive(Debug)]
pub struct FileWatch {
    seen: Content,
    since: Timestamp,
    /// The newest version that was known when it looked for that.
    over: Option<i64>,
    /// Reads this text while it must stand still, so that nothing is left to be read once it is
    /// judged. `None` comes of what is wrong: that is read again when it is told, for a key
    /// that it names may lie there by then. One at a time.
    ahead: Option<(ConfigHash, JoinHandle<Option<JudgedFile>>)>,
    /// The text that was judged last.
    judged: ConfigHash,
    /// Whether it was told that the file is gone since.
    gone: bool,
    /// The file was edited over this version, and was not found in force since. What was in force
    /// already when it was written, or came into force since by somebody else, is no edit of
    /// what came after it.
    edited: Option<i64>,
}

/// The file at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>, ConfigHash),
    Gone(String),
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileLook {
    /// Nothing new.
    Nothing,
    /// Something new that may be half written.
    Moving,
    /// The file cannot be read; the version in force goes on.
    Gone,
    /// It is wrong.
    Refused(Vec<String>),
    /// It waits for a person's word.
    Waits(Vec<String>),
    /// It is in force already.
    Same,
    /// It was in force earlier, and did not change: `apply` would go back to it.
    Late,
    /// It is in force now.
    Published,
    /// Others published all the time; it is judged again at the next look.
    Crowded,
}

impl FileWatch {
    /// The watch of a process that has read its file already.
    pub fn after(started: &Started, now: Timestamp) -> Self {
        let hash = config::hash(&started.bytes);
        let seen = Content::Bytes(started.bytes.clone(), hash.clone());
        Self {
            seen,
            since: now,
            over: None,
            ahead: None,
            judged: hash,
            gone: false,
            edited: None,
        }
    }
}

impl Reload {
    /// One look at the file.
    pub async fn look(&self) -> Result<FileLook, StoreError> {
        self.look_with(Consent::Edit).await
    }

    /// Reads the file at once, and has it judged whether it changed or not: somebody sent a signal.
    /// Keys are read anew, and judged as another key's place in the file would be.
    pub async fn look_at_once(&self) -> Result<FileLook, StoreError> {
        self.read_keys().await?;
        let seen = self.look_with(Consent::Signal).await?;
        let held = self.standing(|standing| standing.held.clone());

        Ok(match seen {
            FileLook::Nothing | FileLook::Same if !held.is_empty() => FileLook::Waits(held),
            FileLook::Nothing
            | FileLook::Moving
            | FileLook::Gone
            | FileLook::Refused(_)
            | FileLook::Waits(_)
            | FileLook::Same
            | FileLook::Late
            | FileLook::Published
            | FileLook::Crowded => seen,
        })
    }

    async fn look_with(&self, consent: Consent) -> Result<FileLook, StoreError> {
        let Some(path) = self.0.ground.file.clone() else {
            return Ok(FileLook::Nothing);
        };

        let mut watch = self.0.watch.lock().await;

        // Before the file is read: whoever publishes and then writes the file is found to have been
        // first.
        let known = self.standing(|standing| standing.newest);
        let (read, now) = (
            spawn_cpu_bound(move || config::bytes(&path)).await,
            self.0.parts.clock.now(),
        );

        watch.take_in(read, now, known);
        let signal = consent == Consent::Signal;
        match &watch.seen {
            Content::Gone(_) if watch.gone && !signal => return Ok(FileLook::Nothing),
            Content::Bytes(_, hash) if !watch.gone && watch.judged == *hash && !signal => {
                return Ok(FileLook::Nothing);
            }
            Content::Gone(_) | Content::Bytes(..) if now - watch.since < STOOD_STILL && !signal => {
                // Not at first sight, when it may be half written.
                if watch.since < now {
                    self.read_ahead(&mut watch);
                }
                return Ok(FileLook::Moving);
            }
            Content::Gone(_) | Content::Bytes(..) => {}
        }

        let seen = match watch.seen.clone() {
            Content::Gone(why) => {
                tracing::error!(
                    "the configuration file is gone, the version in force goes on: {why}"
                );

                self.standing(|standing| (standing.file, standing.judged) = (None, None));
                watch.gone = true;
                FileLook::Gone
            }
            Content::Bytes(bytes, hash) => {
                if watch.judged != hash {
                    watch.edited = Some(watch.over.unwrap_or(0));
                }

                // A signal says that keys are others.
                let ahead = watch
                    .ahead
                    .take_if(|(of, _)| *of == hash)
                    .filter(|_| !signal)
                    .map(|(_, reading)| reading);

                let seen = self
                    .judge(&bytes, &hash, ahead, watch.edited, consent)
                    .await?;

                if seen != FileLook::Crowded {
                    (watch.judged, watch.gone) = (hash, false);
                }

                if matches!(seen, FileLook::Published | FileLook::Same | FileLook::Late) {
                    watch.edited = None;
                }

                seen
            }
        };

        self.adopt().await?;
        Ok(seen)
    }

    /// Whether a text comes into force, and if not, why.
    async fn judge(
        &self,
        bytes: &[u8],
        hash: &ConfigHash,
        ahead: Option<JoinHandle<Option<JudgedFile>>>,
        edited: Option<i64>,
        consent: Consent,
    ) -> Result<FileLook, StoreError> {
        tracing::debug!(%hash, "an edit is judged");
        self.standing(|standing| (standing.file, standing.judged) = (Some(hash.clone()), None));

        let ahead = match ahead {
            Some(reading) => reading.await.ok().flatten(),
            None => None,
        };

        let judged = match ahead {
            Some(judged) => judged,
            None => match spawn_cpu_bound(self.reading(bytes.to_vec())).await {
                Ok(judged) => judged,
                Err(complaints) => {
                    return self
                        .put_aside(hash, bytes, EditState::Refused, complaints)
                        .await;
                }
            },
        };

        let parts = &self.0.parts;
        let is_no_edit = match edited {
            Some(over) => versions::is_since(&parts.store, hash, over).await?,
            None => true,
        };

        if is_no_edit {
            let present = versions::find_newest(&parts.store).await?;
            let in_force = present.is_some_and(|(_, present)| present == *hash);
            if !in_force
                && versions::find_version(&parts.store, &hash.0)
                    .await?
                    .is_some()
            {
                tracing::error!(
                    file = %hash, "the file was in force earlier; `panelgate apply` goes back to it"
                );
                return Ok(FileLook::Late);
            }
        }

        match self.publish(judged, consent).await? {
            PublishOutcome::Same => Ok(FileLook::Same),
            PublishOutcome::Published { does, .. } => {
                tracing::info!(%hash, "the edit is in force: {}", does.unwrap_or_default());
                Ok(FileLook::Published)
            }
            PublishOutcome::Waits(dangers) => {
                self.put_aside(hash, bytes, EditState::Waiting, dangers)
                    .await
            }
            PublishOutcome::Refused(why) => {
                self.put_aside(hash, bytes, EditState::Refused, why).await
            }
            PublishOutcome::Crowded => Ok(FileLook::Crowded),
        }
    }

    /// What was read and laid out for the plan is kept for whoever adopts it, which may be somebody
    /// else than the watch.
    async fn publish(
        &self,
        judged: JudgedFile,
        consent: Consent,
    ) -> Result<PublishOutcome, StoreError> {
        let ReloadParts {
            store,
            catalog,
            clock,
            ..
        } = &self.0.parts;

        let served = catalog.in_force();
        let file = judged.file;
        let laid = laid(
            &file.mapping,
            &catalog.listings().await?,
            Some(&judged.laid),
        )
        .await;

        let keep = |judged| *self.0.judged.lock().unwrap_or_else(PoisonError::into_inner) = judged;
        keep(Some(JudgedFile {
            file: file.clone(),
            laid: laid.clone(),
        }));

        let at_hand = AtHand {
            served: &served,
            laid: &laid,
        };

        let by = self.by();
        let said = EditWords {
            by: &by,
            reason: "",
            consent,
        };

        let came = publish_file(
            store,
            clock,
            &file,
            self.0.ground.place(),
            said,
            Some(at_hand),
        )
        .await;

        if !matches!(came, Ok(PublishOutcome::Published { .. })) {
            keep(None);
        }

        came
    }

    fn by(&self) -> String {
        format!("file watch on {}", self.0.ground.node)
    }

    /// Begins to read what the watch sees, once; not while an earlier text is still read.
    fn read_ahead(&self, watch: &mut FileWatch) {
        let Content::Bytes(bytes, hash) = &watch.seen else {
            return;
        };

        if watch
            .ahead
            .as_ref()
            .is_none_or(|(of, reading)| of != hash && reading.is_finished())
        {
            let reading = self.reading(bytes.clone());
            watch.ahead = Some((hash.clone(), spawn_blocking(move || reading().ok())));
        }
    }

    /// Reads a file and lays it over what panels list: that, or everything that is wrong with it,
    /// the keys that cannot be read here included.
    fn reading(
        &self,
        bytes: Vec<u8>,
    ) -> impl FnOnce() -> Result<JudgedFile, Vec<String>> + Send + use<> {
        let (ground, listings) = (
            self.0.ground.clone(),
            self.0.parts.catalog.now().listings.clone(),
        );

        let today = self.0.parts.clock.now().date_naive();
        move || {
            tracing::debug!("an edit is opened");
            let path = ground.file.as_deref().unwrap_or(ground.folder());
            let file = config::parse(path, bytes, &ground.surroundings, today).map_err(
                |error| match error {
                    ConfigError::Wrong(complaints) => {
                        complaints.to_string().lines().map(str::to_owned).collect()
                    }
                    ConfigError::Unreadable(..)
                    | ConfigError::Folder(_)
                    | ConfigError::TooLarge(_)
                    | ConfigError::NotUtf8(..) => {
                        vec![error.to_string()]
                    }
                },
            )?;

            let unreadable = unreadable_keys(&file, &ground.surroundings, None);
            if !unreadable.is_empty() {
                return Err(unreadable);
            }

            let laid = Arc::new(Snapshot::resolve(&file.mapping, &listings));
            tracing::debug!(hash = %file.mapping.hash, "an edit is read");
            Ok(JudgedFile {
                file: Arc::new(file),
                laid,
            })
        }
    }

    /// Tells why a text does not come into force, and keeps it in the history.
    async fn put_aside(
        &self,
        hash: &ConfigHash,
        bytes: &[u8],
        state: EditState,
        said: Vec<String>,
    ) -> Result<FileLook, StoreError> {
        for said in &said {
            tracing::error!(
                file = %hash, state = state.as_str(), "an edit is not in force: {said}"
            );
        }

        self.standing(|standing| standing.judged = Some(state));
        let by = self.by();
        let body = Some(bytes).filter(|bytes| bytes.len() as u64 <= config::FILE_BYTES_MAX);

        // The database's texts hold no NUL.
        let body = body
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .filter(|body| !body.contains('\0'));

        let body = body.map(config::mask_secrets);
        let kept: Vec<String> = said.iter().map(|said| said.replace('\0', "\\0")).collect();

        let edit = Edit {
            hash,
            body: body.as_deref(),
            state,
            said: &kept,
            by: &by,
        };

        versions::keep_edit(&self.0.parts.store, edit, self.0.parts.clock.now()).await?;
        Ok(match state {
            EditState::Refused => FileLook::Refused(said),
            EditState::Waiting => FileLook::Waits(said),
        })
    }
}

impl FileWatch {
    fn take_in(&mut self, read: io::Result<Vec<u8>>, now: Timestamp, known: Option<i64>) {
        let seen = match (read, &self.seen) {
            (Ok(bytes), Content::Bytes(same, _)) if bytes == *same => return,
            (Err(_), Content::Gone(_)) => return,
            (Ok(bytes), Content::Bytes(..) | Content::Gone(_)) => {
                let hash = config::hash(&bytes);
                Content::Bytes(bytes, hash)
            }
            (Err(error), Content::Bytes(..)) => Content::Gone(error.to_string()),
        };

        (self.seen, self.since, self.over) = (seen, now, known);

        // What was read of an earlier text is of no use any more.
        self.ahead.take_if(|(_, reading)| reading.is_finished());
    }
}
