//! A command's own time with the database: joined or started, brought up to date, and let go again.

use std::path::PathBuf;

use anyhow::Context;
use secrecy::ExposeSecret;

use crate::cli::Globals;
use crate::cli::answer::WrongUse;
use crate::cli::place::DatabaseTarget;
use crate::domain::clock::{Clock, Timestamp};
use crate::store::customers::{self, CustomerRow};
use crate::store::embedded::{Embedded, Manners};
use crate::store::{COMMAND_MAX, Store, StoreError, Tx, providers};

/// A command with its database.
pub struct Session {
    /// What was typed.
    pub globals: Globals,
    /// The database.
    pub store: Store,
    embedded: Option<Embedded>,
}

impl Session {
    /// Opens the database, for a command that asks and ends.
    pub async fn open(globals: Globals, place: &DatabaseTarget) -> anyhow::Result<Self> {
        Self::open_for(globals, place, COMMAND_MAX, COMMAND_MAX).await
    }

    /// Opens the database, for so many connections of customers and of workers.
    pub async fn open_for(
        globals: Globals,
        place: &DatabaseTarget,
        customers_max: u32,
        workers_max: u32,
    ) -> anyhow::Result<Self> {
        let (store, embedded) = open_database(place, customers_max, workers_max).await?;
        Ok(Self {
            globals,
            store,
            embedded,
        })
    }

    /// Lets the database go; a private one that was started for this command is stopped.
    pub async fn close(self) {
        self.store.close().await;
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }

    /// The private database, where it is that.
    pub fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// The present moment, by the database's clock.
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// The customer of that id or name.
    pub async fn customer(&self, who: &str) -> anyhow::Result<CustomerRow> {
        let found = customers::find_customer(&self.store, who).await?;
        found.with_context(|| {
            format!(
                "no customer {who:?}; `{} customer list` shows all",
                self.globals.again()
            )
        })
    }

    /// The panel of that id, which the database must know: of one that is mistyped there is nothing
    /// bad to tell.
    pub async fn panel(&self, id: &str) -> anyhow::Result<()> {
        let known = providers::list_providers(&self.store)
            .await?
            .iter()
            .any(|row| row.id.0 == id);

        anyhow::ensure!(
            known,
            "no panel {id:?}; `{} provider list` shows all",
            self.globals.again()
        );

        Ok(())
    }

    /// Why something is changed, as it was typed.
    pub fn reason(&self) -> &str {
        &self.globals.reason
    }

    /// Who changes something.
    pub fn by(&self) -> String {
        self.globals.by.clone().unwrap_or_else(system_user)
    }

    /// Writes down who changes what, in the change's own transaction.
    pub async fn note(&self, tx: &mut Tx, verb: &str, object: &str) -> Result<(), StoreError> {
        customers::note_deed(
            tx,
            &self.by(),
            verb,
            object,
            &self.globals.reason,
            self.now(),
        )
        .await
    }
}

fn system_user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .ok()
        .flatten();

    user.map_or_else(
        || nix::unistd::Uid::effective().to_string(),
        |user| user.name,
    )
}

/// The folder of PostgreSQL's programs, where the operator names one.
pub fn postgres_bin() -> Option<PathBuf> {
    std::env::var_os("PANELGATE_POSTGRES_BIN").map(Into::into)
}

/// The given server, or the private one of the data folder; its schema brought up to date.
pub async fn open_database(
    place: &DatabaseTarget,
    customers_max: u32,
    workers_max: u32,
) -> anyhow::Result<(Store, Option<Embedded>)> {
    let (options, embedded) = match place {
        DatabaseTarget::Server(url) => {
            let options = Store::options_of(url.expose_secret()).map_err(|_| {
                WrongUse::because(
                    "the database URL is none; it looks like postgres://user@host/name",
                )
            })?;

            (options, None)
        }
        DatabaseTarget::Private(data) => {
            let embedded = Embedded::open(data, Manners::durable(postgres_bin())).await?;
            (embedded.connect_options(), Some(embedded))
        }
    };

    let store = Store::open(&options, customers_max, workers_max);
    if let Err(error) = make_ready(&store).await {
        store.close().await;
        if let Some(embedded) = embedded {
            embedded.stop().await;
        }
        return Err(error.into());
    }

    Ok((store, embedded))
}

/// Nothing is asked of a database before it was looked at.
async fn make_ready(store: &Store) -> Result<(), StoreError> {
    store.check().await?;
    store.migrate().await
}
