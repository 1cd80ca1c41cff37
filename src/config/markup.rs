//! `[[markup]]` and `[margin]`: what is put on top of a panel's rate, and what a sale must leave.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::complaint::{did_you_mean, shown};
use crate::config::reader::Section;
use crate::domain::customer::{NAME_BYTES_MAX, is_customer_name};
use crate::domain::id::{CustomerId, ProviderId, ServiceId};
use crate::domain::money::{MoneyError, Percent, Rate};
use crate::domain::service::ServiceRule;
use crate::pricing::markup::{MarkupRule, NamedCustomer, Scope};

/// The most blocks: each is looked at for each service.
const RULES_MAX: usize = 10_000;

/// The longest pattern of a category.
const PATTERN_BYTES_MAX: usize = 255;
/// What `[margin] floor_percent` is when nothing is said.
const FLOOR_PERCENT: &str = "3";
/// No price is below nothing.
const PERCENT_MIN: &str = "-100";

/// What rules may name.
pub(super) struct KnownNames<'f> {
    pub services: &'f [ServiceRule],
    pub providers: &'f BTreeSet<&'f str>,
    pub tiers: &'f BTreeMap<String, u32>,
}

/// The rules that could be read, in the order of the file.
pub(super) fn read_all(
    top: &mut Section<'_>,
    known: &KnownNames<'_>,
    notes: &mut Vec<String>,
) -> Vec<MarkupRule> {
    let services: BTreeMap<i32, &ServiceRule> = known
        .services
        .iter()
        .map(|rule| (rule.id.0, rule))
        .collect();

    let sections = top.tables("markup");
    if let Some(one_too_many) = sections.get(RULES_MAX) {
        one_too_many.complain_whole(&format!(
            "at most {RULES_MAX} blocks; let more of them speak for a tier or category"
        ));
    }

    sections
        .into_iter()
        .take(RULES_MAX)
        .map(|section| read(section, known, &services, notes))
        .collect()
}

/// The margin's floor; `None` after a complaint.
pub(super) fn margin_floor(top: &mut Section<'_>) -> Option<Percent> {
    let usual = Percent::parse(FLOOR_PERCENT).ok()?;
    let Some(mut section) = top.table("margin") else {
        return Some(usual);
    };

    let found = section.amount("floor_percent", Percent::parse);
    let absent = !section.has("floor_percent");

    if let Some(found) = found.filter(|found| {
        let hundred = Percent::parse("100");
        found.value < Percent::default() || hundred.is_ok_and(|hundred| found.value >= hundred)
    }) {
        section.complain(
            "floor_percent",
            found.at,
            "must be at least \"0\" and below \"100\"",
        );
    }

    section.finish();
    found.map(|found| found.value).or(absent.then_some(usual))
}

fn read(
    mut section: Section<'_>,
    known: &KnownNames<'_>,
    services: &BTreeMap<i32, &ServiceRule>,
    notes: &mut Vec<String>,
) -> MarkupRule {
    let scope = scope(&mut section, known, services);
    let fixed_rate = scope
        .service
        .and_then(|id| services.get(&id.0))
        .is_some_and(|service| service.rate.is_some());

    if let (Some(service), true) = (scope.service, fixed_rate) {
        notes.push(format!(
            "{}: service {service} has a fixed rate, which no markup speaks over",
            section.name()
        ));
    }

    let percent = section.amount("percent", Percent::parse);
    if let Some(percent) =
        percent.filter(|found| Percent::parse(PERCENT_MIN).is_ok_and(|min| found.value < min))
    {
        section.complain(
            "percent",
            percent.at,
            &format!("must be at least \"{PERCENT_MIN}\": no price is below nothing"),
        );
    }

    let fixed = section.amount("fixed", Rate::parse);
    let rounding = rounding(&mut section);
    section.finish();

    MarkupRule {
        scope,
        percent: percent.map(|found| found.value).unwrap_or_default(),
        fixed: fixed.map(|found| found.value).unwrap_or_default(),
        rounding,
    }
}

