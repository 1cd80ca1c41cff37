//! What is to be said of each kind of alert, in one table.

use std::time::Duration;

use crate::domain::alert::{AlertKind, Weight};

/// How long nobody may deal with a panel before it is worth a person's time: every restart has such
/// a moment.
const UNSERVED_PATIENCE: Duration = Duration::from_mins(1);
/// How long a node's file may be another one: files reach nodes one after the other, and a
/// roll-back its file last.
const DIFFERS_PATIENCE: Duration = Duration::from_secs(10);
/// How long services may be unsold: a process that starts has not read its panels yet.
const UNSOLD_PATIENCE: Duration = Duration::from_mins(2);
/// How long a balance may be unreadable: one reading may fail, two in a row are news.
const BALANCE_PATIENCE: Duration = Duration::from_mins(10);

/// How long a worker may be late: after a database that was away, all are for a moment.
const WORKER_PATIENCE: Duration = Duration::from_secs(5);

/// How long a database may be away: a server that is started anew needs some seconds.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);

/// All that is to be said of a kind.
pub(super) struct KindRow {
    pub(super) kind: AlertKind,
    /// What logs, messages and the database call it.
    pub(super) word: &'static str,
    pub(super) weight: Weight,
    /// How long it must last before anybody is told.
    pub(super) patience: Duration,
    /// What is wrong and what to do, in one sentence; `{object}` is where.
    pub(super) words: &'static str,
}

