//! A panel that we pretend to be: it keeps money and orders, delivers over time, and misbehaves on
//! demand.
//!
//! Real HTTP on loopback, for the demo, for the tests and for `panel-sim`. Its services are named
//! after their fate, so that an order's end can be chosen by choosing what to buy; faults can be
//! turned on for every service while it runs.

mod catalog;
mod chance;
mod clock;
mod counter;
mod details;
mod dialect;
mod door;
mod faults;
mod habits;
mod kind;
mod letters;
mod memory;
mod money;
mod order;
mod panel;
mod refill;
mod reply;
mod spoil;
mod wanted;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use rust_decimal::Decimal;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::task::TaskTracker;

pub use clock::{Clock, SystemClock};
pub use details::{Detail, Details, Parameter};
pub use dialect::Dialect;
pub use faults::{Fault, Faults, FaultsError};
pub use habits::{Habits, HabitsError};
pub use order::{Ending, SimOrder, Status};

use clock::Moment;
use door::Closing;
use panel::Panel;
use wanted::Wanted;

/// How long answers that are under way may take once the panel is told to stop; then they are cut.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What an ordinary order takes unless said otherwise, in seconds.
pub const DELIVERY_S_DEFAULT: u64 = 4;

/// What a simulated panel is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The only key that it knows.
    pub key: String,
    /// The dialect that it speaks.
    pub dialect: Dialect,
    /// The currency that it names beside every sum; see [`currency_of`].
    pub currency: &'static str,
    /// Decides ids, start counts, mixed rows and what meets which fault.
    pub seed: u64,
    /// Faults from the start.
    pub faults: Faults,
    /// In what it is unlike its dialect's documents.
    pub habits: Habits,
    /// What the panel holds of ours.
    pub balance: Decimal,
    /// Mixed rows behind the services named after their fate (at most 100,000).
    pub services_extra: u32,
    /// What an ordinary order takes, in seconds; [`DELIVERY_S_DEFAULT`] is usual.
    pub delivery_s: u64,
}

/// The currency in which panels of a dialect bill.
pub fn currency_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Classic | Dialect::Notpanel => "USD",
        Dialect::Paynow => "UZS",
    }
}

/// A running panel. Dropping it closes it at once; [`Simulator::stop`] waits for what is being
/// answered.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    closing: Closing,
}

/// The books and the clock, as every connection holds them.
struct Shared {
    panel: Mutex<Panel>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("panel", &self.panel)
            .finish_non_exhaustive()
    }
}

impl Simulator {
    /// Opens the door and answers from then on; the error is that of listening.
    pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            panel: Mutex::new(Panel::new(&settings)),
            clock,
        });

        let (tasks, closing) = (TaskTracker::new(), Closing::default());
        tasks.spawn(door::listen(
            listener,
            Arc::clone(&shared),
            tasks.clone(),
            closing.clone(),
        ));

        Ok(Self {
            addr,
            shared,
            tasks,
            closing,
        })
    }

    /// Where customers ask: `http://ADDR/api/v2`.
    pub fn url(&self) -> String {
        format!("http://{}/api/v2", self.addr)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every order that it believes it has, oldest first.
    pub fn orders(&self) -> Vec<SimOrder> {
        self.shared.orders()
    }

    /// How many requests came, by action; what is no action of v2 counts as `other`.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.shared.requests()
    }

    /// What it holds of ours now.
    pub fn balance(&self) -> Decimal {
        self.shared.with(|panel, _| panel.balance)
    }

    /// Puts other faults in force.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.with(|panel, _| panel.faults = faults);
    }

    /// Sets what it holds of ours.
    pub fn set_balance(&self, balance: Decimal) {
        self.shared.with(|panel, _| panel.balance = balance);
    }

    /// Switches a service on or off: an off one is neither listed nor sold. Panics on a service
    /// that it never had.
    pub fn switch_service(&self, service: &str, on: bool) {
        self.shared.with(|panel, _| {
            panel
                .service_mut(service)
                .expect("the panel has this service")
                .on = on;
        });
    }

    /// Changes the price of a service for orders from now on. Panics on a service that it never
    /// had.
    pub fn set_rate(&self, service: &str, rate: Decimal) {
        self.shared.with(|panel, _| {
            let row = panel
                .service_mut(service)
                .expect("the panel has this service");
            (row.rate, row.rate_text) = (rate, money::plain(rate));
        });
    }

    /// Changes the only key that it knows.
    pub fn set_key(&self, key: &str) {
        self.shared
            .with(|panel, _| panel.key = Some(key.to_owned()));
    }

    /// Takes the key back: from now on everything is answered `Invalid API key`, until another key
    /// is set.
    pub fn revoke_key(&self) {
        self.shared.with(|panel, _| panel.key = None);
    }

    /// Orders younger than this, in seconds, are not found when their status is asked; 0 is where
    /// it begins.
    pub fn set_visible_after_s(&self, seconds: u32) {
        self.shared
            .with(|panel, _| panel.visible_after = TimeDelta::seconds(i64::from(seconds)));
    }

    /// Another customer of the panel buys so many orders: ids move on, and nothing of it is known
    /// to us.
    pub fn others_buy(&self, orders: u32) {
        self.shared.with(|panel, _| panel.others_buy(orders));
    }

    /// Somebody places an order on our account by hand, at the panel itself: charged like any
    /// other, asked for by nobody, its answer seen by nobody. Its id. Panics on what the panel
    /// refuses.
    pub fn place_by_hand(&self, service: &str, link: &str, quantity: u64) -> String {
        let wanted = Wanted {
            link: link.to_owned(),
            quantity: Some(quantity.to_string()),
            details: Details::default(),
        };

        self.shared.with(|panel, now| {
            let (id, _) = panel
                .place(service, wanted, now)
                .expect("the panel takes this order");
            panel.dialect.order_id(id)
        })
    }

    /// Ends an order now, or corrects how it ended; refunds follow. Panics on an order that it
    /// never had.
    pub fn end_order(&self, order: &str, fate: Ending) {
        let known = self.shared.with(|panel, _| panel.force(order, fate));
        assert!(known, "the panel has no order {order}");
    }

    /// Takes no more connections, finishes what is being answered (in five seconds at most), and
    /// leaves no task behind.
    pub async fn stop(self) {
        self.closing.drain.cancel();
        self.tasks.close();

        if timeout(DRAIN_MAX, self.tasks.wait()).await.is_err() {
            self.closing.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.closing.drain.cancel();
        self.closing.cut.cancel();
    }
}

impl Shared {
    /// Does one thing with the books, brought up to the present moment. A panic of an earlier one
    /// (a test that named a wrong service) has changed nothing by halves, so the books stay
    /// usable.
    fn with<T>(&self, act: impl FnOnce(&mut Panel, Moment) -> T) -> T {
        let mut panel = self.panel.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that time never runs backwards from one request to the next.
        let now = self.clock.now();
        panel.catch_up(now);
        act(&mut panel, now)
    }

    fn orders(&self) -> Vec<SimOrder> {
        self.with(|panel, now| panel.look_at_all(now))
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        self.with(|panel, _| {
            panel
                .requests
                .iter()
                .map(|(action, count)| ((*action).to_owned(), *count))
                .collect()
        })
    }
}

/// The README's example, so that it is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
