//! Machines whose clocks are wrong: what guards money goes by the database's, and the wrong one is
//! told of or refused.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use panelgate::domain::clock::Clock as _;
use panelgate::store::clock_watch::{self, ClockReading, ClockStep};
use tokio::process::Command;
use uuid::Uuid;

use crate::books::{legs, read, run};
use crate::node::{Ground, Node, until};
use crate::prove::scripted;
use crate::routes::pause;
use crate::scripted::Scripted;
use crate::world::{World, work_once};

const NOTHING_SOLD: &str = "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"p\"\n\
    url = \"http://127.0.0.1:9/api/v2\"\nkey_env = \"PANEL_KEY\"\ncurrency = \"USD\"\n";

/// The same command on a machine whose wall clock is off by so many seconds; a clock that nobody
/// sets runs as ever.
fn off_by(mut command: Command, seconds: i32) -> Command {
    let folders = std::fs::read_dir("/usr/lib")
        .expect("a system with libraries")
        .filter_map(Result::ok);

    let library = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());

    let library: PathBuf = library.expect("Debian's faketime is there; `.ci/tools` installs it");
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", format!("{seconds:+}"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");

    command
}

#[tokio::test]
async fn a_machine_whose_clock_is_far_off_is_refused_with_the_reason() {
    let ground = Ground::new(NOTHING_SOLD).await;
    for (seconds, says) in [
        (3_600, "3600 s ahead of the database's"),
        (-90, "90 s behind the database's"),
    ] {
        let refused = Node::try_start(&mut off_by(ground.serve(&ground.url()), seconds)).await;
        let errors = refused.err().expect("it does not start");
        assert!(errors.contains(says) && errors.contains("NTP"), "{errors}");
    }

    assert_eq!(
        read(
            &ground.database,
            "select count(*)::text from provider where holder is not null"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn a_node_that_is_ahead_leaves_no_lease_that_others_wait_for_and_is_told_of() {
    let ground = Ground::new(NOTHING_SOLD).await;
    let ahead = Node::start(&mut off_by(ground.serve(&ground.url()), 20)).await;

    let held = "select coalesce(bool_and(held_until between now() and now() + interval '10 \
                seconds'), false)::text from provider";
    until("the panel is held by the database's clock", async || {
        read(&ground.database, held).await == "true"
    })
    .await;

    let told = "select count(*) filter (where over_at is null)::text || ' ' || count(*) filter \
                (where over_at is not null) from alert where kind = 'clock_off' and raised_at is \
                not null";

    until("it is told", async || {
        read(&ground.database, told).await == "1 0"
    })
    .await;

    // Killed, it holds the panel for no longer than any other does; and once it is gone, its clock
    // is nobody's trouble.
    ahead.kill().await;
    let right = ground.node().await;
    until("another node deals with the panel", async || {
        read(&ground.database, held).await == "true"
    })
    .await;

    until("the alert is over", async || {
        read(&ground.database, told).await == "0 1"
    })
    .await;

    right.kill().await;
}

#[tokio::test]
async fn a_lease_that_no_clock_can_have_given_is_void() {
    let world = World::open().await;
    let given = |seconds: i64| {
        let (holder, until) = (
            Uuid::now_v7(),
            world.house.clock.now() + TimeDelta::seconds(seconds),
        );
        format!("update provider set holder = '{holder}', held_until = '{until}', epoch = 7")
    };

    run(&world.database, &given(3_600)).await.unwrap();
    assert_eq!(
        world
            .house
            .delivery
            .hold(&world.house.panels[0])
            .await
            .unwrap(),
        Some(8)
    );

    run(&world.database, &given(5)).await.unwrap();
    assert_eq!(
        world
            .house
            .delivery
            .hold(&world.house.panels[0])
            .await
            .unwrap(),
        None,
        "one that may be is kept"
    );
}

/// A panel of which a doubt may be found not placed a minute later.
const KNOWN: &str = "ids_grow = true\naccount_is_ours_alone = true\nvisible_after_s = 60\n";

#[tokio::test]
async fn a_clock_that_jumps_ahead_makes_no_doubt_visible() {
    let panel =
        Scripted::saying(r#"{"status":"In progress","charge":"0.09","remains":"100"}"#).await;
    let world = panel.world_with(KNOWN).await;

    // The second's answer is lost, and its panel takes it in after the third.
    let ids = Mutex::new(vec![Some(501), None, Some(502), Some(504)].into_iter());
    panel.say(move |form| {
        (form.get("action")? == "add").then(|| match ids.lock().unwrap().next().flatten() {
            Some(id) => (200, format!("{{\"order\":{id}}}")),
            None => (502, String::new()),
        })
    });

    let before = ClockReading::now(&*world.clock);
    world.buy("1", "100").await;
    world.work().await;
    world.turn(11);
    world.buy("1", "100").await;
    world.work().await;

    // An hour by the clock, in which nothing happened: what was bought then is no later than a
    // second.
    world.turn(3_601);
    let look = clock_watch::observe_clock(&world.house.store, &*world.clock, Some(before))
        .await
        .unwrap();

    assert_eq!(
        (look.step, look.was_set),
        (ClockStep::Ahead(TimeDelta::seconds(3_601)), true)
    );

    world.buy("1", "100").await;
    for panel in &world.house.panels {
        work_once(&world.house, panel).await;
    }

    world.turn(1);
    world.work().await;
    assert_eq!(
        legs(&world.database).await,
        "s accepted, s in_doubt, s accepted"
    );

    world.house.alerts.look().await.unwrap();
    let told = "select count(*)::text from alert where kind = 'clock_set' and raised_at is not \
                null and over_at is null";
    assert_eq!(read(&world.database, told).await, "1");

    // A minute that somebody watched is one.
    world.pass(4, 20).await;
    world.buy("1", "100").await;
    world.pass(2, 3 * 3_600).await;
    let placed = "select string_agg(coalesce(panel_order, state), ' ' order by id) from leg";
    assert_eq!(read(&world.database, placed).await, "501 503 502 504");

    world.turn(86_500);
    world.house.alerts.look().await.unwrap();

    assert_eq!(
        read(&world.database, told).await,
        "0",
        "it is news for a day"
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_takes_what_is_due_with_it() {
    let panel =
        Scripted::saying(r#"{"status":"In progress","charge":"0.09","remains":"100"}"#).await;
    let world = panel.world_with("").await;
    let broke = Arc::new(AtomicBool::new(false));
    let refusing = broke.clone();
    panel.say(move |form| {
        let refused = form.get("action")? == "add" && refusing.load(Ordering::SeqCst);
        refused.then(|| (200, r#"{"error":"Not enough funds"}"#.to_owned()))
    });

    world.buy("1", "100").await;
    world.work().await;
    world.turn(1);
    panel.change(|script| script.balance = r#"{"balance":"999.91"}"#.to_owned());
    world.count().await;
    world.turn(1);

    broke.store(true, Ordering::SeqCst);
    world.buy("1", "100").await;
    world.work().await;
    assert_eq!(legs(&world.database).await, "s accepted, s parked");
    let asked = panel.requests("status");

    world.turn(-6 * 3_600);
    broke.store(false, Ordering::SeqCst);
    let look = clock_watch::observe_clock(&world.house.store, &*world.clock, None)
        .await
        .unwrap();

    assert_eq!(look.step, ClockStep::Back(TimeDelta::hours(6)));
    world.pass(4, 30).await;
    assert_eq!(legs(&world.database).await, "s accepted, s accepted");
    assert!(panel.requests("status") > asked, "its status is asked for");
    world.audit().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_puts_off_no_alert_about_what_waits() {
    let world = World::open().await;
    pause(&world, "a", true).await;
    world.buy("1", "100").await;
    world.pass(10, 60).await;
    world.turn(-6 * 3_600);
    let look = clock_watch::observe_clock(&world.house.store, &*world.clock, None)
        .await
        .unwrap();

    assert_eq!(look.step, ClockStep::Back(TimeDelta::hours(6)));

    let waiting = async || {
        world.house.alerts.look().await.unwrap();
        let open =
            "select count(*)::text from alert where kind = 'orders_waiting' and over_at is null";
        read(&world.database, open).await
    };

    world.pass(4, 60).await;
    assert_eq!(waiting().await, "0", "fourteen minutes");
    world.pass(1, 60).await;

    assert_eq!(
        waiting().await,
        "1",
        "a quarter of an hour, whatever the clock says"
    );

    world.audit().await;
}

#[tokio::test]
async fn who_was_asked_under_a_name_is_not_asked_again_once_the_clock_was_set() {
    for (set_s, asked) in [(0, 2), (-2 * 3_600, 1)] {
        let (panel, world) = scripted("notpanel", "honours_request_id = true\n").await;
        panel.say(|form| (form.get("action")? == "add").then(|| (502, String::new())));
        world.buy("1", "100").await;
        world.work().await;
        world.turn(set_s);
        clock_watch::observe_clock(&world.house.store, &*world.clock, None)
            .await
            .unwrap();

        world.pass(3, 60).await;
        world.pass(5, 1_800).await;
        let adds = panel.requests("add");
        assert!(
            if asked == 1 { adds == 1 } else { adds >= asked },
            "{set_s}: {adds}"
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn a_look_that_waits_for_another_ones_sees_no_step_back() {
    let world = World::open().await;
    let mut other = world.house.store.begin().await.unwrap();
    sqlx::query("select at from clock_watch for update")
        .execute(&mut *other)
        .await
        .unwrap();

    let ends = async {
        let waits = "select (count(*) > 0)::text from pg_stat_activity where wait_event_type = \
                     'Lock' and datname = current_database()";
        until("the look waits", async || {
            read(&world.database, waits).await == "true"
        })
        .await;

        world.turn(10);
        sqlx::query("update clock_watch set at = $1")
            .bind(world.clock.now())
            .execute(&mut *other)
            .await
            .unwrap();

        other.commit().await.unwrap();
    };

    let (look, ()) = tokio::join!(
        clock_watch::observe_clock(&world.house.store, &*world.clock, None),
        ends
    );

    assert_eq!(look.unwrap().step, ClockStep::None);
    assert_eq!(
        read(&world.database, "select count(*)::text from clock_step").await,
        "0"
    );
}
