//! Customers: they buy with a `request_id` and ask again until they are answered, hang up out of
//! impatience, and buy without one and never ask again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::evidence::Answer;
use crate::nodes::{Address, Nodes};
use crate::plan::{Chance, Plan, Wish};
use crate::{LOOK_EVERY, PATIENCE};

/// Clients that ask at the same time.
const CLIENTS: u64 = 12;
/// How long a patient client waits for an answer: a little more than the gateway takes at most.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Of so many asks one hangs up within this many milliseconds, to ask again elsewhere while its
/// first is under way.
const IMPATIENT_ONE_IN: u64 = 4;
const IMPATIENT_MS_MAX: u64 = 40;
/// Answers by which the gateway says that it cannot say.
const NO_ANSWER: [u16; 3] = [429, 500, 503];

/// A customer as its clients know it.
#[derive(Clone)]
pub struct Customer {
    pub id: i64,
    pub key: String,
}

/// What one ask came to.
pub enum Heard {
    /// The exact body of a good answer, read.
    Said(String, Value),
    /// An answer that nothing of what happens here justifies.
    Wrong(String),
    /// No connection, no answer, or the word that there is none now.
    Nothing,
}

/// Counts for the table.
#[derive(Default)]
pub struct Counts {
    pub asks: u64,
    pub hang_ups: u64,
    pub without_request_id: u64,
    pub never_answered: u64,
}

/// What all clients tell when they are done.
#[derive(Default)]
pub struct Told {
    pub answers: BTreeMap<usize, Answer>,
    pub complaints: Vec<String>,
    pub counts: Counts,
}

pub struct Clients {
    tasks: JoinSet<anyhow::Result<Told>>,
}

impl Clients {
    /// Starts them all. Wishes are let go in step with the strikes, so that every strike finds
    /// customers at the door.
    pub fn start(
        plan: &Plan,
        nodes: &Nodes,
        customers: &[Customer],
        asks: Arc<AtomicU64>,
        events_done: &watch::Receiver<usize>,
    ) -> anyhow::Result<Self> {
        let wishes = Arc::new(plan.wishes());
        let next = Arc::new(AtomicU32::new(0));
        let http = http()?;
        let mut tasks = JoinSet::new();

        for n in 0..CLIENTS {
            let client = Client {
                http: http.clone(),
                wishes: wishes.clone(),
                next: next.clone(),
                customers: customers.to_vec(),
                addresses: nodes.addresses.clone(),
                asks: asks.clone(),
                events: plan.strikes().len(),
                events_done: events_done.clone(),
                chance: Chance::of(plan.seed, 100 + n),
                told: Told::default(),
            };

            tasks.spawn(client.buy_all());
        }

        Ok(Self { tasks })
    }

    /// Waits for all of them.
    pub async fn join(mut self) -> anyhow::Result<Told> {
        let mut all = Told::default();
        while let Some(told) = self.tasks.join_next().await {
            let told = told??;
            all.answers.extend(told.answers);
            all.complaints.extend(told.complaints);
            all.counts.asks += told.counts.asks;
            all.counts.hang_ups += told.counts.hang_ups;
            all.counts.without_request_id += told.counts.without_request_id;

            all.counts.never_answered += told.counts.never_answered;
        }

        Ok(all)
    }
}

/// A client without a memory of connections: a killed gateway's are gone, and nothing may be sent
/// twice behind our back.
pub fn http() -> anyhow::Result<reqwest::Client> {
    // Whoever comes first installs it; the client wants one although nothing here speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?)
}

/// Posts a form, once.
pub async fn ask(
    http: &reqwest::Client,
    url: &str,
    fields: &[(&str, &str)],
    patience: Duration,
) -> anyhow::Result<Heard> {
    let body = serde_urlencoded::to_string(fields)?;
    let form = http
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);

    let Ok(response) = form.timeout(patience).send().await else {
        return Ok(Heard::Nothing);
    };

    let status = response.status().as_u16();
    let Ok(text) = response.text().await else {
        return Ok(Heard::Nothing);
    };

    if NO_ANSWER.contains(&status) {
        return Ok(Heard::Nothing);
    }

    Ok(match serde_json::from_str::<Value>(&text) {
        Ok(said) if status == 200 && said["error"].is_null() => Heard::Said(text, said),
        Ok(_) | Err(_) => Heard::Wrong(format!("{status} {text}")),
    })
}

