//! Alerts: what needs a person is told once, and once more when it is over, whatever becomes of the
//! receiver.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use panelgate::app::{App, Gateway, Roles};
use panelgate::domain::clock::{Clock, SystemClock};
use panelgate::domain::money::Money;
use panelgate::store::{alerts, conditions};
use tracing::instrument::WithSubscriber;

use rstest::rstest;

use crate::books::{read, run};
use crate::receiver::{Manner, Receiver, SECRET, away, webhook};
use crate::scripted::Scripted;
use crate::world::{Plan, World, all_of, work_once};

/// How long anything that must happen by itself may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often something that happens by itself is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What can need a person: the alert, what makes it so, and what ends it. Texts of panels and
/// customers stand in it, which nobody may be told.
const NEEDS: [(&str, &str, &str); 11] = [
    (
        "orders_in_doubt a",
        "update leg set state = 'in_doubt', doubted_at = now(), reason = 'https://example.org/1'",
        "update leg set state = 'ready'",
    ),
    (
        "orders_for_review ",
        "update orders set review = 'the panel says https://example.org/1'",
        "update orders set review = null",
    ),
    (
        "orders_parked a",
        "update leg set state = 'parked', parked_at = now(), parked_for = 'key', reason = 'the-panels-key is wrong'",
        "update leg set state = 'ready'",
    ),
    (
        "breaker_open a",
        "update provider set breaker = 'open', breaker_until = now()",
        "update provider set breaker = 'closed', breaker_until = null",
    ),
    ("dispatch_frozen ", "update dispatch set frozen_at = now()", "update dispatch set frozen_at = null"),
    (
        "catalog_unreadable a",
        "update provider set catalog_error = 'no key the-panels-key'",
        "update provider set catalog_error = null",
    ),
    (
        "price_jump a",
        "update panel_service set held_at = now() where service = '1'",
        "update panel_service set held_at = null",
    ),
    ("balance_low a", "update provider set balance = 49.99999999", "update provider set balance = 50"),
    (
        "balance_drift a",
        "insert into drift (provider, cause, amount, currency, after_reading, by_reading, after_at, by_at, found_at, orders,
            orders_count, words)
        values ('a', 'unexplained', 1, 'USD', 1, 2, now(), now(), now(), '{1}', 1, 'https://example.org/1')",
        "update drift set acknowledged_at = now()",
    ),
    ("runway_short a", "update provider set hours_left = 5.9", "update provider set hours_left = 6"),
    (
        "audit_overdue ",
        "insert into round (name, begun_at, unfinished) values ('audit', now(), 4)",
        "update round set unfinished = 0",
    ),
];

async fn world() -> World {
    let services = format!("balance_low = \"50\"\n{}", all_of("a"));
    let world = World::build(Plan {
        services,
        ..Plan::default()
    })
    .await;

    world.buy("1", "100").await;
    world
}

/// The same, and somebody deals with its panel for as long as the test takes.
async fn served() -> World {
    let world = world().await;
    run(
        &world.database,
        "update provider set held_until = '2100-01-01'",
    )
    .await
    .unwrap();

    // However long a test takes, its order is no old one.
    run(&world.database, "update leg set began_at = '2100-01-01'")
        .await
        .unwrap();

    world
}

/// The panel is dealt with for a minute from now: nobody honest holds one for longer.
async fn hold_shortly(world: &World) {
    let until = (world.clock.now() + chrono::TimeDelta::minutes(1)).to_rfc3339();
    run(
        &world.database,
        &format!("update provider set held_until = '{until}'"),
    )
    .await
    .unwrap();
}

/// Looks and tells, twice, for the second time must change nothing.
async fn rounds(house: &App) {
    for _ in 0..2 {
        house.alerts.look().await.unwrap();
        house.alerts.tell().await.unwrap();
    }
}

/// The log of what is done.
async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let written = lines.clone();
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || written.clone())
        .finish();

    let done = work.with_subscriber(log).await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

