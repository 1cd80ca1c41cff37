//! Routes: which of several panels gets an order by each strategy, that stopped panels are left,
//! and the reasons that `order show` tells.

use std::process::Stdio;

use panel_sim::Ending;
use panelgate::domain::clock::{Clock, Timestamp};
use panelgate::domain::id::{LegId, ProviderId};
use panelgate::domain::money::{Money, Rate};
use panelgate::orders::reroute::{self, Leaving, RoutingContext, Sale};
use panelgate::routing::standing::Worst;
use panelgate::store::gates;
use panelgate::store::leaving::{self, Because};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::books::{holds, legs, read, run};
use crate::world::{ANY_MOVE, Plan, World};

/// One service of ours over some panels' services, sold at twice the cost that is marked up unless
/// a rate is said.
pub fn sold(lines: &str, routes: &[(&str, &str)]) -> String {
    let routes: Vec<_> = routes
        .iter()
        .map(|(provider, rest)| format!("{{ provider = \"{provider}\", {rest} }}"))
        .collect();

    format!(
        "[[service]]\nid = 1\n{lines}\nroutes = [{}]\n[[markup]]\npercent = \"100\"\n",
        routes.join(", ")
    )
}

pub async fn world_of(panels: &[&'static str], services: String) -> World {
    let panels = panels.iter().map(|name| (*name, "")).collect();
    World::build(Plan {
        panels,
        services,
        gateway: ANY_MOVE,
        ..Plan::default()
    })
    .await
}

/// Two panels behind one service, in the file's order.
pub async fn two() -> World {
    world_of(
        &["a", "b"],
        sold(
            "rate = \"2\"",
            &[("a", "service = \"1\""), ("b", "service = \"1\"")],
        ),
    )
    .await
}

/// What panels' service 1 costs from now on.
pub async fn reprice(world: &World, rates: [&str; 2]) {
    for (panel, rate) in world.panels.iter().zip(rates) {
        panel.set_rate("1", Rate::parse(rate).unwrap().decimal());
    }
    world.house.refresh().await.unwrap();
}

/// Stops sending to a panel, or lets it go on; seen by whoever buys, as a second later.
pub async fn pause(world: &World, provider: &str, paused: bool) {
    let mut tx = world.house.store.begin().await.unwrap();
    gates::pause_provider(
        &mut tx,
        &ProviderId(provider.into()),
        paused,
        world.clock.now(),
    )
    .await
    .unwrap()
    .unwrap();

    tx.commit().await.unwrap();
    world
        .house
        .catalog
        .look_at_panels(world.clock.now())
        .await
        .unwrap();
}

pub async fn freeze(world: &World, frozen: bool) {
    let mut tx = world.house.store.begin().await.unwrap();
    gates::freeze_sending(&mut tx, frozen, world.clock.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// `order show`, as it is typed.
async fn show(world: &World, order: i32, more: &[&str]) -> String {
    let options = world.database.options();
    let socket = options
        .get_socket()
        .unwrap()
        .to_str()
        .unwrap()
        .replace('/', "%2F");

    let url = format!(
        "postgres://panelgate@{socket}:{}/{}",
        options.get_port(),
        options.get_database().unwrap()
    );

    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .args(["--database-url", &url])
        .args(more)
        .args(["order", "show", &order.to_string()]);

    let output = command.stdin(Stdio::null()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The choices of an order's legs: `provider: why`, and of those that lost `- provider: why`.
pub async fn choices(world: &World, order: i32) -> Vec<String> {
    let shown: Value = serde_json::from_str(&show(world, order, &["--json"]).await).unwrap();
    let mut told = Vec::new();

    for leg in shown["legs"].as_array().unwrap() {
        let choice = &leg["choice"];
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("?").to_owned();

        told.push(format!(
            "{}: {}",
            text(choice, "provider"),
            text(choice, "why")
        ));

        let others = choice["others"].as_array().cloned().unwrap_or_default();
        told.extend(
            others
                .iter()
                .map(|other| format!("- {}: {}", text(other, "provider"), text(other, "why"))),
        );
    }

    told
}

/// How many orders each panel has; none of them twice, or there were more than were bought.
pub fn placed(world: &World) -> Vec<usize> {
    world
        .panels
        .iter()
        .map(|panel| panel.orders().len())
        .collect()
}

#[tokio::test]
async fn the_cheapest_route_is_taken_and_the_price_is_that_of_the_dearest() {
    let routes = [("a", "service = \"1\""), ("b", "service = \"1\"")];
    let world = world_of(&["a", "b"], sold("strategy = \"cheapest\"", &routes)).await;
    reprice(&world, ["0.6", "0.5"]).await;
    let first = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, first).await,
        ["b: cheapest of 2: 0.05", "- a: dearer: 0.06"]
    );

    world.work().await;
    assert_eq!(
        (
            placed(&world),
            holds(&world.database, "cost").await.as_str()
        ),
        (vec![0, 1], "-0.05")
    );

    reprice(&world, ["0.6", "0.8"]).await;
    let second = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, second).await,
        ["a: cheapest of 2: 0.06", "- b: dearer: 0.08"]
    );

    reprice(&world, ["0.6", "0.6"]).await;
    let third = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, third).await[1],
        "- b: costs the same: 0.06, later in the file"
    );

    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(placed(&world), [2, 1]);

    for (order, charge) in [(first, "0.12"), (second, "0.16"), (third, "0.12")] {
        assert!(
            world
                .status(order)
                .await
                .starts_with(&format!("{{\"charge\":\"{charge}\"")),
            "{order}"
        );
    }

    world.audit().await;
}