/// What the rule is about. Who buys is in the database, which nobody needs for reading a file:
/// whether a customer exists is looked at when the file comes into force.
fn scope(
    section: &mut Section<'_>,
    known: &KnownNames<'_>,
    services: &BTreeMap<i32, &ServiceRule>,
) -> Scope {
    let customer = customer(section);
    let tier = known_word(
        section,
        "tier",
        "[[tier]]",
        known.tiers.keys().map(String::as_str),
    );

    let service = service(section, services);
    let category = section
        .line("category", PATTERN_BYTES_MAX)
        .map(|found| found.value.to_owned());

    let provider = known_word(
        section,
        "provider",
        "[[provider]]",
        known.providers.iter().copied(),
    );

    Scope {
        customer,
        tier,
        service,
        category,
        provider: provider.map(ProviderId),
    }
}

/// An id, as a number or as text, or a name.
fn customer(section: &mut Section<'_>) -> Option<NamedCustomer> {
    if section.peek_whole("customer").is_some() {
        return section
            .whole("customer", 1..=i64::MAX)
            .map(|id| NamedCustomer::Id(CustomerId(id)));
    }

    let found = section.text("customer")?;
    let all_digits = found.value.bytes().all(|byte| byte.is_ascii_digit());

    let id = found
        .value
        .parse()
        .ok()
        .filter(|id| all_digits && *id > 0)
        .map(CustomerId);

    let who = id.map(NamedCustomer::Id).or_else(|| {
        is_customer_name(found.value).then(|| NamedCustomer::Name(found.value.to_owned()))
    });

    if who.is_none() {
        let what = format!(
            "is {}, must be a customer's id or name, 1 to {NAME_BYTES_MAX} bytes of printable text",
            shown(found.value)
        );
        section.complain("customer", found.at, &what);
    }

    who
}

/// Our id of a service that the file sells.
fn service(section: &mut Section<'_>, services: &BTreeMap<i32, &ServiceRule>) -> Option<ServiceId> {
    let at = section.value_at("service");
    let id: i32 = section.whole("service", 1..=i64::from(i32::MAX))?;
    if !services.contains_key(&id) {
        let ids: Vec<String> = services.keys().map(i32::to_string).collect();
        let hint = did_you_mean(&id.to_string(), ids.iter().map(String::as_str));
        unknown(section, "service", at, &id.to_string(), hint, "[[service]]");
    }

    Some(ServiceId(id))
}

/// An id that some block of the file must have.
fn known_word<'k>(
    section: &mut Section<'_>,
    key: &'static str,
    block: &str,
    known: impl Iterator<Item = &'k str> + Clone,
) -> Option<String> {
    let found = section.text(key)?;
    if !known.clone().any(|id| id == found.value) {
        let hint = did_you_mean(found.value, known);
        unknown(section, key, found.at, &shown(found.value), hint, block);
    }

    Some(found.value.to_owned())
}

fn unknown(section: &Section<'_>, key: &str, at: usize, asked: &str, hint: String, block: &str) {
    let way_out = if hint.is_empty() {
        format!("; add a {block} block of that id")
    } else {
        hint
    };

    section.complain(key, at, &format!("unknown {key} {asked}{way_out}"));
}

/// `up:STEP`: prices only ever round up, so that no rule can sell below its own markup.
fn rounding(section: &mut Section<'_>) -> Option<Rate> {
    let found = section.text("rounding")?;
    let step = found
        .value
        .strip_prefix("up:")
        .ok_or(MoneyError::Unreadable)
        .and_then(Rate::parse);

    let step = step.ok().filter(|step| *step > Rate::default());
    if step.is_none() {
        let what = format!(
            "is {}, must be \"up:\" and a step above zero, such as \"up:0.0001\"",
            shown(found.value)
        );
        section.complain("rounding", found.at, &what);
    }

    step
}
