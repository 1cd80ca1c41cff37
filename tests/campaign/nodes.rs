//! The gateways: each is started, killed on demand and started again at once, and ends well when
//! told to.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::plan::{Log, Plan};
use crate::processes::{Ground, Process};
use crate::{LOOK_EVERY, PATIENCE};

/// Where customers find a gateway at this moment, if it is up.
pub type Address = Arc<Mutex<Option<String>>>;

enum Word {
    Kill(oneshot::Sender<()>),
    /// To be stopped in its tracks, or let go on.
    Freeze(bool, oneshot::Sender<()>),
    End,
}

/// All gateways: where they are, and how their keepers are spoken to.
pub struct Nodes {
    pub addresses: Vec<Address>,
    words: Vec<mpsc::Sender<Word>>,
    /// Gateways that were ready and had a log that fails.
    without_log: Arc<AtomicU32>,
}

/// The keepers at work, one per gateway.
pub struct Keepers(JoinSet<anyhow::Result<()>>);

impl Nodes {
    pub fn start(ground: &Ground, plan: &Arc<Plan>) -> (Self, Keepers) {
        let mut all = Self {
            addresses: Vec::new(),
            words: Vec::new(),
            without_log: Arc::default(),
        };

        let mut keepers = JoinSet::new();
        for n in 0..plan.nodes as usize {
            let (tell, words) = mpsc::channel(1);
            let address = Address::default();
            all.addresses.push(address.clone());
            all.words.push(tell);
            let (ground, plan, name) = (ground.clone(), plan.clone(), format!("node-{n}"));
            let without_log = all.without_log.clone();

            let keeper = Keeper {
                ground,
                plan,
                n,
                name,
                address,
                words,
                starts: 0,
                has_log: true,
                without_log,
            };

            keepers.spawn(keeper.keep());
        }

        (all, Keepers(keepers))
    }

    /// Where a gateway is now, if it is up.
    pub fn at(&self, n: usize) -> Option<String> {
        self.addresses[n]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many gateways served that had a log that fails.
    pub fn without_log(&self) -> u32 {
        self.without_log.load(Ordering::Relaxed)
    }

    /// Kills a gateway, which may be serving, starting, or held up by an absent database; it is
    /// started again at once.
    pub async fn kill(&self, n: usize) -> anyhow::Result<()> {
        self.say(n, Word::Kill).await
    }

    /// Stops a gateway in its tracks, whatever it is at, or lets it go on.
    pub async fn freeze(&self, n: usize, frozen: bool) -> anyhow::Result<()> {
        self.say(n, |done| Word::Freeze(frozen, done)).await
    }

    async fn say(
        &self,
        n: usize,
        word: impl FnOnce(oneshot::Sender<()>) -> Word,
    ) -> anyhow::Result<()> {
        let (done, is_done) = oneshot::channel();
        self.words[n]
            .send(word(done))
            .await
            .map_err(|_| anyhow!("a gateway's keeper is gone"))?;

        is_done.await.context("a gateway's keeper is gone")
    }

    /// Tells all of them to end, and waits.
    pub async fn end(self, mut keepers: Keepers) -> anyhow::Result<()> {
        for word in &self.words {
            // A keeper that is gone tells why below.
            let _ = word.send(Word::End).await;
        }

        while let Some(ended) = keepers.0.join_next().await {
            ended??;
        }

        Ok(())
    }
}

impl Keepers {
    /// Resolves when a keeper ends, which none does unless something is wrong.
    pub async fn one_ended(&mut self) -> anyhow::Error {
        match self.0.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => error.into(),
            Some(Ok(Ok(()))) | None => anyhow!("a gateway's keeper ended by itself"),
        }
    }
}

/// How a process's life went.
enum Life {
    Killed,
    /// It ended before it was ready: the database is away.
    NeverReady,
    Ended,
}

struct Keeper {
    ground: Ground,
    plan: Arc<Plan>,
    n: usize,
    name: String,
    address: Address,
    words: mpsc::Receiver<Word>,
    starts: u64,
    has_log: bool,
    without_log: Arc<AtomicU32>,
}

impl Keeper {
    async fn keep(mut self) -> anyhow::Result<()> {
        let mut up = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);

        loop {
            let start = self.plan.start(self.n, self.starts);
            self.starts += 1;
            let (mut process, mut lines) = self.ground.serve(&self.name, start)?;
            self.has_log = start.log == Log::File;
            let life = self.live(&mut process, &mut lines).await;
            self.is_at(None);

            match life.with_context(|| self.name.clone())? {
                Life::Ended => return Ok(()),
                Life::Killed => up = Instant::now(),
                Life::NeverReady if up.elapsed() < PATIENCE => drop(looks.tick().await),
                Life::NeverReady => bail!("{} could not be started again", self.name),
            }
        }
    }

    async fn live(
        &mut self,
        process: &mut Process,
        lines: &mut Lines<BufReader<ChildStdout>>,
    ) -> anyhow::Result<Life> {
        let mut ready = false;
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) => if let Some(url) = line.strip_prefix("ready ") {
                        self.is_at(Some(url.to_owned()));
                        ready = true;
                        self.without_log.fetch_add(u32::from(!self.has_log), Ordering::Relaxed);
                    },
                    None => match process.wait().await? {
                        code if ready => bail!("it ended by itself with {code:?}; its log tells more (--keep)"),
                        _ => return Ok(Life::NeverReady),
                    },
                },
                word = self.words.recv() => match word {
                    Some(Word::Kill(done)) => {
                        self.is_at(None);
                        process.kill().await?;
                        // A killer that went away needs no answer.
                        let _ = done.send(());
                        return Ok(Life::Killed);
                    }
                    Some(Word::Freeze(frozen, done)) => {
                        process.freeze(frozen)?;
                        let _ = done.send(());
                    }
                    Some(Word::End) | None if ready => {
                        process.end().await?;
                        return Ok(Life::Ended);
                    }
                    Some(Word::End) | None => {
                        process.kill().await?;
                        return Ok(Life::Ended);
                    }
                },
            }
        }
    }

    fn is_at(&self, url: Option<String>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}
