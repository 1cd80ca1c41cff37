//! How a route is chosen among several, and what is remembered of a choice: why the winner won and
//! the others lost.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::service::Route;

/// What a route weighs unless the file says otherwise.
pub const WEIGHT_DEFAULT: u16 = 100;
/// The most that a route may weigh.
pub const WEIGHT_MAX: u16 = 1_000;

/// By what a service's routes are put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// As they stand in the file.
    #[default]
    Priority,
    /// By what the order costs there now.
    Cheapest,
    /// Drawn for each order, the heavier the more often.
    Weighted,
    /// By what a delivered unit costs, as its panel delivered lately.
    Score,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 4] = [Self::Priority, Self::Cheapest, Self::Weighted, Self::Score];

    /// The word that settings and commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Cheapest => "cheapest",
            Self::Weighted => "weighted",
            Self::Score => "score",
        }
    }
}

/// What the operator's file says of choosing among a service's routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// By what they are put in order.
    pub strategy: Strategy,
    /// What routes weigh, where that is not [`WEIGHT_DEFAULT`].
    pub weights: HashMap<Route, u16>,
}

impl Routing {
    /// What a route weighs.
    pub fn weight(&self, route: &Route) -> u16 {
        self.weights.get(route).copied().unwrap_or(WEIGHT_DEFAULT)
    }
}

/// A choice of a route as it is kept with its leg; there are as many others as the service had
/// further routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// By what the routes were put in order.
    pub strategy: Strategy,
    /// The panel that was chosen.
    pub provider: String,
    /// Its own id of the service.
    pub service: String,
    /// Why it won, in words.
    pub why: String,
    /// The other routes, in the order of the file.
    pub others: Vec<Passed>,
}

/// A route that was not chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The panel.
    pub provider: String,
    /// Its own id of the service.
    pub service: String,
    /// Why it lost, in words.
    pub why: String,
}

impl Passed {
    /// A route that was passed over for this reason.
    pub fn because(route: &Route, why: impl Into<String>) -> Self {
        Self {
            provider: route.provider.0.clone(),
            service: route.service.clone(),
            why: why.into(),
        }
    }

    /// Whether it is this route.
    pub fn is(&self, route: &Route) -> bool {
        self.provider == route.provider.0 && self.service == route.service
    }
}
