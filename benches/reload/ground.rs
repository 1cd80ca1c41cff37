//! What the gateways stand on: a private database server, five simulated panels, customers with
//! money, and the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use panel_sim::{Habits, Settings, Simulator};
use panelgate::app::{App, Gateway, Roles};
use panelgate::config;
use panelgate::customers::keys::NewKey;
use panelgate::domain::clock::{Clock, SystemClock};
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::ConfigHash;
use panelgate::domain::money::{Money, Rate};
use panelgate::ledger;
use panelgate::reload;
use panelgate::store::embedded::{Embedded, Manners};
use panelgate::store::{Store, customers};
use sqlx::ConnectOptions;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::edits;

/// What is sold, and by how many panels each.
pub const SERVICES: usize = 5_000;
const PANELS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Rows of a panel's catalog: some are of types that nobody sells.
const LISTED: u32 = 5_300;
/// What every panel accepts.
const KEY: &str = "the-panels-key";
/// Services whose rate moves between two readings.
const MOVED: usize = 250;
/// Who asks at once, each a customer of its own.
pub const CLIENTS: usize = 8;

/// Everything but the gateways.
pub struct Ground {
    /// The gateways' threads, as many as a gateway has.
    house: Runtime,
    /// The customers' thread.
    pub outside: Arc<Runtime>,
    /// The panels' thread.
    _panels_thread: Runtime,
    embedded: Embedded,
    panels: Vec<Simulator>,
    /// What is sold, and for how much every panel lists it at first.
    rates: Vec<(String, String)>,
    /// The customers' keys.
    pub keys: Vec<String>,
    /// The file that everything begins with.
    pub first: String,
    _folder: TempDir,
}

/// A gateway and its file.
pub struct Node {
    gateway: Gateway,
    house: App,
    path: PathBuf,
    _folder: TempDir,
}

impl Ground {
    /// Starts the server and the panels, and opens the customers.
    pub fn prepare() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let house = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;

        let thread = || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
        };

        let (outside, panels_thread) = (thread()?, thread()?);
        let folder = passable_folder()?;
        let manners = Manners::durable(std::env::var_os("PANELGATE_POSTGRES_BIN").map(Into::into));
        let embedded = house.block_on(Embedded::open(folder.path(), manners))?;
        let entered = house.enter();
        let store = Store::open(&embedded.connect_options(), 2, 2);

        drop(entered);
        let keys = house.block_on(async {
            store.migrate().await?;
            open_customers(&store).await
        })?;

        let panels = panels_thread.block_on(panels())?;
        let urls: Vec<(String, String)> = PANELS
            .iter()
            .zip(&panels)
            .map(|(name, panel)| ((*name).to_owned(), panel.url()))
            .collect();

        let rates = outside.block_on(sold(&urls[0].1))?;
        let services: Vec<&str> = rates.iter().map(|(service, _)| service.as_str()).collect();
        let first = edits::file(&urls, &services);

        Ok(Self {
            house,
            outside: Arc::new(outside),
            _panels_thread: panels_thread,
            embedded,
            panels,
            rates,
            keys,
            first,
            _folder: folder,
        })
    }

    /// A gateway as `panelgate serve` runs it, with this text as its file.
    pub fn open(&self, name: &str, text: &str) -> anyhow::Result<Node> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("providers.toml");
        std::fs::write(&path, text)?;
        let surroundings = BTreeMap::from([("PANEL_KEY".to_owned(), KEY.to_owned())]);
        let file = config::load(&path, &surroundings)?;
        let ground = reload::Env {
            file: Some(path.clone()),
            surroundings,
            node: name.to_owned(),
        };

        let database = &file.process.database;
        let entered = self.house.enter();

        let store = Store::open(
            &self.embedded.connect_options(),
            database.customers_max,
            database.workers_max,
        );

        drop(entered);
        let (gateway, house) = self.house.block_on(async {
            let house = App::start(store, file, ground, Arc::new(SystemClock)).await?;
            let api = Some(([127, 0, 0, 1], 0).into());
            let roles = Roles {
                api,
                console: None,
                workers: true,
                drain: Some(Duration::from_secs(5)),
            };

            anyhow::Ok((Gateway::open(house.clone(), roles, None).await?, house))
        })?;

        let listed = house.catalog.now().sold.len();
        anyhow::ensure!(
            listed == SERVICES,
            "{listed} services are sold, and {SERVICES} were to be"
        );

        Ok(Node {
            gateway,
            house,
            path,
            _folder: folder,
        })
    }

    /// How many orders are kept.
    pub fn orders(&self) -> anyhow::Result<usize> {
        let count: i64 = self.house.block_on(async {
            let mut connection = self.embedded.connect_options().connect().await?;
            sqlx::query_scalar("select count(*) from orders")
                .fetch_one(&mut connection)
                .await
        })?;

        Ok(usize::try_from(count)?)
    }

    /// Every panel moves some rates a little, and a gateway reads their catalogs anew, as it does
    /// every ten minutes; from when to when, until it sells by them.
    pub fn read_catalogs(&self, node: &Node, nth: usize) -> anyhow::Result<(Instant, Instant)> {
        for (service, rate) in self.rates.iter().skip(nth * MOVED).take(MOVED) {
            let (whole, decimals) = rate.split_once('.').unwrap_or((rate, "0"));
            let dearer = Rate::parse(&format!("{whole}.{decimals:.6}1"))?;
            self.panels
                .iter()
                .for_each(|panel| panel.set_rate(service, dearer.decimal()));
        }

        let began = Instant::now();
        self.house.block_on(node.house.refresh())?;
        Ok((began, Instant::now()))
    }

    /// The machine.
    pub fn about(&self) -> anyhow::Result<serde_json::Value> {
        let server: String = self.house.block_on(async {
            let mut connection = self.embedded.connect_options().connect().await?;
            sqlx::query_scalar("show server_version")
                .fetch_one(&mut connection)
                .await
        })?;

        let line = |path: &str, n: usize| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.lines().nth(n).unwrap_or("unknown").trim().to_owned()
        };

        let cores = std::thread::available_parallelism()
            .context("the number of cores")?
            .get();

        Ok(serde_json::json!({
            "cores": cores,
            "memory": line("/proc/meminfo", 0).trim_start_matches("MemTotal:").trim(),
            "kernel": line("/proc/sys/kernel/osrelease", 0),
            "load": line("/proc/loadavg", 0),
            "postgresql": server,
        }))
    }

    /// Takes everything down.
    pub fn close(self, nodes: [Node; 2]) {
        self.house.block_on(async {
            for node in nodes {
                node.gateway.close().await;
            }
            self.embedded.stop().await;
        });
    }
}

