//! `panelgate plan` as it is typed, against the database of a gateway with open orders.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use panelgate::domain::id::{ProviderId, ServiceId};
use panelgate::reload;
use panelgate::store::{catalog, open_orders, versions};
use serde_json::Value;
use sqlx::ConnectOptions;

use super::large;
use crate::world::{Plan, World};
use panelgate::domain::provider::PanelAccount;

/// Services 1 to 3 of panel `a`, and `b` for service 2.
const SERVICES: &str = r#"[[service]]
id = 1
name = "Followers"
rate = "2"
routes = [{ provider = "a", service = "1" }]
[[service]]
id = 2
routes = [{ provider = "a", service = "6" }, { provider = "b", service = "6" }]
[[service]]
id = 3
routes = [{ provider = "b", service = "7" }]
"#;

async fn world(services: &str) -> World {
    World::build(Plan {
        panels: vec![("a", ""), ("b", "")],
        services: services.to_owned(),
        ..Plan::default()
    })
    .await
}

/// Types `panelgate plan` for a file of this text, in a folder of its own.
async fn typed(folder: &Path, text: &str, words: &[&str]) -> Output {
    let file = folder.join("providers.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .current_dir(folder)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .arg("plan")
        .args(words);

    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn said(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn url(world: &World) -> String {
    world.database.options().to_url_lossy().to_string()
}

/// The text without the hashes, which follow the ports of the panels.
fn without_hashes(text: &str, document: &Value) -> String {
    let hash = |key: &str| document[key].as_str().unwrap().to_owned();
    text.replace(&hash("config_hash"), "HASH-AFTER")
        .replace(&hash("in_force"), "HASH-BEFORE")
}

#[tokio::test]
async fn an_edit_is_shown_before_it_is_made_with_the_orders_that_are_open() {
    let world = world(SERVICES).await;
    for (service, quantity) in [("1", "100"), ("1", "200"), ("2", "100"), ("3", "100")] {
        world.buy(service, quantity).await;
    }

    world.work().await;
    world.buy("1", "300").await;
    let folder = tempfile::tempdir().unwrap();
    let database = url(&world);
    let words = ["--database-url", database.as_str()];
    let json = ["--database-url", database.as_str(), "--json"];

    let same = said(&typed(folder.path(), &world.file.text, &words).await);
    assert!(same.ends_with("\n\nnothing changes\n"), "{same}");
    let document: Value =
        serde_json::from_str(&said(&typed(folder.path(), &world.file.text, &json).await)).unwrap();
    assert_eq!(
        (&document["changes"], document["sold_after"].as_i64()),
        (&Value::Bool(false), Some(3))
    );

    // Service 1 at a loss and by another panel, service 3 removed, and a panel that nobody knows
    // yet.
    let edited = world
        .file
        .text
        .replace(
            "rate = \"2\"\nroutes = [{ provider = \"a\"",
            "rate = \"0.5\"\nroutes = [{ provider = \"b\"",
        )
        .replace(
            "[[service]]\nid = 3\nroutes = [{ provider = \"b\", service = \"7\" }]",
            "[[service]]\nid = 4\nroutes = [{ provider = \"new\", service = \"7\" }]",
        )
        + "[[provider]]\nid = \"new\"\nurl = \"https://new.example/api/v2\"\nkey_env = \
           \"NEW_KEY\"\ncurrency = \"USD\"\n[margin]\nfloor_percent = \"2\"\n";

    let document: Value =
        serde_json::from_str(&said(&typed(folder.path(), &edited, &json).await)).unwrap();
    let text = said(&typed(folder.path(), &edited, &words).await);
    insta::assert_snapshot!("a_small_plan", without_hashes(&text, &document));

    let kinds: Vec<_> = document["dangers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|danger| danger["kind"].clone())
        .collect();

    assert_eq!(kinds, ["loss", "price_jump", "unseen", "service_removed"]);
    assert_eq!(
        (
            document["orders_touched"].as_i64(),
            document["catalogs_unread"][0].as_str()
        ),
        (Some(1), Some("new"))
    );

    // Nothing was done.
    let present = versions::in_force(&world.house.store)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(present.body, world.file.text);
    world.pass(3, 20).await;
    world.audit().await;
}

#[tokio::test]
async fn what_customers_of_their_own_prices_would_pay_is_shown() {
    let world = world(&format!(
        "[[markup]]\ncustomer = \"buyer\"\npercent = \"20\"\n{SERVICES}"
    ))
    .await;

    let folder = tempfile::tempdir().unwrap();
    let database = url(&world);
    let edited = world
        .file
        .text
        .replace("percent = \"20\"", "percent = \"-20\"");

    let text = said(&typed(folder.path(), &edited, &["--database-url", &database]).await);
    assert!(text.contains("for customer \"buyer\": sold for "), "{text}");

    let json = said(
        &typed(
            folder.path(),
            &edited,
            &["--database-url", &database, "--json"],
        )
        .await,
    );

    let document: Value = serde_json::from_str(&json).unwrap();
    let whose: Vec<_> = document["dangers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|danger| (&danger["kind"], &danger["for"]))
        .collect();

    assert!(
        whose.contains(&(&"loss".into(), &"customer \"buyer\"".into())),
        "{json}"
    );

    assert_eq!(
        document["services"][0]["prices"][0]["for"],
        "customer \"buyer\""
    );

    assert_eq!(document["buyers_left_out"], 0);
}

#[tokio::test]
async fn what_is_open_is_counted_until_it_is_over() {
    let world = world(SERVICES).await;
    let counted = async || open_orders::count_open(&world.house.store).await.unwrap();
    assert_eq!(counted().await, open_orders::OpenOrders::default());

    for _ in 0..3 {
        world.buy("1", "100").await;
    }

    world.buy("3", "100").await;
    let (a, b) = (ProviderId("a".into()), ProviderId("b".into()));

    for _ in 0..2 {
        // Before they are sent and while they are watched.
        let open = counted().await;
        assert_eq!(
            (open.of_service(ServiceId(1)), open.of_service(ServiceId(3))),
            (3, 1)
        );

        assert_eq!(
            (
                open.at_panel(&a),
                open.at_panel(&b),
                open.at_panel(&ProviderId("c".into()))
            ),
            (3, 1, 0)
        );

        assert_eq!(open.legs[&(a.clone(), "1".to_owned())], 3);
        world.work().await;
    }

    world.pass(6, 20).await;
    let looked_back_at = [(a, 3), (b, 1)].into();

    assert_eq!(
        counted().await,
        open_orders::OpenOrders {
            looked_back_at,
            ..open_orders::OpenOrders::default()
        }
    );
}

#[tokio::test]
async fn without_a_database_everything_is_new_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let text = "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"one\"\nurl = \"https://one.example\"\nkey_env = \"K\"\ncurrency = \"USD\"\n[[service]]\nid = 1\nroutes = [{ provider = \"one\", service = \"1\" }]\n";
    insta::assert_snapshot!(
        "a_first_plan",
        said(&typed(folder.path(), text, &["--data", data]).await)
    );

    assert!(!Path::new(data).exists());
}

#[tokio::test]
async fn a_broken_file_is_told_whole_and_another_currency_is_refused() {
    let world = world(SERVICES).await;
    let folder = tempfile::tempdir().unwrap();
    let database = url(&world);
    let words = ["--database-url", database.as_str()];
    let broken = world
        .file
        .text
        .replace("id = 3\n", "id = \"3\"\nnmae = 1\n");

    let output = typed(folder.path(), &broken, &words).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), errors.lines().count()),
        (Some(2), 2),
        "{errors}"
    );

    let euro = world.file.text.replace("\"USD\"", "\"EUR\"");
    let output = typed(folder.path(), &euro, &words).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("kept in USD, and the file says EUR"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_plan_of_five_thousand_services_can_still_be_read() {
    let world = world(SERVICES).await;
    let urls = |panel: &str| format!("https://{panel}.example/api/v2");
    let (before, after) = (
        large::file(5_000, "50", &urls),
        large::file(4_990, "-10", &urls),
    );

    let (store, now) = (&world.house.store, world.house.clock.now());
    let mut tx = store.begin().await.unwrap();
    let mut panels = std::collections::BTreeMap::<ProviderId, Vec<_>>::new();

    for (provider, row) in large::rows(5_000) {
        panels.entry(provider).or_default().push(row);
    }

    let jump = super::mapping(&before).price_jump;
    for (provider, rows) in &panels {
        panelgate::store::providers::register_providers(&mut tx, provider)
            .await
            .unwrap();

        let asked = PanelAccount {
            provider,
            account: "",
        };

        catalog::replace_catalog(&mut tx, asked, rows, jump, now)
            .await
            .unwrap();
    }

    tx.commit().await.unwrap();
    let mapping = super::mapping(&before);
    reload::put_in_force(store, &world.house.clock, &mapping, &before, "test", "")
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let database = url(&world);

    let text = said(
        &typed(
            folder.path(),
            &after,
            &["--database-url", database.as_str()],
        )
        .await,
    );

    assert!(text.lines().count() < 150, "{} lines", text.lines().count());
    insta::assert_snapshot!("a_large_plan", text);
}
