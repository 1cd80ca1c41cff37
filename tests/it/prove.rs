//! `provider prove` as it is typed, against panels that know adds by their names and panels that do
//! not: what it proves is what doubts go by, what it buys is in the books, and nothing is asked for
//! again without a proof.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use panelgate::domain::provider::PanelDialect;
use rstest::rstest;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use tokio::process::Command;

use crate::books::{legs, read, run};
use crate::dialects::speaking;
use crate::scripted::Scripted;
use crate::world::{PANEL_KEY, Plan, World};

const RUNNING: &str = r#"{"charge":"0.09","status":"In progress","remains":"100"}"#;

/// Types a command about a world's panels, whose file it has.
async fn typed(world: &World, words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("providers.toml"), &world.file.text).unwrap();
    in_folder(folder.path(), world, words).await
}

async fn in_folder(folder: &Path, world: &World, words: &[&str]) -> Output {
    let database = world.database.options().to_url_lossy().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("PANEL_KEY", PANEL_KEY);

    command
        .args(["--database-url", &database])
        .args(words)
        .output()
        .await
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

const PROVE: [&str; 12] = [
    "--as",
    "ann",
    "--reason",
    "a new panel",
    "--json",
    "provider",
    "prove",
    "s",
    "--service=1",
    "--quantity=100",
    "--yes",
    "--link=https://example.org/ours",
];

/// A scripted panel of this dialect, and a world that sells what it lists.
pub async fn scripted(dialect: &str, block: &str) -> (Scripted, World) {
    let panel = Scripted::saying(RUNNING).await;
    let services = format!(
        "{}{block}[[service]]\nid = 1\nroutes = [{{ provider = \"s\", service = \"1\" }}]\n",
        panel.block().replace("classic", dialect)
    );

    let world = World::build(Plan {
        panels: Vec::new(),
        services,
        ..Plan::default()
    })
    .await;

    (panel, world)
}

fn spoil(world: &World, faults: &str) {
    world.panel().set_faults(faults.parse().unwrap());
}

fn adds(world: &World) -> u64 {
    world.panel().requests().get("add").copied().unwrap_or(0)
}

/// Buys one whose answer is lost, and looks into it.
async fn doubt(world: &World) {
    spoil(world, "drop");
    world.buy("1", "100").await;
    world.work().await;
    spoil(world, "");
    assert_eq!(legs(&world.database).await, "a in_doubt");
    world.pass(2, 120).await;
}

#[tokio::test]
async fn a_doubt_is_asked_again_only_at_a_panel_that_was_proven() {
    for (proven, stands, asked) in [(false, "a in_doubt", 1), (true, "a ended", 6)] {
        let world = speaking(PanelDialect::Notpanel, Plan::default()).await;
        if proven {
            let mut words = PROVE.map(str::to_owned);
            words[7] = "a".to_owned();
            let output = typed(&world, &words.each_ref().map(String::as_str)).await;
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(
                (&told["proven"], &told["outcome"]),
                (&true.into(), &"honoured".into())
            );

            assert_eq!(told["first_order"], told["second_order"]);
            assert_eq!(world.panel().orders().len(), 2);
            let deed = "select who || ' ' || verb || ' ' || reason from audit_log where verb = \
                        'provider prove'";
            assert_eq!(
                read(&world.database, deed).await,
                "ann provider prove a new panel"
            );

            let list = typed(&world, &["--json", "provider", "list"]).await;
            let list: Value = serde_json::from_slice(&list.stdout).unwrap();
            assert_eq!(list[0]["request_id_proof"]["proven"], true);
        }

        doubt(&world).await;
        assert_eq!(
            (legs(&world.database).await.as_str(), adds(&world)),
            (stands, asked),
            "{proven}"
        );

        world.audit().await;
    }
}

#[rstest]
#[case::another_id(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_2"}"#)], "not_honoured", 3, 0, "0.27")]
#[case::the_same_id(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_1"}"#)], "honoured", 2, 0, "0.18")]
#[case::alike_is_the_same_there(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_1"}"#)], "lost", 1, 0, "0.09")]
#[case::alike_is_refused_there(&[(200, r#"{"order":"ord_1"}"#), (400, r#"{"error":"You have active order with this link"}"#), (400, r#"{"error":"You have active order with this link"}"#), (200, r#"{"order":"ord_1"}"#)], "lost", 1, 0, "0.09")]
#[case::alike_is_lost(&[(200, r#"{"order":"ord_1"}"#), (502, ""), (502, ""), (200, r#"{"order":"ord_1"}"#)], "lost", 1, 2, "0.09")]
#[case::a_listed_error(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (400, r#"{"error":"Insufficient balance"}"#)], "not_honoured", 2, 0, "0.18")]
#[case::another_error(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (400, r#"{"error":"Duplicate"}"#)], "not_honoured", 2, 1, "0.18")]
#[case::of_another(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (400, r#"{"error":"request_id was used for a different order"}"#)], "not_honoured", 2, 0, "0.18")]
#[case::an_id_beside_an_error(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_1","error":"x"}"#)], "lost", 2, 1, "0.18")]
#[case::the_second_is_lost(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_9"}"#), (502, "")], "lost", 2, 1, "0.18")]
#[case::two_at_once_are_two(&[(200, r#"{"order":"ord_1"}"#), (200, r#"{"order":"ord_8"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_1"}"#)], "not_honoured", 3, 0, "0.27")]
#[case::one_of_two_is_refused(&[(200, r#"{"order":"ord_1"}"#), (409, r#"{"error":"In progress"}"#), (200, r#"{"order":"ord_9"}"#), (200, r#"{"order":"ord_1"}"#)], "lost", 2, 1, "0.18")]
#[case::the_first_is_lost(&[(502, "")], "lost", 0, 1, "0")]
#[case::the_first_is_refused(&[(400, r#"{"error":"Insufficient balance"}"#)], "refused", 0, 0, "0")]
#[tokio::test]
async fn what_a_proof_hears_is_kept_and_what_it_bought_is_booked(
    #[case] answers: &'static [(u16, &'static str)],
    #[case] outcome: &str,
    #[case] bought: i32,
    #[case] in_doubt: i32,
    #[case] cost: &str,
) {
    let (panel, world) = scripted("notpanel", "").await;
    let next = Arc::new(AtomicUsize::new(0));
    let asked = next.clone();

    panel.say(move |form| {
        let add = form.get("action")? == "add";
        add.then(|| {
            let (status, body) = answers[next.fetch_add(1, Ordering::SeqCst)];
            (status, body.to_owned())
        })
    });

    let output = typed(&world, &PROVE).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(told["outcome"], outcome, "{}", said(&output));
    assert_eq!(output.status.code(), Some(i32::from(outcome != "honoured")));

    assert_eq!(
        asked.load(Ordering::SeqCst),
        answers.len(),
        "nothing is tried again"
    );

    let kept = "select concat_ws(' ', outcome, bought, in_doubt) from request_id_proof";
    assert_eq!(
        read(&world.database, kept).await,
        format!("{outcome} {bought} {in_doubt}")
    );

    let booked = "select trim_scale(coalesce(sum(amount), 0))::text from transfer where reason = \
                  'proof' and order_id is null";
    assert_eq!(read(&world.database, booked).await, cost);
    world.audit().await;
}

#[tokio::test]
async fn who_proves_is_told_what_no_proof_tells() {
    const UNPROVEN: &str = "a panel that restarts and forgets the names it was told";
    let world = speaking(PanelDialect::Notpanel, Plan::default()).await;
    let words: Vec<_> = PROVE.iter().filter(|word| **word != "--json").collect();
    let words: Vec<_> = words
        .into_iter()
        .map(|word| if *word == "s" { "a" } else { word })
        .collect();

    let proven = typed(&world, &words).await;
    assert!(
        proven.status.success() && said(&proven).contains(UNPROVEN),
        "{}",
        said(&proven)
    );

    let help = typed(&world, &["provider", "prove", "--help"]).await;
    let help = said(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(UNPROVEN), "{help}");
}

#[tokio::test]
async fn a_proof_to_the_contrary_is_believed_over_the_operator() {
    let (panel, world) = scripted("notpanel", "honours_request_id = true\n").await;
    let proven = typed(&world, &PROVE).await;
    assert_eq!(
        proven.status.code(),
        Some(1),
        "each add is a new order there: {}",
        said(&proven)
    );

    panel.say(|form| (form.get("action")? == "add").then(|| (502, String::new())));
    world.buy("1", "100").await;
    world.work().await;
    let before = panel.requests("add");
    world.pass(3, 600).await;
    assert_eq!(
        (legs(&world.database).await.as_str(), panel.requests("add")),
        ("s in_doubt", before)
    );
}

#[tokio::test]
async fn nothing_is_bought_where_it_is_not_meant_or_proves_nothing() {
    let (panel, world) = scripted("notpanel", "").await;
    let mut unsure = PROVE.to_vec();
    unsure.retain(|word| *word != "--yes");
    let asked = typed(&world, &unsure).await;
    assert_eq!(asked.status.code(), Some(2), "{}", said(&asked));
    assert!(said(&asked).contains("--yes"), "{}", said(&asked));

    unsure.retain(|word| *word != "--json");
    assert_eq!(
        typed(&world, &unsure).await.status.code(),
        Some(2),
        "nobody is there to ask"
    );

    let mut far = PROVE.to_vec();
    far[9] = "--quantity=5";
    assert!(said(&typed(&world, &far).await).contains("10 to 1000"));
    far[9] = "--quantity=100";
    far[8] = "--service=2";
    assert!(said(&typed(&world, &far).await).contains("Package"));

    far[8] = "--service=77";
    assert!(said(&typed(&world, &far).await).contains("lists no service"));

    run(&world.database, "update dispatch set frozen_at = now()")
        .await
        .unwrap();

    let frozen = typed(&world, &PROVE).await;
    assert!(
        frozen.status.code() == Some(1) && said(&frozen).contains("dispatch thaw"),
        "{}",
        said(&frozen)
    );

    assert_eq!(panel.requests("add"), 0);

    let (panel, world) = scripted("classic", "").await;
    let classic = typed(&world, &PROVE).await;
    assert!(
        classic.status.code() == Some(1) && said(&classic).contains("no request_id"),
        "{}",
        said(&classic)
    );

    assert_eq!(panel.requests("add"), 0);
}

#[tokio::test]
async fn check_tells_of_each_panel_that_is_not_proven() {
    let (_panel, world) = scripted("notpanel", "").await;
    let told = said(&typed(&world, &["check"]).await);
    assert!(told.contains("panelgate provider prove s"), "{told}");
    let (_panel, world) = scripted("notpanel", "honours_request_id = true\n").await;
    let told = said(&typed(&world, &["check"]).await);
    assert!(!told.contains("provider prove"), "{told}");
}
