//! A panel that closes connections that rest, at the worst moment: when the next request is on its
//! way. A question may be asked again; an order that met such a connection would be in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panelgate::domain::id::PanelOrder;
use panelgate::domain::leg::Verdict;
use panelgate::upstream::Panel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::scripted::form;
use crate::wire::{add, panel};

/// Longer than anything that is answered here takes.
const PATIENT_MS: u64 = 20_000;

/// Orders, each behind a question that leaves a connection resting.
const ORDERS: usize = 30;

/// A panel whose connections live for one answer, and are reset by whatever comes after it.
struct Impatient {
    port: u16,
    adds: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl Impatient {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let adds = Arc::new(AtomicUsize::new(0));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (answering, counted) = (tasks.clone(), adds.clone());

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answering.spawn(answer(stream, counted.clone()));
            }
        }));

        Self {
            port,
            adds,
            _stop: stop.drop_guard(),
        }
    }

    fn panel(&self) -> Panel {
        panel(format!("http://127.0.0.1:{}/api/v2", self.port), PATIENT_MS)
    }
}

async fn answer(mut stream: TcpStream, adds: Arc<AtomicUsize>) {
    let Some(form) = form(&mut stream).await else {
        return;
    };

    let body = match form["action"].as_str() {
        "add" => format!("{{\"order\":{}}}", adds.fetch_add(1, Ordering::SeqCst) + 1),
        _ => r#"{"balance":"7","currency":"USD"}"#.to_owned(),
    };

    // It says that it keeps the connection.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: keep-alive\r\n";
    let answer = format!(
        "{head}keep-alive: timeout=5\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );

    stream.write_all(answer.as_bytes()).await.unwrap();

    // Whatever comes over it again is met by a reset, unread.
    if stream.readable().await.is_ok() && stream.read_u8().await.is_ok() {
        stream.set_zero_linger().unwrap();
    }
}

#[tokio::test]
async fn a_panel_that_closes_resting_connections_leaves_no_order_in_doubt() {
    let impatient = Impatient::start().await;
    let panel = impatient.panel();

    for order in 1..=ORDERS {
        // It may meet the connection that rested, and is no order.
        let _ = panel.balance().await;
        let verdict = add(&panel).await.verdict;
        assert_eq!(verdict, Verdict::Accepted(PanelOrder(order.to_string())));
    }

    assert_eq!(impatient.adds.load(Ordering::SeqCst), ORDERS, "each once");
}
