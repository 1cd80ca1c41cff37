//! `serve`: the gateway, until it is told to end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::app::{self, App, Gateway, Roles};
use crate::cli::answer::{self, CommandOutcome, WrongUse};
use crate::cli::place::DatabaseTarget;
use crate::cli::session::open_database;
use crate::cli::{Addresses, Globals, check};
use crate::config::{self, File, LogFormat, Role};
use crate::reload::{self, Env, StartError};
use crate::store::Store;
use crate::telemetry::{self, Lines};

/// What a private server has at least to end by itself, however long everything before it took.
const SERVER_END_MIN: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    addresses: Addresses,
    /// What this process does: api, workers, console [default: all]
    #[arg(long, value_name = "ROLES", value_delimiter = ',')]
    roles: Vec<String>,
}

pub async fn run(globals: Globals, options: Options) -> anyhow::Result<CommandOutcome> {
    let mut signals = Signals::listen()?;
    let surroundings = config::surroundings();
    let file = config::load(&check::file(&globals), &surroundings)?;
    let roles = roles(&file, &options)?;

    let lines = match file.process.telemetry.format {
        LogFormat::Text => Lines::Text,
        LogFormat::Json => Lines::Json,
    };

    telemetry::start_logging(lines, &file.process.telemetry.level)?;
    for note in &file.notes {
        tracing::info!(%note, "the configuration");
    }

    app::raise_descriptors();
    app::can_listen([roles.api, roles.console])?;
    let (place, database) = (
        DatabaseTarget::by_file(&globals, &file.process)?,
        &file.process.database,
    );

    let opening = open_database(&place, database.customers_max, database.workers_max);

    // Nothing is under way yet. From here on something is, and ends as it does once the gateway is
    // ready.
    let Some(opened) = signals.unless_told(opening).await else {
        tracing::info!("told to end before it was ready");
        return Ok(CommandOutcome::silent());
    };

    let (store, embedded) = opened?;
    let ground = ground(check::file(&globals), surroundings);

    let gateway = signals
        .unless_told_twice(Box::pin(open(
            store,
            embedded.as_ref(),
            file,
            ground,
            roles,
        )))
        .await?;

    let served = match gateway {
        Ok(gateway) => Box::pin(serve(gateway, &mut signals)).await,
        Err(error) => Err(error),
    };

    match (embedded, served) {
        (Some(embedded), Ok(ends)) => {
            let left = ends.saturating_duration_since(Instant::now());
            embedded.stop_within(left.max(SERVER_END_MIN)).await;
        }
        // Told twice to end: the server is told by our end, and nobody waits for it.
        (Some(_), Err(error)) if error.is::<EndedAtOnce>() => return Err(error),
        (Some(embedded), Err(error)) => {
            embedded.stop().await;
            return Err(error);
        }
        (None, served) => drop(served?),
    }

    Ok(CommandOutcome::silent())
}

async fn open(
    store: Store,
    embedded: Option<&crate::store::embedded::Embedded>,
    file: File,
    ground: Env,
    roles: Roles,
) -> anyhow::Result<Gateway> {
    let trusted_proxies = file.process.server.trusted_proxies.clone();
    let house = start(store, file, ground).await?;

    Gateway::open(
        App {
            trusted_proxies,
            ..house
        },
        roles,
        embedded,
    )
    .await
}

/// Serves until it is told to end; by when all of the process should have ended.
async fn serve(gateway: Gateway, signals: &mut Signals) -> anyhow::Result<Instant> {
    announce(&gateway);
    signals.told_to_end(Some(&gateway)).await;
    let drain = gateway.drain();
    let ends = Instant::now() + drain;
    tracing::info!(
        drain_s = drain.as_secs(),
        "told to end; what is under way is finished first, and a second signal ends it at once"
    );

    signals.unless_told_twice(Box::pin(gateway.close())).await?;
    Ok(ends)
}

/// The ready line: scripts wait for it.
pub fn announce(gateway: &Gateway) {
    if let Some(url) = gateway.url().or_else(|| gateway.console_url()) {
        answer::announce(&url);
    }
}

