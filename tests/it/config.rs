//! Settings through their door: what is read, and what is said of a file that is wrong.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use panelgate::config::{self, AlertSettings, Complaints, ConfigError, File, LogFormat, Role};
use panelgate::domain::choice::Strategy;
use panelgate::domain::money::{Money, Percent};
use panelgate::domain::provider::{
    AskMethod, KeySource, PanelDialect, PanelStatus, PanelWord, RefusalClass,
};
use panelgate::domain::service::{PackageBilling, ServiceType};
use panelgate::pricing::markup::Scope;
use proptest::prelude::*;
use secrecy::ExposeSecret;

mod broken;
mod odd;

/// The file at the root of the repository.
const SHIPPED: &str = include_str!("../../providers.toml");

/// The least that is right, on ten lines.
const LEAST: &str = r#"[gateway]
currency = "USD"
[[provider]]
id = "smosale"
url = "https://smosale.com/api/v2"
key_env = "SMOSALE_KEY"
currency = "USD"
[[service]]
id = 1
routes = [{ provider = "smosale", service = "1" }]
"#;

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(text: &str) -> Result<File, Complaints> {
    config::read(text, Path::new("/etc/panelgate"), &BTreeMap::new())
}

/// As a file of this machine.
fn read_here(text: &str) -> Result<File, Complaints> {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 1);
    config::read_on(text, Path::new("/etc/panelgate"), &BTreeMap::new(), today)
}

#[test]
fn the_shipped_file_says_what_is_the_default() {
    let shipped = read(SHIPPED).unwrap();
    let least = read(LEAST).unwrap();
    let words = &shipped.mapping.providers[0].words;
    assert_eq!(
        words.get("waiting list"),
        Some(&PanelWord::Status(PanelStatus::Pending))
    );

    // What the shipped file gives as an example, and has no default.
    let mut mapping = (*least.mapping).clone();
    mapping.hash = shipped.mapping.hash.clone();
    mapping.providers[0].words = words.clone();
    let service = &mut mapping.services[0];
    service.name = Some("Instagram Followers".into());

    service.kind = Some(ServiceType::Default);
    service.category = Some("Instagram".into());
    (service.refill, service.cancel, service.min, service.max) =
        (Some(true), Some(true), Some(50), Some(10_000));
    service.rate = shipped.mapping.services[0].rate;
    mapping.limits.tiers.insert("reseller".to_owned(), 5_000);

    assert_eq!(mapping, *shipped.mapping);
    assert_eq!(
        format!("{:?}", least.process),
        format!("{:?}", shipped.process)
    );

    assert!(shipped.notes.is_empty(), "{:?}", shipped.notes);
    assert_eq!(shipped.text, SHIPPED);
}

#[test]
fn the_least_file_has_the_documented_defaults() {
    let File {
        mapping, process, ..
    } = read(LEAST).unwrap();

    assert_eq!(mapping.hash.0.len(), 12);
    assert_eq!(mapping.default_dialect.as_str(), "classic");
    assert_eq!(mapping.margin_floor, Percent::parse("3").unwrap());
    assert_eq!(mapping.price_jump, Percent::parse("30").unwrap());
    assert!(mapping.markups.is_empty() && mapping.imports.is_empty());
    let provider = &mapping.providers[0];
    assert_eq!(
        (provider.dialect.as_str(), &provider.key),
        ("classic", &KeySource::Env("SMOSALE_KEY".into()))
    );

    assert_eq!(
        (provider.requests_per_second, provider.concurrent_max),
        (10, 8)
    );

    assert_eq!(
        (
            provider.timeout_ms,
            provider.status_batch_max,
            provider.status_every_s
        ),
        (30_000, 100, 60)
    );

    assert!(provider.words.is_empty());
    let service = &mapping.services[0];
    assert_eq!(
        (&service.name, service.kind, &service.category, service.rate),
        (&None, None, &None, None)
    );

    assert_eq!(
        (service.refill, service.cancel, service.min, service.max),
        (None, None, None, None)
    );

    assert_eq!(service.package_billing, PackageBilling::Rate);
    let (server, database) = (process.server, process.database);
    assert_eq!(
        (server.listen.to_string(), server.console.to_string()),
        ("127.0.0.1:8080".into(), "127.0.0.1:8081".into())
    );

    assert_eq!(
        (server.data, server.drain_s, server.trusted_proxies.len()),
        (None, None, 0)
    );

    assert_eq!(server.roles, [Role::Api, Role::Workers, Role::Console]);
    assert_eq!(
        (
            database.customers_max,
            database.workers_max,
            database.console_max
        ),
        (16, 8, 4)
    );

    assert!(database.url.is_none());
    let telemetry = process.telemetry;
    assert_eq!(
        (telemetry.format, telemetry.level, telemetry.otlp_endpoint),
        (LogFormat::Text, "info".into(), None)
    );
}

