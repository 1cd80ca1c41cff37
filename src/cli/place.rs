//! Which database a command speaks to, decided in one place for all of them.
//!
//! A flag beats `DATABASE_URL` and the `PANELGATE__…` variables, they beat what the configuration
//! file says, and without any of these it is the private database of the usual folder. A server
//! beats a folder, unless the folder was typed.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::cli::answer::{self, WrongUse};
use crate::cli::{Command, Globals, check, customer};
use crate::config::{self, ProcessSettings};
use crate::store::embedded::{Embedded, default_data_dir};

/// Names a server that every command speaks to.
const URL_VARIABLE: &str = "DATABASE_URL";

/// The database that a command speaks to.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// A given server.
    Server(SecretString),
    /// The private one of a data folder.
    Private(PathBuf),
}

impl DatabaseTarget {
    /// Where a command finds its database that asks the configuration file for nothing else. A file
    /// that cannot be read keeps no such command from its work; that it was not asked is said.
    pub fn of(globals: &Globals) -> anyhow::Result<Self> {
        if let Some(place) = Self::typed(globals)? {
            return Ok(place);
        }

        if let Some(url) = url_variable() {
            return Ok(Self::Server(url));
        }

        let surroundings = config::surroundings();
        let unwritten = config::process_of("", &surroundings).map_err(config::ConfigError::from)?;
        if unwritten.database.url.is_some() {
            return Ok(Self::by(&unwritten));
        }

        let path = check::file(globals);
        if globals.config.is_none() && !path.exists() {
            return Ok(Self::by(&unwritten));
        }

        match config::load_process(&path, &surroundings) {
            Ok(settings) => Ok(Self::by(&settings)),
            Err(error) => {
                let place = Self::by(&unwritten);
                answer::note(&format!(
                    "{} may name another database and was not heard; this is about {}: {error}",
                    path.display(),
                    place.words()
                ));

                Ok(place)
            }
        }
    }

    /// The same for a command that has read its file.
    pub fn by_file(globals: &Globals, settings: &ProcessSettings) -> anyhow::Result<Self> {
        if let Some(place) = Self::typed(globals)? {
            return Ok(place);
        }
        Ok(url_variable().map_or_else(|| Self::by(settings), Self::Server))
    }

    /// As the flags say, where one does.
    fn typed(globals: &Globals) -> anyhow::Result<Option<Self>> {
        match (
            globals
                .database_url
                .as_deref()
                .filter(|url| !url.is_empty()),
            &globals.data,
        ) {
            (Some(_), Some(_)) => Err(WrongUse::because(
                "--database-url and --data name two databases; leave out the one that is not meant",
            )),
            (Some(url), None) => Ok(Some(Self::Server(url.into()))),
            (None, data) => Ok(data.clone().map(Self::Private)),
        }
    }

    fn by(settings: &ProcessSettings) -> Self {
        match &settings.database.url {
            Some(url) => Self::Server(url.clone()),
            None => Self::Private(
                settings
                    .server
                    .data
                    .clone()
                    .unwrap_or_else(default_data_dir),
            ),
        }
    }

    /// Whether opening it would make no new database.
    pub fn is_made(&self) -> bool {
        match self {
            Self::Server(_) => true,
            Self::Private(data) => Embedded::is_made(data),
        }
    }

    /// Refuses a command that has nothing to say of a database that was never made: it is the wrong
    /// one, then.
    pub fn must_be_made(&self) -> anyhow::Result<()> {
        if self.is_made() {
            return Ok(());
        }

        anyhow::bail!(
            "there is no database yet: {} was never made. Name the one that is meant with --data \
             DIR, --database-url URL, or --config FILE, whose [database] url or [server] data \
             says where; or begin: `panelgate serve` makes one, and so does `panelgate migrate`",
            self.words()
        )
    }

    /// Which it is, for people; a server without what may be a password.
    pub fn words(&self) -> String {
        match self {
            Self::Server(url) => match url.expose_secret().rsplit_once('@') {
                // What stands before may be a password.
                Some((_, server)) => format!("the database at {server}"),
                None => "the database of that URL".to_owned(),
            },
            Self::Private(data) => format!("the private database in {}", data.display()),
        }
    }
}

/// Whether a command is the first that may be typed on a new machine.
pub fn may_make(command: &Command) -> bool {
    matches!(
        command,
        Command::Migrate
            | Command::Restore(_)
            | Command::Customer(customer::Command::Create { .. })
    )
}

/// The server that the environment names; set but empty is unset.
fn url_variable() -> Option<SecretString> {
    std::env::var(URL_VARIABLE)
        .ok()
        .filter(|url| !url.is_empty())
        .map(Into::into)
}
