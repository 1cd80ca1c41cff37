//! Refused, and charged all the same: a proxy that asks twice shows the answer to its second
//! asking, and some panels take the money before they refuse. Nothing is bought elsewhere before
//! our balance shows that it was not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use panelgate::domain::float::DriftCause;
use panelgate::domain::id::{OrderId, PanelOrder};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use rstest::rstest;

use crate::books::{legs, read};
use crate::rerouting::typed;
use crate::scripted::Scripted;
use crate::world::{ANY_MOVE, Plan, World, work_once};

mod parked;

const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;
const NO_MONEY: &str = r#"{"error":"Not enough funds on balance"}"#;
const BUSY: &str =
    r#"{"error":"You have active order with this link. Please wait until order being completed."}"#;
const SERVICES: &str = r#"[
    {"service":"1","name":"Units","type":"Default","category":"C","rate":"0.90","min":"10","max":"1000"},
    {"service":"2","name":"Package","type":"Package","category":"C","rate":"0.90","min":"100","max":"100"}
]"#;
const PACE: &str = r#"{"error":"Too many requests"}"#;
/// What the order costs there, and what it does not.
const COST: u32 = 9;

/// A panel that refuses in these words and takes so many cents of each asking, and the one that is
/// next.
struct Ground {
    refusing: Scripted,
    next: Scripted,
    world: World,
    /// Cents that are left at the first.
    cents: Arc<AtomicU32>,
}

impl Ground {
    async fn of(refusal: &'static str, takes: u32) -> Self {
        Self::selling(refusal, takes, "").await
    }

    /// The same, with more lines at the end of the file.
    async fn selling(refusal: &'static str, takes: u32, more: &str) -> Self {
        Self::with(refusal, takes, "", more).await
    }

    /// The same of a panel of which the operator says so.
    async fn believing(refusal: &'static str, takes: u32, more: &str) -> Self {
        Self::with(refusal, takes, "refusals_are_final = true\n", more).await
    }

    async fn with(refusal: &'static str, takes: u32, of_panel: &str, more: &str) -> Self {
        let (refusing, next) = (
            Scripted::saying(RUNNING).await,
            Scripted::saying(RUNNING).await,
        );

        refusing.change(|script| SERVICES.clone_into(&mut script.services));
        let cents = Arc::new(AtomicU32::new(1_000));
        refusing.say(taking(refusal, takes, &cents));

        let named = |panel: &Scripted, id: &str, key: &str| {
            let block = panel
                .block()
                .replace("id = \"s\"", &format!("id = \"{id}\""));
            block.replace("PANEL_KEY", key)
        };

        let services = format!(
            "{}\n{of_panel}{}\n{}\n[[service]]\nid = 1\nrate = \"2\"\nroutes = [{{ provider = \
             \"s\", service = \"1\" }}, {{ provider = \"q\", service = \"1\" }}]\n{more}",
            refusing.block(),
            named(&next, "q", "OTHER_KEY"),
            named(&refusing, "t", "PANEL_KEY"),
        );

        let plan = Plan {
            panels: Vec::new(),
            services,
            gateway: ANY_MOVE,
            ..Plan::default()
        };

        let world = World::build(plan).await;
        let ground = Self {
            refusing,
            next,
            world,
            cents,
        };

        ground.read_balance().await;
        ground
    }

    /// Only some seconds later it shows at the panel what it took.
    fn showing_late(mut self) -> Self {
        let delivery = self.world.house.delivery.clone();
        self.world.house.delivery = delivery.seeing_charges_within(TimeDelta::seconds(8));
        self
    }

    async fn read_balance(&self) {
        let panel = &self.world.house.panels[0];
        self.world.house.delivery.hold(panel).await.unwrap();
        self.world.house.delivery.ask_balance(panel).await.unwrap();
        self.world.turn(1);
    }

    /// The order is in doubt where it was refused, and nothing was asked for again.
    async fn is_in_doubt_there(&self) {
        assert_eq!(legs(&self.world.database).await, "s in_doubt");
        assert_eq!(
            (self.refusing.requests("add"), self.next.requests("add")),
            (1, 0)
        );

        self.world.audit().await;
    }
}

