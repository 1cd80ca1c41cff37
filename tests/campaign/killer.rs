//! The killer: waits for each strike's moment, strikes, and has the books proved now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::LOOK_EVERY;
use crate::closing::House;
use crate::database::Database;
use crate::nodes::Nodes;
use crate::plan::{BUYING_MAX, Moment, Plan, SENDING_MAX, Strike};

/// After so many strikes the books are proved, in the midst of everything.
const AUDIT_AFTER: usize = 5;
/// How often the moment of a strike is looked for: a leg is on its way for some milliseconds only.
const MOMENT_LOOK_EVERY: Duration = Duration::from_millis(1);

/// What was struck.
#[derive(Default)]
pub struct Strikes {
    pub nodes: u32,
    pub at_once: u32,
    pub databases: u32,
    pub audits: u32,
}

pub struct Killer<'a> {
    plan: &'a Plan,
    house: &'a House,
    database: &'a Database,
    asks: Arc<AtomicU64>,
    pub strikes: Strikes,
}

impl<'a> Killer<'a> {
    pub fn new(plan: &'a Plan, house: &'a House, database: &'a Database, asks: Arc<AtomicU64>) -> Self {
        Self { plan, house, database, asks, strikes: Strikes::default() }
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
