//! The composition root: the only file that knows everyone. It builds the house from its parts, and
//! takes it down.

mod checks;
mod descriptors;
mod health;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use crate::alerts::{Alerts, WEBHOOK_TIMEOUT};
use crate::app::descriptors::HEALTH_DOOR_MAX;
use crate::catalog::mapping::Mapping;
use crate::catalog::{Catalog, refresh};
use crate::config::{self, File};
use crate::customers::Customers;
use crate::customers::pace::Pace;
use crate::domain::clock::SharedClock;
use crate::domain::network::Network;
use crate::downstream::{Door, DoorDeps as DoorHouse, HealthProbe, Limits};
use crate::orders::{Delivery, Orders};
use crate::reload::{self, Before, Env, Reload, ReloadParts, Started};
use crate::store::embedded::Embedded;
use crate::store::open_orders::OpenOrders;
use crate::store::{Store, versions};
use crate::treasury::Treasury;
use crate::upstream::{Panel, ProviderSet};
use crate::webhooks::Webhook;
use crate::workers::pulse::Pulse;
use crate::workers::{WorkerDeps, Workers};

pub use checks::{can_listen, check_clock};
pub use descriptors::raise as raise_descriptors;

use checks::{tell_of_freeze, tell_of_lost_tiers};
use health::{health, troubles};

/// How long the first reading of the catalogs may hold up the start; a dead panel never blocks
/// it.
const FIRST_CATALOG: Duration = Duration::from_secs(5);
/// How often it is looked whether another configuration is in force.
const ADOPT_EVERY: Duration = Duration::from_millis(200);
/// How often the configuration file is looked at.
const LOOK_AT_FILE_EVERY: Duration = Duration::from_millis(200);
/// How often it is looked whether panels that the file names no more have anything left.
const RETIRE_EVERY: Duration = Duration::from_secs(5);
/// What an end has beside the time for the slowest panel: requests, and what is written down last.
const DRAIN_BESIDE_CALLS: Duration = Duration::from_secs(5);
/// How much of the drain is left for what is written down last.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Everything that deals with customers, orders and panels, over one database; nothing runs by
/// itself yet.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub store: Store,
    /// What is sold.
    pub catalog: Catalog,
    /// Who buys.
    pub customers: Customers,
    /// How often they may ask.
    pub pace: Pace,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// What can be done with orders.
    pub orders: Orders,
    /// What workers do with them.
    pub delivery: Delivery,
    /// Who tells what needs a person.
    pub alerts: Alerts,
    /// Who compares what panels hold of ours with what they should.
    pub treasury: Treasury,
    /// The panels that it was built with.
    pub panels: Vec<Arc<Panel>>,
    /// The panels as they are now.
    pub roll: ProviderSet,
    /// What changes all of that while it runs.
    pub reload: Reload,
    /// The time.
    pub clock: SharedClock,
}

impl App {
    /// Builds the house of a process with this file: what it serves is in force in the database,
    /// which the file need not be.
    pub async fn start(
        store: Store,
        file: File,
        ground: Env,
        clock: SharedClock,
    ) -> Result<Self, anyhow::Error> {
        let (served, started) = reload::start_reload(&store, &clock, file, &ground).await?;

        // What earlier programs kept of passwords; what was in force until now included.
        versions::mask_kept(&store, config::mask_secrets).await?;
        let before = Before {
            panels: &[],
            open: &OpenOrders::default(),
        };

        let dealt =
            reload::build_panels(&served.mapping, &[], &ground.surroundings, before, &clock);

        let panels = dealt
            .listed
            .into_iter()
            .map(|listed| listed.panel)
            .collect();

        let webhook = config::webhook(&served.alerts, &ground.surroundings, WEBHOOK_TIMEOUT)
            .unwrap_or_else(|error| {
                tracing::error!("{error}; alerts are told to the log only");
                None
            });

        let house = Self::over(
            store,
            served.mapping,
            panels,
            ground,
            started.without(dealt.keyless),
            clock,
        )
        .await?;

        Ok(house.telling(webhook))
    }

    /// Builds the house of a configuration that comes into force with it, whatever was before; its
    /// process has no file.
    pub async fn build(
        store: Store,
        mapping: Arc<Mapping>,
        text: &str,
        panels: Vec<Panel>,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let ground = Env::bare("this process");
        reload::put_in_force(&store, &clock, &mapping, text, "start", "").await?;
        let panels = panels
            .into_iter()
            .map(|panel| Arc::new(panel.timed_by(clock.clone())))
            .collect();

        Self::over(store, mapping, panels, ground, Started::with(text), clock).await
    }