async fn read_at_once(gateway: &Gateway) {
    match gateway.house().reload.look_at_once().await {
        Ok(seen) => tracing::info!(?seen, "SIGHUP: the file was read"),
        Err(error) => {
            tracing::error!(%error, "SIGHUP: the file could not be judged; send it again");
        }
    }
}

/// Builds the house over the file; what keeps it from being served is wrong use.
pub async fn start(store: Store, file: File, ground: Env) -> anyhow::Result<App> {
    app::check_clock(&store)?;
    let clock = store.clock();
    let started = App::start(store, file, ground, clock).await;
    started.map_err(|error| match error.downcast_ref::<StartError>() {
        Some(StartError::Refused(why)) => WrongUse::because(why.clone()),
        Some(StartError::Store(_)) | None => error,
    })
}

/// Where a gateway with this file finds its configuration.
pub fn ground(file: PathBuf, surroundings: BTreeMap<String, String>) -> Env {
    Env {
        file: Some(file),
        surroundings,
        node: reload::our_name(),
    }
}

/// Told twice to end, a process does so at once.
#[derive(Debug, thiserror::Error)]
#[error(
    "ended at once by a second signal; orders that were on their way to a panel are in doubt: \
     `panelgate order list --state in_doubt` shows them once the gateway runs again"
)]
pub struct EndedAtOnce;

/// What a process must not end by, from its first moment on; and what it ends by, at a moment of
/// its own choice.
pub struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Whether it was told to end.
    told: bool,
    /// Writing beyond the limit of a file's size is an error like any other, and no end.
    _file_too_large: Signal,
}

impl Signals {
    /// A terminal that is closed while the process starts does not end it either.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            told: false,
            _file_too_large: signal(SignalKind::from_raw(nix::libc::SIGXFSZ))?,
        })
    }

    /// Waits for SIGTERM or Ctrl-C, which may have come already; SIGHUP has a gateway's file read
    /// at once.
    pub async fn told_to_end(&mut self, gateway: Option<&Gateway>) {
        if !self.told {
            self.next(gateway).await;
            self.told = true;
        }
    }

    /// Waits for what comes before anything is under way, unless the process is told to end first.
    pub async fn unless_told<T>(&mut self, begun: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            begun = begun => Some(begun),
            () = self.told_to_end(None) => None,
        }
    }

    /// Waits for what must come to its end though the process is told to end, unless it is told so
    /// twice.
    pub async fn unless_told_twice<T>(
        &mut self,
        begun: impl Future<Output = T>,
    ) -> Result<T, EndedAtOnce> {
        let mut begun = std::pin::pin!(begun);
        loop {
            tokio::select! {
                begun = &mut begun => return Ok(begun),
                () = self.next(None) => {
                    if std::mem::replace(&mut self.told, true) {
                        return Err(EndedAtOnce);
                    }
                }
            }
        }
    }

    /// The next signal that says to end.
    async fn next(&mut self, gateway: Option<&Gateway>) {
        let Self {
            hang_up,
            terminate,
            interrupt,
            ..
        } = self;

        let reread = async {
            loop {
                hang_up.recv().await;
                if let Some(gateway) = gateway {
                    read_at_once(gateway).await;
                }
            }
        };

        // A file on a disk that hangs keeps nobody from ending.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = reread => {}
        }
    }
}

fn roles(file: &File, options: &Options) -> anyhow::Result<Roles> {
    let server = &file.process.server;
    let known = [
        ("api", Role::Api),
        ("workers", Role::Workers),
        ("console", Role::Console),
    ];

    let mut roles = Vec::new();
    for word in &options.roles {
        let Some((_, role)) = known.iter().find(|(name, _)| name == word) else {
            return Err(WrongUse::because(format!(
                "--roles {word:?} is none; there are: api, workers, console"
            )));
        };

        roles.push(*role);
    }

    if roles.is_empty() {
        roles.clone_from(&server.roles);
    }

    let on = |role, flag: Option<SocketAddr>, set: SocketAddr| {
        roles.contains(&role).then(|| flag.unwrap_or(set))
    };

    Ok(Roles {
        api: on(Role::Api, options.addresses.listen, server.listen),
        console: on(Role::Console, options.addresses.console, server.console),
        workers: roles.contains(&Role::Workers),
        drain: server.drain_s.map(Duration::from_secs),
    })
}
