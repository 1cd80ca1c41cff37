//! A way to the database that a test can break: it passes everything on, until it hears a word.
//! What holds that word is kept back, whoever sent it is cut off or hears nothing any more, and the
//! database hears of it when the test says so. Or only the answer gets lost. Or everybody is cut
//! off, falls silent, or is hung up on.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "two programs of tests share it, each in part"
)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Longer than any message here.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

pub struct Proxy {
    folder: TempDir,
    options: PgConnectOptions,
    word: Arc<Mutex<Option<(String, Trouble)>>>,
    state: watch::Sender<State>,
    _stop: DropGuard,
}

/// What becomes of a message that holds the word.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// It is kept back, and its sender is cut off.
    CutOff,
    /// It is kept back, and its sender hears nothing any more.
    Silence,
    /// The database has it, and its sender hears nothing any more.
    LostAnswer,
}

/// What became of the message that was kept back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// It was heard, and its sender is cut off.
    pub kept_back: bool,
    /// The database may have it now.
    released: bool,
    /// What the database answered, to nobody.
    pub answered: Option<String>,
    /// How often everybody was cut off.
    cuts: u64,
    /// How often everybody fell silent.
    silences: u64,
    /// Whether nobody who comes is passed on either.
    swallows: bool,
    /// Whether everybody who comes is hung up on, and how many were.
    hangs_up: bool,
    pub hung_up: u64,
}

impl Proxy {
    /// A way to the database of these options.
    pub fn to(options: PgConnectOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!(".s.PGSQL.{}", options.get_port());
        let listener = UnixListener::bind(folder.path().join(&name)).unwrap();
        let server = options.get_socket().unwrap().join(&name);

        let word = Arc::default();
        let (state, _) = watch::channel(State::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());

        let passer = Passer {
            server,
            word: Arc::clone(&word),
            state: state.clone(),
        };

        let passing = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                passing.spawn(passer.clone().pass(client));
            }
        }));

        Self {
            folder,
            options,
            word,
            state,
            _stop: stop.drop_guard(),
        }
    }

    /// How to connect by this way.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone().socket(self.folder.path())
    }

    /// Cuts everybody off, in the midst of whatever they do.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Passes nothing on any more between those who are here now, in the midst of whatever they do;
    /// who comes later is served.
    pub fn fall_silent(&self) {
        self.state.send_modify(|state| state.silences += 1);
    }

    /// Swallows all that anybody says, as a network does that is gone, or passes on again what
    /// those say who come later; who was swallowed hears nothing any more.
    pub fn swallow(&self, swallows: bool) {
        self.state.send_modify(|state| {
            state.swallows = swallows;
            state.silences += u64::from(swallows);
        });
    }

    /// Takes whoever comes and hangs up on them, as a balancer does that has nobody behind it; or
    /// serves them again.
    pub fn hang_up(&self, hangs_up: bool) {
        self.state.send_modify(|state| state.hangs_up = hangs_up);
        if hangs_up {
            self.cut();
        }
    }

    /// Waits until so many more were hung up on.
    pub async fn has_hung_up_on(&self, more: u64) {
        let before = self.state.borrow().hung_up;
        self.state
            .subscribe()
            .wait_for(|state| state.hung_up >= before + more)
            .await
            .unwrap();
    }

    /// Keeps the next message back that holds this word, and cuts its sender off.
    pub fn keep_back(&self, word: &str) {
        self.listen_for(word, Trouble::CutOff);
    }

    /// The same, but its sender is left to wait.
    pub fn keep_back_in_silence(&self, word: &str) {
        self.listen_for(word, Trouble::Silence);
    }

    /// Lets the next message through that holds this word, and loses the answer: its sender is left
    /// to wait.
    pub fn lose_answer(&self, word: &str) {
        self.listen_for(word, Trouble::LostAnswer);
    }

    fn listen_for(&self, word: &str, trouble: Trouble) {
        self.state.send_modify(|state| {
            *state = State {
                kept_back: false,
                released: false,
                answered: None,
                ..state.clone()
            };
        });

        *self.word.lock().unwrap() = Some((word.to_owned(), trouble));
    }

    /// Waits until the database answered what it was asked last in the midst of trouble; what it
    /// said.
    pub async fn has_answered(&self) -> String {
        let mut states = self.state.subscribe();
        let state = states
            .wait_for(|state| state.answered.is_some())
            .await
            .unwrap();

        state.answered.clone().unwrap()
    }

    /// Keeps nothing back any more that has not come yet.
    pub fn keep_nothing_back(&self) {
        *self.word.lock().unwrap() = None;
    }

    /// Waits until such a message came.
    pub async fn has_kept_back(&self) {
        self.state
            .subscribe()
            .wait_for(|state| state.kept_back)
            .await
            .unwrap();
    }

    /// Lets the database have it; what it answers.
    pub async fn release(&self) -> String {
        self.state.send_modify(|state| state.released = true);
        self.has_answered().await
    }
}

