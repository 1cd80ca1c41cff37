//! The gateways: each is started, killed on demand and started again at once, and ends well when told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use tokio::io::{BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::processes::{Ground, Process};
use crate::{LOOK_EVERY, PATIENCE};

/// Where customers find a gateway at this moment, if it is up.
pub type Address = Arc<Mutex<Option<String>>>;

enum Word {
    Kill(oneshot::Sender<()>),
    End,
}

/// All gateways: where they are, and how their keepers are spoken to.
pub struct Nodes {
    pub addresses: Vec<Address>,
    words: Vec<mpsc::Sender<Word>>,
}

/// The keepers at work, one per gateway.
pub struct Keepers(JoinSet<anyhow::Result<()>>);

impl Nodes {
    pub fn start(ground: &Ground, nodes: u32) -> (Self, Keepers) {
        let mut all = Self { addresses: Vec::new(), words: Vec::new() };
        let mut keepers = JoinSet::new();
        for n in 0..nodes {
            let (tell, words) = mpsc::channel(1);
            let address = Address::default();
            all.addresses.push(address.clone());
            all.words.push(tell);
            let keeper = Keeper { ground: ground.clone(), name: format!("node-{n}"), address, words };
            keepers.spawn(keeper.keep());
        }
        (all, Keepers(keepers))
    }

    /// Kills a gateway, which may be serving, starting, or held up by an absent database; it is started again at once.
    pub async fn kill(&self, n: usize) -> anyhow::Result<()> {
        let (done, is_done) = oneshot::channel();
        let word = self.words[n].send(Word::Kill(done));
        word.await.map_err(|_| anyhow!("a gateway's keeper is gone"))?;
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
    name: String,
    address: Address,
    words: mpsc::Receiver<Word>,
}

impl Keeper {
    async fn keep(mut self) -> anyhow::Result<()> {
        let mut up = Instant::now();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            let (mut process, mut lines) = self.ground.serve(&self.name)?;
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

    async fn live(&mut self, process: &mut Process, lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Life> {
        let mut ready = false;
        loop {
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) => if let Some(url) = line.strip_prefix("ready ") {
                        self.is_at(Some(url.to_owned()));
                        ready = true;
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
