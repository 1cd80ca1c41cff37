//! `dispatch`: all sending of orders, stopped and let go on by a person.

use serde_json::json;

use crate::cli::answer::CommandOutcome;
use crate::cli::session::Session;
use crate::store::gates;

#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum Command {
    /// Send no orders to any panel; everything else goes on
    Freeze,
    /// Send orders again
    Thaw,
}

pub async fn run(session: &Session, command: Command) -> anyhow::Result<CommandOutcome> {
    let (frozen, verb) = match command {
        Command::Freeze => (true, "dispatch freeze"),
        Command::Thaw => (false, "dispatch thaw"),
    };

    let mut tx = session.store.begin().await?;
    let changed = gates::freeze_sending(&mut tx, frozen, session.now()).await?;
    if changed {
        session.note(&mut tx, verb, "dispatch").await?;
    }

    tx.commit().await?;
    let text = match (frozen, changed) {
        (true, true) => {
            "no orders go to any panel any more; calls that are out end; statuses are asked for as \
             before"
        }
        (true, false) => "dispatch was frozen already",
        (false, true) => "orders go to panels again",
        (false, false) => "dispatch was not frozen",
    };

    Ok(CommandOutcome::new(
        text,
        json!({ "frozen": frozen, "changed": changed }),
    ))
}
