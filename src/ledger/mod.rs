//! The named money moves, each in its caller's transaction; nothing else in the house moves money.
//!
//! The charge is not here: it is part of buying, one call of the database (`place_orders`).

pub mod audit;

use crate::domain::clock::Timestamp;
use crate::domain::id::{CustomerId, OrderId, ProviderId};
use crate::domain::money::Money;
use crate::domain::transfer::{Account, TransferReason};
use crate::store::legs::LockedLeg;
use crate::store::transfers::{self, Incoming};
use crate::store::{StoreError, Tx};

/// The reference of every opening balance: a customer moves in once.
const OPENING_REFERENCE: &str = "opening balance";

/// What came of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deposit {
    /// The money is in the wallet.
    Done,
    /// The reference was used before, for the same amount: nothing changed.
    DoneBefore,
    /// The reference was used before, for another amount: nothing changed.
    OtherAmount(Money),
    /// The reference was used before, for another customer's money: nothing changed.
    OtherCustomer(CustomerId),
}

/// A customer's money came in. A reference is used once, over all customers: one payment is one
/// customer's.
pub async fn book_deposit(
    tx: &mut Tx,
    customer: CustomerId,
    amount: Money,
    reference: &str,
    at: Timestamp,
) -> Result<Deposit, StoreError> {
    match transfers::by_reference(tx, customer, reference).await? {
        Some(before) if before == amount => return Ok(Deposit::DoneBefore),
        Some(before) => return Ok(Deposit::OtherAmount(before)),
        None => {}
    }

    if let Some(other) = transfers::deposited_with(tx, reference).await? {
        return Ok(Deposit::OtherCustomer(other));
    }

    let incoming = Incoming {
        customer,
        amount,
        reason: TransferReason::Deposit,
        order: None,
        reference: Some(reference),
    };

    transfers::to_wallet(tx, &Account::Deposits, incoming, at).await?;
    Ok(Deposit::Done)
}

/// What came of an adjustment, or of an opening balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// The wallet is put right.
    Done,
    /// The reference was used before, for the same amount: nothing changed.
    DoneBefore,
    /// The reference was used before, for another amount: nothing changed.
    OtherAmount(Money),
    /// It would leave the wallet below its floor: nothing changed.
    BelowFloor,
}

/// A person puts a wallet right, up or down. A reference is used once, whatever moved by it.
pub async fn book_adjustment(
    tx: &mut Tx,
    customer: CustomerId,
    amount: Money,
    reference: &str,
    at: Timestamp,
) -> Result<Adjustment, StoreError> {
    by_hand(
        tx,
        customer,
        amount,
        &Account::Adjustments,
        TransferReason::Adjustment,
        reference,
        at,
    )
    .await
}

/// What a customer held (or owed) at an earlier panel comes into the wallet; once per customer.
pub async fn open_with(
    tx: &mut Tx,
    customer: CustomerId,
    amount: Money,
    at: Timestamp,
) -> Result<Adjustment, StoreError> {
    by_hand(
        tx,
        customer,
        amount,
        &Account::Opening,
        TransferReason::Opening,
        OPENING_REFERENCE,
        at,
    )
    .await
}

async fn by_hand(
    tx: &mut Tx,
    customer: CustomerId,
    amount: Money,
    account: &Account,
    reason: TransferReason,
    reference: &str,
    at: Timestamp,
) -> Result<Adjustment, StoreError> {
    match transfers::by_reference(tx, customer, reference).await? {
        Some(before) if before == amount => return Ok(Adjustment::DoneBefore),
        Some(before) => return Ok(Adjustment::OtherAmount(before)),
        None => {}
    }

    if amount.is_positive() {
        let incoming = Incoming {
            customer,
            amount,
            reason,
            order: None,
            reference: Some(reference),
        };

        transfers::to_wallet(tx, account, incoming, at).await?;
        return Ok(Adjustment::Done);
    }

    let moved =
        transfers::out_by_hand(tx, account, customer, amount.size(), reason, reference, at).await?;

    Ok(if moved {
        Adjustment::Done
    } else {
        Adjustment::BelowFloor
    })
}

/// Gives a customer back what an order will not cost. The transfer's id; none where there is
/// nothing to give.
///
/// A reference, where a person gave one, is used once.
pub async fn book_refund(
    tx: &mut Tx,
    customer: CustomerId,
    order: OrderId,
    amount: Money,
    reference: Option<&str>,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if !amount.is_positive() {
        return Ok(None);
    }

    let incoming = Incoming {
        customer,
        amount,
        reason: TransferReason::Refund,
        order: Some(order),
        reference,
    };

    transfers::to_wallet(tx, &Account::Revenue, incoming, at)
        .await
        .map(Some)
}

