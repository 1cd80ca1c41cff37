//! The listener: takes connections, serves each in a task of its own, and ends them all.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::customer::Dialect;
use crate::domain::network::Network;
use crate::downstream::address::Peer;
use crate::downstream::connections::{ConnectionSlot, Connections};
use crate::downstream::lengths::{BothLengths, WatchedConnection};
use crate::downstream::noise::MINUTE;
use crate::downstream::stack::{self, DoorStack};
use crate::downstream::stalls::Stalls;
use crate::downstream::tell::{self, Teller};
use crate::downstream::{AnswerDialect, DoorDeps, DoorState, HealthProbe, Limits};

/// The wait after the system could not give us a connection: most often we have too many files
/// open, and only time closes some.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// What a connection buffers of its input: the HTTP library's smallest. A block of headers may be
/// larger only by what [`Limits::header_bytes_max`] says.
const BUFFER_BYTES_MIN: usize = 8 * 1024;

/// An open door. Dropped, it ends every connection at once; [`Door::close`] lets requests under way
/// end first.
#[derive(Debug)]
pub struct Door {
    addr: SocketAddr,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    stop: StopSignals,
}

/// The two words that end connections.
#[derive(Clone, Debug, Default)]
struct StopSignals {
    /// No new requests.
    drain: CancellationToken,
    /// Nothing any more.
    end: CancellationToken,
}

impl Door {
    /// Opens the customers' door at `addr`; port 0 takes a free one.
    pub async fn open(addr: SocketAddr, house: DoorDeps, limits: Limits) -> io::Result<Self> {
        let dialect = AnswerDialect::InForce(house.catalog.clone());
        let trusted = house.trusted_proxies.clone();
        let stack = stack::api_stack(DoorState::new(house, limits.clone()));
        Self::listen(addr, stack, dialect, trusted, limits).await
    }

    /// Opens a door that answers nothing but `/healthz`.
    pub async fn open_health(
        addr: SocketAddr,
        health: HealthProbe,
        limits: Limits,
    ) -> io::Result<Self> {
        let dialect = AnswerDialect::Always(Dialect::Classic);
        let stack = stack::health_stack(health, dialect.clone(), limits.clone());
        Self::listen(addr, stack, dialect, Vec::new(), limits).await
    }

    async fn listen(
        addr: SocketAddr,
        stack: DoorStack<Incoming>,
        dialect: AnswerDialect,
        trusted: Vec<Network>,
        limits: Limits,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (tasks, stop) = (TaskTracker::new(), StopSignals::default());

        let hall = Arc::new(Hall {
            stack,
            dialect,
            teller: Teller::trusting(trusted.clone()),
            http: http(&limits),
            answer_stall: limits.answer_stall,
            connections: Connections::new(&limits, trusted),
            stop: stop.clone(),
            tasks: tasks.clone(),
        });

        let connections = hall.connections.clone();
        tasks.spawn(keep_telling(hall.clone()));
        tasks.spawn(keep_accepting(listener, hall));

        Ok(Self {
            addr,
            connections,
            tasks,
            stop,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its open connections.
    pub fn connections(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// Takes no more connections and requests, waits for those under way at most `drain`, then ends
    /// what is left.
    pub async fn close(self, drain: Duration) {
        self.tasks.close();
        self.stop.drain.cancel();

        if tokio::time::timeout(drain, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.tasks.len(),
                "requests were cut off at the end of the drain"
            );

            self.stop.end.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop.drain.cancel();
        self.stop.end.cancel();
    }
}

/// What every connection needs.
struct Hall {
    stack: DoorStack<Incoming>,
    dialect: AnswerDialect,
    teller: Teller,
    http: http1::Builder,
    answer_stall: Duration,
    connections: Arc<Connections>,
    stop: StopSignals,
    tasks: TaskTracker,
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http
        // Also how long a kept connection may be silent. Without a timer of its own the library
        // panics.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_header_size(limits.header_bytes_max)
        // Ten thousand idle connections must not hold what they once needed.
        .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN))
        // A client that has sent all it has and closes its half still gets its answer.
        .half_close(true);

    http
}

/// Takes connections until the drain begins, whatever panics meanwhile.
async fn keep_accepting(listener: TcpListener, hall: Arc<Hall>) {
    while AssertUnwindSafe(accept(&listener, &hall))
        .catch_unwind()
        .await
        .is_err()
    {
        tracing::error!("the listener panicked and begins anew");
        tokio::time::sleep(ACCEPT_WAIT).await;
    }
}

async fn accept(listener: &TcpListener, hall: &Arc<Hall>) {
    let connections = &hall.connections;
    let mut failures = 0_u64;

    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = hall.stop.drain.cancelled() => return,
        };

        match accepted {
            Ok((stream, peer)) => {
                if failures > 0 {
                    tracing::warn!(failures, "connections are accepted again");
                    failures = 0;
                    connections.note_accepted(true);
                }

                if let Some(place) = connections.enter(peer.ip()) {
                    hall.tasks
                        .spawn(converse(stream, Peer(peer.ip()), Arc::clone(hall), place));
                } else {
                    // Dropped, and so closed, without a word: a word would cost what the limit
                    // saves.
                    tracing::debug!(peer = %peer.ip(), "a connection too many");
                }
            }
            Err(error) => {
                // Told when it begins and when it is over, not twenty times a second.
                if failures == 0 {
                    tracing::error!(%error, "no connection could be accepted; it is tried again");
                }

                failures += 1;
                connections.note_accepted(false);
                tokio::time::sleep(ACCEPT_WAIT).await;
            }
        }
    }
}

/// What was too much for the log, or for the door, is told each minute and at the end, whatever
/// panics meanwhile.
async fn keep_telling(hall: Arc<Hall>) {
    while !hall.stop.drain.is_cancelled() {
        let told = AssertUnwindSafe(tell_for_a_minute(&hall))
            .catch_unwind()
            .await;

        if told.is_err() {
            tracing::error!("who tells of strangers' requests panicked and begins anew");
        }
    }
}

async fn tell_for_a_minute(hall: &Hall) {
    hall.stop
        .drain
        .run_until_cancelled(tokio::time::sleep(MINUTE))
        .await;

    hall.teller.noise().tell();
    hall.connections.tell_refused();
}

/// Serves one connection to its end. It has its place until then.
async fn converse(stream: TcpStream, peer: Peer, hall: Arc<Hall>, _place: ConnectionSlot) {
    // Answers are whole in one write: waiting to fill a packet only makes customers wait.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection that ended before it began");
        return;
    }

    let both = BothLengths::default();
    let io = TokioIo::new(WatchedConnection::new(
        Stalls::new(stream, hall.answer_stall),
        both.clone(),
    ));

    let service = service_fn(|mut request| {
        request.extensions_mut().insert(both.clone());
        request.extensions_mut().insert(peer);

        tell::request_log(
            hall.stack.clone(),
            hall.dialect.now(),
            request,
            &hall.teller,
        )
    });

    let mut connection = pin!(hall.http.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = hall.stop.drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = hall.stop.end.cancelled() => return,
            }
        }
    };

    if let Err(error) = ended {
        // A client's doing: garbage, silence, gone. Nothing that an operator could mend.
        tracing::debug!(%error, "a connection ended badly");
    }
}
