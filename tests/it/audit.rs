//! The audit can find: every check is seen to be silent over sound books, and to speak over the fault that it is for.

use chrono::TimeDelta;
use panelgate::domain::clock::Instant;
use panelgate::domain::money::Money;
use panelgate::ledger::audit::audit;
use panelgate::store::Store;

use crate::books::{read, run};
use crate::server::Database;
use crate::world::{Plan, World, all_of, buyer};

/// For every check, how its books are broken; constraints that forbid it are taken away first.
const FAULTS: [(&str, &str); 25] = [
    ("wallet_is_sum_of_transfers", "update wallet set balance = balance + 0.00000001"),
    (
        "wallet_above_floor",
        "alter table wallet drop constraint wallet_above_floor; update wallet set balance = floor - 0.00000001",
    ),
    ("wallet_version_chain", "update wallet set version = version + 1"),
    (
        "refunded_is_ledger",
        "alter table transfer disable trigger all;
        update transfer set amount = amount + 0.00000001
        where id = (select min(id) from transfer where reason = 'refund')",
    ),
    (
        "settlements_are_refunded",
        "delete from settlement where order_id = (select min(order_id) from settlement where amount > 0)",
    ),
    (
        "one_charge_per_order",
        "insert into transfer (at, reason, debit, credit, amount, order_id)
        select at, reason, debit, credit, amount, order_id from transfer
        where id = (select min(id) from transfer where reason = 'charge')",
    ),
    (
        "absorbed_is_ledger",
        "update orders set absorbed = absorbed + 0.00000001 where id = (select min(id) from orders where refunded > 0)",
    ),
    (
        "given_by_hand_is_kept",
        "update orders set by_hand = refunded + 0.00000001
        where id = (select min(id) from orders where refunded < charge)",
    ),
    ("request_has_order", "update request set order_id = 2000000000"),
    ("order_has_leg", "delete from leg where order_id = (select min(order_id) from leg where state = 'ready')"),
    (
        "panel_order_in_one_leg",
        "update leg set panel_order = (select min(panel_order) from leg where state = 'ended') where state = 'ended'",
    ),
    (
        "one_send_per_leg",
        "insert into exchange (leg_id, attempt, provider, service, sent_at, verdict)
        select leg_id, attempt + 1, provider, service, sent_at, 'accepted' from exchange
        where verdict = 'in_doubt'",
    ),
    (
        "ended_unplaced_is_refunded_whole",
        "update orders set refunded = refunded - 0.00000001
        where id = (select min(order_id) from leg where state = 'refused')",
    ),
    ("accepted_leg_is_watched", "delete from watch"),
    ("open_order_has_open_leg", "update leg set state = 'refused' where state = 'in_doubt'"),
    ("ended_order_sends_nothing", "update leg set state = 'ready' where state = 'refused'"),
    (
        "moves_are_booked",
        "update float_move set booked = booked + 0.00000001 where id = (select min(id) from float_move)",
    ),
    ("cost_is_booked", "update leg set booked = booked + 0.00000001 where state = 'ended'"),
    (
        "sending_is_young",
        "update leg set state = 'sending', sending_at = timestamptz '2023-11-14 00:00Z' where state = 'ready'",
    ),
    ("doubt_is_looked_into", "update leg set check_at = null where state = 'in_doubt'"),
    ("panel_order_is_kept", "delete from panel_order where leg_id = (select min(id) from leg where state = 'ended')"),
    (
        "one_refill_under_way",
        "drop index refill_one_under_way;
        insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
        select 7 + nth, gen_random_uuid(), order_id, id, provider, accepted_at, accepted_at
        from (select * from leg where state = 'ended' limit 1) l, generate_series(1, 2) nth",
    ),
    (
        "refill_is_of_a_delivery",
        "insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
        select 7, gen_random_uuid(), order_id, id, provider, ready_at, ready_at from leg where state = 'ready' limit 1",
    ),
    (
        "refill_is_soon_answered",
        "insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at, state, sending_at)
        select 7, gen_random_uuid(), order_id, id, provider, ready_at, ready_at, 'sending',
            timestamptz '2023-11-14 00:00Z'
        from leg where state = 'ended' limit 1",
    ),
    ("exposure_is_in_doubt", "update leg set exposed = exposed + 0.00000001 where state = 'in_doubt'"),
];

