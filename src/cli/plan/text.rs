//! A plan for people: totals, then dangers, then what costs most; readable at five thousand
//! services.

use std::fmt::Write;

use crate::catalog::plan::{
    BUYERS_MAX, Change, FieldChange, PanelChange, PanelEdit, Plan, PlannedOffer, RouteChange,
};
use crate::catalog::plan::{ServiceChange, SettingChange};
use crate::cli::answer::{shortened, table};
use crate::cli::plan::groups::{self, Groups, RepricedService};
use crate::domain::id::ProviderId;
use crate::domain::money::Percent;
use crate::domain::service::Route;

/// How many lines of a group are shown.
const GROUP_LINES_MAX: usize = 20;
/// How much of a name is shown.
const NAME_CHARS_MAX: usize = 40;

/// The plan for the file of that name.
pub fn of(plan: &Plan, unread: &[ProviderId], file: &str, panelgate: &str) -> String {
    let mut text = match &plan.from {
        Some(from) => format!(
            "{file} ({}) over the version in force ({from}); prices in {}\n",
            plan.to, plan.currency
        ),
        None => format!(
            "{file} ({}); no version is in force yet, everything is new; prices in {}\n",
            plan.to, plan.currency
        ),
    };

    for provider in unread {
        let _ = writeln!(
            text,
            "note: provider \"{provider}\": no catalog was read yet, so nothing is sold by it; \
             a gateway that knows it reads it"
        );
    }

    if plan.buyers_left_out > 0 {
        let more = count(plan.buyers_left_out as u64);
        let _ = writeln!(
            text,
            "note: prices of {BUYERS_MAX} customers and tiers of [[markup]] are compared, and \
             {more} more are not"
        );
    }

    if plan.is_empty() {
        text.push_str("\nnothing changes\n");
        return text;
    }

    let groups = groups::of(plan);
    text.push('\n');
    totals(&mut text, plan, &groups, panelgate);
    dangers(&mut text, &groups);
    services(&mut text, &groups);
    panels(&mut text, &plan.panels);

    settings(&mut text, &plan.settings);
    text
}

fn totals(text: &mut String, plan: &Plan, groups: &Groups<'_>, panelgate: &str) {
    let (before, after) = plan.sold;
    let repriced = plan
        .services
        .iter()
        .filter(|service| is_repriced(service))
        .count();

    let services = format!(
        "{} → {} sold; {} added, {} gone, {} repriced, {} rerouted, {} otherwise changed, {} not \
         sold",
        count(before as u64),
        count(after as u64),
        count(groups.added.len() as u64),
        count(groups.gone.len() as u64),
        count(repriced as u64),
        count(groups.routes.len() as u64),
        count(groups.fields.len() as u64),
        count(groups.unsold.len() as u64),
    );

    let edits = |wanted: fn(&PanelEdit) -> bool| {
        plan.panels
            .iter()
            .filter(|panel| wanted(&panel.edit))
            .count()
    };

    let panels = format!(
        "{} added, {} removed, {} changed",
        edits(|edit| *edit == PanelEdit::Added),
        edits(|edit| *edit == PanelEdit::Removed),
        edits(|edit| matches!(edit, PanelEdit::Changed(_))),
    );

    let open = format!(
        "{} of services that go, {} at panels that go or change",
        count(plan.orders_touched()),
        count(plan.legs_touched())
    );

    let dangers = match plan.dangers.len() {
        0 => "none".to_owned(),
        dangers => format!(
            "{}; this edit waits for `{panelgate} apply`",
            count(dangers as u64)
        ),
    };

    let settings = format!("{} changed", plan.settings.len());
    for (what, told) in [
        ("services", services),
        ("panels", panels),
        ("settings", settings),
        ("open orders", open),
        ("dangers", dangers),
    ] {
        let _ = writeln!(text, "{what:<12} {told}");
    }
}

