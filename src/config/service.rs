//! `[[service]]`: what is sold, and in which order panels are asked to deliver it.

use std::collections::{BTreeSet, HashMap};

use crate::config::complaint::{did_you_mean, nearest, shown};
use crate::config::provider::HOURS_MAX;
use crate::config::reader::Section;
use crate::domain::choice::{Routing, Strategy, WEIGHT_DEFAULT, WEIGHT_MAX};
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::Rate;
use crate::domain::service::{PackageBilling, Route, ServiceRule, ServiceType};

/// The longest name or category.
const NAME_BYTES_MAX: usize = 255;
/// The longest id that a panel gives a service.
const PANEL_SERVICE_BYTES_MAX: usize = 64;
/// The most routes of one service; each is a panel that may be asked before an order ends.
const ROUTES_MAX: usize = 20;
/// The largest bound on units: what the panels' and their customers' integer columns hold.
const UNITS_MAX: i64 = i32::MAX as i64;

/// The protocol's other types: known, and refused by name until they are sold.
const NOT_SOLD_YET: [&str; 1] = ["Subscriptions"];

/// The services that could be read; `providers` are the ids of all panels of the file.
pub(super) fn read_all(
    top: &mut Section<'_>,
    providers: &BTreeSet<&str>,
    notes: &mut Vec<String>,
) -> Vec<ServiceRule> {
    let mut ids = BTreeSet::new();
    let mut services = Vec::new();

    for mut section in top.tables("service") {
        if let Some(id) = section.peek_whole("id") {
            section = section.named(format!("service {id}"));
            if !ids.insert(id) {
                section.complain_whole(
                    "a second block with this id; ids are unique, renumber or remove one",
                );
            }
        }

        services.extend(read(section, providers, notes));
    }

    services
}

fn read(
    mut section: Section<'_>,
    providers: &BTreeSet<&str>,
    notes: &mut Vec<String>,
) -> Option<ServiceRule> {
    section.require("id", "1");
    let id = section.whole("id", 1..=i64::from(i32::MAX));
    let name = section
        .line("name", NAME_BYTES_MAX)
        .map(|found| found.value.to_owned());

    let kind = kind(&mut section);
    let category = section
        .line("category", NAME_BYTES_MAX)
        .map(|found| found.value.to_owned());

    let refill = section.flag("refill");
    let cancel = section.flag("cancel");
    let (min, max) = bounds(&mut section);
    let (routes, weights) = routes(&mut section, providers);
    let strategy = section.word(
        "strategy",
        &Strategy::ALL.map(|strategy| (strategy.as_str(), Some(strategy))),
    );

    let routing = Routing {
        strategy: strategy.unwrap_or_default(),
        weights,
    };

    notes.extend(unused_weights(&section.name(), &routing));
    let rate = section.amount("rate", Rate::parse).map(|found| found.value);
    section.word("remainder", &[("settle", Some(())), ("reroute", None)]);
    let package_billing = package_billing(&mut section, kind);
    let stuck_after_h = section.whole("stuck_after_h", 1..=HOURS_MAX);
    section.finish();

    let id = ServiceId(id?);
    Some(ServiceRule {
        id,
        name,
        kind,
        category,
        refill,
        cancel,
        min,
        max,
        routes,
        routing,
        rate,
        package_billing,
        stuck_after_h,
    })
}

fn kind(section: &mut Section<'_>) -> Option<ServiceType> {
    let found = section.text("type")?;
    let kind = ServiceType::read(found.value);
    if kind.is_none() {
        let sold = ServiceType::ALL.map(ServiceType::name);
        let known = nearest(found.value, sold.into_iter().chain(NOT_SOLD_YET));
        let exact = NOT_SOLD_YET
            .iter()
            .any(|name| name.eq_ignore_ascii_case(found.value));

        let asked = shown(found.value);
        let what = match known {
            _ if exact => format!("{asked} is not sold yet; sold are {}", sold.join(", ")),
            Some(name) if sold.contains(&name) => {
                format!("unknown type {asked}; did you mean \"{name}\"?")
            }
            Some(_) | None => format!("unknown type {asked}; sold are {}", sold.join(", ")),
        };

        section.complain("type", found.at, &what);
    }

    kind
}

