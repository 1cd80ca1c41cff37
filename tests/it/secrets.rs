//! Secrets stay where they were put: nothing of a panel's key, a customer's, or a password that
//! somebody pasted into the file is found in what is written, stored, backed up or handed to the
//! database's processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panel_sim::{Settings, Simulator, SystemClock};
use panelgate::config;
use panelgate::store::versions;
use rstest::rstest;

use crate::backup;
use crate::books::{read, run};
use crate::commands::{folder, json, panelgate};
use crate::node::{Node, until};
use crate::server::{self, Database};
use crate::world::{World, panel_settings};

/// In every secret of these tests.
const CANARY: &str = "canary7f3e";
const PANEL_KEY: &str = "canary7f3e-panel-0123456789";
const WEBHOOK: &str = "http://127.0.0.1:9/canary7f3e-hook";
/// `canary7f3e-signature-of-ours` in base64, as webhooks' secrets are written.
const SIGNATURE: &str = "whsec_Y2FuYXJ5N2YzZS1zaWduYXR1cmUtb2Ytb3Vycw==";

/// What somebody may paste, each with the canary in it.
const PASTED: [&str; 10] = [
    "[[provider]]\nid = \"b\"\nkey = \"canary7f3e1\"\n",
    "[[provider]]\nid = \"b\"\nkey_env = \"canary7f3e2\"\n",
    "[[provider]]\nid = \"b\"\nurl = \"https://p.example/api/v2?key=canary7f3e3\"\n",
    "[[provider]]\nid = \"b\"\nurl = \"https://me:canary7f3e4@p.example/api/v2\"\n",
    "[database]\nurl = \"postgres://gate:canary7f3e5@db/books\"\n",
    "# key = \"canary7f3e6abcdef\"\n",
    "[alerts]\nsecret_env = 'whsec_canary7f3e7'\n",
    "[database]\npassword = \"canary7f3e8\n",
    "[[provider]]\nid = \"b\"\nkey_file = \"canary7f3e9a1b2c3d4e5f6071\"\n",
    "# the old one was canary7f3e0a1b2c3d4e5f6071\n",
];

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());

    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.is_file())
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// The environments of the private server and of its children, as the system shows them.
fn environments(data: &Path) -> Vec<Vec<u8>> {
    let pid = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();

    let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let process = entry.ok()?.path();
        let stat = fs::read_to_string(process.join("stat")).ok()?;

        // Its parent is the second word behind the name, which ends with the last bracket.
        let is_child = stat.rsplit_once(')')?.1.split_whitespace().nth(1)? == pid;
        is_child
            .then(|| fs::read(process.join("environ")).ok())
            .flatten()
    });

    children
        .chain([fs::read(format!("/proc/{pid}/environ")).unwrap()])
        .collect()
}

/// Every row of a database, as text.
async fn rows(database: &Database) -> String {
    let tables = "select string_agg(relname, ' ') from pg_stat_user_tables";
    let mut rows = String::new();
    for table in read(database, tables).await.split(' ') {
        rows += &read(
            database,
            &format!("select coalesce(string_agg(t::text, ' '), '') from {table} t"),
        )
        .await;
    }

    rows
}

