//! `provider probe` as it is typed, against simulated panels of every dialect with odd habits: what
//! it prints is accepted by `check`, and an order completes with it. Then all the ways in which
//! nothing can be learnt.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use panel_sim::{Settings, Simulator, SystemClock, currency_of};
use panelgate::domain::provider::PanelDialect;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::scripted::form;
use crate::world::{Plan, World, panel_settings, simulated};

const KEY: &str = "the-panels-key";

/// What a probe must find: lines of its block.
type Lines = &'static [&'static str];

/// A panel's dialect, its habits, its services beside the built-in ones, and lines that its block
/// must have.
const PANELS: [(PanelDialect, &str, u32, Lines); 18] = [
    (
        PanelDialect::Classic,
        "",
        0,
        &[
            "dialect = \"classic\"",
            "status_batch_max = 100",
            "timeout_ms = 30000",
        ],
    ),
    (
        PanelDialect::Classic,
        "get,bom,content_type",
        0,
        &["method = \"GET\""],
    ),
    (
        PanelDialect::Classic,
        "parts=500,rate_numbers,flag_numbers,id_texts",
        4_990,
        &["services_offset = true"],
    ),
    (
        PanelDialect::Classic,
        "no_batch,no_refills,html_unknown,errors_400",
        0,
        &["status_batch_max = 1\n", "refill = false"],
    ),
    (
        PanelDialect::Classic,
        "batch=37,currency=EUR,currency_blank,numbers",
        0,
        &["status_batch_max = 37\n", "currency = \"EUR\""],
    ),
    (
        PanelDialect::Classic,
        "envelope_data,order_id,rate_decimals,balance_number,limit=300",
        0,
        &["requests_per_second = 5"],
    ),
    (
        PanelDialect::Classic,
        "status_rows,bare_errors,error_message,start_counter,flag_texts",
        0,
        &["status_batch_max = 100"],
    ),
    (
        PanelDialect::Paynow,
        "",
        0,
        &[
            "dialect = \"paynow\"",
            "currency = \"UZS\"",
            "status_batch_max = 100",
        ],
    ),
    (
        PanelDialect::Paynow,
        "get,texts,id_texts",
        0,
        &["method = \"GET\"", "dialect = \"paynow\""],
    ),
    (
        PanelDialect::Paynow,
        "parts=4,envelope_services,rate_numbers",
        0,
        &["services_offset = true"],
    ),
    (
        PanelDialect::Paynow,
        "no_batch,html_unknown,balance_number",
        0,
        &["status_batch_max = 1\n"],
    ),
    (
        PanelDialect::Paynow,
        "missing_rows,error_list,flag_texts,bom",
        0,
        &["status_batch_max = 100"],
    ),
    (
        PanelDialect::Notpanel,
        "",
        0,
        &["dialect = \"notpanel\"", "status_batch_max = 100"],
    ),
    (
        PanelDialect::Notpanel,
        "errors_200,bom,numbers",
        0,
        &["dialect = \"notpanel\""],
    ),
    (
        PanelDialect::Notpanel,
        "get,limit=100,flag_numbers",
        0,
        &["method = \"GET\"", "requests_per_second = 1\n"],
    ),
    (
        PanelDialect::Notpanel,
        "batch=20,envelope_data,currency=RUB",
        0,
        &["status_batch_max = 20\n", "currency = \"RUB\""],
    ),
    (
        PanelDialect::Notpanel,
        "parts=3,no_refills,id_texts",
        0,
        &["services_offset = true", "refill = false"],
    ),
    (
        PanelDialect::Notpanel,
        "status_rows,rate_decimals,content_type,error_message",
        0,
        &["dialect = \"notpanel\""],
    ),
];

