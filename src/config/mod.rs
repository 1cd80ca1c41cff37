//! Settings: the operator's `providers.toml`, read strictly; everything that is wrong with it is
//! told at once.

mod added;
mod alerts;
mod complaint;
mod exchange;
mod gateway;
mod import;
mod markup;
mod masked;
mod plain;
mod process;
mod provider;
mod provider_words;
mod reader;
mod secret;
mod service;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::DeTable;

use crate::catalog::mapping::Mapping;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::id::ConfigHash;
use crate::domain::provider::ProviderSettings;

pub use added::{NewService, with_services};
pub use alerts::{AlertSettings, AlertsError, webhook};
pub use complaint::{Complaint, Complaints, did_you_mean, shown};
pub use masked::mask_secrets;
pub use secret::{SecretError, read_secret};
pub use settings::{
    DatabaseSettings, LogFormat, ProcessSettings, Role, ServerSettings, TelemetrySettings,
};

use complaint::ComplaintCollector;
use exchange::Currencies;
use masked::lines_with_secrets;
use reader::Section;

/// The largest file: 5,000 services with five routes each take under 2 MiB.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of the hash that are kept: 12 hex digits tell versions apart and still fit a log line.
const HASH_BYTES: usize = 6;

/// A configuration file, read and found right.
pub struct File {
    /// What decides what is sold and who delivers it.
    pub mapping: Arc<Mapping>,
    /// Who is told what needs a person.
    pub alerts: AlertSettings,
    /// How this process runs; the environment has spoken.
    pub process: ProcessSettings,
    /// What is right and yet worth a word at start.
    pub notes: Vec<String>,
    /// The text as it was read; its `[database] url` may hold a password.
    pub text: String,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mapping,
            alerts,
            process,
            notes,
            text: _,
        } = self;

        let mut shown = f.debug_struct("File");
        shown
            .field("mapping", mapping)
            .field("alerts", alerts)
            .field("process", process)
            .field("notes", notes)
            .finish_non_exhaustive()
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {1}; name the configuration file with --config FILE",
        path = .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// There is a folder of that name.
    #[error("{path} is a folder; name the file in it", path = .0.display())]
    Folder(PathBuf),
    /// The file is larger than [`FILE_BYTES_MAX`].
    #[error("{path} is larger than {FILE_BYTES_MAX} bytes; is it the right file?",
        path = .0.display())]
    TooLarge(PathBuf),
    /// The file is not text.
    #[error("{path}:{1}: the line is not UTF-8; save the file as UTF-8", path = .0.display())]
    NotUtf8(PathBuf, usize),
    /// The file, or a variable that overrides it, says what it must not.
    #[error("{0}")]
    Wrong(#[from] Complaints),
}

/// The environment as settings see it: variables that are not UTF-8 are no settings of ours.
pub fn surroundings() -> BTreeMap<String, String> {
    let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(utf8).collect()
}

/// Reads the file at `path`.
pub fn load(path: &Path, surroundings: &BTreeMap<String, String>) -> Result<File, ConfigError> {
    let bytes = bytes(path).map_err(|error| {
        if error.kind() == io::ErrorKind::IsADirectory {
            return ConfigError::Folder(path.to_owned());
        }
        ConfigError::Unreadable(path.to_owned(), error)
    })?;

    parse(path, bytes, surroundings, SystemClock.now().date_naive())
}

