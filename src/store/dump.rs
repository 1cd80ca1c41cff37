//! A copy of the database in one file, as `pg_dump` writes it: whole and on the disc, or not there
//! at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Command;

use crate::domain::id::OrderId;
use crate::store::embedded::{self, EmbeddedError};
use crate::store::{Store, StoreError, Tx};

/// How long the dump waits for a lock that somebody else holds on a table.
const LOCK_WAIT_MS_MAX: u32 = 30_000;
/// What is repeated of a program's complaints, in bytes.
pub(super) const SAID_BYTES_MAX: usize = 2_048;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A file of that name is there.
    #[error("{} exists; a backup overwrites nothing: choose another name", .0.display())]
    Exists(PathBuf),
    /// Something about a file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// The verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program of PostgreSQL is missing.
    #[error(transparent)]
    Tool(#[from] EmbeddedError),
    /// A program of PostgreSQL did not do its work.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// The file ends too early, or is none of `pg_dump`.
    #[error("{} is no whole backup: {why}; nothing was restored, try another file", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database does not take what is in the file.
    #[error(
        "{} is damaged, or something else in this database is in its way; nothing was restored: \
         {source}",
        path.display()
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: StoreError,
    },
    /// A dump of something else.
    #[error("{} holds no database of panelgate; nothing was restored", .0.display())]
    Foreign(PathBuf),
    /// A dump of a schema that this panelgate does not know.
    #[error(
        "{} was written by a newer panelgate (its schema has step {step}); nothing was restored: \
         use a panelgate that is \
         at least as new",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The step that is not known here.
        step: i64,
    },
    /// The database to restore into holds customers, orders or money.
    #[error(
        "this database holds customers or orders; a backup is restored into an empty one only: \
         name another folder with --data, or another database with --database-url"
    )]
    NotEmpty,
    /// Somebody works with the database to restore into.
    #[error(
        "{0}; stop what runs on this database first (a killed gateway's hold on panels ends \
         within 10 seconds)"
    )]
    InUse(&'static str),
    /// The database gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DumpError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl DumpError {
    /// For `map_err` on what the system says about `path`.
    pub(super) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

/// What a database holds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Customers.
    pub customers: i64,
    /// Orders.
    pub orders: i64,
    /// The newest order; none where nothing was ever bought.
    pub newest: Option<OrderId>,
}

/// A backup that was written.
#[derive(Clone, Copy, Debug)]
pub struct Dumped {
    /// What is in it: exactly this, whatever was bought meanwhile.
    pub contents: Contents,
    /// The file's size.
    pub bytes: u64,
}

/// Copies the database as it is at one moment into a new file, which only its owner may read.
///
/// `postgres_bin` is the folder of PostgreSQL's programs, where the operator names one.
pub async fn write_dump(
    store: &Store,
    postgres_bin: Option<&Path>,
    file: &Path,
) -> Result<Dumped, DumpError> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(DumpError::Exists(file.to_owned()));
    }

    let mut tx = store.begin().await?;
    let (snapshot, major) = share_moment(&mut tx).await?;
    let contents = count_contents(&mut tx).await?;
    let pg_dump = embedded::tool(postgres_bin, "pg_dump", Some(major))?;
    let half_made = beside(file);

    let open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&half_made);

    let half = open.map_err(DumpError::file("create", &half_made))?;
    let written = fill(store, &pg_dump, &snapshot, half).await;
    let published = match written {
        Ok(()) => publish(&half_made, file),
        Err(error) => Err(error),
    };

    // Only now: the moment lasted as long as the transaction.
    drop(tx);

    if published.is_err() {
        // What is wrong was said already.
        let _ = fs::remove_file(&half_made);
    }

    published.map(|bytes| Dumped { contents, bytes })
}

/// The name of one moment of the database, for as long as the transaction lasts, and the server's
/// major version.
async fn share_moment(tx: &mut Tx) -> Result<(String, u32), DumpError> {
    sqlx::query!("set transaction isolation level repeatable read, read only")
        .execute(&mut **tx)
        .await?;

    sqlx::query!("set local idle_in_transaction_session_timeout = 0")
        .execute(&mut **tx)
        .await?;

    let row = sqlx::query!(
        r#"
        select pg_export_snapshot() as "snapshot!",
            current_setting('server_version_num')::integer / 10000 as "major!"
        "#
    );

    let row = row.fetch_one(&mut **tx).await?;
    Ok((row.snapshot, u32::try_from(row.major).unwrap_or_default()))
}

/// What the transaction sees.
pub async fn count_contents(tx: &mut Tx) -> Result<Contents, StoreError> {
    let row = sqlx::query!(
        r#"
        select (select count(*) from customer) as "customers!", count(*) as "orders!",
            max(id) as newest
        from orders
        "#
    );

    let row = row.fetch_one(&mut **tx).await?;
    Ok(Contents {
        customers: row.customers,
        orders: row.orders,
        newest: row.newest.map(OrderId),
    })
}