/// A bit of everything: delivered, in part, not at all, refused, parked, in doubt, running, bought just now.
pub async fn everything() -> World {
    let world = World::build(Plan { services: all_of("a"), ..Plan::default() }).await;
    for service in ["1", "6", "7", "8", "9"] {
        world.buy(service, "100").await;
    }
    let add = [("action", "add"), ("service", "1"), ("link", "https://example.org/2"), ("quantity", "50")];
    let asked_once = world.ask(&[&add[..], &[("request_id", "once")]].concat()).await;
    assert_eq!(asked_once, world.ask(&[&add[..], &[("request_id", "once")]].concat()).await);
    world.work().await;
    world.pass(1, 10).await;
    world.panel().switch_service("10", false);
    world.buy("10", "100").await;
    world.work().await;
    world.panel().switch_service("10", true);
    world.buy("10", "200").await;
    world.work().await;
    world.panel().set_balance(Money::ZERO);
    world.buy("1", "300").await;
    world.work().await;
    world.buy("1", "400").await;
    let states = "select string_agg(distinct state, ' ' order by state) from leg";
    assert_eq!(read(&world.database, states).await, "accepted ended in_doubt parked ready refused");
    let ends = "select string_agg(distinct state, ' ' order by state) from orders";
    assert_eq!(read(&world.database, ends).await, "canceled completed partial pending processing");
    world
}

/// Every check's name with what it counts.
async fn counts(database: &Database) -> Vec<(&'static str, i64)> {
    let store = Store::open(&database.options(), 1, 1);
    let findings =
        audit(&store, Instant::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::days(1)).await.unwrap();
    store.close().await;
    assert_eq!(findings.hold(), findings.checks.iter().all(|check| check.violations == 0));
    findings.checks.into_iter().map(|check| (check.name, check.violations)).collect()
}

#[tokio::test]
async fn every_check_finds_the_fault_that_it_is_for() {
    let world = everything().await;
    let sound = counts(&world.database).await;
    let names: Vec<_> = sound.iter().map(|(name, _)| *name).collect();
    let mut faults = FAULTS;
    faults.sort_by_key(|(name, _)| names.iter().position(|known| known == name));
    assert_eq!(
        faults.map(|(name, _)| name).to_vec(),
        names,
        "a check that was never seen to find anything proves nothing"
    );
    assert!(sound.iter().all(|(_, violations)| *violations == 0), "{sound:?}");
    // A database can be copied only while nobody is connected to it.
    world.house.store.close().await;
    for (name, fault) in FAULTS {
        let copy = world.database.copy().await;
        run(&copy, fault).await.unwrap();
        let found = counts(&copy).await;
        assert!(found.iter().any(|(check, violations)| *check == name && *violations > 0), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn books_that_are_being_written_hold_at_every_moment() {
    let world = World::build(Plan { services: all_of("a"), ..Plan::default() }).await;
    let (_, other, _) = buyer(&world.house, "another", "1000").await;
    let buying = async |key: &str| {
        for service in ["1", "6", "7", "8"].iter().cycle().take(40) {
            let add = [("action", "add"), ("service", service), ("link", "https://example.org/3"), ("quantity", "77")];
            let answer = world.ask_as(key, &add).await;
            assert!(answer.starts_with("{\"order\":"), "{answer}");
        }
    };
    let auditing = async {
        for _ in 0..20 {
            world.audit().await;
        }
    };
    tokio::join!(buying(&world.key), buying(&other), world.pass(30, 2), auditing);
    world.pass(6, 10).await;
    world.audit().await;
    let ended = "select count(*)::text from orders where ended_at is not null";
    assert_eq!(read(&world.database, ended).await, "60");
    assert_eq!(world.panel().orders().len(), 80);
}

#[tokio::test]
async fn the_ledger_is_append_only() {
    let world = World::open().await;
    world.buy("1", "100").await;
    let before = read(&world.database, "select string_agg(t::text, '' order by id) from transfer t").await;
    let pool = world.pool().await;
    for statement in ["update transfer set amount = 1", "delete from transfer", "truncate transfer"] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    assert_eq!(read(&world.database, "select string_agg(t::text, '' order by id) from transfer t").await, before);
    world.audit().await;
}
