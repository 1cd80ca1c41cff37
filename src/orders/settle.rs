//! Settling: the order stands as it must, and the ledger gets the difference to what is given back
//! already, in one commit.

use crate::domain::clock::Timestamp;
use crate::domain::given_back::{GivenBack, moves};
use crate::domain::money::{Money, MoneyError};
use crate::domain::order::OrderState;
use crate::domain::provider::Reversal;
use crate::ledger;
use crate::store::orders::{Locked, SettlementRow};
use crate::store::{StoreError, Tx, cancels, orders, transfers};

/// An order's end, as the rules of settlement see it.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The end.
    pub state: OrderState,
    /// What is to be given back in all.
    pub target: Money,
    /// Units delivered.
    pub delivered: u64,
    /// The count before delivery, where the panel told.
    pub start_count: Option<i64>,
    /// What customers are shown as missing.
    pub remains: i64,
    /// Whether a person gives it back, whatever the panel makes of the order later.
    pub is_gift: bool,
}

/// What a settlement changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing: the order stood so already.
    Same,
    /// It ended, or ended otherwise, and nothing was given back too much.
    Anew,
    /// It was given more back than its last word allows.
    Reversed,
}

/// Nothing was placed and nothing will be: the whole charge goes back.
pub async fn settle_refused(tx: &mut Tx, order: &Locked, now: Timestamp) -> Result<(), StoreError> {
    let end = End {
        state: OrderState::Canceled,
        target: order.bought.charge,
        delivered: 0,
        start_count: None,
        remains: i64::try_from(order.bought.units).unwrap_or(i64::MAX),
        is_gift: false,
    };

    to_target(tx, order, end, Reversal::Absorb, now)
        .await
        .map(|_| ())
}

/// Settles a locked order to its target. What was given back too much is taken from the wallet, as
/// far as it goes, or borne by the house, as the operator decided for the panel.
pub async fn to_target(
    tx: &mut Tx,
    order: &Locked,
    end: End,
    reversal: Reversal,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let before = order.given_back;
    let by_hand = if end.is_gift {
        before.by_hand.max(end.target)
    } else {
        before.by_hand
    };

    let can_give = match reversal {
        Reversal::Clawback if before.refunded > end.target => {
            transfers::can_give(tx, order.customer).await?
        }
        Reversal::Clawback | Reversal::Absorb => Money::ZERO,
    };

    let moves = moves(
        order.bought.charge,
        GivenBack { by_hand, ..before },
        end.target,
        can_give,
    )
    .map_err(too_large)?;

    if order.state == end.state && moves.after == before && order.settlements > 0 {
        // It stands as it should, so whatever a person was asked is answered.
        orders::clear_review(tx, order.id).await?;
        return Ok(Settled::Same);
    }

    let given = ledger::book_refund(tx, order.customer, order.id, moves.refund, None, now).await?;
    let taken = ledger::book_clawback(tx, order.customer, order.id, moves.clawback, now).await?;
    ledger::book_absorbed(tx, order.id, before.absorbed, moves.after.absorbed, now).await?;

    let row = SettlementRow {
        state: end.state,
        delivered: end.delivered,
        target: end.target,
        amount: moves.refund.minus(moves.clawback).map_err(too_large)?,
        transfer: given.or(taken),
        after: moves.after,
        start_count: end.start_count,
        remains: end.remains,
        answers_review: end.state.is_end(),
    };

    orders::settle_order(tx, order, &row, now).await?;
    if end.state.is_end() {
        cancels::close_unasked(tx, order.id).await?;
    }

    tracing::info!(order = %order.id, state = end.state.as_str(), refunded = %row.amount,
        "an order was settled");
    let reversed = moves.clawback.is_positive() || moves.after.absorbed > before.absorbed;

    Ok(if reversed {
        Settled::Reversed
    } else {
        Settled::Anew
    })
}

/// Amounts of one order always fit: the charge did.
pub fn too_large(_: MoneyError) -> StoreError {
    StoreError::Unexpected("an amount that the books cannot hold")
}
