//! A panel of which the test decides every answer, and which remembers what it really took.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::scripted::form;

/// The first id that it gives.
const FIRST_ID: u64 = 501;

/// What it does with the next `add`.
#[derive(Clone, Debug)]
pub struct Add {
    /// Whether it takes the order.
    pub places: bool,
    /// HTTP status and body, where `$id` stands for the order's id; without it the connection
    /// ends.
    pub says: Option<(u16, String)>,
}

/// What it remembers, and what it will say.
pub struct Memory {
    /// To the next `add`.
    pub next: Add,
    /// Links and ids of what it really has, in the order of their ids.
    pub placed: Vec<(String, u64)>,
    /// Calls of `add`.
    pub adds: usize,
    /// To `status`, by id; whatever else is asked about is none of ours.
    pub rows: BTreeMap<String, Option<String>>,
    /// Ids that it was asked about.
    pub asked: Vec<String>,
}

impl Memory {
    fn new() -> Self {
        let next = Add {
            places: false,
            says: None,
        };

        Self {
            next,
            placed: Vec::new(),
            adds: 0,
            rows: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// Takes an order.
    pub fn place(&mut self, link: &str) -> u64 {
        let id = self.placed.last().map_or(FIRST_ID, |(_, last)| last + 1);
        self.placed.push((link.to_owned(), id));
        id
    }

    /// The ids of what it has for a link.
    pub fn placed_for(&self, link: &str) -> Vec<u64> {
        self.placed
            .iter()
            .filter(|(placed, _)| placed == link)
            .map(|(_, id)| *id)
            .collect()
    }

    fn add(&mut self, link: &str) -> Option<(u16, String)> {
        self.adds += 1;
        let id = if self.next.places {
            self.place(link)
        } else {
            0
        };

        self.next
            .says
            .clone()
            .map(|(status, body)| (status, body.replace("$id", &id.to_string())))
    }

    fn status(&mut self, form: &BTreeMap<String, String>) -> String {
        if let Some(id) = form.get("order") {
            return self.row(id).unwrap_or_else(|| "{}".to_owned());
        }

        let ids = form.get("orders").cloned().unwrap_or_default();
        let rows = ids
            .split(',')
            .filter_map(|id| Some(format!("\"{id}\":{}", self.row(id)?)));

        format!("{{{}}}", rows.collect::<Vec<_>>().join(","))
    }

    fn row(&mut self, id: &str) -> Option<String> {
        self.asked.push(id.to_owned());
        self.rows
            .get(id)
            .cloned()
            .unwrap_or_else(|| Some(r#"{"error":"Incorrect order ID"}"#.to_owned()))
    }
}

/// A running one.
pub struct Panel {
    pub addr: SocketAddr,
    services: String,
    memory: Mutex<Memory>,
}

impl Panel {
    /// Sells these services, until the guard is dropped.
    pub async fn start(services: &str) -> (Arc<Self>, DropGuard) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let panel = Arc::new(Self {
            addr,
            services: services.to_owned(),
            memory: Mutex::new(Memory::new()),
        });

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answering, served) = (tasks.clone(), panel.clone());

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answering.spawn(answer(stream, served.clone()));
            }
        }));

        (panel, stop.drop_guard())
    }

    /// What it remembers; a failed history may have died with it in its hands.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything.
    pub fn forget(&self) {
        *self.memory() = Memory::new();
    }
}

async fn answer(mut stream: TcpStream, panel: Arc<Panel>) {
    let Some(form) = form(&mut stream).await else {
        return;
    };

    let word = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let said = match word("action") {
        "services" => Some((200, panel.services.clone())),
        "balance" => Some((200, r#"{"balance":"1000000","currency":"USD"}"#.to_owned())),
        "add" => panel.memory().add(word("link")),
        "status" => Some((200, panel.memory().status(&form))),
        _ => Some((200, r#"{"error":"Incorrect request"}"#.to_owned())),
    };

    let Some((status, body)) = said else { return };
    let head = "content-type: application/json\r\nconnection: close\r\ncontent-length:";
    let _ = stream
        .write_all(format!("HTTP/1.1 {status} .\r\n{head} {}\r\n\r\n{body}", body.len()).as_bytes())
        .await;
}
