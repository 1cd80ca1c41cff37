//! `provider probe`: what was learnt of a new panel, as a block that `check` accepts and a few
//! lines for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::config::{self, SecretError};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::money::Money;
use crate::domain::provider::{AskMethod, ProviderSettings};
use crate::domain::service::{PanelService, ServiceType};
use crate::upstream::probe::{ProbeFindings, probe_panel};

/// What a block says where the panel names no currency that could be one.
const CURRENCY_GUESSED: &str = "USD";
/// A currency's code has so many letters and digits.
const CURRENCY_CHARS: std::ops::RangeInclusive<usize> = 3..=8;
/// The longest id that is suggested.
const ID_CHARS_MAX: usize = 40;
/// Names of hosts that say nothing of whose they are.
const EMPTY_LABELS: [&str; 5] = ["www", "api", "panel", "my", "app"];
/// The most characters of a panel's text that are shown in one place.
const SHOWN_CHARS_MAX: usize = 80;
/// The most types that are listed.
const TYPES_MAX: usize = 12;
/// A service that fits an example can be bought in such quantities.
const FITTING_MIN: u64 = 100;
const FITTING_MAX: u64 = 1_000;
/// The largest bound that a service may have to be sold.
const UNITS_MAX: u64 = i32::MAX as u64;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the panel's API is, usually https://…/api/v2
    url: String,
    /// The environment variable that holds the panel's key
    #[arg(long, value_name = "NAME")]
    key_env: String,
    /// A PEM file with the authority that signed the panel's certificate, where that is no public
    /// one
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send the key in clear to an http address that is not this machine: only inside a network
    /// that you trust
    #[arg(long)]
    allow_http: bool,
    /// How long one answer may take; a catalog three times as long
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=120))]
    timeout_s: u64,
}

pub async fn run(options: Options) -> anyhow::Result<CommandOutcome> {
    crate::telemetry::quiet();
    let settings = settings(&options)?;
    let key = config::read_secret(&settings, &config::surroundings()).map_err(|why| match why {
        SecretError::NotSet(_, name) => WrongUse::because(format!(
            "environment variable {name} is not set; set it to the panel's key"
        )),
        SecretError::Unreadable(..) | SecretError::NotAKey(..) => {
            WrongUse::because(why.to_string())
        }
    })?;

    let clock = Arc::new(SystemClock);
    let patience = Duration::from_secs(options.timeout_s);
    let findings = probe_panel(settings, key, clock.clone(), patience).await?;
    let today = clock.now().date_naive().to_string();
    let block = block(&options, &findings, &today);

    if let Err(complaints) = read(&block, &currency(&findings).0) {
        anyhow::bail!(
            "the panel was understood, and its block is not valid: {complaints}\n\n{block}"
        );
    }

    let summary = summary(&findings);
    Ok(CommandOutcome::new(
        format!("{block}\n{summary}"),
        document(&options, &findings, &block),
    ))
}

/// What the configuration makes of the address and the key's name, by its own rules.
fn settings(options: &Options) -> anyhow::Result<ProviderSettings> {
    let way_there =
        way_there(options).ok_or_else(|| WrongUse::because("--ca-file must be a name in UTF-8"))?;
    let least =
        format!("[[provider]]\nid = \"probe\"\n{way_there}currency = \"{CURRENCY_GUESSED}\"\n");

    let read = read(&least, CURRENCY_GUESSED).map_err(|complaints| {
        let said =
            |complaint: &config::Complaint| complaint.what.replace("provider \"probe\": ", "");
        let all: Vec<String> = complaints.all().iter().map(said).collect();
        WrongUse::because(all.join("\n"))
    })?;

    read.mapping
        .providers
        .first()
        .cloned()
        .ok_or_else(|| WrongUse::because("the address cannot be used"))
}

/// Reads blocks as part of a file whose gateway bills in this currency.
fn read(blocks: &str, currency: &str) -> Result<config::File, config::Complaints> {
    let text = format!("[gateway]\ncurrency = \"{currency}\"\n\n{blocks}");
    config::read_on(
        &text,
        Path::new("."),
        &BTreeMap::new(),
        Some(SystemClock.now().date_naive()),
    )
}

/// The lines of a block that were given and not learnt.
fn way_there(options: &Options) -> Option<String> {
    let mut lines = format!(
        "url = {}\nkey_env = {}\n",
        quoted(&options.url),
        quoted(&options.key_env)
    );

    if options.allow_http {
        lines += "allow_http = true\n";
    }

    if let Some(path) = &options.ca_file {
        let _ = writeln!(lines, "ca_file = {}", quoted(path.to_str()?));
    }

    Some(lines)
}

