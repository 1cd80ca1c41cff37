//! The commands: `apply`, `rollback` and `config`, beside a gateway that runs.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::hash;
use crate::commands::{PATIENCE, Running, folder, json, panelgate, run};

const LOOK_EVERY: Duration = Duration::from_millis(100);

fn version(n: u32) -> String {
    format!(
        "[gateway]\ncurrency = \"USD\"\n\n[database]\n# url = \"postgres://gate@hidden{n}/db\"\n"
    )
}

/// Waits until the gateway serves this text.
async fn serves(url: &str, text: &str) {
    // Whichever test comes first installs it; the client wants one although nothing here speaks
    // TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let health = url.replace("/api/v2", "/healthz");

    let serving = async {
        loop {
            let told = reqwest::get(&health).await.unwrap().text().await.unwrap();
            let told: Value = serde_json::from_str(&told).unwrap();
            if told["config_hash"] == hash(text) {
                return;
            }
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, serving)
        .await
        .expect("the gateway adopts it");
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn apply_and_rollback_move_a_running_gateway_and_the_file() {
    let (folder, data) = folder();
    let file = folder.path().join("my.toml");
    let config = file.to_str().unwrap().to_owned();
    std::fs::write(&file, version(1)).unwrap();

    let words = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--console",
        "127.0.0.1:0",
        "--config",
        &config,
    ];

    let gateway = Running::start(panelgate(&data).args(words)).await;
    serves(&gateway.url, &version(1)).await;

    // The watch.
    std::fs::write(&file, version(2)).unwrap();
    serves(&gateway.url, &version(2)).await;

    // A file elsewhere, by a person's word.
    let other = folder.path().join("other.toml");
    std::fs::write(&other, version(3)).unwrap();

    let applied = json(
        &data,
        &[
            "apply",
            "--config",
            other.to_str().unwrap(),
            "--as",
            "ann",
            "--reason",
            "try",
        ],
    )
    .await;

    assert_eq!(applied["config_hash"], hash(&version(3)));
    assert_eq!(
        (
            &applied["changed"],
            &applied["running"],
            &applied["serving"]
        ),
        (&true.into(), &1.into(), &1.into())
    );

    let again = json(&data, &["apply", "--config", other.to_str().unwrap()]).await;
    assert_eq!(again["changed"], false);

    // Back, and back from that.
    let back = json(&data, &["rollback", "--config", &config, "--as", "bob"]).await;
    assert_eq!(
        (&back["config_hash"], &back["serving"]),
        (&hash(&version(2)).into(), &1.into())
    );

    assert_eq!(text_of(&file), version(2));
    let back = json(&data, &["rollback", "--config", &config]).await;
    assert_eq!(
        (text_of(&file), &back["config_hash"]),
        (version(3), &hash(&version(3)).into())
    );

    let kept = folder
        .path()
        .join(format!("my.toml.before-{}", hash(&version(3))));

    assert_eq!(text_of(&kept), version(2));
    json(
        &data,
        &["rollback", &hash(&version(1)), "--config", &config],
    )
    .await;

    assert_eq!(text_of(&file), version(1));
    serves(&gateway.url, &version(1)).await;

    // What was never in force, and what cannot be any more.
    let lost = run(&data, &["rollback", "0123456789ab", "--config", &config]).await;
    assert_eq!(lost.status.code(), Some(1));
    let keyed = "[[provider]]\nid = \"a\"\nurl = \"http://127.0.0.1:9/\"\nkey_env = \
                 \"KEY_OF_A\"\ncurrency = \"USD\"\n";
    std::fs::write(&other, format!("{}{keyed}", version(4))).unwrap();

    let keyless = run(&data, &["apply", "--config", other.to_str().unwrap()]).await;
    assert_eq!(keyless.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&keyless.stderr).contains("KEY_OF_A is not set"));
    let with_key = panelgate(&data)
        .env("KEY_OF_A", "k")
        .args(["apply", "--config", other.to_str().unwrap()])
        .output();

    let output = with_key.await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("nodes that serve it: 1 of 1") && told.contains("cannot read the key of a"),
        "{told}"
    );

    json(
        &data,
        &["rollback", &hash(&version(1)), "--config", &config],
    )
    .await;

    let refused = run(&data, &["rollback", "--config", &config]).await;
    let complaints = String::from_utf8_lossy(&refused.stderr).into_owned();

    assert_eq!(
        (refused.status.code(), text_of(&file)),
        (Some(2), version(1)),
        "{complaints}"
    );

    assert!(complaints.contains("KEY_OF_A is not set"), "{complaints}");
    let left = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());

    assert!(
        left.into_iter().all(|name| !name.contains(".new-")),
        "nothing half done lies about"
    );

    history(&data).await;
    assert!(kept.exists());
    assert_eq!(gateway.end().await, Some(0));
}

async fn history(data: &Path) {
    let list = json(data, &["config", "list"]).await;
    let list = list.as_array().unwrap();
    assert_eq!(
        (&list[0]["state"], &list[0]["hash"]),
        (&"in force".into(), &hash(&version(1)).into())
    );

    let by_ann = list.iter().find(|row| row["by"] == "ann").unwrap();
    assert_eq!(
        (&by_ann["reason"], &by_ann["hash"]),
        (&"try".into(), &hash(&version(3)).into())
    );

    let shown = json(data, &["config", "show", &hash(&version(3))]).await;
    let text = shown["text"].as_str().unwrap();
    assert!(
        text.contains("postgres://***") && !text.contains("hidden"),
        "{text}"
    );
}
