//! A plan for scripts: the whole of it, amounts as text.

use serde_json::{Value, json};

use crate::catalog::plan::{
    Change, Danger, Difference, PanelChange, PanelEdit, Plan, PlannedOffer, RouteChange,
};
use crate::catalog::plan::{ServiceChange, SettingChange};
use crate::domain::id::ProviderId;
use crate::domain::service::Route;

/// The plan as one document.
pub fn of(plan: &Plan, unread: &[ProviderId]) -> Value {
    let (before, after) = plan.sold;
    json!({
        "config_hash": plan.to.0,
        "in_force": plan.from.as_ref().map(|from| &from.0),
        "currency": plan.currency,
        "changes": !plan.is_empty(),
        "sold_before": before,
        "sold_after": after,
        "orders_touched": plan.orders_touched(),
        "legs_touched": plan.legs_touched(),
        "dangers": plan.dangers.iter().map(danger).collect::<Value>(),
        "services": plan.services.iter().map(service).collect::<Value>(),
        "providers": plan.panels.iter().map(panel).collect::<Value>(),
        "settings": plan.settings.iter().map(setting).collect::<Value>(),
        "buyers_left_out": plan.buyers_left_out,
        "catalogs_unread": unread.iter().map(|provider| provider.0.as_str()).collect::<Value>(),
    })
}

fn danger(danger: &Danger) -> Value {
    json!({
        "kind": danger.kind().as_str(),
        "service": danger.service().map(|service| service.0),
        "for": danger.who().map(ToString::to_string),
        "provider": danger.provider().map(|provider| &provider.0),
        "says": danger.to_string(),
    })
}

fn service(service: &ServiceChange) -> Value {
    let mut shown =
        json!({ "id": service.id.0, "name": service.name, "open_orders": service.open_orders });

    let (word, more) = match &service.change {
        Change::Added(is) => ("added", json!({ "new": offer(*is) })),
        Change::Gone { was, why } => (
            "gone",
            json!({ "old": offer(*was), "why": why.to_string() }),
        ),
        Change::Changed(difference) => ("changed", changed(difference)),
        Change::NotSold { why } => ("not_sold", json!({ "why": why })),
        Change::Dropped => ("dropped", json!({})),
    };

    shown["change"] = word.into();
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }

    shown
}

fn offer(offer: PlannedOffer) -> Value {
    json!({
        "rate": offer.price.to_string(),
        "cost": offer.cost.to_string(),
        "margin_percent": offer.margin().map(|margin| margin.to_string()),
    })
}

fn changed(difference: &Difference) -> Value {
    let fields = difference
        .fields
        .iter()
        .map(|field| json!({ "what": field.what, "old": field.old, "new": field.new }));

    let prices = difference.prices.iter().map(|repriced| {
        json!({
            "for": repriced.who.to_string(),
            "old": offer(repriced.old),
            "new": offer(repriced.new),
            "moved_percent": repriced.moved().map(|moved| moved.to_string()),
        })
    });

    json!({
        "fields": fields.collect::<Value>(),
        "prices": prices.collect::<Value>(),
        "routes": difference.routes.as_ref().map(routes),
    })
}

fn routes(change: &RouteChange) -> Value {
    let shown = |routes: &[Route]| -> Value {
        routes
            .iter()
            .map(|route| json!({ "provider": route.provider.0, "service": route.service }))
            .collect()
    };

    json!({ "added": shown(&change.added), "lost": shown(&change.lost),
        "reordered": change.reordered })
}

fn panel(panel: &PanelChange) -> Value {
    let (word, keys) = match &panel.edit {
        PanelEdit::Added => ("added", &[][..]),
        PanelEdit::Removed => ("removed", &[][..]),
        PanelEdit::Changed(keys) => ("changed", &keys[..]),
    };

    let keys = keys.iter().map(|key| {
        let (old, new) = key
            .values
            .as_ref()
            .map_or((None, None), |(old, new)| (Some(old), Some(new)));
        json!({ "key": key.key, "old": old, "new": new })
    });

    json!({ "id": panel.id.0, "change": word, "open_legs": panel.open_legs,
        "keys": keys.collect::<Value>() })
}

fn setting(setting: &SettingChange) -> Value {
    json!({ "what": setting.what, "old": setting.old, "new": setting.new })
}
