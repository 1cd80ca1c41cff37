//! A way to the database that a test can break: it passes everything on, until it hears a word. What holds that word is
//! kept back, whoever sent it is cut off, and the database hears of it when the test says so. Or everybody is cut off.

#![allow(dead_code, clippy::unwrap_used, reason = "two programs of tests share it, each in part")]

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
    word: Arc<Mutex<Option<String>>>,
    state: watch::Sender<State>,
    _stop: DropGuard,
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
        let passer = Passer { server, word: Arc::clone(&word), state: state.clone() };
        let passing = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                passing.spawn(passer.clone().pass(client));
            }
        }));
        Self { folder, options, word, state, _stop: stop.drop_guard() }
    }

    /// How to connect by this way.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone().socket(self.folder.path())
    }

    /// Cuts everybody off, in the midst of whatever they do.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Keeps the next message back that holds this word.
    pub fn keep_back(&self, word: &str) {
        let cuts = self.state.borrow().cuts;
        self.state.send_replace(State { cuts, ..State::default() });
        *self.word.lock().unwrap() = Some(word.to_owned());
    }

    /// Keeps nothing back any more that has not come yet.
    pub fn keep_nothing_back(&self) {
        *self.word.lock().unwrap() = None;
    }

    /// Waits until such a message came.
    pub async fn has_kept_back(&self) {
        self.state.subscribe().wait_for(|state| state.kept_back).await.unwrap();
    }

    /// Lets the database have it; what it answers.
    pub async fn release(&self) -> String {
        self.state.send_modify(|state| state.released = true);
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| state.answered.is_some()).await.unwrap();
        state.answered.clone().unwrap()
    }
}

async fn is_cut(states: &mut watch::Receiver<State>, cuts: u64) {
    // The sender outlives everybody who passes.
    let _ = states.wait_for(|state| state.cuts > cuts).await;
}

#[derive(Clone)]
struct Passer {
    server: PathBuf,
    word: Arc<Mutex<Option<String>>>,
    state: watch::Sender<State>,
}

impl Passer {
    async fn pass(self, mut client: UnixStream) {
        let Ok(mut server) = UnixStream::connect(&self.server).await else { return };
        let (mut asked, mut said) = (vec![0; MESSAGE_BYTES_MAX], vec![0; MESSAGE_BYTES_MAX]);
        let mut states = self.state.subscribe();
        let cuts = states.borrow_and_update().cuts;
        loop {
            tokio::select! {
                () = is_cut(&mut states, cuts) => return,
                read = client.read(&mut asked) => match read {
                    Ok(bytes) if bytes > 0 => {
                        if self.is_kept_back(&asked[..bytes]) {
                            drop(client);
                            return self.hold(server, &asked[..bytes]).await;
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

    async fn is_released(&self) -> bool {
        self.state.subscribe().wait_for(|state| state.released).await.is_ok()
    }

    fn is_kept_back(&self, asked: &[u8]) -> bool {
        let mut word = self.word.lock().unwrap();
        let heard = word.as_ref().is_some_and(|word| String::from_utf8_lossy(asked).contains(word.as_str()));
        if heard {
            *word = None;
        }
        heard
    }

    async fn hold(self, mut server: UnixStream, message: &[u8]) {
        self.state.send_modify(|state| state.kept_back = true);
        if !self.is_released().await {
            return;
        }

        // To its end: the client is gone, which the database sees once it has answered. It may be gone itself.
        let _ = server.write_all(message).await;
        let _ = server.shutdown().await;
        let mut answer = Vec::new();
        let _ = server.read_to_end(&mut answer).await;
        self.state.send_modify(|state| state.answered = Some(String::from_utf8_lossy(&answer).into_owned()));
    }
}
