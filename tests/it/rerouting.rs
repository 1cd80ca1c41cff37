//! `order reroute`, as it is typed: what was provably not placed goes where a person wants it, and
//! nothing else does.

use std::process::{Output, Stdio};

use panelgate::domain::id::{OrderId, ProviderId};
use panelgate::domain::money::Money;
use panelgate::orders::reroute_by_hand::Rerouted;
use rstest::rstest;
use serde_json::Value;
use sqlx::ConnectOptions;
use tokio::process::Command;

use crate::books::{legs, read, run};
use crate::routes::{pause, placed, reprice, sold, two, world_of};
use crate::world::World;

/// A command on a world's database.
pub async fn typed(world: &World, words: &[&str]) -> Output {
    let url = world.database.options().to_url_lossy();
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .args(["--database-url", url.as_str()])
        .args(words)
        .stdin(Stdio::null());

    command.output().await.unwrap()
}

/// What it prints for scripts, and the code that it ends with.
async fn reroute(world: &World, words: &[&str]) -> (Value, i32) {
    let output = typed(world, &[&["--json", "order", "reroute"], words].concat()).await;
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (document, output.status.code().unwrap())
}

/// Three orders that wait at the paused panel a; b and c could have them too, c at a loss.
async fn waiting() -> World {
    let routes = [
        ("a", "service = \"1\""),
        ("b", "service = \"1\""),
        ("c", "service = \"1\""),
    ];

    let world = world_of(&["a", "b", "c"], sold("rate = \"2\"", &routes)).await;
    world.panels[2].set_rate(
        "1",
        panelgate::domain::money::Rate::parse("3")
            .unwrap()
            .decimal(),
    );

    world.house.refresh().await.unwrap();
    for units in ["100", "200", "300"] {
        world.buy("1", units).await;
    }

    world
}

#[tokio::test]
async fn orders_that_wait_go_by_the_next_route_or_to_the_panel_that_is_named() {
    let world = waiting().await;
    let (rows, code) = reroute(&world, &["1", "--reason", "a is slow", "--as", "ann"]).await;
    assert_eq!(
        (rows[0]["moved"].as_bool(), rows[0]["to"].as_str(), code),
        (Some(true), Some("b"), 0),
        "{rows}"
    );

    let (rows, code) = reroute(&world, &["2", "--to", "b"]).await;
    assert_eq!(
        (rows[0]["from"].as_str(), rows[0]["to"].as_str(), code),
        (Some("a"), Some("b"), 0)
    );

    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        ("b accepted, b accepted, a accepted", vec![1, 2, 0])
    );

    let deed = "select string_agg(concat_ws(', ', who, verb, object, reason), '; ' order by id) \
                from audit_log where who = 'ann'";
    assert_eq!(
        read(&world.database, deed).await,
        "ann, order reroute, order 1 from a to b, a is slow"
    );

    world.audit().await;
}

#[rstest]
#[case::no_route(&["1", "--to", "d"], "service 1 has no route to d")]
#[case::margin(&["1", "--to", "c"], "c: costs 0.30, leaves -50 %, the floor is 3 %")]
#[case::there_already(&["1", "--to", "a"], "a: it waits there now")]
#[case::unknown(&["77"], "there is no such order")]
#[tokio::test]
async fn an_order_that_may_not_go_there_stays_and_the_reason_is_told(
    #[case] words: &[&str],
    #[case] why: &str,
) {
    let world = waiting().await;
    run(&world.database, "insert into provider (id) values ('d')")
        .await
        .unwrap();

    let (rows, code) = reroute(&world, words).await;
    assert_eq!(
        (rows[0]["moved"].as_bool(), rows[0]["why"].as_str(), code),
        (Some(false), Some(why), 1)
    );

    assert_eq!(legs(&world.database).await, "a ready, a ready, a ready");
    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from audit_log where verb = 'order reroute'"
        )
        .await,
        "0"
    );
}

#[rstest]
#[case::sending("sending", "sending_at = now()", "it is being sent to a")]
#[case::in_doubt("in_doubt", "doubted_at = now()", "a may have it: look there")]
#[case::accepted("accepted", "panel_order = '1'", "a has it")]
#[case::ended("ended", "panel_order = '1'", "it is over")]
#[case::refused("refused", "ended_at = now()", "it is over")]
#[case::canceled("canceled", "ended_at = now()", "it is over")]
#[case::written_off("written_off", "ended_at = now()", "it is over")]
#[case::in_hands(
    "leased",
    "epoch = (select epoch from provider where id = 'a'), leased_until = '2100-01-01'",
    "a is about to be asked for it"
)]
#[tokio::test]
async fn what_may_be_at_a_panel_is_never_touched(
    #[case] state: &str,
    #[case] with: &str,
    #[case] why: &str,
) {
    let world = waiting().await;
    run(
        &world.database,
        &format!("update leg set state = '{state}', {with} where order_id = 1"),
    )
    .await
    .unwrap();

    let (rows, code) = reroute(&world, &["1"]).await;
    assert!(
        rows[0]["why"].as_str().unwrap().starts_with(why) && code == 1,
        "{rows}"
    );

    assert!(
        legs(&world.database)
            .await
            .starts_with(&format!("a {state}"))
    );
}

