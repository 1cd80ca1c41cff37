//! `[server]`, `[database]`, `[telemetry]`: how this process runs; the environment beats the file.
//!
//! Each setting is checked where it was written, because only there a complaint can say where; then
//! the `config` crate lays defaults, file and environment over one another.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use config::{Config, ConfigBuilder, ConfigError, Environment, Value, builder::DefaultState};

use crate::config::complaint::{ComplaintCollector, nearest, shown};
use crate::config::reader::Section;
use crate::config::settings::{ProcessSettings, Role, items, network};

/// What every variable that overrides a setting begins with; `__` parts section and name.
const PREFIX: &str = "PANELGATE";
const SEPARATOR: &str = "__";

/// One setting: its place, what it takes, and what it is when nobody says.
struct Setting {
    section: &'static str,
    name: &'static str,
    kind: ValueKind,
    default: Option<&'static str>,
}

#[derive(Clone)]
enum ValueKind {
    Address,
    Folder,
    Roles,
    Networks,
    Whole(RangeInclusive<i64>),
    Word(&'static [&'static str]),
    Url(&'static [&'static str]),
}

const CONNECTIONS: ValueKind = ValueKind::Whole(1..=500);

const SETTINGS: [Setting; 13] = [
    setting(
        "server",
        "listen",
        ValueKind::Address,
        Some("127.0.0.1:8080"),
    ),
    setting(
        "server",
        "console",
        ValueKind::Address,
        Some("127.0.0.1:8081"),
    ),
    setting("server", "data", ValueKind::Folder, None),
    setting(
        "server",
        "roles",
        ValueKind::Roles,
        Some("api,workers,console"),
    ),
    setting("server", "trusted_proxies", ValueKind::Networks, Some("")),
    setting("server", "drain_s", ValueKind::Whole(0..=600), None),
    setting(
        "database",
        "url",
        ValueKind::Url(&["postgres://", "postgresql://"]),
        None,
    ),
    setting("database", "customers_max", CONNECTIONS, Some("16")),
    setting("database", "workers_max", CONNECTIONS, Some("8")),
    setting("database", "console_max", CONNECTIONS, Some("4")),
    setting(
        "telemetry",
        "format",
        ValueKind::Word(&["text", "json"]),
        Some("text"),
    ),
    setting(
        "telemetry",
        "level",
        ValueKind::Word(&["error", "warn", "info", "debug", "trace"]),
        Some("info"),
    ),
    setting(
        "telemetry",
        "otlp_endpoint",
        ValueKind::Url(&["http://", "https://"]),
        None,
    ),
];

const fn setting(
    section: &'static str,
    name: &'static str,
    kind: ValueKind,
    default: Option<&'static str>,
) -> Setting {
    Setting {
        section,
        name,
        kind,
        default,
    }
}

impl Setting {
    fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    fn variable(&self) -> String {
        [PREFIX, self.section, self.name]
            .join(SEPARATOR)
            .to_uppercase()
    }
}

/// Complains about every variable with our prefix that names no setting, or gives one what it does
/// not take.
pub(super) fn check_environment(
    told: &ComplaintCollector<'_>,
    surroundings: &BTreeMap<String, String>,
) {
    for (variable, value) in overrides(surroundings) {
        let Some(setting) = SETTINGS
            .iter()
            .find(|setting| setting.variable() == *variable)
        else {
            // Compared without the prefix, which would make everything alike.
            let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
            let start = PREFIX.len() + SEPARATOR.len();
            let name = variable.get(start..).unwrap_or_default();

            let hint = match nearest(name, known.iter().map(|known| &known[start..])) {
                Some(name) => format!("did you mean {PREFIX}{SEPARATOR}{name}?"),
                None => {
                    "unset it; only [server], [database] and [telemetry] can be set here".to_owned()
                }
            };

            told.say_of_environment(format!("{variable}: names no setting; {hint}"));
            continue;
        };

        if let Err(what) = check(&setting.kind, value) {
            told.say_of_environment(format!("{variable}: {what}"));
        }
    }
}

/// The variables with our prefix; one that is set but empty counts as unset, which is how compose
/// files unset them.
fn overrides(surroundings: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    let prefix = format!("{PREFIX}{SEPARATOR}");
    let ours = move |variable: &str| variable.to_uppercase().starts_with(&prefix);
    surroundings
        .iter()
        .filter(move |(variable, value)| ours(variable) && !value.is_empty())
}

