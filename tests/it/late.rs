//! A panel that says late that it has what was found not placed, or what is followed there under
//! another id; and persons who take back that an order was not placed. Nothing is bought twice by
//! it, and the books hold to the cent.

use panel_sim::Ending;
use panelgate::domain::id::{LegId, OrderId, PanelOrder, ProviderId};
use panelgate::domain::leg::{Evidence, Verdict};
use panelgate::domain::money::Money;
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::orders::withdraw::{self, Withdrawn};
use panelgate::store::neighbours::{self, PanelPlace};
use rstest::rstest;
use serde_json::Value;

use crate::backup::json;
use crate::books::{holds, legs, read, reviews};
use crate::routes::placed;
use crate::world::{Plan, World, one_over};

const WHOLE: &str = r#"{"balance":"1000.00","currency":"USD"}"#;
pub(crate) const CHARGED: &str = r#"{"balance":"999.80","currency":"USD"}"#;

/// An order over these panels, which the first one has and whose answer was lost.
async fn lost(panels: &[&'static str]) -> (World, i32) {
    lost_under(panels, Plan::default().provider).await
}

/// The same, with these lines in every panel's block.
pub(crate) async fn lost_under(panels: &[&'static str], provider: &'static str) -> (World, i32) {
    let faults = |n: usize| if n == 0 { "drop" } else { "" };
    let plan = Plan {
        panels: panels
            .iter()
            .enumerate()
            .map(|(n, panel)| (*panel, faults(n)))
            .collect(),
        services: one_over(panels),
        provider,
        ..Plan::default()
    };
    let world = World::build(plan).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        (legs(&world.database).await.as_str(), placed(&world)[0]),
        ("a in_doubt", 1)
    );

    (world, order)
}

/// Decides, and says it again where it must be said twice.
pub(crate) async fn decide(
    world: &World,
    order: i32,
    finding: DoubtFinding,
    at: Option<&str>,
) -> Resolved {
    let mut resolved = Resolved::NotInDoubt;
    for _ in 0..2 {
        let mut tx = world.house.store.begin().await.unwrap();
        resolved = world
            .house
            .delivery
            .resolve(&mut tx, OrderId(order), &finding, at)
            .await
            .unwrap();

        tx.commit().await.unwrap();
        if !matches!(resolved, Resolved::SaidOnce { .. }) {
            break;
        }
    }

    resolved
}

/// The answer of a panel to the first asking for its leg of an order, however late.
pub(crate) async fn answers(world: &World, panel: usize, id: &str) {
    let panel = world.house.panels[panel].clone();
    let leg = format!(
        "select id::text from leg where provider = '{}' order by id limit 1",
        panel.settings().id
    );

    let leg = LegId(read(&world.database, &leg).await.parse().unwrap());
    let attempt = format!("select max(n)::text from attempt where leg_id = {}", leg.0);

    let attempt = read(&world.database, &attempt).await.parse().unwrap();
    let said = Evidence {
        verdict: Verdict::Accepted(PanelOrder(id.to_owned())),
        http_status: Some(200),
        words: format!("{{\"order\":{id}}}"),
        unlisted: None,
    };

    world
        .house
        .delivery
        .conclude(panel.settings(), leg, attempt, &said)
        .await
        .unwrap();
}

async fn show(world: &World, order: i32) -> Value {
    json(&world.database, &["order", "show", &order.to_string()]).await
}

async fn cost_of(world: &World, panel: &str) -> String {
    let question = format!(
        "select trim_scale(coalesce(sum(case when t.credit = a.id then t.amount else -t.amount \
         end), 0))::text
        from account a join transfer t on a.id in (t.debit, t.credit) where a.kind = 'cost' and \
         a.provider = '{panel}'"
    );

    read(&world.database, &question).await
}

/// What is open of alerts.
async fn alerts(world: &World) -> String {
    world.house.alerts.look().await.unwrap();
    read(
        &world.database,
        "select string_agg(kind || ' ' || object, ', ' order by kind, object) from alert where \
         over_at is null",
    )
    .await
}

/// How an order waits for its next panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Ready,
    Leased,
    Parked,
    NeverSent,
}

