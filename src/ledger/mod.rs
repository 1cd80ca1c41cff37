//! The named money moves, each in its caller's transaction; nothing else in the house moves money.
//!
//! The charge is not here: it is part of buying, one call of the database (`place_orders`).

pub mod audit;

use crate::domain::clock::Instant;
use crate::domain::id::{CustomerId, OrderId, ProviderId};
use crate::domain::money::Money;
use crate::domain::transfer::{Account, Reason};
use crate::store::transfers::{self, Incoming};
use crate::store::{StoreError, Tx};

/// What came of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deposit {
    /// The money is in the wallet.
    Done,
    /// The reference was used before, for the same amount: nothing changed.
    DoneBefore,
    /// The reference was used before, for another amount: nothing changed.
    OtherAmount(Money),
}

/// A customer's money came in. A reference is used once.
pub async fn deposit(
    tx: &mut Tx,
    customer: CustomerId,
    amount: Money,
    reference: &str,
    at: Instant,
) -> Result<Deposit, StoreError> {
    match transfers::by_reference(tx, customer, reference).await? {
        Some(before) if before == amount => return Ok(Deposit::DoneBefore),
        Some(before) => return Ok(Deposit::OtherAmount(before)),
        None => {}
    }
    let incoming = Incoming { customer, amount, reason: Reason::Deposit, order: None, reference: Some(reference) };
    transfers::to_wallet(tx, &Account::Deposits, incoming, at).await?;
    Ok(Deposit::Done)
}

/// Gives a customer back what an order will not cost. The transfer's id; none where there is nothing to give.
pub async fn refund(
    tx: &mut Tx,
    customer: CustomerId,
    order: OrderId,
    amount: Money,
    at: Instant,
) -> Result<Option<i64>, StoreError> {
    if !amount.is_positive() {
        return Ok(None);
    }
    let incoming = Incoming { customer, amount, reason: Reason::Refund, order: Some(order), reference: None };
    transfers::to_wallet(tx, &Account::Revenue, incoming, at).await.map(Some)
}

/// A panel accepted: what it is expected to charge leaves what it holds of ours.
pub async fn cost(
    tx: &mut Tx,
    provider: &ProviderId,
    order: OrderId,
    amount: Money,
    at: Instant,
) -> Result<(), StoreError> {
    let (cost, float) = (Account::Cost(provider.clone()), Account::Float(provider.clone()));
    move_if_any(tx, &cost, &float, amount, Reason::Cost, order, at).await
}

/// A panel's final charge is known: the books move from the expected cost to it, whichever way.
pub async fn correct_cost(
    tx: &mut Tx,
    provider: &ProviderId,
    order: OrderId,
    booked: Money,
    last: Money,
    at: Instant,
) -> Result<(), StoreError> {
    let (cost, float) = (Account::Cost(provider.clone()), Account::Float(provider.clone()));
    let (debit, credit) = if last >= booked { (&cost, &float) } else { (&float, &cost) };
    let difference = last.minus(booked).map_err(|_| StoreError::Unexpected("a cost that the books cannot hold"))?;
    move_if_any(tx, debit, credit, difference.size(), Reason::CostCorrection, order, at).await
}

/// An order went in doubt: its cost may be gone.
pub async fn expose(
    tx: &mut Tx,
    provider: &ProviderId,
    order: OrderId,
    amount: Money,
    at: Instant,
) -> Result<(), StoreError> {
    let (doubt, float) = (Account::Doubt(provider.clone()), Account::Float(provider.clone()));
    move_if_any(tx, &doubt, &float, amount, Reason::Doubt, order, at).await
}

/// The doubt is over; what its end costs is booked by itself.
pub async fn unexpose(
    tx: &mut Tx,
    provider: &ProviderId,
    order: OrderId,
    amount: Money,
    at: Instant,
) -> Result<(), StoreError> {
    let (doubt, float) = (Account::Doubt(provider.clone()), Account::Float(provider.clone()));
    move_if_any(tx, &float, &doubt, amount, Reason::DoubtOver, order, at).await
}

async fn move_if_any(
    tx: &mut Tx,
    debit: &Account,
    credit: &Account,
    amount: Money,
    reason: Reason,
    order: OrderId,
    at: Instant,
) -> Result<(), StoreError> {
    if amount.is_positive() {
        transfers::between_house(tx, debit, credit, amount, reason, order, at).await?;
    }
    Ok(())
}
