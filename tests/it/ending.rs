//! The end of a process: calls that are out are waited for as long as their panel may take, and a
//! second signal ends it at once.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::books::{legs, read};
use crate::node::{Ground, Node, until};
use crate::scripted::Scripted;

/// Longer than a panel's lease lasts that nobody renews, and than any end took before.
const LONG: Duration = Duration::from_secs(13);
/// An end that waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(4);

const DOUBTED: &str = "select count(*)::text from leg where doubted_at is not null";

async fn shop(panel: &Scripted) -> Ground {
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}",
        panel.block()
    ))
    .await
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
async fn told_to_end_a_process_waits_for_the_order_that_a_panel_holds_and_nobody_doubts_it() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;
    let mut node = ground.node().await;
    is_sold(&node, &ground).await;
    let other = ground.node().await;
    let held = panel.hold("add");

    node.buy(&ground.key, "https://example.org/1").await;
    held.asked().await;

    node.signal(Signal::SIGTERM);
    until("nobody new comes in", async || !node.listens().await).await;

    assert_eq!(
        node.ends_within(LONG).await,
        None,
        "the panel may take longer"
    );

    // The other one would have taken the panel by now, and found an order that nobody answers for.
    assert_eq!(
        (
            legs(&ground.database).await,
            read(&ground.database, DOUBTED).await
        ),
        ("s sending".into(), "0".into())
    );

    held.let_go();
    assert_eq!(node.ends_within(AT_ONCE).await, Some(Some(0)));
    assert_eq!(legs(&ground.database).await, "s accepted");
    assert_eq!(
        (panel.requests("add"), read(&ground.database, DOUBTED).await),
        (1, "0".into())
    );

    // The panel is the other one's now.
    panel.hold_nothing();
    other.buy(&ground.key, "https://example.org/2").await;
    until("it is sent", async || {
        legs(&ground.database).await == "s accepted, s accepted"
    })
    .await;

    other.kill().await;
}

#[tokio::test]
async fn told_to_end_before_it_is_ready_a_process_ends_as_it_does_later() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;
    let node = ground.node().await;
    is_sold(&node, &ground).await;
    node.buy(&ground.key, "https://example.org/1").await;
    assert_eq!(node.end().await, Some(0));

    // The next one sends what is left while it starts: its catalog is not answered, so it is not
    // ready.
    let catalog = panel.hold("services");
    let mut command = ground.serve(&ground.url());
    let mut starting = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    catalog.asked().await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(starting.id().unwrap()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    catalog.let_go();
    panel.hold_nothing();
    let ended = tokio::time::timeout(AT_ONCE, starting.wait())
        .await
        .expect("it ends");

    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn told_twice_to_end_a_process_ends_at_once_and_says_what_is_left() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel).await;

    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut node = Node::start_telling(&mut ground.serve(&ground.url()), writer).await;
        let reader = BufReader::new(tokio::fs::File::from_std(std::fs::File::from(
            std::os::fd::OwnedFd::from(reader),
        )));

        is_sold(&node, &ground).await;
        let held = panel.hold("add");
        node.buy(&ground.key, &format!("https://example.org/{second}"))
            .await;
        held.asked().await;

        node.signal(Signal::SIGTERM);
        until("nobody new comes in", async || !node.listens().await).await;
        node.signal(second);
        assert_eq!(node.ends_within(AT_ONCE).await, Some(Some(1)), "{second}");
        let mut lines = reader.lines();
        let mut is_told = false;

        while let Some(line) = lines.next_line().await.unwrap() {
            is_told |= line.contains("ended at once by a second signal");
        }

        assert!(is_told);
        panel.hold_nothing();
        held.let_go();
    }
}
