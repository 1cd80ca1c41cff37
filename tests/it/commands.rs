//! The commands as they are typed: real processes, real time, the private database on disk.

mod places;
mod running;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::server;

/// How long anything that must happen may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How often something that happens by itself is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn panelgate(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .arg("--data")
        .arg(data)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .kill_on_drop(true);

    command
}

pub async fn run(data: &Path, words: &[&str]) -> Output {
    let run = panelgate(data).args(words).output();
    tokio::time::timeout(PATIENCE, run)
        .await
        .expect("the command ends")
        .unwrap()
}

/// What a command that must succeed prints with `--json`.
pub async fn json(data: &Path, words: &[&str]) -> Value {
    let output = run(data, &[&["--json"], words].concat()).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {errors}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"))
}

/// A process that said that it is ready.
pub struct Running {
    child: Child,
    pub url: String,
}

impl Running {
    pub async fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();

        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(url) = line.strip_prefix("ready ") {
                    return url.to_owned();
                }
            }

            panic!("it ended without being ready");
        };

        let url = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("ready in time");

        Self { child, url }
    }

    async fn demo(data: &Path) -> Self {
        let addresses = [
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--console",
            "127.0.0.1:0",
        ];

        Self::start(panelgate(data).args(addresses)).await
    }

    fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id().expect("it runs")).unwrap())
    }

    /// Tells it to end; the code that it ends with.
    pub async fn end(mut self) -> Option<i32> {
        nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .unwrap()
            .code()
    }

    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

async fn ask(url: &str, fields: &[(&str, &str)]) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = serde_urlencoded::to_string(fields).unwrap();

    let answer = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send();

    serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap()
}

async fn buy(url: &str, key: &str, service: &str) -> String {
    let link = ("link", "https://example.org/1");
    let fields = [
        ("key", key),
        ("action", "add"),
        ("service", service),
        link,
        ("quantity", "100"),
    ];

    ask(url, &fields).await["order"].to_string()
}

