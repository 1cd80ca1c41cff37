//! The database that all gateways share: a private server of the campaign's own, killed with all
//! its children, and read when everything is over.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use panelgate::store::embedded::{Embedded, Manners};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};

use crate::amount;
use crate::evidence::{Alert, LegRow, Moved, OrderRow, Wallet};
use crate::until;

pub struct Database {
    embedded: Embedded,
    cluster: PathBuf,
}

/// The database's part of the evidence.
pub struct Books {
    pub orders: Vec<OrderRow>,
    pub legs: Vec<LegRow>,
    pub moved: Vec<Moved>,
    pub wallets: Vec<Wallet>,
    /// Legs whose sender was killed between intent and answer.
    pub cut_off: i64,
    /// What somebody was told of and is still so.
    pub alerts: Vec<Alert>,
}

/// An order in doubt that somebody may decide.
pub struct Doubt {
    pub order: i32,
    pub provider: String,
    pub link: String,
}

/// Long enough in doubt that its call is over and the lease of whoever sent it too.
const DOUBTS: &str = "
    select o.id, l.provider, o.link
    from leg l
    join orders o on o.id = l.order_id
    where l.state = 'in_doubt' and l.sending_at < now() - interval '12 seconds'
    order by l.sending_at desc
    limit $1";

/// Orders that are not over and that nobody but a person can end count as at rest; so do those that
/// wait for our money.
const UNREST: &str = "
    select count(*)
    from orders o
    where o.ended_at is null and o.review is null
        and not exists (select from leg l where l.order_id = o.id and l.state in ('in_doubt', \
                      'parked'))";

impl Database {
    /// Starts the server in the folder. Commits reach the disc here: what was acknowledged must
    /// survive the axe.
    pub async fn open(folder: &Path) -> anyhow::Result<Self> {
        let postgres_bin = std::env::var_os("PANELGATE_POSTGRES_BIN").map(Into::into);
        let embedded = Embedded::open(folder, Manners::durable(postgres_bin)).await?;
        Ok(Self {
            embedded,
            cluster: folder.canonicalize()?.join("postgres"),
        })
    }

    /// How to connect to it.
    pub fn options(&self) -> PgConnectOptions {
        self.embedded.connect_options()
    }

    /// The youngest doubts that a person may decide.
    pub async fn doubts(&self, doubts_max: i64) -> anyhow::Result<Vec<Doubt>> {
        let mut connection = self.connect().await?;
        let rows: Vec<(i32, String, String)> = sqlx::query_as(DOUBTS)
            .bind(doubts_max)
            .fetch_all(&mut connection)
            .await?;

        connection.close().await?;
        Ok(rows
            .into_iter()
            .map(|(order, provider, link)| Doubt {
                order,
                provider,
                link,
            })
            .collect())
    }

    /// Kills the server and every process of it at one moment, once it serves; its supervisor
    /// starts it again.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let server = until("the database serves", async || {
            Ok(if self.connect().await.is_ok() {
                self.postmaster()
            } else {
                None
            })
        });

        let server = server.await?;

        // Held still first, so that it starts no more children while they are counted.
        kill(server, Signal::SIGSTOP)?;

        for child in children(server)? {
            // One that ended meanwhile is as dead as it shall be.
            let _ = kill(child, Signal::SIGKILL);
        }

        kill(server, Signal::SIGKILL)?;
        until("the killed database is gone", async || {
            Ok((self.postmaster() != Some(server)).then_some(()))
        })
        .await
    }

    /// The server of this folder, and nobody else who was given its number.
    fn postmaster(&self) -> Option<Pid> {
        let file = std::fs::read_to_string(self.cluster.join("postmaster.pid")).ok()?;
        let pid = file.lines().next()?.trim().parse().ok()?;
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (works_in == self.cluster).then_some(Pid::from_raw(pid))
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(self.embedded.connect_options().connect().await?)
    }

    /// Under which epoch each panel is held.
    pub async fn epochs(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let mut connection = self.connect().await?;
        let epochs = sqlx::query_as("select id, epoch from provider")
            .fetch_all(&mut connection)
            .await?;

        connection.close().await?;
        Ok(epochs)
    }

    /// Orders that machines still have to do with.
    pub async fn unrest(&self) -> anyhow::Result<i64> {
        let mut connection = self.connect().await?;
        let unrest = sqlx::query_scalar(UNREST)
            .fetch_one(&mut connection)
            .await?;

        connection.close().await?;
        Ok(unrest)
    }

    /// Everything that the judge asks of the database, as it stands at one moment.
    pub async fn read(&self) -> anyhow::Result<Books> {
        let mut connection = self.connect().await?;
        connection
            .execute("begin isolation level repeatable read read only")
            .await?;

        let books = Books {
            orders: orders(&mut connection).await?,
            legs: legs(&mut connection).await?,
            moved: moved(&mut connection).await?,
            wallets: wallets(&mut connection).await?,
            alerts: alerts(&mut connection).await?,
            cut_off: sqlx::query_scalar(
                "select count(*) from attempt where words like 'no answer was written down%'",
            )
            .fetch_one(&mut connection)
            .await?,
        };

        connection.close().await?;
        Ok(books)
    }

    /// Stops the server, politely.
    pub async fn close(self) {
        self.embedded.stop().await;
    }
}

