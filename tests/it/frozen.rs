//! A node that stands still (stopped by a signal, a debugger, a host that pauses) loses its leases
//! without knowing it. What it was about to send when it stopped must not leave when it goes on:
//! others have decided by then.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::books::read;
use crate::node::{Ground, PANEL_KEY, until};
use crate::scripted::form;
use panel_sim::{Settings, Simulator, SystemClock};

const CA: &str = include_str!("tls/ca.pem");
const CERTIFICATE: &str = include_str!("tls/panel.pem");
const CERTIFICATE_KEY: &str = include_str!("tls/key.pem");

/// A panel over TLS that can hold its handshakes back; it knows what changes something and has
/// heard it whole.
struct Encrypted {
    port: u16,
    hold: watch::Sender<bool>,
    /// Connections that were held back and have not ended.
    held: watch::Receiver<usize>,
    heard: watch::Receiver<Vec<String>>,
    _stop: DropGuard,
}

impl Encrypted {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();

        let acceptor = TlsAcceptor::from(Arc::new(
            builder
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap(),
        ));

        let (hold, holding) = watch::channel(false);
        let (count, counted) = watch::channel(0);
        let (tell, heard) = watch::channel(Vec::new());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let answering = tasks.clone();

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let one = One {
                    acceptor: acceptor.clone(),
                    holding: holding.clone(),
                    count: count.clone(),
                    tell: tell.clone(),
                };

                answering.spawn(one.answer(stream));
            }
        }));

        Self {
            port,
            hold,
            held: counted,
            heard,
            _stop: stop.drop_guard(),
        }
    }

    fn block(&self, ca_file: &str) -> String {
        format!(
            "[[provider]]\nid = \"first\"\nurl = \"https://127.0.0.1:{}/api/v2\"\nca_file = \
             \"{ca_file}\"\nkey_env = \"PANEL_KEY\"\ncurrency = \"USD\"\nstatus_every_s = 1\n",
            self.port
        )
    }

    /// What it heard of these actions.
    fn heard(&self, action: &str) -> usize {
        self.heard
            .borrow()
            .iter()
            .filter(|heard| *heard == action)
            .count()
    }
}

/// One connection.
struct One {
    acceptor: TlsAcceptor,
    holding: watch::Receiver<bool>,
    count: watch::Sender<usize>,
    tell: watch::Sender<Vec<String>>,
}

impl One {
    async fn answer(mut self, stream: TcpStream) {
        let is_held = *self.holding.borrow();
        self.count.send_modify(|held| *held += usize::from(is_held));
        let _ = self.holding.wait_for(|hold| !hold).await;

        self.serve(stream).await;
        self.count.send_modify(|held| *held -= usize::from(is_held));
    }

    async fn serve(&self, stream: TcpStream) {
        let Ok(mut stream) = self.acceptor.accept(stream).await else {
            return;
        };

        let Some(form) = form(&mut stream).await else {
            return;
        };

        let action = form["action"].clone();
        self.tell.send_modify(|heard| heard.push(action.clone()));

        let body = match action.as_str() {
            "services" => {
                r#"[{"service":"1","name":"Followers","type":"Default","category":"C","rate":"0.90","min":"1","max":"9999","refill":true,"cancel":true}]"#
            }
            "balance" => r#"{"balance":"1000","currency":"USD"}"#,
            "add" => r#"{"order":777}"#,
            "status" => {
                r#"{"charge":"0.09","start_count":"0","status":"Completed","remains":"0","currency":"USD"}"#
            }
            "refill" => r#"{"refill":"7"}"#,
            _ => r#"{"error":"Incorrect request"}"#,
        };

        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: \
                    close\r\ncontent-length:";
        let _ = stream
            .write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes())
            .await;

        let _ = stream.shutdown().await;
    }
}

/// A ground whose service goes to the encrypted panel first and to a simulated one next.
async fn ground(first: &Encrypted) -> (Ground, Simulator) {
    let settings = Settings {
        key: PANEL_KEY.to_owned(),
        ..crate::world::panel_settings(1, "", 0)
    };

    let second = Simulator::start(settings, Arc::new(SystemClock))
        .await
        .unwrap();

    let text = format!(
        "[gateway]\ncurrency = \"USD\"\n{}[[provider]]\nid = \"second\"\nurl = \"{}\"\nkey_env = \
         \"PANEL_KEY\"\ncurrency = \"USD\"\nstatus_every_s = 1\n[[service]]\nid = 1\nrate = \
         \"2\"\nrefill = true\nroutes = [\n{{ provider = \"first\", service = \"1\" }},\n{{ \
         provider = \"second\", service = \"1\" }}]\n",
        first.block("ca.pem"),
        second.url()
    );

    let ground = Ground::new(&text).await;
    std::fs::write(ground.folder.path().join("ca.pem"), CA).unwrap();
    (ground, second)
}

#[tokio::test]
async fn an_order_that_was_decided_meanwhile_does_not_leave_a_node_that_goes_on() {
    let mut first = Encrypted::start().await;
    let (ground, second) = ground(&first).await;
    let sleeper = ground.node().await;
    let other = ground.node().await;

    // The sleeper holds the panel; it is stopped while it shakes hands for an order that is marked
    // as being sent.
    first.hold.send_replace(true);
    let order = sleeper.buy(&ground.key, "https://example.org/1").await;
    let state = "select coalesce(string_agg(state, ' '), '') from leg";
    until("the order is being sent", async || {
        read(&ground.database, state).await == "sending"
    })
    .await;

    first.held.wait_for(|held| *held > 0).await.unwrap();
    sleeper.freeze();

    // The other node takes the panel over and finds the order in doubt; a person says that the
    // panel does not have it.
    until("the order is in doubt", async || {
        read(&ground.database, state).await == "in_doubt"
    })
    .await;

    let words = [
        "order",
        "resolve",
        &order,
        "not-placed",
        "--reason",
        "looked there, nothing",
    ];

    let (code, _, said) = ground.run(&words).await;
    assert!(
        code == Some(1) && said.contains("say the same once more"),
        "{said}"
    );

    ground.json(&words).await;
    until("the second panel has it", async || {
        second.orders().len() == 1
    })
    .await;

    // The sleeper goes on, and the panel would take what it has to say: every connection that was
    // held comes to its end.
    first.hold.send_replace(false);
    sleeper.thaw();
    first.held.wait_for(|held| *held == 0).await.unwrap();

    assert_eq!(
        (first.heard("add"), second.orders().len()),
        (0, 1),
        "bought once"
    );

    assert!(
        ground.json(&["ledger", "audit"]).await["ok"]
            .as_bool()
            .unwrap()
    );

    other.kill().await;
    sleeper.kill().await;
}
