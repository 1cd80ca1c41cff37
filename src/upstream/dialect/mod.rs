//! The tongues that panels are asked in: a closed list, each a pair of pure halves, question → form and text → answer.

mod classic;

use std::collections::BTreeMap;

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::leg::LeasedLeg;
use crate::domain::provider::{PanelDialect, PanelWord, RefusalClass};
use crate::domain::service::PanelService;
use crate::upstream::answer::{CancelRow, PanelBalance, RefillRow, Row};

/// The parameters of one call, without the key.
pub(super) type Form = Vec<(&'static str, String)>;

/// What a panel can be asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    /// Place an order.
    Add(&'a LeasedLeg),
    /// Where these orders stand; at least one.
    Status(&'a [PanelOrder]),
    /// Deliver this order again where it fell off.
    Refill(&'a PanelOrder),
    /// Where these refills stand; at least one.
    RefillStatus(&'a [PanelRefill]),
    /// Deliver no more of these orders; at least one.
    Cancel(&'a [PanelOrder]),
    /// What is sold.
    Services,
    /// What is left of our money.
    Balance,
}

/// What could be read in the answer to an `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// The panel's order.
    pub(super) id: Option<PanelOrder>,
    /// The class of a listed error text.
    pub(super) refusal: Option<RefusalClass>,
}

/// What could be read in the answer to a refill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A yes, with an id where one was given.
    Taken(Option<PanelRefill>),
    /// A no.
    Refused(String),
    /// Neither.
    Unclear,
}

/// A catalogue as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalogue {
    /// The rows that could be read, no id twice.
    pub(super) services: Vec<PanelService>,
    /// How many could not.
    pub(super) skipped: usize,
}

/// Why an answer is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A listed error text.
    Refused(RefusalClass),
    /// Another error text.
    Declined(String),
    /// Not an answer to this question.
    Unreadable,
}

/// A dialect together with one panel's own words.
#[derive(Debug)]
pub(super) struct Tongue {
    dialect: PanelDialect,
    words: BTreeMap<String, PanelWord>,
}

impl Tongue {
    pub(super) fn new(dialect: PanelDialect, words: BTreeMap<String, PanelWord>) -> Self {
        Self { dialect, words }
    }

    /// A question as this dialect puts it.
    pub(super) fn form(&self, ask: Ask<'_>) -> Form {
        match self.dialect {
            PanelDialect::Classic => classic::form(ask),
        }
    }

    /// The answer to an `add`.
    pub(super) fn added(&self, text: &str) -> Added {
        match self.dialect {
            PanelDialect::Classic => classic::added(text, &self.words),
        }
    }

    /// The answer to a status question; one row for each order asked, in the order of asking.
    pub(super) fn rows(&self, text: &str, asked: &[PanelOrder]) -> Result<Vec<(PanelOrder, Row)>, Complaint> {
        match self.dialect {
            PanelDialect::Classic => classic::rows(text, asked, &self.words),
        }
    }

    /// What an error says of the one order that was asked for.
    pub(super) fn error_row(&self, text: String) -> Row {
        match self.dialect {
            PanelDialect::Classic => classic::error_row(text),
        }
    }

    /// The answer to a refill.
    pub(super) fn refill(&self, text: &str) -> Asked {
        match self.dialect {
            PanelDialect::Classic => classic::refill(text),
        }
    }

    /// The answer to the question where refills stand; one row for each, in the order of asking.
    pub(super) fn refill_rows(
        &self,
        text: &str,
        asked: &[PanelRefill],
    ) -> Result<Vec<(PanelRefill, RefillRow)>, Complaint> {
        match self.dialect {
            PanelDialect::Classic => classic::refill_rows(text, asked, &self.words),
        }
    }

    /// The answer to cancels; one row for each, in the order of asking.
    pub(super) fn cancel_rows(
        &self,
        text: &str,
        asked: &[PanelOrder],
    ) -> Result<Vec<(PanelOrder, CancelRow)>, Complaint> {
        match self.dialect {
            PanelDialect::Classic => classic::cancel_rows(text, asked, &self.words),
        }
    }

    /// The answer to the question for the catalogue.
    pub(super) fn catalogue(&self, text: &str) -> Result<Catalogue, Complaint> {
        match self.dialect {
            PanelDialect::Classic => classic::catalogue(text, &self.words),
        }
    }

    /// The answer to the question for the balance.
    pub(super) fn balance(&self, text: &str) -> Result<PanelBalance, Complaint> {
        match self.dialect {
            PanelDialect::Classic => classic::balance(text, &self.words),
        }
    }
}
