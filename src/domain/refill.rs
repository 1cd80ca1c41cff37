//! A refill as its customer sees it: what was delivered and fell off again, asked for once more.
//!
//! ```text
//!  pending ──▶ in_progress ──▶ completed | rejected
//! ```

use crate::domain::id::{PublicId, RefillId};

/// Where a refill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefillState {
    /// Asked of us; the panel was not asked yet.
    Pending,
    /// Asked of the panel, or nobody knows.
    InProgress,
    /// Refilled.
    Completed,
    /// The panel did not refill.
    Rejected,
}

impl RefillState {
    /// Every state.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::InProgress,
        Self::Completed,
        Self::Rejected,
    ];

    /// The word that the database, commands and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// Both names of a refill: each dialect answers with its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefillNames {
    /// The number.
    pub id: RefillId,
    /// The other name.
    pub public: PublicId,
}
