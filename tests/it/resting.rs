//! Nothing rests in silence: each place where something can wait is told when it waits too long,
//! with what keeps it, and told to be over when it moves. What the places are is a table of
//! ARCHITECTURE.md.

use panelgate::domain::money::Money;
use panelgate::orders::stuck::Looked;
use rstest::rstest;
use serde_json::Value;

use crate::backup::json;
use crate::books::{read, reviews, run};
use crate::rerouting::typed;
use crate::routes::{pause, reprice, two};
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of, one_over};

const HOUR: i64 = 3_600;

/// What a panel says of an order that it does not begin.
const PENDING: &str = r#"{"charge":"0.09","start_count":"0","status":"Pending","remains":"100"}"#;

/// A look for what is stuck, at least a minute after the one before.
async fn look_for_stuck(world: &World) -> Looked {
    world.turn(60);
    world
        .house
        .delivery
        .look_for_stuck()
        .await
        .unwrap()
        .expect("nobody looked lately")
}

/// The alerts that are open, `kind object count`, after a look, while somebody deals with all
/// panels.
async fn alerts(world: &World) -> String {
    for panel in &world.house.panels {
        world.house.delivery.hold(panel).await.unwrap();
    }
    open_alerts(world).await
}

async fn open_alerts(world: &World) -> String {
    world.house.alerts.look().await.unwrap();
    let open = "select string_agg(concat_ws(' ', kind, nullif(object, ''), count), ', ' order by \
                kind, object)
                from alert where over_at is null and raised_at is not null";
    read(&world.database, open).await
}

/// What the open alert of a kind says.
async fn words(world: &World, kind: &str) -> String {
    read(
        &world.database,
        &format!("select words from alert where kind = '{kind}' and over_at is null"),
    )
    .await
}

