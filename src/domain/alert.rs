//! Alerts: what needs a person, and what that person is told to do.

mod rows;

use std::time::Duration;

use crate::domain::alert::rows::{KindRow, ROWS};

/// More orders for a person are news again after this.
const ORDERS_AGAIN_AFTER: Duration = Duration::from_hours(1);
/// More orders whose figures do not fit are: once a day.
const FIGURES_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// What can need a person. Its object is a panel's id unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertKind {
    /// Orders are in doubt at a panel.
    OrdersInDoubt,
    /// Orders cannot be settled by a machine; no object.
    OrdersForReview,
    /// A panel took orders after all that were found not placed; for three days.
    TakenLate,
    /// Orders wait for a reason of ours at a panel.
    OrdersParked,
    /// A panel's breaker keeps orders away from it.
    BreakerOpen,
    /// Nothing is sent to any panel; no object.
    DispatchFrozen,
    /// A panel's catalog cannot be read.
    CatalogUnreadable,
    /// Orders are open at a panel that no process deals with.
    PanelUnserved,
    /// Our balance at a panel is below its `balance_low`.
    BalanceLow,
    /// A panel holds less of ours than our orders explain.
    BalanceDrift,
    /// Our money at a panel lasts for a few hours only.
    RunwayShort,
    /// Rates of a panel moved too far to be believed at once.
    PriceJump,
    /// What a panel charges leaves less than the floor of fixed prices, and no other route is
    /// better.
    BelowFloor,
    /// The books do not hold; the object is the audit's check.
    Audit,
    /// The books could not be proved for too long; no object.
    AuditOverdue,
    /// A node's file is wrong, and the version in force serves; the object is the node.
    ConfigRefused,
    /// A node's file is dangerous, or is not watched, and waits for a person's word; the object is
    /// the node.
    ConfigWaiting,
    /// A node's file is not the one in force; the object is the node with both hashes.
    ConfigDiffers,
    /// A node cannot adopt the configuration in force; the object is the node.
    ConfigBehind,
    /// A node cannot read a panel's key; the object is the panel and the node.
    KeyMissing,
    /// The clock of a node's machine is not the database's; the object is the node.
    ClockOff,
    /// A panel lists far less than before.
    CatalogShrunk,
    /// A panel's status rounds tell of no order, and orders are open there.
    StatusesUnreadable,
    /// A panel does not know orders that were sent under another key than it is asked under now.
    AccountDiffers,
    /// A panel refused orders in words that nobody listed.
    UnknownWords,
    /// Orders that could be sent are not sent to a panel for a while.
    OrdersWaiting,
    /// Orders at a panel did not move for as long as the operator allows.
    OrdersStuck,
    /// A panel does not take refills, or does not end them.
    RefillsWaiting,
    /// A panel does not answer cancels.
    CancelsWaiting,
    /// Services that the file names are not sold; the object is the panel of their first route.
    ServicesUnsold,
    /// The webhook takes no messages; no object.
    AlertsUntold,
    /// Nobody could look for what is stuck; no object.
    LookOverdue,
    /// What a panel says of its orders contradicts itself.
    FiguresDiffer,
    /// A panel takes more than its catalog says.
    Overcharged,
    /// A panel names another currency than its block does.
    CurrencyDiffers,
    /// A panel holds more of ours than our orders explain, by what one of them cost.
    PaidBack,
    /// A panel does not tell its balance.
    BalanceUnread,
    /// A panel works again on orders that were over.
    Reopened,
    /// A worker of a node does not do its rounds; the object is the worker and the node.
    WorkerLate,
    /// A node cannot reach its database; the object is the node. Told without the database.
    DatabaseAway,
    /// Almost all connections that a node can have are taken; the object is the node.
    ConnectionsShort,
    /// A node cannot take connections; the object is the node.
    ListenerStuck,
    /// Lines of a node's log are lost; the object is the node.
    LogLost,
    /// The database's clock was set; no object.
    ClockSet,
}