/// An order that was found not placed at the first panel and waits for the second.
async fn waiting(how: Waits) -> (World, i32) {
    let (mut world, order) = lost(&["a", "b"]).await;
    if how == Waits::NeverSent {
        world.panels.remove(1).stop().await;
    }

    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    match how {
        Waits::Ready | Waits::Leased => {}
        Waits::Parked => {
            world.panels[1].set_balance(Money::parse("0").unwrap().decimal());
            world.count().await;
            world.work().await;
        }
        Waits::NeverSent => world.work().await,
    }

    (world, order)
}

#[rstest]
#[case(Waits::Ready, "a refused, b ready", "a accepted")]
#[case(Waits::Leased, "a refused, b ready", "a accepted")]
#[case(Waits::Parked, "a refused, b parked", "b canceled, a accepted")]
#[case(Waits::NeverSent, "a refused, b ready", "b canceled, a accepted")]
#[tokio::test]
async fn what_waits_for_its_next_panel_stays_where_it_was_taken_late(
    #[case] how: Waits,
    #[case] before: &str,
    #[case] after: &str,
) {
    let (world, order) = waiting(how).await;
    assert_eq!(legs(&world.database).await, before);
    let (delivery, other) = (&world.house.delivery, world.house.panels[1].clone());
    let mut in_hand = None;

    if how == Waits::Leased {
        let epoch = delivery.hold(&other).await.unwrap().unwrap();
        in_hand = Some((
            delivery.lease(&other, epoch, 1).await.unwrap().remove(0),
            epoch,
        ));
    }

    let id = world.panel().orders()[0].id.clone();
    answers(&world, 0, &id).await;
    assert_eq!(legs(&world.database).await, after);

    if let Some((leg, epoch)) = in_hand {
        delivery.send(&other, &leg, epoch).await.unwrap();
    }

    let books = (
        holds(&world.database, "doubt").await,
        cost_of(&world, "a").await,
        cost_of(&world, "b").await,
    );

    assert_eq!(books, ("0".to_owned(), "-0.09".to_owned(), "0".to_owned()));
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    world.audit().await;

    if how != Waits::NeverSent {
        world.panels[1].set_balance(Money::parse("5").unwrap().decimal());
    }

    world.pass(3, 60).await;
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert!(
        placed(&world)[1..].iter().all(|orders| *orders == 0),
        "bought once"
    );

    assert_eq!(
        (
            world.balance().await.as_str(),
            reviews(&world.database).await.as_str()
        ),
        (CHARGED, "")
    );

    assert!(
        !alerts(&world).await.contains("taken_late"),
        "nobody need do anything"
    );

    world.audit().await;
}

#[tokio::test]
async fn what_was_sent_elsewhere_since_is_put_before_a_person_with_both_named() {
    let (world, order) = lost(&["a", "b"]).await;
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    let (first, second) = (
        world.panels[0].orders()[0].id.clone(),
        world.panels[1].orders()[0].id.clone(),
    );

    answers(&world, 0, &first).await;
    assert_eq!(legs(&world.database).await, "a refused, b accepted");

    let is_told = |review: &str| {
        review.contains(&format!("as {first},")) && review.contains(&format!("as {second}:"))
    };

    assert!(
        is_told(&reviews(&world.database).await),
        "{}",
        reviews(&world.database).await
    );

    assert!(alerts(&world).await.contains("taken_late a"));
    let shown = show(&world, order).await;

    assert_eq!(
        (
            shown["legs"][0]["late_order"].as_str(),
            shown["legs"][1]["panel_order"].as_str()
        ),
        (Some(first.as_str()), Some(second.as_str()))
    );

    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        Resolved::NothingToTakeBack
    );

    world.audit().await;
}

