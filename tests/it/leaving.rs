//! Leaving: what provably lies at no panel does not wait for one that takes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use panelgate::config;
use panelgate::domain::money::Money;
use panelgate::upstream::Panel;
use rstest::rstest;
use secrecy::SecretString;

use crate::books::{legs, read, run};
use crate::routes::{choices, freeze, pause, placed, reprice, sold, two, world_of};
use crate::world::World;

const BOTH: [(&str, &str); 2] = [("a", "service = \"1\""), ("b", "service = \"1\"")];

/// Two orders of a world that may go to a or b, parked at a for this reason while b was too dear
/// for them.
async fn parked_for(reason: &str) -> World {
    let world = world_of(&["a", "b"], sold("rate = \"2\"", &BOTH)).await;
    reprice(&world, ["0.9", "3"]).await;

    match reason {
        "money" => {
            world
                .panel()
                .set_balance(Money::parse("0").unwrap().decimal());
            world.count().await;
        }
        "key" => {
            let panel = &world.house.panels[0];
            world.house.delivery.ask_balance(panel).await.unwrap();
            world.panel().revoke_key();
        }
        _ => {}
    }

    world.buy("1", "100").await;
    world.buy("1", "200").await;

    if reason == "margin" {
        reprice(&world, ["4", "3"]).await;
    }

    world.work().await;
    if reason == "active" {
        // As its panel would have refused them: it has another order on their link.
        let parked = "update leg set state = 'parked', parked_for = 'active', parked_at = \
                      '2023-11-14 22:13:20+00',
                      ready_at = '2023-11-14 22:13:30+00', panel_order = null, accepted_at = null, \
                      booked = 0";

        run(&world.database, parked).await.unwrap();
        run(&world.database, "delete from tracked_leg")
            .await
            .unwrap();
    }

    assert_eq!(legs(&world.database).await, "a parked, a parked");
    let waits_for = "select string_agg(distinct parked_for, ',') from leg";
    assert_eq!(read(&world.database, waits_for).await, reason);
    reprice(&world, ["4", "0.5"]).await;

    world
}

/// Sells by another text from now on.
async fn sell_by(world: &World, text: &str) {
    let file = config::read(text, Path::new("."), &BTreeMap::new()).unwrap();
    world
        .house
        .catalog
        .change(file.mapping, Vec::new(), None)
        .await
        .unwrap();
}

fn without_route_a(world: &World) -> String {
    world
        .file
        .text
        .replace("{ provider = \"a\", service = \"1\" }, ", "")
}

#[rstest]
#[tokio::test]
async fn what_is_parked_leaves_a_panel_that_is_stopped(
    #[values("money", "key", "margin")] waits_for: &str,
    #[values("paused", "breaker open", "unread")] stopped: &str,
) {
    let world = parked_for(waits_for).await;
    match stopped {
        "paused" => pause(&world, "a", true).await,
        "unread" => run(
            &world.database,
            "update provider set unread_since = now() where id = 'a'",
        )
        .await
        .unwrap(),
        _ => {
            let open = "update provider set breaker = 'open', breaker_until = held_until + \
                        interval '30 minutes'
                where id = 'a'";
            run(&world.database, open).await.unwrap();
        }
    }

    world.work().await;
    assert_eq!(legs(&world.database).await, "b accepted, b accepted");
    assert_eq!(placed(&world), [0, 2]);

    // What it waited for at a is a's affair.
    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from leg where parked_at is not null"
        )
        .await,
        "0"
    );

    world.pass(2, 10).await;
    assert_eq!(legs(&world.database).await, "b ended, b ended");
    world.audit().await;
}

#[rstest]
#[tokio::test]
async fn what_is_parked_leaves_by_another_route_when_its_own_is_gone_from_the_file(
    #[values("money", "key", "margin", "active")] waits_for: &str,
) {
    let world = parked_for(waits_for).await;
    sell_by(&world, &without_route_a(&world)).await;
    let provider = &world.house.panels[0];
    let epoch = world.house.delivery.hold(provider).await.unwrap().unwrap();

    assert_eq!(
        world
            .house
            .delivery
            .leave_lost_routes(provider, epoch)
            .await
            .unwrap(),
        2
    );

    assert_eq!(legs(&world.database).await, "b ready, b ready");
    let told = read(&world.database, "select distinct reason from leg").await;
    assert_eq!(told, "a: is no route of the service any more; b is tried");
}

