//! Telling never breaks doing: real processes whose log cannot be written, and customers who buy
//! all the same, each order once.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use futures_util::future::join_all;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use panel_sim::{Settings, Simulator, SystemClock};
use serde_json::Value;
use tokio::process::Command;

use crate::books::read;
use crate::commands::PATIENCE;
use crate::node::{Ground, Node, PANEL_KEY, until};
use crate::world::panel_settings;

/// Orders that are bought at once.
const ORDERS: usize = 20;

/// A panel, and what nodes need that sell from it.
struct Shop {
    ground: Ground,
    panel: Simulator,
}

impl Shop {
    async fn open() -> Self {
        let settings = Settings {
            key: PANEL_KEY.to_owned(),
            ..panel_settings(1, "", 0)
        };

        let panel = Simulator::start(settings, Arc::new(SystemClock))
            .await
            .unwrap();

        let text = format!(
            "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"sim\"\nurl = \"{}\"\nkey_env = \
             \"PANEL_KEY\"\ncurrency = \"USD\"\nstatus_every_s = 1\n[[service]]\nid = 1\nrate = \
             \"2\"\nroutes = [{{ provider = \"sim\", service = \"1\" }}]\n",
            panel.url()
        );

        Self {
            ground: Ground::new(&text).await,
            panel,
        }
    }

    fn serve(&self) -> Command {
        self.ground.serve(&self.ground.url())
    }

    /// Buys some orders at once: each is answered, bought once, and followed to its end.
    async fn sells(&self, node: &Node, name: &str) {
        let before = self.panel.orders().len();
        let links: Vec<_> = (0..ORDERS)
            .map(|n| format!("https://example.org/{name}/{n}"))
            .collect();

        let buys = links.iter().map(|link| node.buy(&self.ground.key, link));
        let ids: BTreeSet<String> = join_all(buys).await.into_iter().collect();
        assert_eq!(
            ids.len(),
            ORDERS,
            "each is answered with an order of its own"
        );

        let ids: Vec<_> = ids.into_iter().collect();
        let asked = [("action", "status"), ("orders", &ids.join(","))];
        until("the workers see all orders to their end", async || {
            let (_, answer) = node.ask(&self.ground.key, &asked).await;
            answer.matches("\"status\":\"Completed\"").count() == ORDERS
        })
        .await;

        let orders = self.panel.orders();
        let bought: BTreeSet<_> = orders
            .iter()
            .skip(before)
            .map(|order| &order.link)
            .collect();

        assert_eq!(
            (bought.len(), orders.len() - before),
            (ORDERS, ORDERS),
            "each is bought once"
        );
    }

    async fn lines_lost(&self, node: &Node) -> u64 {
        let (status, text) = node.health().await;
        let health: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (status, &health["ready"]),
            (200, &Value::Bool(true)),
            "{text}"
        );

        health["log_lines_lost"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_costs_lines_and_no_order() {
    let shop = Shop::open().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let node = Node::start_telling(&mut shop.serve(), writer).await;
    shop.sells(&node, "closed").await;
    let lost = shop.lines_lost(&node).await;
    assert!(lost >= ORDERS as u64, "counted: {lost}");

    assert_eq!(node.end().await, Some(0));
}

#[tokio::test]
async fn a_log_on_a_full_disk_costs_lines_and_no_order() {
    let shop = Shop::open().await;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let node = Node::start_telling(&mut shop.serve(), full).await;
    shop.sells(&node, "full").await;
    let lost = shop.lines_lost(&node).await;
    assert!(lost >= ORDERS as u64, "counted: {lost}");

    let told = "select count(*)::text from alert where kind = 'log_lost' and raised_at is not null";
    until("a person is told", async || {
        read(&shop.ground.database, told).await == "1"
    })
    .await;

    assert_eq!(node.end().await, Some(0));
}

#[tokio::test]
async fn what_a_full_log_lost_is_told_once_there_is_room_again() {
    let shop = Shop::open().await;
    let path = shop.ground.folder.path().join("log");

    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();

    let node = Node::start_telling(&mut limited(&shop.serve()), log.try_clone().unwrap()).await;
    shop.sells(&node, "limited").await;
    let lost = shop.lines_lost(&node).await;
    assert!(lost > 0, "the file took all of it");

    log.set_len(0).unwrap();
    let balance = [("action", "balance")];
    until("what was lost is told", async || {
        assert_eq!(node.ask(&shop.ground.key, &balance).await.0, 200);
        reported(&path) > 0
    })
    .await;

    assert_eq!(reported(&path), shop.lines_lost(&node).await);
    assert_eq!(node.end().await, Some(0));
}

/// The same command, which may write no file longer than some kilobytes.
fn limited(command: &Command) -> Command {
    let command = command.as_std();
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -f 4; exec \"$@\"", "sh"])
        .arg(command.get_program());

    limited
        .args(command.get_args())
        .env_remove("DATABASE_URL")
        .env("PANEL_KEY", PANEL_KEY);

    limited.stdin(Stdio::null()).kill_on_drop(true);
    limited
}

/// Lines that the log says it lost.
fn reported(log: &Path) -> u64 {
    let text = std::fs::read_to_string(log).unwrap();
    let of_losses = text
        .lines()
        .filter(|line| line.contains("lines of this log are lost"));

    of_losses
        .map(|line| line.split("lines=").nth(1).unwrap().parse::<u64>().unwrap())
        .sum()
}

