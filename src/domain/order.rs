//! An order's life as its customer sees it.
//!
//! ```text
//!  pending ──▶ processing ──▶ in_progress ──▶ completed
//!     │             │              ├────────▶ partial     (refunded by what is missing)
//!     └─────────────┴──────────────┴────────▶ canceled    (refunded whole, or by what is missing)
//! ```
//! It moves to the right and never back to `pending`; a panel's later word may still correct an
//! end.

use crate::domain::choice::Choice;
use crate::domain::clock::Timestamp;
use crate::domain::id::{ConfigHash, CustomerId, KeyId, OrderId, PublicId, ServiceId};
use crate::domain::money::{Money, Rate};
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::Details;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Bought; nothing was sent to a panel yet.
    Pending,
    /// Sent to a panel, or being sent, or nobody knows.
    Processing,
    /// The panel delivers.
    InProgress,
    /// Delivered.
    Completed,
    /// Ended with something missing, which was refunded.
    Partial,
    /// Ended without delivery, or refused by the panels; refunded.
    Canceled,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Processing,
        Self::InProgress,
        Self::Completed,
        Self::Partial,
        Self::Canceled,
    ];

    /// The word that the database, commands and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Canceled => "canceled",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the order is over.
    pub fn is_end(self) -> bool {
        match self {
            Self::Pending | Self::Processing | Self::InProgress => false,
            Self::Completed | Self::Partial | Self::Canceled => true,
        }
    }
}

/// An order that passed every check and can be bought: what the database writes in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Drawn before the order exists, so that it can be looked for when the answer of a commit is
    /// lost.
    pub order: OrderId,
    /// The other name.
    pub public: PublicId,
    /// Who pays.
    pub customer: CustomerId,
    /// The key that asked.
    pub key: KeyId,
    /// What was bought.
    pub service: ServiceId,
    /// Its type.
    pub kind: ServiceType,
    /// Where it is delivered to.
    pub link: String,
    /// How many; for packages one.
    pub units: u64,
    /// What else the panel is told.
    pub details: Details,
    /// What it costs, and why.
    pub quote: Quote,
    /// The first leg's route.
    pub route: Route,
    /// What it is expected to cost there.
    pub leg_cost: Money,
    /// Why that route.
    pub choice: Choice,
    /// The `request_id`'s digest and what it is bound to.
    pub request: Option<Request>,
    /// The exact answer of `add`, remembered with the request.
    pub answer: String,
    /// When it was bought.
    pub at: Timestamp,
}

/// What tells that a request was made before, as it is kept: only digests. A `request_id`, or the
/// order itself where its key takes the same order again for a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of the value, or of the key and the canonical business fields.
    pub digest: [u8; 32],
    /// SHA-256 of the canonical business fields.
    pub fingerprint: [u8; 32],
    /// For so many seconds after the order it is remembered; for as long as the order itself when
    /// `None`.
    pub window_s: Option<u32>,
}

/// What became of one placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Bought; the answer to give.
    Bought(String),
    /// The same request was answered before, with these bytes.
    Replayed(String),
    /// The same `request_id` stands for another order.
    Reused,
    /// The wallet does not cover the charge.
    NoMoney,
}

/// A price with everything that explains it; copied onto the order, so settlement never looks at
/// today's prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// What the customer pays.
    pub charge: Money,
    /// The printed price it was computed from.
    pub rate: Rate,
    /// The panel's rate that was marked up.
    pub cost_rate: Rate,
    /// What the panel is expected to charge.
    pub cost: Money,
    /// The rule that spoke, in words.
    pub rule: String,
    /// Which configuration priced it.
    pub config: ConfigHash,
}

/// What a customer is shown of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// What the order costs the customer now: charge less refunds.
    pub charge: Money,
    /// The count before delivery, as far as the panel told.
    pub start_count: Option<i64>,
    /// Where it stands.
    pub standing: ShownState,
    /// Units not delivered yet.
    pub remains: i64,
}

/// Where an order stands, as its customer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShownState {
    /// In this state.
    At(OrderState),
    /// Over, and given back whole by a person afterwards.
    Refunded,
}