#[tokio::test]
async fn what_is_ready_is_not_sent_by_a_route_that_is_gone_where_there_is_another() {
    let world = two().await;
    let (first, _) = (world.buy("1", "100").await, world.buy("1", "200").await);
    sell_by(&world, &without_route_a(&world)).await;
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        ("b accepted, b accepted", vec![0, 2])
    );

    assert_eq!(
        choices(&world, first).await,
        ["b: after a: is no route of the service any more; first in the file"]
    );

    world.audit().await;
}

#[tokio::test]
async fn what_is_paid_is_sent_as_it_was_sold_where_no_other_route_keeps_the_margin() {
    let world = two().await;
    world.buy("1", "100").await;
    reprice(&world, ["0.9", "3"]).await;
    sell_by(&world, &without_route_a(&world)).await;
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        ("a accepted", vec![1, 0])
    );
}

#[tokio::test]
async fn what_is_parked_waits_where_no_other_route_keeps_the_margin_and_a_freeze_moves_nothing() {
    let world = parked_for("money").await;
    freeze(&world, true).await;
    pause(&world, "a", true).await;
    world.pass(3, 60).await;

    assert!(
        !legs(&world.database).await.contains('b'),
        "{}",
        legs(&world.database).await
    );

    freeze(&world, false).await;
    reprice(&world, ["0.9", "3"]).await;
    world.pass(3, 60).await;
    assert!(!legs(&world.database).await.contains('b'));
    reprice(&world, ["0.9", "0.5"]).await;
    world.work().await;

    assert_eq!(placed(&world), [0, 2]);

    // It does not come back by itself.
    pause(&world, "a", false).await;
    world.pass(3, 60).await;
    assert_eq!(placed(&world), [0, 2]);
}

/// The races of a parked leg that is about to leave: what became of it meanwhile wins.
#[rstest]
#[case::let_go("update leg set state = 'ready'")]
#[case::taken(
    "update leg set state = 'leased', attempt = attempt + 1, epoch = 99, leased_until = \
     '2100-01-01'"
)]
#[case::canceled("update leg set state = 'canceled', ended_at = now()")]
#[case::another_holder("update provider set epoch = epoch + 1")]
#[case::runs_again("update provider set paused_at = null")]
#[case::frozen("update dispatch set frozen_at = now()")]
#[tokio::test]
async fn a_parked_leg_that_moved_meanwhile_is_left_alone(#[case] meanwhile: &str) {
    use panelgate::domain::clock::{Clock, Timestamp};
    use panelgate::domain::id::{LegId, ProviderId};
    use panelgate::orders::reroute::{self, Leaving, RoutingContext, Sale};
    use panelgate::routing::standing::Worst;
    use panelgate::store::leaving::{self, Because};

    let world = parked_for("money").await;
    pause(&world, "a", true).await;
    let (store, now) = (&world.house.store, world.clock.now());

    let epoch = world
        .house
        .delivery
        .hold(&world.house.panels[0])
        .await
        .unwrap()
        .unwrap();

    let front = (Timestamp::UNIX_EPOCH, LegId(0));
    let found = leaving::find_waiting(
        store,
        &ProviderId("a".into()),
        epoch,
        Because::Stopped,
        front,
        10,
        now,
    )
    .await
    .unwrap();

    let waiting = &found[0];
    let (catalog, panels) = (world.house.catalog.now(), world.house.catalog.panels());
    let sight = RoutingContext {
        catalog: &catalog,
        panels: &panels,
    };

    let leaving_a = Leaving {
        from: &waiting.route,
        why: "paused",
    };

    let barred = [panelgate::domain::choice::Passed::because(
        &waiting.route,
        "paused",
    )];

    let chosen = reroute::route_away(
        sight,
        &Sale::from(waiting),
        leaving_a,
        &barred,
        Worst::Rests,
    )
    .unwrap();

    run(&world.database, meanwhile).await.unwrap();
    let leave = async |epoch| {
        leaving::move_leg_away(
            store,
            waiting,
            epoch,
            Because::Stopped,
            &chosen,
            "left",
            now,
        )
        .await
        .unwrap()
    };

    assert!(!leave(epoch).await);
    assert!(!legs(&world.database).await.contains('b'));
}

