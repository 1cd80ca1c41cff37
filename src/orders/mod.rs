//! An order's life, in order: bought, submitted to a panel (or withdrawn before), its answer
//! concluded (or its doubt looked into and resolved), tracked, settled (or decided by a person);
//! looked at; and what a restored backup makes of those that were open.

mod again;
pub mod cancel;
pub mod conclude;
mod contents;
pub mod decide;
mod differences;
pub mod doubt;
mod health;
mod id_gap;
pub mod intake;
mod late;
pub mod lease;
pub mod leave;
pub mod look;
mod margin;
mod moved;
mod news;
pub mod park;
pub mod place;
pub mod prove;
pub mod refill;
mod refused_and_charged;
pub mod reroute;
pub mod reroute_by_hand;
pub mod resolve;
pub mod restored;
pub mod retire;
mod said;
mod sent;
pub mod settle;
mod statuses;
pub mod stuck;
pub mod submit;
pub mod track;
pub mod withdraw;

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::domain::clock::SharedClock;
use crate::orders::intake::Intake;
use crate::orders::lease::Leases;
use crate::orders::refused_and_charged::CHARGE_SHOWS_WITHIN;
use crate::orders::sent::SentLegs;
use crate::store::{Store, StoreError};

/// What can be done with orders.
#[derive(Clone, Debug)]
pub struct Orders {
    store: Store,
    catalog: Catalog,
    clock: SharedClock,
    intake: Intake,
}

impl Orders {
    /// The orders of a database, sold from a catalog.
    pub fn new(store: Store, catalog: Catalog, clock: SharedClock) -> Self {
        let intake = Intake::new(store.clone());
        Self {
            store,
            catalog,
            clock,
            intake,
        }
    }

    /// Rung whenever something was bought, so that dispatchers need not wait for their tick.
    pub fn bought(&self) -> Arc<Notify> {
        self.intake.bought()
    }

    /// Waits for everything that is being bought; nothing can be bought afterwards.
    pub async fn close(&self) {
        self.intake.close().await;
    }
}

/// What workers do with orders: everything between a panel and the books.
///
/// Each verb is a round that may be run at any time, by anyone, twice: it takes what is due, and
/// every write states what it expects to find.
#[derive(Clone, Debug)]
pub struct Delivery {
    store: Store,
    catalog: Catalog,
    clock: SharedClock,
    node: Uuid,
    leases: Leases,
    sent: SentLegs,
    charge_shows_within: TimeDelta,
}

impl Delivery {
    /// The delivery of one process, which holds leases under the name of `node`.
    pub fn new(store: Store, catalog: Catalog, clock: SharedClock, node: Uuid) -> Self {
        Self {
            store,
            catalog,
            clock,
            node,
            leases: Leases::default(),
            sent: SentLegs::default(),
            charge_shows_within: CHARGE_SHOWS_WITHIN,
        }
    }

    /// The same, of whose panels it is known that our balance shows so soon what they take.
    #[must_use]
    pub fn seeing_charges_within(self, charge_shows_within: TimeDelta) -> Self {
        Self {
            charge_shows_within,
            ..self
        }
    }
}

/// Why nothing is asked of a panel about an order that it was sent.
const ELSEWHERE: &str = "the panel gave the order's id to another one since its address changed: \
                         look for this one at the address before";

/// One order's trouble is told and holds up nobody else's; a database that is away is everybody's.
fn isolate_failure(order: &str, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Err(error) if !error.is_away() => {
            tracing::error!(order, %error, "one order of a round failed; the others go on");
            Ok(())
        }
        outcome => outcome,
    }
}
