//! A world of one's own: a fresh database, simulated panels, the gateway's house with its door on
//! port 0, and a clock that the test turns. Workers do not run by themselves: the test says when,
//! so nothing waits and nothing races.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use panel_sim::{Habits, Settings, Simulator};
use panelgate::app::App;
use panelgate::catalog::refresh;
use panelgate::config;
use panelgate::customers::keys::NewKey;
use panelgate::domain::clock::{Clock, Deadline, HandClock, Timestamp};
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::{CustomerId, KeyId};
use panelgate::domain::money::Money;
use panelgate::domain::provider::PanelDialect;
use panelgate::downstream::{Door, ProcessHealth};
use panelgate::ledger;
use panelgate::ledger::audit::audit_books;
use panelgate::store::{Store, Tx, customers};
use panelgate::upstream::Panel;
use secrecy::SecretString;
use sqlx::PgPool;

use crate::server::{self, Database};

/// What every simulated panel of these tests accepts.
pub const PANEL_KEY: &str = "the-panels-key";
/// Rounds before a world that never comes to rest is called broken.
const ROUNDS_MAX: usize = 50;

/// Most tests are not about how many doubts a panel may leave.
const MANY_DOUBTS: &str = "doubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000";

/// Prices may move as far as a test moves them, and nothing is held.
pub const ANY_MOVE: &str = "price_jump_percent = \"1000\"";

/// How a world is built.
pub struct Plan {
    /// One simulated panel per name, with its faults.
    pub panels: Vec<(&'static str, &'static str)>,
    /// The dialect of all of them.
    pub dialect: PanelDialect,
    /// What everybody bills in.
    pub currency: &'static str,
    /// The `[exchange]` table; where there is one, the gateway's own currency is USD.
    pub exchange: &'static str,
    /// What is shown to panels as our key.
    pub panel_key: String,
    /// Services beside the built-in ones of every panel.
    pub services_extra: u32,
    /// What follows the `[[provider]]` blocks in the file.
    pub services: String,
    /// What the customer begins with.
    pub money: &'static str,
    /// How long an `add` may take at every panel.
    pub timeout_ms: u32,
    /// More lines of every panel's block.
    pub provider: &'static str,
    /// More lines of `[gateway]`.
    pub gateway: &'static str,
    /// The dialect in which whoever shows no key is answered.
    pub default_dialect: Dialect,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            panels: vec![("a", "")],
            dialect: PanelDialect::Classic,
            currency: "USD",
            exchange: "",
            panel_key: PANEL_KEY.to_owned(),
            services_extra: 0,
            services: all_of("a"),
            money: "1000",
            timeout_ms: 20_000,
            provider: MANY_DOUBTS,
            gateway: "",
            default_dialect: Dialect::Classic,
        }
    }
}

/// Every built-in service of a panel, under the same id.
pub fn all_of(provider: &str) -> String {
    let block = |id| {
        format!(
            "[[service]]\nid = {id}\nroutes = [{{ provider = \"{provider}\", service = \"{id}\" \
             }}]"
        )
    };

    (1..=10).map(block).collect::<Vec<_>>().join("\n")
}

/// One service of ours, over several panels' service 1, in order.
pub fn one_over(providers: &[&str]) -> String {
    let routes: Vec<_> = providers
        .iter()
        .map(|provider| format!("{{ provider = \"{provider}\", service = \"1\" }}"))
        .collect();

    format!(
        "[[service]]\nid = 1\nrate = \"2\"\nroutes = [{}]\n",
        routes.join(", ")
    )
}

pub struct World {
    pub house: App,
    pub panels: Vec<Simulator>,
    pub clock: Arc<HandClock>,
    pub customer: CustomerId,
    pub key: String,
    pub key_id: KeyId,
    pub door: Door,
    pub database: Database,
    pub file: config::File,
    client: reqwest::Client,
}

impl World {
    /// The default plan.
    pub async fn open() -> Self {
        Self::build(Plan::default()).await
    }

