//! What a process is told about itself: doors, database, telemetry.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use crate::config::complaint::shown;

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
    #[serde(deserialize_with = "listed")]
    pub trusted_proxies: Vec<Network>,
    /// How long calls may take to end after SIGTERM, in seconds.
    pub drain_s: u64,
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

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// One of them.
    pub address: IpAddr,
    /// How many leading bits they share.
    pub prefix_bits: u8,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "api" => Ok(Self::Api),
            "workers" => Ok(Self::Workers),
            "console" => Ok(Self::Console),
            _ => Err(format!("{} is no role; roles are api, workers, console", shown(text))),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{} is no network; write for example \"10.0.0.0/8\" or \"127.0.0.1\"", shown(text));
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(bits_max), |bits| bits.parse().map_err(|_| bad()))?;
        if prefix_bits > bits_max { Err(bad()) } else { Ok(Self { address, prefix_bits }) }
    }
}

/// The items of a list that is written with commas.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn listed<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(given: D) -> Result<Vec<T>, D::Error> {
    let text = String::deserialize(given)?;
    items(&text).map(T::from_str).collect::<Result<_, _>>().map_err(de::Error::custom)
}

fn hidden<'de, D: Deserializer<'de>>(given: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(given)?.map(SecretString::from))
}
