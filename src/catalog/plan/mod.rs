//! What an edit of the file would do: laid over the same catalogs of the panels, what is sold
//! before and after is compared, and what of the difference may be a slip of the finger that costs
//! money is named.
//!
//! Nothing is asked here and nothing is written; the same two sides give the same plan.

mod buyers;
mod danger_words;
mod dangers;
mod judges;
mod panels;
mod services;
mod settings;
mod unseen;

pub use buyers::{BUYERS_MAX, Payer};
pub use dangers::{Danger, DangerKind, Written};
pub use panels::{KeyChange, PanelChange, PanelEdit};
pub use services::{
    Change, Difference, FieldChange, PlannedOffer, Repriced, RouteChange, ServiceChange, Why,
};
pub use settings::SettingChange;

use buyers::Buyers;

use crate::catalog::Snapshot;
use crate::catalog::mapping::Mapping;
use crate::catalog::plan::dangers::Changes;
use crate::catalog::plan::unseen::EditSide;
use crate::domain::id::ConfigHash;
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
    /// Customers and tiers with prices of their own whose prices were not compared: there are more
    /// than [`BUYERS_MAX`].
    pub buyers_left_out: usize,
}

/// An edit that nobody can allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "gateway: currency: the books, wallets and prices are kept in {books}, and the file says \
     {file}; put {books} back (another currency needs a database of its own)"
)]
pub struct OtherCurrency {
    /// What the books are kept in.
    pub books: String,
    /// What the edit says.
    pub file: String,
}

impl Plan {
    /// What going from one file to the other would do; both are laid over the same catalogs.
    pub fn between(
        old: &Snapshot,
        new: &Snapshot,
        old_mapping: &Mapping,
        new_mapping: &Mapping,
        open: &OpenOrders,
    ) -> Result<Self, OtherCurrency> {
        let (books, file) = (&old_mapping.currency, &new_mapping.currency);
        if books != file {
            return Err(OtherCurrency {
                books: books.clone(),
                file: file.clone(),
            });
        }

        let buyers = Buyers::of(old, new);
        let services = services::compare_services(old, new, &buyers, open);
        let panels = panels::compare_panels(&old_mapping.providers, &new_mapping.providers, open);

        let dangers = dangers::of_edit(
            EditSide {
                snapshot: old,
                mapping: old_mapping,
            },
            EditSide {
                snapshot: new,
                mapping: new_mapping,
            },
            Changes {
                services: &services,
                panels: &panels,
            },
            &buyers,
        );

        Ok(Self {
            from: Some(old_mapping.hash.clone()),
            to: new_mapping.hash.clone(),
            currency: file.clone(),
            sold: (old.sold.len(), new.sold.len()),
            services,
            panels,
            settings: settings::compare_settings(old_mapping, new_mapping),
            dangers,
            buyers_left_out: buyers.left_out,
        })
    }

    /// The first file that was ever in force: everything is new.
    pub fn first(new: &Snapshot, mapping: &Mapping) -> Self {
        let nothing = Snapshot {
            margin_floor: mapping.margin_floor,
            ..Snapshot::empty(&mapping.currency)
        };

        let before = Mapping {
            providers: vec![],
            services: vec![],
            imports: vec![],
            markups: vec![],
            ..mapping.clone()
        };

        let buyers = Buyers::of(&nothing, new);
        let services = services::compare_services(&nothing, new, &buyers, &OpenOrders::default());
        let panels = panels::compare_panels(&[], &mapping.providers, &OpenOrders::default());

        let dangers = dangers::compare_dangers(
            EditSide {
                snapshot: &nothing,
                mapping: &before,
            },
            EditSide {
                snapshot: new,
                mapping,
            },
            Changes {
                services: &services,
                panels: &panels,
            },
            &buyers,
        );

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
        self.services.is_empty()
            && self.panels.is_empty()
            && self.settings.is_empty()
            && self.dangers.is_empty()
    }

    /// What it does in a line of the log: whoever deleted more than was meant shall read it at
    /// once.
    pub fn in_a_line(&self) -> String {
        let (before, after) = self.sold;
        let added = self
            .services
            .iter()
            .filter(|service| matches!(service.change, Change::Added(_)))
            .count();

        let gone = self
            .services
            .iter()
            .filter(|service| service.is_gone())
            .count();

        let others = self.services.len() - added - gone;
        format!(
            "services {before} → {after} sold, {added} added, {gone} gone, {others} changed \
             otherwise; panels changed: {}; settings changed: {}",
            self.panels.len(),
            self.settings.len()
        )
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
