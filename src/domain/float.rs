//! What a panel holds of ours: what it says, what we know, and what of the difference must be
//! explained.

use crate::domain::clock::Timestamp;
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::money::{Money, Percent};

/// Hours below which a person is told that a panel's money runs out.
pub const RUNWAY_SHORT_H: i32 = 6;

/// What a panel said of our balance at one moment, in its own currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceReading {
    /// Its number.
    pub id: i64,
    /// Before it was asked.
    pub asked_at: Timestamp,
    /// When the answer was there.
    pub at: Timestamp,
    /// The lease under which it was asked.
    pub epoch: i64,
    /// How much.
    pub amount: Money,
    /// As it was sent.
    pub text: String,
}

/// Money that left our balance at a panel (positive) or came back to it (negative), in the panel's
/// currency: between which amounts, and between which moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceMove {
    /// For which order.
    pub order: OrderId,
    /// At least so much.
    pub least: Money,
    /// At most so much.
    pub most: Money,
    /// How far roundings may have moved it, either way.
    pub slack: Money,
    /// Not before.
    pub earliest: Timestamp,
    /// Not after; `None`: it may still happen.
    pub latest: Option<Timestamp>,
    /// The lease under which its leg was sent.
    pub epoch: Option<i64>,
    /// Whether the panel said so; else a person did alone.
    pub said: bool,
    /// Whether it is what an order that was not delivered whole is given back; else it is a price.
    pub gives_back: bool,
}

impl BalanceMove {
    /// Whether it is known for certain how much it was.
    pub fn is_sure(&self) -> bool {
        self.least == self.most
    }
}

/// What explains a difference between what a panel says and what we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftCause {
    /// More is there than can be: somebody paid in.
    TopUp,
    /// More is there, by what an order cost: the panel may have taken it back.
    PaidBack,
    /// The panel takes so many percent more than it tells.
    Proportion,
    /// An order was given back by the panel's word, and its money did not come.
    MissingRefund,
    /// An order was found not placed after a doubt, and the panel took its cost.
    Doubt,
    /// A person settled an order, and the panel kept what it never said to give back.
    ByHand,
    /// As much as one order cost, or up to three together.
    OrderCost,
    /// As much again as every order cost.
    Doubled,
    /// More than our orders can make: somebody else spends from the account.
    Outside,
    /// Nothing of ours.
    Unexplained,
}

impl DriftCause {
    /// The word that the database and documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::PaidBack => "paid_back",
            Self::Proportion => "proportion",
            Self::MissingRefund => "missing_refund",
            Self::Doubt => "doubt",
            Self::ByHand => "by_hand",
            Self::Doubled => "doubled",
            Self::Outside => "outside",
            Self::OrderCost => "order_cost",
            Self::Unexplained => "unexplained",
        }
    }
}

/// A difference, and what explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What explains it.
    pub cause: DriftCause,
    /// How much, without a sign; of a difference that is not exact, the least that it can be.
    pub amount: Money,
    /// Of the orders' cost, where it is in proportion to it.
    pub percent: Option<Percent>,
    /// The orders that explain it, or may have to do with it; bounded.
    pub orders: Vec<OrderId>,
    /// How many there are.
    pub orders_count: usize,
    /// In words.
    pub words: String,
}

/// How a panel's money stands, in its own currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runway {
    /// Which panel.
    pub provider: ProviderId,
    /// What it said last.
    pub balance: Option<Money>,
    /// As it was sent.
    pub balance_text: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// When it said so.
    pub at: Option<Timestamp>,
    /// Between which amounts that was expected.
    pub expected: Option<(Money, Money)>,
    /// What is spent there in an hour, where anything is.
    pub burn_per_hour: Option<Money>,
    /// For how many hours it lasts, to a tenth, rounded down.
    pub hours_left: Option<String>,
    /// What is missing and nobody took note of.
    pub drift: Money,
}