#[tokio::test]
async fn each_need_is_told_once_and_once_more_when_it_is_over() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    rounds(&house).await;
    assert!(receiver.heard().is_empty(), "all is well");
    let mut expected = Vec::new();

    for (need, begin, end) in NEEDS {
        run(&world.database, begin).await.unwrap();
        let ((), begun) = logged(rounds(&house)).await;
        world.turn(100);
        let ((), nothing) = logged(rounds(&house)).await;
        run(&world.database, end).await.unwrap();
        let ((), ended) = logged(rounds(&house)).await;

        expected.extend([format!("raised {need}"), format!("over {need}")]);
        assert_eq!(receiver.taken(), expected);
        let kind = format!("kind=\"{}\"", need.split(' ').next().unwrap());

        for (log, level) in [(&begun, "ERROR|WARN"), (&ended, "INFO")] {
            let lines: Vec<_> = log.lines().filter(|line| line.contains(&kind)).collect();
            assert!(
                lines.len() == 1 && level.split('|').any(|level| lines[0].contains(level)),
                "{need}: {log}"
            );
        }

        assert!(nothing.is_empty(), "{need}: {nothing}");
        assert!(!format!("{begun}{ended}").contains("only-friends-know"));
    }

    let heard = receiver.heard();
    assert_eq!(heard.len(), expected.len(), "nothing is told twice");

    for heard in &heard {
        assert!(
            !heard.text.contains("example.org") && !heard.text.contains("the-panels-key"),
            "{}",
            heard.text
        );
    }

    let body = &heard[1].body;
    assert_eq!(
        (&body["since"], &body["timestamp"]),
        (
            &"2023-11-14T22:13:20Z".into(),
            &"2023-11-14T22:15:00Z".into()
        )
    );

    assert_eq!(body["count"], 1);
}

#[tokio::test]
async fn a_signature_is_what_others_verify() {
    let world = served().await;
    world.clock.turn(SystemClock.now() - world.clock.now());
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    run(&world.database, NEEDS[4].1).await.unwrap();
    rounds(&house).await;

    let heard = &receiver.heard()[0];
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    verifier
        .verify(heard.text.as_bytes(), &heard.headers)
        .unwrap();

    verifier
        .verify(
            heard.text.replace("frozen", "thawed").as_bytes(),
            &heard.headers,
        )
        .unwrap_err();
}

#[tokio::test]
async fn what_is_counted_is_kept_current_and_told_once() {
    let world = world().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    let mut counts = Vec::new();

    for _ in 0..3 {
        world.buy("8", "100").await;
        world.work().await;
        rounds(&house).await;

        counts.extend(
            alerts::list_alerts(&house.store)
                .await
                .unwrap()
                .iter()
                .map(|row| row.count),
        );
    }

    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(receiver.taken(), ["raised orders_in_doubt a"]);
}

