//! Panels before and after an edit: which keys of their blocks differ. Where a value may hold a
//! secret, it is not shown.

use std::collections::BTreeSet;

use crate::domain::id::ProviderId;
use crate::domain::provider::{
    AskMethod, AskingSettings, CanceledWithRemains, DoubtSettings, InDoubtPolicy, ProviderSettings,
    Reversal, SettlingSettings,
};
use crate::store::open_orders::OpenOrders;

/// The keys of a block that say whose account at which panel it is, and in which money it is
/// billed.
const ACCOUNT: [&str; 4] = ["dialect", "url", "key", "currency"];

/// A panel that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelChange {
    /// The operator's name for it.
    pub id: ProviderId,
    /// What happens to its block.
    pub edit: PanelEdit,
    /// Legs of orders there that are not over.
    pub open_legs: u64,
}

/// What happens to a panel's block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PanelEdit {
    /// It is new.
    Added,
    /// It goes.
    Removed,
    /// These keys of it differ; never none.
    Changed(Vec<KeyChange>),
}

/// A key of a panel's block that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// Which.
    pub key: &'static str,
    /// Before and after; `None` where it may hold a secret or is a table of its own.
    pub values: Option<(String, String)>,
}

impl KeyChange {
    /// Whether it makes another account of it.
    pub fn is_of_account(&self) -> bool {
        ACCOUNT.contains(&self.key)
    }
}

/// Every panel that differs, by id.
pub(super) fn compare_panels(
    old: &[ProviderSettings],
    new: &[ProviderSettings],
    open: &OpenOrders,
) -> Vec<PanelChange> {
    let find = |side: &'_ [ProviderSettings], id: &ProviderId| {
        side.iter().position(|provider| provider.id == *id)
    };

    let ids: BTreeSet<&ProviderId> = old.iter().chain(new).map(|provider| &provider.id).collect();
    let differs = |id: &ProviderId| {
        let edit = match (
            find(old, id).map(|n| &old[n]),
            find(new, id).map(|n| &new[n]),
        ) {
            (None, None) => None,
            (None, Some(_)) => Some(PanelEdit::Added),
            (Some(_), None) => Some(PanelEdit::Removed),
            (Some(before), Some(after)) if before == after => None,
            (Some(before), Some(after)) => Some(PanelEdit::Changed(keys(before, after))),
        };

        let (edit, mut open_legs) = (edit?, open.at_panel(id));

        // Another account would be asked about them, and may know other orders by their ids.
        if matches!(&edit, PanelEdit::Changed(keys) if keys.iter().any(KeyChange::is_of_account)) {
            open_legs = open.with_looks_back(id);
        }

        Some(PanelChange {
            id: id.clone(),
            edit,
            open_legs,
        })
    };

    ids.into_iter().filter_map(differs).collect()
}

fn keys(before: &ProviderSettings, after: &ProviderSettings) -> Vec<KeyChange> {
    let shown = values(before)
        .into_iter()
        .zip(values(after))
        .filter(|((_, old), (_, new))| old != new);

    let shown = shown.map(|((key, old), (_, new))| KeyChange {
        key,
        values: Some((old, new)),
    });

    let hidden = [
        ("url", before.url != after.url),
        ("key", before.key != after.key),
        ("words", before.words != after.words),
    ];

    let hidden = hidden.into_iter().filter(|(_, differs)| *differs);
    shown
        .chain(hidden.map(|(key, _)| KeyChange { key, values: None }))
        .collect()
}

/// What of a block can be shown, under the file's keys, in the file's order.
fn values(provider: &ProviderSettings) -> Vec<(&'static str, String)> {
    // Whoever adds a key says here how a change of it is shown, or among the hidden ones above.
    let ProviderSettings {
        id: _,
        dialect,
        url: _,
        allow_http,
        key: _,
        currency,
        exchange,
        requests_per_second,
        concurrent_max,
        timeout_ms,
        status_batch_max,
        status_every_s,
        balance_low,
        doubts,
        settling,
        asking,
        method,
        services_offset,
        ca_file,
        words: _,
    } = provider;

    let none = || "none".to_owned();
    let method = match method {
        AskMethod::Post => "POST",
        AskMethod::Get => "GET",
    };

    let mut values = vec![
        ("dialect", dialect.as_str().to_owned()),
        ("allow_http", allow_http.to_string()),
        ("currency", currency.clone()),
        (
            "exchange rate",
            exchange.map_or_else(none, |rate| rate.to_string()),
        ),
        ("requests_per_second", requests_per_second.to_string()),
        ("concurrent_max", concurrent_max.to_string()),
        ("timeout_ms", timeout_ms.to_string()),
        ("status_batch_max", status_batch_max.to_string()),
        ("status_every_s", status_every_s.to_string()),
        (
            "balance_low",
            balance_low.map_or_else(none, |amount| amount.to_string()),
        ),
        ("method", method.to_owned()),
        ("services_offset", services_offset.to_string()),
        (
            "ca_file",
            ca_file
                .as_ref()
                .map_or_else(none, |path| path.display().to_string()),
        ),
    ];

    values.extend(doubt_values(doubts));
    values.extend(settling_values(*settling));
    values.extend(asking_values(*asking));

    values
}

fn doubt_values(doubts: &DoubtSettings) -> [(&'static str, String); 8] {
    let DoubtSettings {
        ids_grow,
        account_is_ours_alone,
        honours_request_id,
        refusals_are_final,
        visible_after_s,
        policy,
        in_a_row_max,
        per_minute_max,
    } = doubts;

    let policy = match policy {
        InDoubtPolicy::Hold => "hold".to_owned(),
        InDoubtPolicy::RefundAfterH(hours) => format!("refund after {hours} h"),
    };

    [
        ("ids_grow", ids_grow.to_string()),
        ("account_is_ours_alone", account_is_ours_alone.to_string()),
        ("honours_request_id", honours_request_id.to_string()),
        ("refusals_are_final", refusals_are_final.to_string()),
        ("visible_after_s", visible_after_s.to_string()),
        ("in_doubt_policy", policy),
        ("doubts_in_a_row_max", in_a_row_max.to_string()),
        ("doubts_per_minute_max", per_minute_max.to_string()),
    ]
}

fn settling_values(settling: SettlingSettings) -> [(&'static str, String); 5] {
    let SettlingSettings {
        canceled_with_remains,
        reversal,
        failed_settles_after_h,
        stuck_after_h,
        overcharge_percent,
    } = settling;

    let canceled = match canceled_with_remains {
        CanceledWithRemains::ByCharge => "by_charge",
        CanceledWithRemains::Full => "full",
        CanceledWithRemains::ByRemains => "by_remains",
        CanceledWithRemains::Review => "review",
    };

    let reversal = match reversal {
        Reversal::Absorb => "absorb",
        Reversal::Clawback => "clawback",
    };

    [
        ("canceled_with_remains", canceled.to_owned()),
        ("reversal", reversal.to_owned()),
        ("failed_settles_after_h", failed_settles_after_h.to_string()),
        ("stuck_after_h", stuck_after_h.to_string()),
        ("overcharge_percent", overcharge_percent.to_string()),
    ]
}

fn asking_values(asking: AskingSettings) -> [(&'static str, String); 3] {
    let AskingSettings {
        refill,
        refill_expires_after_h,
        cancel_ack_is_final,
    } = asking;

    [
        ("refill", refill.to_string()),
        ("refill_expires_after_h", refill_expires_after_h.to_string()),
        ("cancel_ack_is_final", cancel_ack_is_final.to_string()),
    ]
}
