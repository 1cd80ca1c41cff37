//! Ways to the database that fall silent and stay open: nobody waits without an end, what is not
//! known is not said, and what came of a purchase is found out.

use std::sync::Arc;
use std::time::Duration;

use panelgate::downstream::ProcessHealth;
use panelgate::store::{Store, Tx, orders};

use crate::books::{legs, read, run};
use crate::burned::{CATALOG, COUNTS, NOBODY};
use crate::node::{Ground, Node, until, url_of};
use crate::proxy::Proxy;
use crate::scripted::Scripted;
use crate::world::{World, healthy};

/// Long for a server that has nothing else to do, and short for a test.
const SHORT: Duration = Duration::from_millis(1_500);

async fn is_sold(node: &Node, ground: &Ground) {
    until("the service is sold", async || {
        node.ask(&ground.key, &[("action", "services")])
            .await
            .1
            .contains("\"service\":1")
    })
    .await;
}

fn add(link: &str) -> [(&str, &str); 4] {
    [
        ("action", "add"),
        ("service", "1"),
        ("link", link),
        ("quantity", "100"),
    ]
}

#[tokio::test]
async fn a_purchase_whose_answer_is_lost_in_silence_is_told_as_the_order_that_it_is() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    run(&ground.database, CATALOG).await.unwrap();
    is_sold(&node, &ground).await;

    let link = "https://example.org/lost-answer";
    proxy.lose_answer(link);
    let (status, answer) = node.ask(&ground.key, &add(link)).await;
    assert_eq!(status, 200, "{answer}");
    let order = read(&ground.database, "select id::text from orders").await;
    assert_eq!(answer, format!("{{\"order\":{order}}}"));

    assert_eq!(
        read(&ground.database, COUNTS).await,
        "1 orders, 1 charges, 999.9 left"
    );

    node.kill().await;
}

#[tokio::test]
async fn a_purchase_that_never_arrived_is_a_certain_no_whatever_comes_of_it_later() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    run(&ground.database, CATALOG).await.unwrap();
    is_sold(&node, &ground).await;

    let link = "https://example.org/never-arrived";
    proxy.keep_back_in_silence(link);
    let (status, answer) = node.ask(&ground.key, &add(link)).await;
    assert_eq!(
        (status, &*answer),
        (503, r#"{"error":"Internal error, retry later"}"#)
    );

    let (_, again) = node.ask(&ground.key, &add(link)).await;
    assert!(again.starts_with("{\"order\":"), "{again}");

    let late = proxy.release().await;
    assert!(late.contains("PB001"), "{}", late.escape_debug());
    assert_eq!(
        read(&ground.database, COUNTS).await,
        "1 orders, 1 charges, 999.9 left"
    );

    node.kill().await;
}

#[tokio::test]
async fn a_purchase_of_which_nobody_can_tell_is_not_asked_for_once_more() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    run(&ground.database, CATALOG).await.unwrap();
    is_sold(&node, &ground).await;

    // It is bought, and from then on there is no way to the database.
    let link = "https://example.org/nobody-knows";
    proxy.lose_answer(link);
    let fields = add(link);
    let asked = node.ask(&ground.key, &fields);
    let breaks = async {
        proxy.has_answered().await;
        proxy.hang_up(true);
    };

    let ((status, answer), ()) = tokio::join!(asked, breaks);
    assert_eq!(
        (status, &*answer),
        (
            500,
            r#"{"error":"Internal error, the order may have been placed"}"#
        )
    );

    node.kill().await;
}

#[tokio::test]
async fn a_node_whose_ways_fall_silent_says_so_and_goes_on_over_new_ones() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    let ground = Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}",
        panel.block()
    ))
    .await;

    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    is_sold(&node, &ground).await;
    node.buy(&ground.key, "https://example.org/before").await;
    until("it is sent", async || {
        legs(&ground.database).await == "s accepted"
    })
    .await;

    let (before, _) = node.health().await;
    assert_eq!(before, 200);
    proxy.fall_silent();

    until("its health says so", async || {
        let (status, said) = node.health().await;
        status == 503 && said.contains(r#""database":"away""#)
    })
    .await;

    until("it is ready again", async || node.health().await.0 == 200).await;

    // Those who waited have given up, and work on.
    node.buy(&ground.key, "https://example.org/after").await;
    until("it is sent too", async || {
        legs(&ground.database).await == "s accepted, s accepted"
    })
    .await;

    assert_eq!(panel.requests("add"), 2);
    node.kill().await;
}

