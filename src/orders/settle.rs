//! Settling: the order ends, and the ledger gets the difference to what is already given back, in one commit.

use crate::domain::clock::Instant;
use crate::domain::money::{Money, MoneyError};
use crate::domain::order::OrderState;
use crate::ledger;
use crate::store::orders::{Locked, SettlementRow};
use crate::store::{StoreError, Tx, orders};

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
}

/// Nothing was placed and nothing will be: the whole charge goes back.
pub async fn refused(tx: &mut Tx, order: &Locked, now: Instant) -> Result<(), StoreError> {
    let end = End {
        state: OrderState::Canceled,
        target: order.bought.charge,
        delivered: 0,
        start_count: None,
        remains: i64::try_from(order.bought.units).unwrap_or(i64::MAX),
    };
    to_target(tx, order, end, now).await
}

/// Settles a locked order to its target. A target below what was given back already takes nothing back.
pub async fn to_target(tx: &mut Tx, order: &Locked, end: End, now: Instant) -> Result<(), StoreError> {
    let owed = end.target.minus(order.refunded).map_err(too_large)?;
    let amount = owed.max(Money::ZERO);
    let transfer = ledger::refund(tx, order.customer, order.id, amount, now).await?;
    let row = SettlementRow {
        state: end.state,
        delivered: end.delivered,
        target: end.target,
        amount,
        transfer,
        start_count: end.start_count,
        remains: end.remains,
    };
    orders::settle(tx, order, &row, now).await?;
    tracing::info!(order = %order.id, state = end.state.word(), refunded = %amount, "an order ended");
    Ok(())
}

/// Amounts of one order always fit: the charge did.
pub fn too_large(_: MoneyError) -> StoreError {
    StoreError::Unexpected("an amount that the books cannot hold")
}
