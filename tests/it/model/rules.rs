//! What panels' words mean for an order's money, in whole numbers: 10⁻⁸ of the currency, and no
//! type of the product's.

use panelgate::domain::order::OrderState;
use panelgate::domain::provider::PanelStatus;

use super::steps::{Remains, Said, Word};

/// Parts of 10⁻¹¹, as panels write charges, in one of ours.
const FINE: u64 = 1_000;

/// A service of ours: what a thousand units cost, or one package; and what each panel takes, in the
/// order of routes.
pub struct Service {
    pub rate: i128,
    pub package: bool,
    pub routes: &'static [(usize, i128)],
}

/// What is sold.
pub const SERVICES: [Service; 3] = [
    Service {
        rate: 123_456_789,
        package: false,
        routes: &[(0, 90_000_000), (1, 80_000_000)],
    },
    Service {
        rate: 200_000_000,
        package: true,
        routes: &[(0, 150_000_000), (1, 140_000_000)],
    },
    Service {
        rate: 99_999_999,
        package: false,
        routes: &[(1, 70_000_000)],
    },
];

impl Service {
    /// What so many units cost at a rate: rounded up.
    pub fn cost(&self, rate: i128, units: u64) -> i128 {
        if self.package {
            rate
        } else {
            (rate * i128::from(units) + 999) / 1_000
        }
    }

    /// What they cost at a panel.
    pub fn cost_at(&self, panel: usize, units: u64) -> i128 {
        let (_, rate) = self.routes.iter().find(|(of, _)| *of == panel).unwrap();
        self.cost(*rate, units)
    }
}

/// What was bought.
#[derive(Clone, Copy, Debug)]
pub struct Bought {
    pub charge: i128,
    pub units: u64,
    pub package: bool,
}

/// What follows from a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Open(OrderState),
    End {
        state: OrderState,
        target: i128,
        delivered: u64,
        /// What it costs in the end.
        cost: i128,
        /// Whether a person is asked if more goes back: the panel took less than what it delivered
        /// costs.
        asks: bool,
    },
    /// Nothing, and it ought to: after a third time a person is asked.
    Puzzle,
    /// Nothing but that a person is asked.
    Person,
    /// Nothing yet: a failure may be set right for a day.
    Failing,
    /// Nothing: it is no status.
    Silence,
}

impl Word {
    /// What remains of so many units; `None` where it cannot be read.
    pub fn remains(&self, units: u64) -> Option<i64> {
        match self.remains {
            Remains::Absent | Remains::Unreadable => None,
            Remains::Eighths(eighths) => i64::try_from(units * eighths / 8).ok(),
            Remains::TooMany => i64::try_from(units + 1).ok(),
            Remains::Negative => Some(-3),
            Remains::Absurd => Some(i64::MAX),
        }
    }

    /// What the panel charged, rounded up.
    pub fn charge(&self) -> Option<i128> {
        self.charge.map(|fine| i128::from(fine.div_ceil(FINE)))
    }

