//! `demo`: the whole circle on one machine, nothing to configure.
//!
//! Simulated panels on loopback, one for each dialect, a private database, a generated
//! `providers.toml`, a customer with money and a key, and the gateway between them, exactly as
//! `serve` runs it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use panel_sim::Simulator;
use serde_json::{Value, json};

use crate::app::{self, Gateway, Roles};
use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::cli::place::DatabaseTarget;
use crate::cli::serve::{EndedAtOnce, Signals};
use crate::cli::session::Session;
use crate::cli::traffic::Traffic;
use crate::cli::{Addresses, Globals, key, serve};
use crate::config;
use crate::customers::keys::{NewKey, key_digest};
use crate::domain::clock::{Clock, SharedClock, SystemClock};
use crate::domain::customer::Dialect;
use crate::domain::money::Money;
use crate::ledger;
use crate::reload;
use crate::store::embedded::default_data_dir;
use crate::store::{CUSTOMERS_MAX, WORKERS_MAX, customers};
use crate::telemetry::{self, Lines};

const CUSTOMER: &str = "demo";
const OPENING: &str = "1000.00";
const CURRENCY: &str = "USD";
const PANEL_BALANCE: &str = "100000.00";
/// How long an order takes at the simulated panel.
const DELIVERY_S: u64 = 3;
/// The panels' services that the demo sells, by fate; the slow one would outlast anybody's
/// patience.
const SERVICES: std::ops::RangeInclusive<u32> = 1..=9;
const DRAIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    addresses: Addresses,
    /// Begin with an empty data folder
    #[arg(long)]
    fresh: bool,
    /// Orders per second that the demo places by itself
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=1000))]
    traffic: u32,
}

pub async fn run(globals: Globals, options: Options) -> anyhow::Result<CommandOutcome> {
    if globals.database_url.is_some() {
        return Err(WrongUse::because(
            "a demo has a private database of its own: it gives a customer money and puts its own \
             file in force, which a database that is used must not suffer; leave out \
             --database-url",
        ));
    }

    let mut signals = Signals::listen()?;
    telemetry::start_logging(Lines::Text, "warn")?;
    let data = globals
        .data
        .clone()
        .unwrap_or_else(|| default_data_dir().join("demo"));

    let any = |flag: Option<SocketAddr>, port: u16| {
        flag.unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)))
    };

    let (api, console) = (
        any(options.addresses.listen, 8080),
        any(options.addresses.console, 8081),
    );

    app::raise_descriptors();
    app::can_listen([Some(api), Some(console)])?;

    if options.fresh {
        empty(&data)?;
    }

    std::fs::create_dir_all(&data)
        .with_context(|| format!("cannot make the data folder {}", data.display()))?;
    let data = data.canonicalize()?;

    // Whatever the environment names: that one is somebody's.
    let place = DatabaseTarget::Private(data.clone());

    let opening = Box::pin(Session::open_for(
        globals,
        &place,
        CUSTOMERS_MAX,
        WORKERS_MAX,
    ));

    let Some(session) = signals.unless_told(opening).await.transpose()? else {
        return Ok(CommandOutcome::silent());
    };

    let roles = Roles {
        api: Some(api),
        console: Some(console),
        workers: true,
        drain: Some(DRAIN),
    };

    let shown = show(&session, &data, roles, options.traffic, &mut signals).await;
    match shown {
        Err(error) if error.is::<EndedAtOnce>() => Err(error),
        shown => {
            session.close().await;
            shown.map(|()| CommandOutcome::silent())
        }
    }
}

async fn show(
    session: &Session,
    data: &Path,
    roles: Roles,
    per_second: u32,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let keys = customer_with_money(session, data).await?;
    let panel_key = NewKey::draw()?.reveal().to_owned();
    let panels = simulators(&panel_key).await?;
    let text = generated(&panels) + &limits_for(per_second);
    let (path, file) = configuration(data, session.globals.config.as_deref(), &text, &panel_key)?;

    // The panels are others at each start: what was written for them is meant.
    let clock: SharedClock = session.store.clock();

    reload::put_in_force(
        &session.store,
        &clock,
        &file.mapping,
        &file.text,
        "demo",
        "generated",
    )
    .await?;

    let house = serve::start(
        session.store.clone(),
        file,
        serve::ground(path, config::surroundings()),
    )
    .await?;

    let opening = Box::pin(Gateway::open(house, roles, session.embedded()));
    let gateway = signals.unless_told_twice(opening).await??;
    let facts = Facts::of(&gateway, keys, &panels);
    facts.write(data)?;
    facts.print(data)?;
    serve::announce(&gateway);

    let traffic = Traffic::start(&facts.url, facts.key(Dialect::Classic), per_second);
    signals.told_to_end(Some(&gateway)).await;

    let end = async {
        traffic.stop().await;
        gateway.close().await;
        for panel in panels {
            panel.simulator.stop().await;
        }
    };

    Ok(signals.unless_told_twice(Box::pin(end)).await?)
}

