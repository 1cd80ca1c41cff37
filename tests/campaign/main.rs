//! The kill campaign: real gateways and their database are killed while customers buy and panels
//! misbehave; then the books of everyone are laid side by side.
//!
//! `cargo test` runs the short form; the long one has the same code and other numbers:
//! `cargo test --release --test campaign -- --orders 10000 --kills 200 --freezes 40 --cuts 20
//! --database-kills 20`
//!
//! Beside kills, gateways are stopped in their tracks and let go on, ways to the database break
//! with a purchase on them or fall silent, workers panic, crowds besiege doors, and gateways are
//! started on machines whose clocks are wrong, whose logs fail and where few files may be open.
//! Whatever a person must hear of is heard, and all workers are at work in the end.
//!
//! The seed decides what is bought, which `add` goes wrong how, who is killed and at which count of
//! events; what the machine does in between differs from run to run.

mod amount;
mod clients;
mod closing;
mod database;
mod evidence;
mod forgeries;
mod judge;
mod killer;
mod nodes;
mod plan;
mod processes;
#[path = "../it/proxy.rs"]
mod proxy;
#[path = "../it/receiver.rs"]
mod receiver;
mod relay;
mod scratch;
mod table;
mod troubles;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::watch;

use crate::clients::Clients;
use crate::closing::House;
use crate::database::Database;
use crate::evidence::Evidence;
use crate::killer::Killer;
use crate::nodes::Nodes;
use crate::plan::{Asked, Plan};
use crate::processes::Ground;
use crate::proxy::Proxy;
use crate::receiver::{Manner, Receiver};
use crate::scratch::Scratch;
use crate::table::Figures;

/// How long anything that must happen may take, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often something that happens by itself is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Complaints that are printed; one bug may touch every order.
const COMPLAINTS_MAX: usize = 40;

fn main() -> ExitCode {
    let plan = match plan::read(std::env::args().skip(1)) {
        Ok(Asked::Run(plan)) => Arc::new(plan),
        Ok(Asked::Nothing(why)) => {
            table::say(&why);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            table::say(&format!("campaign: {error:#}"));
            return ExitCode::from(2);
        }
    };

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");

    match runtime.block_on(run(&plan)) {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            table::say(&format!(
                "THE CAMPAIGN FAILED: {} complaints, seed {}",
                complaints.len(),
                plan.seed
            ));

            complaints
                .iter()
                .take(COMPLAINTS_MAX)
                .for_each(|complaint| table::say(&format!("  {complaint}")));

            ExitCode::FAILURE
        }
        Err(error) => {
            table::say(&format!(
                "THE CAMPAIGN BROKE OFF, seed {}: {error:#}",
                plan.seed
            ));
            ExitCode::FAILURE
        }
    }
}

/// Everything, from an empty folder to the verdict; what was started is ended whichever way this
/// returns.
async fn run(plan: &Arc<Plan>) -> anyhow::Result<Vec<String>> {
    let began = Instant::now();
    let scratch = Arc::new(Scratch::open(plan.keep)?);
    let database = Database::open(scratch.folder()).await?;
    let way = Proxy::to(database.options());
    let receiver = Receiver::start(Manner::Takes).await;
    let (direct, broken) = (
        database::url(&database.options())?,
        database::url(&way.options())?,
    );

    let ground = Ground::new(&scratch, direct, broken, receiver.url())?;
    let house = House::build(plan, ground).await?;
    let between = Between {
        way: &way,
        receiver: &receiver,
    };

    let outcome = Box::pin(fight(plan, &house, &database, &between)).await;
    database.close().await;
    house.close().await;
    let (evidence, mut complaints, mut figures) = outcome?;
    complaints.extend(judge::complaints(&evidence));
    let forged = forgeries::trial(&evidence);
    complaints.extend(
        forged
            .missed
            .iter()
            .map(|name| format!("the judge overlooks a forgery: {name}")),
    );

    figures.judged(&evidence, &forged, complaints.len(), began.elapsed());
    table::print(plan, &figures);
    Ok(complaints)
}

/// What stands between the gateways and others: their way to the database, and who hears of their
/// alerts.
struct Between<'a> {
    way: &'a Proxy,
    receiver: &'a Receiver,
}

/// The campaign itself: customers and killer at once, then rest, then everyone's books.
async fn fight(
    plan: &Arc<Plan>,
    house: &House,
    database: &Database,
    between: &Between<'_>,
) -> anyhow::Result<(Evidence, Vec<String>, Figures)> {
    let (nodes, mut keepers) = Nodes::start(&house.ground, plan);
    let (gate, events_done) = watch::channel(0);
    let asks = Arc::new(AtomicU64::new(0));
    let clients = Clients::start(plan, &nodes, &house.customers, asks.clone(), &events_done)?;
    let mut killer = Killer::new(plan, house, database, between, asks);
    let struck = tokio::select! {
        struck = killer.run(&nodes, &gate) => struck,
        ended = keepers.one_ended() => Err(ended),
    };

    struck.context("the killer")?;
    let told = tokio::select! {
        told = clients.join() => told?,
        ended = keepers.one_ended() => return Err(ended),
    };

    let mut complaints = told.complaints;
    killer.strikes.without_log = nodes.without_log();
    killer.hear_of_logs().await?;
    let evidence = closing::evidence(plan, house, database, (nodes, keepers), told.answers).await?;
    complaints.extend(house.audit().await?);
    let figures = Figures::of(plan, &told.counts, &killer.strikes);

    Ok((evidence, complaints, figures))
}

/// Looks until there is something to see; an error when patience ends.
async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while began.elapsed() < PATIENCE {
        looks.tick().await;
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
    }

    bail!("waited {} s in vain: {what}", PATIENCE.as_secs())
}