/// Every key whose work is not built yet, at its default.
#[test]
fn what_is_not_available_yet_may_stand_at_its_default() {
    let text = LEAST
        .replace(
            "[[provider]]",
            "default_dialect = \"classic\"\nreload = \"watch\"\n[exchange]\n[alerts]\n[[provider]]",
        )
        .replace(
            "[[service]]",
            "ids_grow = false\naccount_is_ours_alone = false\nvisible_after_s = \
             3600\nin_doubt_policy = \"hold\"\ndoubts_in_a_row_max = 3\ndoubts_per_minute_max = \
             5\ncancel_ack_is_final = false\nreversal = \"absorb\"\nrefill = \
             true\nrefill_expires_after_h = 48\nfailed_settles_after_h = 24\nstuck_after_h = \
             72\novercharge_percent = \"5\"\nmethod = \"POST\"\nservices_offset = \
             false\nallow_http = false\n[[service]]\nstrategy = \"priority\"\nremainder = \
             \"settle\"",
        );

    read(&text).unwrap();
}

#[test]
fn strategies_and_weights_are_read_and_a_weight_that_changes_nothing_is_told() {
    for strategy in Strategy::ALL {
        let lines = format!("[[service]]\nstrategy = \"{}\"", strategy.as_str());
        let text = LEAST
            .replace("[[service]]", &lines)
            .replace("service = \"1\"", "service = \"1\", weight = 30");

        let file = read(&text).unwrap();
        let service = &file.mapping.services[0];

        assert_eq!(
            (
                service.routing.strategy,
                service.routing.weight(&service.routes[0])
            ),
            (strategy, 30)
        );

        let note = format!(
            "service 1: weight counts under strategy \"weighted\" only, and this one is \"{}\"",
            strategy.as_str()
        );

        assert_eq!(
            file.notes.contains(&note),
            strategy != Strategy::Weighted,
            "{:?}",
            file.notes
        );
    }

    let service = read(LEAST).unwrap().mapping.services[0].clone();
    assert_eq!(
        (
            service.routing.strategy,
            service.routing.weight(&service.routes[0])
        ),
        (Strategy::Priority, 100)
    );
}

#[test]
fn a_catalog_is_sold_as_its_block_says() {
    let blocks = "[[import]]\nprovider = \"smosale\"\nids_from = \
                  2_000_000_000\n[[import]]\nprovider = \"smosale\"\ncategories = \
                  [\"Tele*\"]\nexclude = [\"*TEST*\", \"x\"]\nids_from = 1\n";

    let text = LEAST.replace(
        "[[provider]]",
        "price_jump_percent = \"12.5\"\n[[provider]]",
    );

    let (before, _) = text.split_once("[[service]]").unwrap();
    let file = read(&format!("{before}{blocks}")).unwrap();
    let [all, some] = &file.mapping.imports[..] else {
        panic!("{:?}", file.mapping.imports)
    };

    assert_eq!(
        (all.provider.0.as_str(), all.ids_from, all.categories.len()),
        ("smosale", 2_000_000_000, 0)
    );

    assert_eq!(
        (&some.categories[..], &some.exclude[..], some.ids_from),
        (&["Tele*".into()][..], &["*TEST*".into(), "x".into()][..], 1)
    );

    assert_eq!(file.mapping.price_jump, Percent::parse("12.5").unwrap());
    assert!(
        !file
            .notes
            .iter()
            .any(|note| note.contains("no service is routed")),
        "{:?}",
        file.notes
    );
}

#[test]
fn a_panel_is_asked_as_its_block_says() {
    let block = "dialect = \"notpanel\"\nmethod = \"GET\"\nservices_offset = true\n";
    let provider = read(&LEAST.replace("[[service]]", &format!("{block}[[service]]")))
        .unwrap()
        .mapping
        .providers[0]
        .clone();

    assert_eq!(
        (provider.dialect, provider.method),
        (PanelDialect::Notpanel, AskMethod::Get)
    );

    assert!(provider.services_offset && provider.asking.refill);
    let file = read(&LEAST.replace("[[service]]", "dialect = \"paynow\"\n[[service]]")).unwrap();
    let provider = &file.mapping.providers[0];
    assert_eq!(
        (provider.dialect, provider.method),
        (PanelDialect::Paynow, AskMethod::Post)
    );

    assert!(!provider.services_offset && !provider.asking.refill);
    let note = "provider \"smosale\": dialect \"paynow\" has no refills; services that only it \
                delivers offer none";

    assert!(
        file.notes.iter().any(|told| told == note),
        "{:?}",
        file.notes
    );
}

