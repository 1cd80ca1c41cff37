//! `[gateway]` and the small tables: `[exchange]`, `[[import]]`, `[limits]`, `[[tier]]`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::catalog::mapping::{EditSettings, Reload};
use crate::config::complaint::shown;
use crate::config::reader::Section;
use crate::domain::customer::Dialect;
use crate::domain::limit::LimitSettings;
use crate::domain::money::Percent;

/// What `refills_per_order_max` is when nothing is said.
const REFILLS_PER_ORDER_MAX: u32 = 3;
/// The most refills of one order that can be allowed.
const REFILLS_MAX: i64 = 1_000;
/// A limit; the largest is more than one machine answers in a minute.
const PER_MINUTE: RangeInclusive<i64> = 1..=10_000_000;
/// The longest id of a tier.
const TIER_BYTES_MAX: usize = 40;

/// `[gateway]`, as far as it could be read.
pub(super) struct Gateway {
    pub currency: Option<String>,
    pub default_dialect: Dialect,
    pub refills_max: u32,
    pub edits: EditSettings,
}

/// `[gateway]`; `None` without the table.
pub(super) fn gateway(top: &mut Section<'_>) -> Option<Gateway> {
    if top.peek("gateway").is_none() {
        top.complain("gateway", 0, "is missing; write [gateway] with for example currency = \"USD\" in it");
    }
    let mut section = top.table("gateway")?;
    section.require("currency", "\"USD\"");
    let currency = section.text("currency");
    let is_code = |code: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        (3..=8).contains(&code.len()) && code.bytes().all(allowed)
    };
    let right = currency.filter(|found| is_code(found.value)).map(|found| found.value.to_owned());
    if let (Some(found), None) = (currency, &right) {
        let what = format!("is {}, must be a currency's code of 3 to 8 of A-Z and 0-9", shown(found.value));
        section.complain("currency", found.at, &what);
    }
    let dialects = Dialect::ALL.map(|dialect| (dialect.word(), Some(dialect)));
    let dialect = section.word("default_dialect", &dialects).unwrap_or(Dialect::Classic);
    let edits = edits(&mut section);
    let refills_max = section.whole("refills_per_order_max", 0..=REFILLS_MAX).unwrap_or(REFILLS_PER_ORDER_MAX);
    section.finish();
    Some(Gateway { currency: right, default_dialect: dialect, refills_max, edits })
}

fn edits(section: &mut Section<'_>) -> EditSettings {
    let usual = EditSettings::default();
    let reload = section.word("reload", &[("watch", Some(Reload::Watch)), ("apply", Some(Reload::Apply))]);
    let jump = section.amount("price_jump_percent", Percent::parse);
    if let Some(jump) = jump.filter(|jump| jump.value.is_negative()) {
        section.complain("price_jump_percent", jump.at, "is below zero; \"0\" has every change of a price wait");
    }
    EditSettings {
        reload: reload.unwrap_or(usual.reload),
        price_jump: jump.map_or(usual.price_jump, |jump| jump.value),
    }
}

/// Refused as a whole.
pub(super) fn imports(top: &mut Section<'_>) {
    for mut section in top.tables("import") {
        section.know(&["provider", "categories", "exclude", "ids_from"]);
        section.complain_whole("not available yet; remove it and write a [[service]] block for each service");
        section.finish();
    }
}

/// How often customers may ask; what is not said is as it is by default.
pub(super) fn limits(top: &mut Section<'_>) -> LimitSettings {
    let mut limits = LimitSettings::default();
    if let Some(mut section) = top.table("limits") {
        limits.per_address = section.whole("per_address_per_minute", PER_MINUTE).unwrap_or(limits.per_address);
        limits.per_key = section.whole("per_key_per_minute", PER_MINUTE).unwrap_or(limits.per_key);
        section.finish();
    }
    let mut ids = BTreeSet::new();
    for mut section in top.tables("tier") {
        section.require("id", "\"reseller\"");
        section.require("per_minute", "5000");
        let id = section.line("id", TIER_BYTES_MAX).map(|found| found.value);
        if id.is_some_and(|id| !ids.insert(id)) {
            section.complain_whole("a second block with this id; ids are unique, rename or remove one");
        }
        let per_minute = section.whole("per_minute", PER_MINUTE);
        if let (Some(id), Some(per_minute)) = (id, per_minute) {
            limits.tiers.insert(id.to_owned(), per_minute);
        }
        section.finish();
    }
    limits
}
