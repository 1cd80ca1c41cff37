//! The commands: what is typed, what is printed, and with which code the process ends.

mod alert;
mod answer;
mod apply;
mod backup;
mod balance;
mod catalog;
mod check;
mod config;
mod customer;
mod demo;
mod dispatch;
mod import;
mod in_force;
mod key;
mod ledger;
mod moves;
mod order;
mod panel_sim;
mod place;
mod plan;
mod provider;
mod provider_list;
mod provider_probe;
mod provider_prove;
mod replace;
mod rollback;
mod serve;
mod session;
mod traffic;
mod treasury;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::cli::place::DatabaseTarget;
use crate::cli::session::Session;

/// The gateway a reseller runs between v2 API customers and upstream SMM panels.
#[derive(Debug, Parser)]
#[command(
    name = "panelgate",
    version,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
struct Globals {
    /// The data folder, with the private database
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL server to use instead of the private one; without flags, the variable
    /// DATABASE_URL names one
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The configuration file [default: ./providers.toml, where a command needs it]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Why something is changed; kept with the change
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Who changes something; the system user unless said
    #[arg(long = "as", global = true, value_name = "NAME")]
    by: Option<String>,
}

impl Globals {
    /// How another command is typed that is to speak of the same database and the same file.
    fn again(&self) -> String {
        let mut typed = "panelgate".to_owned();
        if let Some(data) = &self.data {
            typed = typed + " --data " + &quoted(data);
        }

        if self.database_url.is_some() {
            // Not repeated: it may hold a password.
            typed.push_str(" --database-url URL");
        }

        if let Some(file) = &self.config {
            typed = typed + " --config " + &quoted(file);
        }

        typed
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,:=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: a private database, a simulated panel for each dialect, a customer with money, and
    /// the gateway
    Demo(demo::Options),
    /// Run the gateway
    Serve(serve::Options),
    /// Validate the configuration file: everything that is wrong, with line and column
    Check,
    /// Show what the configuration file would change: services, prices, margins, panels, open
    /// orders, and its dangers
    Plan,
    /// Make running gateways use the configuration file, dangerous edits included
    Apply,
    /// Make running gateways go back to an earlier configuration, and write it to the file
    Rollback(rollback::Options),
    /// What was in force, what was refused, and what waits
    #[command(subcommand)]
    Config(config::Command),
    /// Bring the database's schema up to date
    Migrate,
    /// Open, list, suspend and trust customers
    #[command(subcommand)]
    Customer(customer::Command),
    /// Make, set, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Move money into wallets
    #[command(subcommand)]
    Balance(balance::Command),
    /// What moved in a customer's wallet
    Statement(balance::StatementOptions),
    /// Look at orders, and decide those in doubt
    #[command(subcommand)]
    Order(order::Command),
    /// What is sold, what moved, and reading the panels' catalogs again
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Look at what needs a person
    #[command(subcommand)]
    Alert(alert::Command),
    /// Look at panels; stop and resume sending to one
    #[command(subcommand)]
    Provider(provider::Command),
    /// What panels hold of our money, for how long it lasts, and what is missing
    #[command(subcommand)]
    Treasury(treasury::Command),
    /// Stop and resume all sending
    #[command(subcommand)]
    Dispatch(dispatch::Command),
    /// Copy the database into a file, beside a running gateway
    Backup(backup::Options),
    /// Put a backup into an empty database; dispatch stays frozen until thawed
    Restore(backup::Options),
    /// Prove the books
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Move in from an earlier panel
    #[command(subcommand)]
    Import(import::Command),
    /// Run a simulated panel
    PanelSim(panel_sim::Options),
}

/// How long the end of the process waits for threads that nobody needs any more.
const STRAGGLERS_MAX: Duration = Duration::from_millis(500);

/// Where customers and operators are served.
#[derive(Clone, Copy, Debug, Default, Args)]
struct Addresses {
    /// Where customers are served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where operators are served; today only /healthz [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    console: Option<SocketAddr>,
}

/// Runs what was typed. 0: done; 1: refused or failed; 2: wrong use or an invalid configuration.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return answer::fail(&error.into()),
    };

    // Also when it ends by a panic.
    let _last_lines = LastLines;

    let ended = match runtime.block_on(obey(cli.globals.clone(), cli.command)) {
        Ok(answer) => answer.print(cli.globals.json),
        Err(error) => answer::fail(&error),
    };

    // A name that is looked up in vain keeps its thread for half a minute, and a file on a disk
    // that hangs for ever.
    runtime.shutdown_timeout(STRAGGLERS_MAX);

    ended
}