    /// The word as the panel writes it; `None` where it leaves the order out.
    pub fn row(&self, units: u64) -> Option<String> {
        let status = match self.said {
            Said::Status(PanelStatus::Pending) => "Pending",
            Said::Status(PanelStatus::Processing) => "Processing",
            Said::Status(PanelStatus::InProgress) => "In progress",
            Said::Status(PanelStatus::Completed) => "Completed",
            Said::Status(PanelStatus::Partial) => "Partial",
            Said::Status(PanelStatus::Canceled) => "Canceled",
            Said::Status(PanelStatus::Failed) => "Fail",
            Said::Status(PanelStatus::Expired) => "Expired",
            Said::Odd => "Somewhere between",
            Said::Unknown => return Some(r#"{"error":"Incorrect order ID"}"#.to_owned()),
            Said::Missing => return None,
        };

        let remains = match (self.remains(units), self.remains) {
            (Some(remains), _) => format!(",\"remains\":\"{remains}\""),
            (None, Remains::Unreadable) => ",\"remains\":\"a few\"".to_owned(),
            (None, _) => String::new(),
        };

        let charge = self.charge.map(|fine| {
            let one = 100_000_000 * FINE;
            format!(",\"charge\":\"{}.{:011}\"", fine / one, fine % one)
        });

        Some(format!(
            "{{\"status\":\"{status}\"{remains}{}}}",
            charge.unwrap_or_default()
        ))
    }

    /// What follows from it for an order that was to cost so much; `failed_for_good`: its panel has
    /// said so for a day.
    pub fn follows(&self, bought: Bought, price: i128, failed_for_good: bool) -> Follows {
        let Said::Status(status) = self.said else {
            return Follows::Silence;
        };

        let remains = self.remains(bought.units);
        let units = i64::try_from(bought.units).unwrap();

        let sale = Sale {
            bought,
            price,
            charge: self.charge(),
        };

        match status {
            PanelStatus::Pending | PanelStatus::Processing => Follows::Open(OrderState::Processing),
            PanelStatus::InProgress => Follows::Open(OrderState::InProgress),
            PanelStatus::Completed => sale.ends(OrderState::Completed, 0, false),
            PanelStatus::Expired => Follows::Person,
            PanelStatus::Partial => match remains {
                _ if bought.package => Follows::Person,
                None => Follows::Puzzle,
                Some(missing) if missing > units => Follows::Person,
                Some(missing) => sale.ends(OrderState::Partial, missing.max(0), true),
            },
            PanelStatus::Canceled => {
                let says_nothing = matches!(self.remains, Remains::Absent);
                match (self.charge(), remains) {
                    (Some(0), _) => sale.ends_whole(0),
                    (_, Some(missing)) if !bought.package && (1..units).contains(&missing) => {
                        sale.ends(OrderState::Partial, missing, true)
                    }
                    (Some(_), Some(missing)) if !bought.package && missing == units => {
                        sale.ends_whole(0)
                    }
                    (None, Some(missing)) if missing == units => sale.ends_whole(0),
                    (None, None) if says_nothing => sale.ends_whole(0),
                    _ => Follows::Person,
                }
            }
            PanelStatus::Failed if !failed_for_good => Follows::Failing,
            PanelStatus::Failed => match remains {
                Some(missing) if !bought.package && (1..units).contains(&missing) => {
                    sale.ends(OrderState::Partial, missing, false)
                }
                Some(missing) if !bought.package && missing == units => {
                    sale.ends_whole(self.charge().unwrap_or(0))
                }
                _ => Follows::Person,
            },
        }
    }
}

impl Bought {
    /// The part of an amount that so many of the units are: rounded down.
    pub fn part(&self, amount: i128, of_units: u64) -> i128 {
        amount * i128::from(of_units) / i128::from(self.units)
    }
}

/// An order with what it was to cost, and what its panel says that it took.
struct Sale {
    bought: Bought,
    price: i128,
    charge: Option<i128>,
}

impl Sale {
    /// Ends with so much missing. Where a panel gives back what is missing (`gives_back`) and names
    /// its whole price all the same, it does not tell what it took.
    fn ends(&self, state: OrderState, missing: i64, gives_back: bool) -> Follows {
        let missing = u64::try_from(missing).unwrap();
        let delivered = self.bought.units - missing;
        let net = self.bought.part(self.price, delivered);
        let whole = |charge: i128| gives_back && (charge - self.price).abs() < ROUNDINGS;
        let cost = self.charge.filter(|charge| !whole(*charge)).unwrap_or(net);
        let asks = self.charge.is_some_and(|charge| net - charge > ROUNDINGS);

        Follows::End {
            state,
            target: self.bought.part(self.bought.charge, missing),
            delivered,
            cost,
            asks,
        }
    }

    fn ends_whole(&self, cost: i128) -> Follows {
        let target = self.bought.charge;
        Follows::End {
            state: OrderState::Canceled,
            target,
            delivered: 0,
            cost,
            asks: false,
        }
    }
}

/// What roundings to the last decimal may make.
const ROUNDINGS: i128 = 2;
