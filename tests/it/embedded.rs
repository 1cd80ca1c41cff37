//! The private PostgreSQL: from nothing, joined, killed, orphaned, refused.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use panelgate::store::embedded::{Condition, Embedded, EmbeddedError, Error, Manners};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

use crate::server::{manners, passable_folder};

/// How long a killed server may take to be gone or back, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Set for the copy of this test binary that keeps a server in the named folder until it is killed.
const KEEP_IN: &str = "PANELGATE_TEST_KEEP_IN";

async fn open(data: &Path) -> Embedded {
    Embedded::open(data, manners())
        .await
        .expect("the private server opens")
}

async fn connect(embedded: &Embedded) -> PgConnection {
    embedded
        .connect_options()
        .connect()
        .await
        .expect("the private server answers")
}

async fn setting(embedded: &Embedded, name: &str) -> String {
    let show = AssertSqlSafe(format!("show {name}"));
    sqlx::query_scalar(show)
        .fetch_one(&mut connect(embedded).await)
        .await
        .unwrap()
}

async fn commit_a_row(embedded: &Embedded) {
    let mut connection = connect(embedded).await;
    connection
        .execute("create table kept (id int); insert into kept values (7)")
        .await
        .unwrap();
}

async fn committed_row(embedded: &Embedded) -> i32 {
    sqlx::query_scalar("select id from kept")
        .fetch_one(&mut connect(embedded).await)
        .await
        .unwrap()
}

fn postmaster(data: &Path) -> Pid {
    let file = fs::read_to_string(data.join("postgres/postmaster.pid")).expect("a server runs");
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
}

/// Whether the process still does anything; a dead one that its new parent never reaps does not.
fn runs(pid: Pid) -> bool {
    if !Path::new("/proc/self/stat").exists() {
        return kill(pid, None).is_ok();
    }

    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Another process's end has no event that a stranger could wait for: looked at until it shows.
async fn ends(pid: Pid) {
    let looking = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while runs(pid) {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, looking)
        .await
        .expect("the process ends");
}

#[tokio::test]
async fn an_empty_folder_becomes_a_server_that_answers_and_leaves_nothing_behind() {
    let folder = passable_folder();
    let data = folder.path().join("not/yet/there");
    let embedded = open(&data).await;
    let one: i32 = sqlx::query_scalar("select 1")
        .fetch_one(&mut connect(&embedded).await)
        .await
        .unwrap();

    assert_eq!(one, 1);
    for (name, expected) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("jit", "off"),
        ("listen_addresses", ""),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
    ] {
        assert_eq!(setting(&embedded, name).await, expected, "{name}");
    }

    for private in ["postgres", "run"] {
        let meta = fs::metadata(data.join(private)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o700, "{private}");
        assert_ne!(meta.uid(), 0, "{private} belongs to an unprivileged user");
    }

    let condition = embedded.condition();
    assert_eq!(*condition.borrow(), Condition::Running);
    let server = postmaster(&data);
    embedded.stop().await;
    assert!(!runs(server));
    assert_eq!(*condition.borrow(), Condition::Stopped);

    assert!(
        !data.join("postgres/postmaster.pid").exists(),
        "it had time to end in peace"
    );
}

#[tokio::test]
async fn what_was_committed_is_there_at_the_next_start() {
    let folder = passable_folder();
    let first = open(folder.path()).await;
    commit_a_row(&first).await;
    first.stop().await;
    let second = open(folder.path()).await;
    assert_eq!(committed_row(&second).await, 7);

    second.stop().await;
}

#[tokio::test]
async fn a_second_open_joins_and_its_stop_leaves_the_server_alone() {
    let folder = passable_folder();
    let first = open(folder.path()).await;
    let server = postmaster(folder.path());
    commit_a_row(&first).await;
    let second = open(folder.path()).await;
    assert_eq!(postmaster(folder.path()), server, "no second server");
    assert_eq!(committed_row(&second).await, 7);

    second.stop().await;
    assert_eq!(committed_row(&first).await, 7);
    first.stop().await;
    assert!(!runs(server));
}

#[tokio::test]
async fn many_at_once_open_one_server() {
    let folder = passable_folder();
    let data = folder.path().join("data");
    let (a, b, c) = tokio::join!(open(&data), open(&data), open(&data));
    let addresses = [&a, &b, &c].map(|embedded| embedded.connect_options().get_socket().cloned());
    assert!(
        addresses.iter().all(|address| *address == addresses[0]),
        "{addresses:?}"
    );

    commit_a_row(&a).await;
    assert_eq!(committed_row(&c).await, 7);
    tokio::join!(a.stop(), b.stop(), c.stop());
}

