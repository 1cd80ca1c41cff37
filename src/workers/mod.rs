//! Time's door: the table of workers, what wakes each and how often, and the one driver that runs
//! them all.
//!
//! Workers say when, orders say what. A round takes no input, may run at any time, twice, or not at
//! all for a while: what it finds to do is in the database. So a missed wake-up costs a tick and
//! nothing else.

pub mod driver;
pub mod panel;
pub mod pulse;
pub mod registry;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::alerts::Alerts;
use crate::catalog::Catalog;
use crate::catalog::refresh;
use crate::customers::Customers;
use crate::customers::pace::Pace;
use crate::domain::clock::SharedClock;
use crate::orders::Delivery;
use crate::store::clock_watch::{ClockLook, ClockReading, ClockStep};
use crate::store::history::Turned;
use crate::store::{Store, StoreError, catalog, clock_watch, versions};
use crate::treasury::Treasury;
use crate::upstream::ProviderSet;
use crate::workers::driver::Driver;
use crate::workers::pulse::Pulse;
use crate::workers::registry::WorkerRegistry;

/// How often the database is asked whether it is there; everybody at the door believes the answer.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(250);
/// How often the database's clock is looked at, so that it is known how much of its time somebody
/// watched.
const CLOCK_EVERY: Duration = Duration::from_secs(2);
/// How often catalogs read by other processes, requests to read them, and panels that stopped are
/// looked for.
const CATALOG_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked for what needs a person, or does no longer.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether it is time to look for what is stuck.
const STUCK_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked for messages that are due.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the books are to be proved again.
const PROVE_LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether keys began: one that was tried before it did works so soon
/// everywhere.
const NEWS_EVERY: Duration = Duration::from_millis(250);
/// How often a process with an open door says so to those that share the limits with it.
const KNOCK_EVERY: Duration = Duration::from_secs(1);
/// How often the last uses of keys are written down.
const USES_EVERY: Duration = Duration::from_mins(1);

/// Everything that workers need.
#[derive(Clone, Debug)]
pub struct WorkerDeps {
    /// The database.
    pub store: Store,
    /// Who buys.
    pub customers: Customers,
    /// How often they may ask.
    pub pace: Pace,
    /// What is sold.
    pub catalog: Catalog,
    /// What is done with orders.
    pub delivery: Delivery,
    /// Who tells what needs a person.
    pub alerts: Alerts,
    /// Who compares what panels hold of ours with what they should.
    pub treasury: Treasury,
    /// The panels.
    pub roll: ProviderSet,
    /// The time.
    pub clock: SharedClock,
    /// Rung when something was bought.
    pub bought: Arc<Notify>,
}

/// The heartbeat: whether the database answers, and whether it is the one that we know.
struct DatabasePulse {
    store: Store,
    delivery: Delivery,
    /// Whether it was told that this process must be started anew.
    told: AtomicBool,
}

impl DatabasePulse {
    async fn feel(self: Arc<Self>) -> Result<(), StoreError> {
        let before = self.store.answers();
        match (before, self.store.beat().await) {
            (true, false) => tracing::error!("the database is away"),
            (false, true) => tracing::info!("the database is back"),
            (true, true) | (false, false) => {}
        }

        match self.store.turned() {
            None => Ok(()),
            Some(Turned::Replaced) => {
                if !self.told.swap(true, Ordering::AcqRel) {
                    tracing::error!(
                        "the database is another one: a backup was restored in its place; this \
                         process takes no orders and sends none: start it anew"
                    );
                }

                Ok(())
            }
            Some(Turned::Back { .. } | Turned::Over { .. }) => self.delivery.reckon().await,
        }
    }
}

/// Watches the database's clock, beside one that nobody sets.
#[derive(Debug)]
struct ClockWatch {
    store: Store,
    /// The last look of this process.
    last: Mutex<Option<ClockReading>>,
}

impl ClockWatch {
    async fn look(self: Arc<Self>) -> Result<(), StoreError> {
        let before = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let ClockLook {
            step,
            was_set,
            seen,
        } = clock_watch::observe_clock(&self.store, &*self.store.clock(), before).await?;

        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);

        match step {
            ClockStep::None => {}
            ClockStep::Ahead(by) if was_set => {
                tracing::error!(
                    by_s = by.num_seconds(),
                    "the database's clock was set ahead: what is waited for takes as much longer"
                );
            }
            ClockStep::Ahead(by) => {
                tracing::info!(
                    by_s = by.num_seconds(),
                    "nobody was there for so long; it does not count for what proves anything by \
                     waiting"
                );
            }
            ClockStep::Back(by) => {
                tracing::error!(
                    by_s = by.num_seconds(),
                    "the database's clock was set back: what is due is due as much earlier"
                );
            }
        }

        Ok(())
    }
}

/// All workers of this process.
#[derive(Debug)]
pub struct Workers {
    driver: Driver,
    delivery: Delivery,
}