fn is_repriced(service: &ServiceChange) -> bool {
    match &service.change {
        Change::Changed(difference) => !difference.prices.is_empty(),
        Change::Added(_) | Change::Gone { .. } | Change::NotSold { .. } | Change::Dropped => false,
    }
}

fn dangers(text: &mut String, groups: &Groups<'_>) {
    for (kind, dangers) in &groups.dangers {
        let _ = write!(
            text,
            "\nDANGER: {} ({})\n",
            kind.title(),
            count(dangers.len() as u64)
        );

        for danger in dangers.iter().take(GROUP_LINES_MAX) {
            let _ = writeln!(text, "  {danger}");
        }

        cut(text, dangers.len());
    }
}

fn services(text: &mut String, groups: &Groups<'_>) {
    let heads = [
        "service", "name", "for", "price", "cost", "margin %", "moves %",
    ];

    group(
        text,
        "margins that shrink, the most first",
        heads,
        &groups.margins,
        repriced,
    );

    group(
        text,
        "prices and costs that move, the farthest first",
        heads,
        &groups.prices,
        repriced,
    );

    group(
        text,
        "services sold no more",
        ["service", "name", "price", "open", "why"],
        &groups.gone,
        |service| gone_cells(service),
    );

    group(
        text,
        "services added",
        ["service", "name", "price", "cost", "margin %"],
        &groups.added,
        |service| added_cells(service),
    );

    group(
        text,
        "services with other routes",
        ["service", "name", "open", "routes"],
        &groups.routes,
        |service| routes_cells(service),
    );

    group(
        text,
        "services changed otherwise",
        ["service", "name", "what"],
        &groups.fields,
        |service| fields_cells(service),
    );

    group(
        text,
        "services that are not sold",
        ["service", "why"],
        &groups.unsold,
        |service| unsold_cells(service),
    );
}

fn gone_cells(service: &ServiceChange) -> [String; 5] {
    let (price, why) = match &service.change {
        Change::Gone { was, why } => (was.price.to_string(), why.to_string()),
        Change::Added(_) | Change::Changed(_) | Change::NotSold { .. } | Change::Dropped => {
            Default::default()
        }
    };

    [
        service.id.to_string(),
        name(service),
        price,
        count(service.open_orders),
        why,
    ]
}

fn added_cells(service: &ServiceChange) -> [String; 5] {
    let offer = match &service.change {
        Change::Added(offer) => Some(*offer),
        Change::Gone { .. } | Change::Changed(_) | Change::NotSold { .. } | Change::Dropped => None,
    };

    let shown = |of: fn(PlannedOffer) -> String| offer.map(of).unwrap_or_default();
    let price = shown(|offer| offer.price.to_string());
    let cost = shown(|offer| offer.cost.to_string());

    [
        service.id.to_string(),
        name(service),
        price,
        cost,
        shown(|offer| percent(offer.margin())),
    ]
}

fn routes_cells(service: &ServiceChange) -> [String; 4] {
    let routes = match &service.change {
        Change::Changed(difference) => difference.routes.as_ref().map(routes).unwrap_or_default(),
        Change::Added(_) | Change::Gone { .. } | Change::NotSold { .. } | Change::Dropped => {
            String::new()
        }
    };

    [
        service.id.to_string(),
        name(service),
        count(service.open_orders),
        routes,
    ]
}

fn fields_cells(service: &ServiceChange) -> [String; 3] {
    let fields = match &service.change {
        Change::Changed(difference) => difference
            .fields
            .iter()
            .map(field)
            .collect::<Vec<_>>()
            .join("; "),
        Change::Added(_) | Change::Gone { .. } | Change::NotSold { .. } | Change::Dropped => {
            String::new()
        }
    };

    [service.id.to_string(), name(service), fields]
}