#[tokio::test]
async fn an_answer_that_was_heard_is_not_lost_to_a_balancer_that_hangs_up() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    let ground = Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}",
        panel.block()
    ))
    .await;

    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    is_sold(&node, &ground).await;

    let held = panel.hold("add");
    node.buy(&ground.key, "https://example.org/1").await;
    held.asked().await;
    proxy.hang_up(true);
    held.let_go();

    // Many try, and whoever brings the panel's answer is among them.
    proxy.has_hung_up_on(60).await;
    proxy.hang_up(false);

    until("the panel's id is known", async || {
        legs(&ground.database).await == "s accepted"
    })
    .await;

    assert_eq!(panel.requests("add"), 1);
    node.kill().await;
}

async fn begun(store: &Store) -> Tx {
    for _ in 0..50 {
        if let Ok(tx) = store.begin().await {
            return tx;
        }
    }

    panic!("no transaction begins any more");
}

/// Each step of a transaction, and of giving a connection back, over a pool that has one
/// connection.
#[tokio::test]
async fn nothing_that_the_database_is_asked_is_waited_for_without_an_end() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());
    let store = Store::open(&proxy.options(), 1, 1).within(SHORT);
    until("there is a way", async || {
        orders::draw_ids(&store, 1).await.is_ok()
    })
    .await;

    // Prepared before, a statement is only named: a new connection spells it.
    proxy.lose_answer("generate_series");
    proxy.cut();

    until("an answer is lost", async || {
        orders::draw_ids(&store, 1)
            .await
            .is_err_and(|error| error.to_string().contains("no answer within"))
    })
    .await;

    until("another connection answers", async || {
        orders::draw_ids(&store, 1).await.is_ok()
    })
    .await;

    begun(&store).await.rollback().await.unwrap();
    proxy.lose_answer("BEGIN");
    assert!(store.begin().await.is_err_and(|error| error.is_away()));
    let tx = begun(&store).await;
    proxy.lose_answer("COMMIT");
    assert!(tx.commit().await.is_err());

    let tx = begun(&store).await;
    proxy.lose_answer("ROLLBACK");
    assert!(tx.rollback().await.is_err());

    // Given back, it is looked at; who falls silent there keeps nobody's place.
    let tx = begun(&store).await;
    proxy.lose_answer("statement_timestamp");
    tx.commit().await.unwrap();
    begun(&store).await.rollback().await.unwrap();

    let heartbeat = Store::open(&proxy.options(), 1, 1).within(SHORT);
    until("it beats", async || heartbeat.beat().await).await;
    proxy.fall_silent();
    assert!(!heartbeat.beat().await);
    until("it beats over a new connection", async || {
        heartbeat.beat().await
    })
    .await;

    for store in [store, heartbeat] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_process_that_is_not_ready_for_long_takes_no_orders() {
    let world = World::open().await;
    let health = ProcessHealth {
        sells: false,
        ..healthy()()
    };

    let door = world
        .house
        .open_door(([127, 0, 0, 1], 0).into(), Arc::new(move || health.clone()))
        .await
        .unwrap();

    let url = format!("http://{}/api/v2", door.addr());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let ask = async |fields: &[(&str, &str)]| {
        let body =
            serde_urlencoded::to_string([&[("key", world.key.as_str())], fields].concat()).unwrap();
        let request = client
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);

        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let refused = (503, r#"{"error":"Internal error, retry later"}"#.to_owned());
    assert_eq!(ask(&add("https://example.org/1")).await, refused);

    assert_eq!(
        ask(&[("action", "balance")]).await.0,
        200,
        "what is asked about is answered"
    );

    assert_eq!(
        read(&world.database, "select count(*)::text from orders").await,
        "0"
    );

    door.close(Duration::from_secs(1)).await;
}