/// Takes back what an order gave too much. The transfer's id; none where there is nothing to take.
pub async fn book_clawback(
    tx: &mut Tx,
    customer: CustomerId,
    order: OrderId,
    amount: Money,
    at: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if !amount.is_positive() {
        return Ok(None);
    }

    transfers::from_wallet(
        tx,
        customer,
        &Account::Revenue,
        amount,
        TransferReason::Clawback,
        order,
        at,
    )
    .await
    .map(Some)
}

/// What the house bears of an order goes from one amount to another: what was given back too much
/// is its loss.
pub async fn book_absorbed(
    tx: &mut Tx,
    order: OrderId,
    from: Money,
    to: Money,
    at: Timestamp,
) -> Result<(), StoreError> {
    let more = to
        .minus(from)
        .map_err(|_| StoreError::Unexpected("a loss that the books cannot hold"))?;

    let (debit, credit, reason) = if more.is_negative() {
        (
            Account::Revenue,
            Account::WriteOff,
            TransferReason::AbsorbedLess,
        )
    } else {
        (
            Account::WriteOff,
            Account::Revenue,
            TransferReason::Absorbed,
        )
    };

    if more.size().is_positive() {
        transfers::between_house(tx, &debit, &credit, more.size(), reason, order, at).await?;
    }

    Ok(())
}

/// A panel accepted: what it is expected to charge leaves what it holds of ours, unless it is
/// booked already.
pub async fn book_cost(tx: &mut Tx, leg: &LockedLeg, at: Timestamp) -> Result<(), StoreError> {
    if leg.booked.is_positive() {
        return correct_cost(tx, leg, leg.cost, at).await;
    }

    move_if_any(
        tx,
        leg,
        cost_of(leg),
        float_of(leg),
        leg.cost,
        TransferReason::Cost,
        at,
    )
    .await
}

/// A panel's final charge is known: the books move from what is booked to it, whichever way.
pub async fn correct_cost(
    tx: &mut Tx,
    leg: &LockedLeg,
    last: Money,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (cost, float) = (cost_of(leg), float_of(leg));
    let (debit, credit) = if last >= leg.booked {
        (cost, float)
    } else {
        (float, cost)
    };

    let difference = last
        .minus(leg.booked)
        .map_err(|_| StoreError::Unexpected("a cost that the books cannot hold"))?;

    move_if_any(
        tx,
        leg,
        debit,
        credit,
        difference.size(),
        TransferReason::CostCorrection,
        at,
    )
    .await
}

/// An order went in doubt: its expected cost may be gone.
pub async fn book_exposure(tx: &mut Tx, leg: &LockedLeg, at: Timestamp) -> Result<(), StoreError> {
    move_if_any(
        tx,
        leg,
        doubt_of(leg),
        float_of(leg),
        leg.cost,
        TransferReason::Doubt,
        at,
    )
    .await
}

/// The doubt, if there was one, is over; what its end costs is booked by itself.
pub async fn release_exposure(
    tx: &mut Tx,
    leg: &LockedLeg,
    at: Timestamp,
) -> Result<(), StoreError> {
    move_if_any(
        tx,
        leg,
        float_of(leg),
        doubt_of(leg),
        leg.exposed,
        TransferReason::DoubtOver,
        at,
    )
    .await
}

/// The house bought something at a panel for itself: what it costs leaves what the panel holds of
/// ours. No order of a customer's is behind it.
pub async fn own_cost(
    tx: &mut Tx,
    provider: &ProviderId,
    amount: Money,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !amount.is_positive() {
        return Ok(());
    }

    let (cost, float) = (
        Account::Cost(provider.clone()),
        Account::Float(provider.clone()),
    );

    transfers::of_the_house(tx, &cost, &float, amount, TransferReason::Proof, at).await
}

fn cost_of(leg: &LockedLeg) -> Account {
    Account::Cost(leg.route.provider.clone())
}

fn float_of(leg: &LockedLeg) -> Account {
    Account::Float(leg.route.provider.clone())
}

fn doubt_of(leg: &LockedLeg) -> Account {
    Account::Doubt(leg.route.provider.clone())
}

/// From the first account, which is debited, to the second.
async fn move_if_any(
    tx: &mut Tx,
    leg: &LockedLeg,
    debit: Account,
    credit: Account,
    amount: Money,
    reason: TransferReason,
    at: Timestamp,
) -> Result<(), StoreError> {
    if amount.is_positive() {
        transfers::between_house(tx, &debit, &credit, amount, reason, leg.order, at).await?;
    }
    Ok(())
}
