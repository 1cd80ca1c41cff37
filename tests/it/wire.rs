//! One POST to a panel that misbehaves: what left, what is believed, and that nothing is sent
//! twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use panelgate::domain::clock::Deadline;
use panelgate::domain::id::{LegId, OrderId, PanelOrder, ProviderId, PublicId, ServiceId};
use panelgate::domain::leg::{Evidence, LeasedLeg, Verdict};
use panelgate::domain::money::{Money, Rate};
use panelgate::domain::provider::{
    AskMethod, AskingSettings, DoubtSettings, KeySource, PanelDialect, ProviderSettings,
    RefusalClass, SettlingSettings,
};
use panelgate::domain::service::{Route, ServiceType};
use panelgate::domain::wish::Details;
use panelgate::upstream::{CancelRow, FailureKind, OrderAnswer, Panel, PanelError, RefillAnswer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::world::in_time;

const KEY: &str = "s3cret/key+1";

/// Longer than anything that is answered here takes.
const PATIENT_MS: u64 = 20_000;

/// What a panel does with each connection.
#[derive(Clone)]
pub enum Manner {
    /// Closes it unread.
    CloseUnread,
    /// Reads the whole request, then closes without a word.
    ReadThenDrop,
    /// Reads the whole request and never answers.
    Hang,
    /// Reads the whole request and writes this, then closes.
    Write(String),
    /// The same in bytes.
    WriteBytes(Vec<u8>),
    /// Writes this, and then reads the whole request.
    SpeakFirst(String),
    /// Reads each whole request of a connection and writes this, and keeps the connection.
    Keep(String),
}

/// A hand-written panel on loopback; its tasks end with it.
pub struct Stub {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Stub {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, requests) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, manner.clone(), heard.clone()));
            }
        });

        Self {
            port,
            connections,
            requests,
            _tasks: tasks,
        }
    }

    /// The requests that were read whole so far.
    fn heard(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, heard: mpsc::UnboundedSender<String>) {
    if matches!(manner, Manner::CloseUnread) {
        return;
    }

    if let Manner::SpeakFirst(text) = &manner {
        let _ = stream.write_all(text.as_bytes()).await;
    }

    while let Some(request) = whole_request(&mut stream).await {
        heard.send(request).unwrap();
        match &manner {
            Manner::CloseUnread | Manner::ReadThenDrop | Manner::SpeakFirst(_) => return,
            Manner::WriteBytes(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Manner::Hang => std::future::pending().await,
            Manner::Write(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                return;
            }
            Manner::Keep(text) => stream.write_all(text.as_bytes()).await.unwrap(),
        }
    }
}

/// Head and as many bytes as its Content-Length says; nothing at the connection's end.
async fn whole_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);

            if body.len() >= length {
                return Some(text);
            }
        }

        let read = stream.read_buf(&mut bytes).await.unwrap_or(0);
        if read == 0 {
            return None;
        }
    }
}

pub fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

pub fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn settings(url: String, timeout_ms: u64) -> ProviderSettings {
    ProviderSettings {
        allow_http: false,
        ca_file: None,
        id: ProviderId("stub".into()),
        dialect: PanelDialect::Classic,
        url,
        key: KeySource::Env("STUB_KEY".into()),
        currency: "USD".into(),
        exchange: None,
        requests_per_second: 1_000,
        concurrent_max: 4,
        timeout_ms,
        status_batch_max: 3,
        status_every_s: 60,
        balance_low: None,
        doubts: DoubtSettings::default(),
        settling: SettlingSettings::default(),
        asking: AskingSettings::default(),
        method: AskMethod::Post,
        services_offset: false,
        words: BTreeMap::new(),
    }
}

pub fn panel(url: String, timeout_ms: u64) -> Panel {
    Panel::new(settings(url, timeout_ms), KEY.into()).unwrap()
}

fn at(stub: &Stub) -> Panel {
    panel(format!("http://127.0.0.1:{}/api/v2", stub.port), PATIENT_MS)
}

pub fn leg() -> LeasedLeg {
    LeasedLeg {
        leg: LegId(1),
        order: OrderId(1),
        public: PublicId(uuid::Uuid::from_u128(1)),
        n: 1,
        attempt: 1,
        unsent: 0,
        route: Route {
            provider: ProviderId("stub".into()),
            service: "17".into(),
        },
        kind: ServiceType::Default,
        link: "https://example.com/p?x=1&y=2".into(),
        units: 100,
        details: Details::default(),
        cost: Money::ZERO,
        sold_as: ServiceId(1),
        charge: Money::ZERO,
        quoted_cost: Money::ZERO,
        quoted_rate: Rate::default(),
    }
}