    pub async fn build(plan: Plan) -> Self {
        let database = server::database().await;
        let clock = Arc::new(HandClock::at(
            DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        ));

        let mut panels = Vec::new();
        let dialect = plan.default_dialect.as_str();
        let currency = plan.currency;

        let own = if plan.exchange.is_empty() {
            currency
        } else {
            "USD"
        };

        let mut text = format!(
            "[gateway]\ncurrency = \"{own}\"\ndefault_dialect = \"{dialect}\"\n{}\n{}",
            plan.gateway, plan.exchange
        );

        for (seed, (name, faults)) in (1..).zip(&plan.panels) {
            let settings = panel_settings(seed, faults, plan.services_extra);
            let settings = Settings {
                dialect: simulated(plan.dialect),
                currency,
                ..settings
            };

            let panel = Simulator::start(settings, follows(&clock)).await.unwrap();
            text = format!(
                "{text}[[provider]]\nid = \"{name}\"\ndialect = \"{}\"\nurl = \"{}\"\nkey_env = \
                 \"PANEL_KEY\"\ncurrency = \"{currency}\"\nrequests_per_second = \
                 1000\nstatus_every_s = 10\ntimeout_ms = {}\n{}\n",
                plan.dialect.as_str(),
                panel.url(),
                plan.timeout_ms,
                plan.provider
            );

            panels.push(panel);
        }

        text += &plan.services;
        let file = config::read(&text, std::path::Path::new("."), &BTreeMap::new()).unwrap();
        let house = house(&database, &file, &plan.panel_key, clock.clone()).await;
        house.refresh().await.unwrap();

        // As a gateway does that starts; whoever works next takes the lease anew.
        for panel in &house.panels {
            house.delivery.hold(panel).await.unwrap();
            house.delivery.ask_balance(panel).await.unwrap();
        }

        house.delivery.let_go().await.unwrap();
        let (customer, key, key_id) = buyer(&house, "buyer", plan.money).await;
        let door = house
            .open_door(([127, 0, 0, 1], 0).into(), healthy())
            .await
            .unwrap();

        let client = client();
        Self {
            house,
            panels,
            clock,
            customer,
            key,
            key_id,
            door,
            database,
            file,
            client,
        }
    }

    pub fn panel(&self) -> &Simulator {
        &self.panels[0]
    }

    pub async fn pool(&self) -> PgPool {
        self.database.pool().await
    }

    pub fn url(&self) -> String {
        format!("http://{}/api/v2", self.door.addr())
    }

    /// Another key of the customer's, for this dialect.
    pub async fn key_speaking(&self, dialect: Dialect) -> String {
        self.key_of(self.customer, dialect).await
    }

    /// Another key of a customer's, for this dialect.
    pub async fn key_of(&self, customer: CustomerId, dialect: Dialect) -> String {
        let mut tx = self.house.store.begin().await.unwrap();
        let key = add_key(&mut tx, customer, dialect, self.clock.now()).await;
        tx.commit().await.unwrap();
        key.0
    }

    /// Asks with the customer's key: the exact body.
    pub async fn ask(&self, fields: &[(&str, &str)]) -> String {
        self.ask_as(&self.key, fields).await
    }

    pub async fn ask_as(&self, key: &str, fields: &[(&str, &str)]) -> String {
        self.post(&[&[("key", key)], fields].concat()).await.1
    }

