//! Which database a command speaks to: the same for every command, never an empty one in silence,
//! and the one that was typed before any other.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use sqlx::ConnectOptions;
use tokio::process::Command;

use super::{PATIENCE, Running, folder, json, panelgate};
use crate::books::read;
use crate::server::{self, Database};

/// A command in a folder of its own; the usual place of data is in it, and nothing is there yet.
fn plain(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    command
        .current_dir(folder)
        .env_remove("DATABASE_URL")
        .env("PANELGATE__SERVER__DATA", folder.join("usual"));

    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn ended(command: &mut Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("the command ends")
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(output: &Output) -> Vec<String> {
    let errors = said(output);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let customers: Value = serde_json::from_slice(&output.stdout).unwrap();

    customers
        .as_array()
        .unwrap()
        .iter()
        .map(|customer| customer["name"].as_str().unwrap().to_owned())
        .collect()
}

fn url(database: &Database) -> String {
    database.options().to_url_lossy().to_string()
}

/// A given server with one customer, so that it can be told from others.
async fn with_customer(folder: &Path, name: &str) -> (Database, String) {
    let server = server::database().await;
    let url = url(&server);
    let created =
        ended(plain(folder).args(["--database-url", &url, "customer", "create", name])).await;
    assert_eq!(created.status.code(), Some(0), "{}", said(&created));
    (server, url)
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

#[tokio::test]
async fn the_file_and_the_variables_name_the_database_of_every_command() {
    let (folder, _) = folder();
    let folder = folder.path();
    let (_written, written) = with_customer(folder, "written").await;
    let (_variable, variable) = with_customer(folder, "variable").await;
    let list = ["--json", "customer", "list"];

    // Of the file, this is asked even where the rest of it is wrong.
    let text = format!("[gateway]\ncurency = \"USD\"\n[database]\nurl = \"{written}\"\n");
    write(&folder.join("providers.toml"), &text);
    assert_eq!(names(&ended(plain(folder).args(list)).await), ["written"]);
    write(&folder.join("my.toml"), &text);
    write(&folder.join("providers.toml"), "[gateway]\n");

    assert_eq!(
        names(&ended(plain(folder).args(list).args(["--config", "my.toml"])).await),
        ["written"]
    );

    for name in ["DATABASE_URL", "PANELGATE__DATABASE__URL"] {
        let output = ended(
            plain(folder)
                .env(name, &variable)
                .args(list)
                .args(["--config", "my.toml"]),
        )
        .await;

        assert_eq!(names(&output), ["variable"], "{name}");
        let output = ended(
            plain(folder)
                .env(name, "")
                .args(list)
                .args(["--config", "my.toml"]),
        )
        .await;

        assert_eq!(names(&output), ["written"], "{name} is set but empty");
    }

    let flag = ["--database-url", &written, "--config", "my.toml"];
    let output = ended(
        plain(folder)
            .env("DATABASE_URL", &variable)
            .args(list)
            .args(flag),
    )
    .await;

    assert_eq!(names(&output), ["written"]);

    // A file that nobody can read stops no command; that it was not heard is said.
    let torn = ["--config", "torn.toml"];
    write(&folder.join("torn.toml"), "[database\n");
    let output = ended(plain(folder).args(["ledger", "audit"]).args(torn)).await;
    assert_eq!(output.status.code(), Some(1));

    assert!(
        said(&output).contains("torn.toml may name another database and was not heard"),
        "{}",
        said(&output)
    );

    let output = ended(
        plain(folder)
            .env("DATABASE_URL", &variable)
            .args(list)
            .args(torn),
    )
    .await;

    assert_eq!(
        (names(&output), said(&output).as_str()),
        (vec!["variable".to_owned()], "")
    );
}

#[tokio::test]
async fn a_database_that_was_never_made_is_not_made_by_a_look() {
    let (folder, data) = folder();
    let folder = folder.path();
    write(
        &folder.join("my.toml"),
        "[gateway]\ncurrency = \"USD\"\n[server]\ndata = \"other\"\n",
    );

    let commands: [&[&str]; 5] = [
        &["ledger", "audit"],
        &["apply", "--config", "my.toml"],
        &["customer", "list"],
        &["order", "list"],
        &["dispatch", "freeze"],
    ];

    for words in commands {
        let mut command = plain(folder);
        if words.contains(&"my.toml") {
            command.env_remove("PANELGATE__SERVER__DATA");
        }

        let output = ended(command.args(words)).await;
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 0),
            "{words:?}"
        );

        let errors = said(&output);
        assert!(
            errors.contains("there is no database yet") && errors.contains("--data DIR"),
            "{words:?}: {errors}"
        );

        let place = if words.contains(&"my.toml") {
            "other"
        } else {
            "usual"
        };

        assert!(
            errors.contains(&format!("{place} was never made")),
            "{words:?}: {errors}"
        );
    }

    assert!(!folder.join("usual").exists() && !folder.join("other").exists());

    // The variable names the folder too, and whoever begins is not held up.
    let begin = ["customer", "create", "alice"];

    let output = ended(
        plain(folder)
            .env("PANELGATE__SERVER__DATA", &data)
            .args(begin),
    )
    .await;

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(json(&data, &["customer", "list"]).await[0]["name"], "alice");
}

#[tokio::test]
async fn migrate_says_that_it_made_a_database_and_only_when_it_did() {
    let (_folder, data) = folder();
    let made = format!("made the private database in {}\n", data.display());
    for head in [made.as_str(), ""] {
        let output = ended(panelgate(&data).arg("migrate")).await;
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            (output.status.code(), &*told),
            (Some(0), &*format!("{head}the schema is up to date\n"))
        );
    }

    assert_eq!(json(&data, &["migrate"]).await["made"], false);
}