#[tokio::test]
async fn an_order_that_its_panel_never_begins_is_told_once_and_is_over_when_it_moves() {
    let panel = Scripted::saying(PENDING).await;
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(71, HOUR).await;
    assert_eq!(look_for_stuck(&world).await, Looked::default());
    assert_eq!(alerts(&world).await, "");

    // Whatever it says between: an error is no movement, and the same word after it none either.
    panel.change(|script| script.row = r#"{"error":"try later"}"#.to_owned());
    world.pass(1, HOUR).await;
    panel.change(|script| script.row = PENDING.to_owned());
    world.pass(1, HOUR).await;
    assert_eq!(look_for_stuck(&world).await, Looked { stuck: 1, moved: 0 });

    let told = format!(
        "stuck: it has not moved at s for 72 h: ask the panel, and settle it with `order settle \
         {order}`"
    );

    assert_eq!(reviews(&world.database).await, told);
    assert_eq!(
        alerts(&world).await,
        "orders_for_review 1, orders_stuck s 1"
    );

    assert!(
        words(&world, "orders_stuck")
            .await
            .ends_with("; the oldest has not moved since 2023-11-14T23:13:20Z")
    );

    let listed = json(&world.database, &["order", "list", "--state", "stuck"]).await;
    assert_eq!(listed[0]["id"].as_i64(), Some(i64::from(order)));

    // Once for each rest: that the panel says it clearly again takes nothing back, and what a
    // person took back stays so.
    assert_eq!(look_for_stuck(&world).await, Looked::default());
    panel.change(|script| script.row = r#"{"error":"try later"}"#.to_owned());
    world.pass(3, HOUR).await;
    panel.change(|script| script.row = PENDING.to_owned());

    world.pass(3, HOUR).await;
    assert_eq!(reviews(&world.database).await, told);
    run(&world.database, "update orders set review = null")
        .await
        .unwrap();

    assert_eq!(
        (
            look_for_stuck(&world).await,
            reviews(&world.database).await.as_str()
        ),
        (Looked::default(), "")
    );

    assert_eq!(alerts(&world).await, "orders_stuck s 1");
    run(
        &world.database,
        &format!("update orders set review = '{}'", told.replace('\'', "''")),
    )
    .await
    .unwrap();

    panel.change(|script| script.row = PENDING.replace("Pending", "In progress"));
    world.pass(3, HOUR).await;

    assert_eq!(
        alerts(&world).await,
        "orders_for_review 1",
        "at once, before the round sees it"
    );

    assert_eq!(look_for_stuck(&world).await, Looked { stuck: 0, moved: 1 });
    assert_eq!(
        (
            reviews(&world.database).await.as_str(),
            alerts(&world).await.as_str()
        ),
        ("", "")
    );

    // What goes on slowly is not stuck.
    for remains in (80..90).rev() {
        let row = format!(
            r#"{{"charge":"0.09","start_count":"0","status":"In progress","remains":"{remains}"}}"#
        );

        panel.change(|script| script.row = row);
        world.pass(14, 3 * HOUR).await;
        assert_eq!(look_for_stuck(&world).await, Looked::default());
    }

    world.audit().await;
}

#[rstest]
#[case::of_the_panel("stuck_after_h = 5", "", 5)]
#[case::of_the_service("stuck_after_h = 5", "stuck_after_h = 9", 9)]
#[case::of_the_service_and_sooner("", "stuck_after_h = 2", 2)]
#[tokio::test]
async fn how_long_is_too_long_is_the_services_word_before_its_panels(
    #[case] provider: &'static str,
    #[case] service: &str,
    #[case] hours: usize,
) {
    let services = format!(
        "[[service]]\nid = 1\n{service}\nroutes = [{{ provider = \"a\", service = \"10\" }}]\n"
    );

    let world = World::build(Plan {
        services,
        provider,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    pause(&world, "a", true).await;
    world.pass(hours - 1, HOUR).await;
    assert_eq!(look_for_stuck(&world).await.stuck, 0);
    world.pass(1, HOUR).await;
    assert_eq!(look_for_stuck(&world).await.stuck, 1);

    assert!(
        reviews(&world.database)
            .await
            .contains(&format!("for {hours} h and was not sent"))
    );
}

/// Whatever the reason, what is not accepted is told; another's review stays what it was.
#[rstest]
#[case::ready("update leg set state = 'ready'", "it has waited at a for 72 h")]
#[case::leased(
    "update leg set state = 'leased', epoch = 0, leased_until = now()",
    "it has waited at a for 72 h"
)]
#[case::no_money(
    "update leg set state = 'parked', parked_for = 'money', parked_at = now()",
    "it has waited at a for 72 h"
)]
#[case::held(
    "update leg set state = 'parked', parked_for = 'margin', parked_at = now()",
    "it has waited at a for 72 h"
)]
#[case::link(
    "update leg set state = 'parked', parked_for = 'active', parked_at = now()",
    "it has waited at a for 72 h"
)]
#[case::doubt(
    "update leg set state = 'in_doubt', doubted_at = '2023-11-14 22:13:20+00'",
    "it has been in doubt at a for 72 h"
)]
#[case::told_already("update orders set review = 'somebody looks'", "somebody looks")]
#[tokio::test]
async fn what_is_not_accepted_for_too_long_is_put_before_a_person(
    #[case] rests: &str,
    #[case] told: &str,
) {
    let world = World::open().await;
    world.buy("1", "100").await;
    run(&world.database, rests).await.unwrap();
    world.turn(71 * HOUR);
    assert_eq!(look_for_stuck(&world).await.stuck, 0);
    world.turn(HOUR);

    assert_eq!(look_for_stuck(&world).await.stuck, 1);
    let review = reviews(&world.database).await;
    assert!(
        review.trim_start_matches("stuck: ").starts_with(told),
        "{review}"
    );

    assert!(alerts(&world).await.contains("orders_stuck a 1"));

    // It is sent after all.
    let moved = "update leg set state = 'accepted', panel_order = '7';
                 insert into tracked_leg (leg_id, provider, panel_order, accepted_at, next_at)
                 select id, 'a', '7', '2023-11-18', '2100-01-01' from leg";

    run(&world.database, moved).await.unwrap();
    assert!(!alerts(&world).await.contains("orders_stuck"));
    assert_eq!(look_for_stuck(&world).await, Looked { stuck: 0, moved: 1 });
    let left = if told == "somebody looks" { told } else { "" };
    assert_eq!(reviews(&world.database).await, left);
}

