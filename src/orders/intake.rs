//! The intake: where what was checked is bought, in tasks that outlive whoever asked.
//!
//! A customer who hangs up drops the future that waits here, never the work: it runs in a task of
//! its own, to its commit. Batches have one placement today; the interface below it takes many.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::task::TaskTracker;

use crate::customers::refused;
use crate::domain::id::OrderId;
use crate::domain::order::{Placed, Placement};
use crate::domain::refusal::Refusal;
use crate::store::{Store, StoreError, orders};

/// Placements that may wait for the database; one more is told to come back.
const WAITING_MAX: usize = 512;
/// Ids drawn at once; what a process does not use is a gap.
const IDS_AT_ONCE: i32 = 32;
/// How long a purchase is looked for whose outcome is unknown: it fits into the request beside the
/// time that buying may take.
const LOOKS_MAX: Duration = Duration::from_secs(8);
/// Between two such looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Buys one placement after another.
#[derive(Clone, Debug)]
pub struct Intake {
    store: Store,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    ids: Arc<Mutex<Vec<OrderId>>>,
    bought: Arc<Notify>,
}

impl Intake {
    /// The intake of a database.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            room: Arc::new(Semaphore::new(WAITING_MAX)),
            tasks: TaskTracker::new(),
            ids: Arc::new(Mutex::new(Vec::new())),
            bought: Arc::new(Notify::new()),
        }
    }

    /// Rung whenever something was bought.
    pub fn bought(&self) -> Arc<Notify> {
        self.bought.clone()
    }

    /// An order id that nobody else has.
    pub async fn draw_id(&self) -> Result<OrderId, Refusal> {
        let mut ids = self.ids.lock().await;
        if let Some(id) = ids.pop() {
            return Ok(id);
        }

        let mut drawn = orders::draw_ids(&self.store, IDS_AT_ONCE)
            .await
            .map_err(|error| refused(&error))?;

        drawn.sort_unstable_by(|one, other| other.cmp(one));
        *ids = drawn;
        ids.pop().ok_or(Refusal::Broken)
    }

    /// Buys, whether or not anybody still waits for the outcome.
    pub async fn buy(&self, placement: Placement) -> Result<Placed, Refusal> {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            tracing::warn!(WAITING_MAX, "the intake is full");
            return Err(Refusal::Away);
        };

        let (store, signal, ids) = (self.store.clone(), self.bought.clone(), self.ids.clone());
        let (order, answer) = (placement.order, placement.answer.clone());
        let bought = self.tasks.spawn(async move {
            let id = placement.order;
            let outcome = buy_one(&store, placement).await;
            drop(place);

            match outcome {
                Ok(Placed::Bought(_)) => signal.notify_waiters(),
                // Certainly not used: ids are few enough that asking without money must not use
                // them up.
                Ok(Placed::NoMoney | Placed::Reused | Placed::Replayed(_)) => {
                    ids.lock().await.push(id);
                }
                // Perhaps used, and then a gap is cheaper than a doubt.
                Err(_) => {}
            }

            outcome
        });

        match bought.await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, %order, "buying panicked; what came of it is looked for");
                self.see_through_look(order, answer).await
            }
        }
    }

    /// Looks for a purchase whose task ended without an outcome, whether or not anybody still
    /// waits.
    async fn see_through_look(&self, order: OrderId, answer: String) -> Result<Placed, Refusal> {
        let (store, signal) = (self.store.clone(), self.bought.clone());
        let looked = self.tasks.spawn(async move {
            let found = look_for(&store, order, answer).await;
            signal.notify_waiters();
            found
        });

        looked.await.unwrap_or(Err(Refusal::OrderUnknown))
    }

    /// Sees other work of a customer through, whether or not anybody still waits for it.
    pub async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            tracing::warn!(WAITING_MAX, "the intake is full");
            return Err(Refusal::Away);
        };

        let done = self.tasks.spawn(async move {
            let outcome = work.await;
            drop(place);
            outcome
        });

        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a customer's work ended without an outcome");
            Err(Refusal::Unknown)
        })
    }

    /// Waits for all that is under way.
    pub async fn close(&self) {
        self.room.close();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn buy_one(store: &Store, placement: Placement) -> Result<Placed, Refusal> {
    let error = match orders::place_orders(store, std::slice::from_ref(&placement)).await {
        Ok(outcomes) => match outcomes.into_iter().next() {
            Some(outcome) => return Ok(outcome),
            None => StoreError::Unexpected("a purchase came back without an outcome"),
        },
        Err(error) => error,
    };

    if error.is_certain() {
        return Err(certain_no(&error));
    }

    tracing::warn!(
        %error, order = %placement.order, "what came of a purchase is unknown; it is looked for"
    );

    look_for(store, placement.order, placement.answer).await
}

/// The server undid it, or never heard of it.
fn certain_no(error: &StoreError) -> Refusal {
    if error.will_pass() {
        tracing::warn!(%error, "nothing was bought, for a reason that passes");
        return Refusal::Away;
    }
    refused(error)
}

/// The answer was lost somewhere around the commit: only the database can say whether it happened.
/// An id that is not there is burned, so that a statement that is still under way buys nothing when
/// it comes through.
///
/// Whoever had sent a `request_id` asks again and gets either the order or a fresh try; for the
/// others the id that was drawn before is looked for here.
async fn look_for(store: &Store, order: OrderId, answer: String) -> Result<Placed, Refusal> {
    let looks = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match orders::order_exists(store, order).await {
                Ok(true) => return Ok(Placed::Bought(answer)),
                Ok(false) => return Err(Refusal::Away),
                Err(error) => tracing::debug!(%error, %order, "the order cannot be looked for yet"),
            }
        }
    };

    tokio::time::timeout(LOOKS_MAX, looks)
        .await
        .unwrap_or_else(|_| {
            tracing::error!(%order, "it stays unknown whether an order was bought; the books know");
            Err(Refusal::OrderUnknown)
        })
}
