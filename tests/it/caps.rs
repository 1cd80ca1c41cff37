//! What a panel is asked at once and in a second holds for all processes on a database together:
//! one of them asks.

use std::time::{Duration, Instant};

use panelgate::app::{Gateway, Roles};

use crate::scripted::Scripted;
use crate::world::{Plan, World};

/// How long anything that must happen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process on the world's database, with its own panels.
async fn gateway(world: &World) -> Gateway {
    let roles = Roles {
        api: None,
        console: None,
        workers: true,
        drain: Some(PATIENCE),
    };

    Gateway::open(world.restarted().await, roles, None)
        .await
        .unwrap()
}

/// A world over one panel, with other limits.
async fn world_of(panel: &Scripted, limits: &str) -> World {
    let block = panel
        .block()
        .replace("requests_per_second = 1000\n", limits);

    let services =
        format!("{block}[[service]]\nid = 1\nroutes = [{{ provider = \"s\", service = \"1\" }}]\n");

    World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await
}

async fn has_taken(panel: &Scripted, orders: usize) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        while panel.requests("add") < orders {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .expect("the panel gets its orders");
}

#[tokio::test]
async fn no_more_calls_are_in_flight_than_one_process_may_have_also_while_the_panel_changes_hands()
{
    let panel = Scripted::saying(r#"{"status":"In progress","remains":"60"}"#).await;
    let world = world_of(&panel, "requests_per_second = 1000\nconcurrent_max = 3\n").await;
    let (first, second) = (gateway(&world).await, gateway(&world).await);
    let held = panel.hold("add");
    for _ in 0..12 {
        world.buy("1", "10").await;
    }
    for _ in 0..3 {
        held.asked().await;
    }
    for _ in 0..3 {
        held.let_go();
        held.asked().await;
    }
    // Whoever has the panel takes up nothing new, waits for its three, and gives it up; the other
    // goes on.
    let close = async { tokio::join!(first.close(), async { (0..3).for_each(|_| held.let_go()) }) };
    let go_on = async {
        for _ in 0..6 {
            held.asked().await;
            held.let_go();
        }
    };
    let both = Box::pin(async { tokio::join!(close, go_on) });
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("the other takes the panel over");
    has_taken(&panel, 12).await;
    assert_eq!(panel.at_once_max(), 3);
    second.close().await;
    assert_eq!(panel.requests("add"), 12);
    world.audit().await;
}

#[tokio::test]
async fn no_more_calls_leave_in_a_second_than_one_process_may_send() {
    let panel = Scripted::saying(r#"{"status":"In progress","remains":"60"}"#).await;
    let world = world_of(&panel, "requests_per_second = 20\n").await;
    let (first, second) = (gateway(&world).await, gateway(&world).await);
    let begun = Instant::now();

    for _ in 0..42 {
        world.buy("1", "10").await;
    }

    has_taken(&panel, 42).await;

    // Two may leave together, and then one every twentieth of a second; a busy machine only makes
    // it longer.
    assert!(
        begun.elapsed() >= Duration::from_millis(1_950),
        "{:?}",
        begun.elapsed()
    );

    first.close().await;
    second.close().await;
    world.audit().await;
}