fn block(options: &Options, findings: &ProbeFindings, today: &str) -> String {
    let id = id(&options.url);
    let (currency, currency_said) = currency(findings);

    let mut text = format!(
        "# Learnt by panelgate provider probe on {today}, by {} questions that buy nothing.\n# In \
         a file whose [gateway] currency is not \"{currency}\", say what one {currency} is worth \
         there:\n# [exchange]\n# {currency} = {{ rate = \"…\", dated = \"{today}\" \
         }}\n\n[[provider]]\nid = \"{id}\"   # yours to choose; it stands on orders for ever\n# \
         {}: {}\ndialect = \"{}\"\n",
        findings.calls,
        findings.dialect.as_str(),
        findings.dialect_because,
        findings.dialect.as_str(),
    );

    text += &way_there(options).unwrap_or_default();
    if !currency_said {
        text += "# a guess: the panel names no currency; see in which one it bills\n";
    }

    let _ = writeln!(text, "currency = \"{currency}\"");
    if findings.method == AskMethod::Get {
        text += "# it answered no POST\nmethod = \"GET\"\n";
    }

    if findings.services_offset {
        text += "services_offset = true   # an offset brought more of the catalog\n";
    }

    let _ = writeln!(
        text,
        "# {}\nstatus_batch_max = {}",
        findings.batch_because, findings.status_batch_max
    );

    if !findings.refill && findings.dialect.has_refills() {
        text += "refill = false   # it knows no refill_status\n";
    }

    if let Some((per_second, said)) = &findings.pace {
        let _ = writeln!(
            text,
            "# it announces {}, taken as per minute unless it says otherwise",
            shown(said)
        );

        let _ = writeln!(text, "requests_per_second = {per_second}");
    }

    let _ = writeln!(
        text,
        "# its slowest answer took {} ms, its catalog {} ms; an add was not tried\ntimeout_ms = \
         {}",
        findings.slowest_ms, findings.catalog_ms, findings.timeout_ms
    );

    if !findings.unknown_words.is_empty() {
        text += "# Texts that nothing explains; say what they mean, a status or a refusal, where \
                 they matter:\n";
        text += "# [provider.words]\n";

        for word in &findings.unknown_words {
            let _ = writeln!(text, "# {} = \"…\"", shown(word));
        }
    }

    text + &service_block(&id, findings)
}

fn service_block(id: &str, findings: &ProbeFindings) -> String {
    let Some(service) = fitting(&findings.services) else {
        return "\n# No Default service with a rate and bounds was seen; write a [[service]] \
                block by hand.\n"
            .to_owned();
    };

    format!(
        "\n# {} at {} for 1000, {} to {}; sold at cost unless a [[markup]] or `rate` says \
         otherwise.\n# Choose an id that no other service of the file has.\n[[service]]\nid = \
         1\nroutes = [{{ provider = \"{id}\", service = {} }}]\n",
        shown(&service.name),
        shown(&service.rate_text),
        service.min,
        service.max,
        quoted(&service.service),
    )
}

/// A Default service that an order of some hundred fits, else any that can be sold.
fn fitting(services: &[PanelService]) -> Option<&PanelService> {
    let sells = |row: &&PanelService| {
        let plain = ServiceType::read(&row.kind) == Some(ServiceType::Default);
        let bounds = 1 <= row.min && row.min <= row.max && row.max <= UNITS_MAX;
        let readable = row.service.len() <= 64 && !row.service.chars().any(char::is_control);

        plain
            && bounds
            && readable
            && row
                .rate
                .is_some_and(|rate| rate.for_units(1_000).is_ok_and(Money::is_positive))
    };

    let usual = |row: &&PanelService| row.min <= FITTING_MIN && row.max >= FITTING_MAX;
    services
        .iter()
        .filter(sells)
        .find(usual)
        .or_else(|| services.iter().find(sells))
}

/// The panel's currency, and whether it named it.
fn currency(findings: &ProbeFindings) -> (String, bool) {
    let named = findings
        .balance
        .currency
        .as_deref()
        .map(|text| text.trim().to_uppercase());

    let is_code = |text: &String| {
        CURRENCY_CHARS.contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };

    named
        .filter(is_code)
        .map_or_else(|| (CURRENCY_GUESSED.to_owned(), false), |code| (code, true))
}

