//! Decided by hand: a person settles an order, or gives something back; and which decisions an
//! order allows.

use crate::domain::clock::Timestamp;
use crate::domain::given_back::GivenBack;
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::order::OrderState;
use crate::domain::provider::Reversal;
use crate::domain::settlement::{Bought, FinalCost};
use crate::ledger;
use crate::orders::settle::{self, too_large};
use crate::orders::{refused_and_charged, withdraw};
use crate::store::cancels::{self, AskedBy};
use crate::store::legs::{Afterwards, LegEnd};
use crate::store::orders::SettlementRow;
use crate::store::{StoreError, Tx, legs, orders, transfers};

/// How an order ended, as a person found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettlementFinding {
    /// So many units were delivered.
    Delivered(u64),
    /// Nothing was delivered.
    Canceled,
    /// Everything was delivered.
    Completed,
}

/// What came of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The order stands as decided; so much stands given back in all.
    Done(Money),
    /// No panel has or had it: a doubt is resolved, what was not sent is canceled.
    NotAtPanel,
    /// Part of a package cannot be counted.
    Package,
    /// More units than were ordered.
    TooMany(u64),
    /// More than is left of the charge; so much is.
    TooMuch(Money),
    /// All is given back, and the panel is asked to cancel what it still works on.
    CancelAsked {
        /// So much stands given back in all.
        refunded: Money,
        /// Who is asked.
        provider: ProviderId,
    },
    /// The same was given back before, for the same reason: nothing changed.
    DoneBefore,
    /// Another amount was given back before, for the same reason: nothing changed.
    OtherAmount(Money),
    /// There is no such order.
    Unknown,
}

/// A decision that an order allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The panel has it.
    Accepted,
    /// The panel has nothing of it.
    NotPlaced,
    /// It was delivered whole.
    Completed,
    /// It was not delivered.
    Canceled,
    /// It was delivered in part.
    Delivered,
    /// It was not sent and is taken back.
    Cancel,
    /// It was not sent and goes by another route.
    Reroute,
    /// Something more is given back.
    Refund,
}

impl Decision {
    /// The command, as it is typed; what stands in capitals is to be filled in. A doubt's is about
    /// this panel, where it was in doubt at others before.
    pub fn command(self, order: OrderId, at: Option<&str>) -> String {
        let at = at
            .map(|provider| format!(" --at {provider}"))
            .unwrap_or_default();

        match self {
            Self::Accepted => format!("order resolve {order} accepted PANEL_ORDER{at}"),
            Self::NotPlaced => format!("order resolve {order} not-placed{at} --reason TEXT"),
            Self::Completed => format!("order settle {order} --completed"),
            Self::Canceled => format!("order settle {order} --canceled"),
            Self::Delivered => format!("order settle {order} --delivered N"),
            Self::Cancel => format!("order cancel {order}"),
            Self::Reroute => format!("order reroute {order}"),
            Self::Refund => format!("order refund {order} AMOUNT --reason TEXT"),
        }
    }
}

/// What a person may decide of an order whose last leg stands there, and of nothing else.
pub fn allowed(
    leg: LegState,
    unknown_there: bool,
    package: bool,
    not_refunded_whole: bool,
) -> Vec<Decision> {
    let mut decisions = match leg {
        LegState::InDoubt | LegState::WrittenOff => vec![Decision::Accepted, Decision::NotPlaced],
        LegState::Accepted if unknown_there => {
            vec![
                Decision::Accepted,
                Decision::NotPlaced,
                Decision::Completed,
                Decision::Canceled,
            ]
        }
        LegState::Accepted | LegState::Ended => vec![Decision::Completed, Decision::Canceled],
        LegState::Ready | LegState::Leased | LegState::Parked => {
            vec![Decision::Cancel, Decision::Reroute]
        }
        LegState::Sending | LegState::Refused | LegState::Canceled => Vec::new(),
    };

    if matches!(leg, LegState::Accepted | LegState::Ended) && !package {
        decisions.push(Decision::Delivered);
    }

    if not_refunded_whole {
        decisions.push(Decision::Refund);
    }

    decisions
}