/// Dropped, it waits a moment for the log's last lines.
struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        crate::telemetry::finish_logging();
    }
}

async fn obey(globals: Globals, command: Command) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Demo(options) => return Box::pin(demo::run(globals, options)).await,
        Command::Serve(options) => return Box::pin(serve::run(globals, options)).await,
        Command::Check => return check::run(&globals),
        Command::Plan => return plan::run(globals).await,
        Command::PanelSim(options) => return panel_sim::run(options).await,
        Command::Provider(provider::Command::Probe(options)) => {
            return provider_probe::run(options).await;
        }
        Command::Migrate
        | Command::Apply
        | Command::Rollback(_)
        | Command::Config(_)
        | Command::Customer(_)
        | Command::Key(_)
        | Command::Balance(_)
        | Command::Statement(_)
        | Command::Order(_)
        | Command::Catalog(_)
        | Command::Alert(_)
        | Command::Provider(_)
        | Command::Treasury(_)
        | Command::Dispatch(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Ledger(_)
        | Command::Import(_) => {}
    }

    crate::telemetry::quiet();
    let place = DatabaseTarget::of(&globals)?;
    if !place::may_make(&command) {
        place.must_be_made()?;
    }

    let made = if place.is_made() {
        None
    } else {
        Some(place.words())
    };

    let session = Session::open(globals, &place).await?;
    let answer = with_database(&session, command, made).await;
    session.close().await;

    answer
}

/// The schema is brought up to date wherever a database is opened; `made` is the one that was not
/// there before.
fn migrated(made: Option<&str>) -> CommandOutcome {
    let up_to_date = "the schema is up to date";
    let text = made.map_or_else(String::new, |place| format!("made {place}\n")) + up_to_date;
    CommandOutcome::new(text, json!({ "done": up_to_date, "made": made.is_some() }))
}

async fn with_database(
    session: &Session,
    command: Command,
    made: Option<String>,
) -> anyhow::Result<CommandOutcome> {
    match command {
        Command::Migrate => Ok(migrated(made.as_deref())),
        Command::Apply => apply::run(session).await,
        Command::Rollback(options) => rollback::run(session, options).await,
        Command::Config(command) => config::run(session, command).await,
        Command::Customer(command) => customer::run(session, command).await,
        Command::Key(command) => key::run(session, command).await,
        Command::Balance(command) => balance::run(session, command).await,
        Command::Statement(options) => balance::statement(session, &options).await,
        Command::Order(command) => order::run(session, command).await,
        Command::Catalog(command) => catalog::run(session, command).await,
        Command::Alert(command) => alert::run(session, command).await,
        Command::Provider(command) => provider::run(session, command).await,
        Command::Treasury(command) => treasury::run(session, command).await,
        Command::Dispatch(command) => dispatch::run(session, command).await,
        Command::Backup(options) => backup::backup(session, &options).await,
        Command::Restore(options) => backup::restore(session, &options).await,
        Command::Ledger(command) => ledger::run(session, command).await,
        Command::Import(command) => import::run(session, command).await,
        Command::Demo(_)
        | Command::Serve(_)
        | Command::Check
        | Command::Plan
        | Command::PanelSim(_) => Err(WrongUse::because("this command opens its database itself")),
    }
}
