//! Troubles that a gateway must outlive and tell of: a database that swallows all that is said, a
//! crowd at its door, workers that panic. Each lasts until a person has heard of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Context;
use panelgate::app::{App, Gateway, Roles};
use panelgate::domain::id::ProviderId;
use panelgate::store::Store;
use panelgate::{config, reload};
use tokio::net::{TcpSocket, TcpStream};

use crate::killer::Killer;
use crate::nodes::Nodes;
use crate::until;

/// Addresses of a crowd, and how many connections each has: more than the most of all, and none of
/// them more than an address may have.
const CROWD_ADDRESSES: u8 = 10;
const CROWD_CONNECTIONS: usize = 40;
/// A gateway closes silent connections after ten seconds.
const CROWD_RENEWED_AFTER: Duration = Duration::from_secs(6);
/// Gateways that served without a log before it must have been told of one: who is killed at once
/// tells nothing.
const WITHOUT_LOG_MIN: u32 = 3;
/// How long the end of the gateway may take whose workers panic.
const DRAIN: Duration = Duration::from_secs(10);
/// Who panics again and again until a person is told.
const PANICS_FOR_LONG: &str = "dispatcher a";
/// Who panics twice and goes on.
const PANIC_SOMETIMES: [&str; 8] = [
    "dispatcher b",
    "tracker a",
    "tracker b",
    "keeper a",
    "doubter a",
    "looker",
    "teller",
    "heartbeat",
];

impl Killer<'_> {
    /// How often a person was told so.
    fn heard(&self, told: &str) -> usize {
        self.receiver
            .taken()
            .iter()
            .filter(|message| message.starts_with(told))
            .count()
    }

    async fn is_told_again(&self, told: &str, before: usize) -> anyhow::Result<()> {
        until(told, async || Ok((self.heard(told) > before).then_some(()))).await
    }

    /// Waits until one of these gateways is ready; where it is.
    async fn ready_one(&self, nodes: &Nodes, among: &[usize]) -> anyhow::Result<String> {
        until("a gateway is ready", async || {
            for n in among {
                let Some(url) = nodes.at(*n) else { continue };
                let health = self
                    .house
                    .http
                    .get(url.replace("/api/v2", "/healthz"))
                    .send()
                    .await;

                if health.is_ok_and(|answer| answer.status().is_success()) {
                    return Ok(Some(url));
                }
            }

            Ok(None)
        })
        .await
    }

    /// The ways to the database swallow everything until somebody was told, without the database.
    pub async fn swallow(&mut self, nodes: &Nodes) -> anyhow::Result<()> {
        let all: Vec<usize> = (0..nodes.addresses.len()).collect();
        self.ready_one(nodes, &all).await?;
        let told = "raised database_away";
        let before = self.heard(told);
        self.way.swallow(true);
        let is_told = self.is_told_again(told, before).await;

        self.way.swallow(false);
        self.strikes.silences += 1;
        is_told
    }

    /// A crowd takes almost all connections of a gateway until somebody was told, and goes.
    pub async fn crowd(&mut self, nodes: &Nodes, n: usize) -> anyhow::Result<()> {
        let url = self.ready_one(nodes, &[n]).await?;
        let addr = url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v2")
            .parse()?;

        let (raised, over) = ("raised connections_short", "over connections_short");
        let (raised_before, over_before) = (self.heard(raised), self.heard(over));

        let mut idle = (Instant::now(), besiege(addr).await);
        until("a crowd is told of", async || {
            if idle.0.elapsed() > CROWD_RENEWED_AFTER {
                idle = (Instant::now(), besiege(addr).await);
            }
            Ok((self.heard(raised) > raised_before).then_some(()))
        })
        .await?;

        drop(idle);
        self.strikes.crowds += 1;
        self.is_told_again(over, over_before).await
    }

    /// Another gateway, whose workers can be made to panic, takes the panels over while the others
    /// stand still. Then they sell, it sends, and its workers panic, one kind after the other.
    pub async fn panic_in_turn(&mut self, nodes: &Nodes) -> anyhow::Result<()> {
        for n in 0..nodes.addresses.len() {
            nodes.freeze(n, true).await?;
        }

        let taken_over = self.take_over().await;
        for n in 0..nodes.addresses.len() {
            nodes.freeze(n, false).await?;
        }

        let gateway = taken_over?;

        let pulse = gateway.pulse();
        let before = self.heard("raised worker_late");
        pulse.break_worker(PANICS_FOR_LONG, true);
        let is_told = self.is_told_again("raised worker_late", before).await;
        pulse.break_worker(PANICS_FOR_LONG, false);
        is_told?;

        for worker in PANIC_SOMETIMES {
            let before = pulse.panics();
            pulse.break_worker(worker, true);

            // The second one shows that it began anew after the first.
            let panics = until(worker, async || {
                Ok((pulse.panics() >= before + 2).then_some(()))
            })
            .await;

            pulse.break_worker(worker, false);
            panics?;
        }

        until("all who panicked are at work again", async || {
            Ok(pulse.late().is_empty().then_some(()))
        })
        .await?;

        self.strikes.panics += pulse.panics();
        gateway.close().await;
        Ok(())
    }

    async fn take_over(&self) -> anyhow::Result<Gateway> {
        let (ground, surroundings) = (&self.house.ground, self.house.ground.surroundings());
        let file = config::load(&ground.config, &surroundings)?;
        let ground = reload::Env {
            file: Some(ground.config.clone()),
            surroundings,
            node: "the campaign".to_owned(),
        };

        let store = Store::open(&self.database.options(), 4, 8);
        store.check().await?;
        let clock = store.clock();
        let house = App::start(store, file, ground, clock).await?;

        let roles = Roles {
            api: None,
            console: None,
            workers: true,
            drain: Some(DRAIN),
        };

        let gateway = Gateway::open(house, roles, None).await?;

        until("the panels are taken over", async || {
            let epochs = self.database.epochs().await?;
            let delivery = &gateway.house().delivery;
            let holds = epochs
                .iter()
                .all(|(panel, epoch)| delivery.holds(&ProviderId(panel.clone()), *epoch));
            Ok(holds.then_some(()))
        })
        .await?;

        Ok(gateway)
    }

    /// Waits until somebody was told of logs that fail, where enough gateways had one.
    pub async fn hear_of_logs(&self) -> anyhow::Result<()> {
        if self.strikes.without_log < WITHOUT_LOG_MIN {
            return Ok(());
        }

        self.is_told_again("raised log_lost", 0)
            .await
            .context("logs that fail")
    }
}

/// Connections that say nothing, from many addresses. The gateway may be gone, or close some.
async fn besiege(addr: SocketAddr) -> Vec<TcpStream> {
    let mut idle = Vec::new();
    for last in 1..=CROWD_ADDRESSES {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
        for _ in 0..CROWD_CONNECTIONS {
            let Ok(socket) = TcpSocket::new_v4() else {
                return idle;
            };

            if socket.bind(SocketAddr::new(from, 0)).is_ok()
                && let Ok(stream) = socket.connect(addr).await
            {
                idle.push(stream);
            }
        }
    }

    idle
}
