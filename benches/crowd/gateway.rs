//! A gateway as it is run: its own process and private database, a simulated panel, one customer
//! with money.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use panel_sim::{
    DELIVERY_S_DEFAULT, Dialect, Faults, Habits, Settings, Simulator, SystemClock, currency_of,
};
use panelgate::domain::money::Money;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What the panel accepts.
const PANEL_KEY: &str = "the-panels-key";

/// The gateway at work.
pub struct Gateway {
    child: Child,
    /// Where customers are heard.
    pub addr: SocketAddr,
    /// The customer's key.
    pub key: String,
    _panel: Simulator,
    _folder: TempDir,
}

impl Gateway {
    /// Starts everything, and gives the customer money.
    pub async fn start() -> anyhow::Result<Self> {
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            key: PANEL_KEY.to_owned(),
            dialect: Dialect::Classic,
            currency: currency_of(Dialect::Classic),
            seed: 1,
            faults: Faults::default(),
            habits: Habits::default(),
            balance: Money::parse("1000000")?.decimal(),
            services_extra: 0,
            delivery_s: DELIVERY_S_DEFAULT,
        };

        let panel = Simulator::start(settings, Arc::new(SystemClock)).await?;
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .prefix("panelgate-bench-")
            .permissions(open)
            .tempdir()?;

        let file = folder.path().join("providers.toml");
        std::fs::write(&file, text(&panel.url()))?;

        let data = folder.path().join("data");
        let mut serve = panelgate(&data);
        serve
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--console",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(&file);

        serve
            .env("PANEL_KEY", PANEL_KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());

        let mut child = serve.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("it prints")?).lines();
        let mut addr = None;

        while let Some(line) = lines.next_line().await? {
            let url = line
                .strip_prefix("ready http://")
                .and_then(|rest| rest.strip_suffix("/api/v2"));

            addr = url.map(str::parse).transpose()?;
            if addr.is_some() {
                break;
            }
        }

        let addr = addr.context("the gateway ended without being ready")?;

        run(&data, &["customer", "create", "others"]).await?;
        run(
            &data,
            &["balance", "add", "others", "100000", "--reference", "1"],
        )
        .await?;

        let key = run(
            &data,
            &["key", "create", "others", "--per-minute", "100000"],
        )
        .await?;

        let key = key["key"].as_str().context("a key is shown")?.to_owned();
        Ok(Self {
            child,
            addr,
            key,
            _panel: panel,
            _folder: folder,
        })
    }

    /// What the process has in memory, in MB.
    pub fn memory_mb(&self) -> anyhow::Result<u64> {
        let pid = self.child.id().context("it runs")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("a line of it")?;

        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1_024)
    }

    /// Ends it, and its database.
    pub async fn end(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id().context("it runs")?)?;
        kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        ensure!(self.child.wait().await?.success(), "it ends as it should");
        Ok(())
    }
}

fn text(panel: &str) -> String {
    format!(
        "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"sim\"\nurl = \"{panel}\"\nkey_env = \
         \"PANEL_KEY\"\ncurrency = \"USD\"\n[[service]]\nid = 1\nrate = \"2\"\nroutes = [{{ \
         provider = \"sim\", service = \"1\" }}]\n[[tier]]\nid = \"standard\"\nper_minute = \
         100000\n"
    )
}

fn panelgate(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .arg("--data")
        .arg(data)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true);

    command
}

async fn run(data: &Path, words: &[&str]) -> anyhow::Result<serde_json::Value> {
    let output = panelgate(data).arg("--json").args(words).output().await?;
    ensure!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );

    Ok(serde_json::from_slice(&output.stdout)?)
}
