//! What a panel says of one order that does not fit what was agreed, or what it says elsewhere.

use crate::domain::money::Money;

/// How it does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Its charge, its status and what remains contradict each other.
    FiguresDiffer,
    /// It took more than its catalog says.
    Overcharged,
    /// It names another currency than its block does.
    CurrencyDiffers,
    /// It works again on an order that was over.
    Reopened,
}

impl DifferenceKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [
        Self::FiguresDiffer,
        Self::Overcharged,
        Self::CurrencyDiffers,
        Self::Reopened,
    ];

    /// The word that the database, lists and alerts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiguresDiffer => "figures_differ",
            Self::Overcharged => "overcharged",
            Self::CurrencyDiffers => "currency_differs",
            Self::Reopened => "reopened",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The figures that do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// What the whole order was expected to cost, in our currency.
    pub expected: Money,
    /// What the panel stated, in our currency; `None` where that is no amount of it.
    pub stated: Option<Money>,
    /// How exactly it stated it.
    pub step: Money,
    /// Units delivered.
    pub delivered: u64,
    /// In words, with what the panel wrote.
    pub words: String,
}