#[tokio::test]
async fn nothing_secret_is_found_in_files_logs_rows_backups_or_environments() {
    let settings = Settings {
        key: PANEL_KEY.to_owned(),
        ..panel_settings(1, "", 0)
    };

    let panel = Simulator::start(settings, Arc::new(SystemClock))
        .await
        .unwrap();

    let good = format!(
        "[gateway]\ncurrency = \"USD\"\n[alerts]\nurl_env = \"HOOK\"\nsecret_env = \
         \"HOOK_SECRET\"\n[[provider]]\nid = \"a\"\nurl = \"{}\"\nkey_env = \
         \"PANEL_KEY\"\ncurrency = \"USD\"\n[[service]]\nid = 1\nrate = \"2\"\nroutes = [{{ \
         provider = \"a\", service = \"1\" }}]\n",
        panel.url()
    );

    let (place, data) = folder();
    let file = place.path().join("providers.toml");
    fs::write(&file, &good).unwrap();
    let log = fs::File::create(place.path().join("log")).unwrap();
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

    serve
        .env("PANEL_KEY", PANEL_KEY)
        .env("HOOK", WEBHOOK)
        .env("HOOK_SECRET", SIGNATURE);

    let node = Node::start_telling(&mut serve, log).await;

    let environments = environments(&data);
    assert!(environments.len() > 3, "the server and its helpers");

    for environment in &environments {
        // The helpers write what they are doing over theirs.
        let seen = String::from_utf8_lossy(environment).replace('\0', " ");
        assert!(["LC_ALL=C", ""].contains(&seen.trim()), "{seen}");
    }

    // A customer, whose key is shown once, and who buys.
    json(&data, &["customer", "create", "ann"]).await;
    json(&data, &["balance", "add", "ann", "10", "--reference", "1"]).await;
    let key = json(&data, &["key", "create", "ann"]).await["key"]
        .as_str()
        .unwrap()
        .to_owned();

    until("the customer may buy", async || {
        let add = [
            ("action", "add"),
            ("service", "1"),
            ("link", "https://example.org/1"),
            ("quantity", "100"),
        ];

        node.ask(&key, &add).await.1.contains("order")
    })
    .await;

    until("the panel has it", async || panel.orders().len() == 1).await;
    assert!(
        node.ask("canary7f3e-wrong-key", &[("action", "balance")])
            .await
            .1
            .contains("error")
    );

    for (n, pasted) in PASTED.iter().enumerate() {
        fs::write(&file, format!("{good}{pasted}")).unwrap();
        until("it is refused", async || {
            let edits = json(&data, &["config", "list"]).await;
            let refused = edits
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["state"] == "refused")
                .count();

            refused == n + 1
        })
        .await;
    }

    fs::write(&file, &good).unwrap();

    let backup = place.path().join("backup");
    json(&data, &["backup", backup.to_str().unwrap()]).await;
    assert_eq!(node.end().await, Some(0));
    drop(serve);

    let copy = server::database().await;
    backup::json(
        &copy,
        &[
            "restore",
            backup.to_str().unwrap(),
            "--reason",
            "to be looked at",
        ],
    )
    .await;

    let rows = rows(&copy).await;
    assert!(
        rows.contains("refused") && rows.contains("https://example.org/1"),
        "it has the history"
    );

    for secret in [CANARY, &SIGNATURE[6..], &key] {
        assert!(!rows.contains(secret), "{secret} is in the backup's rows");
        for file in files(place.path()) {
            assert!(
                !holds(&fs::read(&file).unwrap(), secret),
                "{secret} is in {}",
                file.display()
            );
        }
    }
}

#[rstest]
#[case::pasted("key = \"canary7f3e\"\n", "key = \"***\"\n")]
#[case::in_a_comment(
    "# url = \"postgres://gate:canary7f3e@db/x\"\n",
    "# url = \"postgres://***\"\n"
)]
#[tokio::test]
async fn what_earlier_programs_kept_is_blotted_out_once(#[case] kept: &str, #[case] shown: &str) {
    let world = World::open().await;
    let edit = format!(
        "insert into config_edit (hash, body, state, said, seen_at, seen_by) values ('a', \
         '{kept}', 'refused', '{{}}', now(), '')"
    );

    run(&world.database, &edit).await.unwrap();
    let versions = format!(
        "insert into config_version (hash, body, published_at, published_by, reason)
         values ('b', '{kept}', now(), '', ''), ('c', '{kept}', now(), '', '')"
    );

    run(&world.database, &versions).await.unwrap();

    versions::mask_kept(&world.house.store, config::mask_secrets)
        .await
        .unwrap();

    let text = |table: &str, hash: &str| format!("select body from {table} where hash = '{hash}'");
    assert_eq!(
        read(&world.database, &text("config_edit", "a")).await,
        shown
    );

    assert_eq!(
        read(&world.database, &text("config_version", "b")).await,
        shown
    );

    assert_eq!(
        read(&world.database, &text("config_version", "c")).await,
        kept,
        "as it is served"
    );
}
