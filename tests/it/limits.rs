//! Limits: three layers in their order, told byte for byte, exact for one process and near for
//! several.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use panelgate::app::App;
use panelgate::customers::pace::Layer;
use panelgate::downstream::Door;
use reqwest::Response;

use crate::keys::NOBODY;
use crate::world::{Plan, World, all_of, buyer, healthy};

/// When the minute ends in which a world's clock stands.
const RESETS_AT_S: &str = "1700000040";
const LIMITED: &str = r#"{"error":"Rate limit exceeded"}"#;
/// A twentieth of a limit: so near do several processes stay to it.
const NEAR: usize = 20;

async fn limited(limits: &str) -> World {
    World::build(Plan {
        services: format!("{}\n{limits}", all_of("a")),
        ..Plan::default()
    })
    .await
}

/// Status, the limits' headers in their order, and the body.
async fn shown(response: Response) -> String {
    let names = ["limit", "remaining", "reset", "tier-remaining", "deniedby"]
        .map(|name| format!("x-ratelimit-{name}"));

    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| format!(" {}", value.to_str().unwrap()))
    };

    let mut line = response.status().as_u16().to_string();
    for name in names.iter().map(String::as_str).chain(["retry-after"]) {
        line += &header(name).unwrap_or_else(|| " -".to_owned());
    }

    format!("{line} {}", response.text().await.unwrap())
}

async fn ask(world: &World, key: &str) -> String {
    shown(
        world
            .request(&[("key", key), ("action", "balance")])
            .send()
            .await
            .unwrap(),
    )
    .await
}

/// Asks at a door so many times at once; how many were answered.
async fn answered(doors: &[&Door], key: &str, times: usize) -> usize {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asks = (0..times).map(|n| {
        let url = format!("http://{}/api/v2", doors[n % doors.len()].addr());
        let body = format!("key={key}&action=services");

        let asked = client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send();

        async move { asked.await.unwrap().status().as_u16() }
    });

    let statuses = join_all(asks).await;
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );

    statuses.iter().filter(|status| **status == 200).count()
}

#[tokio::test]
async fn a_clock_that_was_an_hour_ahead_locks_nobody_out() {
    let world = limited("[limits]\nper_key_per_minute = 20").await;
    let right = world.house.clock.now();
    world.turn(3_600);
    let last = async || ask(&world, &world.key).await.starts_with("429");
    while !last().await {}
    world.turn(-3_600);

    assert_eq!(world.house.clock.now(), right);
    assert!(ask(&world, &world.key).await.starts_with("200"));

    // A moment back opens nothing.
    while !last().await {}
    world.turn(-60);
    assert!(last().await);
}

#[tokio::test]
async fn every_answer_tells_where_the_caller_stands() {
    let world = World::open().await;
    let mut lines = vec![ask(&world, &world.key).await, ask(&world, &world.key).await];
    lines.push(
        shown(
            world
                .request(&[("key", &world.key), ("action", "dance")])
                .send()
                .await
                .unwrap(),
        )
        .await,
    );

    lines.push(ask(&world, "wrong").await);
    lines.push(shown(world.request(&[]).send().await.unwrap()).await);

    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 1000 999 1700000040 999 - - {"balance":"1000.00","currency":"USD"}
    200 1000 998 1700000040 998 - - {"balance":"1000.00","currency":"USD"}
    200 1000 997 1700000040 997 - - {"error":"Incorrect request"}
    200 3000 2996 1700000040 - - - {"error":"Invalid API key"}
    200 3000 2995 1700000040 - - - {"error":"Invalid API key"}
    "#);
}

