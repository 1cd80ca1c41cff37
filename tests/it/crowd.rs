//! More connections than there are descriptors: nobody who has many keeps anybody else out, and a
//! person is told before there are none left.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use panelgate::app;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;

use crate::books::{legs, read};
use crate::node::{Ground, Node, PANEL_KEY, until};
use crate::scripted::Scripted;

/// Files that the nodes may have open; and so few that a node takes more connections than it has
/// files for.
const DESCRIPTORS: usize = 1_024;
const TOO_FEW: usize = 48;
/// Connections that say nothing.
const IDLE: usize = 1_010;
/// Idle connections are closed after ten seconds; an answer that waits for that comes too late.
const ANSWERED_MAX: Duration = Duration::from_secs(5);

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CUSTOMER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 100));

async fn shop(panel: &Scripted) -> Ground {
    // Tests connect to the node themselves.
    app::raise_descriptors();
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}",
        panel.block()
    ))
    .await
}

/// The same command, which may have so many files open, soft and hard.
fn limited(command: &Command, descriptors: usize) -> Command {
    let command = command.as_std();
    let mut limited = Command::new("sh");
    let shell = format!("ulimit -n {descriptors}; exec \"$@\"");
    limited
        .args(["-c", &shell, "sh"])
        .arg(command.get_program())
        .args(command.get_args());

    limited
        .env_remove("DATABASE_URL")
        .env("PANEL_KEY", PANEL_KEY)
        .stdin(Stdio::null())
        .kill_on_drop(true);

    limited
}

/// Connects from an address; the node may hang up at once.
async fn connect(node: &Node, from: IpAddr) -> TcpStream {
    let addr = node
        .url
        .trim_start_matches("http://")
        .trim_end_matches("/api/v2")
        .parse()
        .unwrap();

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    socket.connect(addr).await.unwrap()
}

/// Buys from an address of its own; the answer, in time.
async fn buy(node: &Node, key: &str, link: &str) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .local_address(CUSTOMER)
        .timeout(ANSWERED_MAX)
        .build()
        .unwrap();

    let form = [
        ("key", key),
        ("action", "add"),
        ("service", "1"),
        ("link", link),
        ("quantity", "100"),
    ];

    let body = serde_urlencoded::to_string(form).unwrap();
    let request = client
        .post(&node.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);

    request.send().await.unwrap().text().await.unwrap()
}

async fn is_sold(node: &Node, ground: &Ground) {
    until("the service is sold", async || {
        node.ask(&ground.key, &[("action", "services")])
            .await
            .1
            .contains("\"service\":1")
    })
    .await;
}

#[tokio::test]
async fn an_address_with_a_thousand_connections_keeps_no_other_customer_out() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;
    let node = Node::start(&mut limited(&ground.serve(&ground.url()), DESCRIPTORS)).await;
    is_sold(&node, &ground).await;

    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(connect(&node, STRANGER).await);
    }

    for order in 1..=3 {
        let answer = buy(&node, &ground.key, &format!("https://example.org/{order}")).await;
        assert!(answer.starts_with("{\"order\":"), "{answer}");
    }

    drop(idle);
    until("they are sent", async || panel.requests("add") == 3).await;
    node.kill().await;
}

#[tokio::test]
async fn a_person_is_told_before_there_are_no_connections_left() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;
    let node = Node::start(&mut limited(&ground.serve(&ground.url()), DESCRIPTORS)).await;
    is_sold(&node, &ground).await;

    let told = async || {
        let raised = "select string_agg(kind || case when over_at is null then ' raised' else ' \
                      over' end, ', ') from alert where kind = 'connections_short' and raised_at \
                      is not null";
        read(&ground.database, raised).await
    };

    // From so many addresses that none of them has too many.
    let mut idle = Vec::new();

    for last in 1..=8 {
        for _ in 0..100 {
            idle.push(connect(&node, IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).await);
        }
    }

    let answer = buy(&node, &ground.key, "https://example.org/1").await;
    assert!(answer.starts_with("{\"order\":"), "{answer}");
    until("a person is told", async || {
        told().await == "connections_short raised"
    })
    .await;

    drop(idle);
    until("it is over", async || {
        told().await == "connections_short over"
    })
    .await;

    until("it is sent", async || {
        legs(&ground.database).await == "s accepted"
    })
    .await;

    node.kill().await;
}

#[tokio::test]
async fn a_listener_that_can_take_no_connection_is_told() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;
    let node = Node::start(&mut limited(&ground.serve(&ground.url()), TOO_FEW)).await;
    is_sold(&node, &ground).await;

    // What it has left is gone with these; whoever comes then waits outside.
    let mut idle = Vec::new();
    for last in 1..=40 {
        idle.push(connect(&node, IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).await);
    }

    let told =
        "select count(*)::text from alert where kind = 'listener_stuck' and raised_at is not null";
    until("a person is told", async || {
        read(&ground.database, told).await == "1"
    })
    .await;

    drop(idle);
    until("it takes connections again", async || {
        node.health().await.0 == 200
    })
    .await;

    node.kill().await;
}