#[tokio::test]
async fn a_log_whose_reader_stalls_holds_up_neither_an_order_nor_the_end() {
    let shop = Shop::open().await;
    let (mut reader, writer) = full_pipe();
    let node = Node::start_telling(&mut shop.serve(), writer.try_clone().unwrap()).await;
    shop.sells(&node, "stalled").await;
    assert_eq!(shop.lines_lost(&node).await, 0, "so few lines can wait");

    // It reads again, and nothing is missing.
    let answered = "answered";
    let mut text = String::new();
    let mut buffer = vec![0; 4_096];

    let text = tokio::task::spawn_blocking(move || {
        while text.matches(answered).count() < ORDERS {
            let read = reader.read(&mut buffer).unwrap();
            text += &String::from_utf8_lossy(&buffer[..read]);
        }
        (text, reader)
    });

    let (text, reader) = tokio::time::timeout(PATIENCE, text).await.unwrap().unwrap();
    assert!(text.contains("action=\"add\""), "{text}");

    // It stalls at the end, too.
    fill(&writer);
    assert_eq!(node.end().await, Some(0));
    drop(reader);
}

/// A pipe that has no room left.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    (reader, writer)
}

fn fill(mut writer: &PipeWriter) {
    fcntl(writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(b"\n").is_ok() {}
    fcntl(writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

#[tokio::test]
async fn a_gateway_outlives_its_terminal_and_reads_its_file_when_that_goes() {
    let shop = Shop::open().await;
    let (window, terminal) = terminal();
    let mut command = in_session_of(&shop.serve(), terminal);
    let node = Node::start_telling(&mut command, Stdio::inherit()).await;
    drop(command);
    shop.sells(&node, "open").await;

    drop(window);
    shop.sells(&node, "closed").await;
    assert!(shop.lines_lost(&node).await > 0);

    // A second one, as `kill -HUP` sends it.
    node.signal(Signal::SIGHUP);
    shop.sells(&node, "hung up").await;
    assert_eq!(node.end().await, Some(0));
}

/// A terminal, and the window without which there is none.
fn terminal() -> (PtyMaster, File) {
    // Neither is for any child but the one that it is given to.
    let window = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&window).unwrap();
    unlockpt(&window).unwrap();
    let flags = OFlag::O_NOCTTY.bits();
    let path = ptsname_r(&window).unwrap();

    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
        .unwrap();

    (window, terminal)
}

/// The same command as the first process of a session whose terminal this is.
fn in_session_of(command: &Command, terminal: File) -> Command {
    let command = command.as_std();
    let mut leader = Command::new("setsid");
    leader
        .args(["--ctty", "sh", "-c", "exec \"$@\" 2>&0", "sh"])
        .arg(command.get_program());

    leader
        .args(command.get_args())
        .env_remove("DATABASE_URL")
        .env("PANEL_KEY", PANEL_KEY);

    leader.stdin(terminal).kill_on_drop(true);
    leader
}

#[tokio::test]
async fn a_command_whose_reader_went_away_ends_quietly() {
    let shop = Shop::open().await;
    let node = shop.ground.node().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let program = env!("CARGO_BIN_EXE_panelgate");

    for words in [
        &["order", "list"][..],
        &["--json", "order", "list"],
        &["order", "show", "7"],
        &["--help"],
    ] {
        let mut command = Command::new(program);
        command
            .env_remove("DATABASE_URL")
            .args(["--database-url", &shop.ground.url()])
            .args(words);
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap());
        command.stderr(writer.try_clone().unwrap());
        let status = command.status().await.unwrap();
        let expected = i32::from(words.contains(&"show"));
        assert_eq!(
            (status.code(), status.signal()),
            (Some(expected), None),
            "{words:?}"
        );
    }

    assert_eq!(node.end().await, Some(0));
}

#[tokio::test]
async fn a_gateway_whose_ready_line_nobody_reads_serves_all_the_same() {
    let shop = Shop::open().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (mut log, log_writer) = std::io::pipe().unwrap();
    let mut child = shop
        .serve()
        .stdout(writer)
        .stderr(log_writer)
        .spawn()
        .unwrap();

    let told = tokio::task::spawn_blocking(move || {
        let (mut text, mut buffer) = (String::new(), vec![0; 4_096]);
        while !text.contains("nobody reads it on stdout") {
            let read = log.read(&mut buffer).unwrap();
            assert!(read > 0, "it ended: {text}");
            text += &String::from_utf8_lossy(&buffer[..read]);
        }
    });

    tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it runs");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn a_start_in_vain_says_why_and_ends_although_its_reader_stalls() {
    let shop = Shop::open().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_reader, writer) = full_pipe();
    let log = shop.ground.folder.path().join("log");

    for stderr in [
        Stdio::from(File::create(&log).unwrap()),
        Stdio::from(writer),
    ] {
        let mut command = shop.ground.serve_at(&shop.ground.url(), &address);
        command.stdout(Stdio::null()).stderr(stderr);
        let status = tokio::time::timeout(PATIENCE, command.status())
            .await
            .expect("it ends");
        assert_eq!(status.unwrap().code(), Some(1));
    }

    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.contains(&format!("error: cannot listen on {address}")),
        "{said}"
    );
}

#[tokio::test]
async fn strangers_write_few_lines_and_the_rest_is_told_in_one() {
    let shop = Shop::open().await;
    let path = shop.ground.folder.path().join("log");
    let node = Node::start_telling(&mut shop.serve(), File::create(&path).unwrap()).await;

    for _ in 0..100 {
        let (_, answer) = node.ask("nobodys-key", &[("action", "balance")]).await;
        assert!(answer.contains("Invalid API key"), "{answer}");
    }

    assert_eq!(
        node.ask(&shop.ground.key, &[("action", "balance")]).await.0,
        200
    );

    assert_eq!(node.end().await, Some(0));

    let log = std::fs::read_to_string(&path).unwrap();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        (lines("action=\"none\""), lines("action=\"balance\"")),
        (10, 1),
        "{log}"
    );

    assert!(
        log.contains("answered without a line of their own lines=90 addresses=1"),
        "{log}"
    );
}
