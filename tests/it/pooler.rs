//! PgBouncer between a node and its database: what it drops without a word is looked for before
//! anything is done, and refused with the reason.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use panelgate::store::Store;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::books::run;
use crate::node::{Ground, Node, until, url_of};
use crate::server::{self, Database};

const NOTHING_SOLD: &str = "[gateway]\ncurrency = \"USD\"\n";

/// A running pooler before a test's database.
struct Pooler {
    folder: TempDir,
    url: String,
    _child: Child,
}

impl Pooler {
    async fn start(database: &Database, settings: &str) -> Self {
        let folder = server::passable_folder();
        let options = database.options();
        let (host, name) = (
            options.get_socket().unwrap().display().to_string(),
            options.get_database().unwrap(),
        );

        let (port, user) = (options.get_port(), options.get_username());
        let here = folder.path().display();

        let written = format!(
            "[databases]\n{name} = host={host} port={port} dbname={name} \
             user={user}\n[pgbouncer]\nunix_socket_dir = {here}\nlisten_port = \
             {port}\nlisten_addr =\nauth_type = any\nlogfile = {here}/log\npidfile = \
             {here}/pid\n{settings}\n"
        );

        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, written).unwrap();
        let child = pgbouncer(&file, folder.path())
            .spawn()
            .expect("Debian's pgbouncer is there; `.ci/tools` installs it");

        let socket = folder.path().join(format!(".s.PGSQL.{port}"));
        until("the pooler listens", async || {
            tokio::net::UnixStream::connect(&socket).await.is_ok()
        })
        .await;

        let url = url_of(&options.socket(folder.path()));
        Self {
            folder,
            url,
            _child: child,
        }
    }
}

/// It refuses to be run by root, so root runs it as the database's user.
fn pgbouncer(file: &Path, folder: &Path) -> Command {
    let mut command = Command::new("/usr/sbin/pgbouncer");
    if nix::unistd::Uid::effective().is_root() {
        let users =
            ["postgres", "nobody"].map(|name| nix::unistd::User::from_name(name).ok().flatten());

        let user = users
            .into_iter()
            .flatten()
            .next()
            .expect("a user who is not root");

        std::os::unix::fs::chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }

    command
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);

    command
}

#[tokio::test]
async fn what_a_pooler_makes_of_our_sessions_is_refused_with_the_reason() {
    let ground = Ground::new(NOTHING_SOLD).await;
    for (settings, says) in [
        ("pool_mode = session", "unsupported startup parameter"),
        (
            "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
            "statement_timeout is 0 and must be 15s, lock_timeout is 0 and must be 5s",
        ),
        (
            "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
            "statement_timeout is 0 and must be 15s, lock_timeout is 0 and must be 5s",
        ),
    ] {
        let pooler = Pooler::start(&ground.database, settings).await;
        let refused = Node::try_start(&mut ground.serve(&pooler.url)).await;
        let errors = refused
            .err()
            .unwrap_or_else(|| panic!("{settings}: it serves"));
        assert!(
            errors.contains(says) && errors.contains("connect to the server itself"),
            "{settings}: {errors}"
        );
        assert!(pooler.folder.path().exists());
    }
}

#[tokio::test]
async fn sessions_that_have_their_guards_are_served_and_shared_ones_are_refused_all_the_same() {
    let ground = Ground::new(NOTHING_SOLD).await;

    // Of this database alone: other tests' sessions get theirs as ever.
    let name = ground.database.options().get_database().unwrap().to_owned();

    let guards = [
        ("statement_timeout", "15s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("synchronous_commit", "on"),
        ("default_transaction_isolation", "read committed"),
    ];

    for (guard, value) in guards {
        run(
            &ground.database,
            &format!("alter database {name} set {guard} = '{value}'"),
        )
        .await
        .unwrap();
    }

    let own = Pooler::start(
        &ground.database,
        "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
    )
    .await;

    let node = Node::start(&mut ground.serve(&own.url)).await;
    let (_, balance) = node.ask(&ground.key, &[("action", "balance")]).await;
    assert_eq!(balance, r#"{"balance":"1000.00","currency":"USD"}"#);
    node.kill().await;

    let shared = Pooler::start(
        &ground.database,
        "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
    )
    .await;

    let refused = Node::try_start(&mut ground.serve(&shared.url)).await;
    let errors = refused
        .err()
        .expect("it does not serve over shared sessions");

    assert!(
        errors.contains("sessions share the server's connections"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_session_without_its_guards_is_never_handed_out() {
    let ground = Ground::new(NOTHING_SOLD).await;
    let pooler = Pooler::start(
        &ground.database,
        "pool_mode = session\nignore_startup_parameters = options,extra_float_digits",
    )
    .await;

    // As after a failover to a way that drops them, when nobody starts and nothing is checked but
    // the session itself.
    let options = ground.database.options().socket(pooler.folder.path());
    let store = Store::open(&options, 1, 1);
    assert!(store.begin().await.is_err_and(|error| error.is_away()));
    assert!(!store.beat().await);

    store.close().await;
}
