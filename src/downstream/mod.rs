//! The customers' door: HTTP in, a verb of the house, HTTP out.
//!
//! ```text
//! listen ─▶ tell ─▶ stack ─▶ front: body ─▶ form ─┐
//!   ┌──────────────────────────────────────────────┘
//!   └▶ serve: limit ─▶ authenticate ─▶ limit ─▶ action ─▶ act/… ─▶ reply ─▶ dialect
//! ```
//! What every request shares (its line in the log, a panic, its time, its body and what stands in
//! it) is over before `serve`, which is one straight path. A refusal met anywhere on it is spelled
//! by the caller's dialect.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::customers::Customers;
use crate::customers::pace::Pace;
use crate::domain::customer::Dialect;
use crate::domain::network::Network;
use crate::orders::Orders;

mod act;
mod action;
mod address;
mod asked;
mod authenticate;
mod body;
mod connections;
mod dialect;
mod form;
mod front;
mod health;
mod lengths;
mod limit;
mod limits;
mod listen;
mod noise;
mod parameters;
mod reply;
mod serve;
mod stack;
mod stalls;
mod status_poll;
mod tell;

pub use connections::Connections;
pub use health::{HealthProbe, ProcessHealth};
pub use limits::Limits;
pub use listen::Door;

/// What the door asks of the house behind it.
#[derive(Clone)]
pub struct DoorDeps {
    /// Knows keys and wallets.
    pub customers: Customers,
    /// Counts requests.
    pub pace: Pace,
    /// Whose word is taken for where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Knows what is sold.
    pub catalog: Catalog,
    /// Places orders and looks at them.
    pub orders: Orders,
    /// How the whole process is doing.
    pub health: HealthProbe,
}

/// The dialect in which whoever shows no valid key is answered, as it is at each moment.
#[derive(Clone)]
pub(crate) enum AnswerDialect {
    /// This one, for ever.
    Always(Dialect),
    /// What the configuration in force says.
    InForce(Catalog),
}

impl AnswerDialect {
    fn now(&self) -> Dialect {
        match self {
            Self::Always(dialect) => *dialect,
            Self::InForce(catalog) => catalog.in_force().mapping.default_dialect,
        }
    }
}

/// The house as one request after another sees it: with what was prepared for all of them.
pub(crate) struct DoorState {
    house: DoorDeps,
    menus: act::services::Menus,
    proxies: address::Proxies,
    limits: Limits,
}

impl DoorState {
    fn new(house: DoorDeps, limits: Limits) -> Arc<Self> {
        let proxies = address::Proxies::trusting(house.trusted_proxies.clone());
        Arc::new(Self {
            house,
            menus: act::services::Menus::default(),
            proxies,
            limits,
        })
    }
}
