//! The customers who were there before the crowd: how long they wait.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::gateway::Gateway;

/// They ask so often, whatever the answers take: 40 a second, as much as one address may.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// Who waits longer gives up.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The address that is theirs alone.
const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 100));
/// Of so many requests one buys.
const ROUND: u32 = 10;

/// Customers with one key.
pub struct Others {
    client: reqwest::Client,
    url: String,
    key: String,
}

/// What they were answered.
#[derive(Debug, Default)]
pub struct Heard {
    /// How long each took from when it was due.
    pub took: Vec<Duration>,
    /// How many got no answer, or another than they should.
    pub failed: usize,
}

impl Heard {
    /// Within how long so many of a hundred answers came.
    pub fn within(&self, percent: usize) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        let last = took.len().saturating_sub(1);
        took.get(last * percent / 100).copied().unwrap_or_default()
    }
}

impl Others {
    /// Those of a gateway.
    pub fn of(gateway: &Gateway) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .local_address(FROM)
            .timeout(TIMEOUT)
            .build()?;

        Ok(Self {
            client,
            url: format!("http://{}/api/v2", gateway.addr),
            key: gateway.key.clone(),
        })
    }

    /// They ask at their pace for so long.
    pub async fn ask_for(&self, span: Duration) -> anyhow::Result<Heard> {
        let mut asking = JoinSet::new();
        let mut due = tokio::time::interval(ASK_EVERY);
        let began = Instant::now();
        let mut nth = 0;

        while began.elapsed() < span {
            due.tick().await;
            nth += 1;
            asking.spawn(ask(self.client.clone(), self.url.clone(), self.form(nth)?));
        }

        let mut heard = Heard::default();
        while let Some(answer) = asking.join_next().await {
            match answer? {
                Some(took) => heard.took.push(took),
                None => heard.failed += 1,
            }
        }

        Ok(heard)
    }

    fn form(&self, nth: u32) -> anyhow::Result<String> {
        let link = format!("https://example.org/{nth}");
        let mut fields = vec![("key", self.key.as_str())];
        match nth % ROUND {
            0 => fields.extend([
                ("action", "add"),
                ("service", "1"),
                ("link", &link),
                ("quantity", "100"),
            ]),
            odd if odd % 2 == 1 => fields.push(("action", "balance")),
            _ => fields.push(("action", "services")),
        }

        Ok(serde_urlencoded::to_string(fields)?)
    }
}

/// How long an answer took that was as it should be.
async fn ask(client: reqwest::Client, url: String, form: String) -> Option<Duration> {
    let began = Instant::now();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);

    let answer = request.send().await.ok()?;
    let (status, text) = (answer.status(), answer.text().await.ok()?);
    (status.is_success() && !text.contains("\"error\"")).then(|| began.elapsed())
}
