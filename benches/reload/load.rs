//! Customers who ask at a steady pace, whatever the gateway does meanwhile: an answer is late from
//! when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::ground::{CLIENTS, Ground};

/// Each client asks so often; eight of them make 400 requests a second.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Of so many requests of a client one asks for the whole catalog, and two buy.
const ROUND: usize = 20;
/// A client that waits longer gives up, and the request failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A request and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// What was asked.
    pub action: &'static str,
    /// When it was to be sent.
    pub due: Instant,
    /// When it was answered whole.
    pub done: Instant,
    /// Whether it was answered as it should be.
    pub good: bool,
    /// Whether an order was made.
    pub bought: bool,
}

/// Customers at work.
pub struct Load {
    runtime: Arc<Runtime>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Answer>>,
}

/// A client of HTTP.
pub fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
}

impl Load {
    /// Every customer begins to ask.
    pub fn begin(ground: &Ground, url: String) -> Self {
        let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for (n, key) in ground.keys.iter().enumerate() {
            let client = ask(n, url.clone(), key.clone(), stop.clone());
            clients.spawn_on(client, ground.outside.handle());
        }

        Self {
            runtime: ground.outside.clone(),
            stop,
            clients,
        }
    }

    /// They stop; what they were answered.
    pub fn end(self) -> Vec<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        self.runtime
            .block_on(self.clients.join_all())
            .into_iter()
            .flatten()
            .collect()
    }
}

async fn ask(client: usize, url: String, key: String, stop: Arc<AtomicBool>) -> Vec<Answer> {
    let http = self::client().expect("a client without TLS can be made");
    let (mut answers, mut order) = (Vec::new(), String::from("1"));
    let began = Instant::now()
        + ASK_EVERY * u32::try_from(client).unwrap_or(0) / u32::try_from(CLIENTS).unwrap_or(1);

    for n in 0_u32.. {
        let due = began + ASK_EVERY * n;
        tokio::time::sleep_until(due.into()).await;

        if stop.load(Ordering::Relaxed) {
            break;
        }

        let link = format!("https://example.org/{client}/{n}");
        let add: &[(&str, &str)] = &[
            ("action", "add"),
            ("service", "1"),
            ("link", &link),
            ("quantity", "10"),
        ];

        let action = match (usize::try_from(n).unwrap_or(0) + client) % ROUND {
            0 => "services",
            1 | 11 => "add",
            n if n % 2 == 0 => "balance",
            _ => "status",
        };

        let fields = match action {
            "add" => add.to_vec(),
            "status" => vec![("action", "status"), ("order", &*order)],
            _ => vec![("action", action)],
        };

        let body = serde_urlencoded::to_string([&fields[..], &[("key", &key)]].concat())
            .unwrap_or_default();

        let sent = http
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await;

        let text = match sent {
            Ok(response) if response.status().is_success() => {
                response.text().await.unwrap_or_default()
            }
            Ok(_) | Err(_) => String::new(),
        };

        let id = text
            .strip_prefix("{\"order\":")
            .and_then(|rest| rest.strip_suffix('}'));

        let bought = action == "add" && id.is_some();

        // Before a customer's first order there is none to ask for, and the answer says so.
        let good = match action {
            "add" => bought,
            "status" => text.contains("\"status\"") || order == "1",
            _ => !text.is_empty() && !text.contains("\"error\""),
        };

        answers.push(Answer {
            action,
            due,
            done: Instant::now(),
            good,
            bought,
        });

        if let Some(id) = id {
            id.clone_into(&mut order);
        }
    }

    answers
}