#[rstest]
#[case::gives_all_back(Ending::Canceled, "Processing")]
#[case::gives_some_back(Ending::Partial { remains: 40 }, "Processing")]
#[case::gives_nothing_back(Ending::Completed, "Completed")]
#[tokio::test]
async fn what_is_there_twice_is_not_given_back_because_one_of_them_ended(
    #[case] ending: Ending,
    #[case] shown: &str,
) {
    let (world, order) = lost(&["a", "b"]).await;
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    let (first, second) = (
        world.panels[0].orders()[0].id.clone(),
        world.panels[1].orders()[0].id.clone(),
    );

    answers(&world, 0, &first).await;
    let review = reviews(&world.database).await;

    // A person, or the customer, has it canceled where it is followed.
    world.panels[1].end_order(&second, ending);
    world.pass(4, 60).await;

    assert_eq!(
        (
            world.balance().await.as_str(),
            reviews(&world.database).await
        ),
        (CHARGED, review)
    );

    assert!(
        world.status(order).await.contains(shown),
        "{}",
        world.status(order).await
    );

    world.audit().await;

    // Whoever looked at both says what becomes of it.
    let mut tx = world.house.store.begin().await.unwrap();
    let found = panelgate::orders::decide::SettlementFinding::Canceled;
    panelgate::orders::decide::settle(&mut tx, OrderId(order), found, world.house.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_eq!(
        (
            world.balance().await.as_str(),
            reviews(&world.database).await.as_str()
        ),
        (WHOLE, "")
    );

    world.audit().await;
}

#[tokio::test]
async fn whoever_canceled_an_order_that_was_not_placed_keeps_the_money() {
    let (world, order) = lost(&["a"]).await;
    let canceled = world
        .ask(&[("action", "cancel"), ("orders", &order.to_string())])
        .await;

    assert!(canceled.contains(r#""cancel":1"#), "{canceled}");
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    assert_eq!(world.balance().await, WHOLE);

    let id = world.panel().orders()[0].id.clone();
    answers(&world, 0, &id).await;
    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        Resolved::NothingToTakeBack
    );

    assert_eq!(world.balance().await, WHOLE);
    assert!(alerts(&world).await.contains("taken_late a"));
    world.audit().await;
}

#[rstest]
#[case::by_a_third(&["a", "b", "c"])]
#[case::by_nobody(&["a", "b"])]
#[tokio::test]
async fn what_the_next_panel_does_not_have_goes_back_to_the_one_that_took_it_late(
    #[case] panels: &[&'static str],
) {
    let (world, order) = lost(panels).await;
    world.panels[1].set_faults("502".parse().unwrap());
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b in_doubt");
    let id = world.panel().orders()[0].id.clone();
    answers(&world, 0, &id).await;
    assert_eq!(legs(&world.database).await, "a refused, b in_doubt");
    world.audit().await;

    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, Some("b")).await,
        Resolved::Done
    );

    assert_eq!(legs(&world.database).await, "b refused, a accepted");
    assert_eq!(
        (
            reviews(&world.database).await.as_str(),
            holds(&world.database, "doubt").await.as_str()
        ),
        ("", "0")
    );

    world.audit().await;
    world.pass(3, 60).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(
        (
            world.balance().await.as_str(),
            cost_of(&world, "a").await.as_str()
        ),
        (CHARGED, "-0.09")
    );

    assert!(panels.len() == 2 || placed(&world)[2] == 0, "bought once");
    world.audit().await;
}

#[tokio::test]
async fn that_it_was_not_placed_can_be_taken_back_after_the_next_panel_refused_it() {
    let (world, order) = lost(&["a", "b"]).await;
    world.panels[1].switch_service("1", false);
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    assert_eq!(legs(&world.database).await, "a refused, b refused");
    assert_eq!(world.balance().await, WHOLE);

    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        Resolved::Done
    );

    assert_eq!(legs(&world.database).await, "b refused, a in_doubt");
    assert_eq!(
        (
            world.balance().await.as_str(),
            holds(&world.database, "doubt").await.as_str()
        ),
        (CHARGED, "-0.09")
    );

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Processing""#)
    );

    let shown = show(&world, order).await;
    assert_eq!(
        shown["allowed"][0],
        format!("order resolve {order} accepted PANEL_ORDER")
    );

    world.audit().await;

    let id = world.panel().orders()[0].id.clone();
    let accepted = DoubtFinding::Accepted(PanelOrder(id));
    assert_eq!(decide(&world, order, accepted, None).await, Resolved::Done);

    assert_eq!(
        (
            holds(&world.database, "doubt").await,
            cost_of(&world, "a").await
        ),
        ("0".into(), "-0.09".into())
    );

    world.audit().await;
    let canceled = world
        .ask(&[("action", "cancel"), ("orders", &order.to_string())])
        .await;

    assert!(
        !canceled.contains("error"),
        "its panel is asked: {canceled}"
    );

    world.pass(3, 60).await;
    assert_eq!(world.panel().requests()["cancel"], 1);
    assert!(legs(&world.database).await.starts_with("b refused, a "));
    world.audit().await;
}