#[tokio::test]
async fn what_is_stuck_is_taken_back_by_a_persons_hand_at_once() {
    let world = two().await;
    let order = world.buy("1", "100").await;
    world.turn(73 * HOUR);
    look_for_stuck(&world).await;

    assert!(
        reviews(&world.database)
            .await
            .contains("`order reroute 1` moves it, `order cancel 1` takes it back")
    );

    assert_eq!(
        typed(&world, &["order", "reroute", &order.to_string()])
            .await
            .status
            .code(),
        Some(0)
    );

    assert_eq!(reviews(&world.database).await, "");
    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from leg where stuck_at is not null"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn one_process_looks_at_a_time_and_none_that_serves_an_older_file() {
    let world = World::open().await;
    world.buy("1", "100").await;
    world.turn(73 * HOUR);
    let other = world.restarted().await;
    let (ours, theirs) = tokio::join!(
        world.house.delivery.look_for_stuck(),
        other.delivery.look_for_stuck()
    );

    assert_eq!(
        [ours.unwrap(), theirs.unwrap()]
            .into_iter()
            .flatten()
            .count(),
        1
    );

    world.turn(60);
    let newer = "insert into config_version (hash, body, published_at, published_by) values \
                 ('newer', 'x', now(), 'x')";
    run(&world.database, newer).await.unwrap();
    assert_eq!(world.house.delivery.look_for_stuck().await.unwrap(), None);
}

#[tokio::test]
async fn more_than_one_batch_of_all_that_waits_is_found() {
    let world = World::open().await;
    for _ in 0..3 {
        world.buy("1", "100").await;
    }

    let many = "insert into orders (id, public_id, customer_id, key_id, service_id, kind, link, \
                units, package, details, state,
                    charge, refunded, settlements, start_count, remains, rate, cost_rate, cost, \
                rule, config_hash, review,
                    placed_at, ended_at, by_hand, absorbed)
                select (o.id + n * 10)::integer, gen_random_uuid(), customer_id, key_id, \
                service_id, kind, link, units,
                    package, details, state, charge, refunded, settlements, start_count, remains, \
                rate, cost_rate, cost, rule,
                    config_hash, review, placed_at, ended_at, by_hand, absorbed
                from orders o cross join generate_series(1, 400) n;
                insert into leg (order_id, n, provider, service, ready_at, cost, reason)
                select id, 1, 'a', '1', placed_at, 0.09, 'first route' from orders
                where not exists (select from leg where order_id = orders.id)";

    run(&world.database, many).await.unwrap();
    world.turn(73 * HOUR);
    assert_eq!(look_for_stuck(&world).await.stuck, 1_203);
    assert_eq!(look_for_stuck(&world).await, Looked::default());

    run(
        &world.database,
        "update leg set began_at = '2023-11-17 22:13:20+00'",
    )
    .await
    .unwrap();

    assert_eq!(look_for_stuck(&world).await.moved, 1_203);
}