async fn panelgate(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .args(words)
        .current_dir(folder)
        .env("PANEL_KEY", KEY)
        .env_remove("DATABASE_URL");

    command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

async fn probe(folder: &Path, url: &str, more: &[&str]) -> Output {
    panelgate(
        folder,
        &[&["provider", "probe", url, "--key-env", "PANEL_KEY"], more].concat(),
    )
    .await
}

async fn panel(dialect: PanelDialect, habits: &str, services_extra: u32) -> Simulator {
    let habits = habits.parse().unwrap();
    let dialect = simulated(dialect);
    let currency = currency_of(dialect);

    let settings = Settings {
        dialect,
        currency,
        habits,
        ..panel_settings(7, "", services_extra)
    };

    Simulator::start(settings, Arc::new(SystemClock))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_a_probe_prints_is_valid_and_an_order_completes_with_it() {
    let folder = TempDir::new().unwrap();
    for (dialect, habits, services_extra, lines) in PANELS {
        let about = format!("{dialect:?} {habits}");
        let simulator = panel(dialect, habits, services_extra).await;
        let output = probe(folder.path(), &simulator.url(), &[]).await;
        let (block, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{about}: {errors}");
        assert!(!block.contains(KEY), "{about}: {block}");

        for line in lines {
            assert!(block.contains(line), "{about}: no {line} in\n{block}");
        }

        reads_only(&simulator.requests(), &about);
        let currency = block
            .lines()
            .find_map(|line| line.strip_prefix("currency = \"")?.strip_suffix('"'))
            .unwrap();

        let file = format!("[gateway]\ncurrency = \"{currency}\"\n\n{block}");
        std::fs::write(folder.path().join("providers.toml"), &file).unwrap();
        let output = panelgate(folder.path(), &["check"]).await;
        assert_eq!(
            output.status.code(),
            Some(0),
            "{about}: {}",
            text(&output.stderr)
        );

        completes(&simulator, &block, currency, &about).await;
    }
}

/// Nothing that a panel charges for, or that changes anything there; and not too often.
fn reads_only(requests: &BTreeMap<String, u64>, about: &str) {
    let free = ["balance", "services", "status", "refill_status"];
    let other = |(action, count): (&String, &u64)| {
        (!free.contains(&action.as_str())).then(|| (action.clone(), *count))
    };

    // Of a POST that a panel does not read it does not know the action.
    let others: Vec<_> = requests.iter().filter_map(other).collect();
    assert!(
        others.is_empty() || others == [("other".to_owned(), 1)] && about.contains("get"),
        "{about}: {others:?}"
    );

    assert!(
        requests.values().sum::<u64>() <= 15,
        "{about}: {requests:?}"
    );
}

/// A world made of what was printed: its service is bought and delivered, and the books hold.
async fn completes(simulator: &Simulator, block: &str, currency: &str, about: &str) {
    let currency = ["USD", "EUR", "UZS", "RUB"]
        .into_iter()
        .find(|known| *known == currency)
        .unwrap();

    let plan = Plan {
        panels: Vec::new(),
        currency,
        services: block.to_owned(),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let order = world.buy("1", "100").await;
    world.work().await;
    let placed = simulator.orders();
    assert_eq!(placed.len(), 1, "{about}: {}", world.status(order).await);
    simulator.end_order(&placed[0].id, panel_sim::Ending::Completed);

    world.pass(2, 70).await;
    let shown = world.status(order).await;
    assert!(
        shown.contains("\"status\":\"Completed\""),
        "{about}: {shown}"
    );

    assert_eq!(simulator.requests()["add"], 1, "{about}");
    world.audit().await;
}

#[tokio::test]
async fn as_a_document_it_tells_the_same() {
    let folder = TempDir::new().unwrap();
    let simulator = panel(PanelDialect::Classic, "limit=60", 0).await;
    let output = probe(folder.path(), &simulator.url(), &["--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["dialect"], &told["method"]),
        (&"classic".into(), &"POST".into())
    );

    assert_eq!(
        (&told["currency"], &told["services"]),
        (&"USD".into(), &10.into())
    );

    assert_eq!(
        (&told["balance"], &told["requests_per_second"]),
        (&"100000.00".into(), &1.into())
    );

    assert!(told["block"].as_str().unwrap().contains("[[service]]"));
}

/// Answers every connection with these bytes, whatever is asked.
struct Deaf {
    url: String,
    _stop: DropGuard,
}

impl Deaf {
    async fn saying(answer: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/api/v2", listener.local_addr().unwrap());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut silent = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = form(&mut stream).await;
                if answer.is_empty() {
                    silent.push(stream);
                } else {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        }));

        Self {
            url,
            _stop: stop.drop_guard(),
        }
    }
}

fn http(head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn what_cannot_be_learnt_is_told_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    for (answer, says) in [
        (
            http("200 OK", r#"{"error":"Invalid API key the-panels-key"}"#),
            "refuses the key (\"Invalid API key [key]\")",
        ),
        (
            http("401 No", r#"{"error":"Invalid API key"}"#),
            "refuses the key",
        ),
        (
            http("404 Not Found", "<html>nothing</html>"),
            "not found (HTTP 404)",
        ),
        (
            http("200 OK", "<!DOCTYPE html><title>Best panel</title>"),
            "a web page instead of an answer (\"Best panel\")",
        ),
        (
            http("301 Moved\r\nlocation: https://www.a.example/api/v2", ""),
            "probe \"https://www.a.example/api/v2\" instead",
        ),
        (
            http("403 Forbidden", "<title>Just a moment...</title>"),
            "blocked (HTTP 403",
        ),
        (
            http("200 OK", "<title>Maintenance</title>"),
            "being repaired",
        ),
        (
            http("502 Bad Gateway", "<html>nginx</html>"),
            "the panel is broken (HTTP 502",
        ),
        (http("429 Slow\r\nretry-after: 77", ""), "wait 77 s"),
        (http("200 OK", "{\"wallet\":1}"), "none of the v2 protocol"),
        (
            http("200 OK", r#"{"error":"API is off, \u001b[31m ask"}"#),
            "declines (HTTP 200: \"API is off,  [31m ask\"",
        ),
        (String::new(), "no whole answer within 1 s"),
        (
            "nonsense\r\n\r\n".to_owned(),
            "the answer broke off or is none",
        ),
    ] {
        let deaf = Deaf::saying(answer.clone()).await;
        let output = probe(folder.path(), &deaf.url, &["--timeout-s", "1"]).await;
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{answer}: {errors}");
        assert!(
            errors.starts_with("error: ") && errors.contains(says),
            "{answer}\n{errors}\n{says}"
        );
        assert!(
            output.stdout.is_empty() && !errors.contains(KEY),
            "{errors}"
        );
    }
}

#[tokio::test]
async fn what_is_wrongly_said_is_refused_before_anything_is_asked() {
    let folder = TempDir::new().unwrap();
    for (words, says) in [
        (
            &["http://panel.example/api/v2", "--key-env", "PANEL_KEY"][..],
            "allow_http = true",
        ),
        (
            &["panel.example", "--key-env", "PANEL_KEY"],
            "not a whole URL",
        ),
        (
            &["https://panel.example/", "--key-env", "the-panels-key"],
            "must be the name of an environment variable",
        ),
        (
            &["https://panel.example/", "--key-env", "NO_SUCH_KEY"],
            "NO_SUCH_KEY is not set",
        ),
        (
            &[
                "https://panel.example/",
                "--key-env",
                "PANEL_KEY",
                "--ca-file",
                "none.pem",
            ],
            "none.pem cannot be read",
        ),
        (&["https://panel.example/"], "--key-env"),
    ] {
        let output = panelgate(folder.path(), &[&["provider", "probe"], words].concat()).await;
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {errors}");
        assert!(
            errors.contains(says) && !errors.contains(KEY),
            "{words:?}: {errors}"
        );
    }

    let nobody = TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap();

    let output = probe(folder.path(), &format!("http://{nobody}/api/v2"), &[]).await;
    assert!(text(&output.stderr).contains("no connection"), "{output:?}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