#[tokio::test]
async fn under_a_fixed_price_a_route_that_is_too_dear_for_it_is_not_priced_in() {
    let routes = [("a", "service = \"1\""), ("b", "service = \"1\"")];
    let world = world_of(
        &["a", "b"],
        sold("strategy = \"cheapest\"\nrate = \"2\"", &routes),
    )
    .await;

    reprice(&world, ["3", "0.5"]).await;
    let order = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, order).await,
        [
            "b: the only one that may be used: 0.05",
            "- a: costs 0.30, leaves -50 %, the floor is 3 %"
        ]
    );

    world.panels[1].switch_service("1", false);
    world.work().await;
    assert!(
        world.status(order).await.contains(r#""status":"Canceled""#),
        "nothing is bought at a loss"
    );

    assert_eq!(
        (
            placed(&world),
            holds(&world.database, "cost").await.as_str()
        ),
        (vec![0, 0], "0")
    );

    world.audit().await;
}

#[tokio::test]
async fn weights_split_the_orders() {
    const ORDERS: usize = 60;
    let routes = [
        ("a", "service = \"1\", weight = 10"),
        ("b", "service = \"1\", weight = 30"),
    ];

    let world = world_of(&["a", "b"], sold("strategy = \"weighted\"", &routes)).await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        orders.push(world.buy("1", "10").await);
    }

    world.work().await;
    world.pass(1, 10).await;
    let placed = placed(&world);

    // Beyond these bounds comes one run in a million.
    assert!(
        placed.iter().sum::<usize>() == ORDERS && (2..=32).contains(&placed[0]),
        "{placed:?}"
    );

    let lines = choices(&world, orders[0]).await;
    let (won, lost) = (&lines[0], &lines[1]);
    let by_a = won == "a: drawn: weight 10 of 40" && lost == "- b: not drawn: weight 30";
    let by_b = won == "b: drawn: weight 30 of 40" && lost == "- a: not drawn: weight 10";
    assert!(by_a || by_b, "{lines:?}");
    world.audit().await;
}

#[tokio::test]
async fn the_score_leaves_a_cheap_panel_that_does_not_deliver() {
    let routes = [("a", "service = \"1\""), ("b", "service = \"1\"")];
    let world = world_of(&["a", "b"], sold("strategy = \"score\"", &routes)).await;
    reprice(&world, ["0.5", "0.9"]).await;

    for _ in 0..19 {
        world.buy("1", "100").await;
    }

    world.work().await;
    for order in world.panels[0].orders() {
        world.panels[0].end_order(&order.id, Ending::Canceled);
    }

    world.pass(2, 61).await;
    let few = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, few).await[0],
        "a: best score of 2: 0.05 for what is delivered (0.05 / 100.0 %)",
        "of 19 orders nothing is concluded"
    );

    world.work().await;
    world.pass(2, 61).await;
    let enough = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, enough).await,
        [
            "b: best score of 2: 0.09 for what is delivered (0.09 / 100.0 %)",
            "- a: worse score: 1.00 for what is delivered (0.05 / 5.0 %)"
        ]
    );

    world.work().await;
    world.pass(1, 25 * 3_600).await;
    let later = world.buy("1", "100").await;
    assert!(
        choices(&world, later).await[0].starts_with("a: best score of 2: 0.05 "),
        "a day later it is forgiven"
    );

    world.work().await;
    world.audit().await;
}