/// Orders that wait unsent: what keeps them is said, and how many they are.
#[rstest]
#[case::paused(
    "update provider set paused_at = now()",
    "update provider set paused_at = null",
    "the panel is paused"
)]
#[case::frozen(
    "update dispatch set frozen_at = now()",
    "update dispatch set frozen_at = null",
    "all sending is frozen"
)]
#[case::breaker(
    "update provider set breaker = 'open', breaker_until = '2100-01-01'",
    "update provider set breaker = 'closed', breaker_until = null",
    "its breaker is open"
)]
#[case::unread(
    "update provider set catalog_account = 'another'",
    "update provider set catalog_account = 'another'",
    "its catalog cannot be read under its present account"
)]
#[tokio::test]
async fn what_is_ready_and_not_sent_for_a_quarter_of_an_hour_is_told_with_what_keeps_it(
    #[case] begin: &str,
    #[case] end: &str,
    #[case] why: &str,
) {
    let world = World::open().await;
    run(&world.database, begin).await.unwrap();

    for _ in 0..3 {
        world.buy("1", "100").await;
        world.turn(10);
    }

    if why.contains("catalog") {
        world.house.panels[0].list(false);
        world.panel().revoke_key();
    }

    world.pass(14, 60).await;
    assert!(!alerts(&world).await.contains("orders_waiting"));
    world.pass(1, 60).await;

    assert!(
        alerts(&world).await.contains("orders_waiting a 3"),
        "{}",
        alerts(&world).await
    );

    let said = words(&world, "orders_waiting").await;
    assert!(
        said.ends_with(&format!(
            "; the oldest was bought by 2023-11-14T22:13:20Z; {why}"
        )),
        "{said}"
    );

    run(&world.database, end).await.unwrap();
    world.panel().set_key("the-panels-key");
    world.pass(3, 60).await;

    assert!(
        !alerts(&world).await.contains("orders_waiting"),
        "{}",
        alerts(&world).await
    );
}

/// Every other place where something rests: what brings it about, the alert, and what ends it.
/// Those that the chapter `alerts` sees are not here again.
const PLACES: [(&str, &str, &str); 10] = [
    (
        "refills_waiting a 1",
        "insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
         select 1, gen_random_uuid(), order_id, id, 'a', '2023-11-14 21:00:00+00', '2023-11-14 \
         21:00:00+00' from leg",
        "update refill set state = 'rejected', ended_at = now()",
    ),
    (
        "refills_waiting a 1",
        "update refill set state = 'in_doubt', ended_at = null",
        "update refill set asked_for_at = '2023-11-14 22:00:00+00'",
    ),
    (
        "refills_waiting a 1",
        "update refill set state = 'taken', taken_at = '2023-11-12 22:00:00+00', panel_refill = \
         '1'",
        "update refill set taken_at = '2023-11-14 00:00:00+00'",
    ),
    (
        "cancels_waiting a 1",
        "delete from refill;
         insert into cancel_request (order_id, asked_by, asked_at, next_at)
         select order_id, 'customer', '2023-11-14 21:00:00+00', '2100-01-01' from leg",
        "update cancel_request set state = 'taken'",
    ),
    (
        "cancels_waiting a 1",
        "update cancel_request set state = 'refused', given_up_at = '2023-11-14 22:00:00+00'",
        "update leg set state = 'ended', ended_at = now()",
    ),
    (
        "alerts_untold 1",
        "insert into alert (kind, object, words, count, since, raised_at, over_at, attempts, \
         next_at)
         values ('audit', 'x', 'x', 1, now(), now(), now(), 8, now())",
        "update alert set told_at = now(), over_told_at = now() where kind = 'audit'",
    ),
    (
        "look_overdue 16",
        "insert into round (name, begun_at, unfinished) values ('stuck', now(), 16)",
        "update round set unfinished = 0",
    ),
    (
        "taken_late a 1",
        "update leg set late_order = '9', late_at = '2023-11-14 22:00:00+00'",
        "update leg set late_at = '2023-11-10 22:00:00+00'",
    ),
    (
        "audit x 2",
        "insert into finding (name, violations, at) values ('x', 2, now())",
        "delete from finding",
    ),
    (
        "key_missing a on n 1",
        "insert into config_node (node, name, hash, file_hash, judged, keyless, behind, seen_at)
         select gen_random_uuid(), 'n', hash, hash, '', '{a}', false, '2100-01-01' from \
         config_version",
        "delete from config_node",
    ),
];