/// How loudly the log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It gets worse, or money may be wrong: now.
    Error,
    /// Today.
    Warning,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; ROWS.len()] = {
        let mut all = [Self::OrdersInDoubt; ROWS.len()];
        let mut n = 0;
        while n < ROWS.len() {
            all[n] = ROWS[n].kind;
            n += 1;
        }
        all
    };

    fn row(self) -> &'static KindRow {
        &ROWS[self as usize]
    }

    /// The word that logs, messages and the database use.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it is so by what the operator's file says: whoever has an older file neither raises
    /// nor ends it.
    pub fn is_by_the_file(self) -> bool {
        matches!(
            self,
            Self::BreakerOpen
                | Self::CatalogUnreadable
                | Self::BalanceLow
                | Self::RunwayShort
                | Self::PriceJump
                | Self::BelowFloor
                | Self::CatalogShrunk
                | Self::UnknownWords
                | Self::RefillsWaiting
                | Self::ServicesUnsold
                | Self::BalanceUnread
        )
    }

    /// After how long more of the same are news again, where each is an order's; else once is
    /// enough.
    pub fn news_again_after(self) -> Option<Duration> {
        let is_of_orders = matches!(
            self,
            Self::OrdersInDoubt
                | Self::OrdersForReview
                | Self::TakenLate
                | Self::OrdersParked
                | Self::OrdersWaiting
                | Self::RefillsWaiting
                | Self::CancelsWaiting
                | Self::OrdersStuck
                | Self::UnknownWords
                | Self::BalanceDrift
        );

        let is_of_figures = matches!(
            self,
            Self::FiguresDiffer
                | Self::Overcharged
                | Self::CurrencyDiffers
                | Self::PaidBack
                | Self::Reopened
        );

        match (is_of_orders, is_of_figures) {
            (true, _) => Some(ORDERS_AGAIN_AFTER),
            (false, true) => Some(FIGURES_AGAIN_AFTER),
            (false, false) => None,
        }
    }

    /// How loudly the log is told.
    pub fn weight(self) -> Weight {
        self.row().weight
    }

    /// How long it must last before anybody is told.
    pub fn patience(self) -> Duration {
        self.row().patience
    }

    /// What is wrong and what to do, in one sentence. Made of our own words and the object's name
    /// only: nothing that a customer or a panel wrote can get into it.
    pub fn words(self, object: &str) -> String {
        self.row().words.replace("{object}", object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row_among_the_places_where_things_can_rest() {
        let text = include_str!("../../ARCHITECTURE.md");
        let section = text
            .split("## Where things can rest")
            .nth(1)
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap();

        let rows: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with("| "))
            .collect();

        for kind in AlertKind::ALL {
            let word = format!("`{}`", kind.as_str());
            let named = |row: &&str| {
                row.split('|')
                    .nth(3)
                    .is_some_and(|alerts| alerts.contains(&word))
            };

            assert!(
                rows.iter().any(named),
                "{word} has no row in ARCHITECTURE.md, Where things can rest"
            );
        }
    }

    #[test]
    fn every_kind_has_a_word_of_its_own_and_one_sentence_that_names_its_object() {
        for (n, kind) in AlertKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, n, "the rows are in the order of the kinds");
            assert_eq!(AlertKind::from_word(kind.as_str()), Some(kind));

            assert!(
                AlertKind::ALL[..n]
                    .iter()
                    .all(|other| other.as_str() != kind.as_str())
            );

            let words = kind.words("somewhere");
            assert!(
                !words.contains("  ") && !words.contains('\n') && !words.ends_with('.'),
                "{words}"
            );

            let whole_house = matches!(
                kind,
                AlertKind::OrdersForReview
                    | AlertKind::DispatchFrozen
                    | AlertKind::AuditOverdue
                    | AlertKind::AlertsUntold
                    | AlertKind::LookOverdue
                    | AlertKind::ClockSet
            );

            assert_eq!(words.contains("somewhere"), !whole_house, "{words}");
        }

        assert_eq!(AlertKind::from_word("weather"), None);
    }
}
