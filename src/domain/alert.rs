//! Alerts: what needs a person, and what that person is told to do.

use std::time::Duration;

use crate::domain::float::RUNWAY_SHORT_H;

/// How long nobody may deal with a panel before it is worth a person's time: every restart has such a moment.
const UNSERVED_PATIENCE: Duration = Duration::from_mins(1);
/// How long a node's file may be another one: files reach nodes one after the other, and a roll-back its file last.
const DIFFERS_PATIENCE: Duration = Duration::from_secs(10);

/// What can need a person. Its object is a panel's id unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Orders are in doubt at a panel.
    OrdersInDoubt,
    /// Orders cannot be settled by a machine; no object.
    OrdersForReview,
    /// A panel took orders after all that were found not placed; for three days.
    TakenLate,
    /// Orders wait for a reason of ours at a panel.
    OrdersParked,
    /// Orders that could be sent are not sent to a panel for a while.
    OrdersWaiting,
    /// Orders at a panel did not move for as long as the operator allows.
    OrdersStuck,
    /// A panel does not take refills, or does not end them.
    RefillsWaiting,
    /// A panel does not answer cancels.
    CancelsWaiting,
    /// A panel's breaker keeps orders away from it.
    BreakerOpen,
    /// Nothing is sent to any panel; no object.
    DispatchFrozen,
    /// A panel's catalogue cannot be read.
    CatalogueUnreadable,
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
    /// What a panel charges leaves less than the floor of fixed prices, and no other route is better.
    BelowFloor,
    /// The books do not hold; the object is the audit's check.
    Audit,
    /// The books could not be proved for too long; no object.
    AuditOverdue,
    /// A node's file is wrong, and the version in force serves; the object is the node.
    ConfigRefused,
    /// A node's file is dangerous, or is not watched, and waits for a person's word; the object is the node.
    ConfigWaiting,
    /// A node's file is not the one in force; the object is the node with both hashes.
    ConfigDiffers,
    /// A node cannot adopt the configuration in force; the object is the node.
    ConfigBehind,
    /// A node cannot read a panel's key; the object is the panel and the node.
    KeyMissing,
    /// The webhook takes no messages; no object.
    AlertsUntold,
    /// Nobody could look for what is stuck; no object.
    LookOverdue,
}

