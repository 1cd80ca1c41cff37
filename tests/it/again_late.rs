//! An order in doubt that was asked for again, and everything that may be heard of it late: of the
//! first asking, of a later one, from another node, after a person's word or a backup. Nothing of
//! it buys a second time.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use panelgate::domain::clock::{Clock, SharedClock, Timestamp};
use panelgate::domain::id::{OrderId, PanelOrder};
use panelgate::domain::leg::{Evidence, LeasedLeg, Verdict};
use panelgate::domain::money::Money;
use panelgate::domain::proof::ProofOutcome;
use panelgate::domain::provider::{PanelDialect, RefusalClass};
use panelgate::orders::prove::{self, ProofOrder};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::orders::restored;
use panelgate::store::{customers, gates, leases};
use rstest::rstest;

use crate::books::{legs, read, reviews};
use crate::dialects::speaking;
use crate::routes::{pause, placed, sold};
use crate::scripted::Scripted;
use crate::world::{ANY_MOVE, Plan, World, in_time};

const HONOURS: &str =
    "honours_request_id = true\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000";
const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;
const BOTH: &str = "[[service]]\nid = 1\nrate = \"2\"\nroutes = [{ provider = \"s\", service = \
                    \"1\" }, { provider = \"q\", service = \"1\" }]\n";

/// Two simulated panels that know names, and one service over both.
async fn two() -> World {
    let services = sold(
        "rate = \"2\"",
        &[("a", "service = \"1\""), ("b", "service = \"1\"")],
    );

    let panels = vec![("a", ""), ("b", "")];
    let plan = Plan {
        panels,
        services,
        provider: HONOURS,
        gateway: ANY_MOVE,
        ..Plan::default()
    };

    speaking(PanelDialect::Notpanel, plan).await
}

/// A scripted panel `s` that knows names, before one that does not.
async fn scripted(block: &str) -> (Scripted, Scripted, World) {
    let (first, next) = (
        Scripted::saying(RUNNING).await,
        Scripted::saying(RUNNING).await,
    );

    let own = first.block().replace("classic", "notpanel");
    let other = next
        .block()
        .replace("id = \"s\"", "id = \"q\"")
        .replace("PANEL_KEY", "OTHER_KEY");

    let services = format!("{own}{block}\n{other}\n{BOTH}");
    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        gateway: ANY_MOVE,
        ..Plan::default()
    })
    .await;

    (first, next, world)
}

/// An order that a node marked before it stood still; nothing of it left.
async fn marked(world: &World) -> (i32, LeasedLeg) {
    let order = world.buy("1", "100").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    let (name, account, address) = (panel.request_id(&leg), panel.account(), panel.address());
    let asked = leases::SendIntent {
        request_id: name.as_deref(),
        account: &account,
        address: &address,
        exchange: None,
    };

    assert!(
        leases::mark_sending(
            &house.store,
            &leg,
            asked,
            epoch,
            leg.cost,
            house.clock.now()
        )
        .await
        .unwrap()
    );

    (order, leg)
}

/// Another node finds it in doubt and asks again: the panel takes it, and that answer is lost.
async fn asked_again_and_lost(world: &World) {
    world.turn(60);
    world.work().await;
    assert_eq!(legs(&world.database).await, "a in_doubt");
    world.panel().set_faults("drop".parse().unwrap());
    world.pass(1, 120).await;
    world.panel().set_faults("".parse().unwrap());

    assert_eq!(
        (legs(&world.database).await.as_str(), placed(world)),
        ("a in_doubt", vec![1, 0])
    );
}

fn evidence(verdict: Verdict) -> Evidence {
    Evidence::without_answer(verdict, "late".to_owned())
}