#[tokio::test]
async fn each_layer_denies_in_its_turn_and_lifts_with_the_minute() {
    let world = limited(
        "[limits]\nper_address_per_minute = 9\nper_key_per_minute = 3\n[[tier]]\nid = \
         \"standard\"\nper_minute = 4",
    )
    .await;

    let other = second_key(&world).await;
    let mut lines = Vec::new();

    for key in [
        &world.key, &world.key, &world.key, &world.key, &other, &other, &other,
    ] {
        lines.push(ask(&world, key).await);
    }

    for key in ["wrong", &world.key, "wrong", &world.key] {
        lines.push(ask(&world, key).await);
    }

    world.turn(39);
    lines.push(ask(&world, "wrong").await);
    world.turn(1);
    lines.push(ask(&world, &world.key).await);

    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 3 2 1700000040 3 - - {"balance":"1000.00","currency":"USD"}
    200 3 1 1700000040 2 - - {"balance":"1000.00","currency":"USD"}
    200 3 0 1700000040 1 - - {"balance":"1000.00","currency":"USD"}
    429 3 0 1700000040 1 key 40 {"error":"Rate limit exceeded"}
    200 3 2 1700000040 0 - - {"balance":"1000.00","currency":"USD"}
    429 3 2 1700000040 0 tier 40 {"error":"Rate limit exceeded"}
    429 3 2 1700000040 0 tier 40 {"error":"Rate limit exceeded"}
    200 9 1 1700000040 - - - {"error":"Invalid API key"}
    429 3 0 1700000040 0 key 40 {"error":"Rate limit exceeded"}
    429 9 0 1700000040 - ip 40 {"error":"Rate limit exceeded"}
    429 9 0 1700000040 - ip 40 {"error":"Rate limit exceeded"}
    429 9 0 1700000040 - ip 1 {"error":"Rate limit exceeded"}
    200 3 2 1700000100 3 - - {"balance":"1000.00","currency":"USD"}
    "#);
}

/// Another key of the world's customer.
async fn second_key(world: &World) -> String {
    use panelgate::{customers::keys::NewKey, domain::customer::Dialect, store::customers};
    let (key, now) = (NewKey::draw().unwrap(), world.house.clock.now());
    let mut tx = world.house.store.begin().await.unwrap();
    let digest = key.digest();

    customers::add_key(
        &mut tx,
        world.customer,
        &digest,
        key.shown(),
        "",
        Dialect::Classic,
        now,
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
    key.reveal().to_owned()
}

#[tokio::test]
async fn a_key_and_a_tier_may_have_numbers_of_their_own() {
    let world = limited("[[tier]]\nid = \"reseller\"\nper_minute = 5000").await;
    let pool = world.pool().await;
    sqlx::query("update api_key set per_minute = 7")
        .execute(&pool)
        .await
        .unwrap();

    sqlx::query("update customer set tier = 'reseller'")
        .execute(&pool)
        .await
        .unwrap();

    let line = ask(&world, &world.key).await;
    assert!(
        line.starts_with(&format!("200 7 6 {RESETS_AT_S} 4999 - - ")),
        "{line}"
    );
}

#[tokio::test]
async fn a_suspended_account_is_told_so_and_counts_for_nothing() {
    let world = World::open().await;
    sqlx::query("update customer set suspended_at = now()")
        .execute(&world.pool().await)
        .await
        .unwrap();

    for action in ["services", "balance", "add", "status", "dance"] {
        let response = world
            .request(&[("key", &world.key), ("action", action)])
            .send()
            .await
            .unwrap();

        let expected =
            format!("200 1000 1000 {RESETS_AT_S} 1000 - - {{\"error\":\"Account suspended\"}}");
        assert_eq!(shown(response).await, expected, "{action}");
    }
}

#[tokio::test]
async fn of_two_hundred_at_once_as_many_are_answered_as_the_limit_says() {
    let world = limited("[limits]\nper_key_per_minute = 50").await;
    assert_eq!(answered(&[&world.door], &world.key, 200).await, 50);
}

#[tokio::test]
async fn of_two_hundred_orders_at_once_as_many_are_bought_as_the_limit_says() {
    let world = limited("[limits]\nper_key_per_minute = 50").await;
    let add = [
        ("action", "add"),
        ("service", "1"),
        ("link", "https://example.org/1"),
        ("quantity", "10"),
    ];

    let answers = join_all((0..200).map(|_| world.ask(&add))).await;
    let (bought, denied): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.starts_with("{\"order\":"));

    assert_eq!(bought.len(), 50);
    assert!(denied.iter().all(|answer| *answer == LIMITED), "{denied:?}");
    assert_eq!(
        crate::books::read(&world.database, "select count(*)::text from orders").await,
        "50"
    );

    world.audit().await;
}

