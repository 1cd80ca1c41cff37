//! Whether a panel answers a `request_id` twice with one order.

use crate::domain::id::PanelOrder;

/// What came of asking twice under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofOutcome {
    /// An answer was lost, or does not tell names apart from what was asked: nothing is proven.
    Lost,
    /// The first was refused, or never left: nothing was bought, and nothing is proven.
    Refused,
    /// Another id, or an error: it would buy twice.
    NotHonoured,
    /// The same id twice.
    Honoured,
}

impl ProofOutcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Refused, Self::NotHonoured, Self::Honoured];

    /// The word that the database and commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::NotHonoured => "not_honoured",
            Self::Honoured => "honoured",
        }
    }

    /// The outcome of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

/// What was heard, and what it cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it proves.
    pub outcome: ProofOutcome,
    /// The panel's id in its first answer.
    pub first: Option<PanelOrder>,
    /// And in its second.
    pub second: Option<PanelOrder>,
    /// Orders that the panel took for certain.
    pub bought: u8,
    /// Orders that it may have taken besides.
    pub in_doubt: u8,
    /// The panel's last words, capped and without keys.
    pub words: String,
}
