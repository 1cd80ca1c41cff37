//! The workers of one panel: the keeper of its lease, the dispatcher, the tracker, and who lets
//! parked orders go.
//!
//! ```text
//!  keeper ──epoch──▶ dispatcher   legs out, at most so many at once
//!           ├──────▶ tracker      statuses in, one batch at a time
//!           ├──────▶ unparker     tries again what waits for money or a key
//!           ├──────▶ mover        takes away what waits while the panel is stopped or its route is lost
//!           ├──────▶ accountant   reads our balance there and compares it with what it should be
//!           ├──────▶ reader       reads its catalog, and again when it is old: prices move
//!           ├──────▶ asker        refills and cancels out, refills' states in
//!           ├──────▶ doubter      looks into doubts
//!           ├──────▶ prober       tries a panel that gets no orders with free calls
//!           └──────▶ passer       of a retired panel only: what waits for it goes by another route
//! ```
//! Without an epoch the others do nothing; with an old one the database refuses what they write.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, refresh};
use crate::domain::clock::{SharedClock, Timestamp};
use crate::orders::Delivery;
use crate::store::StoreError;
use crate::store::progress::Progress;
use crate::treasury::Treasury;
use crate::upstream::{Panel, ProviderEntry};
use crate::workers::WorkerDeps;
use crate::workers::driver::{Driver, log_failure};
use crate::workers::pulse::{Haste, Panicked, Pulse, Rounds};

/// How often the lease is renewed; a third of its length, so that one lost renewal loses nothing.
const HOLD_EVERY: Duration = Duration::from_secs(3);
/// How often the dispatcher looks for legs when nobody wakes it.
const DISPATCH_EVERY: Duration = Duration::from_millis(500);
/// How often the tracker looks for orders that are due.
const TRACK_EVERY: Duration = Duration::from_millis(250);
/// How often refills and cancels that are due are looked for.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether the panel was stopped.
const LEAVE_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether services name the panel no more by which something is parked.
const LOST_ROUTES_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked whether a panel's catalog is to be read.
const READ_EVERY: Duration = Duration::from_secs(3);
/// How often our balance is asked for until it was told once.
const COUNT_EVERY: Duration = Duration::from_secs(3);
/// How often it is read when nothing else asks for it.
const BALANCE_EVERY: TimeDelta = TimeDelta::minutes(5);
/// How often doubts that are due are looked for.
const DOUBT_EVERY: Duration = Duration::from_secs(3);
/// How often a panel's health is looked at; and so how far two free calls lie apart that let it go
/// again.
const PROBE_EVERY: Duration = Duration::from_secs(3);
/// How long any of the panel's workers may stand still before its lease is renewed no more, beside
/// the time that the panel has for some answers in a row.
const STANDS_STILL_MAX: Duration = Duration::from_mins(2);
/// The most answers of a panel that a worker waits for between two words with the database.
const ANSWERS_IN_A_ROW_MAX: u32 = 8;
/// Batches asked in a row before the tracker looks up.
const BATCHES_MAX: u32 = 100;

/// Starts a panel's workers, its keeper apart from the others. `before` are those who dealt with it
/// under another block.
///
/// A retired panel gets nothing new: what waits for it is passed on, and what it has is followed.
pub fn start_panel_workers(
    keeping: &Driver,
    driver: &Driver,
    deps: &WorkerDeps,
    listed: &ProviderEntry,
    before: Option<Driver>,
) {
    let panel = &listed.panel;
    let workers = Arc::new(ProviderWorkers {
        delivery: deps.delivery.clone(),
        panel: panel.clone(),
        epoch: AtomicI64::new(0),
        counted: Mutex::default(),
        before,
        hands: driver.clone(),
        is_stuck: AtomicBool::new(false),
    });

    let bought = &deps.bought;
    let name = |worker: &str| format!("{worker} {}", panel.settings().id);
    let keeper = workers.clone();
    let kept = bought.clone();
    keeping.every(name("keeper"), HOLD_EVERY, move || {
        keeper.clone().keep(kept.clone())
    });

    let tracker = workers.clone();
    driver.every(name("tracker"), TRACK_EVERY, move || {
        tracker.clone().track()
    });

    let asker = workers.clone();
    driver.every(name("asker"), ASK_EVERY, move || asker.clone().ask());
    let doubter = workers.clone();
    driver.every(name("doubter"), DOUBT_EVERY, move || {
        doubter.clone().doubt()
    });

    let prober = workers.clone();
    driver.every(name("prober"), PROBE_EVERY, move || prober.clone().probe());

    if listed.retired {
        driver.every(name("passer"), DISPATCH_EVERY, move || {
            workers.clone().pass_on()
        });
        return;
    }

    let (reader, catalog, clock) = (workers.clone(), deps.catalog.clone(), deps.clock.clone());
    driver.at_leisure(name("reader"), READ_EVERY, move || {
        reader.clone().read(catalog.clone(), clock.clone())
    });

    let unparker = workers.clone();
    let unpark_every = Duration::from_secs(u64::from(panel.settings().status_every_s).max(1));
    driver.every(name("unparker"), unpark_every, move || {
        unparker.clone().unpark()
    });

    let mover = workers.clone();
    driver.every(name("mover"), LEAVE_EVERY, move || mover.clone().leave());
    let mover = workers.clone();
    driver.every(name("mover of lost routes"), LOST_ROUTES_EVERY, move || {
        mover.clone().leave_lost_routes()
    });

    let (accountant, treasury, clock) =
        (workers.clone(), deps.treasury.clone(), deps.clock.clone());
    driver.at_leisure(name("accountant"), COUNT_EVERY, move || {
        accountant.clone().count(treasury.clone(), clock.clone())
    });

    let dispatcher = Dispatcher {
        progress: driver.watch(name("dispatcher")),
        rounds: driver.rounds(name("dispatcher"), DISPATCH_EVERY, Haste::Prompt),
        pulse: driver.pulse(),
        workers,
    };

    driver.run(dispatcher.dispatch(bought.clone(), driver.stopping()));
}

