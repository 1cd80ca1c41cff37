//! What lies where a file should: a pipe in its place blocks nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::commands::{folder, run};
use crate::node::{Ground, until};

const NOTHING_SOLD: &str = "[gateway]\ncurrency = \"USD\"\n";

/// Puts a pipe to which nobody writes in a file's place.
fn become_a_pipe(file: &Path) {
    let _ = fs::remove_file(file);
    mkfifo(file, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
}

#[tokio::test]
async fn a_pipe_for_a_file_is_refused_at_once() {
    let (place, data) = folder();
    let file = place.path().join("providers.toml");
    become_a_pipe(&file);
    let refused = run(&data, &["--config", file.to_str().unwrap(), "check"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("it is a pipe or a device"),
        "{said}"
    );

    // The same of a panel's key.
    let key = place.path().join("key");
    become_a_pipe(&key);
    fs::remove_file(&file).unwrap();
    let block = "[[provider]]\nid = \"a\"\nurl = \"http://127.0.0.1:9/\"\nkey_file = \
                 \"key\"\ncurrency = \"USD\"\n";

    fs::write(&file, format!("{NOTHING_SOLD}{block}")).unwrap();
    let checked = run(&data, &["--config", file.to_str().unwrap(), "check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.code() == Some(0) && said.contains("note: here, provider \"a\": key file"),
        "{said}"
    );

    let anywhere = ["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"];
    let refused = run(
        &data,
        &[
            &["--config", file.to_str().unwrap(), "serve"],
            &anywhere[..],
        ]
        .concat(),
    )
    .await;

    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code().is_some_and(|code| code > 0)
            && said.contains("it is a pipe or a device"),
        "{said}"
    );
}

#[tokio::test]
async fn a_file_that_becomes_a_pipe_leaves_the_version_in_force_and_blocks_no_end() {
    let ground = Ground::new(NOTHING_SOLD).await;
    let node = ground.node().await;
    let file = ground.folder.path().join("providers.toml");

    let differs = async || {
        let alerts = ground.json(&["alert", "list"]).await;
        alerts
            .as_array()
            .unwrap()
            .iter()
            .any(|alert| alert["kind"] == "config_differs")
    };

    become_a_pipe(&file);
    until("it is told that the file is gone", differs).await;
    assert_eq!(node.ask(&ground.key, &[("action", "balance")]).await.0, 200);

    // A file again, it is read again.
    fs::remove_file(&file).unwrap();
    fs::write(&file, format!("{NOTHING_SOLD}# again\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();

    until("the edit is in force", async || {
        let list: Value = ground.json(&["config", "list"]).await;
        list.as_array().unwrap().len() == 2 && list[0]["state"] == "in force"
    })
    .await;

    become_a_pipe(&file);
    assert_eq!(node.end().await, Some(0));
}
