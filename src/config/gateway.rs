//! `[gateway]` and the small tables `[limits]`, `[[tier]]`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::catalog::mapping::ReloadTrigger;
use crate::config::complaint::{foreign, shown};
use crate::config::reader::Section;
use crate::domain::customer::Dialect;
use crate::domain::limit::LimitSettings;
use crate::domain::money::Percent;

/// What `price_jump_percent` is when nothing is said.
const PRICE_JUMP_PERCENT: &str = "30";
/// The largest: no rate falls by more than all of it, and one that rises by more is another one.
const PRICE_JUMP_PERCENT_MAX: &str = "1000";
/// What `refills_per_order_max` is when nothing is said.
const REFILLS_PER_ORDER_MAX: u32 = 3;
/// The most refills of one order that can be allowed.
const REFILLS_MAX: i64 = 1_000;
/// A limit; the largest is more than one machine answers in a minute.
const PER_MINUTE: RangeInclusive<i64> = 1..=10_000_000;
/// The longest id of a tier.
const TIER_BYTES_MAX: usize = 40;

/// `[gateway]`, as far as it could be read.
pub(super) struct GatewaySection {
    pub currency: Option<String>,
    pub default_dialect: Dialect,
    pub refills_max: u32,
    pub price_jump: Option<Percent>,
    pub reload: ReloadTrigger,
}

/// `[gateway]`; `None` without the table.
pub(super) fn gateway(top: &mut Section<'_>) -> Option<GatewaySection> {
    if !top.has("gateway") {
        top.complain(
            "gateway",
            0,
            "is missing; write [gateway] with for example currency = \"USD\" in it",
        );
    }

    let mut section = top.table("gateway")?;
    section.require("currency", "\"USD\"");
    let currency = section.text("currency");
    let is_code = |code: &str| {
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        (3..=8).contains(&code.len()) && code.bytes().all(allowed)
    };

    let right = currency
        .filter(|found| is_code(found.value))
        .map(|found| found.value.to_owned());

    if let (Some(found), None) = (currency, &right) {
        let strange = foreign(found.value);
        let what = format!(
            "is {}, must be a currency's code of 3 to 8 of A-Z and 0-9{strange}",
            shown(found.value)
        );

        section.complain("currency", found.at, &what);
    }

    let dialects = Dialect::ALL.map(|dialect| (dialect.as_str(), Some(dialect)));
    let dialect = section
        .word("default_dialect", &dialects)
        .unwrap_or(Dialect::Classic);

    let reload = section.word(
        "reload",
        &[
            ("watch", Some(ReloadTrigger::Watch)),
            ("apply", Some(ReloadTrigger::Apply)),
        ],
    );

    let price_jump = price_jump(&mut section);
    let refills_max = section
        .whole("refills_per_order_max", 0..=REFILLS_MAX)
        .unwrap_or(REFILLS_PER_ORDER_MAX);

    section.finish();
    let reload = reload.unwrap_or(ReloadTrigger::Watch);

    Some(GatewaySection {
        currency: right,
        default_dialect: dialect,
        refills_max,
        price_jump,
        reload,
    })
}

/// How far a rate may move before a person is asked; `None` after a complaint.
fn price_jump(section: &mut Section<'_>) -> Option<Percent> {
    let absent = !section.has("price_jump_percent");
    let found = section.amount("price_jump_percent", Percent::parse);
    let max = Percent::parse(PRICE_JUMP_PERCENT_MAX).ok()?;
    if let Some(found) = found.filter(|found| found.value < Percent::default() || found.value > max)
    {
        let what = format!("must be at least \"0\" and at most \"{PRICE_JUMP_PERCENT_MAX}\"");
        section.complain("price_jump_percent", found.at, &what);
    }

    found
        .map(|found| found.value)
        .or(Percent::parse(PRICE_JUMP_PERCENT).ok().filter(|_| absent))
}

/// How often customers may ask; what is not said is as it is by default.
pub(super) fn limits(top: &mut Section<'_>) -> LimitSettings {
    let mut limits = LimitSettings::default();
    if let Some(mut section) = top.table("limits") {
        limits.per_address = section
            .whole("per_address_per_minute", PER_MINUTE)
            .unwrap_or(limits.per_address);

        limits.per_key = section
            .whole("per_key_per_minute", PER_MINUTE)
            .unwrap_or(limits.per_key);
        section.finish();
    }

    let mut ids = BTreeSet::new();
    for mut section in top.tables("tier") {
        section.require("id", "\"reseller\"");
        section.require("per_minute", "5000");
        let id = section.line("id", TIER_BYTES_MAX).map(|found| found.value);

        if id.is_some_and(|id| !ids.insert(id)) {
            section.complain_whole(
                "a second block with this id; ids are unique, rename or remove one",
            );
        }

        let per_minute = section.whole("per_minute", PER_MINUTE);

        // A tier whose number cannot be read is known all the same: whoever names it has done
        // nothing wrong.
        if let Some(id) = id {
            limits
                .tiers
                .insert(id.to_owned(), per_minute.unwrap_or_default());
        }

        section.finish();
    }

    limits
}