#[tokio::test]
async fn a_balance_is_low_when_the_panel_says_so() {
    let world = world().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    let steps = [("49.99", 1), ("12", 1), ("50", 2), ("10000", 2), ("0", 3)];

    for (balance, told) in steps {
        world
            .panel()
            .set_balance(Money::parse(balance).unwrap().decimal());

        house.delivery.ask_balance(&house.panels[0]).await.unwrap();
        rounds(&house).await;
        assert_eq!(receiver.heard().len(), told, "{balance}");
    }

    assert_eq!(
        receiver.taken(),
        [
            "raised balance_low a",
            "over balance_low a",
            "raised balance_low a"
        ]
    );
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_later_and_in_order() {
    let world = served().await;
    for manner in [Manner::Answers(500), Manner::Answers(307), Manner::Hangs] {
        let receiver = Receiver::start(manner).await;
        let house = world.restarted().await.telling(Some(receiver.webhook()));
        let (need, begin, end) = NEEDS[4];
        run(&world.database, begin).await.unwrap();
        rounds(&house).await;
        world.turn(4);

        rounds(&house).await;
        assert_eq!(receiver.heard().len(), 1, "it is left alone for a while");
        world.turn(2);
        rounds(&house).await;
        assert_eq!(receiver.heard().len(), 2);

        // Over before it was told: both are told, in order.
        run(&world.database, end).await.unwrap();
        receiver.change(Manner::Takes);
        rounds(&house).await;

        assert_eq!(
            receiver.heard().len(),
            2,
            "an end that nobody can place is not told before its beginning"
        );

        world.turn(10);
        rounds(&house).await;
        assert_eq!(
            receiver.taken(),
            [format!("raised {need}"), format!("over {need}")]
        );

        let heard = receiver.heard();
        let ids: Vec<_> = heard.iter().map(crate::receiver::Heard::id).collect();
        assert!(
            ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
            "{ids:?}"
        );

        assert!(heard[0].text == heard[1].text && heard[1].text == heard[2].text);
    }
}

#[tokio::test]
async fn a_receiver_that_was_away_is_told_when_it_is_back_and_not_of_what_is_long_over() {
    let world = served().await;
    let addr = away().await;
    let house = world.restarted().await.telling(Some(webhook(addr)));
    let (dispatch, breaker) = (NEEDS[4], NEEDS[3]);
    run(&world.database, dispatch.1).await.unwrap();
    rounds(&house).await;

    run(&world.database, dispatch.2).await.unwrap();
    rounds(&house).await;
    world.turn(73 * 3_600);
    run(&world.database, breaker.1).await.unwrap();
    let ((), log) = logged(rounds(&house)).await;
    assert!(
        log.contains("the alert webhook took no message") && !log.contains("only-friends-know"),
        "{log}"
    );

    let receiver = Receiver::at(addr, Manner::Takes).await;
    world.turn(10);
    rounds(&house).await;
    assert_eq!(receiver.taken(), ["raised breaker_open a"]);
}

/// What went wrong in other houses: the end of an earlier alert came late and closed the one that
/// is open now.
#[tokio::test]
async fn an_earlier_end_is_told_before_a_later_beginning() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    let (need, begin, end) = NEEDS[4];
    run(&world.database, begin).await.unwrap();
    rounds(&house).await;

    receiver.change(Manner::Answers(503));
    world.turn(1);
    run(&world.database, end).await.unwrap();
    rounds(&house).await;
    world.turn(1);
    run(&world.database, begin).await.unwrap();

    receiver.change(Manner::Takes);
    rounds(&house).await;
    assert_eq!(receiver.taken(), [format!("raised {need}")]);
    world.turn(5);
    rounds(&house).await;

    assert_eq!(
        receiver.taken(),
        [
            format!("raised {need}"),
            format!("over {need}"),
            format!("raised {need}")
        ]
    );
}

#[tokio::test]
async fn two_houses_on_one_database_tell_each_message_once() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let one = world.restarted().await.telling(Some(receiver.webhook()));
    let other = world.restarted().await.telling(Some(receiver.webhook()));
    let begin = "insert into finding (name, violations, at) select 'check_' || n, 1, now() from \
                 generate_series(1, 30) n";

    for (step, statement) in [(1, begin), (2, "update finding set violations = 0")] {
        run(&world.database, statement).await.unwrap();
        let (ones, others) = tokio::join!(one.alerts.look(), other.alerts.look());
        let (ones, others) = (ones.unwrap(), others.unwrap());
        let turned = |turns: &panelgate::alerts::Turns| turns.raised.len() + turns.over.len();
        assert_eq!(
            turned(&ones) + turned(&others),
            30,
            "each turn is one house's to log"
        );

        for _ in 0..2 {
            let (ones, others) = tokio::join!(one.alerts.tell(), other.alerts.tell());
            ones.unwrap();
            others.unwrap();
        }

        let mut ids: Vec<_> = receiver
            .heard()
            .iter()
            .map(|heard| heard.id().to_owned())
            .collect();

        ids.sort();
        ids.dedup();
        assert_eq!((receiver.heard().len(), ids.len()), (step * 30, step * 30));
    }
}