/// A simulated panel of the demo.
struct Pretended {
    /// As `providers.toml` calls it.
    id: &'static str,
    dialect: panel_sim::Dialect,
    /// Our ids of its services are its own and this.
    services_from: u32,
    simulator: Simulator,
}

/// One panel for each dialect, in the order in which their services are listed.
async fn simulators(key: &str) -> anyhow::Result<Vec<Pretended>> {
    let mut panels = Vec::new();
    for (id, dialect, services_from) in [
        ("sim", panel_sim::Dialect::Classic, 0),
        ("sim-notpanel", panel_sim::Dialect::Notpanel, 100),
        ("sim-paynow", panel_sim::Dialect::Paynow, 200),
    ] {
        let settings = panel_settings(key, dialect, services_from)?;
        let simulator = Simulator::start(settings, Arc::new(panel_sim::SystemClock)).await?;
        panels.push(Pretended {
            id,
            dialect,
            services_from,
            simulator,
        });
    }

    Ok(panels)
}

/// A fresh panel each time; its ids start from the time, so that they never repeat what an earlier
/// one gave. All bill in the gateway's currency, even where the real ones do not, so that prices
/// can be compared.
fn panel_settings(
    key: &str,
    dialect: panel_sim::Dialect,
    apart: u32,
) -> anyhow::Result<panel_sim::Settings> {
    Ok(panel_sim::Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        key: key.to_owned(),
        dialect,
        currency: CURRENCY,
        seed: u64::try_from(SystemClock.now().timestamp_micros())? + u64::from(apart),
        faults: panel_sim::Faults::default(),
        habits: panel_sim::Habits::default(),
        balance: Money::parse(PANEL_BALANCE)?.decimal(),
        services_extra: 0,
        delivery_s: DELIVERY_S,
    })
}

/// A key for each dialect.
type Keys = Vec<(Dialect, String)>;

/// The demo's customer, with the opening balance and keys; those of an earlier run where there was
/// one.
async fn customer_with_money(session: &Session, data: &Path) -> anyhow::Result<Keys> {
    if customers::find_customer(&session.store, CUSTOMER)
        .await?
        .is_none()
    {
        if !customers::list_customers(&session.store).await?.is_empty() {
            return Err(WrongUse::because(format!(
                "{} has customers, and none is the demo's: a demo would put its own file in force \
                 there; name another folder with --data",
                data.display()
            )));
        }

        let mut tx = session.store.begin().await?;
        let now = session.now();
        let id = customers::open_customer(&mut tx, CUSTOMER, "standard", now)
            .await?
            .context("the demo customer is gone")?;

        ledger::book_deposit(&mut tx, id, Money::parse(OPENING)?, "demo opening", now).await?;
        session.note(&mut tx, "customer create", CUSTOMER).await?;
        tx.commit().await?;
    }

    let customer = session.customer(CUSTOMER).await?;
    let mut keys = Vec::new();
    for dialect in Dialect::ALL {
        keys.push((dialect, key_of(session, &customer, dialect, data).await?));
    }

    Ok(keys)
}

async fn key_of(
    session: &Session,
    customer: &customers::CustomerRow,
    dialect: Dialect,
    data: &Path,
) -> anyhow::Result<String> {
    if let Some(key) = earlier_key(data, dialect) {
        let caller = customers::find_caller(&session.store, &key_digest(&key)).await?;
        if caller.is_some_and(|caller| caller.customer == customer.id && caller.dialect == dialect)
        {
            return Ok(key);
        }
    }

    let (key, _) = key::make(session, customer, dialect, "demo").await?;
    Ok(key.reveal().to_owned())
}

fn earlier_key(data: &Path, dialect: Dialect) -> Option<String> {
    let text = std::fs::read_to_string(facts_file(data)).ok()?;
    let facts: Value = serde_json::from_str(&text).ok()?;
    facts["keys"][dialect.as_str()].as_str().map(str::to_owned)
}

/// Writes the demo's `providers.toml` (or reads the one that was asked for) and the panel's key
/// beside it.
fn configuration(
    data: &Path,
    asked: Option<&Path>,
    text: &str,
    key: &str,
) -> anyhow::Result<(PathBuf, config::File)> {
    write_whole(&data.join("panel.key"), key)?;
    let file = data.join("providers.toml");
    write_whole(&file, text)?;
    let path = asked.map_or(file, Path::to_owned);
    let file = config::load(&path, &config::surroundings())?;
    Ok((path, file))
}

fn generated(panels: &[Pretended]) -> String {
    let mut text = format!(
        r#"# Written by `panelgate demo` at every start: a simulated panel for each dialect, whose services are named after
# their fate.

[gateway]
currency = "{CURRENCY}"

[[markup]]
percent = "20"
"#
    );

    for panel in panels {
        text += &provider_block(panel);
    }

    for panel in panels {
        for service in SERVICES {
            let (id, provider) = (panel.services_from + service, panel.id);
            let _ = write!(
                text,
                "\n[[service]]\nid = {id}\nroutes = [{{ provider = \"{provider}\", service = \
                 \"{service}\" }}]\n"
            );
        }
    }

    text
}

