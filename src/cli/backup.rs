//! `backup` and `restore`: the database into a file, and out of it into an empty one.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::answer::CommandOutcome;
use crate::cli::session::{Session, postgres_bin};
use crate::orders::restored;
use crate::store::doubts::RESTORE;
use crate::store::{dump, load};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The backup's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn backup(session: &Session, options: &Options) -> anyhow::Result<CommandOutcome> {
    let at = session.now();
    let dumped = dump::write_dump(&session.store, postgres_bin().as_deref(), &options.file).await?;
    let (file, held) = (options.file.display(), dumped.contents);
    let newest = held
        .newest
        .map_or_else(|| "none".to_owned(), |id| id.to_string());

    let text = format!(
        "{file}: {} bytes, as of {at}\ncustomers {}, orders {}, newest order {newest}",
        dumped.bytes, held.customers, held.orders
    );

    let json = json!({
        "file": options.file,
        "bytes": dumped.bytes,
        "at": at,
        "customers": held.customers,
        "orders": held.orders,
        "newest_order": held.newest.map(|id| id.0),
    });

    Ok(CommandOutcome::new(text, json))
}

pub async fn restore(session: &Session, options: &Options) -> anyhow::Result<CommandOutcome> {
    let now = session.now();
    let mut tx = load::read_file(
        &session.store,
        postgres_bin().as_deref(),
        &options.file,
        now,
    )
    .await?;

    let restored = restored::settle_in(&mut tx, now).await?;
    session
        .note(&mut tx, RESTORE, &options.file.display().to_string())
        .await?;

    tx.commit().await?;
    let held = restored.contents;
    let newest = held
        .newest
        .map_or_else(|| "none".to_owned(), |id| id.to_string());

    let panelgate = session.globals.again();
    let text = format!(
        "customers {}, orders {}, newest order {newest}; the next order's id is {}\nlegs put in \
         doubt: {}\nwhat customers bought after the backup is not known here, their request_ids \
         included: the same request sent again buys again\ndispatch is frozen; look at \
         `{panelgate} order list --state review`, then `{panelgate} dispatch thaw`",
        held.customers, held.orders, restored.first_id, restored.doubted
    );

    let json = json!({
        "customers": held.customers,
        "orders": held.orders,
        "newest_order": held.newest.map(|id| id.0),
        "first_order": restored.first_id.0,
        "in_doubt": restored.doubted,
        "frozen": true,
    });

    Ok(CommandOutcome::new(text, json))
}
