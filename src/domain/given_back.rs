//! What was given back of an order's charge, and what brings it to where it should be.

use crate::domain::money::{Money, MoneyError};

/// What was given back of an order's charge, and why it is not less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// In all.
    pub refunded: Money,
    /// The least, as a person decided.
    pub by_hand: Money,
    /// Of it, what the last word says was too much, and the house bears.
    pub absorbed: Money,
}

/// What brings an order to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// To the wallet.
    pub refund: Money,
    /// From the wallet.
    pub clawback: Money,
    /// What stands given back afterwards.
    pub after: GivenBack,
}

/// From what was given back to a target. What a person gave is never taken; what was given too much
/// is taken as far as the wallet `can_give`, and the rest is the house's. `refunded − absorbed`
/// depends on the last target only.
pub fn moves(
    charge: Money,
    before: GivenBack,
    target: Money,
    can_give: Money,
) -> Result<Moves, MoneyError> {
    let target = target.max(before.by_hand).min(charge);
    let too_much = before.refunded.minus(target)?;
    if too_much.is_positive() {
        let clawback = too_much.min(can_give.max(Money::ZERO));
        let after = GivenBack {
            refunded: before.refunded.minus(clawback)?,
            absorbed: too_much.minus(clawback)?,
            by_hand: before.by_hand,
        };

        return Ok(Moves {
            refund: Money::ZERO,
            clawback,
            after,
        });
    }

    let after = GivenBack {
        refunded: target,
        absorbed: Money::ZERO,
        by_hand: before.by_hand,
    };

    Ok(Moves {
        refund: too_much.size(),
        clawback: Money::ZERO,
        after,
    })
}
