//! An operator's receiver of alerts: takes messages, refuses them, keeps silent, or is away; and
//! checks every signature with somebody else's implementation.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "two programs of tests share it, each in part"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use panelgate::webhooks::{Secret, Webhook};
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long a message may take; the silent receiver costs a test this long.
const TIMEOUT: Duration = Duration::from_millis(500);

/// How it receives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Takes,
    Answers(u16),
    Hangs,
}

/// A message as it came, whatever was answered.
#[derive(Clone)]
pub struct Heard {
    pub headers: http::HeaderMap,
    pub text: String,
    pub body: Value,
    pub taken: bool,
}

impl Heard {
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    /// `raised kind object` or `over kind object`.
    pub fn shown(&self) -> String {
        let said = |field: &str| self.body[field].as_str().unwrap().to_owned();
        format!(
            "{} {} {}",
            said("type").trim_start_matches("alert."),
            said("kind"),
            said("object")
        )
    }
}

struct Inner {
    manner: Manner,
    heard: Vec<Heard>,
}

/// A running one; it ends when it is dropped.
pub struct Receiver {
    addr: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _stop: DropGuard,
}

impl Receiver {
    pub async fn start(manner: Manner) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), manner).await
    }

    pub async fn at(addr: SocketAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner {
            manner,
            heard: Vec::new(),
        }));

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answering, served) = (tasks.clone(), inner.clone());

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answering.spawn(receive(stream, served.clone()));
            }
        }));

        Self {
            addr,
            inner,
            _stop: stop.drop_guard(),
        }
    }

    pub fn change(&self, manner: Manner) {
        self.inner.lock().unwrap().manner = manner;
    }

    /// Everything that came, taken or not.
    pub fn heard(&self) -> Vec<Heard> {
        self.inner.lock().unwrap().heard.clone()
    }

    /// What was taken, in order.
    pub fn taken(&self) -> Vec<String> {
        self.heard()
            .iter()
            .filter(|heard| heard.taken)
            .map(Heard::shown)
            .collect()
    }

    /// Where it is, as an operator writes it.
    pub fn url(&self) -> String {
        url_of(self.addr)
    }

    pub fn webhook(&self) -> Webhook {
        webhook(self.addr)
    }
}

/// An address where nobody listens.
pub async fn away() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

fn url_of(addr: SocketAddr) -> String {
    format!("http://{addr}/a-path-that-only-friends-know")
}

/// The way to a receiver.
pub fn webhook(addr: SocketAddr) -> Webhook {
    let url = SecretString::from(url_of(addr));
    Webhook::new(&url, Some(Secret::read(SECRET).unwrap()), TIMEOUT).unwrap()
}

async fn receive(mut stream: TcpStream, inner: Arc<Mutex<Inner>>) {
    let Some((headers, text)) = request(&mut stream).await else {
        return;
    };

    let header = |name: &str| headers[name].to_str().unwrap();
    let at = header("webhook-timestamp").parse().unwrap();
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();

    // Without its look at the time, for tests turn their clocks.
    let expected = verifier
        .sign(header("webhook-id"), at, text.as_bytes())
        .unwrap();

    assert_eq!(header("webhook-signature"), expected);
    let manner = {
        let mut inner = inner.lock().unwrap();
        let body = serde_json::from_str(&text).unwrap();
        let taken = inner.manner == Manner::Takes;
        inner.heard.push(Heard {
            headers,
            text,
            body,
            taken,
        });
        inner.manner
    };

    let status = match manner {
        Manner::Takes => 204,
        Manner::Answers(status) => status,
        Manner::Hangs => return std::future::pending().await,
    };

    // Whoever followed it would be heard twice.
    let location = "location: /a-path-that-only-friends-know\r\n";
    let head = format!(
        "HTTP/1.1 {status} Said\r\n{location}connection: close\r\ncontent-length: 0\r\n\r\n"
    );

    let _ = stream.write_all(head.as_bytes()).await;
}

/// One request's headers and body; `None` when whoever asked hung up before its end.
async fn request(stream: &mut TcpStream) -> Option<(http::HeaderMap, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let fields = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "));

            let headers: http::HeaderMap = fields
                .map(|(name, value)| {
                    (
                        name.parse::<http::HeaderName>().unwrap(),
                        value.parse().unwrap(),
                    )
                })
                .collect();

            if body.len() >= headers["content-length"].to_str().unwrap().parse().unwrap() {
                assert!(
                    head.starts_with("POST /a-path-that-only-friends-know HTTP/1.1"),
                    "{head}"
                );
                return Some((headers, body.to_owned()));
            }
        }

        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