#[tokio::test]
async fn each_place_where_something_rests_is_told_and_is_over() {
    let world = World::open().await;
    world.buy("1", "100").await;
    world.work().await;

    run(
        &world.database,
        "update provider set held_until = '2100-01-01'",
    )
    .await
    .unwrap();

    assert_eq!(alerts(&world).await, "");
    for (alert, begin, end) in PLACES {
        run(&world.database, begin).await.unwrap();
        assert_eq!(alerts(&world).await, alert, "{begin}");
        run(&world.database, end).await.unwrap();
        assert_eq!(alerts(&world).await, "", "{end}");
    }
}

#[rstest]
#[case::refill(
    "insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
     select 1, gen_random_uuid(), order_id, id, 'a', now(), '2100-01-01' from leg",
    "update refill set state = 'rejected', ended_at = now()"
)]
#[case::look_back(
    "insert into tracked_leg (leg_id, provider, panel_order, accepted_at, next_at, ended_at)
     select id, 'a', '1', '2023-11-14', '2023-11-14', '2023-11-14' from leg",
    "update tracked_leg set next_at = '2023-11-14 22:00:00+00'"
)]
#[tokio::test]
async fn a_panel_that_nobody_deals_with_is_told_for_what_comes_after_an_end_too(
    #[case] begin: &str,
    #[case] end: &str,
) {
    let world = World::open().await;
    world.buy("1", "100").await;

    run(
        &world.database,
        "update leg set state = 'canceled', ended_at = now()",
    )
    .await
    .unwrap();

    run(&world.database, begin).await.unwrap();
    open_alerts(&world).await;
    world.turn(60);
    assert_eq!(open_alerts(&world).await, "panel_unserved a 1");
    run(&world.database, end).await.unwrap();
    assert_eq!(open_alerts(&world).await, "");
}

#[tokio::test]
async fn a_cancel_that_its_panel_never_answers_is_told_until_the_order_is_over() {
    let panel = Scripted::saying(PENDING).await;
    panel.change(|script| script.cancel = "<html>".to_owned());
    let world = panel.world().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world
        .ask(&[("action", "cancel"), ("order", &order.to_string())])
        .await;

    world.pass(8 * 60 + 10, 60).await;
    assert_eq!(
        read(&world.database, "select state from cancel_request").await,
        "refused"
    );

    assert_eq!(alerts(&world).await, "cancels_waiting s 1");
    let listed = json(&world.database, &["order", "list", "--state", "canceling"]).await;
    assert_eq!(listed[0]["id"].as_i64(), Some(i64::from(order)));
    panel.change(|script| script.row = PENDING.replace("Pending", "Completed"));
    world.pass(2, HOUR).await;
    assert_eq!(alerts(&world).await, "");
}

