//! Honest books with a bit of everything that can be in them, and names for the orders of which
//! corruptions speak.

use panelgate::domain::clock::Clock;
use panelgate::domain::customer::Dialect;
use panelgate::domain::id::{OrderId, PanelOrder, ProviderId};
use panelgate::domain::money::Money;
use panelgate::ledger;
use panelgate::orders::decide;
use panelgate::orders::resolve::DoubtFinding;
use panelgate::store::customers;

use super::fill;
use crate::books::{read, run};
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of};

const HOUR: i64 = 3_600;
const RUNNING: &str =
    r#"{"charge":"0.09","start_count":"1","status":"In progress","remains":"80"}"#;
const CANCELED: &str = r#"{"charge":"0","start_count":"1","status":"Canceled","remains":"100"}"#;
const COMPLETED: &str = r#"{"charge":"0.09","start_count":"1","status":"Completed","remains":"0"}"#;
const PARTIAL: &str = r#"{"charge":"0.054","start_count":"1","status":"Partial","remains":"40"}"#;
const TAKES: &str = r#"{"cancel":1}"#;

/// How the panel behaves whose lost answers are given up after an hour, and the one that takes back
/// what it gave too much.
const GIVES_UP: &str = "in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = \
                        1\ndoubts_in_a_row_max = 100\ndoubts_per_minute_max = 1_000\n";
const CLAWS_BACK: &str = "reversal = \"clawback\"\n";

/// Service 101 and the package 102 of panel `s`, 103 of panel `c`, and 104 that `s` has and then
/// `c`.
const SERVICES: &str = r#"
[[service]]
id = 101
routes = [{ provider = "s", service = "1" }]
[[service]]
id = 102
routes = [{ provider = "s", service = "2" }]
[[service]]
id = 103
routes = [{ provider = "c", service = "1" }]
[[service]]
id = 104
rate = "2"
routes = [{ provider = "s", service = "1" }, { provider = "c", service = "1" }]
[[markup]]
percent = "18"
fixed = "0.01"
rounding = "up:0.05"
"#;

/// The books, with the panels that must go on answering while they are made.
pub async fn world() -> ([Scripted; 2], World) {
    let (s, c) = (
        Scripted::saying(RUNNING).await,
        Scripted::saying(RUNNING).await,
    );

    let c_block = c.block().replace("id = \"s\"", "id = \"c\"");
    let services = format!(
        "{}{GIVES_UP}{c_block}{CLAWS_BACK}{SERVICES}{}",
        s.block(),
        all_of("a")
    );

    let world = World::build(Plan {
        services,
        ..Plan::default()
    })
    .await;

    run(
        &world.database,
        "create table named (name text primary key, id integer not null);
        create function the(wanted text) returns integer language sql as 'select id from named \
         where name = wanted';
        create function wallet_of(wanted text) returns bigint language sql as
            'select w.account_id from wallet w join customer c on c.id = w.customer_id where \
         c.name = wanted';
        create function account_of(wanted text, panel text default null) returns bigint language \
         sql as
            'select id from account where kind = wanted and provider is not distinct from panel'",
    )
    .await
    .unwrap();

    wallets(&world).await;
    ends(&s, &c, &world).await;
    doubts(&s, &world).await;
    asks(&s, &world).await;
    house(&world).await;
    fill(&world).await;

    name(
        &world,
        "ready",
        "select max(order_id) from leg where state = 'ready'",
    )
    .await;

    name(
        &world,
        "parked",
        "select max(order_id) from leg where state = 'parked'",
    )
    .await;

    name(
        &world,
        "in doubt",
        "select max(order_id) from leg where state = 'in_doubt'",
    )
    .await;

    name(
        &world,
        "refused",
        "select min(order_id) from leg where state = 'refused' and n = 1 and provider = 'a'",
    )
    .await;

    world.house.alerts.look().await.unwrap();
    world.house.alerts.prove().await.unwrap();
    ([s, c], world)
}

fn says(panel: &Scripted, row: &str) {
    panel.change(|script| row.clone_into(&mut script.row));
}

async fn name(world: &World, name: &str, id: &str) {
    run(
        &world.database,
        &format!("insert into named values ('{name}', ({id}))"),
    )
    .await
    .unwrap();
}

/// Buys, has it sent, and gives it a name.
async fn sent(world: &World, called: &str, service: &str) -> i32 {
    let order = world
        .buy(service, if service == "102" { "1" } else { "100" })
        .await;

    name(world, called, &order.to_string()).await;
    world.work().await;
    order
}

/// Customers that came with a debt and with money, that were put right, and that may owe.
async fn wallets(world: &World) {
    let now = world.clock.now();
    let money = |text: &str| Money::parse(text).unwrap();
    let mut tx = world.house.store.begin().await.unwrap();
    let owes = customers::open_customer(&mut tx, "owes", "standard", now)
        .await
        .unwrap()
        .unwrap();

    assert!(
        customers::give_credit(&mut tx, owes, money("10"))
            .await
            .unwrap()
    );

    ledger::open_with(&mut tx, owes, money("-3"), now)
        .await
        .unwrap();

    let moved = customers::open_customer(&mut tx, "moved in", "standard", now)
        .await
        .unwrap()
        .unwrap();

    ledger::open_with(&mut tx, moved, money("12.345"), now)
        .await
        .unwrap();

    ledger::book_adjustment(&mut tx, moved, money("-0.345"), "put right", now)
        .await
        .unwrap();

    ledger::book_adjustment(&mut tx, moved, money("1"), "put right again", now)
        .await
        .unwrap();

    tx.commit().await.unwrap();

    let key = world.key_speaking(Dialect::Notpanel).await;
    let add = [
        ("service", "1"),
        ("link", "https://example.org/n"),
        ("quantity", "70"),
        ("request_id", "letters"),
    ];

    let answer = world
        .ask_as(&key, &[&[("action", "add")], &add[..]].concat())
        .await;

    assert!(answer.contains("order"), "{answer}");
}

