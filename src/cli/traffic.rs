//! A small steady stream of orders for the demo, through the customers' door like anybody's.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Orders under way at once; more are left out, not queued.
const UNDER_WAY_MAX: usize = 64;
/// The longest that one order is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// The stream; it runs until it is stopped.
pub struct Traffic {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Traffic {
    /// So many orders per second, of the services that take a quantity in turn; none at zero.
    pub fn start(url: &str, key: &str, per_second: u32) -> Self {
        let traffic = Self {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };

        let address = url
            .trim_start_matches("http://")
            .trim_end_matches("/api/v2")
            .to_owned();

        if per_second > 0 {
            let (tasks, stop) = (traffic.tasks.clone(), traffic.stop.clone());
            traffic
                .tasks
                .spawn(flow(address, key.to_owned(), per_second, tasks, stop));
        }

        traffic
    }

    /// Places no more, and waits for what is under way.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn flow(
    address: String,
    key: String,
    per_second: u32,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);

    for n in 0u64.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }

        if tasks.len() <= UNDER_WAY_MAX {
            let service = [1, 6, 7][usize::try_from(n % 3).unwrap_or(0)];
            let link = format!("https%3A%2F%2Fexample.com%2Ftraffic%2F{n}");
            let body = format!("key={key}&action=add&service={service}&link={link}&quantity=100");
            let address = address.clone();
            tasks.spawn(async move {
                let placed = tokio::time::timeout(TIMEOUT, post(&address, &body)).await;
                if !matches!(placed, Ok(Ok(()))) {
                    tracing::debug!("an order of the demo's traffic found no answer");
                }
            });
        }
    }
}

async fn post(address: &str, body: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /api/v2 HTTP/1.1\r\nhost: {address}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );

    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await?;

    Ok(())
}