#[test]
fn everything_that_is_built_is_read() {
    let text = LEAST
        .replace("key_env = \"SMOSALE_KEY\"", "key_file = \"keys/smosale\"\nallow_http = true\ntimeout_ms = 5_000\nstatus_batch_max = 50")
        .replace("https:", "http:")
        .replace("[[service]]", "words = { \"Under Review\" = \"in_progress\", \"NO CREDIT\" = \"money\" }\n[[service]]\ntype = \"custom_comments_package\"\npackage_billing = \"min\"")
        + "[alerts]\nurl_env = \"ALERT_WEBHOOK\"\n[[markup]]\npercent = \"-2.5\"\n[[markup]]\ncategory = \"Tele*\"\npercent = \"18\"\nfixed = \"0.02\"\nrounding = \"up:0.0001\"\n[margin]\nfloor_percent = \"0\"\n[limits]\nper_key_per_minute = 5\n[[tier]]\nid = \"reseller\"\nper_minute = 5000\n[[provider]]\nid = \"spare\"\nurl = \"http://[::1]:8099/api\"\nkey_env = \"SPARE\"\ncurrency = \"USD\"\nbalance_low = \"50.5\"\n";

    let File {
        mapping,
        alerts,
        notes,
        ..
    } = read(&text).unwrap();

    let provider = &mapping.providers[0];
    assert_eq!(
        provider.key,
        KeySource::File("/etc/panelgate/keys/smosale".into())
    );

    assert_eq!(
        (provider.timeout_ms, provider.status_batch_max),
        (5_000, 50)
    );

    assert_eq!(
        provider.words.get("under review"),
        Some(&PanelWord::Status(PanelStatus::InProgress))
    );

    assert_eq!(
        provider.words.get("no credit"),
        Some(&PanelWord::Refusal(RefusalClass::Money))
    );

    assert_eq!(
        mapping.services[0].kind,
        Some(ServiceType::CustomCommentsPackage)
    );

    assert_eq!(mapping.services[0].package_billing, PackageBilling::Min);
    let shown: Vec<String> = mapping.markups.iter().map(ToString::to_string).collect();
    let telegram = "markup of category \"Tele*\": 18 % + 0.02, up to a multiple of 0.0001";
    assert_eq!(
        (shown[0].as_str(), shown[1].as_str()),
        ("markup of all: -2.5 %", telegram)
    );

    assert_eq!(mapping.markups[0].scope, Scope::default());
    assert_eq!(mapping.margin_floor, Percent::default());
    assert_eq!(
        (provider.balance_low, mapping.providers[1].balance_low),
        (None, Some(Money::parse("50.5").unwrap()))
    );

    assert_eq!(
        (alerts.url_env.as_deref(), alerts.secret_env.as_deref()),
        (Some("ALERT_WEBHOOK"), None)
    );

    assert_eq!(
        notes,
        [
            "provider \"spare\": no service is routed to it",
            "[alerts] has no secret_env: the webhook is told without a signature",
        ]
    );

    let tiers: Vec<_> = mapping
        .limits
        .tiers
        .iter()
        .map(|(id, most)| (id.as_str(), *most))
        .collect();

    assert_eq!(
        (mapping.limits.per_address, mapping.limits.per_key),
        (3_000, 5)
    );

    assert_eq!(tiers, [("reseller", 5_000), ("standard", 1_000)]);
}

#[test]
fn the_hash_is_of_the_bytes() {
    // sha256 of the least file's text, from another implementation.
    assert_eq!(read(LEAST).unwrap().mapping.hash.0, "bd1fcf871751");
    assert_ne!(
        read(&format!("{LEAST}# a word\n")).unwrap().mapping.hash.0,
        "bd1fcf871751"
    );
}

#[test]
fn an_end_that_waits_for_less_than_a_panel_may_take_is_told() {
    let told = |drain_s: u32| {
        let file = read(&format!("{LEAST}[server]\ndrain_s = {drain_s}\n")).unwrap();
        file.notes
            .into_iter()
            .filter(|note| note.contains("drain_s"))
            .collect::<Vec<_>>()
    };

    let below = told(30);
    assert!(
        below.len() == 1 && below[0].contains("timeout_ms = 30000"),
        "{below:?}"
    );

    assert_eq!(told(31), Vec::<String>::new());
    assert!(
        read(LEAST)
            .unwrap()
            .notes
            .iter()
            .all(|note| !note.contains("drain_s"))
    );
}