#[rstest]
#[case::nothing_left(Verdict::NeverSent)]
#[case::our_money(Verdict::Refused(RefusalClass::Money))]
#[case::the_link(Verdict::Refused(RefusalClass::Link))]
#[case::nothing_told(Verdict::InDoubt)]
#[tokio::test]
async fn what_is_heard_late_of_the_first_asking_tells_nothing_of_the_second(
    #[case] verdict: Verdict,
) {
    let world = two().await;
    let (_, leg) = marked(&world).await;
    asked_again_and_lost(&world).await;

    let panel = world.house.panels[0].clone();
    let said = evidence(verdict);

    world
        .house
        .delivery
        .conclude(panel.settings(), leg.leg, leg.attempt, &said)
        .await
        .unwrap();

    assert_eq!(legs(&world.database).await, "a in_doubt");
    pause(&world, "a", true).await;
    world.pass(3, 10).await;
    assert_eq!(placed(&world), [1, 0], "the first panel has it");

    // An id is the order's, whichever asking it answers.
    pause(&world, "a", false).await;
    let id = world.panel().orders()[0].id.clone();
    let said = evidence(Verdict::Accepted(PanelOrder(id)));

    world
        .house
        .delivery
        .conclude(panel.settings(), leg.leg, leg.attempt, &said)
        .await
        .unwrap();

    assert_eq!(legs(&world.database).await, "a accepted");
    world.audit().await;
}

/// What a scripted panel does with each `add`.
#[derive(Clone, Copy)]
enum Mode {
    Works,
    /// Answers 502 and has nothing of it.
    Fails,
    /// Takes it and answers 502.
    Loses,
}

/// A panel that knows names for ever and whose ids grow; how many orders it has.
fn remembers(panel: &Scripted) -> (Arc<AtomicU8>, Arc<Mutex<HashMap<String, usize>>>) {
    let mode = Arc::new(AtomicU8::new(Mode::Works as u8));
    let known: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let (now, orders) = (mode.clone(), known.clone());
    panel.say(move |form: &BTreeMap<String, String>| {
        let (mode, mut known) = (now.load(Ordering::SeqCst), orders.lock().unwrap());
        match form.get("action")?.as_str() {
            "add" if mode == Mode::Fails as u8 => Some((502, "bad gateway".to_owned())),
            "add" => {
                let next = 1_001 + known.len();
                let id = *known.entry(form["request_id"].clone()).or_insert(next);
                let lost = mode == Mode::Loses as u8;

                Some(if lost {
                    (502, "bad gateway".to_owned())
                } else {
                    (200, format!("{{\"order\":{id}}}"))
                })
            }
            "status" => {
                let row = |id: &str| {
                    let has = known.values().any(|have| have.to_string() == id);
                    if has {
                        RUNNING
                    } else {
                        r#"{"error":"Incorrect order ID"}"#
                    }
                };

                let rows = |ids: &String| {
                    ids.split(',')
                        .map(|id| format!("\"{id}\":{}", row(id)))
                        .collect::<Vec<_>>()
                };

                let text = form
                    .get("orders")
                    .map(|ids| format!("{{{}}}", rows(ids).join(",")));

                Some((200, text.unwrap_or_else(|| row(&form["order"]).to_owned())))
            }
            _ => None,
        }
    });

    (mode, known)
}

const IDS: &str = "\nids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = 300\n";

#[tokio::test]
async fn ids_say_nothing_of_what_was_asked_for_again_a_moment_ago() {
    let (panel, next, world) = scripted(&format!("{HONOURS}{IDS}")).await;
    let (mode, known) = remembers(&panel);
    let set = |to: Mode| mode.store(to as u8, Ordering::SeqCst);

    // Its neighbours are known, and it itself was not placed, neither at first nor when it was
    // asked for again.
    world.buy("1", "50").await;
    world.work().await;
    world.turn(11);
    set(Mode::Fails);

    let order = world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    set(Mode::Works);
    world.buy("1", "50").await;
    world.work().await;

    set(Mode::Fails);
    world.pass(1, 110).await;
    set(Mode::Works);
    world.turn(350);
    world.buy("1", "50").await;
    world.work().await;

    // Now it is placed, the answer is lost, and the ids that are looked at are older than that.
    set(Mode::Loses);
    world.pass(1, 200).await;
    set(Mode::Works);
    world.pass(2, 20).await;
    assert!(known.lock().unwrap().len() >= 4, "it is there");

    assert_eq!(next.requests("add"), 0, "and nowhere else");
    assert!(world.status(order).await.contains("Processing"));
    world.audit().await;
}

