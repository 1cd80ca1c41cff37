//! A panel that says exactly what a test tells it to: a few lines of HTTP, one answer per
//! connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use panelgate::domain::clock::HandClock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::world::{Plan, World};

/// The service that is counted in units, and the one that is a package.
const SERVICES: &str = r#"[
    {"service":"1","name":"Units","type":"Default","category":"C","rate":"0.90","min":"10","max":"1000",
     "refill":true,"cancel":true},
    {"service":"2","name":"Package","type":"Package","category":"C","rate":"1.50","min":"1","max":"1"}
]"#;

/// To what it does not know.
const INCORRECT: &str = r#"{"error":"Incorrect request"}"#;

/// An HTTP status and a body for what is asked, where it is said otherwise than by the rest of the
/// script.
pub type Says = Arc<dyn Fn(&BTreeMap<String, String>) -> Option<(u16, String)> + Send + Sync>;

/// What the panel says.
#[derive(Clone)]
pub struct Script {
    /// To anything, before the rest is looked at.
    pub says: Option<Says>,
    /// To `services`.
    pub services: String,
    /// To `services` with an `offset`.
    pub further: String,
    /// To `balance`.
    pub balance: String,
    /// To `add`; `None` is an id that it never gave before.
    pub add: Option<String>,
    /// To `status`: this row, whatever order is asked about.
    pub row: String,
    /// To `cancel`, to `refill` and to `refill_status`.
    pub cancel: String,
    pub refill: String,
    pub refill_status: String,
    /// Status answers wait until so many are asked for.
    pub together: Option<Arc<Barrier>>,
    /// Every answer takes so many seconds of this clock.
    slow: Option<(Arc<HandClock>, i64)>,
    /// Answers to this action are held back.
    held: Option<(&'static str, Arc<Held>)>,
}

/// Answers that a panel has ready and holds back, until a test lets them go.
pub struct Held {
    asked: Semaphore,
    let_go: Semaphore,
}

impl Held {
    /// Waits until the panel has been asked once more.
    pub async fn asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }

    /// Lets one answer go.
    pub fn let_go(&self) {
        self.let_go.add_permits(1);
    }

    async fn hold(&self) {
        self.asked.add_permits(1);
        self.let_go.acquire().await.unwrap().forget();
    }
}

struct Inner {
    script: Script,
    /// Calls that it has not answered yet, and the most that there ever were.
    under_way: usize,
    at_once_max: usize,
    requests: BTreeMap<String, usize>,
    /// The orders of each status question.
    status_asked: Vec<String>,
    next: u32,
}

/// A running one; it ends when it is dropped.
pub struct Scripted {
    addr: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _stop: DropGuard,
}