fn bounds(section: &mut Section<'_>) -> (Option<u64>, Option<u64>) {
    let (min, max) = (
        section.whole("min", 1..=UNITS_MAX),
        section.whole("max", 1..=UNITS_MAX),
    );

    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        section.complain_whole(&format!(
            "min {min} is above max {max}; nothing could be ordered"
        ));
    }

    (min, max)
}

/// The routes, and what they weigh where that is not the default.
fn routes(
    section: &mut Section<'_>,
    providers: &BTreeSet<&str>,
) -> (Vec<Route>, HashMap<Route, u16>) {
    section.require("routes", "[{ provider = \"smosale\", service = \"1\" }]");
    let written = section.tables_called("routes", "route ");

    if section.peek_length("routes") == Some(0) {
        section.complain_whole("routes is empty; name at least one panel's service");
    }

    if written.len() > ROUTES_MAX {
        section.complain_whole(&format!(
            "has {} routes, at most {ROUTES_MAX}",
            written.len()
        ));
    }

    let mut routes: Vec<(usize, Route)> = Vec::with_capacity(written.len());
    let mut weights = HashMap::new();

    for (n, mut one) in (1..).zip(written) {
        let read = route(&mut one, providers);
        let weight = one
            .whole("weight", 1..=i64::from(WEIGHT_MAX))
            .filter(|weight| *weight != WEIGHT_DEFAULT);

        if let Some(read) = read {
            if let Some((before, _)) = routes
                .iter()
                .take(ROUTES_MAX)
                .find(|(_, route)| *route == read)
            {
                one.complain_whole(&format!("is the same as route {before}; remove one"));
            }

            if let Some(weight) = weight {
                weights.insert(read.clone(), weight);
            }

            routes.push((n, read));
        }

        one.finish();
    }

    (
        routes.into_iter().map(|(_, route)| route).collect(),
        weights,
    )
}

/// Weights that change nothing are allowed, so that a strategy can be tried and taken back; they
/// are told.
fn unused_weights(name: &str, routing: &Routing) -> Option<String> {
    let used = match routing.strategy {
        Strategy::Weighted => true,
        Strategy::Priority | Strategy::Cheapest | Strategy::Score => routing.weights.is_empty(),
    };

    let strategy = routing.strategy.as_str();
    (!used).then(|| {
        format!(
            "{name}: weight counts under strategy \"weighted\" only, and this one is \
             \"{strategy}\""
        )
    })
}

fn route(one: &mut Section<'_>, providers: &BTreeSet<&str>) -> Option<Route> {
    one.require("provider", "\"smosale\"");
    one.require("service", "\"1\"");
    let provider = one.text("provider");
    let service = one.line("service", PANEL_SERVICE_BYTES_MAX);
    let provider = provider?;

    if !providers.contains(provider.value) {
        let hint = did_you_mean(provider.value, providers.iter().copied());
        let what = format!("unknown provider {}{hint}", shown(provider.value));
        let what = if hint.is_empty() {
            format!("{what}; add a [[provider]] block of that id")
        } else {
            what
        };

        one.complain("provider", provider.at, &what);
        return None;
    }

    Some(Route {
        provider: ProviderId(provider.value.to_owned()),
        service: service?.value.to_owned(),
    })
}

fn package_billing(section: &mut Section<'_>, kind: Option<ServiceType>) -> PackageBilling {
    let words = [
        ("rate", Some(PackageBilling::Rate)),
        ("min", Some(PackageBilling::Min)),
    ];

    let billing = section.word("package_billing", &words).unwrap_or_default();
    if billing == PackageBilling::Min && kind.is_some_and(|kind| !kind.is_package()) {
        section.complain_whole("package_billing = \"min\" is for package types only; remove it");
    }

    billing
}