#[test]
fn the_environment_beats_the_file_which_beats_the_default() {
    let text = format!(
        "{LEAST}[server]\nlisten = \"0.0.0.0:80\"\ndrain_s = 3\nroles = \
         [\"api\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\n[telemetry]\nformat = \"json\"\n"
    );

    let variables = environment(&[
        ("PANELGATE__SERVER__DRAIN_S", "007"),
        ("PANELGATE__SERVER__ROLES", "workers, console"),
        (
            "PANELGATE__DATABASE__URL",
            "postgres://user:hidden@db/books",
        ),
        ("PANELGATE__TELEMETRY__LEVEL", ""),
        ("PANELGATE_POSTGRES_BIN", "/usr/bin"),
        ("HOME", "/root"),
    ]);

    let file = config::read(&text, Path::new(""), &variables).unwrap();
    let server = &file.process.server;
    assert_eq!(
        (server.listen.to_string().as_str(), server.drain_s),
        ("0.0.0.0:80", Some(7))
    );

    assert_eq!(server.roles, [Role::Workers, Role::Console]);
    assert_eq!(
        (
            server.trusted_proxies[0].address.to_string().as_str(),
            server.trusted_proxies[0].prefix_bits
        ),
        ("10.0.0.0", 8)
    );

    assert_eq!(
        (
            file.process.telemetry.format,
            file.process.telemetry.level.as_str()
        ),
        (LogFormat::Json, "info")
    );

    let url = file.process.database.url.as_ref().unwrap();
    assert_eq!(url.expose_secret(), "postgres://user:hidden@db/books");
    assert!(
        !format!("{file:?}").contains("hidden"),
        "a password is not printed"
    );
}

#[test]
fn wrong_variables_are_told_by_name_and_before_the_file() {
    let variables = environment(&[
        ("PANELGATE__SERVER__DRAIN", "5"),
        ("PANELGATE__SERVER__DRAIN_S", "5s"),
        ("PANELGATE__SERVER__ROLES", "api,worker"),
        ("PANELGATE__GATEWAY__CURRENCY", "EUR"),
        ("panelgate__server__listen", "127.0.0.1:1"),
        ("PANELGATE__DATABASE__URL", "mysql://user:hidden@db"),
    ]);

    let told = config::read("[gateway]\ncurrency = 1\n", Path::new(""), &variables).unwrap_err();
    insta::assert_snapshot!(told, @r##"
    environment: PANELGATE__DATABASE__URL: must begin with postgres:// or postgresql://
    environment: PANELGATE__GATEWAY__CURRENCY: names no setting; unset it; only [server], [database] and [telemetry] can be set here
    environment: PANELGATE__SERVER__DRAIN: names no setting; did you mean PANELGATE__SERVER__DRAIN_S?
    environment: PANELGATE__SERVER__DRAIN_S: is "5s", must be a whole number from 0 to 600
    environment: PANELGATE__SERVER__ROLES: "worker" is no role; roles are api, workers, console
    environment: panelgate__server__listen: names no setting; did you mean PANELGATE__SERVER__LISTEN?
    providers.toml:2:12: gateway: currency: is an integer, must be text in quotes
    "##);
}

#[test]
fn files_that_cannot_be_read_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("providers.toml");
    let load = || config::load(&path, &BTreeMap::new());
    assert!(matches!(load(), Err(ConfigError::Unreadable(_, _))));
    std::fs::write(&path, b"[gateway]\ncurrency = \"\xff\"").unwrap();
    assert!(matches!(load(), Err(ConfigError::NotUtf8(_, 2))));

    std::fs::write(&path, "#".repeat(4 * 1024 * 1024 + 1)).unwrap();
    assert!(matches!(load(), Err(ConfigError::TooLarge(_))));
    std::fs::write(&path, "oops = 1\n").unwrap();
    let told = load().unwrap_err().to_string();
    assert!(
        told.starts_with(&format!("{}:1:1: ", path.display())),
        "{told}"
    );

    std::fs::write(
        &path,
        LEAST.replace("key_env = \"SMOSALE_KEY\"", "key_file = \"smosale.key\""),
    )
    .unwrap();

    std::fs::write(
        folder.path().join("smosale.key"),
        "  abc123 \nsecond line\n",
    )
    .unwrap();

    let file = load().unwrap();
    let secret = config::read_secret(&file.mapping.providers[0], &BTreeMap::new()).unwrap();
    assert_eq!(secret.expose_secret(), "abc123");
}