/// Every kind, in the order of [`AlertKind`].
pub(super) const ROWS: [KindRow; 44] = [
    KindRow {
        kind: AlertKind::OrdersInDoubt,
        word: "orders_in_doubt",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} may or may not have taken some orders: look at them with \
                `panelgate order list --state in_doubt`, look for them at the panel, and decide \
                each with `panelgate order resolve`",
    },
    KindRow {
        kind: AlertKind::OrdersForReview,
        word: "orders_for_review",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "some orders cannot be settled by the machine: look at them with `panelgate order \
                list --state review` and at their panels, and decide each with `panelgate order \
                settle`, `refund` or `resolve`",
    },
    KindRow {
        kind: AlertKind::TakenLate,
        word: "taken_late",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} took orders after all that had been found not placed, or under \
                another id than the one that is followed: find them with `panelgate order list \
                --provider {object}`, `order show` tells the panel's id as late_order; cancel \
                there what is twice, or take back that it was not placed",
    },
    KindRow {
        kind: AlertKind::OrdersParked,
        word: "orders_parked",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "orders wait at panel {object} for a reason of ours, and `panelgate order list \
                --state parked` shows which: where it refused them, top up our balance there or \
                set its key right; where it costs too much or left the file, give their services \
                another route; then they go by themselves",
    },
    KindRow {
        kind: AlertKind::BreakerOpen,
        word: "breaker_open",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} gets no orders for now: `panelgate provider list` tells what \
                stopped it; it is tried again by itself, or at once by `panelgate provider resume \
                {object}`",
    },
    KindRow {
        kind: AlertKind::DispatchFrozen,
        word: "dispatch_frozen",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "nothing is sent to any panel: thaw with `panelgate dispatch thaw` when orders may \
                go out",
    },
    KindRow {
        kind: AlertKind::CatalogUnreadable,
        word: "catalog_unreadable",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "the catalog of panel {object} cannot be read; what was read of it before is \
                sold, if anything was, and another account gets nothing: `panelgate provider \
                list` tells why; then run `panelgate catalog refresh`",
    },
    KindRow {
        kind: AlertKind::PanelUnserved,
        word: "panel_unserved",
        weight: Weight::Error,
        patience: UNSERVED_PATIENCE,
        words: "orders or refills are open at panel {object} and no process deals with it: start \
                `panelgate serve` with workers and with the panel's block in its file",
    },
    KindRow {
        kind: AlertKind::BalanceLow,
        word: "balance_low",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "our balance at panel {object} is below its balance_low: top it up before orders \
                have to wait",
    },
    KindRow {
        kind: AlertKind::BalanceDrift,
        word: "balance_drift",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} holds less of our money than our orders explain: `panelgate \
                treasury drift` shows how much and which orders; take it up with the panel, then \
                `panelgate treasury acknowledge` it",
    },
    KindRow {
        kind: AlertKind::RunwayShort,
        word: "runway_short",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "our balance at panel {object} lasts for less than six hours at what is spent \
                there: top it up; `panelgate treasury list` shows how long each lasts",
    },
    KindRow {
        kind: AlertKind::PriceJump,
        word: "price_jump",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "rates of panel {object} moved by more than price_jump_percent, and nothing new is \
                sold by them: look with `panelgate catalog diff --provider {object} --since 1d`, \
                and accept them with `panelgate catalog accept {object}`",
    },
    KindRow {
        kind: AlertKind::BelowFloor,
        word: "below_floor",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "what panel {object} charges leaves less than floor_percent of fixed prices that \
                are sold all the same: look with `panelgate catalog list --provider {object}`, \
                and raise their rate or add a cheaper route",
    },
    KindRow {
        kind: AlertKind::Audit,
        word: "audit",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "the books do not hold ({object}): see what is wrong with `panelgate ledger \
                audit`, and find out who wrote to the database before money is paid out",
    },
    KindRow {
        kind: AlertKind::AuditOverdue,
        word: "audit_overdue",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "the books could not be proved for half an hour: the log tells why; run `panelgate \
                ledger audit`",
    },
    KindRow {
        kind: AlertKind::ConfigRefused,
        word: "config_refused",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "the configuration file of node {object} is wrong and the version in force goes \
                on: its log and `panelgate config list` tell what is wrong; mend the file",
    },
    KindRow {
        kind: AlertKind::ConfigWaiting,
        word: "config_waiting",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "the configuration file of node {object} waits for a person: see why with \
                `panelgate config list`, then run `panelgate apply` there, or take the edit back; \
                where only a key file holds another key, that node's log tells whose and what to \
                do",
    },
    KindRow {
        kind: AlertKind::ConfigDiffers,
        word: "config_differs",
        weight: Weight::Warning,
        patience: DIFFERS_PATIENCE,
        words: "the configuration file of node {object} is not the one in force: bring the file \
                that is in force there, or run `panelgate apply` with the one that is meant",
    },
    KindRow {
        kind: AlertKind::ConfigBehind,
        word: "config_behind",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "node {object} cannot adopt the configuration in force and goes on with an older \
                one: its log tells why; run the same program on all nodes",
    },
    KindRow {
        kind: AlertKind::KeyMissing,
        word: "key_missing",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "the key of panel {object} cannot be read there, and that node does not deal with \
                the panel: set its variable and restart the node, or name a key_file",
    },
    KindRow {
        kind: AlertKind::ClockOff,
        word: "clock_off",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "the clock of the machine of node {object} is not the database's: orders and money \
                go by the database's, but the node's log tells other times; set the clock right \
                (NTP), of whichever of the two is wrong",
    },
    KindRow {
        kind: AlertKind::CatalogShrunk,
        word: "catalog_shrunk",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} lists a third less than before, or nothing at all: what is gone is \
                sold as before until a reading a day later says the same; take the panel at its \
                word at once with `panelgate catalog accept {object} --all-gone`",
    },
    KindRow {
        kind: AlertKind::StatusesUnreadable,
        word: "statuses_unreadable",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} does not tell where orders stand, round after round: the log tells \
                what it says instead, and `panelgate provider list` for how long; it is asked \
                again by itself",
    },
    KindRow {
        kind: AlertKind::AccountDiffers,
        word: "account_differs",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} does not know orders that were sent there under another key than \
                the one it is asked under now: put the key before back where the panel's block \
                reads it and start the gateway anew; where the new key is another account's, \
                write it as another [[provider]]",
    },
    KindRow {
        kind: AlertKind::UnknownWords,
        word: "unknown_words",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} refused orders in words that nobody listed, and each costs a \
                person one look: `panelgate provider words {object}` shows them with the lines \
                for [provider.words], and ends this with --done",
    },
    KindRow {
        kind: AlertKind::OrdersWaiting,
        word: "orders_waiting",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "orders wait at panel {object} and are not sent: `panelgate provider list` tells \
                why and `panelgate order list --state waiting --provider {object}` which; let the \
                panel go on, or move them with `panelgate order reroute --provider {object}`",
    },
    KindRow {
        kind: AlertKind::OrdersStuck,
        word: "orders_stuck",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "orders at panel {object} have not moved for longer than stuck_after_h: `panelgate \
                order list --state stuck --provider {object}` shows them; ask the panel, and \
                settle, cancel or reroute them",
    },
    KindRow {
        kind: AlertKind::RefillsWaiting,
        word: "refills_waiting",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} does not take refills, or does not end them: `panelgate provider \
                list` tells how many; ask the panel about them",
    },
    KindRow {
        kind: AlertKind::CancelsWaiting,
        word: "cancels_waiting",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} does not answer cancels of orders that are still open: `panelgate \
                order list --state canceling --provider {object}` shows them; ask the panel to \
                cancel them",
    },
    KindRow {
        kind: AlertKind::ServicesUnsold,
        word: "services_unsold",
        weight: Weight::Warning,
        patience: UNSOLD_PATIENCE,
        words: "services that the file names are not sold, and panel {object} is their first \
                route: `panelgate catalog list --provider {object}` and `catalog diff --provider \
                {object} --since 1d` tell why; ask the panel, give them another route, or take \
                their blocks out",
    },
    KindRow {
        kind: AlertKind::AlertsUntold,
        word: "alerts_untold",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "the alert webhook takes no messages: the log and `panelgate alert list` tell what \
                nobody was told; look after its receiver",
    },
    KindRow {
        kind: AlertKind::LookOverdue,
        word: "look_overdue",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "nobody could look for orders that do not move for a quarter of an hour: the log \
                tells why",
    },
    KindRow {
        kind: AlertKind::FiguresDiffer,
        word: "figures_differ",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "what panel {object} took for some orders does not fit what it says it delivered: \
                `panelgate treasury drift {object}` shows them; look at each there, and decide it \
                with `panelgate order settle` or `refund`, or take note with `panelgate treasury \
                acknowledge`",
    },
    KindRow {
        kind: AlertKind::Overcharged,
        word: "overcharged",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} took more for some orders than its catalog says: `panelgate \
                treasury drift {object}` shows them; `panelgate provider pause {object}` stops \
                buying there while you take it up with the panel, and `panelgate treasury \
                acknowledge` takes note",
    },
    KindRow {
        kind: AlertKind::CurrencyDiffers,
        word: "currency_differs",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "panel {object} names another currency than its block does, and what it says it \
                took or holds is not booked: `panelgate treasury drift {object}` and `provider \
                list` show it; set `currency` right, and take note with `panelgate treasury \
                acknowledge`",
    },
    KindRow {
        kind: AlertKind::PaidBack,
        word: "paid_back",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} holds more of our money than before, by what an order cost: \
                `panelgate treasury drift {object}` shows which it may have taken back; look \
                there, give the customer back what is due, and take note with `panelgate treasury \
                acknowledge`",
    },
    KindRow {
        kind: AlertKind::BalanceUnread,
        word: "balance_unread",
        weight: Weight::Warning,
        patience: BALANCE_PATIENCE,
        words: "panel {object} does not tell its balance: nobody sees when it runs out or takes \
                too much; `panelgate provider list` shows since when, and the log what it says \
                instead",
    },
    KindRow {
        kind: AlertKind::Reopened,
        word: "reopened",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "panel {object} works again on orders that were over, and whose customers may have \
                their money back: `panelgate treasury drift {object}` shows them; cancel there \
                what is not wanted, and take note with `panelgate treasury acknowledge`",
    },
    KindRow {
        kind: AlertKind::WorkerLate,
        word: "worker_late",
        weight: Weight::Error,
        patience: WORKER_PATIENCE,
        words: "worker {object} does not do its rounds, and what it does rests: that node's log \
                tells why, and `/healthz` there since when; restart the node, and report a panic",
    },
    KindRow {
        kind: AlertKind::DatabaseAway,
        word: "database_away",
        weight: Weight::Error,
        patience: DATABASE_PATIENCE,
        words: "the database does not answer {object}: nothing is sold or sent there, and no \
                other alert can be told; see that its server runs and can be reached; it goes on \
                by itself",
    },
    KindRow {
        kind: AlertKind::ConnectionsShort,
        word: "connections_short",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "almost all connections that {object} can have are taken, and customers may soon \
                find none: that node's log tells how many there are; raise its limit of open \
                files (`LimitNOFILE`, `ulimit -n`), or keep away whoever has too many",
    },
    KindRow {
        kind: AlertKind::ListenerStuck,
        word: "listener_stuck",
        weight: Weight::Error,
        patience: Duration::ZERO,
        words: "{object} cannot take connections, and customers wait in vain: that node's log \
                tells why; with too many open files, raise its limit (`LimitNOFILE`, `ulimit -n`) \
                and restart it",
    },
    KindRow {
        kind: AlertKind::LogLost,
        word: "log_lost",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "lines of the log of {object} are lost, because nobody could write them: see that \
                its disk has room and that whoever reads it does; `/healthz` there counts them",
    },
    KindRow {
        kind: AlertKind::ClockSet,
        word: "clock_set",
        weight: Weight::Warning,
        patience: Duration::ZERO,
        words: "the database's clock was set within the last day: what was put off was pulled \
                back with it, and what is waited for takes longer; let the machine's clock be \
                kept by NTP, which moves it slowly",
    },
];