/// How loudly the log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It gets worse, or money may be wrong: now.
    Error,
    /// Today.
    Warning,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 26] = [
        Self::OrdersInDoubt,
        Self::OrdersForReview,
        Self::TakenLate,
        Self::OrdersParked,
        Self::OrdersWaiting,
        Self::OrdersStuck,
        Self::RefillsWaiting,
        Self::CancelsWaiting,
        Self::BreakerOpen,
        Self::DispatchFrozen,
        Self::CatalogueUnreadable,
        Self::PanelUnserved,
        Self::BalanceLow,
        Self::BalanceDrift,
        Self::RunwayShort,
        Self::PriceJump,
        Self::BelowFloor,
        Self::Audit,
        Self::AuditOverdue,
        Self::ConfigRefused,
        Self::ConfigWaiting,
        Self::ConfigDiffers,
        Self::ConfigBehind,
        Self::KeyMissing,
        Self::AlertsUntold,
        Self::LookOverdue,
    ];

    /// The word that logs, messages and the database use.
    pub fn word(self) -> &'static str {
        match self {
            Self::OrdersInDoubt => "orders_in_doubt",
            Self::OrdersForReview => "orders_for_review",
            Self::TakenLate => "taken_late",
            Self::OrdersParked => "orders_parked",
            Self::OrdersWaiting => "orders_waiting",
            Self::OrdersStuck => "orders_stuck",
            Self::RefillsWaiting => "refills_waiting",
            Self::CancelsWaiting => "cancels_waiting",
            Self::BreakerOpen => "breaker_open",
            Self::DispatchFrozen => "dispatch_frozen",
            Self::CatalogueUnreadable => "catalogue_unreadable",
            Self::PanelUnserved => "panel_unserved",
            Self::BalanceLow => "balance_low",
            Self::BalanceDrift => "balance_drift",
            Self::RunwayShort => "runway_short",
            Self::PriceJump => "price_jump",
            Self::BelowFloor => "below_floor",
            Self::Audit => "audit",
            Self::AuditOverdue => "audit_overdue",
            Self::ConfigRefused => "config_refused",
            Self::ConfigWaiting => "config_waiting",
            Self::ConfigDiffers => "config_differs",
            Self::ConfigBehind => "config_behind",
            Self::KeyMissing => "key_missing",
            Self::AlertsUntold => "alerts_untold",
            Self::LookOverdue => "look_overdue",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether it is so by what the operator's file says: whoever has an older file neither raises nor ends it.
    pub fn is_by_the_file(self) -> bool {
        match self {
            Self::BreakerOpen
            | Self::CatalogueUnreadable
            | Self::BalanceLow
            | Self::RunwayShort
            | Self::PriceJump
            | Self::BelowFloor
            | Self::RefillsWaiting => true,
            Self::OrdersInDoubt
            | Self::OrdersForReview
            | Self::TakenLate
            | Self::OrdersParked
            | Self::OrdersWaiting
            | Self::OrdersStuck
            | Self::CancelsWaiting
            | Self::DispatchFrozen
            | Self::PanelUnserved
            | Self::BalanceDrift
            | Self::Audit
            | Self::AuditOverdue
            | Self::ConfigRefused
            | Self::ConfigWaiting
            | Self::ConfigDiffers
            | Self::ConfigBehind
            | Self::KeyMissing
            | Self::AlertsUntold
            | Self::LookOverdue => false,
        }
    }

    /// How loudly the log is told.
    pub fn weight(self) -> Weight {
        match self {
            Self::OrdersInDoubt
            | Self::TakenLate
            | Self::PanelUnserved
            | Self::BalanceDrift
            | Self::Audit
            | Self::AuditOverdue
            | Self::ConfigBehind
            | Self::KeyMissing
            | Self::AlertsUntold
            | Self::LookOverdue => Weight::Error,
            Self::OrdersForReview
            | Self::OrdersParked
            | Self::OrdersWaiting
            | Self::OrdersStuck
            | Self::RefillsWaiting
            | Self::CancelsWaiting
            | Self::BreakerOpen
            | Self::DispatchFrozen
            | Self::CatalogueUnreadable
            | Self::BalanceLow
            | Self::RunwayShort
            | Self::PriceJump
            | Self::BelowFloor
            | Self::ConfigRefused
            | Self::ConfigWaiting
            | Self::ConfigDiffers => Weight::Warning,
        }
    }

    /// How long it must last before anybody is told.
    pub fn patience(self) -> Duration {
        match self {
            Self::PanelUnserved => UNSERVED_PATIENCE,
            Self::ConfigDiffers => DIFFERS_PATIENCE,
            Self::OrdersInDoubt
            | Self::OrdersForReview
            | Self::TakenLate
            | Self::OrdersParked
            | Self::OrdersWaiting
            | Self::OrdersStuck
            | Self::RefillsWaiting
            | Self::CancelsWaiting
            | Self::BreakerOpen
            | Self::DispatchFrozen
            | Self::CatalogueUnreadable
            | Self::BalanceLow
            | Self::BalanceDrift
            | Self::RunwayShort
            | Self::PriceJump
            | Self::BelowFloor
            | Self::Audit
            | Self::AuditOverdue
            | Self::ConfigRefused
            | Self::ConfigWaiting
            | Self::ConfigBehind
            | Self::KeyMissing
            | Self::AlertsUntold
            | Self::LookOverdue => Duration::ZERO,
        }
    }

    /// What is wrong and what to do, in one sentence. Made of our own words and the object's name only: nothing that a
    /// customer or a panel wrote can get into it.
    pub fn words(self, object: &str) -> String {
        match self {
            Self::OrdersInDoubt => format!(
                "panel {object} may or may not have taken some orders: look at them with `panelgate order list --state \
                 in_doubt`, look for them at the panel, and decide each with `panelgate order resolve`"
            ),
            Self::OrdersForReview => "some orders cannot be settled by the machine: look at them with `panelgate \
                                      order list --state review` and at their panels, and decide each with \
                                      `panelgate order settle`, `refund` or `resolve`"
                .to_owned(),
            Self::TakenLate => format!(
                "panel {object} took orders after all that had been found not placed: find them with `panelgate order \
                 list --provider {object}`, `order show` tells the panel's id; cancel them there"
            ),
            Self::OrdersParked => format!(
                "panel {object} takes no orders for a reason of ours: `panelgate order list --state parked` shows who \
                 waits; top up our balance there or set its key right, and they go by themselves"
            ),
            Self::BreakerOpen => format!(
                "panel {object} gets no orders for now: `panelgate provider list` tells what stopped it; it is tried \
                 again by itself, or at once by `panelgate provider resume {object}`"
            ),
            Self::DispatchFrozen => {
                "nothing is sent to any panel: thaw with `panelgate dispatch thaw` when orders may go out".to_owned()
            }
            Self::CatalogueUnreadable => catalogue_unreadable(object),
            Self::PanelUnserved => format!(
                "orders or refills are open at panel {object} and no process deals with it: start `panelgate serve` with workers \
                 and with the panel's block in its file"
            ),
            Self::BalanceLow => {
                format!("our balance at panel {object} is below its balance_low: top it up before orders have to wait")
            }
            Self::BalanceDrift => format!(
                "panel {object} holds less of our money than our orders explain: `panelgate treasury drift` shows how \
                 much and which orders; take it up with the panel, then `panelgate treasury acknowledge` it"
            ),
            Self::RunwayShort => format!(
                "our balance at panel {object} lasts for less than {RUNWAY_SHORT_H} hours at what is spent there: top it \
                 up; `panelgate treasury list` shows how long each lasts"
            ),
            Self::PriceJump => price_jump(object),
            Self::BelowFloor => below_floor(object),
            Self::Audit => format!(
                "the books do not hold ({object}): see what is wrong with `panelgate ledger audit`, and find out who \
                 wrote to the database before money is paid out"
            ),
            Self::ConfigRefused => format!(
                "the configuration file of node {object} is wrong and the version in force goes on: its log and \
                 `panelgate config list` tell what is wrong; mend the file"
            ),
            Self::ConfigWaiting => format!(
                "the configuration file of node {object} waits for a person: see why with `panelgate config list`, \
                 then run `panelgate apply` there, or take the edit back"
            ),
            Self::ConfigDiffers => format!(
                "the configuration file of node {object} is not the one in force: bring the file that is in force \
                 there, or run `panelgate apply` with the one that is meant"
            ),
            Self::ConfigBehind => format!(
                "node {object} cannot adopt the configuration in force and goes on with an older one: its log tells \
                 why; run the same program on all nodes"
            ),
            Self::KeyMissing => format!(
                "the key of panel {object} cannot be read there, and that node does not deal with the panel: set its \
                 variable and restart the node, or name a key_file"
            ),
            Self::OrdersWaiting => orders_waiting(object),
            Self::OrdersStuck => orders_stuck(object),
            Self::RefillsWaiting => refills_waiting(object),
            Self::CancelsWaiting => cancels_waiting(object),
            Self::AlertsUntold => ALERTS_UNTOLD.to_owned(),
            Self::LookOverdue => LOOK_OVERDUE.to_owned(),
            Self::AuditOverdue => {
                "the books could not be proved for half an hour: the log tells why; run `panelgate ledger audit`"
                    .to_owned()
            }
        }
    }
}