/// Settles an order that a panel has or had, as a person found. What the panel stated that it took
/// stays booked; where it never did, what was delivered of its price is, as the person's word and
/// not as the panel's.
///
/// A canceled order that the panel still works on is given back at once, and the panel is asked to
/// cancel it and followed on: what it delivers all the same is the house's. Of any other the panel
/// is not asked any more.
pub async fn settle(
    tx: &mut Tx,
    order: OrderId,
    found: SettlementFinding,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    let Some(leg) = legs::lock_last(tx, order).await? else {
        return Ok(Decided::Unknown);
    };

    if !matches!(leg.state, LegState::Accepted | LegState::Ended) {
        return Ok(Decided::NotAtPanel);
    }

    let order = orders::lock_order(tx, order).await?;
    let Bought {
        charge,
        units,
        package,
    } = order.bought;

    let delivered = match found {
        SettlementFinding::Delivered(_) if package => return Ok(Decided::Package),
        SettlementFinding::Delivered(delivered) if delivered > units => {
            return Ok(Decided::TooMany(units));
        }
        SettlementFinding::Delivered(delivered) => delivered,
        SettlementFinding::Canceled => 0,
        SettlementFinding::Completed => units,
    };

    let missing = units - delivered;
    let state = match (delivered, missing) {
        (_, 0) => OrderState::Completed,
        (0, _) => OrderState::Canceled,
        (_, _) => OrderState::Partial,
    };

    let goes_on = state == OrderState::Canceled && leg.state == LegState::Accepted;
    let end = settle::End {
        state,
        target: charge
            .share_rounding_down(missing, units)
            .map_err(too_large)?,
        delivered,
        start_count: None,
        remains: i64::try_from(missing).unwrap_or(i64::MAX),
        is_gift: goes_on,
    };

    if goes_on {
        settle::to_target(tx, &order, end, Reversal::Absorb, now).await?;
        orders::answer(tx, order.id).await?;
        cancels::request_cancel(tx, order.id, AskedBy::House, now).await?;

        return Ok(Decided::CancelAsked {
            refunded: charge,
            provider: leg.route.provider,
        });
    }

    let stated = legs::stated_cost(tx, leg.id).await?;
    let counted = leg
        .cost
        .share_rounding_down(delivered, units)
        .map_err(too_large)?;

    let cost = FinalCost {
        amount: stated.unwrap_or(counted),
        rounding: Money::ZERO,
        said: stated.is_some(),
    };

    ledger::correct_cost(tx, &leg, cost.amount, now).await?;
    let leg_end = LegEnd {
        status: "settled by hand",
        charge_text: None,
        cost,
        reason: "settled by hand",
        is_failing: false,
        afterwards: Afterwards::Nothing,
    };

    legs::end_leg(tx, &leg, leg_end, now).await?;

    // A person takes nothing back from a wallet by counting again.
    settle::to_target(tx, &order, end, Reversal::Absorb, now).await?;
    orders::answer(tx, order.id).await?;
    let stands = orders::lock_order(tx, order.id).await?;

    Ok(Decided::Done(stands.given_back.refunded))
}

/// Gives back so much more of an order's charge. What a person gave is never taken again; the same
/// reason gives once. Who gets all back wants nothing from a panel: what was not sent is taken
/// back. A question that a person was asked is not answered by it.
pub async fn give_back(
    tx: &mut Tx,
    order: OrderId,
    amount: Money,
    reason: &str,
    now: Timestamp,
) -> Result<Decided, StoreError> {
    // The leg first, as everywhere.
    let Some(leg) = legs::lock_last(tx, order).await? else {
        return Ok(Decided::Unknown);
    };

    let order = orders::lock_order(tx, order).await?;
    let reference = format!("order {}: {reason}", order.id);
    match transfers::by_reference(tx, order.customer, &reference).await? {
        Some(before) if before == amount => return Ok(Decided::DoneBefore),
        Some(before) => return Ok(Decided::OtherAmount(before)),
        None => {}
    }

    let before = order.given_back;
    let left = order
        .bought
        .charge
        .minus(before.refunded)
        .map_err(too_large)?;

    if amount > left {
        return Ok(Decided::TooMuch(left));
    }

    let transfer =
        ledger::book_refund(tx, order.customer, order.id, amount, Some(&reference), now).await?;
    let refunded = before.refunded.plus(amount).map_err(too_large)?;

    // What the house bears already is no gift of a person's.
    let by_hand = refunded.minus(before.absorbed).map_err(too_large)?;

    let row = SettlementRow {
        state: order.state,
        delivered: order
            .bought
            .units
            .saturating_sub(u64::try_from(order.remains).unwrap_or(0)),
        target: refunded,
        amount,
        transfer,
        after: GivenBack {
            refunded,
            by_hand,
            absorbed: before.absorbed,
        },
        start_count: None,
        remains: order.remains,
        answers_review: false,
    };

    orders::settle_order(tx, &order, &row, now).await?;

    let was_unsent = matches!(
        leg.state,
        LegState::Ready | LegState::Leased | LegState::Parked
    );

    if amount == left && was_unsent && !refused_and_charged::compare_wanted(tx, &leg, now).await? {
        let order = orders::lock_order(tx, order.id).await?;
        withdraw::locked(
            tx,
            &leg,
            &order,
            "given back whole by a person before it was sent",
            now,
        )
        .await?;
    }

    Ok(Decided::Done(refunded))
}