/// A name of this process's own, so that two backups at once do not write into one file.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}.half-made", std::process::id()));
    name.into()
}

async fn fill(store: &Store, pg_dump: &Path, snapshot: &str, half: File) -> Result<(), DumpError> {
    let mut command = program(pg_dump);
    command.args([
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--no-password",
    ]);

    command
        .arg(format!("--snapshot={snapshot}"))
        .arg(format!("--lock-wait-timeout={LOCK_WAIT_MS_MAX}"));

    command.envs(whereabouts(&store.workers.connect_options()));
    let copy = half
        .try_clone()
        .map_err(DumpError::file("share", pg_dump))?;

    let child = command
        .stdout(copy)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(DumpError::file("run", pg_dump))?;

    let output = child
        .wait_with_output()
        .await
        .map_err(DumpError::file("wait for", pg_dump))?;

    if !output.status.success() {
        return Err(DumpError::Failed {
            program: "pg_dump",
            status: output.status,
            said: said(&output.stderr),
        });
    }

    half.sync_all().map_err(DumpError::file("sync", pg_dump))
}

/// A program of PostgreSQL that knows nothing but what it is told (our environment holds panels'
/// keys), and ends with us.
pub(super) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true);

    command
}

/// How to reach the server, in the environment: arguments are shown to everybody on the machine.
fn whereabouts(options: &PgConnectOptions) -> Vec<(&'static str, String)> {
    let host = options
        .get_socket()
        .map(|socket| socket.display().to_string());

    let host = host.unwrap_or_else(|| options.get_host().trim_matches(['[', ']']).to_owned());
    let mut told = vec![
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
        (
            "PGDATABASE",
            options
                .get_database()
                .unwrap_or(options.get_username())
                .to_owned(),
        ),
        ("PGSSLMODE", ssl_mode(options.get_ssl_mode()).to_owned()),
        ("PGAPPNAME", super::our_name()),
    ];

    told.extend(
        options
            .get_options()
            .map(|options| ("PGOPTIONS", options.to_owned())),
    );

    // The rest can be asked for in a URL only; it is made without names that a URL could not hold.
    let url = options.clone().username("user").host("host").to_url_lossy();
    if let Some(password) = url.password() {
        let decoded = form_urlencoded::parse(password.as_bytes()).next();
        told.extend(decoded.map(|(password, _)| ("PGPASSWORD", password.into_owned())));
    }

    for (asked, name) in [
        ("sslrootcert", "PGSSLROOTCERT"),
        ("sslcert", "PGSSLCERT"),
        ("sslkey", "PGSSLKEY"),
    ] {
        let found = url.query_pairs().find(|(key, _)| key == asked);
        told.extend(found.map(|(_, value)| (name, value.into_owned())));
    }

    told
}

fn ssl_mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// Gives the whole file its name, if that is still free, and sees both on the disc. The size in
/// bytes.
fn publish(half_made: &Path, file: &Path) -> Result<u64, DumpError> {
    match fs::hard_link(half_made, file) {
        Ok(()) => fs::remove_file(half_made).map_err(DumpError::file("remove", half_made))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(DumpError::Exists(file.to_owned()));
        }
        // A file system without links.
        Err(_) => {
            fs::rename(half_made, file).map_err(DumpError::file("put the backup at", file))?;
        }
    }

    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));

    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(DumpError::file("sync", folder))?;

    Ok(fs::metadata(file)
        .map_err(DumpError::file("look at", file))?
        .len())
}

/// The end of what a program complained about.
pub(super) fn said(stderr: &[u8]) -> String {
    let from = stderr.len().saturating_sub(SAID_BYTES_MAX);
    String::from_utf8_lossy(&stderr[from..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_everything_that_the_url_says() {
        let url = "postgres://us%40er:p%2B%20a%25ss@[::1]:5433/data?sslmode=verify-full&\
                   sslrootcert=/ca.pem";

        let told = whereabouts(
            &Store::options_of(url)
                .unwrap()
                .ssl_mode(PgSslMode::VerifyFull),
        );

        let one = |name| {
            told.iter()
                .find(|(told, _)| *told == name)
                .map(|(_, value)| value.as_str())
        };

        for (name, value) in [
            ("PGHOST", "::1"),
            ("PGPORT", "5433"),
            ("PGUSER", "us@er"),
            ("PGDATABASE", "data"),
            ("PGPASSWORD", "p+ a%ss"),
            ("PGSSLMODE", "verify-full"),
        ] {
            assert_eq!(one(name), Some(value), "{name}");
        }

        let told = whereabouts(
            &PgConnectOptions::new_without_pgpass()
                .socket("/run/here")
                .username("panelgate"),
        );

        assert!(
            told.contains(&("PGHOST", "/run/here".to_owned())),
            "{told:?}"
        );

        assert!(!told.iter().any(|(name, _)| *name == "PGPASSWORD"));
    }
}
