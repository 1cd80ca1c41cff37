//! The workers as they run by themselves, in real time: woken, held up, and going on.

use std::time::Duration;

use panelgate::app::{Gateway, Roles};

use crate::keys::let_in;
use crate::node::until;
use crate::world::World;

/// How long anything that must happen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Looks at what happens by itself; five of them see every worker's round at least once.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks until the panel has so many orders.
async fn has(world: &World, orders: usize) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        while world.panel().orders().len() < orders {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .expect("the panel gets its orders");
}

async fn gateway(world: &World) -> Gateway {
    let drain = Duration::from_secs(10);
    let roles = Roles {
        api: None,
        console: None,
        workers: true,
        drain: Some(drain),
    };

    Gateway::open(world.restarted().await, roles, None)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_bought_is_sent_and_a_lost_lease_is_given_up_at_the_end() {
    let world = World::open().await;
    let first = gateway(&world).await;

    for _ in 0..30 {
        world.buy("1", "10").await;
    }

    has(&world, 30).await;
    first.close().await;

    // The clock stands still: without the lease being given up nobody could take it.
    let second = gateway(&world).await;
    world.buy("1", "10").await;
    has(&world, 31).await;
    second.close().await;
    world.audit().await;
}

#[tokio::test]
async fn a_catalog_that_is_old_is_read_again() {
    let world = World::open().await;
    let gateway = gateway(&world).await;
    let readings = || world.panel().requests()["services"];
    let before = readings();
    world.turn(601);
    let mut looks = tokio::time::interval(LOOK_EVERY);

    let read = async {
        while readings() == before {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("its reader looks every few seconds");

    gateway.close().await;
}

/// What went wrong: a dispatcher that met the database away with nothing under way waited for its
/// own end.
#[tokio::test]
async fn a_database_that_was_away_is_worked_on_again() {
    let world = World::open().await;
    let gateway = gateway(&world).await;
    world.buy("1", "10").await;
    has(&world, 1).await;
    let_in(&world, false).await;
    let mut looks = tokio::time::interval(LOOK_EVERY);

    for _ in 0..6 {
        looks.tick().await;
    }

    // The gateway's own heartbeat has noticed; this is the test's.
    assert!(!world.house.store.beat().await);
    let_in(&world, true).await;

    while !world.house.store.beat().await {
        looks.tick().await;
    }

    world.buy("1", "10").await;
    has(&world, 2).await;
    gateway.close().await;
    world.audit().await;
}

/// The alerts of late workers that are told now.
async fn late_workers(world: &World) -> Vec<String> {
    let raised = "select object from alert where kind = 'worker_late' and raised_at is not null \
                  and over_at is null";
    sqlx::query_scalar(raised)
        .fetch_all(&world.pool().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_worker_that_panics_is_told_counted_and_begins_anew() {
    let world = World::open().await;
    let gateway = gateway(&world).await;
    let pulse = gateway.pulse();

    // Who sends, who follows, and who watches the whole process: each in turn breaks and is mended.
    for worker in ["dispatcher a", "tracker a", "heartbeat", "reader a"] {
        let before = pulse.panics();
        pulse.break_worker(worker, true);
        until(worker, async || pulse.panics() > before).await;
        pulse.break_worker(worker, false);
        until(worker, async || {
            pulse.late().is_empty() && pulse.lag_s() == Some(0)
        })
        .await;
    }

    world.buy("1", "10").await;
    has(&world, 1).await;
    gateway.close().await;
    world.audit().await;
}

#[tokio::test]
async fn a_worker_that_panics_again_and_again_needs_a_person_until_it_goes_on() {
    let world = World::open().await;
    let gateway = gateway(&world).await;
    let pulse = gateway.pulse();
    pulse.break_worker("dispatcher a", true);
    world.buy("1", "10").await;

    until("a person is told", async || {
        world.turn(1);
        !late_workers(&world).await.is_empty()
    })
    .await;

    let told = late_workers(&world).await;
    assert!(
        told.len() == 1 && told[0].starts_with("dispatcher a on "),
        "{told:?}"
    );

    assert_eq!(pulse.late(), ["dispatcher a"]);
    assert!(pulse.panics() >= 3 && world.panel().orders().is_empty());

    pulse.break_worker("dispatcher a", false);
    has(&world, 1).await;

    until("it is over", async || {
        world.turn(1);
        late_workers(&world).await.is_empty()
    })
    .await;

    gateway.close().await;
    world.audit().await;
}
