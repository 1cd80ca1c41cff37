//! A hundred edits, half of them broken, while customers buy, ask and look at two gateways.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use panelgate::app::{Gateway, Roles};
use panelgate::reload::FileLook;
use sqlx::Row;
use tokio::task::JoinSet;

use super::{Node, STILL_S, hash, two_panels};
use crate::world::World;

const EDITS: usize = 100;
const CLIENTS: usize = 4;
/// Within this both nodes serve the same.
const AGREE_MAX: Duration = Duration::from_secs(1);
/// Of the edits, every so many is timed.
const TIMED_EVERY: usize = 10;

/// So that no client meets a limit: the world's minute hardly passes.
const NO_LIMITS: &str = "[limits]\nper_address_per_minute = 10_000_000\nper_key_per_minute = \
                         10_000_000\n[[tier]]\nid = \"standard\"\nper_minute = 10_000_000\n";

async fn gateway(node: &Node) -> Gateway {
    let api = Some(([127, 0, 0, 1], 0).into());
    let roles = Roles {
        api,
        console: None,
        workers: true,
        drain: Some(Duration::from_secs(10)),
    };

    // The test's own looks are the only ones: a watch of the gateway's would see the edits too, at
    // its own time.
    Gateway::open(node.house.clone(), roles, None)
        .await
        .unwrap()
}

/// Buys, asks and looks, until it is told to stop; what it was refused.
async fn client(
    url: String,
    key: String,
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicUsize>,
) -> Vec<String> {
    let (http, mut failed, mut n) = (
        reqwest::Client::builder().no_proxy().build().unwrap(),
        Vec::new(),
        0,
    );

    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let link = format!("https://example.org/{n}");

        let fields: &[(&str, &str)] = match n % 3 {
            0 => &[
                ("action", "add"),
                ("service", "1"),
                ("link", &link),
                ("quantity", "100"),
            ],
            1 => &[("action", "services")],
            _ => &[("action", "status"), ("order", "1")],
        };

        let body = serde_urlencoded::to_string([fields, &[("key", &key)]].concat()).unwrap();
        let sent = http
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await;

        match sent {
            Ok(response) if response.status().is_success() => {
                let text = response.text().await.unwrap();
                bought.fetch_add(
                    usize::from(text.starts_with("{\"order\":")),
                    Ordering::Relaxed,
                );

                if text.contains("\"error\"") {
                    failed.push(format!("{}: {text}", fields[0].1));
                }
            }
            Ok(response) => failed.push(format!("{}: {}", fields[0].1, response.status())),
            Err(error) => failed.push(error.to_string()),
        }
    }

    failed
}

/// Every order: the hash that it was sold under, and its charge.
async fn sold(world: &World) -> Vec<(String, String)> {
    let pool = world.pool().await;
    let rows = sqlx::query("select config_hash, trim_scale(charge)::text as charge from orders")
        .fetch_all(&pool)
        .await;

    rows.unwrap()
        .iter()
        .map(|row| (row.get("config_hash"), row.get("charge")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_edits_under_load_fail_no_request_and_every_order_has_the_price_of_its_version() {
    let world = two_panels().await;
    let first = format!("{}{NO_LIMITS}", world.file.text);
    let (one, two) = (
        Node::start(&world, "one", &first).await.unwrap(),
        Node::start(&world, "two", &first).await.unwrap(),
    );

    let gateways = [gateway(&one).await, gateway(&two).await];
    assert_eq!(world.buy("1", "100").await, 1);
    let (stop, bought) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );

    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let url = gateways[n % 2].url().unwrap();
        clients.spawn(client(url, world.key.clone(), stop.clone(), bought.clone()));
    }

    let mut charges = BTreeMap::from([
        (world.file.mapping.hash.0.clone(), "0.2".to_owned()),
        (hash(&first), "0.2".to_owned()),
    ]);

    let mut slowest = Duration::ZERO;
    for n in 0..EDITS {
        let cents = 200 + n % 50;
        let text = format!(
            "# edit {n}\n{}",
            first.replace(
                "rate = \"2\"",
                &format!("rate = \"{}.{:02}\"", cents / 100, cents % 100)
            )
        );

        if n % 2 == 1 {
            one.write(&text.replace("[[service]]", "[[servce]]"));
            assert!(matches!(seen(&world, &one).await, FileLook::Refused(_)));
            continue;
        }

        charges.insert(
            hash(&text),
            format!("0.{cents}").trim_end_matches('0').to_owned(),
        );

        one.write(&text);
        assert_eq!(seen(&world, &one).await, FileLook::Published);
        let published = Instant::now();

        if n % TIMED_EVERY == 0 {
            while two.hash() != hash(&text) {
                tokio::task::yield_now().await;
                assert!(
                    published.elapsed() < Duration::from_secs(30),
                    "they never agree"
                );
            }

            slowest = slowest.max(published.elapsed());
        }
    }

    stop.store(true, Ordering::Relaxed);
    let failed: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(slowest < AGREE_MAX, "two nodes agreed after {slowest:?}");
    let sold = sold(&world).await;
    assert_eq!(sold.len(), bought.load(Ordering::Relaxed) + 1);

    assert!(sold.len() > EDITS / 2, "only {} were bought", sold.len());
    for (hash, charge) in &sold {
        assert_eq!(charges.get(hash), Some(charge), "sold under {hash}");
    }

    for gateway in gateways {
        gateway.close().await;
    }

    world.audit().await;
}

/// What the node makes of its file; its own watch may look at the same time, and is quicker then.
async fn seen(world: &World, node: &Node) -> FileLook {
    let hash = panelgate::config::hash(&std::fs::read(&node.path).unwrap());
    node.look().await;
    world.turn(STILL_S);
    let seen = node.look().await;

    match seen {
        FileLook::Nothing if node.house.catalog.mapping().hash == hash => FileLook::Published,
        FileLook::Nothing => FileLook::Refused(vec!["by its own watch".to_owned()]),
        FileLook::Moving
        | FileLook::Gone
        | FileLook::Refused(_)
        | FileLook::Waits(_)
        | FileLook::Same
        | FileLook::Late
        | FileLook::Published
        | FileLook::Crowded => seen,
    }
}
