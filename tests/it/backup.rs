//! Backups: taken beside a running house, put in place of it, and what of the past a machine must
//! not repeat.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chrono::TimeDelta;
use panelgate::domain::clock::{Clock, SystemClock};
use panelgate::domain::money::Money;
use panelgate::orders::restored;
use panelgate::store::{Store, dump, gates, leases, load};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::process::Command;

use crate::audit::everything;
use crate::books::{self, read};
use crate::server::{self, Database};
use crate::world::{Plan, World, healthy};

/// Runs a command on a given server, for scripts: its code, and what it says on either side.
async fn run(database: &Database, words: &[&str]) -> (Option<i32>, String) {
    typed(database, &[&["--json"], words].concat()).await
}

/// What a command that must succeed prints for people.
pub async fn told(database: &Database, words: &[&str]) -> String {
    let (code, said) = typed(database, words).await;
    assert_eq!(code, Some(0), "{words:?}: {said}");
    said
}

async fn typed(database: &Database, words: &[&str]) -> (Option<i32>, String) {
    let options = database.options();
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
        .args(words)
        .stdin(Stdio::null());

    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What a command that must succeed prints.
pub async fn json(database: &Database, words: &[&str]) -> Value {
    let (code, said) = run(database, words).await;
    assert_eq!(code, Some(0), "{words:?}: {said}");
    serde_json::from_str(&said).unwrap()
}

/// Runs a command that must be refused for this reason.
pub async fn refused(database: &Database, words: &[&str], why: &str) {
    let (code, said) = run(database, words).await;
    assert_eq!(code, Some(1), "{words:?}: {said}");
    assert!(said.contains(why), "{words:?}: {said}");
}

/// A place for backups; the folder goes with the first value.
pub fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    (folder, file)
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// How many `add`s the panel heard.
fn adds(world: &World) -> u64 {
    world.panel().requests().get("add").copied().unwrap_or(0)
}

/// A database with a customer in it, as it lies in a file.
async fn small_backup(file: &Path) -> Vec<u8> {
    let original = server::database().await;
    json(&original, &["customer", "create", "alice"]).await;

    json(
        &original,
        &[
            "balance",
            "add",
            "alice",
            "12.34",
            "--reference",
            "invoice 1",
        ],
    )
    .await;

    json(&original, &["backup", text(file)]).await;
    fs::read(file).unwrap()
}

/// A bit of everything, and one order each that a dispatcher took, or is sending.
async fn everything_and_more() -> World {
    let world = everything().await;
    world.buy("1", "500").await;
    world.buy("1", "600").await;
    let (house, panel) = (&world.house, &world.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();
    let taken = house.delivery.lease(panel, epoch, 100).await.unwrap();
    assert_eq!(taken.len(), 3);

    leases::release_leg(&house.store, &taken[0], epoch)
        .await
        .unwrap();

    assert!(
        leases::mark_sending(
            &house.store,
            &taken[1],
            leases::SendIntent::default(),
            epoch,
            taken[1].cost,
            house.clock.now()
        )
        .await
        .unwrap()
    );

    let states = "select string_agg(distinct state, ' ' order by state) from leg";
    let all = "accepted ended in_doubt leased parked ready refused sending";
    assert_eq!(read(&world.database, states).await, all);

    world
}

/// The same panels and the same file, over another database, at the true time: commands know no
/// other.
pub async fn moved_to(mut world: World, copy: Database) -> World {
    world.database = copy;
    world.house = world.restarted().await;

    world.door = world
        .house
        .open_door(([127, 0, 0, 1], 0).into(), healthy())
        .await
        .unwrap();

    world
        .clock
        .turn(SystemClock.now() - world.house.clock.now() + TimeDelta::seconds(1));

    world
}

#[tokio::test]
async fn what_was_open_in_a_backup_is_never_sent_from_its_copy() {
    let world = everything_and_more().await;
    let (_folder, file) = place();
    let open =
        "select count(*)::text from leg where state in ('ready', 'leased', 'parked', 'sending')";
    let open = read(&world.database, open).await;
    let wallet = "select balance || ' ' || version from wallet";

    let doubts = "select count(*)::text from leg where state = 'in_doubt'";
    let (wallet_then, doubts_then) = (
        read(&world.database, wallet).await,
        read(&world.database, doubts).await,
    );

    let orders: i64 = read(&world.database, "select count(*)::text from orders")
        .await
        .parse()
        .unwrap();

    let dumped = json(&world.database, &["backup", text(&file)]).await;
    assert_eq!(
        (dumped["customers"].as_i64(), dumped["orders"].as_i64()),
        (Some(1), Some(orders)),
        "{dumped}"
    );

    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The original goes on: it sends what was ready, and sells more.
    world
        .panel()
        .set_balance(Money::parse("1000").unwrap().decimal());

    world.pass(3, 61).await;
    let answered_since = world.buy("1", "100").await;
    world.work().await;
    let heard = adds(&world);

    let copy = server::database().await;
    let restored = json(
        &copy,
        &[
            "restore",
            text(&file),
            "--reason",
            "the old machine burned",
            "--as",
            "ada",
        ],
    )
    .await;

    assert_eq!(
        (
            restored["in_doubt"].to_string(),
            restored["orders"].as_i64()
        ),
        (open.clone(), Some(orders))
    );

    assert_eq!(read(&copy, wallet).await, wallet_then);
    let doubts_now = doubts_then.parse::<u32>().unwrap() + open.parse::<u32>().unwrap();
    assert_eq!(read(&copy, doubts).await, doubts_now.to_string());
    let deed = "select who || ': ' || reason from audit_log where verb = 'restore'";
    assert_eq!(read(&copy, deed).await, "ada: the old machine burned");
    assert_eq!(json(&copy, &["ledger", "audit"]).await["ok"], true);

    let review = json(&copy, &["order", "list", "--state", "review"]).await;
    assert_eq!(
        review.as_array().unwrap().len(),
        usize::try_from(doubts_now).unwrap(),
        "{review}"
    );

    refused(
        &copy,
        &["restore", text(&file)],
        "holds customers or orders",
    )
    .await;

    let world = moved_to(world, copy).await;
    world.pass(5, 60).await;
    let fresh = world.buy("1", "100").await;
    assert!(fresh > answered_since);
    assert_eq!(Some(i64::from(fresh)), restored["first_order"].as_i64());
    world.pass(5, 60).await;

    assert_eq!(adds(&world), heard, "frozen");
    json(&world.database, &["dispatch", "thaw"]).await;
    world.pass(5, 60).await;
    world.pass(5, 86_400).await;

    assert_eq!(
        adds(&world),
        heard + 1,
        "the new order, and none of the old"
    );

    assert_eq!(read(&world.database, doubts).await, doubts_now.to_string());
    assert!(world.status(fresh).await.contains("Completed"));
    world.audit().await;
}

#[tokio::test]
async fn a_broken_file_leaves_the_database_as_it_was() {
    let (_folder, file) = place();
    let whole = small_backup(&file).await;
    let copy = server::database().await;
    let broken = file.with_extension("broken");
    let parts = [0, 100, whole.len() / 3, whole.len() / 2, whole.len() - 1]
        .map(|bytes| whole[..bytes].to_vec());

    for bytes in parts.into_iter().chain([b"no dump".to_vec()]) {
        fs::write(&broken, &bytes).unwrap();
        let (code, said) = run(&copy, &["restore", text(&broken)]).await;
        assert_eq!(code, Some(1), "{} bytes: {said}", bytes.len());

        assert!(
            said.contains("nothing was restored"),
            "{} bytes: {said}",
            bytes.len()
        );

        let left = "select count(*) || ' ' || (select count(*) from customer) from dispatch where \
                    frozen_at is null";
        assert_eq!(read(&copy, left).await, "1 0");
    }

    let told = told(&copy, &["restore", text(&file)]).await;
    let next = "look at `panelgate --database-url URL order list --state review`, then `panelgate \
                --database-url URL dispatch thaw`";
    assert!(
        told.starts_with("customers 1, orders 0") && told.contains(next),
        "{told}"
    );

    assert_eq!(
        json(&copy, &["customer", "show", "alice"]).await["balance"],
        "12.34"
    );
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half_made() {
    let (folder, file) = place();
    let database = server::database().await;
    fs::write(&file, "precious").unwrap();
    refused(&database, &["backup", text(&file)], "choose another name").await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();

    json(&database, &["backup", text(&file)]).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("nowhere/backup");
    refused(&database, &["backup", text(&nowhere)], "cannot create").await;
}

#[tokio::test]
async fn a_backup_of_an_older_schema_is_brought_up_to_date_and_one_of_a_newer_is_refused() {
    let (_folder, file) = place();
    let original = server::database().await;
    let mut connection = PgConnection::connect_with(&original.options())
        .await
        .unwrap();

    connection
        .execute("drop schema public cascade; create schema public")
        .await
        .unwrap();

    sqlx::migrate!("./migrations")
        .run_to(10, &mut connection)
        .await
        .unwrap();

    connection.close().await.unwrap();
    let store = Store::open(&original.options(), 1, 1);
    let bin = server::manners().postgres_bin;
    dump::write_dump(&store, bin.as_deref(), &file)
        .await
        .unwrap();

    let copy = server::database().await;
    json(&copy, &["restore", text(&file)]).await;
    let steps = "select count(*)::text from _sqlx_migrations";
    assert_eq!(
        read(&copy, steps).await,
        read(&server::database().await, steps).await
    );

    assert_eq!(json(&copy, &["ledger", "audit"]).await["ok"], true);

    let newer = "insert into _sqlx_migrations values (9999, 'later', now(), true, '', 0)";
    books::run(&original, newer).await.unwrap();
    let file = file.with_extension("newer");
    dump::write_dump(&store, bin.as_deref(), &file)
        .await
        .unwrap();

    refused(
        &server::database().await,
        &["restore", text(&file)],
        "written by a newer panelgate",
    )
    .await;

    books::run(&original, "drop table _sqlx_migrations")
        .await
        .unwrap();

    let file = file.with_extension("foreign");
    dump::write_dump(&store, bin.as_deref(), &file)
        .await
        .unwrap();

    store.close().await;
    refused(
        &server::database().await,
        &["restore", text(&file)],
        "holds no database of panelgate",
    )
    .await;
}

#[tokio::test]
async fn nothing_is_restored_under_a_gateway_that_runs() {
    let (_folder, file) = place();
    small_backup(&file).await;
    let copy = server::database().await;
    let held = "insert into provider (id, held_until) values ('a', now() + interval '1 hour')";
    books::run(&copy, held).await.unwrap();

    refused(
        &copy,
        &["restore", text(&file)],
        "a gateway deals with panels",
    )
    .await;

    books::run(&copy, "update provider set held_until = now()")
        .await
        .unwrap();

    let somebody = Store::open(&copy.options(), 1, 1);
    assert!(somebody.beat().await);

    refused(
        &copy,
        &["restore", text(&file)],
        "another panelgate is connected",
    )
    .await;
}

#[tokio::test]
async fn ids_that_are_nearly_used_up_are_halved_and_not_overrun() {
    let (_folder, file) = place();
    let original = server::database().await;
    books::run(&original, "select setval('order_id', 2147483600)")
        .await
        .unwrap();

    json(&original, &["backup", text(&file)]).await;
    let restored = json(&server::database().await, &["restore", text(&file)]).await;
    assert_eq!(restored["first_order"], 2_147_483_624_i64);
}

/// The order that a doubt is about and one that was sold after the backup look alike at the panel.
#[tokio::test]
async fn no_doubt_is_ended_by_an_order_that_the_backup_does_not_know() {
    let known = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = 300";
    let world = World::build(Plan {
        provider: known,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    world.work().await;
    let (_folder, file) = place();
    let open = world.buy("1", "50").await;
    json(&world.database, &["backup", text(&file)]).await;

    // The original takes the open order back, and sells one just like it.
    books::run(
        &world.database,
        "update leg set state = 'canceled' where state = 'ready'",
    )
    .await
    .unwrap();

    world.buy("1", "50").await;
    world.work().await;
    assert_eq!(adds(&world), 2);

    let copy = server::database().await;
    json(&copy, &["restore", text(&file)]).await;
    json(&copy, &["dispatch", "thaw"]).await;
    let world = moved_to(world, copy).await;
    world.buy("1", "70").await;
    world.work().await;

    world.pass(3, 400).await;
    world.buy("1", "80").await;
    world.work().await;
    world.pass(10, 3_600).await;

    assert!(
        world.status(open).await.contains("Processing"),
        "{}",
        world.status(open).await
    );

    let looked = "select string_agg(distinct verdict, ' ') from doubt_check";
    assert_eq!(read(&world.database, looked).await, "unknown");
}

#[tokio::test]
async fn nobody_starts_on_a_copy_before_it_is_frozen() {
    let (_folder, file) = place();
    small_backup(&file).await;
    let copy = server::database().await;
    let (ours, theirs) = (
        Store::open(&copy.options(), 1, 1),
        Store::open(&copy.options(), 1, 1),
    );

    let mut tx = load::read_file(
        &ours,
        server::manners().postgres_bin.as_deref(),
        &file,
        SystemClock.now(),
    )
    .await
    .unwrap();

    let start = theirs.migrate();
    tokio::pin!(start);

    // Whoever starts is kept waiting, and sees the frozen copy as soon as anything.
    tokio::select! {
        biased;
        started = &mut start => panic!("it started on a database that is being restored: {started:?}"),
        restored = restored::settle_in(&mut tx, SystemClock.now()) => drop(restored.unwrap()),
    }

    tx.commit().await.unwrap();
    start.await.unwrap();
    assert!(gates::frozen_since(&theirs).await.unwrap().is_some());
}
