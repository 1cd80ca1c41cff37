//! Panels' keys: found where the file says they are, when the gateway starts.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::config::plain;
use crate::domain::id::ProviderId;
use crate::domain::provider::{KeySource, ProviderSettings};

/// The most that is read of a key file; keys have a few dozen bytes.
const KEY_FILE_BYTES_MAX: u64 = 4_096;

/// Why a panel's key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not there.
    #[error(
        "provider \"{0}\": environment variable {1} is not set in the environment of this \
         process; set it there to the panel's key and start it again, or name a key_file"
    )]
    NotSet(ProviderId, String),
    /// The file cannot be read.
    #[error("provider \"{0}\": key file {path} cannot be read: {2}", path = .1.display())]
    Unreadable(ProviderId, PathBuf, #[source] io::Error),
    /// What is there cannot be a key.
    #[error(
        "provider \"{0}\": {1} does not hold a key: it must be one line of printable text without \
         blanks"
    )]
    NotAKey(ProviderId, String),
}

/// A panel's key, from the environment variable or the first line of the file that its block names.
pub fn read_secret(
    provider: &ProviderSettings,
    surroundings: &BTreeMap<String, String>,
) -> Result<SecretString, SecretError> {
    let (text, place) = match &provider.key {
        KeySource::Env(variable) => {
            let unset = || SecretError::NotSet(provider.id.clone(), variable.clone());
            (
                surroundings.get(variable).ok_or_else(unset)?.clone(),
                format!("environment variable {variable}"),
            )
        }
        KeySource::File(path) => {
            let unreadable =
                |error| SecretError::Unreadable(provider.id.clone(), path.clone(), error);
            (
                first_line(path).map_err(unreadable)?,
                format!("key file {}", path.display()),
            )
        }
    };

    let key = text.trim();
    if key.is_empty() || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(SecretError::NotAKey(provider.id.clone(), place));
    }

    Ok(SecretString::from(key))
}

fn first_line(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    plain::open_plain(path)?
        .take(KEY_FILE_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
