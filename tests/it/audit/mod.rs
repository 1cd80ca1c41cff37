//! The audit can find: every check is seen to be silent over sound books, and to speak over the
//! faults that it is for.

mod delivery;
mod money;
mod rich;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::StreamExt;
use panelgate::domain::clock::{Clock, Timestamp};
use panelgate::domain::money::Money;
use panelgate::ledger::audit::{audit_books, audit_lately, keep_mark};
use panelgate::store::Store;
use panelgate::store::audit::{CHECKS, Check};

use crate::books::{read, run};
use crate::server::Database;
use crate::world::{Plan, World, all_of, buyer};

/// Corruptions that the list must have at least.
const CORRUPTIONS_MIN: usize = 100;
/// Copies that are made and looked at together.
const COPIES_AT_ONCE: usize = 3;
/// Triggers and foreign keys are no help against whoever writes with the database's own means.
const UNGUARDED: &str = "set session_replication_role = replica;";

/// What somebody changes in the database by hand, and who must speak.
#[derive(Clone, Copy, Debug)]
struct Corruption {
    name: &'static str,
    sql: &'static str,
    /// Checks that notice it; others may too.
    seen_by: &'static [&'static str],
}

const fn by(name: &'static str, sql: &'static str, seen_by: &'static [&'static str]) -> Corruption {
    Corruption { name, sql, seen_by }
}

/// A bit of everything: delivered, in part, not at all, refused, parked, in doubt, running, bought
/// just now.
pub async fn everything() -> World {
    let world = World::build(Plan {
        services: all_of("a"),
        ..Plan::default()
    })
    .await;

    fill(&world).await;
    let states = "select string_agg(distinct state, ' ' order by state) from leg";
    assert_eq!(
        read(&world.database, states).await,
        "accepted ended in_doubt parked ready refused"
    );

    let ends = "select string_agg(distinct state, ' ' order by state) from orders";
    assert_eq!(
        read(&world.database, ends).await,
        "canceled completed partial pending processing"
    );

    world
}

/// The same in whatever else a world has.
async fn fill(world: &World) {
    for service in ["1", "6", "7", "8", "9"] {
        world.buy(service, "100").await;
    }

    let add = [
        ("action", "add"),
        ("service", "1"),
        ("link", "https://example.org/2"),
        ("quantity", "50"),
    ];

    let asked_once = world
        .ask(&[&add[..], &[("request_id", "once")]].concat())
        .await;

    assert_eq!(
        asked_once,
        world
            .ask(&[&add[..], &[("request_id", "once")]].concat())
            .await
    );

    world.work().await;
    world.pass(1, 10).await;
    world.panel().switch_service("10", false);
    world.buy("10", "100").await;
    world.work().await;
    world.panel().switch_service("10", true);

    world.buy("10", "200").await;
    world.work().await;
    world.panel().set_balance(Money::ZERO.decimal());
    world.turn(1);
    world.count().await;
    world.turn(1);
    world.buy("1", "300").await;
    world.work().await;

    world.buy("1", "400").await;
}

/// What the audit finds as of a moment.
async fn found(database: &Database, now: Timestamp) -> Vec<Check> {
    let store = Store::open(&database.options(), 1, 1);
    let findings = audit_books(&store, now).await.unwrap();
    store.close().await;
    assert_eq!(
        findings.hold(),
        findings.checks.iter().all(|check| check.violations == 0)
    );

    findings.checks
}

/// Makes a corruption in a copy. What went unseen, if anything did.
async fn missed(database: &Database, corruption: &Corruption, now: Timestamp) -> Option<String> {
    let Corruption { name, sql, seen_by } = corruption;
    let copy = database.copy().await;
    let made = run(&copy, &format!("{UNGUARDED}{sql}")).await;
    made.unwrap_or_else(|error| panic!("{name}: {error}"));

    let found = found(&copy, now).await;
    let failed: Vec<_> = found.iter().filter(|check| check.violations > 0).collect();
    let speaks = |wanted: &str| {
        failed
            .iter()
            .any(|check| check.name == wanted && !check.examples.is_empty())
    };

    if seen_by.iter().all(|wanted| speaks(wanted)) {
        return None;
    }

    let names: Vec<_> = failed.iter().map(|check| check.name).collect();
    Some(format!("{name}: {seen_by:?} should speak, not {names:?}"))
}

