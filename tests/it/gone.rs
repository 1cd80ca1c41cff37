//! A database that is gone: a network that swallows, a server that stands still, a disk that is
//! full. It is told within two seconds, a person hears of it without the database, and the end
//! waits for nothing.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use panelgate::store::{Store, orders};
use tokio::process::Command;

use crate::books::{legs, read, run};
use crate::burned::{CATALOG, COUNTS, NOBODY};
use crate::commands::panelgate;
use crate::node::{Ground, Node, until, until_within, url_of};
use crate::proxy::Proxy;
use crate::receiver::{Manner, Receiver, SECRET};
use crate::scripted::Scripted;
use crate::server::passable_folder;

/// Within so long `/healthz` says that the database is gone.
const TOLD_MAX: Duration = Duration::from_secs(2);
/// How long the nodes here may take to end, and what starting and reaping a process costs.
const DRAIN_S: u64 = 4;
const ENDED_MAX: Duration = Duration::from_secs(DRAIN_S + 1);
/// What a private server has beside that, before it is killed.
const SERVER_MAX: Duration = Duration::from_secs(3);

async fn shop(panel: &Scripted, more: &str) -> Ground {
    let sold =
        "[[service]]\nid = 1\nrate = \"1\"\nroutes = [{ provider = \"s\", service = \"1\" }]\n";

    Ground::new(&format!(
        "[gateway]\ncurrency = \"USD\"\n{}{sold}{more}",
        panel.block()
    ))
    .await
}

async fn is_sold(node: &Node, ground: &Ground) {
    until("the service is sold", async || {
        node.ask(&ground.key, &[("action", "services")])
            .await
            .1
            .contains("\"service\":1")
    })
    .await;
}