#[test]
fn a_panels_key_is_found_or_missed_by_name() {
    let provider = &read(LEAST).unwrap().mapping.providers[0];
    let secret =
        |value: &str| config::read_secret(provider, &environment(&[("SMOSALE_KEY", value)]));
    assert_eq!(secret("abc123\n").unwrap().expose_secret(), "abc123");
    let missing = config::read_secret(provider, &BTreeMap::new())
        .unwrap_err()
        .to_string();

    assert_eq!(
        missing,
        "provider \"smosale\": environment variable SMOSALE_KEY is not set in the environment of \
         this process; set it there to the panel's key and start it again, or name a key_file"
    );

    let blank = secret("hidden hidden").unwrap_err().to_string();
    assert!(
        blank.starts_with(
            "provider \"smosale\": environment variable SMOSALE_KEY does not hold a key"
        ),
        "{blank}"
    );

    assert!(!blank.contains("hidden"));
    let mut elsewhere = provider.clone();
    elsewhere.key = KeySource::File("/nowhere/key".into());
    let unreadable = config::read_secret(&elsewhere, &BTreeMap::new())
        .unwrap_err()
        .to_string();

    assert!(
        unreadable.starts_with("provider \"smosale\": key file /nowhere/key cannot be read"),
        "{unreadable}"
    );
}

#[test]
fn the_webhook_is_found_or_missed_by_name() {
    let settings = AlertSettings {
        url_env: Some("HOOK".into()),
        secret_env: Some("SECRET".into()),
    };

    let webhook = |variables: &[(&str, &str)]| {
        config::webhook(&settings, &environment(variables), Duration::from_secs(1))
            .map_err(|error| error.to_string())
    };

    let (url, secret) = ("http://10.0.0.7:8080/hidden", "whsec_aGlkZGVuaGlkZGVu");
    let found = webhook(&[("HOOK", url), ("SECRET", secret)])
        .unwrap()
        .unwrap();

    assert!(
        !format!("{found:?}").contains("hidden"),
        "neither address nor secret are printed"
    );

    assert!(
        config::webhook(&AlertSettings::default(), &BTreeMap::new(), Duration::ZERO)
            .unwrap()
            .is_none()
    );

    let cases: [(&[(&str, &str)], &str); 6] = [
        (
            &[("SECRET", secret)],
            "alerts: environment variable HOOK is not set; set it to the webhook's address",
        ),
        (
            &[("HOOK", ""), ("SECRET", secret)],
            "alerts: environment variable HOOK is not set; set it to the webhook's address",
        ),
        (
            &[("HOOK", url)],
            "alerts: environment variable SECRET is not set; set it to the webhook's secret",
        ),
        (
            &[("HOOK", "ftp://hidden"), ("SECRET", secret)],
            "alerts: environment variable HOOK must be an http or https address, such as https://alerts.example/panelgate",
        ),
        (
            &[("HOOK", url), ("SECRET", "whsec_hidden!")],
            "alerts: environment variable SECRET begins with whsec_, and what follows is not base64",
        ),
        (
            &[("HOOK", url), ("SECRET", "hidden hidden")],
            "alerts: environment variable SECRET must be one line of printable text without blanks",
        ),
    ];

    for (variables, told) in cases {
        assert_eq!(webhook(variables).unwrap_err(), told);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_read_or_complained_about(text in "\\PC{0,200}") {
        if let Err(told) = read(&text) {
            prop_assert!(!told.all().is_empty());
        }
    }

    /// The shipped file with a piece cut out and another put in: nearer to what a hand slips into.
    #[test]
    fn any_slip_of_the_hand_is_read_or_complained_about(
        at in 0..SHIPPED.len(), cut in 0..60_usize, put in "[\\[\\]{}=\"'.,#\\n a-z0-9é_-]{0,12}",
    ) {
        let mut at = at;
        while !SHIPPED.is_char_boundary(at) {
            at -= 1;
        }

        let mut end = (at + cut).min(SHIPPED.len());
        while !SHIPPED.is_char_boundary(end) {
            end -= 1;
        }

        let text = format!("{}{put}{}", &SHIPPED[..at], &SHIPPED[end.max(at)..]);
        let lines = text.lines().count() + 1;

        if let Err(told) = read(&text) {
            let mut shown = String::new();
            write!(shown, "{told}").unwrap();
            prop_assert_eq!(shown.lines().count(), told.all().len());
            prop_assert!(told.all().iter().all(|one| (1..=lines).contains(&one.line) && one.column > 0));
        }
    }
}