#[tokio::test]
async fn every_corruption_made_by_hand_is_noticed() {
    let (_panels, world) = rich::world().await;
    let now = world.clock.now();
    let sound = found(&world.database, now).await;
    let names: Vec<_> = sound.iter().map(|check| check.name).collect();
    assert_eq!(names, CHECKS);
    let accused: Vec<_> = sound.iter().filter(|check| check.violations > 0).collect();
    assert!(accused.is_empty(), "honest books are accused: {accused:?}");

    let corruptions = || money::CORRUPTIONS.iter().chain(delivery::CORRUPTIONS);
    let listed: BTreeSet<_> = corruptions().map(|corruption| corruption.name).collect();
    assert_eq!(
        listed.len(),
        corruptions().count(),
        "each has a name of its own"
    );

    assert!(listed.len() >= CORRUPTIONS_MIN);
    let speaking: BTreeSet<_> = corruptions()
        .flat_map(|corruption| corruption.seen_by)
        .copied()
        .collect();

    let silent: Vec<_> = CHECKS
        .iter()
        .filter(|check| !speaking.contains(*check))
        .collect();

    assert!(
        silent.is_empty(),
        "a check that was never seen to find anything proves nothing: {silent:?}"
    );

    // A database can be copied only while nobody is connected to it.
    world.house.store.close().await;
    let made = futures_util::stream::iter(corruptions())
        .map(|corruption| missed(&world.database, corruption, now));

    let missed: Vec<_> = made
        .buffer_unordered(COPIES_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;

    assert!(
        missed.is_empty(),
        "{} went unseen:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

#[tokio::test]
async fn between_two_whole_audits_what_moved_since_is_looked_at() {
    let world = everything().await;
    let store = &world.house.store;

    let old = read(
        &world.database,
        "select min(id)::text from orders where ended_at is not null",
    )
    .await;

    // What ended is followed for three days, and looked at as long.
    for _ in 0..4 {
        world.turn(86_400);
        world.work().await;
    }

    let proved = async || {
        let now = world.clock.now();
        let findings = audit_lately(store, now).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        keep_mark(&mut tx, &findings, now).await.unwrap();
        tx.commit().await.unwrap();
        findings.hold()
    };

    assert!(proved().await, "everything is looked at, and holds");

    let spoil = |id: &str| format!("update orders set rate = rate * 2 where id = {id}");
    run(&world.database, &spoil(&old)).await.unwrap();
    let new = world.buy("1", "100").await;
    world.work().await;
    world.pass(3, 10).await;
    assert!(proved().await, "nothing moved there");

    run(&world.database, &spoil(&new.to_string()))
        .await
        .unwrap();

    assert!(!proved().await, "what was bought since is looked at");
    run(
        &world.database,
        &format!("update orders set rate = rate / 2 where id = {new}"),
    )
    .await
    .unwrap();

    assert!(
        !proved().await,
        "books that do not hold are looked at as a whole"
    );

    run(
        &world.database,
        &format!("update orders set rate = rate / 2 where id = {old}"),
    )
    .await
    .unwrap();

    assert!(proved().await);
    run(&world.database, "update wallet set balance = balance + 1")
        .await
        .unwrap();

    assert!(!proved().await, "wallets are all looked at");
    run(&world.database, "update wallet set balance = balance - 1")
        .await
        .unwrap();

    assert!(proved().await);
    run(&world.database, &spoil(&old)).await.unwrap();
    assert!(proved().await);
    world.clock.turn(TimeDelta::days(1));
    assert!(!proved().await, "once a day everything is looked at");
}

#[tokio::test]
async fn books_that_are_being_written_hold_at_every_moment() {
    let world = World::build(Plan {
        services: all_of("a"),
        ..Plan::default()
    })
    .await;

    let (_, other, _) = buyer(&world.house, "another", "1000").await;
    let buying = async |key: &str| {
        for service in ["1", "6", "7", "8"].iter().cycle().take(40) {
            let add = [
                ("action", "add"),
                ("service", service),
                ("link", "https://example.org/3"),
                ("quantity", "77"),
            ];

            let answer = world.ask_as(key, &add).await;
            assert!(answer.starts_with("{\"order\":"), "{answer}");
        }
    };

    let auditing = async {
        for _ in 0..20 {
            world.audit().await;
        }
    };

    tokio::join!(
        buying(&world.key),
        buying(&other),
        world.pass(30, 2),
        auditing
    );

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

    let before = read(
        &world.database,
        "select string_agg(t::text, '' order by id) from transfer t",
    )
    .await;

    let pool = world.pool().await;
    for statement in [
        "update transfer set amount = 1",
        "delete from transfer",
        "truncate transfer",
    ] {
        let refused = sqlx::query(statement)
            .execute(&pool)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }

    assert_eq!(
        read(
            &world.database,
            "select string_agg(t::text, '' order by id) from transfer t"
        )
        .await,
        before
    );

    world.audit().await;
}