/// As `serve` is told of a database.
pub fn url(options: &PgConnectOptions) -> anyhow::Result<String> {
    let socket = options
        .get_socket()
        .context("a private server has a socket")?;

    let socket =
        serde_urlencoded::to_string([("host", socket.to_str().context("a readable path")?)])?;
    Ok(format!("postgres://panelgate@localhost/panelgate?{socket}"))
}

/// The processes that the server started.
fn children(server: Pid) -> anyhow::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("killing a database needs Linux's /proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };

        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();

        // `pid (name) state parent …`; a name may hold anything but ends with the last bracket.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());

        if parent == Some(server.as_raw()) {
            found.push(Pid::from_raw(pid));
        }
    }

    if found.is_empty() {
        bail!("the database server {server} has no children")
    }

    Ok(found)
}

type OrderTuple = (
    i32,
    i64,
    String,
    i32,
    i64,
    String,
    String,
    String,
    i64,
    Option<String>,
);

async fn orders(connection: &mut PgConnection) -> anyhow::Result<Vec<OrderRow>> {
    let question = "
        select id, customer_id, link, service_id, units, state, charge::text, refunded::text, \
                    remains, review
        from orders
        order by id";

    let rows: Vec<OrderTuple> = sqlx::query_as(question).fetch_all(connection).await?;
    let row = |(id, customer, link, service, units, state, charge, refunded, remains, review): OrderTuple| {
        let (charge, refunded) = (amount::read(&charge)?, amount::read(&refunded)?);
        Ok(OrderRow { id, customer, link, service, units, state, charge, refunded, remains, review })
    };

    rows.into_iter().map(row).collect()
}

async fn legs(connection: &mut PgConnection) -> anyhow::Result<Vec<LegRow>> {
    let question = "
        select order_id, provider, state, panel_order, refused_for is not null
        from leg
        order by order_id, n";

    let rows: Vec<(i32, String, String, Option<String>, bool)> =
        sqlx::query_as(question).fetch_all(connection).await?;

    let row = |(order, provider, state, panel_order, compared)| LegRow {
        order,
        provider,
        state,
        panel_order,
        compared,
    };

    Ok(rows.into_iter().map(row).collect())
}

async fn moved(connection: &mut PgConnection) -> anyhow::Result<Vec<Moved>> {
    let question = "
        select order_id, reason, count(*), sum(amount)::text
        from transfer
        where order_id is not null and reason in ('charge', 'refund')
        group by order_id, reason
        order by order_id, reason";

    let rows: Vec<(i32, String, i64, String)> =
        sqlx::query_as(question).fetch_all(connection).await?;

    let row = |(order, reason, times, sum): (i32, String, i64, String)| {
        Ok(Moved {
            order,
            reason,
            times,
            sum: amount::read(&sum)?,
        })
    };

    rows.into_iter().map(row).collect()
}

async fn alerts(connection: &mut PgConnection) -> anyhow::Result<Vec<Alert>> {
    let question = "select kind, object from alert where raised_at is not null and over_at is \
                    null order by kind, object";
    let rows: Vec<(String, String)> = sqlx::query_as(question).fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .map(|(kind, object)| Alert { kind, object })
        .collect())
}

async fn wallets(connection: &mut PgConnection) -> anyhow::Result<Vec<Wallet>> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select customer_id, balance::text from wallet order by customer_id")
            .fetch_all(connection)
            .await?;

    rows.into_iter()
        .map(|(customer, balance)| {
            Ok(Wallet {
                customer,
                balance: amount::read(&balance)?,
            })
        })
        .collect()
}
