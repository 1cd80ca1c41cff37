//! A backup was put in place: whoever went on with the original meanwhile may have sent what is
//! open here.
//!
//! Nobody can tell which of these legs went out after the backup. So each is in doubt, and no
//! machine sends it again; nothing at all is sent before a person says so; and the ids that
//! customers were given since are given to nobody else.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId};
use crate::domain::leg::{Evidence, LegState, Verdict};
use crate::orders::{Delivery, conclude};
use crate::store::dump::{self, Contents};
use crate::store::history::{self, Turned};
use crate::store::leases::{self, Remembered};
use crate::store::{StoreError, Tx, gates, legs, orders, providers, readings, refills};

/// Order ids that are left out: more than are sold between a backup and the end of what went on
/// after it.
const IDS_SKIPPED: i64 = 1_000_000;
/// Refill ids that are left out.
const REFILL_IDS_SKIPPED: i64 = 100_000;
/// Leg ids that are left out.
const LEG_IDS_SKIPPED: i64 = 10_000_000;
/// After how long a refill that was not answered is given up: nothing proves that it happened.
const REFILLS_GIVEN_UP_AFTER: TimeDelta = TimeDelta::hours(48);
/// Legs that are looked up at once.
const LEGS_PER_LOOK: i64 = 1_000;
/// Why such a leg is in doubt.
const REASON: &str = "open in the backup: it may have been sent since, by the gateway that went on";

/// What a restored database begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub contents: Contents,
    /// Legs that are in doubt from now on.
    pub doubted: u64,
    /// The next order's id.
    pub first_id: OrderId,
}

/// Makes a copy of the past safe to go on with. In the transaction that brought the copy: nobody
/// may see it without. Who worked on what was here before sees that this is another database, and
/// stops.
pub async fn settle_in(tx: &mut Tx, now: Timestamp) -> Result<Restored, StoreError> {
    history::draw_incarnation(tx).await?;
    settle_past(tx, now).await
}

async fn settle_past(tx: &mut Tx, now: Timestamp) -> Result<Restored, StoreError> {
    gates::freeze_restored(tx, now).await?;
    providers::take_from_all(tx).await?;
    readings::begin_anew(tx).await?;
    let doubted = doubt_everything_open(tx, now).await?;
    refills::doubt_all(tx, now + REFILLS_GIVEN_UP_AFTER).await?;
    refills::skip_ids(tx, REFILL_IDS_SKIPPED).await?;

    leases::skip_ids(tx, LEG_IDS_SKIPPED).await?;
    let last = orders::skip_ids(tx, IDS_SKIPPED).await?;
    let contents = dump::count_contents(tx).await?;

    Ok(Restored {
        contents,
        doubted,
        first_id: OrderId(last.0.saturating_add(1)),
    })
}

async fn doubt_everything_open(tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
    let mut doubted = 0;
    let mut last = LegId(0);

    // Ends, for every look begins after the last one's legs.
    loop {
        let open = legs::find_unanswered(tx, last, LEGS_PER_LOOK).await?;
        let Some(newest) = open.last() else {
            return Ok(doubted);
        };

        last = *newest;
        for leg in open {
            doubt(tx, leg, now).await?;
            doubted += 1;
        }
    }
}

async fn doubt(tx: &mut Tx, leg: LegId, now: Timestamp) -> Result<(), StoreError> {
    let leg = legs::lock_leg(tx, leg).await?;
    if leg.state == LegState::Sending {
        let words = "the gateway that asked went on without this copy; what it was told is not \
                     known here"
            .to_owned();
        let said = Evidence::without_answer(Verdict::InDoubt, words);
        legs::record_answer(tx, leg.id, leg.attempt, &said, now).await?;
    }

    conclude::put_in_doubt(tx, &leg, REASON, now).await
}

impl Delivery {
    /// Sets right what it can after the database was put back in time, or taken over by another
    /// server, under this process: nothing is sent before a person thaws it, and what this
    /// process knows to have sent is in doubt where the database forgot. Where it did go back,
    /// all that is open there may have been sent since, by others too.
    pub async fn reckon(&self) -> Result<(), StoreError> {
        let Some((mut tx, reckoning)) = history::begin_reckoning(&self.store).await? else {
            return Ok(());
        };

        let now = self.clock.now();

        gates::freeze_restored(&mut tx, now).await?;
        let mut doubted = self.remember_sent(&mut tx, now).await?;
        if let Turned::Back { .. } = reckoning.turned {
            doubted += settle_past(&mut tx, now).await?.doubted;
        }

        let turned = reckoning.turned.to_string();
        history::end_reckoning(&self.store, tx, reckoning).await?;

        tracing::error!(
            what = turned,
            doubted,
            "dispatch is frozen, because the database is not what it was; look at `panelgate \
             order list --state review`, then `panelgate dispatch thaw`"
        );

        Ok(())
    }

    /// What this process sent, and the database does not know any more. How many legs are in doubt
    /// for it.
    async fn remember_sent(&self, tx: &mut Tx, now: Timestamp) -> Result<u64, StoreError> {
        let mut doubted = 0;
        for sent in self.sent.all() {
            match leases::remember_sent(tx, &sent).await? {
                Remembered::Sent => {}
                Remembered::SentAgainNow => {
                    doubt(tx, sent.leg, now).await?;
                    doubted += 1;
                }
                Remembered::Nothing => tracing::error!(
                    order = %sent.order, provider = %sent.route.provider, at = %sent.at,
                    "an order was sent to this panel that the database knows nothing of"
                ),
            }
        }

        Ok(doubted)
    }
}