#[tokio::test]
async fn one_that_joined_keeps_the_server_when_its_keeper_has_gone() {
    let folder = passable_folder();
    let keeper = open(folder.path()).await;
    let joined = open(folder.path()).await;
    commit_a_row(&keeper).await;
    let mut condition = joined.condition();
    keeper.stop().await;

    is_back(&mut condition).await;
    assert_eq!(committed_row(&joined).await, 7);
    let server = postmaster(folder.path());
    joined.stop().await;
    assert!(!runs(server), "now it was its own to stop");
}

async fn is_back(condition: &mut tokio::sync::watch::Receiver<Condition>) {
    let back = async {
        // First the fall, or already what came after it.
        condition.changed().await.unwrap();
        condition
            .wait_for(|now| *now == Condition::Running)
            .await
            .unwrap();
    };

    tokio::time::timeout(PATIENCE, back)
        .await
        .expect("the server is brought back");
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_was_committed() {
    let folder = passable_folder();
    let embedded = open(folder.path()).await;
    commit_a_row(&embedded).await;
    let mut condition = embedded.condition();
    let killed = postmaster(folder.path());
    kill(killed, Signal::SIGKILL).unwrap();

    is_back(&mut condition).await;
    assert_ne!(postmaster(folder.path()), killed);
    assert_eq!(committed_row(&embedded).await, 7);
    embedded.stop().await;
}

/// Not a test by itself: the body of the process that the next test kills. By itself it has no
/// folder and ends at once.
#[tokio::test]
async fn keep_a_server_until_killed() {
    let Some(data) = std::env::var_os(KEEP_IN).map(PathBuf::from) else {
        return;
    };

    let embedded = open(&data).await;
    commit_a_row(&embedded).await;
    writeln!(std::io::stderr(), "{KEEP_IN}").unwrap();
    std::io::stdin().lines().for_each(drop);
    embedded.stop().await;
}

/// Where a thousand attempts were enough to give it up, a disc that was full for a night was the
/// end.
#[tokio::test]
async fn a_server_that_cannot_be_brought_back_is_tried_for_ever() {
    let folder = passable_folder();
    let first = open(folder.path()).await;
    let real = fs::read_link(format!("/proc/{}/exe", postmaster(folder.path()))).unwrap();
    first.stop().await;
    let named = passable_folder();
    let binaries = named.path().join("bin");
    let put_there = || std::os::unix::fs::symlink(real.parent().unwrap(), &binaries).unwrap();
    put_there();

    let restart_wait_max = Duration::from_micros(100);
    let manners = Manners {
        postgres_bin: Some(binaries.clone()),
        restart_wait_max,
        ..manners()
    };

    let embedded = Embedded::open(folder.path(), manners).await.unwrap();
    commit_a_row(&embedded).await;

    fs::remove_file(&binaries).unwrap();
    kill(postmaster(folder.path()), Signal::SIGKILL).unwrap();
    let mut condition = embedded.condition();
    let many = |now: &Condition| matches!(now, Condition::Restarting { attempts: 1_100.. });
    let tried = condition.wait_for(many);
    assert!(
        tokio::time::timeout(PATIENCE, tried)
            .await
            .expect("tried again and again")
            .is_ok()
    );

    put_there();
    is_back(&mut condition).await;
    assert_eq!(committed_row(&embedded).await, 7);
    embedded.stop().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_no_server_and_loses_nothing() {
    let folder = passable_folder();
    let mut gateway = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "embedded::keep_a_server_until_killed",
            "--nocapture",
        ])
        .env(KEEP_IN, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();

    let mut told = BufReader::new(gateway.stderr.take().unwrap()).lines();
    assert!(
        told.any(|line| line.unwrap() == KEEP_IN),
        "the gateway came up"
    );

    let server = postmaster(folder.path());
    assert!(runs(server));
    gateway.kill().unwrap();
    gateway.wait().unwrap();

    if cfg!(target_os = "linux") {
        ends(server).await;
    }

    let embedded = open(folder.path()).await;
    assert_eq!(committed_row(&embedded).await, 7);
    embedded.stop().await;
    assert!(!runs(server));
}

#[tokio::test]
async fn a_leftover_pid_file_that_names_a_stranger_is_seen_through() {
    let folder = passable_folder();
    let embedded = open(folder.path()).await;
    commit_a_row(&embedded).await;
    let server = postmaster(folder.path());
    let left = fs::read(folder.path().join("postgres/postmaster.pid")).unwrap();
    embedded.stop().await;

    // A file that names a living process, which is not a server: its number was given to somebody
    // else since. Of the server's own user: another user's process would not keep PostgreSQL
    // from starting anyway.
    let user = fs::metadata(folder.path().join("postgres")).unwrap().uid();

    // It ends with its input, and so with this process.
    let mut stranger = Command::new("cat")
        .uid(user)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();

    let text = String::from_utf8(left).unwrap().replacen(
        &server.to_string(),
        &stranger.id().to_string(),
        1,
    );

    fs::write(folder.path().join("postgres/postmaster.pid"), text).unwrap();
    fs::write(
        folder.path().join("run/.s.PGSQL.5432.lock"),
        format!("{}\n", stranger.id()),
    )
    .unwrap();

    let again = open(folder.path()).await;
    assert_eq!(committed_row(&again).await, 7);
    assert!(
        stranger.try_wait().unwrap().is_none(),
        "the stranger was left alone"
    );

    again.stop().await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_folder_of_another_major_version_is_refused_with_the_way_out() {
    let folder = passable_folder();
    open(folder.path()).await.stop().await;
    fs::write(folder.path().join("postgres/PG_VERSION"), "9\n").unwrap();
    let error = Embedded::open(folder.path(), manners()).await.unwrap_err();
    assert!(
        matches!(&error, EmbeddedError::Server(Error::OtherMajor { written_by, .. }) if written_by == "9"),
        "{error}"
    );

    let told = error.to_string();
    for part in [
        "PostgreSQL 9",
        "PANELGATE_POSTGRES_BIN",
        "panelgate backup",
        "panelgate restore",
    ] {
        assert!(told.contains(part), "{part} in: {told}");
    }
}

#[tokio::test]
async fn without_binaries_the_install_command_is_named() {
    let (folder, empty) = (passable_folder(), passable_folder());
    let nowhere = Manners {
        postgres_bin: Some(empty.path().to_owned()),
        ..manners()
    };

    let told = Embedded::open(folder.path(), nowhere)
        .await
        .unwrap_err()
        .to_string();

    assert!(told.contains("postgresql"), "{told}");
    assert!(
        told.contains("install") || told.contains("apk add") || told.contains("pacman -S"),
        "{told}"
    );

    assert!(!folder.path().join("postgres").exists());
}

#[tokio::test]
async fn a_failed_initdb_leaves_no_half_made_folder() {
    let (folder, bin) = (passable_folder(), passable_folder());

    // Written by another process: a program that somebody still holds open for writing cannot be
    // run.
    let write = r#"
        printf '#!/bin/sh\necho half > "$2/PG_VERSION"; echo "no space left" >&2; exit 1\n' > "$1/initdb"
        printf '#!/bin/sh\necho "postgres (PostgreSQL) 15.1"\n' > "$1/postgres"
        chmod 755 "$1/initdb" "$1/postgres"
    "#;

    assert!(
        Command::new("sh")
            .args(["-c", write, "sh"])
            .arg(bin.path())
            .status()
            .unwrap()
            .success()
    );

    let broken = Manners {
        postgres_bin: Some(bin.path().to_owned()),
        ..manners()
    };

    let error = Embedded::open(folder.path(), broken).await.unwrap_err();
    assert!(
        matches!(&error, EmbeddedError::Server(Error::Init { said }) if said == "no space left"),
        "{error}"
    );

    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();

    assert_eq!(left, ["postgres.lock"]);
    open(folder.path()).await.stop().await;
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_still_gets_one() {
    let folder = passable_folder();
    let data = folder.path().join("x".repeat(100));
    let embedded = open(&data).await;
    commit_a_row(&embedded).await;
    let socket = embedded.connect_options().get_socket().cloned().unwrap();
    assert!(!socket.starts_with(folder.path()), "{}", socket.display());

    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o700
    );

    let joined = open(&data).await;
    assert_eq!(committed_row(&joined).await, 7);
    joined.stop().await;
    embedded.stop().await;
    fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn a_closed_parent_is_named() {
    let folder = passable_folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let opened = Embedded::open(&closed.join("data"), manners()).await;

    if nix::unistd::geteuid().is_root() {
        let error = opened.unwrap_err();
        assert!(
            matches!(&error, EmbeddedError::Server(Error::Blocked { blocking, .. }) if *blocking == closed),
            "{error}"
        );
    } else {
        // The server runs as ourselves, and our own closed folder is no obstacle.
        opened.unwrap().stop().await;
    }
}