    /// Posts exactly these fields: HTTP status and body.
    pub async fn post(&self, fields: &[(&str, &str)]) -> (u16, String) {
        let response = self.request(fields).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub fn request(&self, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = serde_urlencoded::to_string(fields).unwrap();
        self.client
            .post(self.url())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }

    /// A request of whatever form, nothing in it yet but the query.
    pub fn bare(&self, method: reqwest::Method, query: &str) -> reqwest::RequestBuilder {
        let border = if query.is_empty() { "" } else { "?" };
        self.client
            .request(method, format!("{}{border}{query}", self.url()))
    }

    /// A request at another path of the door.
    pub fn at(&self, path: &str) -> reqwest::RequestBuilder {
        self.client
            .post(format!("http://{}{path}", self.door.addr()))
    }

    /// Buys units of a service; the order's id.
    pub async fn buy(&self, service: &str, quantity: &str) -> i32 {
        self.buy_for(service, quantity, "https://example.org/1")
            .await
    }

    pub async fn buy_for(&self, service: &str, quantity: &str, link: &str) -> i32 {
        let answer = self
            .ask(&[
                ("action", "add"),
                ("service", service),
                ("link", link),
                ("quantity", quantity),
            ])
            .await;

        let id = answer
            .strip_prefix("{\"order\":")
            .and_then(|rest| rest.strip_suffix('}'));

        id.unwrap_or_else(|| panic!("no order: {answer}"))
            .parse()
            .unwrap()
    }

    pub async fn status(&self, order: i32) -> String {
        self.ask(&[("action", "status"), ("order", &order.to_string())])
            .await
    }

    pub async fn balance(&self) -> String {
        self.ask(&[("action", "balance")]).await
    }

    pub fn turn(&self, seconds: i64) {
        self.clock.turn(TimeDelta::seconds(seconds));
    }

    /// Every worker's round, for every panel, until nothing is left to do at this moment.
    pub async fn work(&self) {
        self.watch_clock().await;
        for _ in 0..ROUNDS_MAX {
            let mut done = 0;
            self.house
                .catalog
                .look_at_panels(self.clock.now())
                .await
                .unwrap();

            for panel in &self.house.panels {
                done += work_once(&self.house, panel).await;
            }

            if done == 0 {
                return;
            }
        }

        panic!("the workers never come to rest");
    }

    /// Sees the time that the test let pass, as processes do every few seconds.
    pub async fn watch_clock(&self) {
        watch_clock(&self.house.store, self.clock.now()).await;
    }

    /// Reads our balance at every panel, as the gateway does every few minutes.
    pub async fn count(&self) {
        for panel in &self.house.panels {
            self.house.delivery.hold(panel).await.unwrap();
            self.house.delivery.ask_balance(panel).await.unwrap();
        }
    }

    /// Lets time pass in steps, working after each.
    pub async fn pass(&self, steps: usize, seconds: i64) {
        for _ in 0..steps {
            self.turn(seconds);
            self.work().await;
        }
    }

    /// Asserts that the books hold.
    pub async fn audit(&self) {
        let findings = audit_books(&self.house.store, self.house.clock.now())
            .await
            .unwrap();

        let broken: Vec<_> = findings
            .checks
            .iter()
            .filter(|check| check.violations > 0)
            .collect();

        assert!(broken.is_empty(), "the books do not hold: {broken:?}");
    }

    /// Knows a panel as a process that was started anew: nothing is remembered of its latest calls.
    pub async fn renew_panel(&mut self, panel: usize) {
        let settings = self.house.panels[panel].settings().clone();
        let anew = Panel::new(settings, SecretString::from(PANEL_KEY))
            .unwrap()
            .timed_by(self.clock.clone());

        self.house.delivery.ask_balance(&anew).await.unwrap();
        anew.list(true);
        self.house.panels[panel] = Arc::new(anew);
    }

    /// The same house again, as a process that was started anew on the same database.
    pub async fn restarted(&self) -> App {
        self.restarted_under(PANEL_KEY).await
    }

    /// The same, with this key for its panels.
    pub async fn restarted_under(&self, key: &str) -> App {
        house(&self.database, &self.file, key, self.clock.clone()).await
    }
}

/// A deadline that nothing here comes near.
pub fn in_time() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// All time until now was seen by somebody.
pub async fn watch_clock(store: &Store, now: Timestamp) {
    let mut tx = store.begin().await.unwrap();
    sqlx::query("update clock_watch set at = $1")
        .bind(now)
        .execute(&mut *tx)
        .await
        .unwrap();

    tx.commit().await.unwrap();
}

/// A round of everything for one panel; how much was done.
pub async fn work_once(house: &App, panel: &Panel) -> usize {
    let Some(epoch) = house.delivery.hold(panel).await.unwrap() else {
        return 0;
    };

    let swept = house.delivery.sweep(panel.settings(), epoch).await.unwrap();
    if !panel.has_answered() {
        house.delivery.ask_balance(panel).await.unwrap();
    }

    if !panel.is_listed() {
        refresh::if_due(&house.catalog, panel, &house.clock, false)
            .await
            .unwrap();
    }

    house
        .delivery
        .confirm_differences(&panel.settings().id, panel.settings().settling)
        .await
        .unwrap();

    let probed = house.delivery.probe(panel).await.unwrap();
    let doubts = house.delivery.look_into_doubts(panel, epoch).await.unwrap();
    let canceled = house.delivery.cancel(panel, epoch).await.unwrap();
    let refills = house.delivery.refill(panel, epoch).await.unwrap();

    let left = house.delivery.leave(panel, epoch).await.unwrap()
        + house
            .delivery
            .leave_lost_routes(panel, epoch)
            .await
            .unwrap();

    let unparked = house.delivery.unpark(panel).await.unwrap();
    let legs = house.delivery.lease(panel, epoch, 100).await.unwrap();
    for leg in &legs {
        house.delivery.send(panel, leg, epoch).await.unwrap();
    }

    let asked = house.delivery.track(panel, epoch).await.unwrap();
    swept
        + canceled
        + refills
        + doubts
        + left
        + usize::from(probed)
        + usize::try_from(unparked).unwrap()
        + legs.len()
        + asked
}

async fn house(
    database: &Database,
    file: &config::File,
    panel_key: &str,
    clock: Arc<HandClock>,
) -> App {
    let store = Store::open(&database.options(), 8, 4);
    let providers = file.mapping.providers.iter().cloned();
    let panels = providers
        .map(|provider| Panel::new(provider, SecretString::from(panel_key)).unwrap())
        .collect();

    let house = App::build(store, file.mapping.clone(), &file.text, panels, clock)
        .await
        .unwrap();

    // Most tests are not about panels that take the money later than they refuse.
    let delivery = house
        .delivery
        .clone()
        .seeing_charges_within(TimeDelta::zero());

    App { delivery, ..house }
}

/// A customer with money and a key.
pub async fn buyer(house: &App, name: &str, money: &str) -> (CustomerId, String, KeyId) {
    buyer_of(&house.store, house.clock.now(), name, money).await
}

/// The same, straight into a database.
pub async fn buyer_of(
    store: &Store,
    now: Timestamp,
    name: &str,
    money: &str,
) -> (CustomerId, String, KeyId) {
    let mut tx = store.begin().await.unwrap();
    let customer = customers::open_customer(&mut tx, name, "standard", now)
        .await
        .unwrap()
        .unwrap();

    let (key, id) = add_key(&mut tx, customer, Dialect::Classic, now).await;
    let money = Money::parse(money).unwrap();
    if money.is_positive() {
        ledger::book_deposit(
            &mut tx,
            customer,
            money,
            &format!("opening of {customer}"),
            now,
        )
        .await
        .unwrap();
    }

    tx.commit().await.unwrap();
    (customer, key, id)
}

async fn add_key(
    tx: &mut Tx,
    customer: CustomerId,
    dialect: Dialect,
    at: Timestamp,
) -> (String, KeyId) {
    let key = NewKey::draw_for(dialect).unwrap();
    let id = customers::add_key(tx, customer, &key.digest(), key.shown(), "", dialect, at)
        .await
        .unwrap();
    (key.reveal().to_owned(), id)
}

/// The word of a simulated panel for a dialect of the gateway's.
pub fn simulated(dialect: PanelDialect) -> panel_sim::Dialect {
    panel_sim::Dialect::from_word(dialect.as_str()).expect("every dialect has a simulated panel")
}

/// The time of a simulated panel that goes by a test's clock.
pub fn follows(clock: &Arc<HandClock>) -> Arc<dyn panel_sim::Clock> {
    Arc::new(PanelTime(Arc::clone(clock)))
}

struct PanelTime(Arc<HandClock>);

impl panel_sim::Clock for PanelTime {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// A panel as every world has it, at a free port.
pub fn panel_settings(seed: u64, faults: &str, services_extra: u32) -> Settings {
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        key: PANEL_KEY.to_owned(),
        dialect: panel_sim::Dialect::Classic,
        currency: "USD",
        seed,
        faults: faults.parse().unwrap(),
        habits: Habits::default(),
        balance: Money::parse("100000").unwrap().decimal(),
        services_extra,
        delivery_s: 4,
    }
}

pub fn healthy() -> panelgate::downstream::HealthProbe {
    let health = ProcessHealth {
        live: true,
        ready: true,
        config_hash: "abc".to_owned(),
        database: "up".to_owned(),
        sells: true,
        ..ProcessHealth::default()
    };

    Arc::new(move || health.clone())
}

fn client() -> reqwest::Client {
    // Whichever test comes first installs it; the client wants one although nothing here speaks
    // TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