#[tokio::test]
async fn a_leg_in_a_dead_process_hands_and_a_parked_one_are_moved_and_the_dead_one_sends_nothing() {
    let world = waiting().await;
    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    delivery.ask_balance(panel).await.unwrap();
    let epoch = delivery.hold(panel).await.unwrap().unwrap();

    // Taken by a process that stood still since; the commands' clock is far beyond its lease.
    let taken = delivery.lease(panel, epoch, 1).await.unwrap();

    run(
        &world.database,
        "update leg set state = 'parked', parked_for = 'money', parked_at = now() where order_id \
         = 2",
    )
    .await
    .unwrap();

    let (rows, code) = reroute(&world, &["1", "2", "3"]).await;
    assert_eq!((rows.as_array().unwrap().len(), code), (3, 0), "{rows}");
    delivery.send(panel, &taken[0], epoch).await.unwrap();
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        ("b accepted, b accepted, b accepted", vec![0, 3, 0])
    );

    world.audit().await;
}

#[tokio::test]
async fn many_are_chosen_by_filters_and_first_only_told() {
    let world = waiting().await;
    let parked = "update leg set state = 'parked', parked_for = 'money', parked_at = now() where \
                  order_id <> 3";
    run(&world.database, parked).await.unwrap();

    let (rows, _) = reroute(
        &world,
        &["--provider", "a", "--state", "parked", "--dry-run"],
    )
    .await;

    let told: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].as_i64(), row["moved"].as_bool()))
        .collect();

    assert_eq!(told, [(Some(1), Some(false)), (Some(2), Some(false))]);
    assert_eq!(legs(&world.database).await, "a parked, a parked, a ready");

    for (filters, chosen) in [
        (&["--provider", "b"][..], 0),
        (&["--customer", "buyer", "--limit", "2"][..], 2),
        (
            &[
                "--service",
                "1",
                "--placed-from",
                "2023-11-14",
                "--placed-to",
                "2023-11-14",
            ][..],
            3,
        ),
        (&["--placed-to", "2023-11-13"][..], 0),
        (&["--link", "https://example.org/2"][..], 0),
        (&["--provider-order", "5"][..], 0),
        (&["--state", "waiting", "--id", "2"][..], 1),
    ] {
        let (rows, _) = reroute(&world, &[filters, &["--dry-run"]].concat()).await;
        assert_eq!(
            rows.as_array().unwrap().len(),
            chosen,
            "{filters:?}: {rows}"
        );
    }

    let (rows, code) = reroute(&world, &["--state", "parked", "--to", "b"]).await;
    assert_eq!((rows.as_array().unwrap().len(), code), (2, 0));
    assert_eq!(legs(&world.database).await, "b ready, b ready, a ready");

    // Without a word of which, nothing is done.
    for words in [
        &["order", "reroute"][..],
        &["order", "reroute", "--to", "b"],
        &["order", "reroute", "--limit", "5"],
    ] {
        assert_eq!(
            typed(&world, words).await.status.code(),
            Some(2),
            "{words:?}"
        );
    }

    let shown = typed(&world, &["order", "reroute", "--provider", "a"]).await;
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("goes by another route"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_panel_that_refused_may_be_tried_again_by_a_persons_word_and_one_that_may_have_it_never()
{
    let world = two().await;
    world
        .panel()
        .set_balance(Money::parse("0").unwrap().decimal());
    world.count().await;
    let order = world.buy("1", "100").await;
    pause(&world, "b", true).await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b ready");
    world
        .panel()
        .set_balance(Money::parse("100").unwrap().decimal());
    let id = order.to_string();
    let (rows, _) = reroute(&world, &[&id]).await;
    assert!(
        rows[0]["why"]
            .as_str()
            .unwrap()
            .contains("a: tried before: refused: money"),
        "{rows}"
    );
    let spoiled = "update attempt set verdict = 'in_doubt'";
    run(&world.database, spoiled).await.unwrap();
    let (rows, _) = reroute(&world, &[&id, "--to", "a"]).await;
    assert_eq!(
        rows[0]["why"],
        "a: it was in doubt there, and may have been placed"
    );
    run(&world.database, "update attempt set verdict = 'refused'")
        .await
        .unwrap();
    let (rows, code) = reroute(&world, &[&id, "--to", "a"]).await;
    assert_eq!((rows[0]["to"].as_str(), code), (Some("a"), 0), "{rows}");
    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, a accepted");
    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_is_stopped_is_not_what_a_person_means() {
    let world = two().await;
    let order = world.buy("1", "100").await;
    pause(&world, "b", true).await;
    let (rows, code) = reroute(&world, &[&order.to_string(), "--to", "b"]).await;
    assert_eq!(
        (rows[0]["why"].as_str(), code),
        (Some("b: panel is stopped: paused"), 1)
    );

    reprice(&world, ["0.9", "0.5"]).await;
    pause(&world, "b", false).await;
    assert_eq!(
        reroute(&world, &[&order.to_string(), "--to", "b"]).await.1,
        0
    );
}

/// Two people who clear one panel at once: the second finds what the first moved, and moves nothing
/// back.
#[tokio::test]
async fn what_left_the_panel_that_was_named_meanwhile_stays_where_it_is() {
    let world = waiting().await;
    let a = ProviderId("a".to_owned());
    let mut tx = world.house.store.begin().await.unwrap();

    let first = world
        .house
        .delivery
        .reroute(&mut tx, OrderId(1), Some(&a), None)
        .await
        .unwrap();

    assert!(matches!(first, Rerouted::Moved { .. }), "{first:?}");
    let second = world
        .house
        .delivery
        .reroute(&mut tx, OrderId(1), Some(&a), Some(&a))
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_eq!(
        second,
        Rerouted::Stays("it left a meanwhile, for b".to_owned())
    );

    assert_eq!(legs(&world.database).await, "b ready, a ready, a ready");
}
