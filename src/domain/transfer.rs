//! The accounts of the books, and why money moves between them.

use crate::domain::id::ProviderId;

/// A house account; wallets are accounts too, one per customer, and named by their customer.
///
/// An account's balance is what was credited to it less what was debited. What customers hold is
/// credit; what we hold at panels is therefore negative here and shown with its sign turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// What customers paid for orders, less refunds.
    Revenue,
    /// The other side of money that customers brought.
    Deposits,
    /// The other side of what a person put right in wallets.
    Adjustments,
    /// The other side of what customers held at an earlier panel.
    Opening,
    /// What was given back too much, and the house bears.
    WriteOff,
    /// What a panel's deliveries cost.
    Cost(ProviderId),
    /// What a panel should hold of ours.
    Float(ProviderId),
    /// What orders in doubt may have cost at a panel.
    Doubt(ProviderId),
}

impl Account {
    /// The kind and the panel, as the database keeps them.
    pub fn parts(&self) -> (&'static str, Option<&ProviderId>) {
        match self {
            Self::Revenue => ("revenue", None),
            Self::Deposits => ("deposits", None),
            Self::Adjustments => ("adjustments", None),
            Self::Opening => ("opening", None),
            Self::WriteOff => ("write_off", None),
            Self::Cost(provider) => ("cost", Some(provider)),
            Self::Float(provider) => ("float", Some(provider)),
            Self::Doubt(provider) => ("doubt", Some(provider)),
        }
    }
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferReason {
    /// A customer bought: wallet to revenue.
    Charge,
    /// A settlement gave back: revenue to wallet.
    Refund,
    /// A panel's later word gave back less: wallet to revenue.
    Clawback,
    /// The same, but the house bears it: write-off to revenue.
    Absorbed,
    /// A still later word gave back more: less to bear.
    AbsorbedLess,
    /// A customer's money came in: deposits to wallet.
    Deposit,
    /// A person put a wallet right, whichever way: adjustments to wallet, or back.
    Adjustment,
    /// What a customer held, or owed, at an earlier panel: opening to wallet, or back.
    Opening,
    /// A panel accepted: the expected cost, cost to float.
    Cost,
    /// The panel's final charge differs from the expected cost.
    CostCorrection,
    /// An order went in doubt: its cost may be gone.
    Doubt,
    /// The doubt ended.
    DoubtOver,
    /// An order of the house's own at a panel, which proves how it answers: cost to float.
    Proof,
}

impl TransferReason {
    /// The word that the database, statements and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Clawback => "clawback",
            Self::Absorbed => "absorbed",
            Self::AbsorbedLess => "absorbed_less",
            Self::Deposit => "deposit",
            Self::Adjustment => "adjustment",
            Self::Opening => "opening",
            Self::Cost => "cost",
            Self::CostCorrection => "cost_correction",
            Self::Doubt => "doubt",
            Self::DoubtOver => "doubt_over",
            Self::Proof => "proof",
        }
    }
}
