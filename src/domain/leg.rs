//! A leg: one attempt to have an order delivered by one panel; sent by a machine at most once.
//!
//! ```text
//!            lease              mark (its own commit)      answer
//!  ready ───────────▶ leased ──────────────────▶ sending ─────────▶ accepted ──▶ ended
//!    ▲ ▲ ▲               │                          │ ├──▶ refused   (a new leg, or the end)
//!    │ │ └─ lease over ──┘                          │ ├──▶ parked ───▶ ready, by itself
//!    │ └─── never sent ─────────────────────────────┘ └──▶ in_doubt
//!    │                                                        │
//!    └─── a late proof that nothing left ─────────────────────┴──▶ accepted | refused | parked
//! ```
//! A leg in doubt moves by evidence (a late answer, or what is found at the panel) or by a person.
//! It is sent again (in_doubt to sending, and back where that proves nothing) only under a name
//! that its panel is known to have heard. What is ready, leased or parked was not sent, and may be
//! canceled. A doubt that nothing ends may be written off, where the operator said so; a late id is
//! taken even then. An accepted leg whose id the panel does not know may be put back in doubt by a
//! person.
//!
//! What was found not placed may be at its panel all the same: by a late answer, or a person's
//! word, the leg is accepted or in doubt after all, and becomes its order's last one again; of the
//! legs after it nothing is at a panel then.

use crate::domain::id::{LegId, OrderId, PanelOrder, PublicId, ServiceId};
use crate::domain::money::{Money, Rate};
use crate::domain::provider::RefusalClass;
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::Details;

/// Where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegState {
    /// Nothing was sent; may be taken.
    Ready,
    /// Nothing was sent; taken by a dispatcher for a moment.
    Leased,
    /// The intent to send is committed; the panel may have heard.
    Sending,
    /// Something may have been placed and nobody knows; not sent again, unless by the name under
    /// which the panel knows it.
    InDoubt,
    /// The panel has it under its own id; watched.
    Accepted,
    /// Provably not placed, for a reason that passes; waits.
    Parked,
    /// Provably not placed, and over.
    Refused,
    /// Accepted and over.
    Ended,
    /// Taken back before anything was sent.
    Canceled,
    /// In doubt for too long: the customer has the money back, and the panel may have it or not.
    WrittenOff,
}

impl LegState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Leased,
        Self::Sending,
        Self::InDoubt,
        Self::Accepted,
        Self::Parked,
        Self::Refused,
        Self::Ended,
        Self::Canceled,
        Self::WrittenOff,
    ];

    /// The word that the database, commands and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Sending => "sending",
            Self::InDoubt => "in_doubt",
            Self::Accepted => "accepted",
            Self::Parked => "parked",
            Self::Refused => "refused",
            Self::Ended => "ended",
            Self::Canceled => "canceled",
            Self::WrittenOff => "written_off",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A leg in a dispatcher's hands: all that is needed to ask a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedLeg {
    /// The leg.
    pub leg: LegId,
    /// Its order.
    pub order: OrderId,
    /// The order's other name, which nobody can guess.
    pub public: PublicId,
    /// Which of the order's legs.
    pub n: i32,
    /// Which attempt this is, from one; results carry it, so a stale one changes nothing.
    pub attempt: i32,
    /// Consecutive attempts that never left this machine.
    pub unsent: i32,
    /// The panel and its service.
    pub route: Route,
    /// The shape of the order.
    pub kind: ServiceType,
    /// Where it is delivered to.
    pub link: String,
    /// How many; one for packages.
    pub units: u64,
    /// What else the panel is told.
    pub details: Details,
    /// What the panel is expected to charge.
    pub cost: Money,
    /// Our service.
    pub sold_as: ServiceId,
    /// What the customer paid.
    pub charge: Money,
    /// What the panel was expected to charge when it was sold.
    pub quoted_cost: Money,
    /// The rate from which that was counted.
    pub quoted_rate: Rate,
}

/// What is known after an `add` was tried: the most expensive decision in the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The panel gave an id.
    Accepted(PanelOrder),
    /// A listed text proves that nothing was placed.
    Refused(RefusalClass),
    /// Not one byte of the request's body left: safe to ask again.
    NeverSent,
    /// Anything else.
    InDoubt,
}

impl Verdict {
    /// The word that the database, commands and logs use.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Refused(_) => "refused",
            Self::NeverSent => "never_sent",
            Self::InDoubt => "in_doubt",
        }
    }

    /// The id that the panel gave, if it gave one.
    pub fn panel_order(&self) -> Option<&str> {
        match self {
            Self::Accepted(id) => Some(&id.0),
            Self::Refused(_) | Self::NeverSent | Self::InDoubt => None,
        }
    }
}

/// A verdict with what it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The decision.
    pub verdict: Verdict,
    /// The HTTP status, where an answer came.
    pub http_status: Option<u16>,
    /// The answer as it came, or what failed, in words; capped, without keys.
    pub words: String,
    /// The error text of an answer that is a whole refusal in words that nobody listed, without
    /// what the order sent.
    pub unlisted: Option<String>,
}

impl Evidence {
    /// What is known where no answer could be read.
    pub fn without_answer(verdict: Verdict, words: String) -> Self {
        Self {
            verdict,
            http_status: None,
            words,
            unlisted: None,
        }
    }
}