#[tokio::test]
async fn a_claim_is_taken_over_when_its_process_is_gone() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    run(&world.database, NEEDS[4].1).await.unwrap();
    house.alerts.look().await.unwrap();
    let now = world.clock.now();
    let claim = async |until_s: i64| {
        let until = now + chrono::TimeDelta::seconds(until_s);
        alerts::claim_due_message(
            &house.store,
            until,
            now - chrono::TimeDelta::hours(1),
            world.clock.now(),
        )
        .await
        .unwrap()
    };

    let gone = claim(30).await.unwrap();
    house.alerts.tell().await.unwrap();
    assert!(receiver.heard().is_empty(), "somebody is at it");
    world.turn(30);
    house.alerts.tell().await.unwrap();
    assert_eq!(receiver.taken().len(), 1);

    // It was only slow: its word on a try that is not the present one changes nothing.
    assert!(
        !alerts::message_taken(&house.store, &gone, world.clock.now())
            .await
            .unwrap()
    );

    assert!(
        !alerts::put_off(&house.store, &gone, world.clock.now())
            .await
            .unwrap()
    );

    rounds(&house).await;
    assert_eq!(receiver.heard().len(), 1);
}

#[tokio::test]
async fn a_panel_that_nobody_deals_with_is_told_after_a_minute() {
    let world = world().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));
    rounds(&house).await;
    world.turn(59);
    rounds(&house).await;

    assert!(receiver.heard().is_empty());
    world.turn(1);
    rounds(&house).await;
    assert_eq!(receiver.taken(), ["raised panel_unserved a"]);
    world.work().await;
    rounds(&house).await;

    assert_eq!(receiver.taken().last().unwrap(), "over panel_unserved a");
    world.buy("1", "50").await;

    for _ in 0..3 {
        world.turn(40);
        rounds(&house).await;
        world.work().await;
        rounds(&house).await;
        world.buy("1", "50").await;
    }

    assert_eq!(
        receiver.heard().len(),
        2,
        "a moment without a holder is no news"
    );
}

#[tokio::test]
async fn the_books_are_proved_on_a_schedule_by_one_house_and_complained_about() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let one = world.restarted().await.telling(Some(receiver.webhook()));
    let other = world.restarted().await;

    let prove = async || {
        hold_shortly(&world).await;
        let (ones, others) = tokio::join!(one.alerts.prove(), other.alerts.prove());
        let found: Vec<_> = [ones.unwrap(), others.unwrap()]
            .into_iter()
            .flatten()
            .collect();

        rounds(&one).await;
        found.len()
    };

    assert_eq!(
        (prove().await, prove().await),
        (1, 0),
        "once in ten minutes, by one of them"
    );

    let violations = "select string_agg(violations::text, '' order by name) from finding";
    let sound = read(&world.database, violations).await;
    assert!(
        sound.len() > 10 && sound.bytes().all(|byte| byte == b'0'),
        "{sound}"
    );

    run(
        &world.database,
        "update wallet set balance = balance + 0.00000001",
    )
    .await
    .unwrap();

    for _ in 0..2 {
        world.turn(600);
        let (proved, log) = logged(Box::pin(prove())).await;
        assert_eq!(proved, 1);
        assert!(
            log.contains("THE BOOKS DO NOT HOLD failed=wallet_is_sum_of_transfers (1)"),
            "{log}"
        );
    }

    let told = |turn: &str| {
        receiver
            .taken()
            .iter()
            .filter(|told| told.starts_with(turn))
            .cloned()
            .collect::<Vec<_>>()
    };

    assert!(told("raised audit").contains(&"raised audit wallet_is_sum_of_transfers".to_owned()));
    let raised = told("raised audit").len();

    run(
        &world.database,
        "update wallet set balance = balance - 0.00000001",
    )
    .await
    .unwrap();

    world.turn(600);
    assert_eq!(prove().await, 1);
    assert_eq!(
        (told("raised audit").len(), told("over audit").len()),
        (raised, raised)
    );
}