#[tokio::test]
async fn the_list_of_panels_says_what_waits_where_and_why() {
    let panels = vec![("a", ""), ("b", "")];
    let services = one_over(&["a"])
        + "[[service]]\nid = 2\nroutes = [{ provider = \"b\", service = \"7\" }]\n";

    let world = World::build(Plan {
        panels,
        services,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    world.work().await;
    world.panel().set_faults("drop".parse().unwrap());
    world.buy("1", "100").await;
    world.work().await;
    world.panel().set_faults("".parse().unwrap());

    world
        .panel()
        .set_balance(Money::parse("0").unwrap().decimal());

    world.count().await;
    world.buy("1", "100").await;
    world.work().await;
    reprice(&world, ["30", "0.5"]).await;
    world.buy("2", "100").await;
    pause(&world, "b", true).await;

    run(
        &world.database,
        "update leg set stuck_at = now() where state = 'in_doubt'",
    )
    .await
    .unwrap();

    let listed = json(&world.database, &["provider", "list"]).await;
    let waits = |at: usize| {
        let waits = listed[at]["waiting"].as_array().unwrap().clone();
        let told = |one: &Value| {
            format!(
                "{} {} {}",
                one["why"].as_str().unwrap(),
                one["count"],
                one["oldest_at"]
            )
        };

        waits.iter().map(told).collect::<Vec<_>>()
    };

    let at = "\"2023-11-14T22:13:20Z\"";
    assert_eq!(
        waits(0),
        [
            format!("in_doubt 1 {at}"),
            format!("open 1 {at}"),
            format!("parked:money 1 {at}"),
            format!("stuck 1 {at}")
        ]
    );

    assert_eq!(waits(1), [format!("ready 1 {at}")]);
    let text = String::from_utf8(typed(&world, &["provider", "list"]).await.stdout).unwrap();

    for line in [
        "a: 1 parked: our balance there is too low, the oldest for ",
        "a: 1 in doubt: the panel may have them, the oldest for ",
        "b: 1 to be sent, the oldest for ",
        "b: nothing is sent there: paused",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    let waiting = json(&world.database, &["order", "list", "--state", "waiting"]).await;
    assert_eq!(waiting.as_array().unwrap().len(), 2);
}

/// What is sold goes on to be sold while nothing waits: a world at rest is told of nothing.
#[tokio::test]
async fn a_house_where_all_is_well_is_silent() {
    let world = World::build(Plan {
        services: all_of("a"),
        ..Plan::default()
    })
    .await;

    for service in ["1", "6", "7"] {
        world.buy(service, "100").await;
    }

    world.work().await;
    world.pass(4, 20).await;
    assert_eq!(look_for_stuck(&world).await, Looked::default());
    assert_eq!(alerts(&world).await, "");
    world.pass(80, HOUR).await;
    assert_eq!(look_for_stuck(&world).await, Looked::default());
    assert_eq!(alerts(&world).await, "");
}

#[tokio::test]
async fn what_goes_to_and_fro_is_no_movement() {
    let panel = Scripted::saying("").await;
    let world = panel.world_with("stuck_after_h = 1\n").await;
    let looks = std::sync::atomic::AtomicUsize::new(0);

    panel.say(move |form| {
        let rows = [
            "\"0.09000\",\"remains\":\"99\"",
            "\"0.09001\",\"remains\":\"98\"",
        ];

        let row = rows[looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2];
        (form.get("action")? == "status")
            .then(|| (200, format!(r#"{{"status":"In progress","charge":{row}}}"#)))
    });

    world.buy("1", "100").await;
    world.work().await;
    world.pass(12, 600).await;

    assert_eq!(
        look_for_stuck(&world).await.stuck,
        1,
        "it never went further"
    );
}

#[tokio::test]
async fn an_old_order_that_waits_hides_no_new_one() {
    let panel = Scripted::saying(PENDING).await;
    panel.change(|script| script.add = Some(r#"{"error":"Not enough funds"}"#.to_owned()));
    let world = panel.world().await;
    let told_at = "select extract(epoch from raised_at)::bigint::text from alert where kind = \
                   'orders_parked'";
    world.buy("1", "100").await;

    let goes = world.buy("1", "100").await.to_string();
    world.work().await;
    assert_eq!(alerts(&world).await, "orders_parked s 2");
    let first = read(&world.database, told_at).await;

    world.ask(&[("action", "cancel"), ("orders", &goes)]).await;
    world.turn(2 * HOUR);
    assert_eq!(alerts(&world).await, "orders_parked s 1");

    assert_eq!(
        read(&world.database, told_at).await,
        first,
        "fewer are no news"
    );

    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(alerts(&world).await, "orders_parked s 2");

    assert_ne!(
        read(&world.database, told_at).await,
        first,
        "another one is"
    );
}
