//! `[[provider]]`: the panels, how each is asked, and what its words mean.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::Uri;

use crate::config::complaint::{foreign, shown};
use crate::config::exchange::Currencies;
use crate::config::provider_words::words;
use crate::config::reader::Section;
use crate::domain::id::ProviderId;
use crate::domain::money::{ExchangeRate, Money, Percent};
use crate::domain::provider::{
    AskMethod, AskingSettings, CanceledWithRemains, DoubtSettings, InDoubtPolicy, KeySource,
    PanelDialect, ProviderSettings, Reversal, SettlingSettings,
};
use crate::orders::lease::LEASE_S;
use crate::upstream::check_ca_file;

/// The longest id; it stands in tables, logs and metrics.
const ID_BYTES_MAX: usize = 40;
/// The longest URL; longer ones are pasted by mistake.
const URL_BYTES_MAX: usize = 2_048;
/// The longest name of a file.
const FILE_NAME_BYTES_MAX: usize = 1_024;

/// The longest `timeout_ms`: an order that is being sent for five minutes is a fault that the audit
/// looks for.
const TIMEOUT_MS_MAX: i64 = 240_000;
/// The longest span in hours; a year.
pub(super) const HOURS_MAX: i64 = 8_760;

/// Where the files lie that a text names.
#[derive(Clone, Copy)]
pub(super) struct FileLocation<'p> {
    /// Relative names start here.
    pub folder: &'p Path,
    /// Whether the text is a file of this machine, whose files must be here too: a published text
    /// may come from another machine, and is no worse a text for what lies only there.
    pub ours: bool,
}