/// An id from the host's name: its first part that says whose it is.
fn id(url: &str) -> String {
    let host = url
        .parse::<http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_lowercase))
        .unwrap_or_default();

    if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() {
        return "panel".to_owned();
    }

    let mut labels: Vec<&str> = host.split('.').filter(|label| !label.is_empty()).collect();
    if labels.len() > 1 {
        labels.pop();
    }

    let label = labels
        .iter()
        .find(|label| !EMPTY_LABELS.contains(*label))
        .or(labels.first());

    let allowed = |c: char| {
        if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };

    let id: String = label
        .map_or("panel", |label| *label)
        .chars()
        .take(ID_CHARS_MAX)
        .map(allowed)
        .collect();

    if id.is_empty() {
        "panel".to_owned()
    } else {
        id
    }
}

fn summary(findings: &ProbeFindings) -> String {
    let (currency, _) = currency(findings);
    let mut types: BTreeMap<String, usize> = BTreeMap::new();

    for row in &findings.services {
        let name = ServiceType::read(&row.kind).map_or_else(
            || format!("{} (not sold)", shown(&row.kind)),
            |kind| kind.name().to_owned(),
        );
        *types.entry(name).or_default() += 1;
    }

    let listed: Vec<String> = types
        .iter()
        .take(TYPES_MAX)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();

    let more = if types.len() > TYPES_MAX { ", …" } else { "" };
    let rates = findings.services.iter().filter_map(|row| row.rate);
    let range = match (rates.clone().min(), rates.max()) {
        (Some(least), Some(most)) => format!("{least} to {most} {currency} for 1000"),
        (None, _) | (_, None) => "none that can be read".to_owned(),
    };

    let seen = if findings.services_offset {
        " in the two parts that were read; there may be more"
    } else {
        ""
    };

    let skipped = match findings.skipped {
        0 => String::new(),
        rows => format!("; {rows} rows cannot be read"),
    };

    format!(
        "# services: {}{seen}{skipped}\n# types: {}{more}\n# rates: {range}\n# balance: {} \
         {currency}\n# Put this into your file, then: panelgate check\n",
        findings.services.len(),
        listed.join(", "),
        findings.balance.amount,
    )
}

fn document(options: &Options, findings: &ProbeFindings, block: &str) -> Value {
    let (currency, currency_said) = currency(findings);
    let rates = findings.services.iter().filter_map(|row| row.rate);

    json!({
        "url": options.url, "id": id(&options.url), "dialect": findings.dialect.as_str(),
        "dialect_because": findings.dialect_because,
        "method": match findings.method { AskMethod::Post => "POST", AskMethod::Get => "GET" },
        "currency": currency, "currency_said": currency_said,
        "balance": findings.balance.amount.to_string(),
        "services": findings.services.len(), "services_skipped": findings.skipped,
        "services_offset": findings.services_offset,
        "rate_min": rates.clone().min().map(|rate| rate.to_string()),
        "rate_max": rates.max().map(|rate| rate.to_string()),
        "status_batch_max": findings.status_batch_max,
        "status_batch_because": findings.batch_because,
        "refill": findings.refill, "timeout_ms": findings.timeout_ms,
        "slowest_ms": findings.slowest_ms,
        "catalog_ms": findings.catalog_ms,
        "requests_per_second": findings.pace.as_ref().map(|(per_second, _)| per_second),
        "unknown_words": findings.unknown_words, "calls": findings.calls, "block": block,
    })
}

/// A text as TOML writes it in quotes: JSON's escapes are TOML's, but for one sign.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A panel's text in quotes on one line, cut, with everything unprintable escaped.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_from_the_host() {
        for (url, suggested) in [
            ("https://smosale.com/api/v2", "smosale"),
            ("https://www.Smo-Sale.co.uk/api/v2", "smo-sale"),
            ("https://api.paynow.uz:8443/api/v2", "paynow"),
            ("https://my.panel.example/api", "my"),
            ("https://api.com/api", "api"),
            ("http://localhost:9090/api/v2", "localhost"),
            ("http://127.0.0.1:9090/api/v2", "panel"),
            ("http://[::1]:9090/api/v2", "panel"),
            ("https://xn--80ak6aa92e.com/api", "xn--80ak6aa92e"),
        ] {
            assert_eq!(id(url), suggested, "{url}");
        }
    }

    #[test]
    fn texts_of_a_panel_cannot_leave_their_quotes() {
        assert_eq!(quoted("a\"\n[gateway]\u{7f}"), r#""a\"\n[gateway]\u007f""#);
        assert_eq!(shown("a\"\n\u{202e}"), r#""a\"\n\u{202e}""#);
        assert_eq!(shown(&"x".repeat(200)).chars().count(), SHOWN_CHARS_MAX + 3);
    }
}