pub async fn add(panel: &Panel) -> Evidence {
    add_leg(panel, &leg()).await
}

async fn add_leg(panel: &Panel, leg: &LeasedLeg) -> Evidence {
    let slot = panel.slot().await;
    let evidence = panel.add(slot, leg, in_time()).await;
    assert!(
        !evidence.words.contains(KEY) && !evidence.words.contains("s3cret"),
        "{}",
        evidence.words
    );

    evidence
}

/// Adds once at a panel of this manner; what came of it, and what the panel had read whole.
pub async fn add_at(manner: Manner) -> (Evidence, Stub, Vec<String>) {
    add_of(&leg(), manner).await
}

/// The same for an order of one's own.
pub async fn add_of(leg: &LeasedLeg, manner: Manner) -> (Evidence, Stub, Vec<String>) {
    let mut stub = Stub::start(manner).await;
    let evidence = add_leg(&at(&stub), leg).await;
    let heard = stub.heard();
    (evidence, stub, heard)
}

/// The order that is asked about.
fn asked() -> PanelOrder {
    PanelOrder("7".into())
}

/// What comes of asking such a panel for a refill.
pub async fn refill_at(manner: Manner) -> RefillAnswer {
    let stub = Stub::start(manner).await;
    let panel = at(&stub);
    panel.refill(panel.slot().await, &asked(), in_time()).await
}

/// What becomes of a cancel there; nothing where the question itself failed.
pub async fn cancel_at(manner: Manner) -> Option<CancelRow> {
    let stub = Stub::start(manner).await;
    let rows = at(&stub).cancel(&[asked()], in_time()).await;
    rows.ok().map(|mut rows| rows.remove(0).1)
}

/// What it says of where the order stands; nothing where the question itself failed.
pub async fn status_at(manner: Manner) -> Option<OrderAnswer> {
    let stub = Stub::start(manner).await;
    at(&stub)
        .status(&[asked()])
        .await
        .ok()
        .map(|mut rows| rows.remove(0).1)
}

