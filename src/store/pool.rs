//! Pools whose every statement has an end on our side too.
//!
//! The server bounds what it works on; it cannot bound what it never heard, nor an answer that was
//! lost on its way: a network that falls silent says nothing, and who waits would wait for ever. So
//! each step of a statement is waited for only so long. What is not answered by then may or may not
//! have been done (`StoreError::Away`), and its connection is closed and never lent again: the next
//! borrower would read the late answer.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgPoolOptions, PgQueryResult, PgRow, PgStatement,
    PgTransactionManager, PgTypeInfo,
};
use sqlx::{Connection, Describe, Either, Error, Execute, Executor, PgPool, Postgres, Row, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tokio_util::task::TaskTracker;

use crate::store::history::History;
use crate::store::{progress, session};

/// How long a connection that is given back may take to show that it is clean, or to be closed.
const RETURN_MAX: Duration = Duration::from_secs(5);

/// How long a connection that rested may take to show that it lives; half of what a caller waits
/// for one.
const SIGN_OF_LIFE_MAX: Duration = Duration::from_secs(1);

/// A row, or what a statement did.
type Step = Either<PgQueryResult, PgRow>;

/// When the server was last found away; connections made before are dead, whether they know it or
/// not.
#[derive(Debug, Default)]
pub(super) struct Lost(Mutex<Option<Instant>>);

impl Lost {
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn survived(&self, age: Duration) -> bool {
        let lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.is_none_or(|lost| age < lost.elapsed())
    }

    /// Whether a connection that rested still leads to the server. Where one does not, the others
    /// of its age are not asked one by one: each would cost the caller its time.
    async fn ask_rested(&self, connection: &mut PgConnection) -> bool {
        let asked = tokio::time::timeout(SIGN_OF_LIFE_MAX, connection.ping()).await;
        let lives = matches!(asked, Ok(Ok(())));
        if !lives {
            tracing::warn!("a connection to the database died while it rested; all are made anew");
            self.note();
        }

        lives
    }
}

/// How a pool is made.
pub(super) struct PoolPlan {
    /// The most connections.
    pub connections_max: u32,
    /// How long a connection is waited for.
    pub acquire_max: Duration,
    /// How long a statement's next answer is waited for.
    pub statement_max: Duration,
    /// A connection that rested for so long is asked whether it lives before it is lent.
    pub rested_after: Duration,
    /// Whose connections are looked at before they are used: a database that went back in time, or
    /// another one in its place, is not spoken to. `None`: who looks at that itself.
    pub history: Option<Arc<History>>,
}

/// Connections that are lent to one statement or transaction at a time; clones are the same pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    inner: PgPool,
    statement_max: Duration,
    history: Option<Arc<History>>,
    /// Connections on their way back.
    returning: TaskTracker,
}

impl Pool {
    /// A pool that takes no connection back which is still inside a transaction.
    ///
    /// The driver's `begin()`, when its future is dropped half way, hands back a connection in an
    /// open transaction; the next borrower's writes would be answered and never committed. Two
    /// clocks of the server tell: inside a transaction `now()` stands still at its beginning.
    ///
    /// Nor does it lend one that is older than the server's last absence. Asking each connection
    /// whether it lives would cost every caller a round trip; the heartbeat has asked already. Only
    /// those that rested are asked.
    pub(super) fn open(options: &PgConnectOptions, plan: PoolPlan, lost: &Arc<Lost>) -> Self {
        let PoolPlan {
            connections_max,
            acquire_max,
            statement_max,
            rested_after,
            history,
        } = plan;

        let (lost, watched) = (lost.clone(), history.clone());
        let is_remote = options.get_socket().is_none();

        let inner = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(acquire_max)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let lost = lost.clone();
                Box::pin(async move {
                    let survived = lost.survived(meta.age);
                    let has_rested = meta.idle_for >= rested_after;
                    Ok(survived && (!has_rested || lost.ask_rested(connection).await))
                })
            })
            // Who is connected later, after a failover or through another pooler, has its guards
            // too, and is in the present.
            .after_connect(move |connection, _| {
                let watched = watched.clone();
                Box::pin(async move {
                    let guarded = session::check_guards(connection).await;
                    guarded.map_err(|error| Error::Configuration(Box::new(error)))?;

                    if is_remote {
                        session::keep_alive(connection).await?;
                    }

                    match watched {
                        Some(history) => history.check_connection(connection).await,
                        None => Ok(()),
                    }
                })
            })
            .after_release(|connection, _| {
                Box::pin(async move {
                    // In the simple protocol: the extended one moves the statement's clock between
                    // binding and executing, and would call every connection dirty.
                    let clean = sqlx::raw_sql("select now() = statement_timestamp()");
                    clean.fetch_one(connection).await?.try_get(0)
                })
            })
            .connect_lazy_with(options.clone());

        Self {
            inner,
            statement_max,
            history,
            returning: TaskTracker::new(),
        }
    }

    /// The same connections for somebody who waits no longer than this for an answer.
    pub(super) fn within(&self, statement_max: Duration) -> Self {
        Self {
            statement_max,
            ..self.clone()
        }
    }

    /// The driver's own pool, whose statements have no end on our side.
    pub(super) fn unbounded(&self) -> &PgPool {
        &self.inner
    }

    /// The most connections that it has.
    pub(super) fn connections_max(&self) -> u32 {
        self.inner.options().get_max_connections()
    }

    /// How it connects.
    pub(super) fn connect_options(&self) -> Arc<PgConnectOptions> {
        self.inner.connect_options()
    }

    async fn lend(&self) -> Result<Lent, Error> {
        // Whoever is connected already is connected to what is gone.
        if self
            .history
            .as_ref()
            .is_some_and(|history| history.has_turned())
        {
            return Err(Error::PoolTimedOut);
        }

        let connection = self.inner.acquire().await?;
        Ok(Lent {
            connection,
            statement_max: Some(self.statement_max),
            lost: false,
            returning: self.returning.clone(),
        })
    }

    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        let mut lent = self.lend().await?;
        lent.bounded(|connection| Box::pin(PgTransactionManager::begin(connection, None)))
            .await?;
        Ok(Tx { lent, open: true })
    }

    /// Waits until every connection is given back, and closes them.
    pub(super) async fn close(&self) {
        self.inner.close().await;
        self.returning.close();
        self.returning.wait().await;
    }
}

