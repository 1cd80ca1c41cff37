//! What a process is told about itself: doors, database, telemetry.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use crate::config::complaint::shown;
use crate::domain::network::Network;

/// How this process runs.
#[derive(Clone, Debug, Deserialize)]
pub struct ProcessSettings {
    /// The doors.
    pub server: ServerSettings,
    /// Our database.
    pub database: DatabaseSettings,
    /// What is told to the operator's tools.
    pub telemetry: TelemetrySettings,
}

impl ProcessSettings {
    /// The tables in which another file says otherwise; only a restart changes what they say.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let shown =
            |url: &Option<SecretString>| url.as_ref().map(|url| url.expose_secret().to_owned());
        let (ours, theirs) = (&self.server, &other.server);
        let server = (
            ours.listen,
            ours.console,
            &ours.data,
            &ours.roles,
            &ours.trusted_proxies,
            ours.drain_s,
        ) != (
            theirs.listen,
            theirs.console,
            &theirs.data,
            &theirs.roles,
            &theirs.trusted_proxies,
            theirs.drain_s,
        );

        let (ours, theirs) = (&self.database, &other.database);
        let database = (
            shown(&ours.url),
            ours.customers_max,
            ours.workers_max,
            ours.console_max,
        ) != (
            shown(&theirs.url),
            theirs.customers_max,
            theirs.workers_max,
            theirs.console_max,
        );

        let (ours, theirs) = (&self.telemetry, &other.telemetry);
        let telemetry = (ours.format, &ours.level, &ours.otlp_endpoint)
            != (theirs.format, &theirs.level, &theirs.otlp_endpoint);

        let tables = [
            (server, "[server]"),
            (database, "[database]"),
            (telemetry, "[telemetry]"),
        ];

        tables
            .into_iter()
            .filter(|(differs, _)| *differs)
            .map(|(_, table)| table)
            .collect()
    }
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
pub struct ServerSettings {
    /// Where customers are heard.
    pub listen: SocketAddr,
    /// Where operators are heard.
    pub console: SocketAddr,
    /// The data folder; relative ones start at the working folder. `None`: the usual place.
    pub data: Option<PathBuf>,
    /// What this process does; never empty.
    #[serde(deserialize_with = "listed")]
    pub roles: Vec<Role>,
    /// Whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<Network>,
    /// How long calls may take to end after SIGTERM, in seconds. `None`: as long as the slowest
    /// panel may take for an order, and somewhat more.
    pub drain_s: Option<u64>,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
pub struct DatabaseSettings {
    /// A given server; it may hold a password. `None`: the private one.
    #[serde(default, deserialize_with = "hidden")]
    pub url: Option<SecretString>,
    /// Connections for customers' requests.
    pub customers_max: u32,
    /// Connections for workers.
    pub workers_max: u32,
    /// Connections for the console.
    pub console_max: u32,
}

/// `[telemetry]`
#[derive(Clone, Debug, Deserialize)]
pub struct TelemetrySettings {
    /// How a line of the log is written.
    pub format: LogFormat,
    /// The least that is worth a line: error, warn, info, debug or trace.
    pub level: String,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
}

/// Something that a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers customers.
    Api,
    /// Asks panels and settles.
    Workers,
    /// Answers operators.
    Console,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a machine.
    Json,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "api" => Ok(Self::Api),
            "workers" => Ok(Self::Workers),
            "console" => Ok(Self::Console),
            _ => Err(format!(
                "{} is no role; roles are api, workers, console",
                shown(text)
            )),
        }
    }
}

/// A network, or what is wrong with it.
pub(super) fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|why| format!("{} {why}", shown(text)))
}

/// The items of a list that is written with commas.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn listed<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
    given: D,
) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(given)?;
    items(&text)
        .map(T::from_str)
        .collect::<Result<_, _>>()
        .map_err(de::Error::custom)
}

fn networks<'de, D: Deserializer<'de>>(given: D) -> Result<Vec<Network>, D::Error> {
    let text = String::deserialize(given)?;
    items(&text)
        .map(network)
        .collect::<Result<_, _>>()
        .map_err(de::Error::custom)
}

fn hidden<'de, D: Deserializer<'de>>(given: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(given)?.map(SecretString::from))
}