#[tokio::test]
async fn an_audit_that_cannot_be_done_is_told_too() {
    let world = served().await;
    let receiver = Receiver::start(Manner::Takes).await;
    let house = world.restarted().await.telling(Some(receiver.webhook()));

    run(
        &world.database,
        "alter table settlement rename to elsewhere",
    )
    .await
    .unwrap();

    for proved in 1..=4 {
        house.alerts.prove().await.unwrap_err();
        rounds(&house).await;
        assert_eq!(receiver.heard().len(), usize::from(proved == 4));
        world.turn(600);
    }

    run(
        &world.database,
        "alter table elsewhere rename to settlement",
    )
    .await
    .unwrap();

    hold_shortly(&world).await;
    assert!(house.alerts.prove().await.unwrap().unwrap().hold());
    rounds(&house).await;
    assert_eq!(
        receiver.taken(),
        ["raised audit_overdue ", "over audit_overdue "]
    );
}

/// In real time: nothing is done by hand but what is needed. A process that delivers nothing tells
/// that nobody does.
#[rstest]
#[tokio::test]
async fn a_gateway_proves_looks_and_tells_by_itself(#[values(true, false)] workers: bool) {
    let world = World::open().await;
    run(&world.database, "update wallet set balance = balance + 1")
        .await
        .unwrap();

    let receiver = Receiver::start(Manner::Takes).await;
    let roles = Roles {
        api: None,
        console: None,
        workers,
        drain: Some(PATIENCE),
    };

    let gateway = Gateway::open(
        world.restarted().await.telling(Some(receiver.webhook())),
        roles,
        None,
    )
    .await
    .unwrap();

    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut until = async |told: &[&str]| {
        let looked = async {
            while receiver.taken() != told {
                looks.tick().await;
            }
        };

        tokio::time::timeout(PATIENCE, looked)
            .await
            .unwrap_or_else(|_| panic!("never told: {told:?}"));
    };

    let audit = "raised audit wallet_is_sum_of_transfers";
    until(&[audit]).await;
    run(&world.database, NEEDS[4].1).await.unwrap();
    until(&[audit, "raised dispatch_frozen "]).await;
    run(&world.database, NEEDS[4].2).await.unwrap();
    until(&[audit, "raised dispatch_frozen ", "over dispatch_frozen "]).await;

    gateway.close().await;
}

#[tokio::test]
async fn old_alerts_are_forgotten() {
    let world = served().await;
    let house = world.restarted().await;
    run(&world.database, NEEDS[4].1).await.unwrap();
    rounds(&house).await;
    run(&world.database, NEEDS[4].2).await.unwrap();
    rounds(&house).await;

    let count = "select count(*)::text from alert where kind = 'dispatch_frozen'";
    for (days, left) in [(90, "1"), (1, "0")] {
        world.turn(days * 86_400);
        house.alerts.prove().await.unwrap().unwrap();
        assert_eq!(read(&world.database, count).await, left);
    }
}

