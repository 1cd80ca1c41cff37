//! Refused, and charged all the same: a proxy that asks twice shows the answer to its second
//! asking, and some panels take the money before they refuse. What our balance shows of it is
//! believed over the words, and nothing is bought elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use panelgate::domain::float::DriftCause;
use panelgate::domain::id::{OrderId, PanelOrder};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use rstest::rstest;

use crate::books::{legs, read};
use crate::rerouting::typed;
use crate::scripted::Scripted;
use crate::world::{ANY_MOVE, Plan, World};

const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;
const NO_MONEY: &str = r#"{"error":"Not enough funds on balance"}"#;
const BUSY: &str =
    r#"{"error":"You have active order with this link. Please wait until order being completed."}"#;
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
        let (refusing, next) = (
            Scripted::saying(RUNNING).await,
            Scripted::saying(RUNNING).await,
        );

        let cents = Arc::new(AtomicU32::new(1_000));
        let left = cents.clone();

        refusing.say(move |form| match form.get("action")?.as_str() {
            "add" => {
                left.fetch_sub(takes, Ordering::SeqCst);
                Some((200, refusal.to_owned()))
            }
            "balance" => {
                let left = left.load(Ordering::SeqCst);
                Some((
                    200,
                    format!(
                        "{{\"balance\":\"{}.{:02}\",\"currency\":\"USD\"}}",
                        left / 100,
                        left % 100
                    ),
                ))
            }
            _ => None,
        });

        let other = next
            .block()
            .replace("id = \"s\"", "id = \"q\"")
            .replace("PANEL_KEY", "OTHER_KEY");

        let services = format!(
            "{}\n{other}\n[[service]]\nid = 1\nrate = \"2\"\nroutes = [{{ provider = \"s\", \
             service = \"1\" }}, {{ provider = \"q\", service = \"1\" }}]\n",
            refusing.block()
        );

        let world = World::build(Plan {
            panels: Vec::new(),
            services,
            gateway: ANY_MOVE,
            ..Plan::default()
        })
        .await;

        let ground = Self {
            refusing,
            next,
            world,
            cents,
        };

        ground.read_balance().await;
        ground
    }

    async fn read_balance(&self) {
        let panel = &self.world.house.panels[0];
        self.world.house.delivery.hold(panel).await.unwrap();
        self.world.house.delivery.ask_balance(panel).await.unwrap();
        self.world.turn(1);
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
#[case::nothing(0)]
#[case::what_somebody_else_spent(250)]
#[tokio::test]
async fn what_was_not_charged_goes_by_its_next_route(#[case] takes: u32) {
    let Ground {
        refusing,
        next,
        world,
        ..
    } = Ground::of(NO_MONEY, takes).await;

    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q accepted");
    assert_eq!((refusing.requests("add"), next.requests("add")), (1, 1));
    world.audit().await;
}

#[tokio::test]
async fn a_balance_that_is_not_told_makes_no_doubt() {
    let ground = Ground::of(NO_MONEY, COST).await;
    ground
        .refusing
        .say(|form| (form.get("action")? != "services").then(|| (200, NO_MONEY.to_owned())));

    let world = &ground.world;
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s refused, q accepted");
    world.audit().await;
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