/// A balance in cents as the panel tells it.
fn told(cents: u32) -> (u16, String) {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    (
        200,
        format!("{{\"balance\":\"{text}\",\"currency\":\"USD\"}}"),
    )
}

/// What a panel says that refuses in these words, and takes so many cents of each asking.
fn taking(
    refusal: &'static str,
    takes: u32,
    cents: &Arc<AtomicU32>,
) -> impl Fn(&BTreeMap<String, String>) -> Option<(u16, String)> + use<> {
    let left = cents.clone();
    move |form| match form.get("action")?.as_str() {
        "add" => {
            left.fetch_sub(takes, Ordering::SeqCst);
            Some((200, refusal.to_owned()))
        }
        "balance" => Some(told(left.load(Ordering::SeqCst))),
        _ => None,
    }
}

#[rstest]
#[case::money(NO_MONEY)]
#[case::pace(PACE)]
#[case::active(BUSY)]
#[tokio::test]
async fn what_was_charged_is_not_bought_elsewhere(#[case] refusal: &'static str) {
    let Ground {
        refusing,
        next,
        world,
        ..
    } = Ground::of(refusal, COST).await;

    world.buy("1", "100").await;
    world.work().await;
    world.pass(6, 600).await;

    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            refusing.requests("add")
        ),
        ("s in_doubt", 1)
    );

    assert_eq!(next.requests("add"), 0);

    // Whoever must decide reads why.
    let shown = typed(&world, &["order", "show", "1"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("our balance there fell by what it costs"),
        "{shown}"
    );

    world.audit().await;
}