impl Workers {
    /// Starts the heartbeat, which every process needs, and nothing else.
    pub fn heartbeat(deps: &WorkerDeps) -> Self {
        let driver = Driver::default();
        let pulse = Arc::new(DatabasePulse {
            store: deps.store.clone(),
            delivery: deps.delivery.clone(),
            told: AtomicBool::new(false),
        });

        // To the last: what is still out is written down over connections that it found alive.
        driver
            .lasting()
            .every("heartbeat", HEARTBEAT_EVERY, move || pulse.clone().feel());

        let watch = Arc::new(ClockWatch {
            store: deps.store.clone(),
            last: Mutex::default(),
        });

        // No customer waits for it: where it cannot write, a person is told, and orders are taken.
        driver.at_leisure("clock", CLOCK_EVERY, move || watch.clone().look());
        let (catalog, clock) = (deps.catalog.clone(), deps.clock.clone());
        driver.every("catalog", CATALOG_EVERY, move || {
            let (catalog, now) = (catalog.clone(), clock.now());
            async move {
                catalog.look_at_panels(now).await?;
                catalog.adopt().await.map(|_| ())
            }
        });

        Self {
            driver,
            delivery: deps.delivery.clone(),
        }
    }

    /// Starts what an open door needs.
    pub fn receive(&self, deps: &WorkerDeps) {
        let customers = deps.customers.clone();
        self.driver.every("news of keys", NEWS_EVERY, move || {
            let customers = customers.clone();
            async move { customers.hear_news().await }
        });

        let customers = deps.customers.clone();
        self.driver.every("uses of keys", USES_EVERY, move || {
            let customers = customers.clone();
            async move { customers.write_uses().await }
        });

        let pace = deps.pace.clone();
        self.driver.every("pace", KNOCK_EVERY, move || {
            let pace = pace.clone();
            async move { pace.knock().await }
        });
    }

    /// Starts what deals with panels: those on the roll now; the registry follows when it changes.
    pub async fn deliver(&self, deps: &WorkerDeps) -> WorkerRegistry {
        let registry = WorkerRegistry::new(self.driver.clone(), deps.clone());
        registry.follow().await;
        let deps = deps.clone();
        self.driver.at_leisure("refresh", CATALOG_EVERY, move || {
            refresh_if_asked(deps.clone())
        });

        registry
    }

    /// Runs a round that somebody above brought.
    pub fn every<Round, Work>(&self, name: &str, period: Duration, round: Round)
    where
        Round: FnMut() -> Work + Send + 'static,
        Work: Future<Output = Result<(), StoreError>> + Send,
    {
        self.driver.every(name, period, round);
    }

    /// Starts what tells a person.
    pub fn watch(&self, deps: &WorkerDeps) {
        let alerts = deps.alerts.clone();
        self.driver.every("looker", LOOK_EVERY, move || {
            let alerts = alerts.clone();
            async move { alerts.look().await.map(|_| ()) }
        });

        let delivery = deps.delivery.clone();
        self.driver
            .at_leisure("looker for what is stuck", STUCK_LOOK_EVERY, move || {
                let delivery = delivery.clone();
                async move { delivery.look_for_stuck().await.map(|_| ()) }
            });

        let alerts = deps.alerts.clone();
        self.driver.at_leisure("teller", TELL_EVERY, move || {
            let alerts = alerts.clone();
            async move { alerts.tell().await.map(|_| ()) }
        });

        let alerts = deps.alerts.clone();
        self.driver
            .at_leisure("teller of the database", TELL_EVERY, move || {
                let alerts = alerts.clone();
                async move {
                    alerts.tell_of_database().await;
                    Ok(())
                }
            });

        let alerts = deps.alerts.clone();
        self.driver.at_leisure("prover", PROVE_LOOK_EVERY, move || {
            let alerts = alerts.clone();
            async move { alerts.prove().await.map(|_| ()) }
        });
    }

    /// What the workers' rounds looked like lately.
    pub fn pulse(&self) -> Pulse {
        self.driver.pulse()
    }

    /// Takes up nothing new.
    pub fn end(&self) {
        self.driver.end();
    }

    /// Takes up nothing new, waits for what is under way, and gives the panels up.
    ///
    /// Calls that are still out after `drain` stay `sending`: the next holder of the panel finds
    /// them in doubt.
    pub async fn stop(&self, drain: Duration) {
        self.driver.stop(drain).await;

        // Who still keeps a lease would take it anew.
        self.driver.end_last();

        if let Err(error) = self.delivery.let_go().await {
            tracing::warn!(
                %error, "the panels' leases could not be given up and will run out by themselves"
            );
        }
    }
}

/// Somebody asked for the catalogs to be read now.
async fn refresh_if_asked(deps: WorkerDeps) -> Result<(), StoreError> {
    let Some(id) = catalog::asked_refresh(&deps.store).await? else {
        return Ok(());
    };

    // Whoever serves another version may know the panels at other addresses.
    let newest = versions::find_newest(&deps.store).await?;
    if newest.is_some_and(|(_, newest)| newest != deps.catalog.mapping().hash) {
        return Ok(());
    }

    let outcome = refresh::refresh_all(&deps.catalog, &deps.roll.sold_from(), &deps.clock).await?;
    catalog::answer_refresh(&deps.store, id, &outcome, deps.clock.now()).await
}