/// The file's own values, checked where they stand.
pub(super) fn check_file(top: &mut Section<'_>) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for name in ["server", "database", "telemetry"] {
        let Some(mut section) = top.table(name) else {
            continue;
        };

        for setting in SETTINGS.iter().filter(|setting| setting.section == name) {
            values.extend(written(&mut section, setting).map(|value| (setting.path(), value)));
        }
        section.finish();
    }

    values
}

fn written(section: &mut Section<'_>, setting: &Setting) -> Option<Value> {
    match &setting.kind {
        ValueKind::Whole(bounds) => section
            .whole::<i64>(setting.name, bounds.clone())
            .map(Value::from),
        ValueKind::Roles | ValueKind::Networks => {
            let texts = section.texts(setting.name)?;
            let mut right = true;

            for text in &texts {
                if let Err(what) = check(&setting.kind, text.value) {
                    section.complain(setting.name, text.at, &what);
                    right = false;
                }
            }

            let joined = texts
                .iter()
                .map(|text| text.value)
                .collect::<Vec<_>>()
                .join(",");

            if let (true, Err(what)) = (texts.is_empty(), check(&setting.kind, &joined)) {
                section.complain_whole(&format!("{}: {what}", setting.name));
                right = false;
            }

            right.then(|| Value::from(joined))
        }
        ValueKind::Address | ValueKind::Folder | ValueKind::Word(_) | ValueKind::Url(_) => {
            let found = section.text(setting.name)?;
            match check(&setting.kind, found.value) {
                Ok(()) => return Some(Value::from(found.value)),
                Err(what) => section.complain(setting.name, found.at, &what),
            }

            None
        }
    }
}

fn check(kind: &ValueKind, text: &str) -> Result<(), String> {
    match kind {
        ValueKind::Address => text.parse::<SocketAddr>().map(drop).map_err(|_| {
            format!(
                "is {}, must be an address with a port, such as \"127.0.0.1:8080\"",
                shown(text)
            )
        }),
        ValueKind::Folder if text.is_empty() => Err("is empty, must be a folder".to_owned()),
        ValueKind::Folder => Ok(()),
        ValueKind::Roles if items(text).next().is_none() => {
            Err("is empty, must name one of api, workers, console".to_owned())
        }
        ValueKind::Roles => items(text).try_for_each(|item| Role::from_str(item).map(drop)),
        ValueKind::Networks => items(text).try_for_each(|item| network(item).map(drop)),
        ValueKind::Whole(bounds)
            if text
                .parse::<i64>()
                .is_ok_and(|number| bounds.contains(&number)) =>
        {
            Ok(())
        }
        ValueKind::Whole(bounds) => Err(format!(
            "is {}, must be a whole number from {} to {}",
            shown(text),
            bounds.start(),
            bounds.end()
        )),
        ValueKind::Word(words) if words.contains(&text) => Ok(()),
        ValueKind::Word(words) => Err(format!(
            "is {}, must be one of: {}",
            shown(text),
            words.join(", ")
        )),
        // Not repeated in the complaint: a URL may hold a password.
        ValueKind::Url(beginnings) if beginnings.iter().any(|scheme| text.starts_with(scheme)) => {
            Ok(())
        }
        ValueKind::Url(beginnings) => Err(format!("must begin with {}", beginnings.join(" or "))),
    }
}

/// Lays the defaults, the file's checked values and the environment over one another.
pub(super) fn resolve(
    values: Vec<(String, Value)>,
    surroundings: &BTreeMap<String, String>,
) -> Result<ProcessSettings, ConfigError> {
    let defaults = SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.path(), Value::from(setting.default?))));

    // The file's values replace defaults of the same path; sources, here the environment, beat
    // both.
    let lay = |builder: ConfigBuilder<DefaultState>, (path, value): (String, Value)| {
        builder.set_default(path, value)
    };

    let builder = defaults.chain(values).try_fold(Config::builder(), lay)?;
    let ours: HashMap<String, String> = overrides(surroundings)
        .map(|(variable, value)| (variable.clone(), value.clone()))
        .collect();

    let environment = Environment::with_prefix(PREFIX)
        .prefix_separator(SEPARATOR)
        .separator(SEPARATOR);

    builder
        .add_source(environment.source(Some(ours)))
        .build()?
        .try_deserialize()
}
