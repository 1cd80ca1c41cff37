//! `[exchange]`: what other currencies are worth in the gateway's, and since when.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::config::complaint::shown;
use crate::config::reader::Section;
use crate::domain::money::ExchangeRate;

/// A rate that is older is warned about.
const STALE_AFTER_DAYS: i64 = 30;
/// The longest patience that `stale_after_days` can say.
const STALE_AFTER_DAYS_MAX: i64 = 3_650;

/// By currency; `None` where the entry is wrong and was complained about.
pub(super) type Rates = BTreeMap<String, Option<ExchangeRate>>;

/// The gateway's currency, as far as it could be read, and what others are worth in it.
#[derive(Clone, Copy)]
pub(super) struct Currencies<'t> {
    pub gateways: Option<&'t str>,
    pub rates: &'t Rates,
}

/// The rates, by currency. Where `today` is known, old ones are noted, and refused where their
/// entry says after how many days.
pub(super) fn read(
    top: &mut Section<'_>,
    gateways: Option<&str>,
    today: Option<NaiveDate>,
    notes: &mut Vec<String>,
) -> Rates {
    let Some(mut table) = top.table("exchange") else {
        return Rates::new();
    };

    let mut rates = Rates::new();
    for (currency, at) in table.own_keys() {
        if gateways == Some(currency) {
            table.complain(
                &shown(currency),
                at,
                "is the gateway's own currency; remove it",
            );

            continue;
        }

        let rate = table
            .own_table(currency)
            .and_then(|entry| one(entry, currency, today, notes));

        rates.insert(currency.to_owned(), rate);
    }

    rates
}

fn one(
    mut entry: Section<'_>,
    currency: &str,
    today: Option<NaiveDate>,
    notes: &mut Vec<String>,
) -> Option<ExchangeRate> {
    entry.require("rate", "\"0.0000787\"");
    entry.require("dated", "\"2026-11-01\"");
    let rate = entry.amount("rate", ExchangeRate::parse);
    let dated = entry.text("dated");
    let patience: Option<i64> = entry.whole("stale_after_days", 1..=STALE_AFTER_DAYS_MAX);
    let date = dated.and_then(|dated| dated.value.parse::<NaiveDate>().ok());

    if let (Some(dated), None) = (dated, date) {
        entry.complain(
            "dated",
            dated.at,
            &format!(
                "is {}, must be a day such as \"2026-11-01\"",
                shown(dated.value)
            ),
        );
    }

    if let (Some(dated), Some(date), Some(today)) = (dated, date, today) {
        let days = (today - date).num_days();
        if days < 0 {
            entry.complain(
                "dated",
                dated.at,
                &format!("{date} is still to come; write the day on which the rate was read"),
            );
        } else if patience.is_some_and(|patience| days > patience) {
            let what = format!(
                "the rate is {days} days old, older than stale_after_days allows; write today's"
            );
            entry.complain("dated", dated.at, &what);
        } else if days > STALE_AFTER_DAYS {
            notes.push(format!(
                "[exchange] {currency}: the rate is {days} days old; costs and margins follow it"
            ));
        }
    }

    entry.finish();
    rate.map(|rate| rate.value)
}
