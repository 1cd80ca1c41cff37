//! Withdrawing: an order of which nothing was sent is taken back, and its whole charge with it, in
//! one commit.

use crate::domain::clock::Timestamp;
use crate::domain::id::OrderId;
use crate::domain::leg::LegState;
use crate::orders::settle;
use crate::store::legs::{LockedLeg, Transition};
use crate::store::orders::Locked;
use crate::store::{StoreError, Tx, legs, orders};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The order is canceled and refunded whole; no panel was asked.
    Done,
    /// Something was sent: it is not ours to take back.
    Sent,
    /// Its panel refused it a moment ago, and may have taken our money all the same: nothing
    /// changed, and it is known in two minutes.
    Compared,
}

/// Takes an order back of which nothing is at a panel; the caller commits. A leg that a dispatcher
/// has in its hands may still be taken: its mark finds it gone.
pub async fn unsent(
    tx: &mut Tx,
    order: OrderId,
    reason: &str,
    now: Timestamp,
) -> Result<Withdrawn, StoreError> {
    let Some((leg, order)) = lock_unsent(tx, order).await? else {
        return Ok(Withdrawn::Sent);
    };
    if leg.may_be_charged {
        return Ok(Withdrawn::Compared);
    }

    locked(tx, &leg, &order, reason, now).await?;
    Ok(Withdrawn::Done)
}

/// The same for a leg and an order under lock, of which nothing was sent.
pub(super) async fn locked(
    tx: &mut Tx,
    leg: &LockedLeg,
    order: &Locked,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    legs::move_leg(tx, leg, &Transition::Canceled, reason, now).await?;
    settle::settle_refused(tx, order, now).await
}

/// The order's last leg and the order, locked, where nothing of it was sent.
async fn lock_unsent(
    tx: &mut Tx,
    order: OrderId,
) -> Result<Option<(LockedLeg, Locked)>, StoreError> {
    let Some(leg) = legs::lock_last(tx, order).await? else {
        return Ok(None);
    };

    match leg.state {
        LegState::Ready | LegState::Leased | LegState::Parked => {
            let order = orders::lock_order(tx, order).await?;
            Ok(Some((leg, order)))
        }
        LegState::Sending
        | LegState::InDoubt
        | LegState::Accepted
        | LegState::Refused
        | LegState::Ended
        | LegState::Canceled
        | LegState::WrittenOff => Ok(None),
    }
}
