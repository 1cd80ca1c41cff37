//! The dialects that panels are asked in: a closed list, each a pair of pure halves, question →
//! form and text → answer.
//!
//! A dialect's own module says how its questions are put and what it lacks. Answers are read by
//! readers that all dialects share: panels mix each other's shapes and words so freely that
//! whatever one of them writes must be understood of any.

mod added;
mod asks;
mod balance;
mod catalog;
mod classic;
mod complaint;
mod failed;
mod listed;
mod notpanel;
mod paynow;
mod question;
mod refused;
mod rows;
pub(super) mod signs;
mod tails;
mod trace;
mod words;

use std::collections::BTreeMap;

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::leg::LeasedLeg;
use crate::domain::provider::{PanelDialect, PanelWord, RefusalClass};
use crate::domain::service::PanelService;
use crate::upstream::answer::{CancelRow, OrderAnswer, PanelBalance, RefillRow};

/// Where an order's id stands, the likeliest first.
const ORDER_NAMES: [&str; 5] = ["order", "order_id", "orderId", "orderID", "id"];

/// The longest text of a panel that is kept in a row.
const TEXT_BYTES_MAX: usize = 256;

/// The parameters of one call, without the key.
pub(super) type CallForm = Vec<(&'static str, String)>;

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
    Services {
        /// The first row that is wanted; of the whole catalog it is 0.
        from: usize,
    },
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
    /// Any error text.
    pub(super) complaint: Option<String>,
    /// Whether anything says that it failed.
    pub(super) failed: bool,
}

/// What could be read in the answer to a refill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReadRefill {
    /// A yes, with an id where one was given.
    Taken(Option<PanelRefill>),
    /// A no.
    Refused(String),
    /// Neither.
    Unclear,
}

/// A catalog as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalog {
    /// The rows that could be read, no id twice.
    pub(super) services: Vec<PanelService>,
    /// How many could not.
    pub(super) skipped: usize,
}

impl Catalog {
    /// How many rows came, readable or not.
    pub(super) fn rows(&self) -> usize {
        self.services.len() + self.skipped
    }
}

/// The error text of an answer to an `add` that is an error and names no order.
pub(super) fn complained_of_an_add(text: &str) -> Option<String> {
    added::unknown_complaint(text)
}

/// Whether a word, in small letters, is one that listed refusals are written in.
pub(super) fn is_word_of_refusals(word: &str) -> bool {
    words::is_word_of_refusals(word)
}

/// Why an answer is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnswerFault {
    /// A listed error text.
    Refused(RefusalClass),
    /// Another error text.
    Declined(String),
    /// Not an answer to this question.
    Unreadable,
}

/// A dialect together with one panel's own words.
#[derive(Debug)]
pub(super) struct SpokenDialect {
    dialect: PanelDialect,
    words: BTreeMap<String, PanelWord>,
}

impl SpokenDialect {
    pub(super) fn new(dialect: PanelDialect, words: BTreeMap<String, PanelWord>) -> Self {
        Self { dialect, words }
    }

    /// A question as this dialect puts it; `None`: it has no words for it.
    pub(super) fn form(&self, ask: Ask<'_>) -> Option<CallForm> {
        match self.dialect {
            PanelDialect::Classic => Some(classic::form(ask)),
            PanelDialect::Paynow => paynow::form(ask),
            PanelDialect::Notpanel => Some(notpanel::form(ask)),
        }
    }

    /// The name of a leg's `add` that the panel knows again, where this dialect has such names.
    pub(super) fn request_id(&self, leg: &LeasedLeg) -> Option<String> {
        match self.dialect {
            PanelDialect::Classic | PanelDialect::Paynow => None,
            PanelDialect::Notpanel => Some(notpanel::request_id(leg)),
        }
    }

    /// Whether the answer to an `add` says that the panel knows its name, and something else by it.
    pub(super) fn is_of_another(&self, added: &Added) -> bool {
        match self.dialect {
            PanelDialect::Classic | PanelDialect::Paynow => false,
            PanelDialect::Notpanel => added
                .complaint
                .as_deref()
                .is_some_and(notpanel::is_of_another),
        }
    }

    /// The listed text, in small letters, on which a refusal by this text would rest.
    pub(super) fn listed_text(&self, text: &str) -> Option<String> {
        words::listed_text(text, &self.words)
    }

    /// The answer to an `add`.
    pub(super) fn added(&self, text: &str) -> Added {
        added::read_added(text, &self.words)
    }

    /// The answer to a status question; one row for each order asked, in the order of asking.
    pub(super) fn rows(
        &self,
        text: &str,
        asked: &[PanelOrder],
    ) -> Result<Vec<(PanelOrder, OrderAnswer)>, AnswerFault> {
        rows::read_rows(text, asked, &self.words)
    }

    /// What an error says of the one order that was asked for.
    pub(super) fn error_row(text: String) -> OrderAnswer {
        rows::error_row(text)
    }

    /// The answer to a refill.
    pub(super) fn refill(&self, text: &str, order: &PanelOrder) -> ReadRefill {
        asks::read_refill(text, order, &self.words)
    }

    /// The answer to the question where refills stand; one row for each, in the order of asking.
    pub(super) fn refill_rows(
        &self,
        text: &str,
        asked: &[PanelRefill],
    ) -> Result<Vec<(PanelRefill, RefillRow)>, AnswerFault> {
        asks::refill_rows(text, asked, &self.words)
    }

    /// The answer to cancels; one row for each, in the order of asking.
    pub(super) fn cancel_rows(
        &self,
        text: &str,
        asked: &[PanelOrder],
    ) -> Result<Vec<(PanelOrder, CancelRow)>, AnswerFault> {
        asks::cancel_rows(text, asked, &self.words)
    }

    /// The answer to the question for the catalog.
    pub(super) fn catalog(&self, text: &str) -> Result<Catalog, AnswerFault> {
        catalog::read_catalog(text, &self.words)
    }

    /// The answer to the question for the balance.
    pub(super) fn balance(&self, text: &str) -> Result<PanelBalance, AnswerFault> {
        balance::read_balance(text, &self.words)
    }
}
