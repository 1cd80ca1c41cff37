//! The tests' database server: one per test process, and on it a fresh, migrated database per test.

use std::{
    io::PipeWriter,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use panelgate::store::Store;
use panelgate::store::embedded::{Embedded, Manners};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool, postgres::PgConnectOptions,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The database that every test's database is a copy of.
const TEMPLATE: &str = "migrated";

static SERVER: OnceCell<TestServer> = OnceCell::const_new();

/// Names of databases whose tests are over; the next test drops them, so that the disc holds few at
/// a time.
static DONE_WITH: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The ordinal of the next database.
static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);

/// A database of a test's own, migrated and empty; it may be dropped once this value is.
pub struct Database {
    name: String,
    options: PgConnectOptions,
}

/// Gives a fresh database, starting the server when this is the process's first.
pub async fn database() -> Database {
    copy_of(TEMPLATE).await
}

async fn copy_of(template: &str) -> Database {
    let server = SERVER.get_or_init(TestServer::start).await;
    let name = format!(
        "test_{}",
        NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    );

    let mut maintenance = server.maintenance().await;
    let done_with = std::mem::take(&mut *DONE_WITH.lock().unwrap_or_else(PoisonError::into_inner));
    for old in done_with {
        let drop = format!("drop database {old} with (force)");
        maintenance
            .execute(AssertSqlSafe(drop))
            .await
            .expect("a finished test's database can be dropped");
    }

    let create = format!("create database {name} template {template}");
    maintenance
        .execute(AssertSqlSafe(create))
        .await
        .expect("the template can be copied");

    maintenance
        .close()
        .await
        .expect("the maintenance connection closes");

    let options = server.embedded.connect_options().database(&name);
    Database { name, options }
}

impl Database {
    /// Another database in the same state; nobody may be connected to this one.
    pub async fn copy(&self) -> Database {
        copy_of(&self.name).await
    }

    /// How to connect to it.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A pool of the usual size on it.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect_with(self.options())
            .await
            .expect("the test's database answers")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        DONE_WITH
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(std::mem::take(&mut self.name));
    }
}

struct TestServer {
    embedded: Embedded,
    // The write end of the undertaker's input: closed by the system when this process ends,
    // however it ends.
    _alive: PipeWriter,
}

impl TestServer {
    async fn start() -> TestServer {
        let folder = passable_folder().keep();
        let alive = undertaker(&folder);
        let manners = Manners {
            fsync: false,
            ..manners()
        };

        let embedded = Embedded::open(&folder, manners)
            .await
            .expect("the tests' server starts");

        let server = TestServer {
            embedded,
            _alive: alive,
        };

        let mut maintenance = server.maintenance().await;
        let create = format!("create database {TEMPLATE}");
        maintenance
            .execute(AssertSqlSafe(create))
            .await
            .expect("the template can be created");

        let template = server.embedded.connect_options().database(TEMPLATE);
        let store = Store::open(&template, 1, 1);
        store
            .migrate()
            .await
            .expect("the schema is made in an empty database");

        // A template with a connection to it cannot be copied.
        store.close().await;
        server
    }

    async fn maintenance(&self) -> sqlx::PgConnection {
        self.embedded
            .connect_options()
            .database("postgres")
            .connect()
            .await
            .expect("the tests' server answers")
    }
}

/// How tests run a private server; the place of its binaries is the environment's word, as for the
/// gateway.
pub fn manners() -> Manners {
    Manners::durable(std::env::var_os("PANELGATE_POSTGRES_BIN").map(Into::into))
}

/// A temporary folder that the server's user may pass when the tests are run by root.
pub fn passable_folder() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new()
        .prefix("panelgate-test-")
        .permissions(open)
        .tempdir()
        .expect("a temporary folder")
}

/// A process that outlives this one by a moment: it waits for our end, then for the server's, and
/// removes the folder.
///
/// Nothing of ours would run after a test process was killed, and statics are not dropped even when
/// it ends well.
#[allow(
    clippy::zombie_processes,
    reason = "it waits for our end, so we cannot wait for its"
)]
fn undertaker(folder: &std::path::Path) -> PipeWriter {
    let (ours, alive) = std::io::pipe().expect("a pipe");
    let wait_and_remove = r#"
        read -r _
        tries=0
        while [ -e "$1/postgres/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
        rm -rf -- "$1"
    "#;

    let mut shell = Command::new("sh");
    shell
        .args(["-c", wait_and_remove, "undertaker"])
        .arg(folder)
        .stdin(ours)
        .stdout(Stdio::null());

    // In a group of its own, so that Ctrl-C leaves it its work.
    shell
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell");

    alive
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let (one, other) = (database().await, database().await);
    let (ones, others) = (one.pool().await, other.pool().await);
    ones.execute("create table only_here ()").await.unwrap();
    let exists = "select to_regclass('only_here') is not null";
    assert!(
        sqlx::query_scalar::<_, bool>(exists)
            .fetch_one(&ones)
            .await
            .unwrap()
    );

    assert!(
        !sqlx::query_scalar::<_, bool>(exists)
            .fetch_one(&others)
            .await
            .unwrap()
    );
}