/// How the process runs, from a file of which nothing else is asked: its other tables may say what
/// they like.
pub fn load_process(
    path: &Path,
    surroundings: &BTreeMap<String, String>,
) -> Result<ProcessSettings, ConfigError> {
    let bytes = bytes(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(process_of(&text, surroundings)
        .map_err(|complaints| complaints.about(path.display().to_string()))?)
}

/// How the process runs by a text's own tables for that and what overrides them; by the latter
/// alone when it is empty.
pub fn process_of(
    text: &str,
    surroundings: &BTreeMap<String, String>,
) -> Result<ProcessSettings, Complaints> {
    let told = ComplaintCollector::about(text);
    process::check_environment(&told, surroundings);
    let parsed = parse_toml(&told, text);
    let values =
        parsed.map(|document| process::check_file(&mut Section::top(&told, document.get_ref())));

    match (told.complaints(), values) {
        (None, Some(values)) => process::resolve(values, surroundings)
            .map_err(|error| Complaints::one(&error.to_string())),
        (None, None) => Err(Complaints::one(
            "cannot be read, and nothing in it is wrong",
        )),
        (Some(complaints), _) => Err(complaints),
    }
}

/// The bytes of the file at `path`, at most one more than a file may have.
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    plain::open_plain(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the bytes of the file at `path` as they are judged on a day, from which on exchange rates
/// may be too old.
pub fn parse(
    path: &Path,
    bytes: Vec<u8>,
    surroundings: &BTreeMap<String, String>,
    today: NaiveDate,
) -> Result<File, ConfigError> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }

    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ConfigError::NotUtf8(path.to_owned(), good.split(|byte| *byte == b'\n').count())
    })?;

    let folder = path.parent().unwrap_or(Path::new(""));
    if let Some(complaints) = told_secrets(&text) {
        return Err(complaints.about(path.display().to_string()).into());
    }

    Ok(read_on(&text, folder, surroundings, Some(today))
        .map_err(|complaints| complaints.about(path.display().to_string()))?)
}

/// The text of a file is kept in the history and in backups, so nothing secret may stand in it, not
/// even in a comment.
fn told_secrets(text: &str) -> Option<Complaints> {
    let told = ComplaintCollector::about(text);
    for at in lines_with_secrets(text) {
        told.say(
            at,
            "holds a password or a key, and this file's text is kept in the history and in \
             backups: take it out, here and wherever it was copied to; a key's place is named in \
             key_env or key_file, and a database's URL with a password goes into DATABASE_URL"
                .to_owned(),
        );
    }

    told.complaints()
}

/// Reads a text that was published as `providers.toml`, wherever that was; relative key files start
/// at `folder`.
pub fn read(
    text: &str,
    folder: &Path,
    surroundings: &BTreeMap<String, String>,
) -> Result<File, Complaints> {
    read_on(text, folder, surroundings, None)
}

/// The same as a file of this machine on a day: exchange rates may be too old by then, and a
/// `ca_file` must be here.
pub fn read_on(
    text: &str,
    folder: &Path,
    surroundings: &BTreeMap<String, String>,
    today: Option<NaiveDate>,
) -> Result<File, Complaints> {
    let told = ComplaintCollector::about(text);
    process::check_environment(&told, surroundings);
    let mut notes = Vec::new();

    let read = parse_toml(&told, text).and_then(|document| {
        let mut top = Section::top(&told, document.get_ref());
        let values = process::check_file(&mut top);
        let mapping = mapping(&mut top, text, folder, today, &mut notes);
        let alerts = alerts::read(&mut top, &mut notes);
        top.finish();
        Some((mapping?, alerts, values))
    });

    if let Some(complaints) = told.complaints() {
        return Err(complaints);
    }

    let (mapping, alerts, values) =
        read.ok_or_else(|| Complaints::one("cannot be read, and nothing in it is wrong"))?;
    let process = process::resolve(values, surroundings)
        .map_err(|error| Complaints::one(&error.to_string()))?;

    if process.telemetry.otlp_endpoint.is_some() {
        notes.push("accepted, not used yet: [telemetry] otlp_endpoint".to_owned());
    }

    notes.extend(
        mapping
            .providers
            .iter()
            .filter(|provider| provider.is_asked_again_unproven())
            .map(unproven),
    );

    notes.extend(
        process
            .server
            .drain_s
            .and_then(|drain_s| drains_too_soon(drain_s, &mapping.providers)),
    );

    Ok(File {
        mapping: Arc::new(mapping),
        alerts,
        process,
        notes,
        text: text.to_owned(),
    })
}

/// What a person is told whose gateway ends before its slowest panel must have answered.
fn drains_too_soon(drain_s: u64, providers: &[ProviderSettings]) -> Option<String> {
    let slowest = providers
        .iter()
        .max_by_key(|provider| provider.timeout_ms)?;

    let (id, timeout_ms) = (&slowest.id, slowest.timeout_ms);
    (drain_s.saturating_mul(1_000) <= timeout_ms).then(|| {
        format!(
            "[server] drain_s = {drain_s} is no longer than timeout_ms = {timeout_ms} of provider \
             \"{id}\": an order that is on its way there when the process ends may be in doubt; \
             leave drain_s out, or set it higher"
        )
    })
}

