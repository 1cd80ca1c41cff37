//! The killer: waits for each strike's moment, strikes, and has the books proved now and then.
//! While a gateway is frozen it is also the person who decides what the others found in doubt:
//! whatever the panel does not have then must not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::closing::House;
use crate::database::Database;
use crate::nodes::Nodes;
use crate::plan::{BUYING_MAX, Moment, Plan, SENDING_MAX, Strike};
use crate::proxy::Proxy;
use crate::receiver::Receiver;
use crate::{Between, LOOK_EVERY, until};

/// After so many strikes the books are proved, in the midst of everything.
const AUDIT_AFTER: usize = 5;
/// How often the moment of a strike is looked for: a leg is on its way for some milliseconds only.
const MOMENT_LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long a gateway is frozen: its leases run out, others take its panels over and look through
/// what it was sending.
const FROZEN: Duration = Duration::from_secs(14);
/// The most doubts that are decided while one is.
const DECIDED_MAX: i64 = 20;
/// What the links of all wishes begin with: only a statement that buys holds one.
const LINKS: &str = "https://example.org/";
/// How long a purchase is kept back.
const KEPT_BACK: Duration = Duration::from_secs(1);

/// What was struck.
#[derive(Default)]
pub struct Strikes {
    pub nodes: u32,
    pub at_once: u32,
    pub databases: u32,
    pub freezes: u32,
    /// Those that met somebody shaking hands with a panel.
    pub in_a_handshake: u32,
    /// Doubts that were decided as not placed while a gateway was frozen.
    pub decided: u32,
    pub cuts: u32,
    pub kept_back: u32,
    pub silences: u32,
    pub crowds: u32,
    /// Panics of workers.
    pub panics: u64,
    /// Gateways that served with a log that fails.
    pub without_log: u32,
    pub audits: u32,
}

pub struct Killer<'a> {
    plan: &'a Plan,
    pub(crate) house: &'a House,
    pub(crate) database: &'a Database,
    pub(crate) way: &'a Proxy,
    pub(crate) receiver: &'a Receiver,
    asks: Arc<AtomicU64>,
    pub strikes: Strikes,
}

impl<'a> Killer<'a> {
    pub fn new(
        plan: &'a Plan,
        house: &'a House,
        database: &'a Database,
        between: &Between<'a>,
        asks: Arc<AtomicU64>,
    ) -> Self {
        let Between { way, receiver } = *between;
        Self {
            plan,
            house,
            database,
            way,
            receiver,
            asks,
            strikes: Strikes::default(),
        }
    }

    /// All strikes, one after the other; each lets more customers in.
    pub async fn run(&mut self, nodes: &Nodes, gate: &watch::Sender<usize>) -> anyhow::Result<()> {
        for (done, (strike, moment)) in (1..).zip(self.plan.strikes()) {
            self.wait_for(moment).await?;
            match strike {
                Strike::Node(n) => {
                    nodes.kill(n).await?;
                    self.strikes.nodes += 1;
                }
                Strike::AllNodes => {
                    for n in 0..self.plan.nodes {
                        nodes.kill(n as usize).await?;
                        self.strikes.nodes += 1;
                    }
                    self.strikes.at_once += 1;
                }
                Strike::Database => {
                    self.database.kill().await?;
                    self.strikes.databases += 1;
                }
                Strike::Freeze(n) => self.freeze(nodes, n).await?,
                Strike::Cut => {
                    self.way.cut();
                    self.strikes.cuts += 1;
                }
                Strike::KeepBack => self.keep_back().await?,
                Strike::Swallow => self.swallow(nodes).await?,
                Strike::Crowd(n) => self.crowd(nodes, n).await?,
                Strike::Panics => Box::pin(self.panic_in_turn(nodes)).await?,
            }

            gate.send_replace(done);
            if done % AUDIT_AFTER == 0 {
                if let Some(complaint) = self.house.audit().await?.first() {
                    anyhow::bail!("after strike {done}: {complaint}");
                }
                self.strikes.audits += 1;
            }
        }

        Ok(())
    }

    /// Stops a gateway, in a handshake with a panel if there is one, until others hold its panels
    /// and know its orders to be in doubt; has a person decide those that the panels do not
    /// have; and lets it go on.
    async fn freeze(&mut self, nodes: &Nodes, n: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut looks = tokio::time::interval(MOMENT_LOOK_EVERY);
        while !self.house.is_shaking() && began.elapsed() < BUYING_MAX {
            looks.tick().await;
        }

        self.strikes.in_a_handshake += u32::from(self.house.is_shaking());
        nodes.freeze(n, true).await?;
        self.strikes.freezes += 1;

        lasts(FROZEN).await?;
        self.decide().await?;
        nodes.freeze(n, false).await
    }

    async fn decide(&mut self) -> anyhow::Result<()> {
        let doubts = self.database.doubts(DECIDED_MAX).await?;
        let have = self.house.panel_orders().await?;
        for doubt in doubts {
            if have
                .iter()
                .any(|order| order.panel == doubt.provider && order.link == doubt.link)
            {
                continue;
            }

            let order = doubt.order.to_string();
            let words = [
                "order",
                "resolve",
                &order,
                "not-placed",
                "--reason",
                "the panel does not have it",
            ];

            // Twice where the panel need not show it yet. It may have been decided otherwise
            // meanwhile.
            let mut decided = self.house.ground.run(&words).await?.0;

            if decided == Some(1) {
                decided = self.house.ground.run(&words).await?.0;
            }

            self.strikes.decided += u32::from(decided == Some(0));
        }

        Ok(())
    }

    /// Keeps the next purchase back on its way to the database, for so long that its sender has
    /// asked what became of it.
    async fn keep_back(&mut self) -> anyhow::Result<()> {
        self.way.keep_back(LINKS);
        if tokio::time::timeout(BUYING_MAX, self.way.has_kept_back())
            .await
            .is_err()
        {
            self.way.keep_nothing_back();
            return Ok(());
        }

        lasts(KEPT_BACK).await?;

        // The database may have been killed beneath it: then nobody answers.
        let _ = tokio::time::timeout(BUYING_MAX, self.way.release()).await;
        self.strikes.kept_back += 1;

        Ok(())
    }

    /// Returns when the moment has come, or when it does not come.
    async fn wait_for(&self, moment: Moment) -> anyhow::Result<()> {
        let began = Instant::now();
        let (asks, adds) = (self.asks.load(Ordering::Relaxed), self.house.adds().await?);

        let (every, patience) = match moment {
            Moment::Buying(_) => (MOMENT_LOOK_EVERY, BUYING_MAX),
            Moment::Sending(_) => (MOMENT_LOOK_EVERY, SENDING_MAX),
            Moment::Blind(after) => (LOOK_EVERY, after),
        };

        let mut looks = tokio::time::interval(every);
        while began.elapsed() < patience {
            looks.tick().await;
            let has_come = match moment {
                Moment::Buying(more) => self.asks.load(Ordering::Relaxed) >= asks + more,
                Moment::Sending(more) => self.house.adds().await? >= adds + more,
                Moment::Blind(_) => false,
            };

            if has_come {
                break;
            }
        }

        Ok(())
    }
}

/// A strike that lasts.
async fn lasts(span: Duration) -> anyhow::Result<()> {
    let began = Instant::now();
    until("time passes", async || {
        Ok((began.elapsed() >= span).then_some(()))
    })
    .await
}