#[tokio::test]
async fn the_other_tongue_has_its_own_number_and_the_same_headers() {
    let world = World::open().await;
    let pool = world.pool().await;
    sqlx::query("update api_key set dialect = 'notpanel'")
        .execute(&pool)
        .await
        .unwrap();

    let mut lines = vec![ask(&world, &world.key).await];
    assert_eq!(answered(&[&world.door], &world.key, 150).await, 99);
    lines.push(ask(&world, &world.key).await);
    sqlx::query("update customer set suspended_at = now()")
        .execute(&pool)
        .await
        .unwrap();

    // Another process has not believed it otherwise yet.
    let door = world
        .restarted()
        .await
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!(
        "http://{}/api/v2?key={}&action=balance",
        door.addr(),
        world.key
    );

    lines.push(shown(client.get(url).send().await.unwrap()).await);
    insta::assert_snapshot!(lines.join("\n"), @r#"
    200 100 99 1700000040 999 - - {"balance":"1000.00","currency":"USD"}
    429 100 0 1700000040 900 key 40 {"error":"Rate limit exceeded"}
    403 100 100 1700000040 1000 - - {"error":"Account suspended"}
    "#);
}

/// Another process on the same database, with its door open; both know of each other.
async fn second(world: &World) -> (App, Door) {
    let house = world.restarted().await;
    let door = house
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    for house in [&world.house, &house, &world.house] {
        house.pace.knock().await.unwrap();
    }

    (house, door)
}

#[tokio::test]
async fn two_processes_share_a_limit() {
    let world = limited("[limits]\nper_key_per_minute = 100").await;
    let (_house, door) = second(&world).await;

    for (doors, what) in [
        (vec![&world.door, &door], "both"),
        (vec![&world.door], "one"),
        (vec![&door], "the other"),
    ] {
        world.turn(60);
        let served = answered(&doors, &world.key, 200).await;
        assert!(
            (100 - 100 / NEAR..=100 + 100 / NEAR).contains(&served),
            "{what}: {served}"
        );
    }

    // One has something in hand that it never needs; the other gets nearly all.
    world.turn(60);
    assert_eq!(answered(&[&door], &world.key, 5).await, 5);
    let served = answered(&[&world.door], &world.key, 200).await;
    assert!((90..=100).contains(&served), "{served}");
}

#[tokio::test]
async fn a_seldom_caller_costs_no_round_trip_and_a_denied_one_none_any_more() {
    let world = limited("[limits]\nper_key_per_minute = 80").await;
    let (_house, door) = second(&world).await;
    assert_eq!(answered(&[&door], &world.key, 1).await, 1);
    let pool = world.pool().await;

    let taken = || async {
        sqlx::query_scalar::<_, i64>("select count(*) from allowance")
            .fetch_one(&pool)
            .await
            .unwrap()
    };

    assert_eq!(answered(&[&door], &world.key, 1).await, 1);
    assert_eq!(
        taken().await,
        0,
        "two requests of eighty are within the head"
    );

    answered(&[&door], &world.key, 100).await;
    sqlx::query("alter table allowance rename to elsewhere")
        .execute(&pool)
        .await
        .unwrap();

    assert_eq!(
        answered(&[&door], &world.key, 100).await,
        0,
        "nobody asks what is known to be over"
    );
}

#[tokio::test]
async fn a_process_that_leaves_gives_its_share_back() {
    let world = limited("[limits]\nper_key_per_minute = 100").await;
    let (house, _door) = second(&world).await;
    house.pace.leave().await.unwrap();
    world.house.pace.knock().await.unwrap();

    assert_eq!(
        answered(&[&world.door], &world.key, 200).await,
        100,
        "alone, and so exact"
    );
}

/// So many requests at once from one address.
const ABREAST: usize = 50;

/// Sends balance requests, each with a wrong key of its own; how many were told that it is
/// nobody's, the rest that it is too much.
async fn hammer(world: &World, numbers: std::ops::Range<usize>) -> usize {
    let next = &std::cell::RefCell::new(numbers);
    let one = async || {
        let mut nobodys = 0;
        loop {
            let Some(n) = next.borrow_mut().next() else {
                return nobodys;
            };

            let (status, body) = world
                .post(&[("key", &format!("wrong {n}")), ("action", "balance")])
                .await;

            match (status, body.as_str()) {
                (200, NOBODY) => nobodys += 1,
                answer => assert_eq!(answer, (429, LIMITED)),
            }
        }
    };

    join_all((0..ABREAST).map(|_| one()))
        .await
        .into_iter()
        .sum()
}

#[tokio::test]
async fn ten_thousand_wrong_keys_end_at_the_addresss_limit_and_then_cost_no_database() {
    let world = World::open().await;
    assert_eq!(
        hammer(&world, 0..4_000).await,
        3_000,
        "as many as an address has"
    );

    let line = ask(&world, "wrong").await;
    assert_eq!(line, format!("429 3000 0 {RESETS_AT_S} - ip 40 {LIMITED}"));

    // From here on whoever looks for a key, or counts in the database, finds the table broken, and
    // would be told so.
    for table in ["api_key", "allowance"] {
        let rename = format!("alter table {table} rename to {table}_elsewhere");
        crate::books::run(&world.database, &rename).await.unwrap();
    }

    assert_eq!(hammer(&world, 4_000..10_000).await, 0);
    world.turn(40);
    assert!(
        ask(&world, "another").await.starts_with("500 3000 2999"),
        "the trap works"
    );
}

#[tokio::test]
async fn addresses_behind_a_trusted_proxy_are_counted_apart() {
    let mut world = limited("[limits]\nper_address_per_minute = 2").await;
    world.house.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];

    let door = world
        .house
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    let url = format!("http://{}/api/v2", door.addr());
    let ask = async |from: &str| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client
            .post(&url)
            .header("x-forwarded-for", from)
            .send()
            .await
            .unwrap();

        (
            response.status().as_u16(),
            response.headers()["x-ratelimit-remaining"]
                .to_str()
                .unwrap()
                .to_owned(),
        )
    };

    assert_eq!(ask("192.0.2.1").await, (200, "1".into()));
    assert_eq!(
        ask("198.51.100.7, 192.0.2.1").await,
        (200, "0".into()),
        "what a client says of itself is nothing"
    );

    assert_eq!(ask("192.0.2.1").await, (429, "0".into()));
    assert_eq!(ask("192.0.2.2").await, (200, "1".into()));

    // Whoever has one address of a /64 has all of them.
    assert_eq!(ask("2001:db8::1").await, (200, "1".into()));
    assert_eq!(ask("[2001:db8::ffff]:443").await, (200, "0".into()));
    assert_eq!(ask("2001:db8::2").await, (429, "0".into()));
    assert_eq!(ask("2001:db8:0:1::2").await, (200, "1".into()));
}

