//! The treasury: what panels hold of ours is compared with what our orders say; a panel that takes
//! more is found, and an honest one is never accused.

use panel_sim::Faults;
use panelgate::app::App;
use panelgate::domain::float::{Drift, DriftCause};
use panelgate::domain::id::ProviderId;
use panelgate::domain::money::{Money, Rate};
use panelgate::orders::resolve::DoubtFinding;
use panelgate::store::{catalog, drifts, moves, treasury};
use panelgate::upstream::Panel;

use crate::backup::{json, refused, told};
use crate::books::{legs, read, run};
use crate::resolve::{accepted, decide};
use crate::scripted::Scripted;
use crate::world::{ANY_MOVE, Plan, World};

/// Between two readings, in seconds.
const READING_EVERY: i64 = 300;

pub fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// Reads our balance at a panel and compares, as the accountant does.
async fn read_at(house: &App, panel: &Panel) -> Vec<Drift> {
    if house.delivery.hold(panel).await.unwrap().is_none() {
        return Vec::new();
    }
    house.delivery.ask_balance(panel).await.unwrap();
    house.treasury.judge(panel.settings()).await.unwrap()
}

/// The same at every panel, a second after what was done last and a second before what is done
/// next.
pub async fn look(world: &World) -> Vec<Drift> {
    world.turn(1);
    let mut found = Vec::new();
    for panel in &world.house.panels {
        found.extend(read_at(&world.house, panel).await);
    }

    world.turn(1);
    found
}

/// Until the next reading is due, everything is worked at.
async fn next_look(world: &World) -> Vec<Drift> {
    world.pass(10, READING_EVERY / 10).await;
    look(world).await
}

/// What is raised now: `kind object` of each.
async fn alerts(world: &World) -> Vec<String> {
    world.house.alerts.look().await.unwrap();
    let all = panelgate::store::alerts::list_alerts(&world.house.store)
        .await
        .unwrap();

    let open = all
        .iter()
        .filter(|row| row.over_at.is_none() && row.kind != "orders_parked");

    open.map(|row| format!("{} {}", row.kind, row.object))
        .collect()
}

async fn findings(world: &World) -> String {
    read(
        &world.database,
        "select string_agg(cause || ' ' || trim_scale(amount), ', ' order by id) from drift",
    )
    .await
}

/// A world whose panel was not asked for our balance yet.
async fn unread() -> World {
    let world = World::open().await;
    run(&world.database, "delete from reading").await.unwrap();
    world
}

#[tokio::test]
async fn a_panel_that_skims_is_found_within_two_readings_with_its_orders_and_the_percentage() {
    let world = World::open().await;
    assert!(look(&world).await.is_empty());
    assert!(next_look(&world).await.is_empty(), "all is well");
    world.panel().set_faults("skim=1".parse().unwrap());
    let mut orders = Vec::new();

    for n in 0..37 {
        orders.push(world.buy("1", &(100 + 10 * n).to_string()).await);
    }

    world.work().await;
    assert!(
        next_look(&world).await.is_empty(),
        "one look proves nothing"
    );

    let found = next_look(&world).await;
    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    // 37 × 100 and 10 × (0 + … + 36) units are 10,360, at 0.90 per thousand 9.324.
    assert_eq!(
        (drift.cause, drift.amount),
        (DriftCause::Proportion, money("0.09324"))
    );

    assert_eq!(drift.words, "1.00 % of each of 37 orders");
    assert_eq!(drift.percent.unwrap().to_string(), "1");
    assert_eq!(
        drift.orders.iter().map(|order| order.0).collect::<Vec<_>>(),
        orders
    );

    assert_eq!(alerts(&world).await, ["balance_drift a"]);
    assert_eq!(
        treasury::list_runways(&world.house.store).await.unwrap()[0].drift,
        money("0.09324")
    );

    let id = drifts::list_drifts(&world.house.store, Some("a"), false)
        .await
        .unwrap()[0]
        .id;

    for (id, noted) in [(id, Some(true)), (id, Some(false)), (id + 1, None)] {
        let mut tx = world.house.store.begin().await.unwrap();
        assert_eq!(
            drifts::acknowledge_drift(&mut tx, id, world.house.clock.now())
                .await
                .unwrap(),
            noted
        );

        tx.commit().await.unwrap();
    }

    assert!(
        alerts(&world).await.is_empty(),
        "what a person took note of is quiet"
    );

    assert!(
        next_look(&world).await.is_empty() && next_look(&world).await.is_empty(),
        "and is not found again"
    );

    assert!(
        drifts::list_drifts(&world.house.store, None, false)
            .await
            .unwrap()
            .is_empty()
    );

    assert_eq!(
        drifts::list_drifts(&world.house.store, None, true)
            .await
            .unwrap()
            .len(),
        1
    );

    world.audit().await;
}