#[tokio::test]
async fn a_neighbour_that_was_asked_for_again_counts_from_its_first_asking() {
    let (panel, next, world) = scripted(&format!("{HONOURS}{IDS}")).await;
    let (mode, known) = remembers(&panel);
    let set = |to: Mode| mode.store(to as u8, Ordering::SeqCst);

    world.buy("1", "50").await;
    world.work().await;
    world.turn(11);
    set(Mode::Loses);
    world.buy("1", "100").await;
    world.work().await;

    world.turn(1);
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(known.lock().unwrap().len(), 3, "both are there");

    // The first is found by its name ten minutes later; the second one's repeat fails each time.
    set(Mode::Fails);
    world.pass(1, 125).await;
    set(Mode::Works);
    world.pass(1, 478).await;
    set(Mode::Fails);

    world.pass(4, 1_000).await;
    assert_eq!(
        next.requests("add"),
        0,
        "what the first panel has is bought nowhere else"
    );

    world.audit().await;
}

#[rstest]
#[case::nobody_decided(false)]
#[case::a_person_decided(true)]
#[tokio::test]
async fn the_answer_of_a_repeat_is_kept_whatever_became_of_the_doubt(#[case] decided: bool) {
    let (panel, next, world) = scripted(&format!("{HONOURS}\nvisible_after_s = 300\n")).await;
    panel.say(|form| (form.get("action")? == "add").then(|| (502, "bad".to_owned())));
    let order = world.buy("1", "100").await;
    world.work().await;
    panel.say(|_| None);
    world.turn(130);

    let held = panel.hold("add");
    let asked = world.house.panels[0].clone();
    let epoch = world.house.delivery.hold(&asked).await.unwrap().unwrap();
    let other = world.restarted().await;

    let meanwhile = async {
        held.asked().await;

        // The node that asked loses the lease; another one finds the order in doubt, and a person
        // decides.
        world.turn(11);
        let mine = &other.panels[0];
        let epoch = other.delivery.hold(mine).await.unwrap().unwrap();
        assert_eq!(
            other.delivery.sweep(mine.settings(), epoch).await.unwrap(),
            1
        );

        for _ in 0..if decided { 2 } else { 0 } {
            let mut tx = other.store.begin().await.unwrap();
            other
                .delivery
                .resolve(&mut tx, OrderId(order), &DoubtFinding::NotPlaced, None)
                .await
                .unwrap();

            tx.commit().await.unwrap();
        }

        held.let_go();
    };

    let (looked, ()) = tokio::join!(
        world.house.delivery.look_into_doubts(&asked, epoch),
        meanwhile
    );

    looked.unwrap();

    let kept = "select concat_ws(' ', state, panel_order, late_order) from leg order by n limit 1";
    assert_eq!(
        read(&world.database, kept).await,
        "accepted 501",
        "it is followed, whatever was decided"
    );

    assert_eq!(next.requests("add"), 0, "and bought nowhere else");
    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_looks_at_money_before_names_is_not_believed() {
    let (panel, next, world) = scripted(HONOURS).await;
    let adds = Arc::new(AtomicUsize::new(0));
    panel.say(move |form| {
        (form.get("action")? == "add").then(|| match adds.fetch_add(1, Ordering::SeqCst) {
            // It takes the order, and with it the last of our money.
            0 => (502, "bad gateway".to_owned()),
            _ => (200, r#"{"error":"Not enough funds on balance"}"#.to_owned()),
        })
    });

    world.buy("1", "100").await;
    world.work().await;
    world.pass(2, 121).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), next.requests("add")),
        ("s in_doubt", 0)
    );
}

/// A panel that knows an order again by this, for so long; how many it made.
fn keeps(
    panel: &Scripted,
    clock: SharedClock,
    by: fn(&BTreeMap<String, String>) -> String,
    for_s: i64,
) -> Kept {
    let kept = Kept {
        orders: Arc::default(),
        down: Arc::default(),
    };

    let Kept { orders, down } = kept.clone();
    panel.say(move |form| {
        if form.get("action")? != "add" {
            return None;
        }

        let (name, now) = (by(form), clock.now());
        let mut orders = orders.lock().unwrap();
        let known = orders
            .iter()
            .rposition(|(of, at)| *of == name && now - *at < TimeDelta::seconds(for_s));

        let known = known.unwrap_or_else(|| {
            orders.push((name, now));
            orders.len() - 1
        });

        let down = down.load(Ordering::SeqCst) == 1;
        Some(if down {
            (502, "bad".to_owned())
        } else {
            (200, format!("{{\"order\":{}}}", 900 + known))
        })
    });

    kept
}

