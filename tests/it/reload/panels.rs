//! What becomes of panels, and of what they have, when the file changes.

use std::sync::Arc;

use futures_util::FutureExt;
use panel_sim::Simulator;
use panelgate::reload::FileLook;
use panelgate::upstream::Panel;

use super::{Node, open_alerts, surroundings, two_panels, without_a};
use crate::books::{holds, legs, read, reviews};
use crate::world::{Plan, World, follows, one_over, panel_settings};

const HOUR: i64 = 3_600;

async fn node(world: &World) -> Node {
    let node = Node::start(world, "one", &world.file.text).await.unwrap();
    node.house.refresh().await.unwrap();
    node
}

fn panel(node: &Node, id: &str) -> Option<(Arc<Panel>, bool)> {
    let roll = node.house.roll.now();
    let listed = roll
        .iter()
        .find(|listed| listed.panel.settings().id.0 == id)?;
    Some((listed.panel.clone(), listed.retired))
}

#[tokio::test]
async fn what_a_removed_panel_has_is_followed_to_its_end() {
    let world = two_panels().await;
    let node = node(&world).await;
    let (delivered, doubted) = (world.buy("1", "100").await, world.buy("1", "50").await);
    node.work().await;
    world.panel().set_faults("drop".parse().unwrap());
    let lost = world.buy("1", "20").await;

    node.work().await;
    world.panel().set_faults("".parse().unwrap());
    let waiting = world.buy("1", "10").await;
    assert_eq!(
        legs(&world.database).await,
        "a accepted, a accepted, a in_doubt, a ready"
    );

    assert!(
        matches!(
            node.edit(&world, &without_a(&world)).await,
            FileLook::Waits(_)
        ),
        "orders are open there"
    );

    node.apply(&without_a(&world)).await;
    assert!(world.house.reload.adopt().await.unwrap());
    assert!(panel(&node, "a").is_some_and(|(_, retired)| retired));

    // What was not sent goes by the next route; what is new never comes near.
    world.buy("1", "10").await;
    node.work().await;
    assert_eq!(
        legs(&world.database).await,
        "a accepted, a accepted, a in_doubt, b accepted, b accepted"
    );

    // Statuses, a cancel, a refill, a doubt.
    assert!(
        world
            .ask(&[("action", "cancel"), ("order", &doubted.to_string())])
            .await
            .contains("cancel")
    );

    for _ in 0..4 {
        world.turn(10);
        node.work().await;
    }

    assert!(
        world
            .status(delivered)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert!(
        world
            .status(waiting)
            .await
            .contains(r#""status":"Completed""#)
    );

    let refill = world
        .ask(&[("action", "refill"), ("order", &delivered.to_string())])
        .await;

    node.work().await;
    assert_eq!(refill, r#"{"refill":"1"}"#);
    assert!(world.panel().requests().contains_key("refill"));

    let id = world
        .panel()
        .orders()
        .iter()
        .find(|order| order.quantity == 20)
        .unwrap()
        .id
        .clone();

    let found =
        panelgate::orders::resolve::DoubtFinding::Accepted(panelgate::domain::id::PanelOrder(id));
    crate::resolve::decide(&world, lost, &found).await;

    for _ in 0..4 {
        world.turn(10);
        node.work().await;
    }

    assert!(world.status(lost).await.contains(r#""status":"Completed""#));

    // Something is watched for three days; then nothing is left of it.
    node.house.reload.retire().await.unwrap();
    assert!(panel(&node, "a").is_some());

    for _ in 0..9 {
        world.turn(12 * HOUR);
        node.work().await;
    }

    assert!(node.house.reload.retire().await.unwrap());
    assert!(panel(&node, "a").is_none());

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from tracked_leg where provider = 'a'"
        )
        .await,
        "0"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_waits_at_a_removed_panel_and_has_no_other_route_is_held_until_its_block_is_back() {
    let world = World::build(Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let node = node(&world).await;
    let order = world.buy("1", "100").await;
    let bare = "[gateway]\ncurrency = \"USD\"\n";
    assert!(matches!(node.edit(&world, bare).await, FileLook::Waits(_)));
    let both = (&world.house.store, &node.house.clock);
    let file = panelgate::config::read(bare, ".".as_ref(), &surroundings()).unwrap();

    panelgate::reload::put_in_force(both.0, both.1, &file.mapping, &file.text, "a person", "")
        .await
        .unwrap();

    assert!(node.adopt().await);
    node.work().await;
    assert_eq!(legs(&world.database).await, "a parked");
    assert!(world.status(order).await.contains(r#""status":"Pending""#));
    assert_eq!(
        node.edit(&world, &world.file.text).await,
        FileLook::Published
    );

    node.house.refresh().await.unwrap();
    world.turn(61);
    node.work().await;
    assert_eq!(legs(&world.database).await, "a accepted");
    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_is_asked_otherwise_must_answer_before_anything_is_placed() {
    let world = two_panels().await;
    let node = node(&world).await;
    let (a, b) = (panel(&node, "a").unwrap().0, panel(&node, "b").unwrap().0);
    assert!(a.has_answered() && b.has_answered());

    // Another pace: the panel is another object, and what it has shown counts on.
    let text = world
        .file
        .text
        .replacen("status_every_s = 10", "status_every_s = 11", 1);

    assert_eq!(node.edit(&world, &text).await, FileLook::Published);
    let slower = panel(&node, "a").unwrap().0;
    assert!(slower.has_answered() && !Arc::ptr_eq(&a, &slower));
    assert!(
        Arc::ptr_eq(&b, &panel(&node, "b").unwrap().0),
        "what did not change is not touched"
    );

    // Another address: a free call first.
    let moved = text.replacen("/api/v2\"", "/api/v2?\"", 1);
    assert_eq!(node.edit(&world, &moved).await, FileLook::Published);
    let asked = panel(&node, "a").unwrap().0;
    assert!(!asked.has_answered());
    world.buy("1", "100").await;

    let epoch = node.house.delivery.hold(&asked).await.unwrap().unwrap();
    assert!(
        node.house
            .delivery
            .lease(&asked, epoch, 10)
            .await
            .unwrap()
            .is_empty()
    );

    node.work().await;
    assert_eq!(legs(&world.database).await, "a accepted");
}

#[tokio::test]
async fn a_key_that_changed_in_its_file_is_read_at_a_signal_and_must_be_shown_first() {
    let world = two_panels().await;
    let node = node(&world).await;
    let key = node.keep_key_in_file(&world).await;
    assert!(
        panel(&node, "a").unwrap().0.has_answered(),
        "the same key from another place"
    );

    world.panel().set_key("another-key");
    std::fs::write(&key, "another-key\n").unwrap();
    assert_eq!(
        node.house.reload.look_at_once().await.unwrap(),
        FileLook::Same
    );

    assert!(!panel(&node, "a").unwrap().0.has_answered());
    world.house.reload.adopt().await.unwrap();
    world.buy("1", "100").await;
    node.work().await;
    assert_eq!(legs(&world.database).await, "a accepted");
}

#[tokio::test]
async fn another_key_in_its_file_waits_for_a_persons_word_while_orders_are_open_there() {
    let world = two_panels().await;
    let node = node(&world).await;
    let key = node.keep_key_in_file(&world).await;
    world.house.reload.adopt().await.unwrap();
    world.buy("1", "100").await;
    node.work().await;

    assert_eq!(legs(&world.database).await, "a accepted");

    // Another account's: its ids are others, and it knows nothing of what is open.
    std::fs::write(&key, "another-key\n").unwrap();
    let FileLook::Waits(dangers) = node.house.reload.look_at_once().await.unwrap() else {
        panic!("it is a danger")
    };

    assert!(
        dangers[0].starts_with("provider \"a\": ") && dangers[0].contains("1 are open there"),
        "{dangers:?}"
    );

    let waits = ("config_waiting".to_owned(), "one".to_owned());
    assert!(open_alerts(&node.house).await.contains(&waits));

    // Nor does another edit bring it into force.
    assert_eq!(
        node.edit(
            &world,
            &node_text(&node).replace("rate = \"2\"", "rate = \"2.1\"")
        )
        .await,
        FileLook::Published
    );

    assert!(
        panel(&node, "a").unwrap().0.has_answered(),
        "it is asked under the key before"
    );

    assert!(open_alerts(&node.house).await.contains(&waits));
    world.turn(60);
    node.work().await;

    assert_eq!(
        legs(&world.database).await,
        "a ended",
        "and tells of its order"
    );

    // A person who applies it has said so.
    let other = key.with_file_name("b.key");
    std::fs::write(&other, "another-key\n").unwrap();
    let text = node_text(&node).replace("a.key", "b.key");
    assert!(
        matches!(node.edit(&world, &text).await, FileLook::Waits(_)),
        "the file's own road is the same"
    );

    node.apply(&text).await;
    assert!(!panel(&node, "a").unwrap().0.has_answered());
    assert!(!open_alerts(&node.house).await.contains(&waits));
    world.audit().await;
}

/// What a node's file says.
fn node_text(node: &Node) -> String {
    std::fs::read_to_string(&node.path).unwrap()
}

#[tokio::test]
async fn a_refill_is_not_followed_under_an_id_that_the_next_panel_gave_to_another() {
    let world = World::build(Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let node = node(&world).await;
    let refill_of_one_more = async || {
        let order = world.buy("1", "100").await;
        for _ in 0..2 {
            node.work().await;
            world.turn(10);
        }

        node.work().await;
        let refill = world
            .ask(&[("action", "refill"), ("order", &order.to_string())])
            .await;

        node.work().await;
        refill
    };

    assert_eq!(refill_of_one_more().await, r#"{"refill":"1"}"#);
    let next = Simulator::start(panel_settings(1, "", 0), follows(&world.clock))
        .await
        .unwrap();

    let moved = world.file.text.replace(&world.panel().url(), &next.url());
    assert!(
        matches!(node.edit(&world, &moved).await, FileLook::Waits(_)),
        "something is looked back at there"
    );

    node.apply(&moved).await;
    world.house.reload.adopt().await.unwrap();
    assert_eq!(refill_of_one_more().await, r#"{"refill":"2"}"#);
    let ids =
        "select count(*) || ' ' || count(distinct panel_refill) from refill where state = 'taken'";
    assert_eq!(read(&world.database, ids).await, "2 1");

    for _ in 0..30 {
        world.turn(60);
        node.work().await;
    }

    let states = world
        .ask(&[("action", "refill_status"), ("refills", "1,2")])
        .await;

    let expected = r#"[{"refill":1,"status":"In progress"},{"refill":2,"status":"Completed"}]"#;
    assert_eq!(states, expected);
}

#[tokio::test]
async fn places_that_are_taken_stay_taken_through_a_change() {
    let world = two_panels().await;
    let node = node(&world).await;

    let text = world.file.text.replacen(
        "status_every_s = 10",
        "status_every_s = 10\nconcurrent_max = 2",
        1,
    );

    assert_eq!(node.edit(&world, &text).await, FileLook::Published);
    let before = panel(&node, "a").unwrap().0;
    let out = (before.slot().await, before.slot().await);
    let text = text.replacen("status_every_s = 10", "status_every_s = 12", 1);
    assert_eq!(node.edit(&world, &text).await, FileLook::Published);
    let after = panel(&node, "a").unwrap().0;
    assert!(
        after.slot().now_or_never().is_none(),
        "both places are taken under the block before"
    );

    drop(out);
    drop(after.slot().await);
}

#[tokio::test]
async fn what_was_taken_for_an_account_is_not_sent_there_once_another_took_its_place() {
    let world = two_panels().await;
    let node = node(&world).await;
    let before = panel(&node, "a").unwrap().0;
    world.buy("1", "100").await;
    let epoch = node.house.delivery.hold(&before).await.unwrap().unwrap();

    let taken = node
        .house
        .delivery
        .lease(&before, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    node.apply(&world.file.text.replacen("/api/v2\"", "/api/v2?\"", 1))
        .await;

    node.house
        .delivery
        .send(&before, &taken, epoch)
        .await
        .unwrap();

    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            world.panel().orders().len()
        ),
        ("a ready", 0)
    );

    node.work().await;
    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            world.panel().orders().len()
        ),
        ("a accepted", 1)
    );
}

/// Its orders are asked about for three days after their end, and another panel may know other
/// orders by their ids.
#[tokio::test]
async fn another_account_under_a_panels_name_waits_for_a_word_while_its_orders_are_looked_back_at()
{
    let world = two_panels().await;
    let node = node(&world).await;
    let order = world.buy("1", "100").await;
    for _ in 0..5 {
        node.work().await;
        world.turn(10);
    }
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );
    let moved = world
        .file
        .text
        .replacen(&world.panels[0].url(), &world.panels[1].url(), 1);
    assert!(matches!(
        node.edit(&world, &moved).await,
        FileLook::Waits(_)
    ));
    // Nor by the way round: taken out, and put back at another address.
    node.apply(&without_a(&world)).await;
    node.watch(&world).await;
    assert!(matches!(
        node.edit(&world, &moved).await,
        FileLook::Waits(_)
    ));
    assert_eq!(
        node.edit(&world, &world.file.text).await,
        FileLook::Published,
        "the same account is no danger"
    );
}

#[tokio::test]
async fn what_was_sent_costs_what_the_panels_money_was_worth_then() {
    let exchange = "[exchange]\nUZS = { rate = \"0.0787\", dated = \"2026-11-01\" }\n";
    let world = World::build(Plan {
        currency: "UZS",
        exchange,
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let node = node(&world).await;
    world.buy("1", "1000").await;
    node.work().await;

    // 0.90 UZS for a thousand, as it was then and as it is since.
    assert_eq!(holds(&world.database, "cost").await, "-0.07083");
    node.apply(&world.file.text.replace("0.0787", "0.1")).await;
    world.house.reload.adopt().await.unwrap();
    world.buy("1", "1000").await;
    node.work().await;

    assert_eq!(holds(&world.database, "cost").await, "-0.16083");
    for _ in 0..3 {
        world.turn(10);
        node.work().await;
    }

    assert_eq!(legs(&world.database).await, "a ended, a ended");
    assert_eq!(
        holds(&world.database, "cost").await,
        "-0.16083",
        "the panel charged what was expected"
    );

    let moved = "select string_agg(trim_scale(amount)::text, ' ' order by id) from balance_move";
    assert_eq!(
        read(&world.database, moved).await,
        "0.9 0.9",
        "in the panel's money"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_is_sent_while_its_panel_is_taken_out_of_the_file_costs_by_its_last_block() {
    let exchange = "[exchange]\nUZS = { rate = \"0.0787\", dated = \"2026-11-01\" }\n";
    let world = World::build(Plan {
        currency: "UZS",
        exchange,
        services: one_over(&["a"]),
        ..Plan::default()
    })
    .await;

    let node = node(&world).await;
    world.buy("1", "1000").await;
    let asked = panel(&node, "a").unwrap().0;
    node.house.delivery.ask_balance(&asked).await.unwrap();
    let epoch = node.house.delivery.hold(&asked).await.unwrap().unwrap();
    let taken = node.house.delivery.lease(&asked, epoch, 1).await.unwrap();

    let file = panelgate::config::read(
        "[gateway]\ncurrency = \"USD\"\n",
        ".".as_ref(),
        &surroundings(),
    )
    .unwrap();

    panelgate::reload::put_in_force(
        &world.house.store,
        &node.house.clock,
        &file.mapping,
        &file.text,
        "a person",
        "",
    )
    .await
    .unwrap();

    assert!(node.adopt().await);
    node.house
        .delivery
        .send(&asked, &taken[0], epoch)
        .await
        .unwrap();

    let sent = "select state || ' ' || trim_scale(fx_rate) || ' ' || trim_scale(cost) from leg";
    assert_eq!(read(&world.database, sent).await, "accepted 0.0787 0.07083");
    world.audit().await;
}

#[tokio::test]
async fn nothing_is_asked_under_an_id_that_the_next_panel_of_the_name_gave_to_another_order() {
    let plan = Plan {
        services: one_over(&["a"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let node = node(&world).await;
    let delivered = world.buy("1", "100").await;
    node.work().await;
    world.turn(10);
    node.work().await;

    let open = world.buy("1", "50").await;
    node.work().await;
    assert_eq!(legs(&world.database).await, "a ended, a accepted");

    // Another panel takes the name; it counts its orders as the first one did.
    let next = Simulator::start(panel_settings(1, "", 0), follows(&world.clock))
        .await
        .unwrap();

    node.apply(&world.file.text.replace(&world.panel().url(), &next.url()))
        .await;
    world.house.reload.adopt().await.unwrap();
    let (third, fourth) = (world.buy("1", "20").await, world.buy("1", "10").await);
    node.work().await;
    let ids = "select count(*) || ' ' || count(distinct id) from panel_order";
    assert_eq!(read(&world.database, ids).await, "4 2");

    let refill = world
        .ask(&[("action", "refill"), ("order", &delivered.to_string())])
        .await;

    assert_eq!(refill, r#"{"refill":"1"}"#);
    assert!(
        world
            .ask(&[("action", "cancel"), ("order", &open.to_string())])
            .await
            .contains("cancel")
    );

    for _ in 0..4 {
        world.turn(10);
        node.work().await;
    }

    let requests = next.requests();
    assert!(
        requests.contains_key("status")
            && !requests.contains_key("refill")
            && !requests.contains_key("cancel")
    );

    assert!(!world.status(open).await.contains("Completed"));
    assert!(
        reviews(&world.database)
            .await
            .contains("since its address changed")
    );

    let refill = world
        .ask(&[("action", "refill_status"), ("refill", "1")])
        .await;

    assert_eq!(refill, r#"{"status":"Rejected"}"#);
    for order in [third, fourth] {
        assert!(world.status(order).await.contains("Completed"));
    }

    // The look back at what was delivered passes over it too, and ends.
    for _ in 0..9 {
        world.turn(12 * HOUR);
        node.work().await;
    }

    let watched =
        "select string_agg(l.order_id::text, ' ') from tracked_leg w join leg l on l.id = w.leg_id";
    assert_eq!(read(&world.database, watched).await, open.to_string());

    // The first panel comes back under its name, and says the rest.
    node.apply(&world.file.text).await;
    world.panel().set_faults("unread*99".parse().unwrap());
    world.turn(HOUR);
    node.work().await;
    let cancel = "select state || ' ' || (attempt > 8) from cancel_request";
    assert_eq!(
        read(&world.database, cancel).await,
        "ready true",
        "waiting spent none of its tries"
    );

    world.panel().set_faults("".parse().unwrap());
    world.turn(HOUR);
    node.work().await;
    assert!(world.status(open).await.contains("Completed"));

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from orders where review is not null"
        )
        .await,
        "0"
    );

    assert!(
        world.panel().requests().contains_key("cancel"),
        "it waited for the address"
    );

    world.audit().await;
}