fn provider_block(panel: &Pretended) -> String {
    let (id, dialect, url) = (panel.id, panel.dialect.as_str(), panel.simulator.url());
    let theirs = panel_sim::currency_of(panel.dialect);
    let remark = match theirs {
        CURRENCY => String::new(),
        theirs => format!("   # the real one bills in {theirs}, which takes an [exchange] table"),
    };

    let honours = match panel.dialect {
        panel_sim::Dialect::Notpanel => "honours_request_id = true\n",
        panel_sim::Dialect::Classic | panel_sim::Dialect::Paynow => "",
    };

    format!(
        r#"
[[provider]]
id = "{id}"
dialect = "{dialect}"
url = "{url}"
key_file = "panel.key"
currency = "{CURRENCY}"{remark}
requests_per_second = 100
timeout_ms = 5_000
status_every_s = 1
{honours}"#
    )
}

/// The demo's own traffic comes from one address with one key, and must leave room for the
/// newcomer's.
fn limits_for(per_second: u32) -> String {
    if per_second == 0 {
        return String::new();
    }

    let per_minute = (per_second * 60).saturating_mul(2).saturating_add(3_000);
    format!(
        "\n[limits]\nper_address_per_minute = {per_minute}\nper_key_per_minute = \
         {per_minute}\n\n[[tier]]\nid = \"standard\"\nper_minute = {per_minute}\n"
    )
}

/// What a newcomer needs to know, for people and for scripts.
struct Facts {
    url: String,
    console: String,
    keys: Keys,
    panels: Vec<Value>,
}

impl Facts {
    fn of(gateway: &Gateway, keys: Keys, panels: &[Pretended]) -> Self {
        let fact = |panel: &Pretended| {
            json!({ "id": panel.id, "dialect": panel.dialect.as_str(),
            "url": panel.simulator.url() })
        };

        Self {
            url: gateway.url().unwrap_or_default(),
            console: gateway.console_url().unwrap_or_default(),
            keys,
            panels: panels.iter().map(fact).collect(),
        }
    }

    fn key(&self, dialect: Dialect) -> &str {
        let key = self.keys.iter().find(|(known, _)| *known == dialect);
        key.map(|(_, key)| key.as_str()).unwrap_or_default()
    }

    fn write(&self, data: &Path) -> anyhow::Result<()> {
        let keys: BTreeMap<_, _> = self
            .keys
            .iter()
            .map(|(dialect, key)| (dialect.as_str(), key))
            .collect();

        let facts = json!({
            "url": self.url,
            "console": self.console,
            "keys": keys,
            "panels": self.panels,
        });

        write_whole(&facts_file(data), &format!("{facts:#}\n"))
    }

    fn print(&self, data: &Path) -> anyhow::Result<()> {
        let (url, data) = (&self.url, data.display());
        let (key, notpanel) = (self.key(Dialect::Classic), self.key(Dialect::Notpanel));
        let panelgate = std::env::current_exe()?;
        let panelgate = panelgate.display();
        let mut out = std::io::stdout().lock();

        // Whoever does not read it may still read demo.json.
        let _ = writeln!(
            out,
            r"A customer with {OPENING} {CURRENCY}, a simulated panel for each dialect, and
panelgate between them. Try, in another terminal:

  curl -s {url} -d key={key} -d action=services
  curl -s {url} -d key={key} -d action=add -d service=1 -d link=https://example.com/me -d quantity=100
  curl -s {url} -d key={key} -d action=status -d order=1
  curl -s {url} -d key={key} -d action=balance

the same in notpanel's dialect, whose ids are letters and whose orders need a request_id of their own:

  curl -s {url} -d key={notpanel} -d action=add -d service=1 -d link=https://example.com/me -d quantity=100 -d request_id=first
  curl -s {url} -d key={notpanel} -d action=status -d order=1

and from the operator's side:

  {panelgate} --data {data} order list
  {panelgate} --data {data} ledger audit

The same facts for scripts: {data}/demo.json. Ctrl-C ends it. The next time everything is there
again, but {data}/providers.toml is written anew at each start."
        );

        Ok(())
    }
}

fn facts_file(data: &Path) -> PathBuf {
    data.join("demo.json")
}

/// Written beside and renamed, so that nobody reads half of it; only for its owner, because keys
/// are in it.
fn write_whole(file: &Path, text: &str) -> anyhow::Result<()> {
    let beside = file.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut half = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;

        half.write_all(text.as_bytes())?;
        half.sync_all()?;
        std::fs::rename(&beside, file)
    };

    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Removes what a demo left in its folder, and nothing else: a folder without a demo's marks is not
/// touched.
fn empty(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        return Ok(());
    }

    let is_empty = std::fs::read_dir(data)?.next().is_none();
    if !is_empty && !facts_file(data).exists() {
        anyhow::bail!(
            "{} holds something that is not a demo; --fresh would remove it. Choose another \
             folder with --data",
            data.display()
        );
    }

    std::fs::remove_dir_all(data).with_context(|| format!("cannot empty {}", data.display()))
}