async fn is_told_in_time(node: &Node) {
    until_within("its health says so in time", TOLD_MAX, &mut async || {
        let (status, said) = node.health().await;
        status == 503 && said.contains(r#""database":"away""#)
    })
    .await;
}

async fn is_ready(node: &Node) {
    until("it is ready again", async || node.health().await.0 == 200).await;
}

fn add(link: &str) -> [(&str, &str); 4] {
    [
        ("action", "add"),
        ("service", "1"),
        ("link", link),
        ("quantity", "100"),
    ]
}

#[tokio::test]
async fn a_database_that_swallows_all_is_told_at_once_and_to_a_person_and_worked_on_again() {
    let (panel, receiver) = (
        Scripted::saying(r#"{"error":"Try again later"}"#).await,
        Receiver::start(Manner::Takes).await,
    );

    let told = "[alerts]\nurl_env = \"ALERT_URL\"\nsecret_env = \"ALERT_SECRET\"\n";
    let ground = shop(&panel, told).await;
    let proxy = Proxy::to(ground.database.options());
    let mut serve = ground.serve(&url_of(&proxy.options()));
    let node = Node::start(
        serve
            .env("ALERT_URL", receiver.url())
            .env("ALERT_SECRET", SECRET),
    )
    .await;

    is_sold(&node, &ground).await;
    is_ready(&node).await;

    let of_database = || {
        let taken = receiver
            .taken()
            .into_iter()
            .filter(|told| told.contains("database_away"));

        taken
            .map(|told| told.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    for round in 1..=2 {
        proxy.swallow(true);
        is_told_in_time(&node).await;
        until("a person is told, without the database", async || {
            of_database().len() == 2 * round - 1
        })
        .await;

        let (status, answer) = node
            .ask(&ground.key, &add("https://example.org/gone"))
            .await;

        assert_eq!(
            (status, &*answer),
            (503, r#"{"error":"Internal error, retry later"}"#)
        );

        proxy.swallow(false);
        is_ready(&node).await;
        until("a person is told of its end", async || {
            of_database().len() == 2 * round
        })
        .await;

        node.buy(&ground.key, &format!("https://example.org/{round}"))
            .await;
        let sent = vec!["s accepted"; round].join(", ");
        until("it is sent over a new connection", async || {
            legs(&ground.database).await == sent
        })
        .await;
    }

    assert_eq!(of_database(), ["raised", "over", "raised", "over"]);
    let heard = receiver.heard();
    let ids: Vec<_> = heard
        .iter()
        .filter(|it| it.shown().contains("database_away"))
        .map(|it| it.body["id"].clone())
        .collect();

    assert!(
        ids[0] == ids[1] && ids[2] == ids[3] && ids[1] != ids[2],
        "{ids:?}"
    );

    assert_eq!(node.end().await, Some(0));
}

/// A rested connection that a firewall forgot, while all others live.
#[tokio::test]
async fn a_connection_that_died_while_it_rested_costs_no_order() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());

    // Here each has rested that is given back.
    let store = Store::open_asking(&proxy.options(), 1, 1, Duration::ZERO);
    until("there is a way", async || {
        orders::draw_ids(&store, 1).await.is_ok()
    })
    .await;

    let rests = "select count(*)::text from pg_stat_activity where datname = current_database() \
                 and state = 'idle' and query like '%statement_timestamp%' and pid <> \
                 pg_backend_pid()";

    until("it rests", async || {
        read(&ground.database, rests).await == "1"
    })
    .await;

    proxy.fall_silent();
    let drawn = orders::draw_ids(&store, 1).await;
    assert!(drawn.is_ok(), "{drawn:?}");
    store.close().await;
}

/// A node's command that ends soon when it is told to.
fn ending_soon(mut command: Command) -> Command {
    command.env("PANELGATE__SERVER__DRAIN_S", DRAIN_S.to_string());
    command
}

async fn ends_in_time(mut node: Node, ended_max: Duration) {
    node.signal(Signal::SIGTERM);
    let began = Instant::now();
    let ended = node.ends_within(ended_max).await;
    assert_eq!(ended, Some(Some(0)), "after {:?}", began.elapsed());
}

#[tokio::test]
async fn told_to_end_a_process_ends_in_time_while_its_database_swallows_all() {
    let panel = Scripted::saying(r#"{"error":"Try again later"}"#).await;
    let ground = shop(&panel, "").await;
    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ending_soon(ground.serve(&url_of(&proxy.options())))).await;
    is_sold(&node, &ground).await;

    // With an order on its way, whose answer cannot be written down.
    let held = panel.hold("add");
    node.buy(&ground.key, "https://example.org/1").await;
    held.asked().await;
    proxy.swallow(true);
    held.let_go();

    ends_in_time(node, ENDED_MAX).await;
}

/// The processes of a private server, stopped in their tracks or let go on.
struct Frozen {
    postmaster: Pid,
    all: Vec<Pid>,
}

impl Frozen {
    fn of(data: &Path) -> Self {
        let file = std::fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
        let postmaster = Pid::from_raw(file.lines().next().unwrap().parse().unwrap());

        // First of all, so that it starts no more of them.
        kill(postmaster, Signal::SIGSTOP).unwrap();
        let children =
            std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))
                .unwrap();

        let children = children
            .split_whitespace()
            .map(|pid| Pid::from_raw(pid.parse().unwrap()));

        let all = Self {
            postmaster,
            all: children.collect(),
        };

        all.signal(Signal::SIGSTOP);
        all
    }

    /// Some may be gone by now.
    fn signal(&self, signal: Signal) {
        for pid in self.all.iter().chain([&self.postmaster]) {
            let _ = kill(*pid, signal);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_told_at_once_and_holds_up_no_end() {
    let folder = passable_folder();
    let (data, file) = (
        folder.path().join("data"),
        folder.path().join("providers.toml"),
    );

    std::fs::write(&file, NOBODY).unwrap();
    let mut serve = ending_soon(panelgate(&data));
    serve
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--roles",
            "api,workers",
            "--config",
        ])
        .arg(&file);

    let node = Node::start(serve.env("PANEL_KEY", "x")).await;
    is_ready(&node).await;

    let frozen = Frozen::of(&data);
    is_told_in_time(&node).await;
    drop(frozen);
    is_ready(&node).await;

    let frozen = Frozen::of(&data);
    is_told_in_time(&node).await;
    ends_in_time(node, ENDED_MAX + SERVER_MAX).await;
    let state =
        std::fs::read_to_string(format!("/proc/{}/stat", frozen.postmaster)).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z"),
        "the server is left behind: {state}"
    );
}

/// A disk of a megabyte that is full, with the orders of a database on it.
struct FullDisk {
    folder: PathBuf,
}

impl FullDisk {
    /// `None` where only root could make one.
    async fn under(ground: &Ground) -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }

        let folder = ground.folder.path().join("disk");
        std::fs::create_dir(&folder).unwrap();

        mount(
            Some("none"),
            &folder,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=1m,mode=0777"),
        )
        .ok()?;

        let disk = Self { folder };
        let space = disk.folder.join("space");
        std::fs::create_dir(&space).unwrap();
        let data = read(&ground.database, "show data_directory").await;
        let owner = std::fs::metadata(data).unwrap();
        chown(&space, Some(owner.uid()), Some(owner.gid())).unwrap();

        let moved = format!(
            "create tablespace small_{0} location '{1}'",
            std::process::id(),
            space.display()
        );

        run(&ground.database, &moved).await.unwrap();
        run(
            &ground.database,
            &format!(
                "alter table orders set tablespace small_{}",
                std::process::id()
            ),
        )
        .await
        .unwrap();

        disk.fill();
        Some(disk)
    }

    fn fill(&self) {
        let whole = vec![0; 1 << 20];
        assert!(
            std::fs::write(self.folder.join("filler"), whole).is_err(),
            "it is smaller than that"
        );
    }

    fn empty(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

/// What the server says when its disk is full.
const REFUSES: &str = "create function no_room() returns trigger language plpgsql as $$ begin \
                       raise exception 'could not extend file: No space left on device' using \
                       errcode = 'disk_full'; end $$; create trigger no_room before insert on \
                       orders for each row execute function no_room()";

#[tokio::test]
async fn a_full_disk_is_nothing_done_and_the_customer_may_come_again() {
    let ground = Ground::new(NOBODY).await;
    let node = ground.node().await;
    run(&ground.database, CATALOG).await.unwrap();
    is_sold(&node, &ground).await;

    run(&ground.database, REFUSES).await.unwrap();
    let (status, answer) = node.ask(&ground.key, &add("https://example.org/1")).await;
    assert_eq!(
        (status, &*answer),
        (503, r#"{"error":"Internal error, retry later"}"#)
    );

    assert_eq!(
        read(&ground.database, COUNTS).await,
        "0 orders, 0 charges, 1000 left"
    );

    run(&ground.database, "drop trigger no_room on orders")
        .await
        .unwrap();

    node.buy(&ground.key, "https://example.org/1").await;
    assert_eq!(
        read(&ground.database, COUNTS).await,
        "1 orders, 1 charges, 999.9 left"
    );

    // And a real one, where it can be had: what fits into the last page is bought, the next one is
    // not.
    if let Some(disk) = FullDisk::under(&ground).await {
        let mut bought = 1;
        let refused = loop {
            let (status, answer) = node
                .ask(
                    &ground.key,
                    &add(&format!("https://example.org/full/{bought}")),
                )
                .await;

            if status != 200 {
                break (status, answer);
            }

            bought += 1;
        };

        assert_eq!(
            refused,
            (503, r#"{"error":"Internal error, retry later"}"#.to_owned())
        );

        let counts = |bought: i32| format!("{bought} orders, {bought} charges, ");
        assert!(
            read(&ground.database, COUNTS)
                .await
                .starts_with(&counts(bought))
        );

        disk.empty();
        node.buy(&ground.key, "https://example.org/room").await;

        assert!(
            read(&ground.database, COUNTS)
                .await
                .starts_with(&counts(bought + 1))
        );

        let back = "alter table orders set tablespace pg_default";
        run(&ground.database, back).await.unwrap();

        run(
            &ground.database,
            &format!("drop tablespace small_{}", std::process::id()),
        )
        .await
        .unwrap();
    }

    node.kill().await;
}