/// Orders that came to every end.
async fn ends(s: &Scripted, c: &Scripted, world: &World) {
    sent(world, "package", "102").await;
    sent(world, "absorbed", "101").await;
    sent(world, "clawed back", "103").await;
    says(s, CANCELED);
    says(c, CANCELED);
    world.pass(1, 10).await;

    says(s, COMPLETED);
    says(c, COMPLETED);
    world.pass(1, HOUR + 1).await;

    sent(world, "completed", "101").await;
    world.pass(1, 10).await;
    let gift = sent(world, "gift", "103").await;
    give(world, gift, "0.02", "late").await;
    says(s, PARTIAL);
    says(c, PARTIAL);

    sent(world, "partial", "101").await;
    world.pass(1, 10).await;
    give(world, gift, "0.03", "goodwill").await;
    says(s, CANCELED);
    sent(world, "canceled", "101").await;
    world.pass(1, 10).await;

    s.change(|script| script.add = Some(r#"{"error":"Incorrect service ID"}"#.to_owned()));
    says(c, RUNNING);
    sent(world, "rerouted", "104").await;
    s.change(|script| script.add = None);
    says(s, RUNNING);
    let taken_back = world.buy("101", "100").await;
    name(world, "taken back", &taken_back.to_string()).await;

    let cancel = world
        .ask(&[("action", "cancel"), ("orders", &taken_back.to_string())])
        .await;

    assert!(cancel.contains("cancel"), "{cancel}");
    sent(world, "running", "101").await;
    world.pass(1, 10).await;
}

async fn give(world: &World, order: i32, amount: &str, reason: &str) {
    let mut tx = world.house.store.begin().await.unwrap();
    let now = world.clock.now();

    decide::give_back(
        &mut tx,
        OrderId(order),
        Money::parse(amount).unwrap(),
        reason,
        now,
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
}

/// Two that were given up in doubt, one of which the panel had after all.
async fn doubts(s: &Scripted, world: &World) {
    s.change(|script| script.add = Some("<html>".to_owned()));
    let late = sent(world, "had after all", "101").await;
    sent(world, "given up", "101").await;
    s.change(|script| script.add = None);
    world.pass(4, HOUR).await;
    let mut tx = world.house.store.begin().await.unwrap();

    let found = DoubtFinding::Accepted(PanelOrder("777".to_owned()));
    world
        .house
        .delivery
        .resolve(&mut tx, OrderId(late), &found, None)
        .await
        .unwrap();

    tx.commit().await.unwrap();
    world.pass(1, 10).await;
}

/// Refills and cancels, over and under way.
async fn asks(s: &Scripted, world: &World) {
    s.change(|script| {
        r#"{"refill":7}"#.clone_into(&mut script.refill);
        r#"[{"refill":7,"status":"In progress"}]"#.clone_into(&mut script.refill_status);
        TAKES.clone_into(&mut script.cancel);
    });

    let order = read(&world.database, "select the('completed')::text").await;
    let answer = world.ask(&[("action", "refill"), ("order", &order)]).await;
    assert!(answer.starts_with(r#"{"refill":""#), "{answer}");
    world.pass(1, 10).await;
    sent(world, "wanted back", "101").await;
    let order = read(&world.database, "select the('wanted back')::text").await;
    world.ask(&[("action", "cancel"), ("orders", &order)]).await;
}

/// What is no order's.
async fn house(world: &World) {
    let now = world.clock.now();
    let mut tx = world.house.store.begin().await.unwrap();
    ledger::own_cost(
        &mut tx,
        &ProviderId("s".to_owned()),
        Money::parse("0.009").unwrap(),
        now,
    )
    .await
    .unwrap();

    tx.commit().await.unwrap();
    run(
        &world.database,
        "insert into request_id_proof (
            provider, account, service, link, units, request_id, cost, amount, asked_by, sent_at, \
         answered_at, outcome,
            bought, in_doubt
        )
        values ('s', 'x', '1', 'l', 10, 'r', 0.009, 0.009, 'ann', now(), now(), 'refused', 1, 0);
        insert into reading (provider, asked_at, at, epoch, currency, amount, text)
        select 's', at, at, 1, 'USD', 100, '100' from (values (timestamptz '2023-11-14 23:00Z'), \
         ('2023-11-14 23:05Z')) r (at);
        insert into drift (
            provider, cause, amount, currency, after_reading, by_reading, after_at, by_at, \
         found_at, orders, orders_count,
            words
        )
        select 's', 'unexplained', 1, 'USD', min(id), max(id), min(at), max(at), max(at), '{}', 0, \
         '' from reading
        where provider = 's' and amount = 100;
        insert into burned_order (id) values (2000000000)",
    )
    .await
    .unwrap();
}
