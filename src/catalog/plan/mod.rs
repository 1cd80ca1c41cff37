//! What an edit of the file would do: laid over the same catalogues of the panels, what is sold before and after is
//! compared, and what of the difference may be a slip of the finger that costs money is named.
//!
//! Nothing is asked here and nothing is written; the same two sides give the same plan.

mod buyers;
mod dangers;
mod panels;
mod services;
mod settings;

pub use buyers::{BUYERS_MAX, Who};
pub use dangers::{Danger, Kind};
pub use panels::{KeyChange, PanelChange, PanelEdit};
pub use services::{Change, Difference, FieldChange, Offer, Repriced, RouteChange, ServiceChange, Why};
pub use settings::SettingChange;

use buyers::Buyers;

use crate::catalog::Snapshot;
use crate::catalog::mapping::Mapping;
use crate::domain::id::{ConfigHash, ProviderId};
use crate::store::catalogue::Listed;
use crate::store::open_orders::OpenOrders;

/// What an edit would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The version in force; `None` before any was.
    pub from: Option<ConfigHash>,
    /// The edit.
    pub to: ConfigHash,
    /// The currency of every price.
    pub currency: String,
    /// How many services are sold before and after.
    pub sold: (usize, usize),
    /// Every service that differs, once, by id.
    pub services: Vec<ServiceChange>,
    /// Every panel that differs, once, by id.
    pub panels: Vec<PanelChange>,
    /// What else differs.
    pub settings: Vec<SettingChange>,
    /// What of all this waits for a person's word.
    pub dangers: Vec<Danger>,
    /// Customers and tiers with prices of their own whose prices were not compared: there are more than [`BUYERS_MAX`].
    pub buyers_left_out: usize,
}

/// An edit that nobody can allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "gateway: currency: the books, wallets and prices are kept in {books}, and the file says {file}; put {books} back \
     (another currency needs a database of its own)"
)]
pub struct OtherCurrency {
    /// What the books are kept in.
    pub books: String,
    /// What the edit says.
    pub file: String,
}

impl Plan {
    /// What going from one file to the other would do over the catalogues as they are stored.
    pub fn over(
        version: i64,
        rows: Vec<(ProviderId, Listed)>,
        old: &Mapping,
        new: &Mapping,
        open: &OpenOrders,
    ) -> Result<Self, OtherCurrency> {
        let before = Snapshot::resolve(old, version, rows.clone());
        let after = Snapshot::resolve(new, version, revalued(rows, old, new));
        Self::between(&before, &after, old, new, open)
    }

    /// What going from one file to the other would do; both are laid over the same catalogues.
    pub fn between(
        old: &Snapshot,
        new: &Snapshot,
        old_mapping: &Mapping,
        new_mapping: &Mapping,
        open: &OpenOrders,
    ) -> Result<Self, OtherCurrency> {
        let (books, file) = (&old_mapping.currency, &new_mapping.currency);
        if books != file {
            return Err(OtherCurrency { books: books.clone(), file: file.clone() });
        }
        let buyers = Buyers::of(old, new);
        let services = services::between(old, new, &buyers, open);
        let panels = panels::between(&old_mapping.providers, &new_mapping.providers, open);
        let dangers = dangers::between((old, old_mapping), (new, new_mapping), (&services, &panels), &buyers);
        Ok(Self {
            from: Some(old_mapping.hash.clone()),
            to: new_mapping.hash.clone(),
            currency: file.clone(),
            sold: (old.sold.len(), new.sold.len()),
            services,
            panels,
            settings: settings::between(old_mapping, new_mapping),
            dangers,
            buyers_left_out: buyers.left_out,
        })
    }

    /// The first file that was ever in force: everything is new.
    pub fn first(new: &Snapshot, mapping: &Mapping) -> Self {
        let nothing = Snapshot { margin_floor: mapping.margin_floor, ..Snapshot::empty(&mapping.currency) };
        let before =
            Mapping { providers: vec![], services: vec![], imports: vec![], markups: vec![], ..mapping.clone() };
        let buyers = Buyers::of(&nothing, new);
        let services = services::between(&nothing, new, &buyers, &OpenOrders::default());
        let panels = panels::between(&[], &mapping.providers, &OpenOrders::default());
        let dangers = dangers::between((&nothing, &before), (new, mapping), (&services, &panels), &buyers);
        Self {
            from: None,
            to: mapping.hash.clone(),
            currency: mapping.currency.clone(),
            sold: (0, new.sold.len()),
            services,
            panels,
            settings: vec![],
            dangers,
            buyers_left_out: buyers.left_out,
        }
    }

    /// Whether nothing would change: only comments or the order of blocks differ, or nothing does.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.panels.is_empty() && self.settings.is_empty() && self.dangers.is_empty()
    }

    /// Open orders of services that are sold no more.
    pub fn orders_touched(&self) -> u64 {
        let gone = self.services.iter().filter(|service| service.is_gone());
        gone.map(|service| service.open_orders).sum()
    }

    /// Open legs at panels that are removed or changed.
    pub fn legs_touched(&self) -> u64 {
        self.panels.iter().map(|panel| panel.open_legs).sum()
    }
}

/// The stored catalogues as they will read once panels are billed by another exchange rate: rates are kept in the
/// gateway's currency, so an edit of `[exchange]` moves every cost that comes through it.
pub fn revalued(mut rows: Vec<(ProviderId, Listed)>, old: &Mapping, new: &Mapping) -> Vec<(ProviderId, Listed)> {
    for after in &new.providers {
        let before = old.providers.iter().find(|before| before.id == after.id);
        if before.is_none_or(|before| before.exchange == after.exchange) {
            continue;
        }
        for (_, Listed { row, .. }) in rows.iter_mut().filter(|(provider, _)| *provider == after.id) {
            let own = row.own_rate;
            row.rate = match after.exchange {
                Some(exchange) => own.and_then(|own| own.exchanged_rounding_up(exchange).ok()),
                None => own,
            };
        }
    }
    rows
}