/// One panel, and the epoch under which this process may act on it; 0 while another process has it.
struct ProviderWorkers {
    delivery: Delivery,
    panel: Arc<Panel>,
    epoch: AtomicI64,
    /// When our balance was read last, or asked for in vain after it was told once.
    counted: Mutex<Option<Timestamp>>,
    before: Option<Driver>,
    /// Its workers but for the keeper.
    hands: Driver,
    /// Whether one of them stood still when the keeper came round last.
    is_stuck: AtomicBool,
}

impl ProviderWorkers {
    /// The epoch to act under. None while another process has the panel, nor after this one was
    /// stopped for so long that another may have it, until the keeper knows better.
    fn epoch(&self) -> Option<i64> {
        let epoch = Some(self.epoch.load(Ordering::Acquire)).filter(|epoch| *epoch > 0)?;
        self.delivery
            .holds(&self.panel.settings().id, epoch)
            .then_some(epoch)
    }

    /// Renews the lease; what an earlier holder left unanswered is in doubt before anything else is
    /// done.
    ///
    /// Not while one of the workers stands still: another process would do its work, and cannot
    /// while this one holds on.
    async fn keep(self: Arc<Self>, bought: Arc<Notify>) -> Result<(), StoreError> {
        if self.is_held_up() {
            self.epoch.store(0, Ordering::Release);
            return Ok(());
        }

        let held = self.delivery.hold(&self.panel).await;
        let epoch = held.as_ref().ok().copied().flatten();

        // Calls of those who went before are out under a timeout that this block may not know.
        let alone = !self.before.as_ref().is_some_and(Driver::is_busy);
        if let Some(epoch) = epoch.filter(|_| alone) {
            self.delivery.sweep(self.panel.settings(), epoch).await?;
        }

        let before = self.epoch.swap(epoch.unwrap_or(0), Ordering::AcqRel);
        if before == 0 && epoch.is_some() {
            tracing::info!(
                provider = %self.panel.settings().id, epoch, "this process deals with the panel now"
            );
        }

        bought.notify_waiters();
        held.map(|_| ())
    }

    /// Whether a worker stands still; told when that begins and when it ends.
    fn is_held_up(&self) -> bool {
        let provider = &self.panel.settings().id;
        let answer = Duration::from_millis(self.panel.settings().timeout_ms) * ANSWERS_IN_A_ROW_MAX;
        let stuck = self.hands.stuck_for(STANDS_STILL_MAX + answer);

        match (
            self.is_stuck.swap(stuck.is_some(), Ordering::AcqRel),
            &stuck,
        ) {
            (false, Some(worker)) => tracing::error!(
                %provider, worker,
                "a worker stands still; this process gives the panel up, so that another takes it: \
                 start it anew"
            ),

            (true, None) => tracing::warn!(%provider, "the worker that stood still goes on"),
            (false, None) | (true, Some(_)) => {}
        }

        stuck.is_some()
    }

    /// Prices move; what is sold follows, and the margin guard looks at them. A panel that was dead
    /// at the start is sold from as soon as it is back.
    async fn read(self: Arc<Self>, catalog: Catalog, clock: SharedClock) -> Result<(), StoreError> {
        if self.epoch().is_none() {
            return Ok(());
        }

        let settings = self.panel.settings();
        let wanted = self.delivery.wants_prices(&settings.id).await?;

        // What came of it is told and kept where it is read.
        let _ = refresh::if_due(&catalog, &self.panel, &clock, wanted).await?;
        self.delivery
            .confirm_differences(&settings.id, settings.settling)
            .await
            .map(|_| ())
    }

    async fn track(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };

        for _ in 0..BATCHES_MAX {
            let asked = self.delivery.track(&self.panel, epoch).await?;
            if asked < self.panel.settings().status_batch_max as usize {
                break;
            }
        }