/// Asks until the order shows the status.
async fn becomes(url: &str, key: &str, order: &str, status: &str) -> Value {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        loop {
            looks.tick().await;
            let shown = ask(url, &[("key", key), ("action", "status"), ("order", order)]).await;
            if shown["status"] == status {
                return shown;
            }
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .unwrap_or_else(|_| panic!("order {order} never becomes {status}"))
}

/// The alerts, as soon as there are any.
async fn alert_list(data: &Path) -> Value {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        loop {
            looks.tick().await;
            let alerts = json(data, &["alert", "list"]).await;
            if alerts != Value::Array(Vec::new()) {
                return alerts;
            }
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .expect("something needs a person")
}

pub fn folder() -> (TempDir, std::path::PathBuf) {
    let folder = server::passable_folder();
    let data = folder.path().join("data");
    (folder, data)
}

#[tokio::test]
async fn the_demo_walks_the_whole_circle_and_survives_being_killed() {
    let (_folder, data) = folder();
    let demo = Running::demo(&data).await;
    let facts: Value =
        serde_json::from_slice(&std::fs::read(data.join("demo.json")).unwrap()).unwrap();
    assert_eq!(facts["url"], demo.url);
    let key = facts["keys"]["classic"].as_str().unwrap().to_owned();

    let notpanel = facts["keys"]["notpanel"].as_str().unwrap().to_owned();
    let dialects: Vec<_> = facts["panels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|panel| panel["dialect"].clone())
        .collect();

    assert_eq!(dialects, ["classic", "notpanel", "paynow"]);
    let mut orders = Vec::new();
    for service in ["1", "6", "7", "8", "9"] {
        orders.push(buy(&demo.url, &key, service).await);
    }

    becomes(&demo.url, &key, &orders[0], "Completed").await;
    let partial = becomes(&demo.url, &key, &orders[1], "Partial").await;
    assert_eq!(partial["remains"], "34");
    let canceled = becomes(&demo.url, &key, &orders[2], "Canceled").await;
    assert_eq!(canceled["charge"], "0.00");
    becomes(&demo.url, &key, &orders[3], "Processing").await;
    becomes(&demo.url, &key, &orders[4], "Processing").await;

    let other = ask(
        &demo.url,
        &[
            ("key", &notpanel),
            ("action", "status"),
            ("order", &orders[2]),
        ],
    )
    .await;

    assert_eq!(
        other["status"], "cancelled",
        "the same order in the other key's dialect"
    );

    let balance = ask(&demo.url, &[("key", &key), ("action", "balance")]).await;

    // A second command joins the database that runs.
    let shown = json(&data, &["order", "show", &orders[3]]).await;
    assert_eq!(shown["legs"][0]["exchanges"].as_array().unwrap().len(), 1);
    let alerts = alert_list(&data).await;
    assert_eq!(
        (&alerts[0]["kind"], &alerts[0]["object"]),
        (&"orders_in_doubt".into(), &"sim".into())
    );

    let late = buy(&demo.url, &key, "1").await;
    demo.kill().await;

    let audit = json(&data, &["ledger", "audit"]).await;
    assert_eq!(audit["ok"], true, "{audit}");
    let again = Running::demo(&data).await;
    let after = ask(
        &again.url,
        &[("key", &key), ("action", "status"), ("order", &late)],
    )
    .await;

    assert!(
        after["error"].is_null(),
        "an answered order is there after the kill: {after}"
    );

    let charge = panelgate::domain::money::Money::parse(after["charge"].as_str().unwrap()).unwrap();
    let before =
        panelgate::domain::money::Money::parse(balance["balance"].as_str().unwrap()).unwrap();
    let now = ask(&again.url, &[("key", &key), ("action", "balance")]).await;
    assert_eq!(now["balance"], before.minus(charge).unwrap().to_string());
    assert_eq!(again.end().await, Some(0));
}

#[tokio::test]
async fn a_gateway_sells_what_a_panel_offers_and_reads_it_anew_when_asked() {
    let (folder, data) = folder();
    let panel = [
        "panel-sim",
        "--listen",
        "127.0.0.1:0",
        "--key",
        "the-key",
        "--balance",
        "5.00",
    ];

    let panel = Running::start(panelgate(&data).args(panel)).await;
    let file = folder.path().join("my.toml");

    let text = format!(
        "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"mine\"\ndialect = \"classic\"\nurl = \
         \"{}\"\nkey_env = \"MY_PANEL_KEY\"\ncurrency = \"USD\"\nstatus_every_s = \
         1\n[[markup]]\npercent = \"18\"\n[[tier]]\nid = \"gold\"\nper_minute = \
         5000\n[[markup]]\ntier = \"gold\"\npercent = \"10\"\n[[markup]]\ncustomer = \
         \"alise\"\n[[service]]\nid = 1\nroutes = [{{ provider = \"mine\", service = \"1\" }}]\n",
        panel.url
    );

    std::fs::write(&file, text).unwrap();
    let customer = json(&data, &["customer", "create", "alice"]).await;
    assert_eq!(customer["name"], "alice");

    for booked in [true, false] {
        let added = json(
            &data,
            &[
                "balance",
                "add",
                "alice",
                "25.00",
                "--reference",
                "invoice 1",
            ],
        )
        .await;

        assert_eq!(
            (&added["booked"], added["balance"].as_str()),
            (&Value::Bool(booked), Some("25.00"))
        );
    }

    let key = json(&data, &["key", "create", "alice", "--label", "shop"]).await["key"]
        .as_str()
        .unwrap()
        .to_owned();

    let mut serve = panelgate(&data);
    serve
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--console",
            "127.0.0.1:0",
            "--config",
        ])
        .arg(&file);

    let gateway = Running::start(serve.env("MY_PANEL_KEY", "the-key")).await;
    let order = buy(&gateway.url, &key, "1").await;
    becomes(&gateway.url, &key, &order, "Completed").await;

    let readings = json(
        &data,
        &["catalog", "refresh", "--reason", "a look", "--as", "tester"],
    )
    .await;

    assert_eq!(
        (&readings[0]["provider"], readings[0]["services"].as_u64()),
        (&"mine".into(), Some(10))
    );

    let list = json(&data, &["catalog", "list"]).await;
    assert_eq!(list["services"][0]["rate"], "1.062");
    let statement = json(&data, &["statement", "alice"]).await;
    assert_eq!(statement[1]["amount"], "-0.1062");
    a_tier_has_prices_of_its_own(&data, &gateway.url, &key).await;
    let id = json(&data, &["key", "list", "alice"]).await[0]["id"].to_string();
    json(&data, &["key", "revoke", &id]).await;

    assert_eq!(json(&data, &["provider", "list"]).await[0]["served"], true);
    assert_eq!(gateway.end().await, Some(0));
    assert_eq!(panel.end().await, Some(0));
}

async fn a_tier_has_prices_of_its_own(data: &Path, url: &str, key: &str) {
    let list = async || {
        let list = json(data, &["catalog", "list", "--customer", "alice"]).await;
        let service = &list["services"][0];
        let fields = ["rate", "cost", "margin_percent", "why"]
            .map(|field| service[field].as_str().unwrap().to_owned());

        (
            list["customer"]["tier"].as_str().unwrap().to_owned(),
            fields,
        )
    };

    let fields = |fields: [&str; 4]| fields.map(str::to_owned);
    let before = fields(["1.062", "0.90", "15.25", "markup of all: 18 %"]);
    assert_eq!(list().await, ("standard".to_owned(), before));

    for changed in [true, false] {
        let set = json(
            data,
            &[
                "customer",
                "set",
                "alice",
                "--tier",
                "gold",
                "--reason",
                "buys a lot",
            ],
        )
        .await;

        assert_eq!(
            (&set["tier"], &set["changed"]),
            (&"gold".into(), &Value::Bool(changed))
        );
    }

    let after = fields(["0.99", "0.90", "9.09", "markup of tier \"gold\": 10 %"]);
    assert_eq!(list().await, ("gold".to_owned(), after));
    let shown = run(data, &["catalog", "list", "--customer", "alice"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("9.09 %")
            && shown
                .ends_with("note: a [[markup]] is for customer \"alise\", who does not exist\n"),
        "{shown}"
    );

    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        while ask(url, &[("key", key), ("action", "services")]).await[0]["rate"] != "0.99" {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .expect("the door follows the tier");

    let order = buy(url, key, "1").await;
    let shown = json(data, &["order", "show", &order]).await;
    assert_eq!(
        (&shown["charge"], &shown["rule"]),
        (&"0.099".into(), &"markup of tier \"gold\": 10 %".into())
    );

    let cases: [(&[&str], &str); 3] = [
        (
            &["customer", "set", "alice", "--tier", "golden"],
            "there is no tier \"golden\"",
        ),
        (
            &["customer", "set", "alise", "--tier", "gold"],
            "no customer \"alise\"",
        ),
        (
            &["catalog", "list", "--customer", "alise"],
            "no customer \"alise\"",
        ),
    ];

    for (words, says) in cases {
        let output = run(data, words).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {errors}");
        assert!(errors.contains(says), "{words:?}: {errors}");
    }
}

#[tokio::test]
async fn customers_and_keys_are_held_by_what_a_person_says() {
    let (_folder, data) = folder();
    let demo = Running::demo(&data).await;

    let key = json(
        &data,
        &[
            "key",
            "create",
            "demo",
            "--per-minute",
            "2",
            "--dedupe-window-s",
            "60",
        ],
    )
    .await;

    let (id, key) = (
        key["id"].to_string(),
        key["key"].as_str().unwrap().to_owned(),
    );

    let balance = [("key", key.as_str()), ("action", "balance")];
    assert_eq!(
        buy(&demo.url, &key, "1").await,
        buy(&demo.url, &key, "1").await,
        "the same again within a minute"
    );

    assert_eq!(
        ask(&demo.url, &balance).await["error"],
        "Rate limit exceeded"
    );

    json(
        &data,
        &[
            "key",
            "set",
            &id,
            "--per-minute",
            "0",
            "--allow",
            "127.0.0.0/8",
            "--allow",
            "::1",
        ],
    )
    .await;

    becomes_error(&demo.url, &balance, None).await;
    let listed = json(&data, &["key", "list", "demo"]).await;
    let listed = listed.as_array().unwrap().last().unwrap();
    assert_eq!(
        listed["allow"],
        serde_json::json!(["127.0.0.0/8", "::1/128"])
    );

    assert_eq!(
        (&listed["per_minute"], listed["dedupe_window_s"].as_i64()),
        (&Value::Null, Some(60))
    );

    json(
        &data,
        &[
            "customer", "suspend", "demo", "--reason", "unpaid", "--as", "tester",
        ],
    )
    .await;

    assert_eq!(
        json(&data, &["customer", "suspend", "demo"]).await["changed"],
        false
    );

    becomes_error(&demo.url, &balance, Some("Account suspended")).await;
    json(&data, &["customer", "resume", "demo"]).await;
    becomes_error(&demo.url, &balance, None).await;
    json(&data, &["key", "set", &id, "--allow", "10.0.0.0/8"]).await;
    becomes_error(&demo.url, &balance, Some("Invalid API key")).await;
    assert_eq!(demo.end().await, Some(0));

    let listed = json(&data, &["key", "list", "demo"]).await;
    assert!(
        listed.as_array().unwrap().last().unwrap()["last_used_at"].is_string(),
        "written at the latest at the end"
    );

    json(&data, &["customer", "create", "alice"]).await;
    assert_eq!(
        json(&data, &["customer", "credit", "alice", "5"]).await["credit"],
        "5.00"
    );

    for booked in [true, false] {
        let adjusted = json(
            &data,
            &[
                "balance",
                "adjust",
                "alice",
                "-4.50",
                "--reference",
                "a slip",
            ],
        )
        .await;

        assert_eq!(
            (&adjusted["booked"], adjusted["balance"].as_str()),
            (&Value::Bool(booked), Some("-4.50"))
        );
    }

    let cases: [(&[&str], i32, &str); 10] = [
        (
            &[
                "balance",
                "adjust",
                "alice",
                "+4.50",
                "--reference",
                "a slip",
            ],
            1,
            "booked before with -4.50",
        ),
        (
            &["balance", "add", "alice", "4.50", "--reference", "a slip"],
            1,
            "booked before with -4.50",
        ),
        (
            &["balance", "adjust", "alice", "-0.51", "--reference", "more"],
            1,
            "may go 5.00 below zero",
        ),
        (
            &["balance", "adjust", "alice", "0", "--reference", "none"],
            2,
            "is zero",
        ),
        (&["customer", "credit", "alice", "4"], 1, "holds -4.50"),
        (&["customer", "credit", "alice", "-4"], 2, "is below zero"),
        (
            &["customer", "create", "bob", "--tier", "gold"],
            1,
            "the configuration in force has standard",
        ),
        (
            &["key", "create", "alice", "--allow", "10.0.0.1/8"],
            2,
            "write \"10.0.0.0/8\" for the network",
        ),
        (
            &["key", "create", "alice", "--allow", "10.0.0.0/33"],
            2,
            "is no network",
        ),
        (&["key", "set", "1"], 2, "nothing to set"),
    ];

    for (words, code, says) in cases {
        let output = run(&data, words).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
        assert!(errors.contains(says), "{words:?}: {errors}");
    }

    let adjusted = json(
        &data,
        &["balance", "adjust", "alice", "+10", "--reference", "back"],
    )
    .await;

    assert_eq!(adjusted["balance"], "5.50");
    let csv = run(&data, &["statement", "alice", "--csv"]).await;
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(
        csv.contains(",adjustment,,a slip,-4.50,-4.50\n")
            && csv.contains(",adjustment,,back,10.00,5.50\n"),
        "{csv}"
    );

    assert_eq!(json(&data, &["ledger", "audit"]).await["ok"], true);
}

/// Asks until the error is this one, or none.
async fn becomes_error(url: &str, fields: &[(&str, &str)], error: Option<&str>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let looked = async {
        while ask(url, fields).await["error"].as_str() != error {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, looked)
        .await
        .unwrap_or_else(|_| panic!("the error never becomes {error:?}"));
}

#[tokio::test]
async fn wrong_use_ends_with_two_and_a_refusal_with_one() {
    let (folder, data) = folder();
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "[gateway]\ncurency = \"USD\"\n").unwrap();
    let untold = folder.path().join("untold.toml");
    std::fs::write(
        &untold,
        "[gateway]\ncurrency = \"USD\"\n[alerts]\nurl_env = \"NOBODY_SET_THIS\"\n",
    )
    .unwrap();

    let (bad, untold) = (bad.to_str().unwrap(), untold.to_str().unwrap());
    json(&data, &["migrate"]).await;

    let cases: [(&[&str], i32, &str); 10] = [
        (
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--console",
                "127.0.0.1:0",
                "--config",
                untold,
            ],
            2,
            "environment variable NOBODY_SET_THIS is not set",
        ),
        (&["check", "--config", bad], 2, "did you mean currency?"),
        (&["serve", "--config", bad], 2, "did you mean currency?"),
        (&["customer", "create", "123"], 2, "not all digits"),
        (
            &["balance", "add", "nobody", "1", "--reference", "r"],
            1,
            "no customer \"nobody\"",
        ),
        (
            &["balance", "add", "nobody", "1e3", "--reference", "r"],
            2,
            "is not a plain decimal number",
        ),
        (&["order", "show", "7"], 1, "there is no order 7"),
        (&["order", "list", "--state", "lost"], 2, "is none"),
        (&["catalog", "list"], 1, "no gateway was ever started"),
        (&["key", "revoke", "9"], 1, "there is no key 9 in force"),
    ];

    for (words, code, says) in cases {
        let output = run(&data, words).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {errors}");
        assert!(errors.contains(says), "{words:?}: {errors}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }

    // What somebody sells from is no place for a demo.
    json(&data, &["customer", "create", "ann"]).await;

    let refused = run(
        &data,
        &[
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--console",
            "127.0.0.1:0",
        ],
    )
    .await;

    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && errors.contains("none is the demo's"),
        "{errors}"
    );
}
