//! What moves in panels' catalogs: written down, told, and held where it moves too far.

use std::collections::BTreeMap;
use std::path::Path;

use panelgate::config;
use panelgate::domain::clock::Clock;
use panelgate::domain::clock::SystemClock;
use panelgate::domain::id::ServiceId;
use panelgate::domain::money::Rate;
use serde_json::{Value, json};

use crate::backup::{json, refused, told};
use crate::books::{holds, legs, read};
use crate::scripted::Scripted;
use crate::shrunk::all_gone;
use crate::world::{Plan, World, one_over};

const HELD: &str = "its panel's rate moved by more than price_jump_percent: accept it with \
                    `panelgate catalog accept`";
const COMPLETED: &str = r#"{"charge":"0.09","start_count":"1","status":"Completed","remains":"0"}"#;

fn row(service: &str, rate: &str) -> Value {
    json!({
        "service": service, "name": "Likes", "type": "Default", "category": "Instagram", "rate": rate, "min": "10",
        "max": "1000", "refill": true, "cancel": false,
    })
}

fn tell(panel: &Scripted, rows: &[Value]) {
    let rows = Value::from(rows).to_string();
    panel.change(|script| script.services = rows);
}

/// A panel that sells one service at this rate, imported as 20000.
async fn selling(rate: &str) -> (Scripted, World) {
    let panel = Scripted::saying(COMPLETED).await;
    tell(&panel, &[row("1", rate)]);
    let services = format!(
        "{}[[import]]\nprovider = \"s\"\nids_from = 20000\n[[markup]]\npercent = \"20\"\n",
        panel.block()
    );

    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await;

    (panel, world)
}

/// The panel's service costs this from now on. What it is sold for, or why it is not.
async fn reprice(panel: &Scripted, world: &World, rate: &str) -> String {
    tell(panel, &[row("1", rate)]);
    world.house.refresh().await.unwrap();
    shown(world)
}

fn shown(world: &World) -> String {
    let now = world.house.catalog.now();
    let sold = now
        .sold
        .get(&ServiceId(20000))
        .map(|sold| sold.price.cost_rate.to_string());

    sold.unwrap_or_else(|| now.unsold[0].why.to_owned())
}

async fn diff(world: &World, words: &[&str]) -> Value {
    json(&world.database, &[&["catalog", "diff"], words].concat()).await
}