/// A connection that is lent.
#[derive(Debug)]
pub struct Lent {
    connection: PoolConnection<Postgres>,
    /// `None`: what is done over it takes its time.
    statement_max: Option<Duration>,
    /// An answer is still out: it must not be taken for another one's.
    lost: bool,
    returning: TaskTracker,
}

impl Lent {
    /// Waits for one thing, for so long at most.
    async fn bounded<'c, T>(
        &'c mut self,
        ask: impl FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>,
    ) -> Result<T, Error> {
        let Self {
            connection,
            statement_max,
            lost,
            ..
        } = self;

        in_time(ask(connection), *statement_max, lost).await
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.lost {
            // The driver does so within a time of its own.
            self.connection.close_on_drop();
            return;
        }

        let back = self.connection.return_to_pool();
        self.returning.spawn(async move {
            // Not in time: dropped, it is closed, and its place in the pool is free again.
            if tokio::time::timeout(RETURN_MAX, back).await.is_err() {
                tracing::warn!("a connection that was given back fell silent and is closed");
            }
        });
    }
}

/// A transaction; dropped without a commit, it never happened.
#[derive(Debug)]
pub struct Tx {
    lent: Lent,
    open: bool,
}

impl Tx {
    /// Commits. On an error that is [away](crate::store::StoreError::is_away) nobody knows.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.lent
            .bounded(|connection| Box::pin(PgTransactionManager::commit(connection)))
            .await?;
        self.open = false;
        Ok(())
    }

    /// Undoes it, and waits for that.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.lent
            .bounded(|connection| Box::pin(PgTransactionManager::rollback(connection)))
            .await?;
        self.open = false;
        Ok(())
    }

    /// From here on its statements take their time, as those that fill a database do.
    pub(super) fn take_time(&mut self) {
        self.lent.statement_max = None;
    }

    /// The driver's own connection, whose statements have no end on our side.
    pub(super) fn unbounded(&mut self) -> &mut PgConnection {
        &mut self.lent.connection
    }
}

impl Deref for Tx {
    type Target = Lent;

    fn deref(&self) -> &Lent {
        &self.lent
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Lent {
        &mut self.lent
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.open && !self.lent.lost {
            PgTransactionManager::start_rollback(&mut self.lent.connection);
        }
    }
}

/// What is waited for, unless it takes too long; then its connection is lost.
async fn in_time<T>(
    answer: BoxFuture<'_, Result<T, Error>>,
    statement_max: Option<Duration>,
    lost: &mut bool,
) -> Result<T, Error> {
    let Some(max) = statement_max else {
        return answer.await;
    };

    let answered = tokio::time::timeout(max, answer).await;
    progress::note_progress();

    answered.unwrap_or_else(|_| {
        *lost = true;
        let silence = format!(
            "no answer within {} ms; the connection is closed",
            max.as_millis()
        );

        Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, silence)))
    })
}

/// A statement's steps, each of which has its time.
struct Steps<'e> {
    inner: BoxStream<'e, Result<Step, Error>>,
    statement_max: Option<Duration>,
    lost: &'e mut bool,
    over: bool,
}

impl<'e> Steps<'e> {
    fn stream(self) -> BoxStream<'e, Result<Step, Error>> {
        Box::pin(stream::unfold(self, |mut this| async {
            if this.over {
                return None;
            }

            let next = Box::pin(this.inner.try_next());
            let next = in_time(next, this.statement_max, this.lost)
                .await
                .transpose()?;

            this.over = next.is_err();
            Some((next, this))
        }))
    }
}

impl<'c> Executor<'c> for &'c mut Lent {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Lent {
            connection,
            statement_max,
            lost,
            ..
        } = self;
        let steps = (&mut **connection).fetch_many(query);
        Steps {
            inner: steps,
            statement_max: *statement_max,
            lost,
            over: false,
        }
        .stream()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Lent {
            connection,
            statement_max,
            lost,
            ..
        } = self;
        Box::pin(in_time(
            (&mut **connection).fetch_optional(query),
            *statement_max,
            lost,
        ))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let Lent {
            connection,
            statement_max,
            lost,
            ..
        } = self;
        let prepared = (&mut **connection).prepare_with(sql, parameters);
        Box::pin(in_time(prepared, *statement_max, lost))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let Lent {
            connection,
            statement_max,
            lost,
            ..
        } = self;
        Box::pin(in_time(
            (&mut **connection).describe(sql),
            *statement_max,
            lost,
        ))
    }
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    /// All of it, once all of it is here: nobody keeps a pool's connection while they read.
    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Step, Error>>
    where
        'p: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let steps = async move {
            let mut lent = self.lend().await?;
            (&mut lent)
                .fetch_many(query)
                .try_collect::<Vec<Step>>()
                .await
        };
        stream::once(steps)
            .map_ok(|steps| stream::iter(steps).map(Ok))
            .try_flatten()
            .boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut lent = self.lend().await?;
            (&mut lent).fetch_optional(query).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut lent = self.lend().await?;
            (&mut lent).prepare_with(sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut lent = self.lend().await?;
            (&mut lent).describe(sql).await
        })
    }
}