#[tokio::test]
async fn a_paused_panel_is_passed_over_and_what_waits_there_leaves() {
    let world = two().await;
    let waiting = world.buy("1", "100").await;
    pause(&world, "a", true).await;
    let new = world.buy("1", "100").await;

    assert_eq!(
        legs(&world.database).await,
        "a ready, b ready",
        "nobody waits for a round to buy elsewhere"
    );

    assert_eq!(
        choices(&world, new).await,
        [
            "b: first in the file that may be used",
            "- a: panel is stopped: paused"
        ]
    );

    world.work().await;
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 2], "b accepted, b accepted")
    );

    assert_eq!(
        choices(&world, waiting).await,
        [
            "b: after a: panel is stopped: paused; first in the file that may be used",
            "- a: panel is stopped: paused"
        ]
    );

    pause(&world, "a", false).await;
    let back = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, back).await,
        ["a: first in the file", "- b: later in the file"]
    );

    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(placed(&world), [1, 2]);
    world.audit().await;
}

#[tokio::test]
async fn what_left_does_not_come_back_when_its_panel_runs_again() {
    let world = two().await;
    world.buy("1", "100").await;
    pause(&world, "a", true).await;
    let panel = &world.house.panels[0];
    let epoch = world.house.delivery.hold(panel).await.unwrap().unwrap();
    assert_eq!(world.house.delivery.leave(panel, epoch).await.unwrap(), 1);

    pause(&world, "a", false).await;
    world.work().await;
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 1], "b accepted")
    );

    world.audit().await;
}

#[tokio::test]
async fn an_open_breaker_is_left_like_a_pause_and_probation_is_not() {
    let services = sold(
        "rate = \"2\"",
        &[("a", "service = \"1\""), ("b", "service = \"1\"")],
    );

    let plan = Plan {
        panels: vec![("a", "502*3"), ("b", "")],
        services,
        provider: "",
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(world.buy("1", "100").await);
    }

    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "a in_doubt, a in_doubt, a in_doubt, b accepted, b accepted"
    );

    let why = "- a: panel is stopped: breaker open";
    assert_eq!(choices(&world, orders[4]).await[1], why);
    let new = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, new).await,
        ["b: first in the file that may be used", why]
    );

    world.pass(1, 31).await;
    assert_eq!(
        read(
            &world.database,
            "select breaker from provider where id = 'a'"
        )
        .await,
        "half_open"
    );

    let tried = world.buy("1", "100").await;
    assert_eq!(choices(&world, tried).await[0], "a: first in the file");
    world.work().await;
    world.pass(1, 10).await;
    assert_eq!(placed(&world), [4, 3]);
    world.audit().await;
}

#[tokio::test]
async fn where_all_are_stopped_the_first_waits_until_any_runs() {
    let world = two().await;
    pause(&world, "a", true).await;
    pause(&world, "b", true).await;
    let order = world.buy("1", "100").await;
    world.pass(3, 10).await;
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 0], "a ready")
    );

    assert_eq!(
        choices(&world, order).await,
        [
            "a: first in the file; its panel is stopped like all that may be used, and it waits",
            "- b: panel is stopped: paused"
        ]
    );

    pause(&world, "b", false).await;
    world.work().await;
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 1], "b accepted")
    );

    world.audit().await;
}

#[tokio::test]
async fn a_freeze_moves_nothing() {
    let world = two().await;
    world.buy("1", "100").await;
    freeze(&world, true).await;
    world.buy("1", "100").await;
    pause(&world, "a", true).await;
    world.pass(3, 10).await;

    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 0], "a ready, a ready")
    );

    freeze(&world, false).await;
    world.work().await;
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 2], "b accepted, b accepted")
    );

    world.audit().await;
}

#[tokio::test]
async fn a_leg_that_cannot_be_moved_waits_and_holds_up_nobody_behind_it() {
    let world = two().await;
    let stuck = world.buy("1", "100").await;

    // Refused by the other panel before, as far as the books know.
    let refused = format!(
        "update leg set n = 2 where order_id = {stuck};
         insert into leg (order_id, n, provider, service, state, ready_at, cost, reason, ended_at)
         select order_id, 1, 'b', '1', 'refused', ready_at, cost, 'refused: service', ready_at \
         from leg where order_id = {stuck}"
    );

    run(&world.database, &refused).await.unwrap();
    world.buy("1", "100").await;
    pause(&world, "a", true).await;
    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "b refused, a ready, b accepted"
    );

    pause(&world, "a", false).await;
    world.work().await;
    assert_eq!(placed(&world), [1, 1]);
    world.audit().await;
}

