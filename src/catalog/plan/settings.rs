//! Settings of the whole gateway before and after an edit.

use std::collections::HashMap;

use crate::catalog::mapping::Mapping;
use crate::domain::id::ServiceId;
use crate::domain::limit::LimitSettings;
use crate::domain::service::ServiceRule;

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Which, as the file calls it.
    pub what: String,
    /// Before; `None` where there was none.
    pub old: Option<String>,
    /// After; `None` where there is none.
    pub new: Option<String>,
}

impl SettingChange {
    fn of(what: &str, old: impl ToString, new: impl ToString) -> Self {
        Self {
            what: what.to_owned(),
            old: Some(old.to_string()),
            new: Some(new.to_string()),
        }
    }
}

/// Every setting that differs. The currency never does: such an edit has no plan.
pub(super) fn compare_settings(old: &Mapping, new: &Mapping) -> Vec<SettingChange> {
    // Whoever adds something to the mapping says here, or with the services and panels, how a
    // change of it is told.
    let Mapping {
        hash: _,
        currency: _,
        default_dialect,
        refills_max,
        providers: _,
        services: _,
        imports: _,
        markups: _,
        margin_floor,
        price_jump,
        limits,
        reload,
    } = new;

    let mut changes = vec![
        SettingChange::of(
            "[gateway] default_dialect",
            old.default_dialect.as_str(),
            default_dialect.as_str(),
        ),
        SettingChange::of(
            "[gateway] refills_per_order_max",
            old.refills_max,
            refills_max,
        ),
        SettingChange::of("[gateway] reload", old.reload.as_str(), reload.as_str()),
        SettingChange::of("[gateway] price_jump_percent", old.price_jump, price_jump),
        SettingChange::of("[margin] floor_percent", old.margin_floor, margin_floor),
    ];

    changes.extend(limits_between(&old.limits, limits));
    changes.extend(imports(old, new));
    changes.extend(markups(old, new));
    changes.extend(patience(old, new));
    changes.retain(|change| change.old != change.new);

    changes
}

fn limits_between(old: &LimitSettings, new: &LimitSettings) -> Vec<SettingChange> {
    let mut changes = vec![
        SettingChange::of(
            "[limits] per_address_per_minute",
            old.per_address,
            new.per_address,
        ),
        SettingChange::of("[limits] per_key_per_minute", old.per_key, new.per_key),
    ];

    let only_before = old.tiers.keys().filter(|id| !new.tiers.contains_key(*id));
    changes.extend(new.tiers.keys().chain(only_before).map(|id| SettingChange {
        what: format!("[[tier]] {id:?} per_minute"),
        old: old.tiers.get(id).map(ToString::to_string),
        new: new.tiers.get(id).map(ToString::to_string),
    }));

    changes
}

/// Blocks of one side only; and their order, which decides which of several takes a service.
fn imports(old: &Mapping, new: &Mapping) -> Vec<SettingChange> {
    let what = || "[[import]]".to_owned();
    let lost = old
        .imports
        .iter()
        .filter(|rule| !new.imports.contains(rule));

    let added = new
        .imports
        .iter()
        .filter(|rule| !old.imports.contains(rule));

    let lost = lost.map(|rule| SettingChange {
        what: what(),
        old: Some(rule.to_string()),
        new: None,
    });

    let added = added.map(|rule| SettingChange {
        what: what(),
        old: None,
        new: Some(rule.to_string()),
    });

    let mut changes: Vec<SettingChange> = lost.chain(added).collect();
    if changes.is_empty() && old.imports != new.imports {
        changes.push(in_another_order(what()));
    }

    changes
}

/// How long orders of services may stand still, where it differs; services of one side only are
/// told elsewhere.
fn patience(old: &Mapping, new: &Mapping) -> Vec<SettingChange> {
    let said = |rule: &ServiceRule| rule.stuck_after_h.map(|hours| hours.to_string());
    let before: HashMap<ServiceId, &ServiceRule> =
        old.services.iter().map(|rule| (rule.id, rule)).collect();

    let change = |rule: &ServiceRule| {
        let was = before.get(&rule.id)?;
        Some(SettingChange {
            what: format!("[[service]] {} stuck_after_h", rule.id),
            old: said(was),
            new: said(rule),
        })
    };

    new.services.iter().filter_map(change).collect()
}

/// Rules of one side only; and their order, which decides between equally particular ones.
fn markups(old: &Mapping, new: &Mapping) -> Vec<SettingChange> {
    let what = || "[[markup]]".to_owned();
    let lost = old
        .markups
        .iter()
        .filter(|rule| !new.markups.contains(rule));

    let added = new
        .markups
        .iter()
        .filter(|rule| !old.markups.contains(rule));

    let lost = lost.map(|rule| SettingChange {
        what: what(),
        old: Some(rule.to_string()),
        new: None,
    });

    let added = added.map(|rule| SettingChange {
        what: what(),
        old: None,
        new: Some(rule.to_string()),
    });

    let mut changes: Vec<SettingChange> = lost.chain(added).collect();
    if changes.is_empty() && old.markups != new.markups {
        changes.push(in_another_order(what()));
    }

    changes
}

fn in_another_order(what: String) -> SettingChange {
    SettingChange {
        what,
        old: Some("in this order".to_owned()),
        new: Some("in another order, or some of them twice".to_owned()),
    }
}
