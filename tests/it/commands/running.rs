//! Edits of the file of a gateway that runs and sells: real saves, real signals, real workers.

use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use panelgate::config::hash;
use serde_json::Value;

use super::{LOOK_EVERY, PATIENCE, Running, ask, becomes, buy, folder, json, panelgate};

/// A gateway with a file, a customer and two panels, of which the file names one at first.
struct Edited {
    data: PathBuf,
    file: PathBuf,
    gateway: Running,
    key: String,
}

fn block(id: &str, url: &str) -> String {
    format!(
        "[[provider]]\nid = \"{id}\"\nurl = \"{url}\"\nkey_env = \"MY_PANEL_KEY\"\ncurrency = \
         \"USD\"\nstatus_every_s = 1\n"
    )
}

fn service(id: u32, provider: &str) -> String {
    format!("[[service]]\nid = {id}\nroutes = [{{ provider = \"{provider}\", service = \"1\" }}]\n")
}

async fn panel(data: &Path) -> Running {
    Running::start(panelgate(data).args([
        "panel-sim",
        "--listen",
        "127.0.0.1:0",
        "--key",
        "the-key",
    ]))
    .await
}

impl Edited {
    async fn start(folder: &Path, data: PathBuf, text: &str) -> Self {
        let file = folder.join("my.toml");
        std::fs::write(&file, text).unwrap();
        json(&data, &["customer", "create", "alice"]).await;

        json(
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

        let key = json(&data, &["key", "create", "alice"]).await["key"]
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
        Self {
            data,
            file,
            gateway,
            key,
        }
    }

    fn save(&self, text: &str) {
        std::fs::write(&self.file, text).unwrap();
    }

    async fn apply(&self, text: &str) {
        self.save(text);
        let applied = json(
            &self.data,
            &["apply", "--config", self.file.to_str().unwrap()],
        )
        .await;

        assert_eq!(
            (&applied["config_hash"], &applied["serving"]),
            (&hash(text.as_bytes()).0.into(), &1.into())
        );
    }

    /// Waits until the newest line of the history says this of the text.
    async fn stands(&self, text: &str, state: &str) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let stood = async {
            loop {
                looks.tick().await;
                let newest = json(&self.data, &["config", "list"]).await[0].clone();
                if newest["hash"] == hash(text.as_bytes()).0 && newest["state"] == state {
                    return;
                }
            }
        };

        tokio::time::timeout(PATIENCE, stood)
            .await
            .unwrap_or_else(|_| panic!("{state} is never said of\n{text}"));
    }

    /// Waits until the service is sold, or not.
    async fn sells(&self, id: &str, sold: bool) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let listed = async {
            loop {
                looks.tick().await;
                let services = ask(
                    &self.gateway.url,
                    &[("key", &self.key), ("action", "services")],
                )
                .await;

                let listed = services
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|service| service["service"].to_string().trim_matches('"') == id);

                if listed == sold {
                    return;
                }
            }
        };

        tokio::time::timeout(PATIENCE, listed)
            .await
            .unwrap_or_else(|_| panic!("service {id}: sold is never {sold}"));
    }

    async fn buy(&self, service: &str) -> String {
        buy(&self.gateway.url, &self.key, service).await
    }

    /// Waits until a panel has it.
    async fn is_accepted(&self, order: &str) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let taken = async {
            while json(&self.data, &["order", "show", order]).await["legs"][0]["panel_order"]
                .is_null()
            {
                looks.tick().await;
            }
        };

        tokio::time::timeout(PATIENCE, taken)
            .await
            .unwrap_or_else(|_| panic!("order {order} reaches no panel"));
    }

    async fn delivered_by(&self, order: &str, provider: &str) {
        becomes(&self.gateway.url, &self.key, order, "Completed").await;
        let shown: Value = json(&self.data, &["order", "show", order]).await;
        assert_eq!(shown["legs"][0]["provider"], provider, "{shown}");
    }
}

#[tokio::test]
async fn panels_come_change_and_go_under_a_gateway_that_sells() {
    let (folder, data) = folder();
    let (a, b) = (panel(&data).await, panel(&data).await);
    let head = "[gateway]\ncurrency = \"USD\"\n[[markup]]\npercent = \"18\"\n";
    let alone = format!("{head}{}{}", block("a", &a.url), service(1, "a"));
    let edited = Edited::start(folder.path(), data, &alone).await;

    // A panel comes: its workers start, its catalog is read, and an order goes there.
    let both = format!("{alone}{}{}", block("b", &b.url), service(2, "b"));
    edited.save(&both);
    edited.sells("2", true).await;
    let order = edited.buy("2").await;
    edited.delivered_by(&order, "b").await;

    // It is asked otherwise, then at another address.
    let narrow = both.replacen("id = \"b\"\n", "id = \"b\"\nconcurrent_max = 1\n", 1);
    let elsewhere = narrow.replacen(&b.url, &format!("{}?", b.url), 1);

    for text in [&narrow, &elsewhere] {
        edited.apply(text).await;
        let order = edited.buy("2").await;
        edited.delivered_by(&order, "b").await;
    }

    // It goes while an order is open there, which is followed to its end.
    let order = edited.buy("2").await;
    edited.is_accepted(&order).await;
    edited.apply(&alone).await;
    edited.sells("2", false).await;
    edited.delivered_by(&order, "b").await;

    let order = edited.buy("1").await;
    edited.delivered_by(&order, "a").await;

    // Told to end in the middle of an edit, it ends cleanly.
    edited.save(&both);
    assert_eq!(edited.gateway.end().await, Some(0));
    assert_eq!(json(&edited.data, &["ledger", "audit"]).await["ok"], true);
}

#[tokio::test]
async fn a_hang_up_signal_has_a_waiting_edit_published_but_no_dangerous_one() {
    let (folder, data) = folder();
    let a = panel(&data).await;

    let first = format!(
        "[gateway]\ncurrency = \"USD\"\nreload = \"apply\"\n[[markup]]\npercent = \"18\"\n{}{}",
        block("a", &a.url),
        service(1, "a")
    );

    let edited = Edited::start(folder.path(), data, &first).await;
    let hang_up = || kill(edited.gateway.pid(), Signal::SIGHUP).unwrap();
    let two = format!("{first}{}", service(2, "a"));
    edited.save(&two);
    edited.stands(&two, "waiting").await;
    hang_up();

    edited.sells("2", true).await;
    edited.stands(&two, "in force").await;
    let dangerous = two.replace("\"18\"", "\"-18\"");
    edited.save(&dangerous);
    hang_up();
    edited.stands(&dangerous, "waiting").await;

    edited.save(&two);
    assert_eq!(edited.gateway.end().await, Some(0));
}