#[tokio::test]
async fn a_refusal_tells_where_it_went_and_why() {
    let world = two().await;
    world.panels[0].switch_service("1", false);
    let order = world.buy("1", "100").await;
    world.work().await;

    assert_eq!(
        choices(&world, order).await,
        [
            "a: first in the file",
            "- b: later in the file",
            "b: after a: refused: service; first in the file that may be used",
            "- a: tried before: refused: service",
        ]
    );

    let text = show(&world, order, &[]).await;
    assert!(
        text.contains(
            "\n     by priority: a:1, first in the file\n        not b:1, later in the file\n"
        ),
        "{text}"
    );

    run(&world.database, "update leg set choice = null")
        .await
        .unwrap();

    let text = show(&world, order, &[]).await;
    assert!(
        !text.contains("by priority") && text.contains("refused: service"),
        "{text}"
    );

    assert_eq!(
        choices(&world, order).await,
        ["?: ?", "?: ?"],
        "legs of earlier days"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_refusal_goes_past_a_stopped_panel() {
    let routes = ["a", "b", "c"].map(|provider| (provider, "service = \"1\""));
    let world = world_of(&["a", "b", "c"], sold("rate = \"2\"", &routes)).await;
    world.panels[0].switch_service("1", false);
    pause(&world, "b", true).await;
    let order = world.buy("1", "100").await;
    world.work().await;

    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 0, 1], "a refused, c accepted")
    );

    assert_eq!(
        choices(&world, order).await[4..],
        [
            "- a: tried before: refused: service",
            "- b: panel is stopped: paused"
        ]
    );

    world.audit().await;
}

#[tokio::test]
async fn the_margin_guard_tells_why_it_moved_or_held() {
    let world = two().await;
    let (moved, held) = (world.buy("1", "100").await, world.buy("1", "100").await);
    reprice(&world, ["2.1", "0.9"]).await;
    let panel = &world.house.panels[0];
    let epoch = world.house.delivery.hold(panel).await.unwrap().unwrap();
    world.house.delivery.ask_balance(panel).await.unwrap();

    let both = world.house.delivery.lease(panel, epoch, 2).await.unwrap();
    world
        .house
        .delivery
        .send(panel, &both[0], epoch)
        .await
        .unwrap();

    reprice(&world, ["2.1", "4"]).await;
    world
        .house
        .delivery
        .send(panel, &both[1], epoch)
        .await
        .unwrap();

    let too_dear = "- a: costs 0.21, leaves -5 %, the floor is 3 %";
    assert_eq!(
        choices(&world, moved).await,
        [
            "b: after a: costs 0.21 now; first in the file that may be used",
            too_dear
        ]
    );

    assert_eq!(
        choices(&world, held).await,
        [
            "a: held: a costs 0.21 now, and was sold for 0.20",
            "- b: costs 0.40, leaves -100 %, the floor is 3 %"
        ]
    );

    world.audit().await;
}

#[tokio::test]
async fn what_cannot_be_reached_tells_whose_turn_it_is() {
    let mut world = two().await;
    world.panels.remove(0).stop().await;
    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(3, 1).await;

    assert_eq!(
        choices(&world, order).await,
        [
            "b: after a: could not be reached; nothing was sent; next in turn",
            "- a: could not be reached; nothing was sent"
        ]
    );

    world.pass(1, 10).await;
    assert_eq!(placed(&world), [1]);
    world.audit().await;
}

/// A leg that waits at the paused panel a, as a round sees it, and where it would go.
async fn seen(world: &World, epoch: i64) -> (leaving::Waiting, panelgate::routing::Chosen) {
    let (store, now) = (&world.house.store, world.clock.now());
    let (provider, front) = (ProviderId("a".into()), (Timestamp::UNIX_EPOCH, LegId(0)));
    let waiting = leaving::find_waiting(store, &provider, epoch, Because::Stopped, front, 10, now)
        .await
        .unwrap()
        .remove(0);

    let (catalog, panels) = (world.house.catalog.now(), world.house.catalog.panels());
    let sight = RoutingContext {
        catalog: &catalog,
        panels: &panels,
    };

    let leaving = Leaving {
        from: &waiting.route,
        why: "panel is stopped: paused",
    };

    let chosen =
        reroute::route_away(sight, &Sale::from(&waiting), leaving, &[], Worst::Rests).unwrap();
    (waiting, chosen)
}

