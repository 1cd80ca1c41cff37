//! The panels as this process deals with them now; changed whole when another configuration comes
//! into force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::upstream::Panel;

/// A panel on the roll.
#[derive(Clone, Debug)]
pub struct ProviderEntry {
    /// The panel.
    pub panel: Arc<Panel>,
    /// Whether the configuration names it no more: it gets nothing new, and is asked about what it
    /// has.
    pub retired: bool,
}

/// The panels of this process; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct ProviderSet(Arc<ArcSwap<Vec<ProviderEntry>>>);

impl ProviderSet {
    /// These panels, all of them named by the configuration.
    pub fn of(panels: impl IntoIterator<Item = Arc<Panel>>) -> Self {
        let roll = Self::default();
        roll.change(
            panels
                .into_iter()
                .map(|panel| ProviderEntry {
                    panel,
                    retired: false,
                })
                .collect(),
        );

        roll
    }

    /// The panels as they are now.
    pub fn now(&self) -> Arc<Vec<ProviderEntry>> {
        self.0.load_full()
    }

    /// The panels that something may be sold from.
    pub fn sold_from(&self) -> Vec<Arc<Panel>> {
        self.now()
            .iter()
            .filter(|listed| !listed.retired)
            .map(|listed| listed.panel.clone())
            .collect()
    }

    /// These panels from now on.
    pub fn change(&self, panels: Vec<ProviderEntry>) {
        self.0.store(Arc::new(panels));
    }
}