    async fn over(
        store: Store,
        mapping: Arc<Mapping>,
        panels: Vec<Arc<Panel>>,
        ground: Env,
        started: Started,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        tell_of_lost_tiers(&store, &mapping).await?;
        reload::tell_of_nobodys_markups(&store, &mapping).await?;
        tell_of_freeze(&store).await?;
        let catalog = Catalog::open(store.clone(), mapping).await?;
        catalog.look_at_panels(clock.now()).await?;
        let alerts = Alerts::new(store.clone(), catalog.clone(), clock.clone(), &ground.node);

        let roll = ProviderSet::of(panels.iter().cloned());
        let parts = ReloadParts {
            store: store.clone(),
            catalog: catalog.clone(),
            alerts: alerts.clone(),
            roll: roll.clone(),
            clock: clock.clone(),
        };

        Ok(Self {
            customers: Customers::new(store.clone(), clock.clone()),
            pace: Pace::new(store.clone(), clock.clone()),
            trusted_proxies: Vec::new(),
            orders: Orders::new(store.clone(), catalog.clone(), clock.clone()),
            delivery: Delivery::new(
                store.clone(),
                catalog.clone(),
                clock.clone(),
                Uuid::now_v7(),
            ),
            alerts,
            treasury: Treasury::new(store.clone(), clock.clone()),
            panels,
            roll,
            reload: Reload::new(parts, ground, started),
            store,
            catalog,
            clock,
        })
    }

    /// The same house, which tells its alerts to this webhook too.
    #[must_use]
    pub fn telling(self, webhook: Option<Webhook>) -> Self {
        Self {
            alerts: self.alerts.telling(webhook),
            ..self
        }
    }

    /// Reads all panels' catalogs, and sells by them.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        refresh::refresh_all(&self.catalog, &self.roll.sold_from(), &self.clock).await?;
        Ok(())
    }

    /// What the workers need of it.
    fn deps(&self) -> WorkerDeps {
        WorkerDeps {
            store: self.store.clone(),
            customers: self.customers.clone(),
            pace: self.pace.clone(),
            catalog: self.catalog.clone(),
            delivery: self.delivery.clone(),
            alerts: self.alerts.clone(),
            treasury: self.treasury.clone(),
            roll: self.roll.clone(),
            clock: self.clock.clone(),
            bought: self.orders.bought(),
        }
    }

    /// After the last request: what it left in memory is written down, and the limits are left to
    /// the others.
    async fn leave(&self) {
        for done in [self.customers.write_uses().await, self.pace.leave().await] {
            if let Err(error) = done {
                tracing::warn!(
                    %error, "the last uses of keys or the limits' share could not be given up"
                );
            }
        }
    }

    /// Opens the customers' door.
    pub async fn open_door(&self, listen: SocketAddr, health: HealthProbe) -> anyhow::Result<Door> {
        let house = DoorHouse {
            customers: self.customers.clone(),
            pace: self.pace.clone(),
            trusted_proxies: self.trusted_proxies.clone(),
            catalog: self.catalog.clone(),
            orders: self.orders.clone(),
            health,
        };

        let door = Door::open(listen, house, descriptors::door_limits(self)).await;
        door.with_context(|| {
            format!("cannot listen on {listen}; choose another address with --listen")
        })
    }
}

/// Which doors and workers a process has, and where.
#[derive(Clone, Copy, Debug)]
pub struct Roles {
    /// Where customers are served, if they are.
    pub api: Option<SocketAddr>,
    /// Where operators are served, if they are.
    pub console: Option<SocketAddr>,
    /// Whether this process deals with panels.
    pub workers: bool,
    /// How long what is under way may take when the process is told to end; `None`: as long as the
    /// slowest panel may take for an order, and somewhat more.
    pub drain: Option<Duration>,
}

/// A house with its doors open and its workers at work.
pub struct Gateway {
    house: App,
    api: Option<Door>,
    console: Option<Door>,
    workers: Workers,
    drain: Option<Duration>,
}

impl Gateway {
    /// Opens everything that the roles name.
    pub async fn open(
        house: App,
        roles: Roles,
        embedded: Option<&Embedded>,
    ) -> anyhow::Result<Self> {
        let deps = house.deps();

        // Before anything is sent: a database that goes back in time is known by what was seen of
        // it.
        house.store.beat().await;
        let workers = Workers::heartbeat(&deps);
        house.reload.adopt().await?;
        house.reload.retire().await?;

        if roles.workers {
            let first = tokio::time::timeout(FIRST_CATALOG, house.refresh()).await;
            match first {
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the catalogs could not be read at the start");
                }
                Err(_) => tracing::warn!(
                    "not every panel answered in time; the stored catalogs serve until it does"
                ),
                Ok(Ok(())) => {}
            }

            house.catalog.adopt().await?;
            house.reload.lead(workers.deliver(&deps).await);

            // What changed between the two.
            house.reload.retire().await?;
        }