#[tokio::test]
async fn of_a_leg_that_leaves_and_a_dispatcher_that_takes_it_one_is_too_late() {
    for taken_first in [true, false] {
        let world = two().await;
        world.buy("1", "100").await;
        pause(&world, "a", true).await;
        let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
        delivery.ask_balance(panel).await.unwrap();
        let epoch = delivery.hold(panel).await.unwrap().unwrap();
        let (waiting, chosen) = seen(&world, epoch).await;

        let leave = async || {
            leaving::move_leg_away(
                &world.house.store,
                &waiting,
                epoch,
                Because::Stopped,
                &chosen,
                "left",
                world.clock.now(),
            )
            .await
            .unwrap()
        };

        let left = if taken_first { false } else { leave().await };
        pause(&world, "a", false).await;
        let legs = delivery.lease(panel, epoch, 1).await.unwrap();
        assert_eq!((left, legs.len()), (!taken_first, usize::from(taken_first)));
        assert!(!leave().await, "it was taken, or has left already");

        for leg in &legs {
            delivery.send(panel, leg, epoch).await.unwrap();
        }

        world.work().await;
        assert_eq!(placed(&world), if taken_first { [1, 0] } else { [0, 1] });
        world.audit().await;
    }
}

#[tokio::test]
async fn a_resumed_panel_keeps_what_waits_there() {
    let world = two().await;
    world.buy("1", "100").await;
    pause(&world, "a", true).await;

    let epoch = world
        .house
        .delivery
        .hold(&world.house.panels[0])
        .await
        .unwrap()
        .unwrap();

    let (waiting, chosen) = seen(&world, epoch).await;
    pause(&world, "a", false).await;
    let now = world.clock.now();

    assert!(
        !leaving::move_leg_away(
            &world.house.store,
            &waiting,
            epoch,
            Because::Stopped,
            &chosen,
            "left",
            now
        )
        .await
        .unwrap()
    );

    assert!(
        !leaving::move_leg_away(
            &world.house.store,
            &waiting,
            epoch + 1,
            Because::Stopped,
            &chosen,
            "left",
            now
        )
        .await
        .unwrap()
    );

    world.work().await;
    assert_eq!(placed(&world), [1, 0]);
    world.audit().await;
}

#[tokio::test]
async fn a_leg_in_slow_hands_leaves_and_is_sent_once() {
    let world = two().await;
    world.buy("1", "100").await;
    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    delivery.ask_balance(panel).await.unwrap();
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    let leg = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);

    pause(&world, "a", true).await;
    assert_eq!(
        delivery.leave(panel, epoch).await.unwrap(),
        0,
        "its taker may still be about to mark it"
    );

    world.turn(61);
    world.work().await;
    pause(&world, "a", false).await;
    delivery.send(panel, &leg, epoch).await.unwrap();
    assert_eq!(
        (placed(&world), legs(&world.database).await.as_str()),
        (vec![0, 1], "b accepted")
    );

    world.audit().await;
}

#[tokio::test]
async fn legs_that_leave_while_their_panel_is_resumed_are_sent_once() {
    const ORDERS: usize = 30;
    let world = two().await;
    for _ in 0..ORDERS {
        world.buy("1", "10").await;
    }

    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    delivery.ask_balance(panel).await.unwrap();
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    pause(&world, "a", true).await;

    let dispatch = async {
        pause(&world, "a", false).await;
        for leg in delivery.lease(panel, epoch, ORDERS).await.unwrap() {
            delivery.send(panel, &leg, epoch).await.unwrap();
        }
    };

    let (left, ()) = tokio::join!(delivery.leave(panel, epoch), dispatch);
    world.work().await;
    let left = left.unwrap();
    assert_eq!(placed(&world), [ORDERS - left, left]);
    world.pass(1, 10).await;
    assert_eq!(
        world.balance().await,
        json!({ "balance": "999.40", "currency": "USD" }).to_string()
    );

    assert_eq!(
        holds(&world.database, "revenue").await,
        Money::parse("0.6").unwrap().decimal().to_string()
    );

    world.audit().await;
}