/// What is said where nobody can be told otherwise.
const ALERTS_UNTOLD: &str = "the alert webhook takes no messages: the log and `panelgate alert list` tell what nobody was \
     told; look after its receiver";
/// What is said where nobody looks.
const LOOK_OVERDUE: &str = "nobody could look for orders that do not move for a quarter of an hour: the log tells why";

fn catalogue_unreadable(object: &str) -> String {
    format!(
        "the catalogue of panel {object} cannot be read; what was read of it before is sold, if anything was, and another \
         account gets nothing: `panelgate provider list` tells why; then run `panelgate catalog refresh`"
    )
}

fn orders_waiting(object: &str) -> String {
    format!(
        "orders wait at panel {object} and are not sent: `panelgate provider list` tells why and `panelgate order list \
         --state waiting --provider {object}` which; let the panel go on, or move them with `panelgate order reroute \
         --provider {object}`"
    )
}

fn orders_stuck(object: &str) -> String {
    format!(
        "orders at panel {object} have not moved for longer than stuck_after_h: `panelgate order list --state stuck \
         --provider {object}` shows them; ask the panel, and settle, cancel or reroute them"
    )
}

fn refills_waiting(object: &str) -> String {
    format!(
        "panel {object} does not take refills, or does not end them: `panelgate provider list` tells how many; ask the \
         panel about them"
    )
}

fn cancels_waiting(object: &str) -> String {
    format!(
        "panel {object} does not answer cancels of orders that are still open: `panelgate order list --state canceling \
         --provider {object}` shows them; ask the panel to cancel them"
    )
}

fn price_jump(object: &str) -> String {
    format!(
        "rates of panel {object} moved by more than price_jump_percent, and nothing new is sold by them: look with \
         `panelgate catalog diff --provider {object} --since 1d`, and accept them with `panelgate catalog accept {object}`"
    )
}

fn below_floor(object: &str) -> String {
    format!(
        "what panel {object} charges leaves less than floor_percent of fixed prices that are sold all the same: look with \
         `panelgate catalog list --provider {object}`, and raise their rate or add a cheaper route"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row_among_the_places_where_things_can_rest() {
        let text = include_str!("../../ARCHITECTURE.md");
        let section = text.split("## Where things can rest").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).collect();
        for kind in Kind::ALL {
            let word = format!("`{}`", kind.word());
            let named = |row: &&str| row.split('|').nth(3).is_some_and(|alerts| alerts.contains(&word));
            assert!(rows.iter().any(named), "{word} has no row in ARCHITECTURE.md, Where things can rest");
        }
    }

    #[test]
    fn every_kind_has_a_word_of_its_own_and_one_sentence_that_names_its_object() {
        for (n, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
            assert!(Kind::ALL[..n].iter().all(|other| other.word() != kind.word()));
            let words = kind.words("somewhere");
            assert!(!words.contains("  ") && !words.contains('\n') && !words.ends_with('.'), "{words}");
            let whole_house = matches!(
                kind,
                Kind::OrdersForReview
                    | Kind::DispatchFrozen
                    | Kind::AuditOverdue
                    | Kind::AlertsUntold
                    | Kind::LookOverdue
            );
            assert_eq!(words.contains("somewhere"), !whole_house, "{words}");
        }
        assert_eq!(Kind::from_word("weather"), None);
    }
}