/// What a person is told of a panel of which nothing says that it knows adds by their names.
fn unproven(provider: &ProviderSettings) -> String {
    let id = &provider.id;
    format!(
        "provider \"{id}\": dialect notpanel without honours_request_id = true: its doubts go by \
         the other checks until `panelgate provider prove {id}` shows that it answers a \
         request_id twice with one order"
    )
}

fn parse_toml<'t>(told: &ComplaintCollector<'_>, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        told.say(
            at,
            format!(
                "this is not TOML: {}",
                not_toml(text, at).unwrap_or(error.message())
            ),
        );
    });

    parsed.ok()
}

/// Why a text is no TOML at a byte, where the reader's own words would not help.
fn not_toml(text: &str, at: usize) -> Option<&'static str> {
    let rest = text.get(at..).unwrap_or_default();
    let line = text
        .get(..at)
        .unwrap_or_default()
        .rsplit('\n')
        .next()
        .unwrap_or_default();

    if text.contains('\0') {
        return Some(
            "it holds NUL bytes; it was not written to its end, or is no text: put a good copy \
             back",
        );
    }

    if rest.starts_with(['“', '”', '„', '‘', '’', '«']) {
        return Some("these are quotes of a word processor; write plain ones, \"…\"");
    }

    ["<<<<<<<", "=======", ">>>>>>>"]
        .iter()
        .any(|mark| line.starts_with(mark))
        .then_some(
            "it holds the marks of a merge that was not finished; decide for one side, and remove \
             the marks",
        )
}

fn mapping(
    top: &mut Section<'_>,
    text: &str,
    folder: &Path,
    today: Option<NaiveDate>,
    notes: &mut Vec<String>,
) -> Option<Mapping> {
    let gateway = gateway::gateway(top);
    let currency = gateway
        .as_ref()
        .and_then(|gateway| gateway.currency.as_deref());

    let exchange = exchange::read(top, currency, today, notes);
    let currencies = Currencies {
        gateways: currency,
        rates: &exchange,
    };

    let (providers, ids) = provider::read_all(
        top,
        currencies,
        provider::FileLocation {
            folder,
            ours: today.is_some(),
        },
    );

    let services = service::read_all(top, &ids, notes);
    let imports = import::read_all(top, &ids);
    let limits = gateway::limits(top);

    let known = markup::KnownNames {
        services: &services,
        providers: &ids,
        tiers: &limits.tiers,
    };

    let markups = markup::read_all(top, &known, notes);
    let margin_floor = markup::margin_floor(top);

    let routed: BTreeSet<&str> = services
        .iter()
        .flat_map(|service| &service.routes)
        .map(|route| route.provider.0.as_str())
        .collect();

    let imported = |id: &str| imports.iter().any(|import| import.provider.0 == id);
    let unused = ids
        .into_iter()
        .filter(|id| !routed.contains(id) && !imported(id));

    notes.extend(unused.map(|id| format!("provider \"{id}\": no service is routed to it")));
    let without_refills = providers
        .iter()
        .filter(|provider| !provider.dialect.has_refills());

    notes.extend(without_refills.map(|provider| {
        let (id, dialect) = (&provider.id, provider.dialect.as_str());
        format!(
            "provider \"{id}\": dialect \"{dialect}\" has no refills; services that only it \
             delivers offer none"
        )
    }));

    let gateway::GatewaySection {
        currency,
        default_dialect,
        refills_max,
        price_jump,
        reload,
    } = gateway?;

    Some(Mapping {
        hash: hash(text.as_bytes()),
        currency: currency?,
        default_dialect,
        refills_max,
        providers,
        services,
        imports,
        markups,
        margin_floor: margin_floor?,
        price_jump: price_jump?,
        limits,
        reload,
    })
}

/// The hash under which a text is known: of its bytes, whatever they are.
pub fn hash(bytes: &[u8]) -> ConfigHash {
    let digest = Sha256::digest(bytes);
    ConfigHash(
        digest
            .iter()
            .take(HASH_BYTES)
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
    )
}