#[derive(Clone)]
struct Kept {
    orders: Arc<Mutex<Vec<(String, Timestamp)>>>,
    down: Arc<AtomicUsize>,
}

#[tokio::test]
async fn nothing_is_asked_for_again_when_names_may_be_forgotten() {
    let (panel, next, world) = scripted(HONOURS).await;
    let kept = keeps(
        &panel,
        world.clock.clone(),
        |form| form["request_id"].clone(),
        3_600,
    );

    kept.down.store(1, Ordering::SeqCst);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(30, 121).await;
    world.pass(30, 3_600).await;
    kept.down.store(0, Ordering::SeqCst);

    world.pass(30, 3_600).await;
    assert_eq!(
        (kept.orders.lock().unwrap().len(), next.requests("add")),
        (1, 0),
        "bought once"
    );
}

#[tokio::test]
async fn a_panel_that_only_knows_what_is_alike_proves_nothing() {
    let (panel, _next, world) = scripted("doubts_in_a_row_max = 100\n").await;
    let alike = |form: &BTreeMap<String, String>| {
        format!("{} {} {}", form["service"], form["link"], form["quantity"])
    };

    keeps(&panel, world.clock.clone(), alike, 60);
    let cost = Money::parse("0.09").unwrap();

    let wish = ProofOrder {
        service: "1".to_owned(),
        link: "https://example.org/ours".to_owned(),
        units: 100,
        cost,
        amount: cost,
        asked_by: "ann".to_owned(),
        reason: "a new panel".to_owned(),
    };

    let (house, clock): (_, SharedClock) = (&world.house, world.clock.clone());
    let proof = prove::prove_names(&house.store, &clock, &house.panels[0], &wish)
        .await
        .unwrap();

    assert_eq!(
        (proof.outcome, proof.bought),
        (ProofOutcome::Lost, 1),
        "{}",
        proof.words
    );
}

#[tokio::test]
async fn right_after_a_repeat_a_person_says_it_twice() {
    let (panel, next, world) = scripted(&format!("{HONOURS}\nvisible_after_s = 300\n")).await;
    panel.say(|form| (form.get("action")? == "add").then(|| (502, "bad".to_owned())));
    let order = world.buy("1", "100").await;
    world.work().await;

    // Asked for again after ten minutes, long after the first asking must be visible.
    world.pass(1, 120).await;
    world.pass(1, 480).await;
    assert_eq!(panel.requests("add"), 3);
    world.turn(20);
    let mut tx = world.house.store.begin().await.unwrap();

    let resolved = world
        .house
        .delivery
        .resolve(&mut tx, OrderId(order), &DoubtFinding::NotPlaced, None)
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert!(
        matches!(resolved, Resolved::SaidOnce { .. }),
        "{resolved:?}"
    );

    world.work().await;
    assert_eq!(next.requests("add"), 0);
}

#[tokio::test]
async fn a_restored_copy_asks_for_nothing_again() {
    let world = two().await;
    let (_, leg) = marked(&world).await;

    // Here the backup was made. In the original a person found it not placed, and the other panel
    // has it.
    let other = world.house.panels[1].clone();
    let second = LeasedLeg { n: 2, ..leg };

    assert!(matches!(
        other
            .add(other.slot().await, &second, in_time())
            .await
            .verdict,
        Verdict::Accepted(_)
    ));

    // The copy is put in place, and thawed.
    world.turn(60);
    let mut tx = world.house.store.begin().await.unwrap();
    restored::settle_in(&mut tx, world.clock.now())
        .await
        .unwrap();

    customers::note_deed(&mut tx, "ann", "restore", "backup", "", world.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    let mut tx = world.house.store.begin().await.unwrap();
    gates::freeze_sending(&mut tx, false, world.clock.now())
        .await
        .unwrap();

    tx.commit().await.unwrap();
    world.pass(4, 200).await;

    assert_eq!(
        placed(&world),
        [0, 1],
        "bought once: {}",
        reviews(&world.database).await
    );
}