#[tokio::test]
async fn what_was_given_back_and_then_taken_late_can_be_taken_back_and_followed() {
    let (world, order) = lost(&["a"]).await;
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    let id = world.panel().orders()[0].id.clone();
    answers(&world, 0, &id).await;

    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            world.balance().await.as_str()
        ),
        ("a refused", WHOLE)
    );

    assert!(
        alerts(&world).await.contains("taken_late a"),
        "given back is given back: a person is told"
    );

    world.audit().await;

    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        Resolved::Done
    );

    assert_eq!(world.balance().await, CHARGED);
    world.audit().await;

    // The same answer once more is no contradiction.
    answers(&world, 0, &id).await;
    assert_eq!(legs(&world.database).await, "a accepted");
    world.pass(3, 60).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(
        (
            cost_of(&world, "a").await.as_str(),
            holds(&world.database, "doubt").await.as_str()
        ),
        ("-0.09", "0")
    );

    world.audit().await;
}

#[tokio::test]
async fn what_one_panel_took_late_is_not_given_back_because_another_is_in_doubt() {
    let plan = Plan {
        panels: vec![("a", "drop"), ("b", "502")],
        services: one_over(&["a", "b"]),
        provider: "in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 6\n",
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    let id = world.panel().orders()[0].id.clone();
    answers(&world, 0, &id).await;
    world.pass(40, 3_600).await;
    assert_eq!(legs(&world.database).await, "a refused, b in_doubt");
    assert_eq!(world.balance().await, CHARGED);

    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, Some("b")).await,
        Resolved::Done
    );

    world.pass(3, 60).await;
    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    world.audit().await;
}

#[tokio::test]
async fn a_late_id_that_is_another_orders_changes_nothing() {
    let (world, order) = lost(&["a", "b"]).await;
    world.panels[0].set_faults("".parse().unwrap());
    let other = world.buy("1", "100").await;
    world.work().await;
    let id = world.panels[0].orders()[1].id.clone();
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    answers(&world, 0, &id).await;
    assert_eq!(
        reviews(&world.database).await,
        "the panel gave an id that another of our orders has"
    );

    let owner = format!("select order_id::text from leg where panel_order = '{id}'");
    assert_eq!(read(&world.database, &owner).await, other.to_string());
    world.work().await;
    assert_eq!(placed(&world), [2, 1], "as it was decided");
    world.audit().await;
}

#[rstest]
#[case(Waits::Parked)]
#[case(Waits::NeverSent)]
#[tokio::test]
async fn that_it_was_not_placed_can_be_taken_back_although_the_next_panel_was_tried(
    #[case] how: Waits,
) {
    let (world, order) = waiting(how).await;
    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        Resolved::Done
    );

    assert_eq!(legs(&world.database).await, "b canceled, a in_doubt");
    assert_eq!(
        (
            world.balance().await.as_str(),
            holds(&world.database, "doubt").await.as_str()
        ),
        (CHARGED, "-0.09")
    );

    world.audit().await;
    let mut tx = world.house.store.begin().await.unwrap();
    let at = panelgate::domain::clock::Clock::now(&*world.clock);
    assert_eq!(
        withdraw::unsent(&mut tx, OrderId(order), "unsent", at)
            .await
            .unwrap(),
        Withdrawn::Sent
    );

    tx.rollback().await.unwrap();

    // What was only to be sent there may be sent there, should it be found not placed again.
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    assert_eq!(
        legs(&world.database).await,
        "b canceled, a refused, b ready"
    );

    world.audit().await;
}