        Ok(())
    }

    async fn ask(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };
        self.delivery.cancel(&self.panel, epoch).await?;
        self.delivery.refill(&self.panel, epoch).await.map(|_| ())
    }

    async fn doubt(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };

        self.delivery
            .look_into_doubts(&self.panel, epoch)
            .await
            .map(|_| ())
    }

    async fn probe(self: Arc<Self>) -> Result<(), StoreError> {
        if self.epoch().is_some() {
            self.delivery.probe(&self.panel).await?;
        }
        Ok(())
    }

    async fn pass_on(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };
        self.delivery.pass_on(&self.panel, epoch).await.map(|_| ())
    }

    async fn unpark(self: Arc<Self>) -> Result<(), StoreError> {
        if self.epoch().is_some() {
            self.delivery.unpark(&self.panel).await?;
        }
        Ok(())
    }

    async fn leave(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };
        self.delivery.leave(&self.panel, epoch).await.map(|_| ())
    }

    async fn leave_lost_routes(self: Arc<Self>) -> Result<(), StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(());
        };

        self.delivery
            .leave_lost_routes(&self.panel, epoch)
            .await
            .map(|_| ())
    }

    /// As soon as the panel answers, and so under each block that it gets: edits that come quicker
    /// than readings keep nobody from counting.
    async fn count(
        self: Arc<Self>,
        treasury: Treasury,
        clock: SharedClock,
    ) -> Result<(), StoreError> {
        let now = clock.now();
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if self.epoch().is_none() || counted.is_some_and(|at| now - at < BALANCE_EVERY) {
            return Ok(());
        }

        if self.delivery.count(&self.panel).await?.is_none() && counted.is_none() {
            return Ok(());
        }

        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        treasury.judge(self.panel.settings()).await?;
        treasury.forget().await
    }
}

/// Who sends a panel's legs.
struct Dispatcher {
    workers: Arc<ProviderWorkers>,
    progress: Progress,
    rounds: Rounds,
    pulse: Pulse,
}

impl Dispatcher {
    /// Sends legs as they come, so many at once as the panel takes. Told to stop, it takes no more
    /// and waits for those that are out. Its own panic leaves those alone.
    async fn dispatch(self, bought: Arc<Notify>, stop: CancellationToken) {
        let mut out = JoinSet::new();
        while !stop.is_cancelled() {
            self.progress.step();
            let woken = bought.notified();
            let room = self.concurrent_max().saturating_sub(out.len());
            let sent = self.send_due(room, &mut out).await;

            // As many as there was room for: there may be more, as soon as one is back. Otherwise
            // there is news first.
            let is_full = sent.taken == room;

            if out.is_empty() {
                self.progress.rest();
            }

            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = out.join_next(), if !out.is_empty() => self.note_end(ended),
                () = woken, if !is_full && !sent.panicked => {}
                () = tokio::time::sleep(sent.pause), if !is_full || sent.panicked => {}
            }
        }

        while let Some(ended) = out.join_next().await {
            self.note_end(ended);
        }
    }

    /// Takes legs that are due, and sends each in a task of its own.
    async fn send_due(&self, room: usize, out: &mut JoinSet<()>) -> SentRound {
        let mut sent = SentRound {
            taken: 0,
            pause: DISPATCH_EVERY,
            panicked: false,
        };

        match self.rounds.survive(self.workers.send_due(room, out)).await {
            Ok(Ok(taken)) => {
                sent.taken = taken;
                // With no room left, the next round begins when an answer is here.
                let answer = Duration::from_millis(self.workers.panel.settings().timeout_ms);
                self.rounds.ended_well(answer);
            }
            Ok(Err(error)) => log_failure(self.rounds.name(), &error),
            Err(Panicked { restart_in }) => {
                sent.panicked = true;
                sent.pause = restart_in;
            }
        }

        sent
    }

    /// A leg whose sending panicked is `leased` or `sending`, and its lease or its timeout runs
    /// out.
    fn note_end(&self, ended: Result<(), JoinError>) {
        if let Err(error) = ended {
            self.pulse.count_panic();
            let provider = &self.workers.panel.settings().id;
            tracing::error!(
                %provider, %error, "sending an order panicked; it is looked for in time"
            );
        }
    }

    fn concurrent_max(&self) -> usize {
        self.workers.panel.settings().concurrent_max as usize
    }
}

/// What a round of sending came to.
struct SentRound {
    taken: usize,
    /// Before the next round, where no news comes first.
    pause: Duration,
    panicked: bool,
}

impl ProviderWorkers {
    async fn send_due(
        self: &Arc<Self>,
        room: usize,
        out: &mut JoinSet<()>,
    ) -> Result<usize, StoreError> {
        let Some(epoch) = self.epoch() else {
            return Ok(0);
        };

        let legs = self.delivery.lease(&self.panel, epoch, room).await?;
        let taken = legs.len();

        for leg in legs {
            let workers = self.clone();
            out.spawn(async move {
                if let Err(error) = workers.delivery.send(&workers.panel, &leg, epoch).await {
                    log_failure("dispatcher", &error);
                }
            });
        }

        Ok(taken)
    }
}
