//! What a panel said of one order, and what follows from it.

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::{PanelStatus, ProviderSettings};
use crate::domain::settlement::{
    self, Bought, Ending, Report, SettlementOutcome, SettlementRules, Stated, TakenCharge,
};
use crate::orders::settle;
use crate::store::StoreError;
use crate::store::legs::LockedLeg;
use crate::store::tracked_legs::{DuePoll, Worth};
use crate::upstream::OrderAnswer;

/// How what was said of an order begins where it was an error, and what stands there where nothing
/// was said.
pub(super) const ERROR_SEEN: &str = "error: ";
const MISSING_SEEN: &str = "missing";

/// Whether the last word of an order told nothing of it.
pub(super) fn is_silent(seen: &str) -> bool {
    seen == MISSING_SEEN || seen.starts_with(ERROR_SEEN)
}

/// What a panel said of one order.
pub(super) struct PanelReport {
    /// Where the order stands, where the panel says so.
    pub(super) report: Option<Report>,
    /// The text by which the same again is recognised: the status first, what remains third.
    pub(super) text: String,
    /// Whether the same again is worth a look.
    pub(super) puzzles: bool,
    /// Whether the panel speaks of the order at all, be it with a word that nobody knows.
    pub(super) names_a_status: bool,
    /// Whether it speaks of the order, if only to say that it has no such order.
    pub(super) is_of_the_order: bool,
    /// What it says that it took, in our currency.
    stated: Stated,
}

impl PanelReport {
    /// What a row says, of an order that was sent when the panel's currency was worth so much in
    /// ours.
    pub(super) fn of(row: &OrderAnswer, exchange: ExchangeRate, currency: &str) -> Self {
        let silent = |text: &str| Self {
            report: None,
            text: text.to_owned(),
            puzzles: true,
            names_a_status: false,
            is_of_the_order: false,
            stated: Stated::Nothing,
        };

        match row {
            OrderAnswer::Said(report) => Self {
                text: format!(
                    "{}|{:?}|{:?}|{}",
                    report.status_text,
                    report.start_count,
                    report.remains,
                    report.charge_text.as_deref().unwrap_or_default()
                ),
                puzzles: matches!(
                    report.status,
                    PanelStatus::Partial
                        | PanelStatus::Canceled
                        | PanelStatus::Failed
                        | PanelStatus::Expired
                ),
                report: Some(report.clone()),
                names_a_status: true,
                is_of_the_order: true,
                stated: report.stated(exchange, currency),
            },
            OrderAnswer::UnknownStatus { text } => Self {
                names_a_status: true,
                is_of_the_order: true,
                ..silent(&format!("unknown status: {text}"))
            },
            OrderAnswer::NotOurs { text } => Self {
                is_of_the_order: true,
                ..silent(&format!("{ERROR_SEEN}{text}"))
            },
            OrderAnswer::Error { text } => silent(&format!("{ERROR_SEEN}{text}")),
            OrderAnswer::Missing => silent(MISSING_SEEN),
        }
    }

    /// What the panel was expected to take for the whole order, and what it says that it took.
    pub(super) fn taken(&self, expected: Money) -> TakenCharge {
        TakenCharge {
            expected,
            stated: self.stated,
        }
    }

    /// What follows from it, by the rules of settlement.
    pub(super) fn outcome(
        &self,
        settings: &ProviderSettings,
        due: &DuePoll,
        leg: &LockedLeg,
        bought: Bought,
        now: Timestamp,
    ) -> Result<SettlementOutcome, StoreError> {
        let Some(report) = &self.report else {
            return Ok(SettlementOutcome::AskAgain(
                "the panel names no status of it",
            ));
        };

        let patience = TimeDelta::hours(i64::from(settings.settling.failed_settles_after_h));
        let rules = SettlementRules {
            canceled_with_remains: settings.settling.canceled_with_remains,
            failed_for_good: due.failing_at.is_some_and(|since| now - since >= patience),
        };

        let mut outcome = settlement::settle_report(bought, self.taken(leg.cost), report, rules)
            .map_err(settle::too_large)?;

        if let SettlementOutcome::End(Ending { doubtful, .. }) = &mut outcome {
            // It said so while it was at it already: the price is lower than we know, and nothing
            // went back.
            let said_before =
                report.status == PanelStatus::Completed && self.charge() == due.charge;
            *doubtful &= !said_before;
        }

        Ok(outcome)
    }

    /// What it is worth where it settles nothing.
    pub(super) fn worth(&self) -> Worth {
        match self.report.as_ref().map(|report| report.status) {
            None => Worth::Silent,
            Some(PanelStatus::Failed) => Worth::Failing,
            Some(PanelStatus::Partial | PanelStatus::Canceled | PanelStatus::Expired) => {
                Worth::Puzzling
            }
            Some(
                PanelStatus::Pending
                | PanelStatus::Processing
                | PanelStatus::InProgress
                | PanelStatus::Completed,
            ) => Worth::Clear,
        }
    }

    /// What the panel took for it, as far as it tells.
    pub(super) fn charge(&self) -> Option<Money> {
        match self.stated {
            Stated::Took { amount, .. } => Some(amount),
            Stated::Nothing | Stated::Unreadable | Stated::TooLarge | Stated::Foreign { .. } => {
                None
            }
        }
    }

    /// What an open order shows of its counts; a negative remains is over-delivery, shown as
    /// nothing missing.
    pub(super) fn counts(&self) -> (Option<i64>, Option<i64>) {
        self.report.as_ref().map_or((None, None), |report| {
            (report.start_count, report.remains.map(|r| r.max(0)))
        })
    }
}