#[rstest]
#[case::a_price_that_moved(10)]
#[case::a_rounding(8)]
#[case::and_what_somebody_else_spent(250)]
#[tokio::test]
async fn a_fall_that_nothing_explains_is_a_doubt(#[case] takes: u32) {
    let ground = Ground::of(NO_MONEY, takes).await;
    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn what_was_not_charged_goes_by_its_next_route() {
    let Ground {
        refusing,
        next,
        world,
        ..
    } = Ground::of(NO_MONEY, 0).await;

    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q accepted");
    assert_eq!((refusing.requests("add"), next.requests("add")), (1, 1));
    world.audit().await;
}

#[rstest]
#[case::nothing(0, "s refused, q accepted")]
#[case::its_cost(COST, "s in_doubt")]
#[tokio::test]
async fn a_balance_that_is_not_told_is_waited_for(#[case] takes: u32, #[case] then: &str) {
    let ground = Ground::of(PACE, takes).await;
    let (refusing, world) = (&ground.refusing, &ground.world);
    let busy = |form: &BTreeMap<String, String>| {
        (form.get("action")? != "services").then(|| (429, PACE.to_owned()))
    };

    refusing.say(busy);
    world.buy("1", "100").await;
    world.work().await;
    world.pass(5, 60).await;
    ground.is_in_doubt_there().await;
    let condition = "select refused_for from leg";
    assert_eq!(read(&world.database, condition).await, "rate");

    ground.cents.fetch_sub(takes, Ordering::SeqCst);
    refusing.say(taking(PACE, 0, &ground.cents));
    world.pass(5, 120).await;
    assert_eq!(legs(&world.database).await, then);
    world.audit().await;
}

#[tokio::test]
async fn a_balance_that_is_never_told_is_a_persons_in_the_end() {
    let ground = Ground::of(NO_MONEY, COST).await;
    ground
        .refusing
        .say(|form| (form.get("action")? != "services").then(|| (200, NO_MONEY.to_owned())));

    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.world.pass(40, 120).await;
    ground.is_in_doubt_there().await;
    let reason = read(&ground.world.database, "select reason from leg").await;
    assert!(
        reason.contains("does not show whether it was charged"),
        "{reason}"
    );
}

#[rstest]
#[case::not_at_all(0, "s refused, q accepted")]
#[case::late(COST, "s in_doubt")]
#[tokio::test]
async fn a_charge_that_shows_some_seconds_later_is_waited_for(
    #[case] takes: u32,
    #[case] then: &str,
) {
    let ground = Ground::of(PACE, 0).await.showing_late();
    let world = &ground.world;
    world.buy("1", "100").await;
    world.work().await;
    ground.is_in_doubt_there().await;
    let shown = read(&world.database, "select state from orders").await;
    assert_eq!(shown, "pending", "as long as it is only compared");

    world.turn(2);
    ground.cents.fetch_sub(takes, Ordering::SeqCst);
    world.pass(6, 3).await;
    assert_eq!(legs(&world.database).await, then);
    world.audit().await;
}

/// What is told under another account says nothing of what was asked for under the one before.
#[tokio::test]
async fn a_comparison_does_not_go_from_one_account_to_another() {
    let ground = Ground::of(NO_MONEY, 0).await.showing_late();
    let world = &ground.world;
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s in_doubt");

    let other = world.restarted_under("ANOTHER").await;
    world.turn(60);
    for panel in &other.panels {
        work_once(&other, panel).await;
    }

    ground.is_in_doubt_there().await;
    let reason = read(&world.database, "select reason from leg").await;
    assert!(reason.contains("does not show whether"), "{reason}");
}

#[tokio::test]
async fn money_that_was_paid_in_before_hides_nothing() {
    let ground = Ground::of(NO_MONEY, COST).await;
    ground.cents.fetch_add(5_000, Ordering::SeqCst);
    ground.read_balance().await;
    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn money_that_is_paid_in_at_the_same_moment_is_a_doubt() {
    let ground = Ground::of(NO_MONEY, 0).await;
    let (cents, clock) = (ground.cents.clone(), ground.world.clock.clone());

    ground
        .refusing
        .say(move |form| match form.get("action")?.as_str() {
            "add" => {
                clock.turn(TimeDelta::seconds(1));
                cents.fetch_add(2_000 - COST, Ordering::SeqCst);
                Some((200, NO_MONEY.to_owned()))
            }
            "balance" => Some(told(cents.load(Ordering::SeqCst))),
            _ => None,
        });

    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.world.pass(10, 60).await;
    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn money_that_is_paid_in_later_lets_go_what_waits() {
    let Ground {
        refusing,
        next,
        world,
        cents,
    } = Ground::of(NO_MONEY, 0).await;

    next.change(|script| script.add = Some(NO_MONEY.to_owned()));
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q parked");
    world.turn(30);
    cents.fetch_add(5_000, Ordering::SeqCst);

    next.change(|script| {
        script.add = None;
        script.balance = r#"{"balance":"2000.00","currency":"USD"}"#.to_owned();
    });

    world.pass(3, 60).await;
    assert_eq!(legs(&world.database).await, "s refused, q accepted");
    assert_eq!((refusing.requests("add"), next.requests("add")), (1, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_sender_that_lost_the_panel_is_not_believed_without_a_look() {
    let ground = Ground::of(NO_MONEY, COST).await;
    let (world, held) = (&ground.world, ground.refusing.hold("add"));
    world.buy("1", "100").await;
    let other = world.restarted().await;
    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    let leg = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);

    let meanwhile = async {
        held.asked().await;
        world.turn(60);

        let epoch = other
            .delivery
            .hold(&other.panels[0])
            .await
            .unwrap()
            .unwrap();

        let settings = other.panels[0].settings();
        assert_eq!(other.delivery.sweep(settings, epoch).await.unwrap(), 1);
        ground.refusing.hold_nothing();
        held.let_go();
    };

    let (sent, ()) = tokio::join!(delivery.send(panel, &leg, epoch), meanwhile);
    sent.unwrap();

    for _ in 0..20 {
        world.turn(30);
        for panel in &other.panels {
            work_once(&other, panel).await;
        }
    }

    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn a_package_that_is_billed_by_its_least_is_seen_too() {
    let sold = "[[service]]\nid = 2\nrate = \"2\"\npackage_billing = \"min\"\nroutes = [{ \
                provider = \"s\", service = \"2\" }]\n";
    let ground = Ground::selling(NO_MONEY, COST, sold).await;
    ground.world.buy("2", "1").await;
    ground.world.work().await;
    ground.is_in_doubt_there().await;

    assert_eq!(
        read(
            &ground.world.database,
            "select trim_scale(cost)::text from leg"
        )
        .await,
        "0.09"
    );
}

#[tokio::test]
async fn what_was_bought_by_another_name_of_the_account_hides_nothing() {
    let sold =
        "[[service]]\nid = 3\nrate = \"2\"\nroutes = [{ provider = \"t\", service = \"1\" }]\n";
    let ground = Ground::selling(NO_MONEY, COST, sold).await;
    let (world, cents) = (&ground.world, ground.cents.clone());

    ground
        .refusing
        .say(move |form| match form.get("action")?.as_str() {
            "add" => {
                let before = cents.fetch_sub(COST, Ordering::SeqCst);
                let taken = r#"{"order":"71"}"#;
                Some((
                    200,
                    if before == 1_000 { taken } else { NO_MONEY }.to_owned(),
                ))
            }
            "balance" => Some(told(cents.load(Ordering::SeqCst))),
            _ => None,
        });

    world.buy("3", "100").await;
    world.work().await;
    world.turn(1);
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "t accepted, s in_doubt");

    world.turn(30);
    assert_eq!(ground.next.requests("add"), 0);
    world.audit().await;
}

#[rstest]
#[case::it_took_it(COST)]
#[case::it_did_not(0)]
#[tokio::test]
async fn a_balance_that_is_told_too_coarsely_proves_nothing(#[case] takes: u32) {
    let ground = Ground::of(NO_MONEY, 0).await;
    let cents = ground.cents.clone();
    cents.store(1_004, Ordering::SeqCst);

    ground
        .refusing
        .say(move |form| match form.get("action")?.as_str() {
            "add" => {
                cents.fetch_sub(takes, Ordering::SeqCst);
                Some((200, NO_MONEY.to_owned()))
            }
            "balance" => {
                let tenths = (cents.load(Ordering::SeqCst) + 5) / 10;
                Some((
                    200,
                    format!("{{\"balance\":\"{}.{}\"}}", tenths / 10, tenths % 10),
                ))
            }
            _ => None,
        });

    sqlx::query("delete from reading")
        .execute(&ground.world.pool().await)
        .await
        .unwrap();

    ground.read_balance().await;
    ground.world.buy("1", "100").await;
    ground.world.work().await;
    ground.world.pass(5, 60).await;
    ground.is_in_doubt_there().await;
}

#[tokio::test]
async fn another_order_that_took_its_own_cost_is_not_this_one() {
    let ground = Ground::of(NO_MONEY, 0).await;
    let world = &ground.world;
    let cents = ground.cents.clone();

    // Takes the first, and refuses the second.
    ground
        .refusing
        .say(move |form| match form.get("action")?.as_str() {
            "add" if cents.load(Ordering::SeqCst) == 1_000 => {
                cents.fetch_sub(COST, Ordering::SeqCst);
                Some((200, r#"{"order":"71"}"#.to_owned()))
            }
            "add" => Some((200, NO_MONEY.to_owned())),
            "balance" => Some((
                200,
                format!(
                    "{{\"balance\":\"9.{}\"}}",
                    cents.load(Ordering::SeqCst) - 900
                ),
            )),
            _ => None,
        });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(1);
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "s accepted, s refused, q accepted"
    );

    world.audit().await;
}

#[tokio::test]
async fn while_others_are_under_way_it_is_not_believed() {
    let ground = Ground::of(NO_MONEY, 0).await;
    let (world, refusing) = (&ground.world, &ground.refusing);
    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);

    refusing.say(|form| {
        let taken = form.get("action")? == "add" && form.get("quantity")? == "100";
        taken.then(|| (200, r#"{"order":"71"}"#.to_owned()))
    });

    world.buy("1", "100").await;
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    let under_way = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);
    let held = refusing.hold("add");

    let meanwhile = async {
        held.asked().await;
        refusing.hold_nothing();
        ground.cents.fetch_sub(COST, Ordering::SeqCst);
        let (says, clock) = (taking(NO_MONEY, 0, &ground.cents), world.clock.clone());

        // What is read after it was sent is read later.
        refusing.say(move |form| {
            if form.get("action")? == "add" {
                clock.turn(TimeDelta::seconds(1));
            }
            says(form)
        });

        world.turn(1);
        world.buy("1", "101").await;
        let refused = delivery.lease(panel, epoch, 1).await.unwrap().remove(0);
        delivery.send(panel, &refused, epoch).await.unwrap();
        let said = legs(&world.database).await;
        assert_eq!(said, "s sending, s in_doubt", "which of them took it?");

        world.turn(8);
        let looked = tokio::join!(delivery.look_into_doubts(panel, epoch), async {
            held.let_go();
        });

        looked.0.unwrap();
    };

    let (sent, ()) = tokio::join!(delivery.send(panel, &under_way, epoch), meanwhile);
    sent.unwrap();
    let said = legs(&world.database).await;
    assert_eq!(
        said, "s accepted, s in_doubt",
        "the other ended a moment ago"
    );

    world.turn(4);
    delivery.look_into_doubts(panel, epoch).await.unwrap();
    let said = legs(&world.database).await;
    assert_eq!(said, "s accepted, s refused, q ready");
    world.audit().await;
}

#[tokio::test]
async fn where_refusals_are_final_they_are_believed_at_once() {
    let said = "[[service]]\nid = 4\nrate = \"2\"\nroutes = [{ provider = \"s\", service = \
                \"1\" }, { provider = \"q\", service = \"1\" }]\n";
    let ground = Ground::believing(NO_MONEY, COST, said).await;
    ground.world.buy("4", "100").await;
    ground.world.work().await;
    assert_eq!(
        legs(&ground.world.database).await,
        "s refused, q accepted",
        "the operator knows that nothing asks twice"
    );
}

#[tokio::test]
async fn an_order_that_waits_at_its_panel_is_taken_by_a_persons_word() {
    let panel = Scripted::saying(RUNNING).await;
    panel.change(|script| script.add = Some(NO_MONEY.to_owned()));
    let world = &panel.world().await;
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s parked");

    let finding = DoubtFinding::Accepted(PanelOrder("4711".to_owned()));
    let mut tx = world.house.store.begin().await.unwrap();

    let resolved = world
        .house
        .delivery
        .resolve(&mut tx, OrderId(1), &finding, None)
        .await
        .unwrap();

    tx.commit().await.unwrap();
    assert_eq!(resolved, Resolved::Done);
    world.pass(3, 60).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s accepted", 1)
    );

    assert_eq!(
        read(&world.database, "select panel_order from leg").await,
        "4711"
    );

    world.audit().await;
}

#[tokio::test]
async fn an_order_that_never_was_asked_for_cannot_be_there() {
    let ground = Ground::of(NO_MONEY, 0).await;
    let world = &ground.world;
    typed(world, &["provider", "pause", "s"]).await;
    typed(world, &["provider", "pause", "q"]).await;
    world.buy("1", "100").await;
    world.work().await;

    let resolved = typed(world, &["order", "resolve", "1", "accepted", "4711"]).await;
    assert_eq!(resolved.status.code(), Some(1), "{resolved:?}");
    assert_eq!(legs(&world.database).await, "s ready");
}

#[tokio::test]
async fn what_is_missing_later_is_laid_on_what_was_refused() {
    let ground = Ground::of(NO_MONEY, 0).await;
    let world = &ground.world;
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q accepted");

    // Its books are slower than its answers.
    ground.cents.fetch_sub(COST, Ordering::SeqCst);
    let mut found = Vec::new();

    for _ in 0..4 {
        world.pass(1, 300).await;
        ground.read_balance().await;

        found.extend(
            world
                .house
                .treasury
                .judge(world.house.panels[0].settings())
                .await
                .unwrap(),
        );
    }

    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    assert_eq!(
        (
            drift.cause,
            drift.orders.iter().map(|order| order.0).collect::<Vec<_>>()
        ),
        (DriftCause::Doubt, vec![1])
    );

    assert!(drift.words.contains("refused"), "{}", drift.words);
}

#[tokio::test]
async fn whoever_says_that_one_of_two_has_it_says_which() {
    let Ground {
        refusing: _refusing,
        next,
        world,
        ..
    } = Ground::of(NO_MONEY, 0).await;

    next.change(|script| script.add = Some(NO_MONEY.to_owned()));
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q parked");

    let finding = DoubtFinding::Accepted(PanelOrder("4711".to_owned()));
    for (looked_at, taken) in [(None, false), (Some("s"), false), (Some("q"), true)] {
        let mut tx = world.house.store.begin().await.unwrap();
        let resolved = world
            .house
            .delivery
            .resolve(&mut tx, OrderId(1), &finding, looked_at)
            .await
            .unwrap();

        tx.commit().await.unwrap();
        assert_eq!(
            resolved == Resolved::Done,
            taken,
            "{looked_at:?}: {resolved:?}"
        );
    }

    assert_eq!(legs(&world.database).await, "s refused, q accepted");
    world.audit().await;
}

#[tokio::test]
async fn an_open_doubt_at_the_panel_hides_no_other_order_that_was_charged() {
    let ground = Ground::of(NO_MONEY, COST).await;
    let world = &ground.world;
    for orders in 1..=3 {
        world.buy("1", "100").await;
        world.work().await;
        let doubts = vec!["s in_doubt"; orders].join(", ");
        assert_eq!(legs(&world.database).await, doubts);
        world.turn(9);
        ground.read_balance().await;
    }

    assert_eq!(
        (ground.refusing.requests("add"), ground.next.requests("add")),
        (3, 0)
    );

    world.audit().await;
}

#[tokio::test]
async fn orders_that_were_charged_at_the_same_moment_hide_none_of_each_other() {
    let Ground {
        refusing,
        next,
        world,
        ..
    } = Ground::of(NO_MONEY, COST).await;

    for _ in 0..3 {
        world.buy("1", "100").await;
    }

    // All three are asked for before the first of them is answered.
    let held = refusing.hold("add");

    let letting_go = async {
        for _ in 0..3 {
            held.asked().await;
        }
        world.turn(1);
        (0..3).for_each(|_| held.let_go());
    };

    let (delivery, panel) = (&world.house.delivery, &world.house.panels[0]);
    let epoch = delivery.hold(panel).await.unwrap().unwrap();
    let leased = delivery.lease(panel, epoch, 3).await.unwrap();
    let sent = leased.iter().map(|leg| delivery.send(panel, leg, epoch));
    let (sent, ()) = tokio::join!(futures_util::future::join_all(sent), letting_go);
    assert_eq!(sent.into_iter().flatten().count(), 3);

    assert_eq!(
        legs(&world.database).await,
        "s in_doubt, s in_doubt, s in_doubt"
    );

    assert_eq!(next.requests("add"), 0);
    world.audit().await;
}

#[tokio::test]
async fn what_waits_for_its_link_is_asked_for_once_where_it_was_charged_unseen() {
    let ground = Ground::of(BUSY, 0).await;
    let world = &ground.world;
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s parked");

    // The next asking is the one that is charged.
    let cents = ground.cents.clone();

    ground
        .refusing
        .say(move |form| match form.get("action")?.as_str() {
            "add" => {
                cents.fetch_sub(COST, Ordering::SeqCst);
                Some((200, BUSY.to_owned()))
            }
            "balance" => Some((
                200,
                format!(
                    "{{\"balance\":\"{}\"}}",
                    f64::from(cents.load(Ordering::SeqCst)) / 100.0
                ),
            )),
            _ => None,
        });

    world.pass(30, 60).await;
    assert_eq!(
        (
            legs(&world.database).await.as_str(),
            ground.refusing.requests("add")
        ),
        ("s in_doubt", 2)
    );

    world.audit().await;
}