/// The form of a wish.
pub fn form<'a>(wish: &'a Wish, key: &'a str, numbers: &'a [String; 2]) -> Vec<(&'a str, &'a str)> {
    let [service, quantity] = numbers;
    let mut fields = vec![
        ("key", key),
        ("action", "add"),
        ("service", service),
        ("link", &wish.link),
    ];

    if !wish.service.package {
        fields.push(("quantity", quantity));
    }

    fields.extend(wish.request_id.as_deref().map(|id| ("request_id", id)));
    fields
}

/// A wish's service and quantity as text.
pub fn numbers(wish: &Wish) -> [String; 2] {
    [wish.service.id.to_string(), wish.units.to_string()]
}

struct Client {
    http: reqwest::Client,
    wishes: Arc<Vec<Wish>>,
    next: Arc<AtomicU32>,
    customers: Vec<Customer>,
    addresses: Vec<Address>,
    asks: Arc<AtomicU64>,
    events: usize,
    events_done: watch::Receiver<usize>,
    chance: Chance,
    told: Told,
}

impl Client {
    async fn buy_all(mut self) -> anyhow::Result<Told> {
        let wishes = self.wishes.clone();
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(wish) = wishes.get(n) else {
                return Ok(self.told);
            };

            let due = n * self.events / wishes.len();
            self.events_done
                .wait_for(|done| *done >= due)
                .await
                .context("the killer is gone")?;

            match &wish.request_id {
                Some(_) => self.buy_surely(n, wish).await?,
                None => self.buy_once(n, wish).await?,
            }
        }
    }

    async fn buy_surely(&mut self, n: usize, wish: &Wish) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        while began.elapsed() < PATIENCE {
            looks.tick().await;
            let impatient = self.chance.one_in(IMPATIENT_ONE_IN);
            let patience = if impatient {
                Duration::from_millis(1 + self.chance.below(IMPATIENT_MS_MAX))
            } else {
                ANSWER_MAX
            };

            match self.add(wish, patience).await? {
                Some(Heard::Nothing) if impatient => self.told.counts.hang_ups += 1,
                None | Some(Heard::Nothing) => {}
                Some(heard) => {
                    self.note(n, heard);
                    return Ok(());
                }
            }
        }

        self.told.complaints.push(format!(
            "wish {n} was not answered within {} s",
            PATIENCE.as_secs()
        ));

        Ok(())
    }

    /// Once a request was sent nothing is asked again: the order may exist or not.
    async fn buy_once(&mut self, n: usize, wish: &Wish) -> anyhow::Result<()> {
        self.told.counts.without_request_id += 1;
        let began = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);

        while began.elapsed() < PATIENCE {
            looks.tick().await;
            match self.add(wish, ANSWER_MAX).await? {
                None => {}
                Some(Heard::Nothing) => break,
                Some(heard) => {
                    self.note(n, heard);
                    return Ok(());
                }
            }
        }

        self.told.counts.never_answered += 1;
        Ok(())
    }

    /// Asks one of the gateways by chance; `None`: it is not up, and nothing was sent.
    async fn add(&mut self, wish: &Wish, patience: Duration) -> anyhow::Result<Option<Heard>> {
        let node = usize::try_from(self.chance.below(self.addresses.len() as u64))?;
        let address = self.addresses[node]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();

        let Some(url) = address else { return Ok(None) };
        self.asks.fetch_add(1, Ordering::Relaxed);
        self.told.counts.asks += 1;
        let key = self.customers[wish.customer].key.clone();

        Ok(Some(
            ask(
                &self.http,
                &url,
                &form(wish, &key, &numbers(wish)),
                patience,
            )
            .await?,
        ))
    }

    fn note(&mut self, n: usize, heard: Heard) {
        match heard {
            Heard::Said(bytes, said) => match said["order"]
                .as_i64()
                .and_then(|order| i32::try_from(order).ok())
            {
                Some(order) => drop(self.told.answers.insert(
                    n,
                    Answer {
                        order,
                        bytes,
                        replayed: None,
                    },
                )),

                None => self
                    .told
                    .complaints
                    .push(format!("wish {n} was answered without an order: {bytes}")),
            },
            Heard::Wrong(text) => self
                .told
                .complaints
                .push(format!("wish {n} was refused: {text}")),
            Heard::Nothing => {}
        }
    }
}