/// `what service was > became` of each move.
fn moved(document: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let line = |one: &Value| {
        format!(
            "{} {} {} > {}",
            text(&one["what"]),
            text(&one["service"]),
            text(&one["was"]),
            text(&one["became"])
        )
    };

    document["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[tokio::test]
async fn each_refresh_writes_down_what_moved() {
    let (panel, world) = selling("0.90").await;
    assert_eq!(
        diff(&world, &[]).await["moves"],
        json!([]),
        "the first reading is compared with nothing"
    );

    tell(
        &panel,
        &[
            row("1", "0.90"),
            row("2", "1"),
            row("3", "1"),
            row("4", "call us"),
        ],
    );

    world.house.refresh().await.unwrap();
    assert_eq!(
        moved(&diff(&world, &[]).await),
        ["added 4  > call us", "added 3  > 1", "added 2  > 1"]
    );

    let mut first = row("1", "1.08");
    for (key, value) in [
        ("name", "Better likes"),
        ("category", "IG"),
        ("type", "Poll"),
        ("max", "5000"),
    ] {
        first[key] = value.into();
    }

    first["cancel"] = true.into();
    tell(&panel, &[row("4", "2"), first, row("2", "1.2500")]);
    world.house.refresh().await.unwrap();
    let document = diff(&world, &["--provider", "s"]).await;
    assert_eq!(
        moved(&document),
        [
            "rate 4 call us > 2",
            "rate 2 1 > 1.25",
            "rate 1 0.9 > 1.08",
            "gone 3 1 > ",
            "type 1 Default > Poll",
            "bounds 1 10-1000 > 10-5000",
            "flags 1 refill > refill, cancel",
            "name 1 Likes > Better likes",
            "category 1 Instagram > IG",
        ],
        "the biggest moves of rates first"
    );

    assert_eq!(document["totals"]["rate"], 3);
    let shown = told(&world.database, &["catalog", "diff"]).await;
    let cells = shown.split_whitespace().collect::<Vec<_>>().join(" ");

    for says in [
        "Better likes 0.90 1.08 20 % ",
        " call us 2.00 ",
        " 10-1000 10-5000 ",
    ] {
        assert!(cells.contains(says), "{shown}");
    }

    let of_one = document["moves"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["was"] == "0.9")
        .unwrap();

    assert_eq!(
        (&of_one["percent"], &of_one["held"]),
        (&"20".into(), &false.into())
    );

    let ours = json!([{ "id": 20000, "rate": "1.296", "margin_percent": "16.66" }]);
    assert_eq!(of_one["ours"], ours, "1.08 and 20 %");

    let gone = document["moves"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["what"] == "gone")
        .unwrap();

    assert_eq!(
        gone["ours"][0],
        json!({ "id": 20002, "why": "its panel does not list it now" })
    );

    // Nothing moved since, and a service that was gone is back.
    world.house.refresh().await.unwrap();
    assert_eq!(diff(&world, &["--last"]).await["moves"], json!([]));
    tell(&panel, &[row("3", "1")]);
    world.turn(60);
    world.house.refresh().await.unwrap();

    all_gone(&world.house, "s").await;
    let found = moved(&diff(&world, &[]).await);
    assert!(
        found.len() == 4 && found.contains(&"back 3  > 1".to_owned()),
        "{found:?}"
    );

    assert_eq!(
        diff(&world, &["--since", "2023-11-14"]).await["moves"]
            .as_array()
            .unwrap()
            .len(),
        16
    );

    assert_eq!(
        moved(&diff(&world, &["--since", "2023-11-14T22:14:20Z"]).await).len(),
        4
    );

    assert_eq!(diff(&world, &["--since", "7d"]).await["moves"], json!([]));
}

#[tokio::test]
async fn of_a_panel_that_was_never_read_nothing_is_sold_and_nothing_could_move() {
    let panel = Scripted::saying(COMPLETED).await;
    panel.change(|script| script.services = "not now".to_owned());

    let world = World::build(Plan {
        panels: Vec::new(),
        services: panel.block(),
        ..Plan::default()
    })
    .await;

    world.house.alerts.look().await.unwrap();
    let alerts = json(&world.database, &["alert", "list"]).await;
    let words = "cannot be read; what was read of it before is sold, if anything was";
    assert!(
        alerts[0]["words"].as_str().unwrap().contains(words),
        "{alerts}"
    );

    let (all, one) = (["catalog", "diff"], ["catalog", "diff", "--provider", "s"]);
    assert_eq!(
        told(&world.database, &all).await,
        "no panel's catalog was read yet\n"
    );

    assert_eq!(
        told(&world.database, &one).await,
        "no catalog of panel s was read yet\n"
    );

    tell(&panel, &[row("1", "1")]);
    world.house.refresh().await.unwrap();

    for words in [&all[..], &one] {
        assert_eq!(
            told(&world.database, words).await,
            "nothing moved at the last refresh\n"
        );
    }
}

#[tokio::test]
async fn what_moved_long_ago_is_forgotten() {
    let (panel, world) = selling("0.90").await;
    reprice(&panel, &world, "1").await;
    world.turn(90 * 86_400 - 1);
    reprice(&panel, &world, "1.1").await;
    let kept = "select string_agg(became, ' ' order by id) from catalog_change";
    assert_eq!(read(&world.database, kept).await, "1 1.1");

    world.turn(2);
    reprice(&panel, &world, "1.2").await;
    assert_eq!(read(&world.database, kept).await, "1.1 1.2");
}

#[tokio::test]
async fn a_rate_that_jumps_is_held_until_it_is_accepted_or_comes_back() {
    let (panel, world) = selling("0.90").await;
    assert_eq!(
        reprice(&panel, &world, "1.17").await,
        "1.17",
        "30 % is within the bound"
    );

    assert_eq!(
        reprice(&panel, &world, "1.5211").await,
        HELD,
        "and a little more is not"
    );

    let refusal = world
        .ask(&[
            ("action", "add"),
            ("service", "20000"),
            ("link", "a"),
            ("quantity", "10"),
        ])
        .await;

    assert_eq!(refusal, r#"{"error":"Incorrect service ID"}"#);
    let held = &diff(&world, &[]).await["moves"][0];
    assert_eq!(
        (&held["held"], &held["ours"][0]["why"]),
        (&true.into(), &HELD.into())
    );

    let told = told(&world.database, &["catalog", "diff"]).await;
    assert!(
        told.ends_with("held: panelgate --database-url URL catalog accept s 1 --rate 1.5211\n"),
        "{told}"
    );

    assert_eq!(
        reprice(&panel, &world, "1.5").await,
        "1.50",
        "it came back within 30 % of 1.17 by itself"
    );

    assert_eq!(
        reprice(&panel, &world, "1.04").await,
        HELD,
        "down by more than 30 % is as strange"
    );

    // Unreadable for a while: what appears is compared with what was accepted last.
    assert_eq!(
        reprice(&panel, &world, "call us").await,
        "no route has a known price"
    );

    assert_eq!(reprice(&panel, &world, "0.5").await, HELD);
    tell(&panel, &[]);
    world.house.refresh().await.unwrap();

    assert_eq!(
        reprice(&panel, &world, "0.5").await,
        HELD,
        "nor is it believed after it was gone"
    );

    // Only what was looked at, where that is said.
    let accept = ["catalog", "accept", "s", "1", "--rate"];

    refused(
        &world.database,
        &[&accept[..], &["0.55"]].concat(),
        "costs 0.50 by now, and not 0.55",
    )
    .await;

    world.house.catalog.adopt().await.unwrap();
    assert_eq!(shown(&world), HELD);
    let words = [
        "catalog", "accept", "s", "1", "--rate", "0.5", "--reason", "a sale", "--as", "ada",
    ];

    let accepted = json(&world.database, &words).await;
    assert_eq!(
        accepted["accepted"],
        json!([{ "service": "1", "was": "1.50", "accepted": "0.50" }])
    );

    world.house.catalog.adopt().await.unwrap();
    assert_eq!(
        shown(&world),
        "0.50",
        "sold again at once, without a refresh"
    );

    let deed = "select who || ' ' || verb || ' ' || object || ' ' || reason from audit_log";
    assert_eq!(
        read(&world.database, deed).await,
        "ada catalog accept provider s services 1 a sale"
    );

    refused(
        &world.database,
        &[&accept[..], &["0.5"]].concat(),
        "is held by now; nothing was accepted",
    )
    .await;

    let again = json(&world.database, &["catalog", "accept", "s"]).await;
    assert_eq!(again["accepted"], json!([]));
    assert_eq!(
        read(&world.database, "select count(*)::text from audit_log").await,
        "1"
    );

    refused(
        &world.database,
        &["catalog", "accept", "other"],
        "no panel \"other\"",
    )
    .await;

    refused(
        &world.database,
        &["catalog", "accept", "s", "77"],
        "never listed a service \"77\"",
    )
    .await;

    // Creeping is believed step by step.
    for rate in ["0.6", "0.7", "0.9", "1.1", "1.4"] {
        reprice(&panel, &world, rate).await;
    }

    assert_eq!(shown(&world), "1.40");
}

#[tokio::test]
async fn the_bound_is_what_the_file_says() {
    for (percent, rate, sells) in [
        ("0", "0.91", false),
        ("200", "2.7", true),
        ("200", "2.71", false),
        ("1000", "0.01", true),
    ] {
        let panel = Scripted::saying(COMPLETED).await;
        tell(&panel, &[row("1", "0.90")]);
        let services = format!(
            "price_jump_percent = \"{percent}\"\n{}[[import]]\nprovider = \"s\"\nids_from = \
             20000\n",
            panel.block()
        );
        let world = World::build(Plan {
            panels: Vec::new(),
            services,
            ..Plan::default()
        })
        .await;
        assert_eq!(
            reprice(&panel, &world, rate).await != HELD,
            sells,
            "{percent} {rate}"
        );
    }
}

#[tokio::test]
async fn another_route_serves_while_one_is_held() {
    let services = one_over(&["a", "b"]).replace("rate = \"2\"\n", "");
    let world = World::build(Plan {
        panels: vec![("a", ""), ("b", "")],
        services,
        ..Plan::default()
    })
    .await;

    let jump = async |panel: usize, rate: &str| {
        world.panels[panel].set_rate("1", Rate::parse(rate).unwrap().decimal());
        world.house.refresh().await.unwrap();
    };

    jump(0, "0.10").await;
    let price = || {
        world
            .house
            .catalog
            .now()
            .sold
            .get(&ServiceId(1))
            .map(|sold| sold.price.rate.to_string())
    };

    assert_eq!(
        price().unwrap(),
        "0.90",
        "not the price that nobody believes"
    );

    let order = world.buy("1", "100").await;
    world.work().await;
    world.pass(1, 10).await;

    assert!(
        world
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(legs(&world.database).await, "b ended");
    jump(1, "9").await;
    assert_eq!(price(), None);
    let list = json(&world.database, &["catalog", "list"]).await;
    assert_eq!(list["not_sold"], json!([{ "id": 1, "why": HELD }]));
    json(&world.database, &["catalog", "accept", "a"]).await;

    world.house.catalog.adopt().await.unwrap();
    assert_eq!(price().unwrap(), "0.10");
    let list = json(&world.database, &["catalog", "list"]).await;

    assert_eq!(
        (
            &list["services"][0]["routes"][1]["held"],
            &list["services"][0]["routes"][1]["cost"]
        ),
        (&"9.00".into(), &Value::Null)
    );

    world.audit().await;
}

#[tokio::test]
async fn what_was_sold_before_is_judged_by_the_rate_that_is_held() {
    // Bounds that nothing fits come with the new rate: nobody could sell by that row, and the leg
    // is judged all the same.
    for strange in [false, true] {
        let (panel, world) = selling("0.90").await;

        // 0.108 for 100: 1.04 for 1,000 leaves 3 %.
        let (dear, cheap) = (
            world.buy("20000", "100").await,
            world.buy("20000", "100").await,
        );

        let mut first = row("1", "1.90");
        if strange {
            (first["min"], first["max"]) = ("500".into(), "400".into());
        }

        tell(&panel, &[first]);
        world.house.refresh().await.unwrap();
        assert_eq!(shown(&world), HELD);
        world.pass(2, 61).await;
        assert_eq!(
            (panel.requests("add"), legs(&world.database).await.as_str()),
            (0, "s parked, s parked")
        );

        assert!(
            read(&world.database, "select min(reason) from leg")
                .await
                .starts_with("held: s costs 0.19 now")
        );

        world
            .ask(&[("action", "cancel"), ("order", &dear.to_string())])
            .await;

        // Much cheaper is held too, and no reason to keep a customer waiting.
        assert_eq!(reprice(&panel, &world, "0.20").await, HELD);
        world.pass(2, 61).await;
        world.pass(1, 10).await;

        assert!(
            world
                .status(cheap)
                .await
                .contains(r#""status":"Completed""#)
        );

        assert_eq!(panel.requests("add"), 1);
        assert_eq!(
            holds(&world.database, "cost").await,
            "-0.09",
            "what the panel charged in the end"
        );

        world.audit().await;
    }
}

#[tokio::test]
async fn an_exchange_rate_that_the_operator_writes_holds_nothing() {
    let panel = Scripted::saying(COMPLETED).await;
    tell(&panel, &[row("1", "11436.5")]);
    let exchange =
        |rate: &str| format!("[exchange]\nUZS = {{ rate = \"{rate}\", dated = \"2026-11-01\" }}\n");
    let mut world = panel.world_in("UZS", &exchange("0.0000787")).await;

    let rate = |house: &panelgate::app::App| {
        house
            .catalog
            .now()
            .sold
            .get(&ServiceId(1))
            .map(|sold| sold.price.rate.to_string())
    };

    assert_eq!(rate(&world.house).unwrap(), "0.90005255");
    let text = world.file.text.replace("0.0000787", "0.0001574");
    world.file = config::read(&text, Path::new("."), &BTreeMap::new()).unwrap();
    let house = world.restarted().await;
    house.refresh().await.unwrap();

    assert_eq!(
        rate(&house).unwrap(),
        "1.8001051",
        "twice as dear, and sold"
    );

    assert_eq!(
        diff(&world, &[]).await["moves"],
        json!([]),
        "the panel moved nothing"
    );

    tell(&panel, &[row("1", "16000")]);
    house.refresh().await.unwrap();
    assert_eq!(rate(&house), None, "the panel's own rate moved by 40 %");
    assert_eq!(moved(&diff(&world, &[]).await), ["rate 1 11436.5 > 16000"]);
}

#[tokio::test]
async fn a_jump_needs_a_person_until_it_is_accepted() {
    let (panel, world) = selling("0.90").await;
    tell(&panel, &[row("1", "0.90"), row("2", "1"), row("x9", "1")]);
    world.house.refresh().await.unwrap();
    assert!(world.house.alerts.look().await.unwrap().raised.is_empty());
    tell(&panel, &[row("1", "9"), row("2", "9"), row("x9", "9")]);
    world.house.refresh().await.unwrap();

    let raised = world.house.alerts.look().await.unwrap().raised;
    assert_eq!(
        (
            raised.len(),
            raised[0].kind.as_str(),
            raised[0].object.as_str(),
            raised[0].count
        ),
        (1, "price_jump", "s", 3)
    );

    let words = &raised[0].words;
    assert!(
        words.contains("`panelgate catalog accept s`") && words.ends_with("; among them are 1, 2"),
        "{words}"
    );

    world
        .clock
        .turn(SystemClock.now() - world.house.clock.now());

    json(&world.database, &["catalog", "accept", "s", "2"]).await;
    let turns = world.house.alerts.look().await.unwrap();
    assert!(
        turns.raised.is_empty() && turns.over.is_empty(),
        "two are still held"
    );

    json(&world.database, &["catalog", "accept", "s"]).await;
    assert_eq!(
        world.house.alerts.look().await.unwrap().over[0]
            .kind
            .as_str(),
        "price_jump"
    );
}

#[tokio::test]
async fn another_exchange_rate_is_in_force_before_any_catalog_is_read_again() {
    let panel = Scripted::saying(COMPLETED).await;
    tell(&panel, &[row("1", "11436.5")]);

    let mut world = panel
        .world_in(
            "UZS",
            "[exchange]\nUZS = { rate = \"0.0000787\", dated = \"2026-11-01\" }\n",
        )
        .await;

    let text = world.file.text.replace("0.0000787", "0.0001574");
    world.file = config::read(&text, Path::new("."), &BTreeMap::new()).unwrap();
    let house = world.restarted().await;
    let price = |house: &panelgate::app::App| {
        house.catalog.now().sold[&ServiceId(1)]
            .price
            .rate
            .to_string()
    };

    assert_eq!(
        price(&house),
        "1.8001051",
        "sold for what it costs now, not for what it cost when it was read"
    );

    // A process that serves the file before still sells by that one, whole.
    assert_eq!(price(&world.house), "0.90005255");
}