/// A panel under another address or key, of which nothing was read yet.
fn moved(world: &World, panel: usize, key: &str) -> Panel {
    let settings = world.house.panels[panel].settings().clone();
    Panel::new(settings, SecretString::from(key.to_owned()))
        .unwrap()
        .timed_by(world.clock.clone())
}

#[tokio::test]
async fn a_panel_whose_catalog_cannot_be_read_under_its_account_is_passed_over_until_it_can() {
    let mut world = two().await;
    world.buy("1", "100").await;
    let anew = moved(&world, 0, "another-key");
    world.house.panels[0] = std::sync::Arc::new(anew);

    // Its key is not known there: what is stored is another account's, and nothing can be read of
    // this one.
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        ("b accepted", vec![0, 1])
    );

    let why =
        "select reason || '; ' || (select catalog_error from provider where id = 'a') from leg";
    let told = read(&world.database, "select choice ->> 'why' from leg").await;
    assert_eq!(
        told,
        "after a: panel is stopped: its catalog cannot be read under its present account; first \
         in the file that may be used",
        "{}",
        read(&world.database, why).await
    );

    let second = world.buy("1", "100").await;
    assert!(
        choices(&world, second).await[1]
            .contains("its catalog cannot be read under its present account")
    );

    // It knows the key now.
    world.panel().set_key("another-key");
    world.pass(1, 70).await;

    world
        .house
        .catalog
        .look_at_panels(panelgate::domain::clock::Clock::now(&*world.clock))
        .await
        .unwrap();

    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(placed(&world), [1, 2]);

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from provider where unread_since is not null"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn a_catalog_of_the_same_account_that_cannot_be_read_today_stops_nothing() {
    let world = two().await;
    world.panel().revoke_key();
    world.turn(700);
    world.house.refresh().await.unwrap();

    assert_ne!(
        read(
            &world.database,
            "select catalog_error from provider where id = 'a'"
        )
        .await,
        ""
    );

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from provider where unread_since is not null"
        )
        .await,
        "0"
    );

    world
        .house
        .catalog
        .look_at_panels(panelgate::domain::clock::Clock::now(&*world.clock))
        .await
        .unwrap();

    let order = world.buy("1", "100").await;
    assert_eq!(choices(&world, order).await[0], "a: first in the file");
}

/// Has the panel found us too fast, and want to be left alone for so long.
fn rests(world: &World, seconds: i64) {
    let until =
        panelgate::domain::clock::Clock::now(&*world.clock) + chrono::TimeDelta::seconds(seconds);
    world.house.panels[0].rest(until);
}

#[rstest]
#[case::long(60, "b accepted", [0, 1])]
#[case::short(5, "a ready", [0, 0])]
#[tokio::test]
async fn what_is_ready_at_a_panel_that_rests_for_long_goes_by_a_free_route(
    #[case] seconds: i64,
    #[case] stands: &str,
    #[case] have: [usize; 2],
) {
    let world = two().await;
    world.buy("1", "100").await;
    rests(&world, seconds);
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)),
        (stands, have.to_vec())
    );

    // New orders pass it over as long; it is no stopped panel.
    world
        .house
        .catalog
        .look_at_panels(panelgate::domain::clock::Clock::now(&*world.clock))
        .await
        .unwrap();

    let order = world.buy("1", "100").await;
    let first = choices(&world, order).await;
    assert_eq!(first[0].starts_with('b'), seconds == 60, "{first:?}");
    world.pass(6, 11).await;
    assert_eq!(placed(&world).iter().sum::<usize>(), 2);
}

#[tokio::test]
async fn an_order_leaves_panels_that_rest_once_and_waits_where_all_rest() {
    let world = two().await;
    world.buy("1", "100").await;
    rests(&world, 100);
    let both = "update provider set rests_until = '2023-11-14 22:15:00+00'";
    run(&world.database, both).await.unwrap();
    world.house.panels[1].rest("2023-11-14T22:15:00Z".parse().unwrap());

    world.work().await;
    assert_eq!(legs(&world.database).await, "a ready", "b is no better");

    run(&world.database, "update leg set left_resting = true")
        .await
        .unwrap();

    run(
        &world.database,
        "update provider set rests_until = null where id = 'b'",
    )
    .await
    .unwrap();

    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "a ready",
        "it left one already"
    );

    world.pass(2, 60).await;
    assert_eq!(placed(&world), [1, 0]);
}