#[tokio::test]
async fn without_the_database_a_process_keeps_to_its_share() {
    let world = limited("[limits]\nper_address_per_minute = 100").await;
    let (_house, _door) = second(&world).await;
    crate::keys::let_in(&world, false).await;
    assert!(!world.house.store.beat().await);
    let in_force = world.house.catalog.in_force();
    let (address, settings) = (IpAddr::from([192, 0, 2, 1]), &in_force.mapping.limits);

    let counted = tokio::time::timeout(Duration::from_secs(10), async {
        let mut served = 0;
        while let Ok(standing) = world.house.pace.address(address, settings).await {
            assert_eq!(standing.limit, 100);
            served += 1;
        }

        (
            served,
            world
                .house
                .pace
                .address(address, settings)
                .await
                .unwrap_err()
                .by,
        )
    });

    assert_eq!(counted.await.unwrap(), (50, Layer::Address));
    crate::keys::let_in(&world, true).await;
}

#[tokio::test]
async fn customers_are_counted_each_by_themselves() {
    let world = limited("[[tier]]\nid = \"standard\"\nper_minute = 3").await;
    let (_, other, _) = buyer(&world.house, "other", "1").await;
    assert_eq!(answered(&[&world.door], &world.key, 10).await, 3);
    assert_eq!(answered(&[&world.door], &other, 10).await, 3);
}
