//! What the judge looks at: what was wished, what was answered, what the database says, what the
//! panels have, and what customers are shown.

use std::collections::BTreeMap;

use crate::amount::Amount;
use crate::plan::Wish;

/// Everybody's books, when everything is at rest.
#[derive(Clone)]
pub struct Evidence {
    pub wishes: Vec<Wish>,
    /// The id of each customer, by its place in the plan.
    pub customers: Vec<i64>,
    /// What each customer had before the first order.
    pub opening: Amount,
    /// Answers of `add`, by wish.
    pub answers: BTreeMap<usize, Answer>,
    pub orders: Vec<OrderRow>,
    pub legs: Vec<LegRow>,
    pub moved: Vec<Moved>,
    pub wallets: Vec<Wallet>,
    pub panel_orders: Vec<PanelOrder>,
    pub shown: BTreeMap<i32, Shown>,
    /// What each customer is told to have, by its place in the plan.
    pub balances: Vec<Amount>,
    /// Legs whose sender was killed between intent and answer.
    pub cut_off: i64,
    /// What somebody was told of and is still so.
    pub alerts: Vec<Alert>,
}

/// An alert that was raised and is not over.
#[derive(Clone)]
pub struct Alert {
    pub kind: String,
    pub object: String,
}

/// What a customer was told of an order.
#[derive(Clone)]
pub struct Answer {
    pub order: i32,
    pub bytes: String,
    /// What the same request was answered at the very end; asked only where it had a `request_id`.
    pub replayed: Option<String>,
}

#[derive(Clone)]
pub struct OrderRow {
    pub id: i32,
    pub customer: i64,
    pub link: String,
    pub service: i32,
    pub units: i64,
    pub state: String,
    pub charge: Amount,
    pub refunded: Amount,
    pub remains: i64,
    pub review: Option<String>,
}

#[derive(Clone)]
pub struct LegRow {
    pub order: i32,
    pub provider: String,
    pub state: String,
    pub panel_order: Option<String>,
    /// It was refused, and our balance at the panel is to bear that out: its customer sees no more
    /// than before.
    pub compared: bool,
}

/// All transfers of one kind of one order.
#[derive(Clone)]
pub struct Moved {
    pub order: i32,
    pub reason: String,
    pub times: i64,
    pub sum: Amount,
}

#[derive(Clone)]
pub struct Wallet {
    pub customer: i64,
    pub balance: Amount,
}

/// An order as a panel believes it has it.
#[derive(Clone)]
pub struct PanelOrder {
    pub panel: String,
    pub id: String,
    pub link: String,
    pub status: String,
    pub remains: u64,
}

/// An order as its customer is shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub status: String,
    pub charge: Amount,
    pub remains: i64,
}

impl Evidence {
    /// What the panels have, by link: the judge's only way to tell orders apart, and nobody's word
    /// but theirs.
    pub fn at_panels(&self) -> BTreeMap<&str, Vec<&PanelOrder>> {
        let mut by_link: BTreeMap<&str, Vec<&PanelOrder>> = BTreeMap::new();
        for order in &self.panel_orders {
            by_link.entry(order.link.as_str()).or_default().push(order);
        }
        by_link
    }

    /// Puts the panels' orders in the order in which they are looked up.
    pub fn sort_panel_orders(&mut self) {
        self.panel_orders
            .sort_by(|one, other| (&one.panel, &one.id).cmp(&(&other.panel, &other.id)));
    }

    /// The order that a panel has under that id.
    pub fn by_panel_id(&self, panel: &str, id: &str) -> Option<&PanelOrder> {
        let at = self
            .panel_orders
            .binary_search_by(|order| (order.panel.as_str(), order.id.as_str()).cmp(&(panel, id)));
        at.ok().map(|at| &self.panel_orders[at])
    }

    /// The legs of each order, in order.
    pub fn legs_of(&self) -> BTreeMap<i32, Vec<&LegRow>> {
        let mut by_order: BTreeMap<i32, Vec<&LegRow>> = BTreeMap::new();
        for leg in &self.legs {
            by_order.entry(leg.order).or_default().push(leg);
        }
        by_order
    }
}
