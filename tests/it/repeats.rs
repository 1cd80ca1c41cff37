//! Clients that retry blindly: within the key's window the same order again is answered with the
//! first one's id.

use futures_util::future::join_all;

use panelgate::domain::customer::Dialect;

use crate::world::{World, buyer, healthy};

const LINK: &str = "https://example.org/1";

async fn windowed(seconds: i32) -> World {
    let world = World::open().await;
    let set = sqlx::query("update api_key set dedupe_window_s = $1").bind(seconds);
    set.execute(&world.pool().await).await.unwrap();
    world
}

async fn add(world: &World, more: &[(&str, &str)]) -> String {
    world
        .ask(&[&[("action", "add"), ("service", "1"), ("link", LINK)], more].concat())
        .await
}

async fn orders(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from orders")
        .fetch_one(&world.pool().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_window_begins_with_the_first_order_and_ends_to_the_second() {
    let world = windowed(60).await;
    let first = add(&world, &[("quantity", "10")]).await;
    world.turn(59);

    assert_eq!(
        add(&world, &[("quantity", "10")]).await,
        first,
        "and a repetition does not begin it anew"
    );

    world.turn(1);
    let second = add(&world, &[("quantity", "10")]).await;
    assert_ne!(second, first);
    world.turn(59);
    assert_eq!(add(&world, &[("quantity", "10")]).await, second);
    assert_eq!(orders(&world).await, 2);

    world.audit().await;
}

#[tokio::test]
async fn only_the_same_order_of_the_same_key_is_a_repetition() {
    let world = windowed(60).await;
    let first = add(&world, &[("quantity", "10")]).await;
    assert_ne!(add(&world, &[("quantity", "11")]).await, first);

    let fields = [
        ("action", "add"),
        ("service", "1"),
        ("link", "https://example.org/2"),
        ("quantity", "10"),
    ];

    assert_ne!(world.ask(&fields).await, first);
    let (_, other, _) = buyer(&world.house, "other", "10").await;

    let fields = [
        ("action", "add"),
        ("service", "1"),
        ("link", LINK),
        ("quantity", "10"),
    ];

    let others = [
        world.ask_as(&other, &fields).await,
        world.ask_as(&other, &fields).await,
    ];

    assert!(
        others[0] != first && others[0] != others[1],
        "its key has no window"
    );

    assert_eq!(orders(&world).await, 5);
}

#[tokio::test]
async fn a_request_id_wins_over_the_window() {
    let world = windowed(60).await;
    let first = add(&world, &[("quantity", "10")]).await;
    let named = add(&world, &[("quantity", "10"), ("request_id", "a")]).await;
    assert_ne!(named, first);
    assert_eq!(
        add(&world, &[("quantity", "10"), ("request_id", "a")]).await,
        named
    );

    assert_eq!(add(&world, &[("quantity", "10")]).await, first);
}

#[tokio::test]
async fn of_many_at_the_same_moment_one_buys() {
    let world = windowed(60).await;
    for round in 1..=3 {
        let answers = join_all((0..20).map(|_| add(&world, &[("quantity", "10")]))).await;
        assert!(
            answers
                .iter()
                .all(|answer| *answer == answers[0] && answer.starts_with("{\"order\":")),
            "{answers:?}"
        );

        assert_eq!(orders(&world).await, round);

        // The next round finds a window that is over, and twenty who begin a new one at once.
        world.turn(60);
    }

    world.audit().await;
}

#[tokio::test]
async fn a_repetition_is_answered_whatever_became_of_the_wallet() {
    let world = windowed(60).await;
    let first = add(&world, &[("quantity", "10")]).await;
    sqlx::query("update wallet set floor = 0, balance = 0")
        .execute(&world.pool().await)
        .await
        .unwrap();

    assert_eq!(add(&world, &[("quantity", "10")]).await, first);
    assert_eq!(
        add(&world, &[("quantity", "11")]).await,
        r#"{"error":"Not enough funds on balance"}"#
    );
}

#[tokio::test]
async fn of_one_request_at_two_doors_in_both_tongues_one_buys() {
    let world = World::open().await;
    let second = world
        .restarted()
        .await
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    let letters = world.key_speaking(Dialect::Notpanel).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    for round in 1..=3 {
        let asks = (0..40).map(|n| {
            let door = if n % 2 == 0 { &world.door } else { &second };
            let key = if n % 4 < 2 { &world.key } else { &letters };
            let add = format!(
                "key={key}&action=add&service=1&link={LINK}&quantity=10&request_id=round-{round}"
            );

            let asked = client
                .get(format!("http://{}/api/v2?{add}", door.addr()))
                .send();

            async move { asked.await.unwrap().text().await.unwrap() }
        });

        let answers = join_all(asks).await;
        assert!(
            answers
                .iter()
                .all(|answer| *answer == answers[0] && answer.starts_with("{\"order\":")),
            "{answers:?}"
        );

        assert_eq!(orders(&world).await, round);
    }

    world.audit().await;
}