impl Node {
    /// Where customers ask.
    pub fn url(&self) -> anyhow::Result<String> {
        self.gateway.url().context("the gateway has a door")
    }

    /// Saves the file as an editor does: written beside it, and renamed.
    pub fn save(&self, text: &str) -> anyhow::Result<()> {
        let beside = self.path.with_extension("new");
        std::fs::write(&beside, text)?;
        Ok(std::fs::rename(beside, &self.path)?)
    }

    /// The configuration that a request would be sold to by now.
    pub fn sells_by(&self) -> ConfigHash {
        self.house.catalog.now().hash.clone()
    }
}

/// The server runs as a user of its own where this program is run by root.
fn passable_folder() -> anyhow::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o755);
    Ok(tempfile::Builder::new()
        .prefix("panelgate-bench-")
        .permissions(open)
        .tempdir()?)
}

async fn open_customers(store: &Store) -> anyhow::Result<Vec<String>> {
    let mut tx = store.begin().await?;
    let mut keys = Vec::new();

    for n in 0..CLIENTS {
        let now = SystemClock.now();
        let customer =
            customers::open_customer(&mut tx, &format!("buyer-{n}"), "standard", now).await?;
        let customer = customer.context("the name is free")?;
        let key = NewKey::draw()?;

        customers::add_key(
            &mut tx,
            customer,
            &key.digest(),
            key.shown(),
            "",
            Dialect::Classic,
            now,
        )
        .await?;

        ledger::book_deposit(
            &mut tx,
            customer,
            Money::parse("100000")?,
            &format!("opening of {customer}"),
            now,
        )
        .await?;

        keys.push(key.reveal().to_owned());
    }

    tx.commit().await?;
    Ok(keys)
}

async fn panels() -> anyhow::Result<Vec<Simulator>> {
    let mut panels = Vec::new();
    for _ in PANELS {
        // The same seed: all of them list the same rows.
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            key: KEY.to_owned(),
            dialect: panel_sim::Dialect::Classic,
            currency: "USD",
            seed: 1,
            faults: "".parse().map_err(|error| anyhow::anyhow!("{error}"))?,
            habits: Habits::default(),
            balance: Money::parse("100000")?.decimal(),
            services_extra: LISTED,
            delivery_s: 60,
        };

        panels.push(Simulator::start(settings, Arc::new(panel_sim::SystemClock)).await?);
    }

    Ok(panels)
}

/// The first services of a panel that can be sold, each with its rate.
async fn sold(url: &str) -> anyhow::Result<Vec<(String, String)>> {
    let body = serde_urlencoded::to_string([("key", KEY), ("action", "services")])?;
    let request = crate::load::client()?
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);

    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&request.send().await?.bytes().await?)?;

    let text = |value: &serde_json::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };

    let sellable = rows.iter().filter(|row| {
        row["type"]
            .as_str()
            .is_some_and(|kind| panelgate::domain::service::ServiceType::read(kind).is_some())
    });

    let rates: Vec<_> = sellable
        .map(|row| (text(&row["service"]), text(&row["rate"])))
        .take(SERVICES)
        .collect();

    anyhow::ensure!(
        rates.len() == SERVICES,
        "the panels list {} services that can be sold",
        rates.len()
    );

    Ok(rates)
}