        // Whatever the role: where the process that delivers is gone, another one tells.
        workers.watch(&deps);
        house.reload.follow_workers(workers.pulse());
        reload_with(&workers, &house.reload);
        let health = health(&house, workers.pulse(), embedded);

        let api = match roles.api {
            Some(listen) => {
                // Before the first request, so that this process does not take itself for the only
                // one.
                house.pace.knock().await?;
                workers.receive(&deps);
                Some(house.open_door(listen, health.clone()).await?)
            }
            None => None,
        };

        let console = match roles.console {
            Some(listen) => {
                let limits = Limits {
                    connections_max: HEALTH_DOOR_MAX,
                    ..Limits::default()
                };

                let door = Door::open_health(listen, health, limits).await;
                Some(door.with_context(|| {
                    format!("cannot listen on {listen}; choose another address with --console")
                })?)
            }
            None => None,
        };

        house.reload.follow_troubles(troubles(api.as_ref()));
        Ok(Self {
            house,
            api,
            console,
            workers,
            drain: roles.drain,
        })
    }

    /// Where customers are served.
    pub fn url(&self) -> Option<String> {
        self.api
            .as_ref()
            .map(|door| format!("http://{}/api/v2", door.addr()))
    }

    /// Where operators are served.
    pub fn console_url(&self) -> Option<String> {
        self.console
            .as_ref()
            .map(|door| format!("http://{}", door.addr()))
    }

    /// How its workers do.
    pub fn pulse(&self) -> Pulse {
        self.workers.pulse()
    }

    /// Everything behind the doors.
    pub fn house(&self) -> &App {
        &self.house
    }

    /// How long its end may take: no order is in doubt because a panel was not waited for.
    pub fn drain(&self) -> Duration {
        let slowest = || {
            let roll = self.house.roll.now();
            let timeouts = roll.iter().map(|listed| listed.panel.settings().timeout_ms);
            Duration::from_millis(timeouts.max().unwrap_or(0)) + DRAIN_BESIDE_CALLS
        };

        self.drain.unwrap_or_else(slowest)
    }

    /// From the outside to the inside: nobody new comes in, what is under way ends, and the
    /// database is let go last. Within [`Gateway::drain`], whatever becomes of the database
    /// meanwhile.
    pub async fn close(self) {
        let drain = self.drain();
        let ends = Instant::now() + drain;

        // What is to be written down at the very end has some time of its own.
        let calls_end = ends - LAST_WORDS_MAX.min(drain / 4);
        if tokio::time::timeout_at(ends, Box::pin(self.end_in_order(calls_end)))
            .await
            .is_err()
        {
            tracing::warn!(
                drain_s = drain.as_secs(),
                "the end was cut off: the database or a panel did not answer in time; what was \
                 out may be in doubt"
            );
        }
    }

    async fn end_in_order(self, calls_end: Instant) {
        let left = || calls_end.saturating_duration_since(Instant::now());

        // Nothing new is sent while customers get their last answers; what they buy waits for the
        // next process.
        self.workers.end();
        let doors = [self.api, self.console].into_iter().flatten();
        join_all(doors.map(|door| door.close(left()))).await;

        self.house.leave().await;
        self.house.orders.close().await;
        self.workers.stop(left()).await;

        // After the adopter, which would say that this process runs.
        if let Err(error) = self.house.reload.leave().await {
            tracing::warn!(
                %error, "the other nodes will think for some seconds that this one runs"
            );
        }

        self.house.store.close().await;
    }
}

/// Starts what every process needs to follow the configuration.
fn reload_with(workers: &Workers, reload: &Reload) {
    let adopter = reload.clone();
    workers.every("adopter", ADOPT_EVERY, move || {
        let adopter = adopter.clone();
        async move { adopter.adopt().await.map(|_| ()) }
    });

    let retirer = reload.clone();
    workers.every("retirer", RETIRE_EVERY, move || {
        let retirer = retirer.clone();
        async move { retirer.retire().await.map(|_| ()) }
    });

    if reload.has_file() {
        let watch = reload.clone();
        workers.every("file watch", LOOK_AT_FILE_EVERY, move || {
            let watch = watch.clone();
            async move { watch.look().await.map(|_| ()) }
        });
    }
}