fn unsold_cells(service: &ServiceChange) -> [String; 2] {
    let why = match &service.change {
        Change::NotSold { why } => why.clone(),
        Change::Dropped => "the file no longer names it; it was not sold".to_owned(),
        Change::Added(_) | Change::Gone { .. } | Change::Changed(_) => String::new(),
    };

    [service.id.to_string(), why]
}

fn repriced(change: &RepricedService<'_>) -> [String; 7] {
    let RepricedService { service, repriced } = change;
    let (old, new) = (repriced.old, repriced.new);
    [
        service.id.to_string(),
        name(service),
        repriced.who.to_string(),
        step(old.price.to_string(), new.price.to_string()),
        step(old.cost.to_string(), new.cost.to_string()),
        step(percent(old.margin()), percent(new.margin())),
        signed(repriced.moved()),
    ]
}

fn panels(text: &mut String, panels: &[PanelChange]) {
    group(
        text,
        "panels",
        ["provider", "open", "what"],
        panels,
        |panel| {
            let what = match &panel.edit {
                PanelEdit::Added => "added".to_owned(),
                PanelEdit::Removed => "removed".to_owned(),
                PanelEdit::Changed(keys) => {
                    let shown = keys.iter().map(|key| match &key.values {
                        Some((old, new)) => {
                            format!("{} {}", key.key, step(old.clone(), new.clone()))
                        }
                        None => format!("another {}", key.key),
                    });

                    shown.collect::<Vec<_>>().join("; ")
                }
            };

            [panel.id.to_string(), count(panel.open_legs), what]
        },
    );
}

fn settings(text: &mut String, settings: &[SettingChange]) {
    group(text, "settings", ["setting", "what"], settings, |setting| {
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
        [
            setting.what.clone(),
            step(side(&setting.old), side(&setting.new)),
        ]
    });
}

/// A titled table of the first few; nothing where there are none.
fn group<T, const N: usize>(
    text: &mut String,
    title: &str,
    heads: [&str; N],
    all: &[T],
    row: impl Fn(&T) -> [String; N],
) {
    if all.is_empty() {
        return;
    }

    let rows: Vec<_> = all.iter().take(GROUP_LINES_MAX).map(row).collect();
    let _ = write!(text, "\n{title} ({})\n", count(all.len() as u64));
    for line in table(heads, &rows).lines() {
        let _ = writeln!(text, "  {line}");
    }
    cut(text, all.len());
}

fn cut(text: &mut String, all: usize) {
    if all > GROUP_LINES_MAX {
        let _ = writeln!(
            text,
            "  and {} more; --json has all of them",
            count((all - GROUP_LINES_MAX) as u64)
        );
    }
}

fn routes(change: &RouteChange) -> String {
    let signed = |sign: &str, routes: &[Route]| -> Vec<String> {
        routes
            .iter()
            .map(|route| format!("{sign}{}:{}", route.provider, route.service))
            .collect()
    };

    let mut words = [signed("+", &change.added), signed("-", &change.lost)].concat();
    if change.reordered {
        words.push("in another order".to_owned());
    }

    words.join(" ")
}

fn field(field: &FieldChange) -> String {
    format!(
        "{} {}",
        field.what,
        step(
            shortened(&field.old, NAME_CHARS_MAX),
            shortened(&field.new, NAME_CHARS_MAX)
        )
    )
}

fn name(service: &ServiceChange) -> String {
    shortened(&service.name, NAME_CHARS_MAX)
}

/// Old and new, or the one that both are.
fn step(old: String, new: String) -> String {
    if old == new {
        new
    } else {
        format!("{old} → {new}")
    }
}

fn percent(percent: Option<Percent>) -> String {
    percent
        .map(|percent| percent.to_string())
        .unwrap_or_default()
}

fn signed(moved: Option<Percent>) -> String {
    let plus = if moved > Some(Percent::default()) {
        "+"
    } else {
        ""
    };

    format!("{plus}{}", percent(moved))
}

/// With commas between thousands.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();

    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }

    shown
}