/// Its thresholds and panels are those of an older file: it would take turns with the others, for
/// ever.
#[tokio::test]
async fn a_node_behind_neither_raises_nor_ends_what_is_so_by_the_file() {
    let world = served().await;
    let node = world.restarted().await;

    run(
        &world.database,
        "update provider set balance = 49, hours_left = 1",
    )
    .await
    .unwrap();

    node.alerts.look().await.unwrap();
    let open = "select string_agg(kind, ' ' order by kind) from alert where over_at is null";
    assert_eq!(
        read(&world.database, open).await,
        "balance_low runway_short"
    );

    let newer = "insert into config_version (hash, body, published_at, published_by)
                 values ('newer', 'x', now(), 'another node')";
    run(&world.database, newer).await.unwrap();
    let turned = "update provider set balance = 50, hours_left = 7, breaker = 'open', \
                  breaker_until = now();
                  update dispatch set frozen_at = now()";

    run(&world.database, turned).await.unwrap();
    node.alerts.look().await.unwrap();

    // What the database alone says is told as ever, or nobody would tell it where no node can adopt
    // the newest.
    assert_eq!(
        read(&world.database, open).await,
        "balance_low dispatch_frozen runway_short"
    );

    run(
        &world.database,
        "delete from config_version where hash = 'newer'",
    )
    .await
    .unwrap();

    node.alerts.look().await.unwrap();
    assert_eq!(
        read(&world.database, open).await,
        "breaker_open dispatch_frozen"
    );
}

/// Whatever is found of the panels of a file only is not found by whoever has another file, and is
/// no end of it.
#[tokio::test]
async fn each_kind_that_is_looked_for_at_the_files_panels_is_left_alone_by_a_node_behind() {
    let world = served().await;
    let all = "insert into unknown_word (provider, text, first_at, last_at, count) values ('a', \
               'x', now(), now(), 1);
         update panel_service set missing_at = now();
         update provider set catalog_error = 'x', statuses_failed = 3;
         insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
         select 1, gen_random_uuid(), order_id, id, 'a', '2001-01-01', now() from leg";

    for (_, begin, _) in NEEDS {
        run(&world.database, begin).await.unwrap();
    }

    run(&world.database, all).await.unwrap();

    let settings = world.house.panels[0].settings();
    let (provider, balance_low) = (settings.id.clone(), settings.balance_low);
    let watched = conditions::WatchedPanel {
        provider,
        balance_low,
        refill_expires_after_h: 1,
    };

    let now = world.clock.now();
    let mut tx = world.house.store.begin().await.unwrap();
    let mut found = conditions::find_conditions(&mut tx, std::slice::from_ref(&watched), now)
        .await
        .unwrap();

    found.extend(conditions::price_jumps(&mut tx, &[watched]).await.unwrap());
    let by_all = conditions::find_conditions(&mut tx, &[], now)
        .await
        .unwrap();

    found.retain(|one| by_all.iter().all(|other| other.kind != one.kind));
    assert!(
        found.len() >= 8
            && found
                .iter()
                .all(|condition| condition.kind.is_by_the_file()),
        "{found:?}"
    );
}

/// Nobody asks before the start, and the panel does not know what the other account bought.
#[tokio::test]
async fn a_start_under_the_key_of_another_account_is_told_at_the_first_answer() {
    let panel = Scripted::saying(r#"{"status":"In progress","remains":"50"}"#).await;
    let world = panel.world().await;
    world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 61).await;

    let raised = async |house: &App| {
        house.alerts.look().await.unwrap();
        let kinds = "select coalesce(string_agg(kind || ' ' || object || ' ' || count, ', '), '') \
                     from alert where over_at is null";
        read(&world.database, kinds).await
    };

    assert_eq!(raised(&world.house).await, "");
    panel.change(|script| script.row = r#"{"error":"Incorrect order ID"}"#.to_owned());
    let other = world.restarted_under("ANOTHER").await;
    other.refresh().await.unwrap();
    world.turn(301);
    work_once(&other, &other.panels[0]).await;
    assert_eq!(raised(&other).await, "account_differs s 1");

    // The key before is back, and the panel knows the order again.
    panel.change(|script| script.row = r#"{"status":"In progress","remains":"40"}"#.to_owned());
    let same = world.restarted().await;
    same.refresh().await.unwrap();
    world.turn(301);
    work_once(&same, &same.panels[0]).await;
    assert_eq!(raised(&same).await, "");
}
