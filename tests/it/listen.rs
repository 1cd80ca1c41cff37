//! The customers' door over real connections: limits, garbage, silence and the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use panelgate::domain::clock::SystemClock;
use panelgate::downstream::{Door, DoorDeps, HealthProbe, Limits, ProcessHealth};
use panelgate::store::Store;
use panelgate::{app, config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server;

/// How long anything that must happen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A limit that is reached soon.
const SOON: Duration = Duration::from_millis(50);

const NOBODY: &str = r#"{"error":"Invalid API key"}"#;
const INCORRECT: &str = r#"{"error":"Incorrect request"}"#;
const TOO_LARGE: &str = r#"{"error":"Request too large"}"#;

fn health(ready: bool) -> HealthProbe {
    let health = ProcessHealth {
        live: true,
        ready,
        config_hash: "abc".to_owned(),
        database: "running".to_owned(),
        workers_lag_s: Some(3),
        sells: true,
        ..ProcessHealth::default()
    };

    Arc::new(move || health.clone())
}

/// A door in a house without a catalog, which nobody has a key for.
async fn open(limits: Limits) -> Door {
    // The door outlives this function, and its database with it: a database that nobody holds is
    // dropped.
    let database = Box::leak(Box::new(server::database().await));
    let store = Store::open(&database.options(), 4, 2);

    let file = config::read(
        "[gateway]\ncurrency = \"USD\"\n",
        ".".as_ref(),
        &BTreeMap::new(),
    )
    .expect("a small file");

    let clock = Arc::new(SystemClock);
    let behind = app::App::build(store, file.mapping, "", vec![], clock)
        .await
        .expect("a house");

    let house = DoorDeps {
        customers: behind.customers,
        pace: behind.pace,
        trusted_proxies: vec![],
        catalog: behind.catalog,
        orders: behind.orders,
        health: health(true),
    };

    Door::open(([127, 0, 0, 1], 0).into(), house, limits)
        .await
        .expect("a free port")
}

/// An answer as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A client that writes raw bytes, because real ones would not write these.
struct Client(TcpStream);

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.expect("the door listens"))
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0
            .write_all(bytes.as_ref())
            .await
            .expect("the door reads");
    }

    async fn answer(&mut self) -> Answer {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .expect("an answer in time")
            .expect("an answer")
    }

    /// `None` when the connection ends instead.
    async fn read(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }

        let head = String::from_utf8(head)
            .expect("headers are text")
            .to_lowercase();

        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());

        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.ok()?;

        Some(Answer {
            status,
            head,
            body: String::from_utf8(body).expect("bodies are text"),
        })
    }

    /// Waits until the door closes the connection; what still comes is thrown away.
    async fn ends(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest))
            .await
            .expect("the connection ends");
    }
}

/// One request on a connection of its own.
async fn ask(door: &Door, request: impl AsRef<[u8]>) -> Answer {
    let mut client = Client::connect(door.addr()).await;
    client.send(request).await;
    client.answer().await
}

fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /api/v2 HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[tokio::test]
async fn paths_are_the_api_the_health_and_nothing_else() {
    let door = open(Limits::default()).await;
    for (path, status, body) in [
        ("/api/v2", 200, NOBODY),
        ("/api/v2/", 200, NOBODY),
        ("//api//v2//", 200, NOBODY),
        ("/api/v2?key=1&action=balance", 200, NOBODY),
        ("/", 404, r#"{"error":"Not found"}"#),
        ("/healthz/", 404, r#"{"error":"Not found"}"#),
        ("/api/v2/x", 404, r#"{"error":"Not found"}"#),
        (
            "/healthz",
            200,
            r#"{"live":true,"ready":true,"config_hash":"abc","database":"running","workers_lag_s":3,"workers_late":[],"worker_panics":0,"log_lines_lost":0}"#,
        ),
    ] {
        let answer = ask(&door, get(path)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{path}"
        );
        assert!(
            answer
                .head
                .contains("\r\ncontent-type: application/json\r\n"),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
async fn a_health_door_tells_of_health_only_and_of_sickness_by_status() {
    let addr = ([127, 0, 0, 1], 0).into();
    let door = Door::open_health(addr, health(false), Limits::default())
        .await
        .unwrap();

    assert_eq!(ask(&door, get("/healthz")).await.status, 503);
    assert_eq!(ask(&door, get("/api/v2")).await.status, 404);
}

#[tokio::test]
async fn forms_are_read_with_any_charset_or_no_type_and_other_types_are_not() {
    let door = open(Limits::default()).await;
    for (headers, expected) in [
        ("", NOBODY),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            NOBODY,
        ),
        (
            "Content-Type: Application/X-WWW-Form-Urlencoded ; charset=UTF-8\r\n",
            NOBODY,
        ),
        ("Content-Type: application/json\r\n", INCORRECT),
        (
            "Content-Type: multipart/form-data; boundary=x\r\n",
            r#"{"error":"Incorrect request: broken multipart/form-data"}"#,
        ),
    ] {
        let answer = ask(&door, post(headers, "action=balance")).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, expected),
            "{headers}"
        );
    }

    let keys = ask(&door, post("", "key=%ff&action=balance")).await;
    assert_eq!((keys.status, keys.body.as_str()), (200, NOBODY));
    let put = ask(&door, post("", "").replacen("POST", "PUT", 1)).await;
    assert_eq!((put.status, put.body.as_str()), (200, INCORRECT));
}

#[tokio::test]
async fn bodies_are_read_to_their_cap_which_lists_raise() {
    let door = open(Limits::default()).await;
    let padded = |start: &str, length: usize| {
        post("", &format!("{start}{}", "x".repeat(length - start.len())))
    };

    for (start, length, status) in [
        ("link=", 64 * 1024, 200),
        ("link=", 64 * 1024 + 1, 413),
        ("action=add&comments=", 256 * 1024, 200),
        ("action=add&comments=", 256 * 1024 + 1, 413),
        ("action=add&comments=", 1024 * 1024, 413),
    ] {
        let answer = ask(&door, padded(start, length)).await;
        let body = if status == 413 { TOO_LARGE } else { NOBODY };
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{start} {length}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_by_its_own_word_is_refused_unread() {
    let door = open(Limits::default()).await;
    for length in [
        "Content-Length: 99999999",
        "Expect: 100-continue\r\nContent-Length: 300000",
    ] {
        let answer = ask(
            &door,
            format!("POST /api/v2 HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"),
        )
        .await;
        assert_eq!((answer.status, answer.body.as_str()), (413, TOO_LARGE));
    }

    let long = format!(
        "GET /api/v2 HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );

    assert_eq!(ask(&door, long).await.status, 431);
}

#[tokio::test]
async fn a_chunked_body_is_read_and_both_lengths_are_refused_and_end_the_connection() {
    let door = open(Limits::default()).await;
    let chunked = "POST /api/v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
    let body = "5\r\nkey=a\r\n0\r\n\r\n";
    let read = ask(&door, format!("{chunked}\r\n{body}")).await;
    assert_eq!(
        (read.status, &*read.body),
        (200, NOBODY),
        "the key was read, and nobody has it: {read:?}"
    );

    for both in [
        format!("{chunked}Content-Length: 3\r\n\r\n{body}"),
        format!(
            "POST /api/v2 HTTP/1.1\r\nContent-Length: 3\r\nHost: x\r\nTransfer-Encoding: \
             chunked\r\n\r\n{body}"
        ),
    ] {
        let mut client = Client::connect(door.addr()).await;
        client.send(both + &get("/healthz")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (400, INCORRECT));
        assert!(
            client.read().await.is_none(),
            "what follows is not believed to be a request"
        );
    }
}

#[tokio::test]
async fn a_request_that_a_proxy_may_read_otherwise_is_refused() {
    let door = open(Limits::default()).await;
    let chunked = "Transfer-Encoding: chunked\r\n";

    for (head, status) in [
        (
            "HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n".to_owned(),
            200,
        ),
        ("HTTP/1.0\r\nContent-Length: 5\r\n".to_owned(), 200),
        ("HTTP/1.1\r\nContent-Length: 5\r\n".to_owned(), 400),
        (
            "HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 5\r\n".to_owned(),
            400,
        ),
        (format!("HTTP/1.1\r\nHost: x\r\n{chunked}{chunked}"), 400),
        (
            format!("HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n{chunked}"),
            400,
        ),
    ] {
        let body = if head.contains("Transfer") {
            "5\r\nkey=a\r\n0\r\n\r\n"
        } else {
            "key=a"
        };
        let answer = ask(&door, format!("POST /api/v2 {head}\r\n{body}")).await;
        assert_eq!(answer.status, status, "{head}");
    }
}

#[tokio::test]
async fn silence_ends_a_connection_in_headers_and_is_answered_in_bodies() {
    let door = open(Limits {
        header_read: SOON,
        body_read: SOON,
        ..Limits::default()
    })
    .await;

    for silent in ["", "POST /api/v2 HTTP/1.1\r\nHost:"] {
        let mut client = Client::connect(door.addr()).await;
        client.send(silent).await;
        client.ends().await;
    }

    let mut client = Client::connect(door.addr()).await;
    client
        .send("POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkey=")
        .await;

    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (408, INCORRECT));
    client.ends().await;
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_given_up() {
    let door = open(Limits {
        answer_stall: SOON,
        ..Limits::default()
    })
    .await;

    let mut deaf = Client::connect(door.addr()).await;
    let many = get("/healthz").repeat(1_000);

    // Once the answers fill every buffer, the door reads no further; only giving the connection up
    // ends this.
    let asking = async { while deaf.0.write_all(many.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("the connection ends");
}

#[tokio::test]
async fn a_request_as_a_whole_has_its_time() {
    let door = open(Limits {
        request: SOON,
        ..Limits::default()
    })
    .await;

    let began = Instant::now();
    let answer = ask(
        &door,
        "POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkey=",
    )
    .await;

    assert_eq!(
        (answer.status, answer.body.as_str()),
        (
            500,
            r#"{"error":"Internal error, the request may have been carried out"}"#
        )
    );

    assert!(began.elapsed() < Limits::default().body_read);
}

#[tokio::test]
async fn connections_beyond_the_limit_end_at_once_and_a_place_is_given_back() {
    for limits in [
        Limits {
            connections_max: 2,
            ..Limits::default()
        },
        Limits {
            connections_per_address_max: 2,
            ..Limits::default()
        },
    ] {
        let door = open(limits).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(door.addr()).await;
            client.send(get("/healthz")).await;
            assert_eq!(client.answer().await.status, 200);
            held.push(client);
        }
        Client::connect(door.addr()).await.ends().await;
        drop(held);
        // The door learns of the end when it next reads; until then newcomers are turned away.
        let served = async {
            loop {
                let mut client = Client::connect(door.addr()).await;
                let sent = client.0.write_all(get("/healthz").as_bytes()).await;
                if sent.is_ok() && client.read().await.is_some() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, served)
            .await
            .expect("a place is free again");
    }
}

#[tokio::test]
async fn idle_and_slow_connections_hold_no_place_among_the_requests_in_flight() {
    let door = open(Limits {
        requests_in_flight_max: 2,
        ..Limits::default()
    })
    .await;

    let mut idle = Vec::new();
    for n in 0..20 {
        let mut client = Client::connect(door.addr()).await;
        client.send(post("", "action=balance")).await;
        assert_eq!(client.answer().await.status, 200);

        if n % 2 == 0 {
            client
                .send("POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkey=")
                .await;
        }

        idle.push(client);
    }

    assert_eq!(ask(&door, post("", "action=balance")).await.body, NOBODY);
    let mut again = JoinSet::new();
    for mut client in idle.into_iter().skip(1).step_by(2) {
        again.spawn(async move {
            client.send(post("", "action=balance")).await;
            client.answer().await.status
        });
    }

    // Two at a time find a place; who does not is told so, and none waits.
    let statuses = again.join_all().await;
    assert!(
        statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_and_garbage_among_them_ends_the_connection() {
    let door = open(Limits::default()).await;
    let mut client = Client::connect(door.addr()).await;
    client
        .send(
            post("", "action=balance")
                + &get("/healthz")
                + "\x01\x02 garbage\r\n\r\n"
                + &get("/healthz"),
        )
        .await;

    assert_eq!(client.answer().await.body, NOBODY);
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.answer().await.status, 400);
    client.ends().await;

    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        &vec![0xff; 40_000],
    ] {
        let mut client = Client::connect(door.addr()).await;
        // The door may close before all of it is sent.
        let _ = client.0.write_all(garbage).await;
        client.0.shutdown().await.ok();
        client.ends().await;
    }

    assert_eq!(ask(&door, get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_door_that_closes_lets_a_request_under_way_end_and_takes_no_new_one() {
    let door = open(Limits::default()).await;
    let addr = door.addr();
    let (mut busy, mut idle) = (Client::connect(addr).await, Client::connect(addr).await);
    idle.send(get("/healthz")).await;
    assert_eq!(idle.answer().await.status, 200);
    busy.send(
        "POST /api/v2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    )
    .await;

    // The body is asked for, so the request is under way.
    assert_eq!(busy.answer().await.status, 100);

    let finishing = async {
        idle.ends().await;
        busy.send("action=ad").await;
        let answer = busy.answer().await;
        busy.ends().await;
        answer
    };

    let ((), answer) = tokio::join!(door.close(PATIENCE), finishing);
    assert_eq!((answer.status, answer.body.as_str()), (200, NOBODY));
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let door = open(Limits::default()).await;
    let mut busy = Client::connect(door.addr()).await;
    busy.send(
        "POST /api/v2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    )
    .await;

    assert_eq!(busy.answer().await.status, 100);
    let began = Instant::now();
    door.close(SOON).await;
    assert!(began.elapsed() < Limits::default().body_read);
    busy.ends().await;
}