async fn is_silenced(states: &mut watch::Receiver<State>, silences: u64) {
    let _ = states.wait_for(|state| state.silences > silences).await;
}

async fn is_cut(states: &mut watch::Receiver<State>, cuts: u64) {
    // The sender outlives everybody who passes.
    let _ = states.wait_for(|state| state.cuts > cuts).await;
}

#[derive(Clone)]
struct Passer {
    server: PathBuf,
    word: Arc<Mutex<Option<(String, Trouble)>>>,
    state: watch::Sender<State>,
}

impl Passer {
    async fn pass(self, mut client: UnixStream) {
        if self.state.borrow().hangs_up {
            // Once it has heard who is there, as one that looked for a server in vain.
            let mut hello = [0; 1_024];
            let _ = client.read(&mut hello).await;
            drop(client);
            return self.state.send_modify(|state| state.hung_up += 1);
        }

        if self.state.borrow().swallows {
            let (mut states, cuts) = (self.state.subscribe(), self.state.borrow().cuts);
            return is_cut(&mut states, cuts).await;
        }

        let Ok(mut server) = UnixStream::connect(&self.server).await else {
            return;
        };

        let (mut asked, mut said) = (vec![0; MESSAGE_BYTES_MAX], vec![0; MESSAGE_BYTES_MAX]);
        let (mut states, mut silent) = (self.state.subscribe(), self.state.subscribe());
        let (cuts, silences) = (
            states.borrow_and_update().cuts,
            silent.borrow_and_update().silences,
        );

        loop {
            tokio::select! {
                () = is_cut(&mut states, cuts) => return,
                () = is_silenced(&mut silent, silences) => return is_cut(&mut states, cuts).await,
                read = client.read(&mut asked) => match read {
                    Ok(bytes) if bytes > 0 => {
                        if let Some(trouble) = self.trouble(&asked[..bytes]) {
                            return self.stop_passing(client, server, &asked[..bytes], trouble).await;
                        }

                        if server.write_all(&asked[..bytes]).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                },
                read = server.read(&mut said) => match read {
                    Ok(bytes) if bytes > 0 => if client.write_all(&said[..bytes]).await.is_err() {
                        return;
                    },
                    _ => return,
                },
            }
        }
    }

    async fn stop_passing(
        self,
        client: UnixStream,
        server: UnixStream,
        message: &[u8],
        trouble: Trouble,
    ) {
        match trouble {
            Trouble::CutOff => {
                drop(client);
                self.hold(server, message).await;
            }
            Trouble::Silence => {
                self.clone().hold(server, message).await;
                drop(client);
            }
            Trouble::LostAnswer => {
                self.state.send_modify(|state| state.released = true);
                let (mut states, cuts) = (self.state.subscribe(), self.state.borrow().cuts);
                self.hold(server, message).await;
                is_cut(&mut states, cuts).await;
                drop(client);
            }
        }
    }

    async fn is_released(&self) -> bool {
        self.state
            .subscribe()
            .wait_for(|state| state.released)
            .await
            .is_ok()
    }

    fn trouble(&self, asked: &[u8]) -> Option<Trouble> {
        let mut word = self.word.lock().unwrap();
        let (_, trouble) =
            word.take_if(|(word, _)| String::from_utf8_lossy(asked).contains(word.as_str()))?;
        Some(trouble)
    }

    async fn hold(self, mut server: UnixStream, message: &[u8]) {
        self.state.send_modify(|state| state.kept_back = true);
        if !self.is_released().await {
            return;
        }

        // To its end: the client is gone, which the database sees once it has answered. It may be
        // gone itself.
        let _ = server.write_all(message).await;
        let _ = server.shutdown().await;
        let mut answer = Vec::new();
        let _ = server.read_to_end(&mut answer).await;

        self.state.send_modify(|state| {
            state.answered = Some(String::from_utf8_lossy(&answer).into_owned());
        });
    }
}