#[tokio::test]
async fn a_skim_that_goes_on_is_found_again_for_the_orders_that_came_since() {
    let world = World::build(Plan {
        panels: vec![("a", "skim=2.5")],
        ..Plan::default()
    })
    .await;

    look(&world).await;
    let mut found = Vec::new();

    for round in 0..5 {
        for n in 1..8 {
            world.buy(["1", "6"][n % 2], &(100 * n).to_string()).await;
        }

        world.work().await;
        found.extend(next_look(&world).await);
        assert_eq!(found.len(), round, "each is told at the second look");
    }

    assert!(
        found
            .iter()
            .all(|drift| drift.words == "2.50 % of each of 7 orders"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_order_that_is_not_ours_is_unexplained_with_its_amount() {
    let world = World::open().await;
    look(&world).await;
    world.buy("1", "100").await;
    world.buy("1", "300").await;
    world.work().await;
    world
        .panel()
        .place_by_hand("1", "https://example.org/ghost", 777);

    assert!(next_look(&world).await.is_empty());
    let found = next_look(&world).await;
    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    assert_eq!(
        (drift.cause, drift.amount),
        (DriftCause::Outside, money("0.6993"))
    );

    let words = "more than all our orders make, were each charged twice: somebody else spends \
                 from this account, or the panel took it; 2 orders of ours were placed there \
                 meanwhile";

    assert_eq!(drift.words, words);
    assert_eq!(drift.orders_count, 2);

    // Another, that costs as much as one of ours did.
    world.buy("1", "300").await;
    let same = world.buy("1", "200").await;
    world.work().await;
    world
        .panel()
        .place_by_hand("1", "https://example.org/ghost", 200);

    let found = [next_look(&world).await, next_look(&world).await].concat();
    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    assert_eq!(
        (drift.cause, drift.orders.as_slice()),
        (
            DriftCause::OrderCost,
            [same].map(panelgate::domain::id::OrderId).as_slice()
        )
    );
}

#[tokio::test]
async fn a_refund_that_did_not_come_is_named_with_its_order() {
    let open = r#"{"charge":"0.09","start_count":"5","status":"In progress","remains":"60"}"#;
    let panel = Scripted::saying(open).await;
    let world = panel.world().await;
    look(&world).await;
    let order = world.buy("1", "100").await;
    world.work().await;

    panel.change(|script| script.balance = r#"{"balance":"999.91","currency":"USD"}"#.to_owned());
    assert!(next_look(&world).await.is_empty() && next_look(&world).await.is_empty());

    // It says that the order is canceled, names no charge, and keeps the money.
    panel.change(|script| script.row = r#"{"status":"Canceled","remains":"100"}"#.to_owned());
    world.house.refresh().await.unwrap();
    assert!(next_look(&world).await.is_empty());
    let found = next_look(&world).await;
    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    assert_eq!(
        (drift.cause, drift.amount),
        (DriftCause::MissingRefund, money("0.09"))
    );

    assert_eq!(
        drift.words,
        format!(
            "the refund of order {order}: the panel said that it was given, and it did not come"
        )
    );

    world.audit().await;
}

#[tokio::test]
async fn an_order_that_was_found_not_placed_and_was_is_named() {
    let world = World::open().await;
    look(&world).await;
    world.buy("1", "500").await;
    let order = world.buy("8", "100").await;
    world.work().await;
    assert!(
        next_look(&world).await.is_empty() && next_look(&world).await.is_empty(),
        "a doubt is no difference"
    );

    decide(&world, order, &DoubtFinding::NotPlaced).await;
    assert_eq!(legs(&world.database).await, "a ended, a refused");
    let found = [next_look(&world).await, next_look(&world).await].concat();
    let [drift] = found.as_slice() else {
        panic!("{found:?}")
    };

    assert_eq!(
        (drift.cause, drift.amount),
        (DriftCause::Doubt, money("0.03"))
    );

    assert_eq!(
        drift.orders.iter().map(|order| order.0).collect::<Vec<_>>(),
        [order]
    );
}

#[tokio::test]
async fn a_top_up_is_a_top_up() {
    let world = unread().await;
    look(&world).await;
    world.buy("1", "500").await;
    world.work().await;
    world
        .panel()
        .set_balance(world.panel().balance() + money("250").decimal());

    assert!(next_look(&world).await.is_empty());
    let found = next_look(&world).await;
    assert_eq!(
        (found[0].cause, found[0].amount, found.len()),
        (DriftCause::TopUp, money("250"), 1)
    );

    assert!(alerts(&world).await.is_empty());
    assert!(
        drifts::list_drifts(&world.house.store, None, false)
            .await
            .unwrap()
            .is_empty()
    );

    assert!(next_look(&world).await.is_empty());
}

#[tokio::test]
async fn a_glitch_of_one_reading_is_no_finding() {
    let world = World::open().await;
    let right = world.panel().balance();

    for balance in ["100000", "99000", "100000", "100500", "100000", "100000"] {
        world.panel().set_balance(money(balance).decimal());
        assert!(next_look(&world).await.is_empty(), "{balance}");
    }

    assert_eq!(world.panel().balance(), right);
}

#[tokio::test]
async fn findings_are_shown_and_acknowledged_by_command() {
    let world = World::open().await;
    look(&world).await;
    let drift = ["treasury", "drift", "a", "--all"];
    assert_eq!(
        told(&world.database, &drift[..3]).await,
        "nothing is missing that nobody took note of\n"
    );

    assert_eq!(
        told(&world.database, &drift).await,
        "no difference was ever found\n"
    );

    world.buy("1", "10000").await;
    world.work().await;
    world
        .panel()
        .place_by_hand("1", "https://example.org/ghost", 777);

    next_look(&world).await;
    next_look(&world).await;
    let shown = json(&world.database, &["treasury", "drift", "a"]).await;
    let id = shown[0]["id"].to_string();
    assert_eq!(
        (&shown[0]["amount"], &shown[0]["cause"]),
        (&"0.6993".into(), &"unexplained".into())
    );

    assert_eq!(shown[0]["orders"], serde_json::json!([1]));
    let listed = json(&world.database, &["treasury", "list"]).await;
    assert_eq!(
        (&listed[0]["balance"], &listed[0]["drift"]),
        (&"99990.3007".into(), &"0.6993".into())
    );

    let listed = json(&world.database, &["provider", "list"]).await;
    let money = [
        "balance",
        "currency",
        "burn_per_hour",
        "hours_left",
        "drift",
    ]
    .map(|field| listed[0][field].to_string());

    assert_eq!(
        money,
        [
            r#""99990.3007""#,
            r#""USD""#,
            r#""9.00""#,
            r#""11110.0""#,
            r#""0.6993""#
        ]
    );

    let note = [
        "treasury",
        "acknowledge",
        &id,
        "--reason",
        "placed by hand",
        "--as",
        "ann",
    ];

    assert_eq!(json(&world.database, &note).await["changed"], true);
    assert_eq!(
        json(&world.database, &note).await["changed"],
        false,
        "somebody did before"
    );

    refused(
        &world.database,
        &["treasury", "acknowledge", "99"],
        "no finding 99",
    )
    .await;

    let deed = "select string_agg(who || ': ' || verb || ' ' || object || ', ' || reason, '; ') from audit_log";
    assert_eq!(
        read(&world.database, deed).await,
        "ann: treasury acknowledge drift 1, placed by hand"
    );

    assert_eq!(
        json(&world.database, &["treasury", "drift"]).await,
        serde_json::json!([])
    );

    assert_eq!(
        json(&world.database, &["treasury", "drift", "--all"]).await[0]["id"].to_string(),
        id
    );
}

/// Chance that tells the same story each time.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Two panels, one behind the other; dear enough for every price that they come to.
fn busy(exchange: &'static str, currency: &'static str) -> Plan {
    let block = |id: &str, rate: &str| {
        format!(
            "[[service]]\nid = {id}\nrate = \"{rate}\"\nroutes = [{{ provider = \"a\", service = \
             \"{id}\" }}, {{ provider = \"b\", service = \"{id}\" }}]\n"
        )
    };

    let services = ["1", "6", "7", "8", "10"].map(|id| block(id, "4")).concat();
    let panels = vec![("a", "unread=0.02,drop=0.03"), ("b", "502=0.05")];
    Plan {
        panels,
        services,
        exchange,
        currency,
        money: "100000",
        gateway: ANY_MOVE,
        ..Plan::default()
    }
}

/// What the panels charge, in their currency.
fn set_rates(world: &World, times: u32, chance: &mut Chance) {
    for panel in &world.panels {
        for (service, cents) in [("1", 90), ("6", 72), ("7", 65), ("8", 30), ("10", 12)] {
            let cents = u64::from(times) * (cents * (95 + chance.below(10))) / 100;
            panel.set_rate(
                service,
                Rate::parse(&format!("{}.{:02}", cents / 100, cents % 100))
                    .unwrap()
                    .decimal(),
            );
        }
    }
}

/// Hours of trade, with everything that happens to honest panels, until no order is in doubt; how
/// often somebody paid in.
async fn trade(world: &World, times: u32, seed: u64) -> usize {
    let mut chance = Chance(seed);
    let (mut orders, mut paid_in, mut since_look) = (Vec::new(), 0, 0);

    for step in 0..300 {
        for _ in 0..chance.below(4) {
            let service =
                ["1", "1", "6", "7", "8", "10"][usize::try_from(chance.below(6)).unwrap()];
            let (link, quantity) = (
                format!("https://example.org/{seed}/{}", orders.len()),
                100 + chance.below(900),
            );

            let add = [
                ("action", "add"),
                ("service", service),
                ("link", &link),
                ("quantity", &quantity.to_string()),
            ];

            let answer = world.ask(&add).await;
            let id = answer
                .strip_prefix("{\"order\":")
                .and_then(|rest| rest.strip_suffix('}'));

            orders.push((
                id.unwrap_or_else(|| panic!("{answer}"))
                    .parse::<i32>()
                    .unwrap(),
                link,
            ));
        }

        match chance.below(12) {
            0 => set_rates(world, times, &mut chance),
            1 => world.house.refresh().await.unwrap(),
            2 | 3 if !orders.is_empty() => {
                let at = usize::try_from(chance.below(orders.len() as u64)).unwrap();
                world
                    .ask(&[("action", "cancel"), ("order", &orders[at].0.to_string())])
                    .await;
            }
            4 if step % 2 == 0 => {
                let panel = &world.panels[0];
                panel.set_balance(panel.balance() + money(&format!("{}", 777 * times)).decimal());
                paid_in += 1;
            }
            5 => resolve_truly(world, &orders).await,
            _ => {}
        }

        let seconds = i64::try_from(1 + chance.below(60)).unwrap();
        world.turn(seconds);
        world.work().await;
        since_look += seconds;

        if since_look >= READING_EVERY {
            since_look = 0;
            look(world).await;
        }
    }

    world
        .panels
        .iter()
        .for_each(|panel| panel.set_faults(Faults::default()));

    resolve_truly(world, &orders).await;
    world.pass(3, 10).await;
    paid_in
}

/// Whatever is in doubt is decided as the panel has it.
pub async fn resolve_truly(world: &World, orders: &[(i32, String)]) {
    let doubts =
        "select string_agg(order_id || ' ' || provider, ',') from leg where state = 'in_doubt'";

    for doubt in read(&world.database, doubts)
        .await
        .split(',')
        .filter(|doubt| !doubt.is_empty())
    {
        let (order, provider) = doubt.split_once(' ').unwrap();
        let order: i32 = order.parse().unwrap();
        let link = &orders.iter().find(|(id, _)| *id == order).unwrap().1;
        let panel = &world.panels[usize::from(provider == "b")];
        let found = panel.orders().into_iter().find(|known| known.link == *link);
        let finding = found.map_or(DoubtFinding::NotPlaced, |known| accepted(&known.id));
        decide(world, order, &finding).await;
    }
}

async fn an_honest_trade(plan: Plan, times: u32, seed: u64) {
    let world = World::build(plan).await;
    for panel in &world.panels {
        panel.set_balance(money(&format!("{}", 100_000 * times)).decimal());
    }

    set_rates(&world, times, &mut Chance(seed));
    world.house.refresh().await.unwrap();

    // In another currency the first prices are far from those that the panels began with.
    let mut tx = world.house.store.begin().await.unwrap();
    for provider in ["a", "b"].map(|panel| ProviderId(panel.into())) {
        moves::accept_rates(&mut tx, &provider, None).await.unwrap();
        catalog::renew_catalog(&mut tx, &provider).await.unwrap();
    }

    tx.commit().await.unwrap();
    world.house.refresh().await.unwrap();
    look(&world).await;
    let paid_in = trade(&world, times, seed).await;

    for _ in 0..4 {
        next_look(&world).await;
    }

    let wrong = "select string_agg(provider || ' ' || words || ' ' || amount, '; ') from drift \
                 where cause <> 'top_up'";
    assert_eq!(read(&world.database, wrong).await, "", "seed {seed}");
    let top_ups = read(&world.database, "select count(*)::text from drift").await;
    assert!(paid_in > 3 && top_ups != "0", "{paid_in} {top_ups}");
    let lives = "select string_agg(distinct o.state || ' ' || l.state, ', ') from orders o join \
                 leg l on l.order_id = o.id";
    let lives = read(&world.database, lives).await;

    for happened in [
        "partial ended",
        "canceled ended",
        "completed ended",
        "completed refused",
    ] {
        assert!(
            lives.contains(happened),
            "{happened} did not happen: {lives}"
        );
    }

    let rounds = "select count(*)::text from reading where settled_at is not null";
    assert!(
        read(&world.database, rounds).await.parse::<u32>().unwrap() > 20,
        "readings settle"
    );

    world.audit().await;

    // And it was not blind: the very next habit is found.
    for panel in &world.panels {
        panel.set_faults("skim=3".parse().unwrap());
    }

    for n in 1..10 {
        world.buy("1", &(100 * n).to_string()).await;
    }

    world.work().await;
    let found = [
        next_look(&world).await,
        next_look(&world).await,
        next_look(&world).await,
    ]
    .concat();

    assert!(
        found
            .iter()
            .any(|drift| drift.words.starts_with("3.00 % of each of")),
        "seed {seed}: {found:?}"
    );
}

#[tokio::test]
async fn an_honest_panel_is_never_accused() {
    an_honest_trade(busy("", "USD"), 1, 2).await;
}

#[tokio::test]
async fn nor_is_one_that_bills_in_another_currency() {
    let exchange = "[exchange]\nUZS = { rate = \"0.0000787\", dated = \"2023-11-01\" }\n";
    an_honest_trade(busy(exchange, "UZS"), 12_700, 3).await;
}

#[tokio::test]
async fn the_runway_is_what_is_held_over_what_is_spent() {
    let world = unread().await;
    world.panel().set_balance(money("100").decimal());
    look(&world).await;

    let runway = async || {
        let row = treasury::list_runways(&world.house.store)
            .await
            .unwrap()
            .remove(0);

        let text =
            |amount: Option<Money>| amount.map(|amount| amount.to_string()).unwrap_or_default();

        format!(
            "{} {} {}",
            text(row.balance),
            text(row.burn_per_hour),
            row.hours_left.unwrap_or_default()
        )
    };

    // The next reading is so many seconds after the first.
    let until = async |seconds: i64| {
        let first = "select extract(epoch from min(asked_at))::bigint::text from reading";
        let first: i64 = read(&world.database, first).await.parse().unwrap();
        world.work().await;
        world.turn(first + seconds - 1 - world.house.clock.now().timestamp());
        look(&world).await;
    };

    assert_eq!(runway().await, "100.00  ", "nothing is spent");
    world.buy("1", "10000").await;
    until(600).await;
    assert_eq!(runway().await, "91.00 9.00 10.1", "over an hour at least");
    until(3 * 3_600).await;
    assert_eq!(runway().await, "91.00 3.00 30.3", "9 in 3 hours; 91 / 3");

    assert!(alerts(&world).await.is_empty());
    world.buy("1", "80000").await;
    until(4 * 3_600).await;

    assert_eq!(
        runway().await,
        "19.00 20.25 0.9",
        "81 in 4 hours; 19 / 20.25"
    );

    assert_eq!(alerts(&world).await, ["runway_short a"]);
    world.panel().set_balance(money("121.5").decimal());
    until(5 * 3_600).await;

    assert_eq!(
        runway().await,
        "121.50 16.20 7.5",
        "81 in 5 hours; 121.5 / 16.2"
    );

    assert!(alerts(&world).await.is_empty());
    until(26 * 3_600).await;

    assert_eq!(
        runway().await,
        "121.50 3.00 40.5",
        "72 in the last day; the first order is older"
    );

    until(30 * 3_600).await;
    assert_eq!(runway().await, "121.50  ", "nothing was spent for a day");
}

#[tokio::test]
async fn two_nodes_keep_one_reading_and_find_one_thing() {
    let world = unread().await;
    let other = world.restarted().await;

    let both = async || {
        world.turn(READING_EVERY);
        let (one, two) = tokio::join!(
            read_at(&world.house, &world.house.panels[0]),
            read_at(&other, &other.panels[0])
        );

        let findings = tokio::join!(
            world.house.treasury.judge(world.house.panels[0].settings()),
            other.treasury.judge(other.panels[0].settings())
        );

        one.len() + two.len() + findings.0.unwrap().len() + findings.1.unwrap().len()
    };

    for _ in 0..3 {
        assert_eq!(both().await, 0);
    }

    assert_eq!(
        read(&world.database, "select count(*)::text from reading").await,
        "3"
    );

    world.panel().set_balance(money("99999").decimal());
    assert_eq!(both().await, 0);
    assert_eq!(both().await, 1);
    assert_eq!(findings(&world).await, "outside 1");

    // Who asked without the panel's lease keeps nothing.
    let holder = "select (holder is not null)::text from provider";
    assert_eq!(read(&world.database, holder).await, "true");
    let before = read(&world.database, "select count(*)::text from reading").await;
    let third = world.restarted().await;
    third.delivery.ask_balance(&third.panels[0]).await.unwrap();

    assert_eq!(
        read(&world.database, "select count(*)::text from reading").await,
        before
    );
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_a_copy_begins_anew() {
    let world = World::open().await;
    look(&world).await;
    world.buy("1", "100").await;
    world.work().await;

    for _ in 0..3 {
        next_look(&world).await;
    }

    world.turn(8 * 24 * 3_600);
    world.house.treasury.forget().await.unwrap();
    let left =
        "select (select count(*) from balance_move) || ' ' || (select count(*) from reading)";
    assert_eq!(
        read(&world.database, left).await,
        "0 2",
        "the settled one and the one after it stay"
    );
}