#[tokio::test]
async fn a_folder_that_was_typed_beats_a_server_that_was_not() {
    let (folder, data) = folder();
    let server = server::database().await;
    let url = url(&server);

    let typed = || {
        let mut command = panelgate(&data);
        command
            .env("DATABASE_URL", &url)
            .env("PANELGATE__DATABASE__URL", &url);
        command
    };

    let output = ended(typed().args(["customer", "create", "here"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(
        names(&ended(typed().args(["--json", "customer", "list"])).await),
        ["here"]
    );

    assert_eq!(
        read(&server, "select count(*)::text from customer").await,
        "0"
    );

    let output = ended(typed().args(["--database-url", &url, "dispatch", "thaw"])).await;
    assert_eq!(output.status.code(), Some(2));

    assert!(
        said(&output).contains("name two databases"),
        "{}",
        said(&output)
    );

    // What is printed to be typed next speaks of the same database.
    let output = ended(typed().args(["order", "show", "7"])).await;
    let next = format!("`panelgate --data {} order list`", data.display());
    assert!(said(&output).contains(&next), "{}", said(&output));
    drop(folder);
}

#[tokio::test]
async fn a_demo_keeps_to_a_database_of_its_own() {
    let (_folder, data) = folder();
    let server = server::database().await;
    let url = url(&server);

    let addresses = [
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--console",
        "127.0.0.1:0",
    ];

    let mut refused = Command::new(env!("CARGO_BIN_EXE_panelgate"));
    let refused = ended(refused.args(addresses).args(["--database-url", &url])).await;
    assert_eq!(refused.status.code(), Some(2));

    assert!(
        said(&refused).contains("a demo has a private database of its own"),
        "{}",
        said(&refused)
    );

    let mut demo = panelgate(&data);
    demo.args(addresses)
        .env("DATABASE_URL", &url)
        .env("PANELGATE__DATABASE__URL", &url);

    let demo = Running::start(&mut demo).await;
    assert_eq!(json(&data, &["customer", "list"]).await[0]["name"], "demo");
    assert_eq!(
        read(&server, "select count(*)::text from customer").await,
        "0"
    );

    a_mistyped_panel_is_refused(&data).await;
    assert_eq!(demo.end().await, Some(0));
}

async fn a_mistyped_panel_is_refused(data: &Path) {
    let commands: [&[&str]; 4] = [
        &["treasury", "drift"],
        &["catalog", "diff", "--provider"],
        &["catalog", "list", "--provider"],
        &["order", "list", "--provider"],
    ];

    for words in commands {
        let typed = |panel| [words, &[panel]].concat();
        let output = ended(panelgate(data).args(typed("sym"))).await;
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(1), 0),
            "{words:?}"
        );

        assert!(
            said(&output).contains("no panel \"sym\""),
            "{words:?}: {}",
            said(&output)
        );

        let output = ended(panelgate(data).args(typed("sim"))).await;
        assert_eq!(
            output.status.code(),
            Some(0),
            "{words:?}: {}",
            said(&output)
        );
    }
}
