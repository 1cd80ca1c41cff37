//! Real processes of the gateway on a test's own database: started, stopped in their tracks, let go
//! on, killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use panelgate::domain::clock::{Clock, SystemClock};
use panelgate::store::Store;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::commands::{LOOK_EVERY, PATIENCE};
use crate::server::{self, Database};
use crate::world::buyer_of;

/// What panels accept, and where nodes find it.
pub const PANEL_KEY: &str = "the-panels-key";

/// What the nodes of a test stand on: a database, a file, a customer with money.
pub struct Ground {
    pub database: Database,
    pub folder: TempDir,
    pub key: String,
    file: PathBuf,
}

impl Ground {
    /// A fresh one, whose nodes serve this text.
    pub async fn new(text: &str) -> Self {
        let database = server::database().await;
        let folder = server::passable_folder();
        let file = folder.path().join("providers.toml");
        std::fs::write(&file, text).unwrap();

        let store = Store::open(&database.options(), 2, 2);
        let key = buyer_of(&store, SystemClock.now(), "buyer", "1000").await.1;
        store.close().await;

        Self {
            database,
            folder,
            key,
            file,
        }
    }

    /// Where the database is.
    pub fn url(&self) -> String {
        url_of(&self.database.options())
    }

    /// A node's command on a database that is reached by this address.
    pub fn serve(&self, database_url: &str) -> Command {
        self.serve_at(database_url, "127.0.0.1:0")
    }

    /// The same for a node that listens there.
    pub fn serve_at(&self, database_url: &str, listen: &str) -> Command {
        let mut command = command(database_url);
        command
            .args([
                "serve",
                "--listen",
                listen,
                "--roles",
                "api,workers",
                "--config",
            ])
            .arg(&self.file);

        command.env("PANEL_KEY", PANEL_KEY);
        command
    }

    /// A node on the database itself.
    pub async fn node(&self) -> Node {
        Node::start(&mut self.serve(&self.url())).await
    }

    /// A command that runs and ends: its code, what it prints, and what it complains of.
    pub async fn run(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = tokio::time::timeout(PATIENCE, command(&self.url()).args(words).output())
            .await
            .unwrap()
            .unwrap();

        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// What a command that must succeed prints with `--json`.
    pub async fn json(&self, words: &[&str]) -> Value {
        let (code, printed, errors) = self.run(&[&["--json"], words].concat()).await;
        assert_eq!(code, Some(0), "{words:?}: {errors}");
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {printed}"))
    }
}

/// A database's address as commands take it.
pub fn url_of(options: &PgConnectOptions) -> String {
    let socket = options
        .get_socket()
        .expect("the tests' server has a socket")
        .display();

    let database = options
        .get_database()
        .expect("a test's database has a name");

    format!(
        "postgres://{}@localhost:{}/{database}?host={socket}",
        options.get_username(),
        options.get_port()
    )
}

fn command(database_url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .env_remove("DATABASE_URL")
        .args(["--database-url", database_url])
        .stdin(Stdio::null())
        .kill_on_drop(true);

    command
}

/// A running node.
pub struct Node {
    child: Child,
    /// Where customers are served.
    pub url: String,
    _reading: DropGuard,
}

impl Node {
    /// Starts it and waits until it is ready.
    pub async fn start(command: &mut Command) -> Self {
        Self::try_start(command)
            .await
            .unwrap_or_else(|errors| panic!("a node ended without being ready: {errors}"))
    }

    /// The same; what it complained of where it ends instead.
    pub async fn try_start(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();

        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();

        // Read to its end, or the node would have nowhere to write its log.
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                let _ = tell.send(line);
            }
        }));

        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("ready ") {
                    return Ok(url.to_owned());
                }
            }

            let mut complaints = Vec::new();
            while let Some(line) = told.recv().await {
                complaints.push(line);
            }

            Err(complaints.join("\n"))
        };

        let url = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("ready in time, or over")?;

        Ok(Self {
            child,
            url,
            _reading: stop.drop_guard(),
        })
    }

    /// Starts it with a log that goes wherever this leads, and waits until it is ready.
    pub async fn start_telling(command: &mut Command, log: impl Into<Stdio>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("ready ") {
                    return url.to_owned();
                }
            }

            panic!("a node ended without being ready");
        };

        let url = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("ready in time");

        Self {
            child,
            url,
            _reading: CancellationToken::new().drop_guard(),
        }
    }

    /// Tells it to end; the code that it ends with.
    pub async fn end(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait());
        ended.await.expect("it ends").unwrap().code()
    }

    /// Tells nothing; the code that it ends with within this time, where it does.
    pub async fn ends_within(&mut self, wait_max: Duration) -> Option<Option<i32>> {
        let ended = tokio::time::timeout(wait_max, self.child.wait()).await;
        ended.ok().map(|status| status.unwrap().code())
    }

    /// Whether somebody still listens there.
    pub async fn listens(&self) -> bool {
        let addr = self
            .url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v2");
        tokio::net::TcpStream::connect(addr).await.is_ok()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("it runs")).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Stops it in its tracks, as a debugger or a host that pauses does.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it without a word.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it as a customer.
    pub async fn ask(&self, key: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = serde_urlencoded::to_string([&[("key", key)], fields].concat()).unwrap();
        let request = client
            .post(&self.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);

        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// What it says of its health.
    pub async fn health(&self) -> (u16, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .get(self.url.replace("/api/v2", "/healthz"))
            .send()
            .await
            .unwrap();

        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Buys a hundred units of service 1; the order's id.
    pub async fn buy(&self, key: &str, link: &str) -> String {
        let fields = [
            ("action", "add"),
            ("service", "1"),
            ("link", link),
            ("quantity", "100"),
        ];

        let (_, answer) = self.ask(key, &fields).await;
        let id = answer
            .strip_prefix("{\"order\":")
            .and_then(|rest| rest.strip_suffix('}'));

        id.unwrap_or_else(|| panic!("no order: {answer}"))
            .to_owned()
    }
}

/// Looks until it is so.
pub async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    until_within(what, PATIENCE, &mut look).await;
}

/// The same, for no longer than this.
pub async fn until_within(what: &str, patience: Duration, look: &mut impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        while !look().await {
            looks.tick().await;
        }
    };

    tokio::time::timeout(patience, looked)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"));
}