#[tokio::test]
async fn of_several_panels_that_do_not_have_it_a_person_says_which_one_may() {
    let (world, order) = lost(&["a", "b"]).await;
    world.panels[1].set_faults("drop".parse().unwrap());
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::Done
    );

    world.work().await;
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, Some("b")).await,
        Resolved::Done
    );

    assert_eq!(legs(&world.database).await, "a refused, b refused");

    let several = Resolved::AtSeveral(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, None).await,
        several
    );

    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, Some("c")).await,
        several
    );

    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, Some("a")).await,
        Resolved::Done
    );

    assert_eq!(legs(&world.database).await, "b refused, a in_doubt");
    assert_eq!(
        decide(&world, order, DoubtFinding::TakeBack, Some("b")).await,
        Resolved::NothingToTakeBack
    );

    world.audit().await;
}

/// A person resolved the doubt under one id, and the panel's own answer names another.
pub(crate) async fn told_twice() -> (World, i32, String) {
    let (world, order) = lost(&["a"]).await;
    let id = world.panel().orders()[0].id.clone();
    let slip = world
        .panel()
        .place_by_hand("1", "https://example.org/by-hand", 100);

    assert_eq!(
        decide(
            &world,
            order,
            DoubtFinding::Accepted(PanelOrder(slip.clone())),
            None
        )
        .await,
        Resolved::Done
    );

    answers(&world, 0, &id).await;
    (world, order, slip)
}

#[tokio::test]
async fn a_second_id_is_kept_shown_and_told_with_the_first() {
    let (world, order, slip) = told_twice().await;
    let id = world.panel().orders()[0].id.clone();
    let review = reviews(&world.database).await;
    assert!(
        review.contains(&format!("took it as {id},"))
            && review.contains(&format!("there as {slip}:")),
        "{review}"
    );

    let leg = &show(&world, order).await["legs"][0];
    assert_eq!(
        (leg["panel_order"].as_str(), leg["late_order"].as_str()),
        (Some(slip.as_str()), Some(id.as_str()))
    );

    assert_eq!(leg["exchanges"][0]["words"], format!("{{\"order\":{id}}}"));
    assert!(alerts(&world).await.contains("taken_late a"));

    // It is nobody else's.
    let panel = &world.house.panels[0];
    let (address, account) = (panel.address(), panel.account());
    let provider = ProviderId("a".to_owned());
    let place = PanelPlace {
        provider: &provider,
        address: &address,
        account: &account,
    };

    let known = neighbours::find_known(
        &world.house.store,
        place,
        &[id.clone(), slip, "9".to_owned()],
    )
    .await
    .unwrap();

    assert!(
        known.len() == 2 && known.iter().all(|known| known.here),
        "{known:?}"
    );

    // The same again is no news, and a third one is kept beside what was said before.
    answers(&world, 0, &id).await;
    answers(&world, 0, "777").await;
    let words = show(&world, order).await["legs"][0]["exchanges"][0]["words"].to_string();
    assert!(words.contains(&id) && words.contains("777"), "{words}");
    world.audit().await;
}

#[tokio::test]
async fn whichever_of_two_ids_is_the_orders_a_person_says() {
    let (world, order, slip) = told_twice().await;
    let id = world.panel().orders()[0].id.clone();
    world.work().await;

    assert!(
        !read(&world.database, "select seen from tracked_leg")
            .await
            .is_empty(),
        "the panel spoke of one"
    );

    assert!(
        reviews(&world.database).await.contains(&id),
        "a clear word about one of them is no answer"
    );

    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        Resolved::NotInDoubt
    );

    assert_eq!(
        decide(
            &world,
            order,
            DoubtFinding::Accepted(PanelOrder("777".into())),
            None
        )
        .await,
        Resolved::NotInDoubt
    );

    assert_eq!(
        decide(
            &world,
            order,
            DoubtFinding::Accepted(PanelOrder(id.clone())),
            None
        )
        .await,
        Resolved::Done
    );

    let kept = "select concat_ws(' ', state, panel_order, late_order) from leg";
    assert_eq!(
        read(&world.database, kept).await,
        format!("accepted {id} {slip}"),
        "both stay known"
    );

    assert_eq!(reviews(&world.database).await, "");
    world.audit().await;
    world.pass(3, 60).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(
        (
            world.balance().await.as_str(),
            cost_of(&world, "a").await.as_str()
        ),
        (CHARGED, "-0.09")
    );

    world.audit().await;
}
