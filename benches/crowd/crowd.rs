//! The crowd: connections that are only there, and requests that nobody has a key for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Connections from each address, fewer than one may have.
const OF_AN_ADDRESS: usize = 500;
/// A slow one sends a byte so often.
const BYTE_EVERY: Duration = Duration::from_millis(500);
/// Requests of a flood that are out at once.
const AT_ONCE: u32 = 16;
/// The longest answer that a flood looks at.
const ANSWER_BYTES_MAX: usize = 4_096;

/// An address of this machine, of sixteen million.
fn address(nth: u32) -> Ipv4Addr {
    let [_, a, b, c] = (nth % 0x00ff_fffe + 0x0001_0001).to_be_bytes();
    Ipv4Addr::new(127, a, b, c)
}

async fn connect(to: SocketAddr, from: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Connections that stay until they are dropped.
pub struct Connections {
    open: usize,
    _idle: Vec<TcpStream>,
    _slow: JoinSet<()>,
}

impl Connections {
    /// Those that say nothing.
    pub async fn idle(to: SocketAddr, many: usize) -> std::io::Result<Self> {
        let mut idle = Vec::with_capacity(many);
        for n in 0..many {
            idle.push(connect(to, address(u32::try_from(n / OF_AN_ADDRESS).unwrap_or(0))).await?);
        }

        Ok(Self {
            open: idle.len(),
            _idle: idle,
            _slow: JoinSet::new(),
        })
    }

    /// Those that send their headers a byte at a time.
    pub async fn slow(to: SocketAddr, many: usize) -> std::io::Result<Self> {
        let mut slow = JoinSet::new();
        for n in 0..many {
            let mut stream =
                connect(to, address(u32::try_from(n / OF_AN_ADDRESS).unwrap_or(0))).await?;

            slow.spawn(async move {
                let mut due = tokio::time::interval(BYTE_EVERY);
                for byte in
                    b"POST /api/v2 HTTP/1.1\r\nHost: slow.example\r\nX-Slow: 0123456789".chunks(1)
                {
                    due.tick().await;
                    if stream.write_all(byte).await.is_err() {
                        return;
                    }
                }
            });
        }

        Ok(Self {
            open: many,
            _idle: Vec::new(),
            _slow: slow,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open
    }
}

/// Requests as fast as they are answered, each with a wrong key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Each from an address that was never seen.
    OfAddresses,
    /// From a few addresses.
    OfKeys,
}

/// A flood under way.
pub struct Flooding {
    stop: Arc<AtomicBool>,
    floods: JoinSet<u32>,
}

impl Flood {
    /// Begins it.
    pub fn begin(self, to: SocketAddr) -> Flooding {
        let (stop, next, mut floods) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
            JoinSet::new(),
        );

        for worker in 0..AT_ONCE {
            let (stop, next) = (stop.clone(), next.clone());
            floods.spawn(async move {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let from = if self == Self::OfAddresses {
                        1_000 + nth
                    } else {
                        500 + worker
                    };

                    answered += u32::from(ask(to, address(from), nth).await.is_ok());
                }

                answered
            });
        }

        Flooding { stop, floods }
    }
}

impl Flooding {
    /// Ends it; how many were answered.
    pub async fn end(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.floods.join_all().await.into_iter().sum()
    }
}

async fn ask(to: SocketAddr, from: Ipv4Addr, nth: u32) -> std::io::Result<()> {
    let mut stream = connect(to, from).await?;
    let form = format!("key=pgk_{nth:036}&action=balance");
    let head = "POST /api/v2 HTTP/1.1\r\nHost: flood.example\r\nConnection: \
                close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    stream
        .write_all(format!("{head}Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes())
        .await?;

    let mut answer = vec![0; ANSWER_BYTES_MAX];
    while stream.read(&mut answer).await? > 0 {}
    Ok(())
}
