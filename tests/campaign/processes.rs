//! The gateway's own program as the campaign runs it: commands that end, and processes that say
//! that they are ready.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::plan::{Log, Start};
use crate::receiver::SECRET;
use crate::scratch::Scratch;

/// What the panels accept, and where the gateways find it.
pub const PANEL_KEY: &str = "the-panels-key";
pub const PANEL_KEY_ENV: &str = "CAMPAIGN_PANEL_KEY";
/// Where they find who is told.
pub const ALERT_URL_ENV: &str = "CAMPAIGN_ALERT_URL";
pub const ALERT_SECRET_ENV: &str = "CAMPAIGN_ALERT_SECRET";
/// Files that a gateway may have open: a crowd is soon too much.
const DESCRIPTORS: u32 = 512;

/// What every process of the campaign stands on.
#[derive(Clone)]
pub struct Ground {
    pub scratch: Arc<Scratch>,
    pub config: PathBuf,
    database_url: String,
    /// By which way gateways reach it.
    gateways_url: String,
    /// Who is told what needs a person.
    alerts_url: String,
}

impl Ground {
    pub fn new(
        scratch: &Arc<Scratch>,
        database_url: String,
        gateways_url: String,
        alerts_url: String,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(scratch.folder().join("logs"))?;
        let config = scratch.folder().join("providers.toml");

        Ok(Self {
            scratch: scratch.clone(),
            config,
            database_url,
            gateways_url,
            alerts_url,
        })
    }

    /// A command on the shared database that runs and ends: its code, and what it prints with
    /// `--json`.
    pub async fn run(&self, words: &[&str]) -> anyhow::Result<(Option<i32>, Option<Value>)> {
        let mut command = panelgate();
        command
            .args(["--json", "--database-url", &self.database_url])
            .args(words);

        let output = timeout(PATIENCE, command.output())
            .await
            .with_context(|| format!("{words:?} never ends"))??;

        Ok((
            output.status.code(),
            serde_json::from_slice(&output.stdout).ok(),
        ))
    }

    /// The same, for a command that must succeed.
    pub async fn json(&self, words: &[&str]) -> anyhow::Result<Value> {
        let (code, document) = self.run(words).await?;
        ensure!(
            code == Some(0),
            "{words:?} ended with {code:?}: {document:?}"
        );

        document.with_context(|| format!("{words:?} printed no document"))
    }

    /// What a gateway finds in its environment.
    pub fn surroundings(&self) -> BTreeMap<String, String> {
        let values = [
            (PANEL_KEY_ENV, PANEL_KEY),
            (ALERT_URL_ENV, &self.alerts_url),
            (ALERT_SECRET_ENV, SECRET),
        ];

        values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A gateway on the shared database, at a free port, on a machine with few files whose clock
    /// may be off.
    pub fn serve(
        &self,
        name: &str,
        start: Start,
    ) -> anyhow::Result<(Process, Lines<BufReader<ChildStdout>>)> {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""),
            "sh",
            PROGRAM,
        ]);

        command.args(["serve", "--listen", "127.0.0.1:0", "--roles", "api,workers"]);
        command
            .args(["--database-url", &self.gateways_url, "--config"])
            .arg(&self.config);

        let Start { skew_s, log } = start;
        if skew_s != 0 {
            command
                .env("LD_PRELOAD", faketime()?)
                .env("FAKETIME", format!("{skew_s:+}"));
            // A clock that nobody sets is not off.
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }

        Process::start_telling(
            &self.scratch,
            name,
            alone(&mut command).envs(self.surroundings()),
            log,
        )
    }

    /// A simulated panel, ready: the process, and its address.
    pub async fn panel(
        &self,
        name: &str,
        seed: u64,
        faults: &str,
        balance: &str,
    ) -> anyhow::Result<(Process, String)> {
        let mut command = panelgate();
        command.args([
            "panel-sim",
            "--listen",
            "127.0.0.1:0",
            "--key",
            PANEL_KEY,
            "--seed",
            &seed.to_string(),
        ]);

        command.args(["--faults", faults, "--balance", balance]);
        let (process, mut lines) = Process::start(&self.scratch, name, &mut command)?;
        let ready = timeout(PATIENCE, lines.next_line())
            .await
            .context("a panel is never ready")??;

        let url = ready
            .as_deref()
            .and_then(|line| line.strip_prefix("ready ")?.strip_suffix("/api/v2"));

        Ok((
            process,
            url.context("a panel ended without being ready")?.to_owned(),
        ))
    }
}

/// What lends a process another wall clock.
fn faketime() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(Result::ok);
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries
        .find(|library| library.exists())
        .context("Debian's faketime is missing; `.ci/tools` installs it")
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_panelgate");

fn panelgate() -> Command {
    let mut command = Command::new(PROGRAM);
    alone(&mut command);
    command
}

/// A command that nobody's database, terminal or life is bound to.
fn alone(command: &mut Command) -> &mut Command {
    command
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true)
}

/// A process that we started, which the undertaker knows of until it ended.
pub struct Process {
    child: Child,
    pid: u32,
    scratch: Arc<Scratch>,
}

impl Process {
    fn start(
        scratch: &Arc<Scratch>,
        name: &str,
        command: &mut Command,
    ) -> anyhow::Result<(Self, Lines<BufReader<ChildStdout>>)> {
        Self::start_telling(scratch, name, command, Log::File)
    }

    fn start_telling(
        scratch: &Arc<Scratch>,
        name: &str,
        command: &mut Command,
        log: Log,
    ) -> anyhow::Result<(Self, Lines<BufReader<ChildStdout>>)> {
        let log: Stdio = match log {
            Log::File => {
                let log = scratch.folder().join("logs").join(name);
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(log)?
                    .into()
            }
            Log::Closed => std::io::pipe()?.1.into(),
            Log::Full => OpenOptions::new().write(true).open("/dev/full")?.into(),
        };

        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("the gateway's program")?;

        let pid = child
            .id()
            .context("a process that was just started has an id")?;

        scratch.started(pid);
        let lines = BufReader::new(child.stdout.take().context("its output")?).lines();

        Ok((
            Self {
                child,
                pid,
                scratch: scratch.clone(),
            },
            lines,
        ))
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) -> anyhow::Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid)?);
        let signal = if frozen {
            nix::sys::signal::Signal::SIGSTOP
        } else {
            nix::sys::signal::Signal::SIGCONT
        };

        Ok(nix::sys::signal::kill(pid, signal)?)
    }

    /// Kills it, without a word.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Tells it to end; an error unless it ends well.
    pub async fn end(&mut self) -> anyhow::Result<()> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid)?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;

        match self.wait().await? {
            Some(0) => Ok(()),
            code => bail!("a process that was told to end ended with {code:?}"),
        }
    }

    /// The code that it ends with; none when a signal ended it.
    pub async fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .context("a process never ends")??;
        self.scratch.ended(self.pid);
        Ok(status.code())
    }
}