#[tokio::test]
async fn an_add_is_one_whole_request_with_a_length() {
    let (evidence, stub, requests) =
        add_at(Manner::Keep(answer("200 OK", r#"{"order":23501}"#))).await;
    assert_eq!(
        evidence.verdict,
        Verdict::Accepted(PanelOrder("23501".into()))
    );

    assert_eq!(
        (evidence.http_status, evidence.words.as_str()),
        (Some(200), r#"{"order":23501}"#)
    );

    assert_eq!(
        (requests.len(), stub.connections.load(Ordering::SeqCst)),
        (1, 1)
    );

    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /api/v2 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "content-length"), Some(body.len().to_string()));
    assert_eq!(header(head, "transfer-encoding"), None);
    assert_eq!(
        header(head, "content-type").as_deref(),
        Some("application/x-www-form-urlencoded")
    );

    assert_eq!(
        header(head, "user-agent"),
        Some(format!("panelgate/{}", env!("CARGO_PKG_VERSION")))
    );

    let link = "https%3A%2F%2Fexample.com%2Fp%3Fx%3D1%26y%3D2";
    assert_eq!(
        body,
        format!("key=s3cret%2Fkey%2B1&action=add&service=17&link={link}&quantity=100")
    );
}

#[tokio::test]
async fn a_refused_connection_is_proof_that_nothing_left() {
    // Bound and never listening: the port refuses, and nobody else can be given it meanwhile.
    let refusing = TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let panel = panel(
        format!("http://{}/", refusing.local_addr().unwrap()),
        PATIENT_MS,
    );

    let evidence = add(&panel).await;
    assert_eq!(
        (evidence.verdict, evidence.http_status),
        (Verdict::NeverSent, None)
    );

    assert!(
        !evidence.words.contains("127.0.0.1"),
        "no address: {}",
        evidence.words
    );

    assert_eq!(
        panel.balance().await.unwrap_err().kind,
        FailureKind::NeverSent
    );
}

#[tokio::test]
async fn a_failed_handshake_is_proof_that_nothing_left() {
    let stub = Stub::start(Manner::CloseUnread).await;
    let evidence = add(&panel(
        format!("https://127.0.0.1:{}/", stub.port),
        PATIENT_MS,
    ))
    .await;

    assert_eq!(evidence.verdict, Verdict::NeverSent, "{}", evidence.words);
}

#[tokio::test]
async fn a_connection_closed_unread_is_never_sent_or_a_doubt_and_nothing_else() {
    let (evidence, stub, heard) = add_at(Manner::CloseUnread).await;
    assert!(
        matches!(evidence.verdict, Verdict::NeverSent | Verdict::InDoubt),
        "{evidence:?}"
    );

    assert_eq!(
        (heard.len(), stub.connections.load(Ordering::SeqCst)),
        (0, 1)
    );
}

#[tokio::test]
async fn a_request_that_was_read_and_not_answered_is_a_doubt() {
    let (evidence, stub, heard) = add_at(Manner::ReadThenDrop).await;
    assert_eq!(
        (evidence.verdict, evidence.http_status),
        (Verdict::InDoubt, None)
    );

    assert_eq!(
        (heard.len(), stub.connections.load(Ordering::SeqCst)),
        (1, 1)
    );
}

#[tokio::test]
async fn silence_is_a_doubt_when_the_time_is_over() {
    let mut stub = Stub::start(Manner::Hang).await;
    let panel = panel(format!("http://127.0.0.1:{}/", stub.port), 300);
    assert_eq!(add(&panel).await.verdict, Verdict::InDoubt);
    assert_eq!(stub.heard().len(), 1);
    assert_eq!(
        panel.services().await.unwrap_err().kind,
        FailureKind::Unanswered
    );
}

#[tokio::test]
async fn a_broken_answer_is_a_doubt() {
    let half = answer("200 OK", r#"{"order":23501}"#).replace("Length: 15", "Length: 150");
    for (text, status) in [
        (
            answer("502 Bad Gateway", "<html>Bad Gateway</html>"),
            Some(502),
        ),
        (
            answer("500 Oops", r#"{"error":"Incorrect service ID"}"#),
            Some(500),
        ),
        (answer("200 OK", ""), Some(200)),
        (answer("200 OK", "<html>maintenance</html>"), Some(200)),
        (half, Some(200)),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ord".to_owned(),
            Some(200),
        ),
        ("this is no HTTP\r\n\r\n".to_owned(), None),
    ] {
        let (evidence, stub, heard) = add_at(Manner::Write(text.clone())).await;
        assert_eq!(
            (evidence.verdict, evidence.http_status),
            (Verdict::InDoubt, status),
            "{text}: {}",
            evidence.words
        );
        assert_eq!(
            (heard.len(), stub.connections.load(Ordering::SeqCst)),
            (1, 1),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut target = Stub::start(Manner::Write(answer("200 OK", r#"{"order":1}"#))).await;
    let location = format!(
        "Temporary Redirect\r\nLocation: http://127.0.0.1:{}/",
        target.port
    );

    for status in [307, 308, 302] {
        let (evidence, _, heard) =
            add_at(Manner::Write(answer(&format!("{status} {location}"), ""))).await;
        assert_eq!(
            (evidence.verdict, evidence.http_status),
            (Verdict::InDoubt, Some(status))
        );

        assert_eq!(heard.len(), 1);
    }

    assert_eq!(
        (
            target.connections.load(Ordering::SeqCst),
            target.heard().len()
        ),
        (0, 0)
    );
}

#[tokio::test]
async fn a_huge_answer_is_cut_off_and_only_its_beginning_kept() {
    let huge = answer(
        "200 OK",
        &format!("{{\"order\":1,\"x\":\"{}\"}}", "x".repeat(2 << 20)),
    );

    let (evidence, _, heard) = add_at(Manner::Write(huge)).await;
    assert_eq!((evidence.verdict, heard.len()), (Verdict::InDoubt, 1));

    assert!(
        evidence.words.len() <= 2_048 && evidence.words.contains("longer than"),
        "{}",
        evidence.words
    );
}

#[tokio::test]
async fn a_refusal_that_quotes_the_key_is_kept_without_it() {
    let body = r#"{"error":"Invalid API key","key":"s3cret\/key+1","form":"key=s3cret%2Fkey%2B1","raw":"s3cret/key+1"}"#;
    let (evidence, _, _) = add_at(Manner::Write(answer("401 Unauthorized", body))).await;
    assert_eq!(
        (evidence.verdict, evidence.http_status),
        (Verdict::Refused(RefusalClass::Key), Some(401))
    );

    assert_eq!(
        evidence.words.matches("[key]").count(),
        3,
        "{}",
        evidence.words
    );

    let cut = answer("200 OK", "no such key: s3cret/ke").replace("Length: 22", "Length: 90");
    let (evidence, _, _) = add_at(Manner::Write(cut)).await;
    assert!(
        evidence.words.ends_with("no such key: [key]"),
        "{}",
        evidence.words
    );
}

#[tokio::test]
async fn an_order_has_a_connection_of_its_own_and_questions_share_one() {
    let mut stub = Stub::start(Manner::Keep(answer("200 OK", r#"{"order":7}"#))).await;
    let panel = at(&stub);

    for _ in 0..3 {
        assert_eq!(
            add(&panel).await.verdict,
            Verdict::Accepted(PanelOrder("7".into()))
        );
    }

    assert_eq!(
        (stub.heard().len(), stub.connections.load(Ordering::SeqCst)),
        (3, 3)
    );

    let mut stub = Stub::start(Manner::Keep(answer(
        "200 OK",
        r#"{"balance":"7","currency":"USD"}"#,
    )))
    .await;

    let panel = at(&stub);
    for _ in 0..3 {
        panel.balance().await.unwrap();
    }

    assert_eq!(
        (stub.heard().len(), stub.connections.load(Ordering::SeqCst)),
        (3, 1)
    );
}

#[tokio::test]
async fn what_is_too_late_never_leaves_and_the_panel_hears_nothing() {
    for method in [AskMethod::Post, AskMethod::Get] {
        let mut stub = Stub::start(Manner::Keep(answer("200 OK", r#"{"order":7}"#))).await;
        let url = format!("http://127.0.0.1:{}/api/v2", stub.port);

        let panel = Panel::new(
            ProviderSettings {
                method,
                ..settings(url, PATIENT_MS)
            },
            KEY.into(),
        )
        .unwrap();

        let too_late = Deadline::after(Duration::ZERO);

        let added = panel.add(panel.slot().await, &leg(), too_late).await;
        assert_eq!(
            added.verdict,
            Verdict::NeverSent,
            "{method:?}: {}",
            added.words
        );

        let order = PanelOrder("7".into());
        let refilled = panel.refill(panel.slot().await, &order, too_late).await;
        assert!(
            matches!(refilled, RefillAnswer::NeverSent(_)),
            "{method:?}: {refilled:?}"
        );

        let canceled = panel.cancel(&[order], too_late).await.unwrap_err();
        assert_eq!(
            canceled.kind,
            FailureKind::NeverSent,
            "{method:?}: {canceled}"
        );

        assert_eq!(stub.heard(), Vec::<String>::new(), "{method:?}");
    }
}

#[tokio::test]
async fn a_connection_that_closes_between_two_requests_never_doubles_one() {
    // Closed after each answer without having said so: a later request may meet it before its end
    // is noticed.
    const ADDS: usize = 40;
    let mut stub = Stub::start(Manner::Write(answer("200 OK", r#"{"order":7}"#))).await;
    let panel = at(&stub);
    let (mut accepted, mut unsent) = (0, 0);

    for _ in 0..ADDS {
        match add(&panel).await.verdict {
            Verdict::Accepted(_) => accepted += 1,
            Verdict::NeverSent => unsent += 1,
            Verdict::InDoubt => {}
            Verdict::Refused(class) => panic!("{class:?}"),
        }
    }

    let heard = stub.heard().len();
    assert!(
        (accepted..=ADDS - unsent).contains(&heard),
        "{accepted} accepted, {unsent} never sent, {heard} heard"
    );
}

#[tokio::test]
async fn questions_are_asked_and_answered() {
    let orders = ["1", "2"].map(|id| PanelOrder(id.into()));
    let text = answer(
        "200 OK",
        r#"{"1":{"status":"Completed"},"2":{"error":"s3cret/key+1 knows no 2"}}"#,
    );

    let mut stub = Stub::start(Manner::Keep(text)).await;
    let rows = at(&stub).status(&orders).await.unwrap();
    assert!(
        matches!(&rows[0].1, OrderAnswer::Said(_))
            && rows[1].1
                == OrderAnswer::Error {
                    text: "[key] knows no 2".into()
                }
    );

    assert!(stub.heard()[0].ends_with("&action=status&orders=1%2C2"));
    let too_many = vec![orders[0].clone(); 4];
    assert_eq!(
        at(&stub).status(&too_many).await.unwrap_err().kind,
        FailureKind::NeverSent
    );

    assert_eq!(
        (at(&stub).status(&[]).await, stub.heard().len()),
        (Ok(vec![]), 0)
    );

    let stub = Stub::start(Manner::Keep(answer(
        "200 OK",
        r#"{"balance":"9.5","currency":"USD"}"#,
    )))
    .await;

    assert_eq!(
        at(&stub).balance().await.unwrap().amount,
        Money::parse("9.5").unwrap()
    );

    assert_eq!(
        at(&stub).services().await.unwrap_err().kind,
        FailureKind::Unreadable
    );
}

#[tokio::test]
async fn an_unlisted_error_about_one_order_is_its_row() {
    let stub = Stub::start(Manner::Keep(answer(
        "400 Bad Request",
        r#"{"error":"Order not found"}"#,
    )))
    .await;

    let orders = ["1", "2"].map(|id| PanelOrder(id.into()));
    let rows = at(&stub).status(&orders[..1]).await.unwrap();
    assert_eq!(
        rows,
        [(
            orders[0].clone(),
            OrderAnswer::NotOurs {
                text: "Order not found".into()
            }
        )]
    );

    assert_eq!(
        at(&stub).status(&orders).await.unwrap_err().kind,
        FailureKind::Declined
    );
}

#[tokio::test]
async fn a_status_that_is_not_believed_answers_no_question() {
    for (status, body, kind) in [
        ("404 Not Found", "[]", FailureKind::BadStatus(404)),
        ("503 Away", "[]", FailureKind::BadStatus(503)),
        (
            "500 Oops",
            r#"{"error":"Invalid API key"}"#,
            FailureKind::BadStatus(500),
        ),
        (
            "403 Forbidden",
            r#"{"error":"Invalid API key"}"#,
            FailureKind::Refused(RefusalClass::Key),
        ),
        ("301 Moved", "", FailureKind::BadStatus(301)),
    ] {
        let stub = Stub::start(Manner::Write(answer(status, body))).await;
        assert_eq!(
            at(&stub).services().await.unwrap_err().kind,
            kind,
            "{status}"
        );
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let refused = |url: &str| Panel::new(settings(url.into(), 1), KEY.into()).err();
    assert!(matches!(
        refused("http://panel.example/api"),
        Some(PanelError::InClear)
    ));

    assert!(matches!(
        refused("ftp://panel.example/api"),
        Some(PanelError::Url)
    ));

    assert!(matches!(refused("panel"), Some(PanelError::Url)));
    assert!(
        refused("https://panel.example/api/v2").is_none() && refused("http://[::1]:1/").is_none()
    );

    let url = || "https://panel.example/".to_owned();
    assert!(matches!(
        Panel::new(settings(url(), 1), "".into()),
        Err(PanelError::NoKey)
    ));

    let idle = ProviderSettings {
        requests_per_second: 0,
        ..settings(url(), 1)
    };

    assert!(matches!(
        Panel::new(idle, KEY.into()),
        Err(PanelError::Zero("requests_per_second"))
    ));

    let shown = format!("{:?}", Panel::new(settings(url(), 1), KEY.into()).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

fn asking_by_get(port: u16) -> Panel {
    let url = format!("http://127.0.0.1:{port}/api/v2?lang=en");
    Panel::new(
        ProviderSettings {
            method: AskMethod::Get,
            ..settings(url, PATIENT_MS)
        },
        KEY.into(),
    )
    .unwrap()
}

/// Adds once by GET at a panel of this manner.
pub async fn add_by_get(manner: Manner) -> (Evidence, Vec<String>) {
    let mut stub = Stub::start(manner).await;
    let evidence = add(&asking_by_get(stub.port)).await;
    (evidence, stub.heard())
}

#[tokio::test]
async fn a_panel_that_reads_queries_only_is_asked_by_get() {
    let mut stub = Stub::start(Manner::Write(answer("200 OK", r#"{"order":7}"#))).await;
    let evidence = add(&asking_by_get(stub.port)).await;
    assert_eq!(evidence.verdict, Verdict::Accepted(PanelOrder("7".into())));
    let heard = stub.heard();
    let line = "GET /api/v2?lang=en&key=s3cret%2Fkey%2B1&action=add&service=17&link=https%3A%2F%\
                2Fexample.com%2Fp%3Fx%3D1%26y%3D2&quantity=100 HTTP/1.1\r\n";
    assert!(heard.len() == 1 && heard[0].starts_with(line), "{heard:?}");
}

#[tokio::test]
async fn what_a_get_asked_is_in_doubt_unless_there_was_no_connection() {
    for manner in [Manner::CloseUnread, Manner::ReadThenDrop] {
        let stub = Stub::start(manner).await;
        let evidence = add(&asking_by_get(stub.port)).await;
        assert_eq!(
            evidence.verdict,
            Verdict::InDoubt,
            "the head may have been read: {evidence:?}"
        );

        assert!(!evidence.words.contains("s3cret"), "{}", evidence.words);
    }

    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();

    let evidence = add(&asking_by_get(free)).await;
    assert_eq!(evidence.verdict, Verdict::NeverSent, "{evidence:?}");
    assert!(!evidence.words.contains("s3cret"), "{}", evidence.words);
}