impl Scripted {
    /// Takes every order, and says this row of each.
    pub async fn saying(row: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();

        let script = Script {
            says: None,
            services: SERVICES.to_owned(),
            further: "[]".to_owned(),
            balance: r#"{"balance":"1000.00","currency":"USD"}"#.to_owned(),
            add: None,
            row: row.to_owned(),
            cancel: INCORRECT.to_owned(),
            refill: INCORRECT.to_owned(),
            refill_status: INCORRECT.to_owned(),
            together: None,
            slow: None,
            held: None,
        };

        let inner = Arc::new(Mutex::new(Inner {
            script,
            under_way: 0,
            at_once_max: 0,
            requests: BTreeMap::new(),
            status_asked: Vec::new(),
            next: 500,
        }));

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answering, served) = (tasks.clone(), inner.clone());

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answering.spawn(answer(stream, served.clone()));
            }
        }));

        Self {
            addr,
            inner,
            _stop: stop.drop_guard(),
        }
    }

    /// A world that sells only this panel's services.
    pub async fn world(&self) -> World {
        self.world_with("").await
    }

    /// The same, with more lines in the panel's block.
    pub async fn world_with(&self, block: &str) -> World {
        self.world_of("USD", block, "").await
    }

    /// A world that sells what this panel bills in another currency.
    pub async fn world_in(&self, currency: &str, exchange: &str) -> World {
        self.world_of(currency, "", exchange).await
    }

    async fn world_of(&self, currency: &str, block: &str, exchange: &str) -> World {
        let services = format!(
            "{exchange}{}{block}[[service]]\nid = 1\nroutes = [{{ provider = \"s\", service = \
             \"1\" }}]\n[[service]]\nid = 2\nroutes = [{{ provider = \"s\", service = \"2\" }}]\n",
            self.block_in(currency)
        );

        World::build(Plan {
            panels: Vec::new(),
            services,
            ..Plan::default()
        })
        .await
    }

    /// The panel's block in the file, open for more lines.
    pub fn block(&self) -> String {
        self.block_in("USD")
    }

    fn block_in(&self, currency: &str) -> String {
        format!(
            "[[provider]]\nid = \"s\"\ndialect = \"classic\"\nurl = \"http://{}/api/v2\"\nkey_env \
             = \"PANEL_KEY\"\ncurrency = \"{currency}\"\nrequests_per_second = \
             1000\nstatus_every_s = 10\n",
            self.addr
        )
    }

    /// Holds its answers to an action back from now on.
    pub fn hold(&self, action: &'static str) -> Arc<Held> {
        let held = Arc::new(Held {
            asked: Semaphore::new(0),
            let_go: Semaphore::new(0),
        });

        self.change(|script| script.held = Some((action, held.clone())));
        held
    }

    /// Takes so many seconds of this clock for every answer from now on, or none.
    pub fn slow(&self, slow: Option<(Arc<HandClock>, i64)>) {
        self.change(|script| script.slow = slow);
    }

    /// Holds nothing back any more of what it is asked from now on.
    pub fn hold_nothing(&self) {
        self.change(|script| script.held = None);
    }

    /// Says something else from now on.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.inner.lock().unwrap().script);
    }

    /// The most calls that it had not answered yet, at any time.
    pub fn at_once_max(&self) -> usize {
        self.inner.lock().unwrap().at_once_max
    }

    /// Says what this makes of each question from now on, where it makes anything of it.
    pub fn say(
        &self,
        says: impl Fn(&BTreeMap<String, String>) -> Option<(u16, String)> + Send + Sync + 'static,
    ) {
        self.change(|script| script.says = Some(Arc::new(says)));
    }

    /// The ids in each status question since this was asked last.
    pub fn status_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().status_asked)
    }

    /// How often it was asked for an action.
    pub fn requests(&self, action: &str) -> usize {
        self.inner
            .lock()
            .unwrap()
            .requests
            .get(action)
            .copied()
            .unwrap_or(0)
    }
}

async fn answer(mut stream: TcpStream, inner: Arc<Mutex<Inner>>) {
    let Some(form) = form(&mut stream).await else {
        return;
    };

    let action = form.get("action").cloned().unwrap_or_default();
    let script = {
        let mut inner = inner.lock().unwrap();
        *inner.requests.entry(action.clone()).or_default() += 1;
        if action == "status" {
            let asked = form
                .get("orders")
                .or_else(|| form.get("order"))
                .cloned()
                .unwrap_or_default();

            inner.status_asked.push(asked);
        }
        inner.under_way += 1;
        inner.at_once_max = inner.at_once_max.max(inner.under_way);
        inner.script.clone()
    };

    if let Some((_, held)) = script.held.filter(|(of, _)| *of == action) {
        held.hold().await;
    }

    if let Some((clock, seconds)) = script.slow {
        clock.turn(TimeDelta::seconds(seconds));
    }

    let said = script.says.as_ref().and_then(|says| says(&form));
    let (http_status, said) = said.map_or((200, None), |(status, body)| (status, Some(body)));

    let body = match action.as_str() {
        _ if said.is_some() => said.unwrap_or_default(),
        "services" if form.contains_key("offset") => script.further,
        "services" => script.services,
        "balance" => script.balance,
        "add" => script.add.unwrap_or_else(|| {
            let mut inner = inner.lock().unwrap();
            inner.next += 1;
            format!(r#"{{"order":{}}}"#, inner.next)
        }),
        "status" => {
            if let Some(barrier) = script.together {
                barrier.wait().await;
            }
            rows(&form, &script.row)
        }
        "cancel" => script.cancel,
        "refill" => script.refill,
        "refill_status" => script.refill_status,
        _ => INCORRECT.to_owned(),
    };

    // Before the answer leaves: whoever has it may ask again at once.
    inner.lock().unwrap().under_way -= 1;
    let head = "Said\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
    let answer = format!("HTTP/1.1 {http_status} {head} {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn rows(form: &BTreeMap<String, String>, row: &str) -> String {
    let Some(orders) = form.get("orders") else {
        return row.to_owned();
    };

    let rows: Vec<_> = orders
        .split(',')
        .map(|id| format!("\"{id}\":{row}"))
        .collect();

    format!("{{{}}}", rows.join(","))
}

/// The form of one request; `None` when whoever asked hung up before its end.
pub async fn form(stream: &mut (impl AsyncRead + Unpin)) -> Option<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"));

            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return Some(
                    form_urlencoded::parse(body.as_bytes())
                        .into_owned()
                        .collect(),
                );
            }
        }

        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