/// The panels that could be read, and the ids of all, so that a route to a broken block is not
/// called unknown too.
pub(super) fn read_all<'t>(
    top: &mut Section<'t>,
    currencies: Currencies<'_>,
    place: FileLocation<'_>,
) -> (Vec<ProviderSettings>, BTreeSet<&'t str>) {
    let mut ids = BTreeSet::new();
    let mut providers = Vec::new();

    for mut section in top.tables("provider") {
        let id = section.peek_text("id").filter(|id| is_id(id));
        if let Some(id) = id {
            section = section.named(format!("provider \"{id}\""));
            if !ids.insert(id) {
                section.complain_whole(
                    "a second block with this id; ids are unique, rename or remove one",
                );
            }
        }

        let read = read(section, currencies, place, &providers);
        providers.extend(read);
    }

    (providers, ids)
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn read(
    mut section: Section<'_>,
    currencies: Currencies<'_>,
    place: FileLocation<'_>,
    before: &[ProviderSettings],
) -> Option<ProviderSettings> {
    let id = id(&mut section);
    let dialects = PanelDialect::ALL.map(|dialect| (dialect.as_str(), Some(dialect)));
    let dialect = section
        .word("dialect", &dialects)
        .unwrap_or(PanelDialect::Classic);

    let allow_http = section.flag("allow_http").unwrap_or(false);
    let url = url(&mut section, allow_http);
    let ca_file = ca_file(&mut section, place);
    let key = key(&mut section, place.folder);
    let money = currency(&mut section, currencies);

    // Upper bounds stop slips of the finger, not ambitions; the lower bound of the timeout lets a
    // slow TLS handshake live.
    let requests_per_second = section
        .whole("requests_per_second", 1..=1_000)
        .unwrap_or(10);

    let concurrent_max = section.whole("concurrent_max", 1..=1_000).unwrap_or(8);
    let timeout_ms = section
        .whole("timeout_ms", 100..=TIMEOUT_MS_MAX)
        .unwrap_or(30_000);

    // The protocol documents no panel that takes more than 100 ids in one call.
    let status_batch_max = section.whole("status_batch_max", 1..=100).unwrap_or(100);
    let status_every_s = section.whole("status_every_s", 1..=3_600).unwrap_or(60);
    let balance_low = balance_low(&mut section);
    let doubts = doubts(&mut section, dialect);

    let is_same = |other: &&ProviderSettings| {
        // One panel may have two names: the key tells the account, whatever address it is asked at.
        key.as_ref() == Some(&other.key)
            && (doubts.account_is_ours_alone || other.doubts.account_is_ours_alone)
    };

    if let Some(other) = before.iter().find(is_same) {
        // What one block buys is a stranger's order to the other, which would take it for one of
        // its doubts.
        section.complain_whole(&format!(
            "has the key of provider \"{}\", so neither account is ours alone: set \
             account_is_ours_alone = false in both, or use one block",
            other.id
        ));
    }

    visible_late_enough(&mut section, &doubts, timeout_ms);
    let settling = settling(&mut section);
    let asking = asking(&mut section, dialect);
    let methods = [
        ("POST", Some(AskMethod::Post)),
        ("GET", Some(AskMethod::Get)),
    ];

    let method = section.word("method", &methods).unwrap_or(AskMethod::Post);
    let services_offset = section.flag("services_offset").unwrap_or(false);
    let words = words(&mut section);
    section.finish();

    Some(ProviderSettings {
        id: id?,
        dialect,
        url: url?,
        allow_http,
        ca_file,
        key: key?,
        currency: money.as_ref()?.0.clone(),
        exchange: money?.1,
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
        words,
    })
}

fn doubts(section: &mut Section<'_>, dialect: PanelDialect) -> DoubtSettings {
    let usual = DoubtSettings::default();
    let after_h = section.whole("in_doubt_refund_after_h", 1..=HOURS_MAX);

    let policies = [
        ("hold", Some(InDoubtPolicy::Hold)),
        (
            "refund",
            Some(InDoubtPolicy::RefundAfterH(after_h.unwrap_or(24))),
        ),
    ];

    let policy = section
        .word("in_doubt_policy", &policies)
        .unwrap_or(usual.policy);

    if after_h.is_some() && policy == InDoubtPolicy::Hold {
        section.complain_whole(
            "in_doubt_refund_after_h says nothing without in_doubt_policy = \"refund\"; remove one",
        );
    }

    let doubts = DoubtSettings {
        ids_grow: section.flag("ids_grow").unwrap_or(usual.ids_grow),
        account_is_ours_alone: section
            .flag("account_is_ours_alone")
            .unwrap_or(usual.account_is_ours_alone),
        honours_request_id: section
            .flag("honours_request_id")
            .unwrap_or(usual.honours_request_id),
        refusals_are_final: section
            .flag("refusals_are_final")
            .unwrap_or(usual.refusals_are_final),
        visible_after_s: section
            .whole("visible_after_s", 1..=86_400)
            .unwrap_or(usual.visible_after_s),
        policy,
        in_a_row_max: section
            .whole("doubts_in_a_row_max", 1..=1_000)
            .unwrap_or(usual.in_a_row_max),
        per_minute_max: section
            .whole("doubts_per_minute_max", 1..=10_000)
            .unwrap_or(usual.per_minute_max),
    };

    if doubts.account_is_ours_alone && !doubts.ids_grow {
        section.complain_whole(
            "account_is_ours_alone helps only where ids_grow = true; set both or remove it",
        );
    }

    if doubts.honours_request_id && dialect != PanelDialect::Notpanel {
        section.complain_whole(&format!(
            "dialect \"{}\" has no request_id; remove honours_request_id = true",
            dialect.as_str()
        ));
    }

    doubts
}

/// An order may leave until its call's timeout and the lease under which it was marked are over. A
/// panel that was to show it sooner would be taken for one that does not have it.
fn visible_late_enough(section: &mut Section<'_>, doubts: &DoubtSettings, timeout_ms: u64) {
    let least_s = timeout_ms.div_ceil(1_000) + u64::from(LEASE_S);
    if u64::from(doubts.visible_after_s) >= least_s {
        return;
    }

    let what = format!(
        "is {}, must be at least {least_s}: timeout_ms and {LEASE_S} s more, for until then an \
         order may be on its way",
        doubts.visible_after_s
    );

    section.complain("visible_after_s", section.key_at("visible_after_s"), &what);
}

/// The most that `overcharge_percent` may be.
const OVERCHARGE_PERCENT_MAX: u64 = 1_000;

/// How far above its price a panel may charge before somebody is told.
fn overcharge(section: &mut Section<'_>) -> Option<Percent> {
    let found = section.amount("overcharge_percent", Percent::parse)?;
    if found.value.is_negative() || found.value > Percent::whole(OVERCHARGE_PERCENT_MAX) {
        let what = format!("must be at least \"0\" and at most \"{OVERCHARGE_PERCENT_MAX}\"");
        section.complain("overcharge_percent", found.at, &what);
        return None;
    }

    Some(found.value)
}

fn settling(section: &mut Section<'_>) -> SettlingSettings {
    let usual = SettlingSettings::default();
    let canceled = [
        ("by_charge", Some(CanceledWithRemains::ByCharge)),
        ("full", Some(CanceledWithRemains::Full)),
        ("by_remains", Some(CanceledWithRemains::ByRemains)),
        ("review", Some(CanceledWithRemains::Review)),
    ];

    let reversals = [
        ("absorb", Some(Reversal::Absorb)),
        ("clawback", Some(Reversal::Clawback)),
    ];

    SettlingSettings {
        canceled_with_remains: section
            .word("canceled_with_remains", &canceled)
            .unwrap_or(usual.canceled_with_remains),
        reversal: section
            .word("reversal", &reversals)
            .unwrap_or(usual.reversal),
        failed_settles_after_h: section
            .whole("failed_settles_after_h", 1..=HOURS_MAX)
            .unwrap_or(usual.failed_settles_after_h),
        stuck_after_h: section
            .whole("stuck_after_h", 1..=HOURS_MAX)
            .unwrap_or(usual.stuck_after_h),
        overcharge_percent: overcharge(section).unwrap_or(usual.overcharge_percent),
    }
}

/// A dialect without words for refills has none, whatever the panel's catalog says.
fn asking(section: &mut Section<'_>, dialect: PanelDialect) -> AskingSettings {
    let usual = AskingSettings::default();
    let refill = section.flag("refill");
    if refill == Some(true) && !dialect.has_refills() {
        section.complain_whole(&format!(
            "dialect \"{}\" has no refills; remove refill = true",
            dialect.as_str()
        ));
    }

    AskingSettings {
        refill: refill.unwrap_or(usual.refill) && dialect.has_refills(),
        refill_expires_after_h: section
            .whole("refill_expires_after_h", 1..=HOURS_MAX)
            .unwrap_or(usual.refill_expires_after_h),
        cancel_ack_is_final: section
            .flag("cancel_ack_is_final")
            .unwrap_or(usual.cancel_ack_is_final),
    }
}

/// Authorities of the panel's own, looked at already here where they must be here: a bad file is
/// told before anything is sold through it. Elsewhere whoever builds the panel tells of it.
fn ca_file(section: &mut Section<'_>, place: FileLocation<'_>) -> Option<PathBuf> {
    let found = section.line("ca_file", FILE_NAME_BYTES_MAX)?;
    let path = place.folder.join(found.value);
    if place.ours
        && let Err(error) = check_ca_file(&path)
    {
        section.complain("ca_file", found.at, &error.to_string());
        return None;
    }

    Some(path)
}

fn id(section: &mut Section<'_>) -> Option<ProviderId> {
    section.require("id", "\"smosale\"");
    let found = section.text("id")?;
    if !is_id(found.value) {
        let (id, strange) = (shown(found.value), foreign(found.value));
        let what = format!("is {id}, must be 1 to {ID_BYTES_MAX} of a-z, 0-9, _ and -{strange}");
        section.complain("id", found.at, &what);
        return None;
    }

    Some(ProviderId(found.value.to_owned()))
}

fn url(section: &mut Section<'_>, allow_http: bool) -> Option<String> {
    section.require("url", "\"https://panel.example/api/v2\"");
    let found = section.line("url", URL_BYTES_MAX)?;
    match check_url(found.value, allow_http) {
        Ok(()) => Some(found.value.to_owned()),
        Err(what) => {
            section.complain("url", found.at, what);
            None
        }
    }
}

/// The key travels in every request, so the way there is encrypted unless the operator says
/// otherwise.
fn check_url(text: &str, allow_http: bool) -> Result<(), &'static str> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "is not a URL; write for example \"https://panel.example/api/v2\"")?;

    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("is not a whole URL; write for example \"https://panel.example/api/v2\"");
    };

    if authority.as_str().contains('@') || text.contains('#') {
        return Err(
            "holds a user, a password or a fragment; write only host, port, path and query",
        );
    }

    let behind_host = authority
        .as_str()
        .strip_prefix(authority.host())
        .unwrap_or_default();

    if authority.host().is_empty() || !behind_host.is_empty() && authority.port_u16().is_none() {
        return Err(
            "has no readable host and port; write for example \"https://panel.example/api/v2\"",
        );
    }

    match scheme {
        "https" => Ok(()),
        "http" if allow_http || is_loopback(authority.host()) => Ok(()),
        "http" => {
            Err("would send the key in clear; use https, or set allow_http = true to accept that")
        }
        _ => Err("is neither https nor http; write for example \"https://panel.example/api/v2\""),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn key(section: &mut Section<'_>, folder: &Path) -> Option<KeySource> {
    if section.has("key") {
        section.know(&["key"]);
        section.complain(
            "key",
            section.key_at("key"),
            "a key never stands in the file; name its place in key_env or key_file",
        );
    }

    let variable = section.variable("key_env", "the key");
    let file = section.line("key_file", FILE_NAME_BYTES_MAX);

    match (section.has("key_env"), section.has("key_file")) {
        (true, true) => {
            section.complain_whole("key_env and key_file are both there; keep one of them");
        }
        (false, false) => {
            section.complain_whole(
                "has no key; write for example key_env = \"SMOSALE_KEY\", or key_file",
            );
        }
        (true, false) | (false, true) => {}
    }

    variable
        .map(KeySource::Env)
        .or_else(|| Some(KeySource::File(folder.join(file?.value))))
}

/// The panel's currency, and what it is worth where it is not the gateway's.
fn currency(
    section: &mut Section<'_>,
    currencies: Currencies<'_>,
) -> Option<(String, Option<ExchangeRate>)> {
    section.require("currency", "\"USD\"");
    let found = section.text("currency")?;
    let gateways = currencies.gateways?;

    if found.value == gateways {
        return Some((gateways.to_owned(), None));
    }

    let Some(rate) = currencies.rates.get(found.value) else {
        let named = shown(found.value);
        let what = format!(
            "is {named}, the gateway's is \"{gateways}\", and [exchange] does not say what it is \
             worth; write {named} = {{ rate = \"…\", dated = \"2026-11-01\" }} there, with what \
             one of it costs"
        );

        section.complain("currency", found.at, &what);
        return None;
    };

    Some((found.value.to_owned(), Some((*rate)?)))
}

/// Where a person is told that our money there comes to its end.
fn balance_low(section: &mut Section<'_>) -> Option<Money> {
    let found = section.amount("balance_low", Money::parse)?;
    if found.value.is_negative() {
        section.complain(
            "balance_low",
            found.at,
            "is below zero: orders would wait long before anybody is told",
        );

        return None;
    }

    Some(found.value)
}
