//! `panel-sim`: a simulated panel, until it is told to end.

use std::net::SocketAddr;
use std::sync::Arc;

use panel_sim::{
    DELIVERY_S_DEFAULT, Dialect, Faults, Habits, Settings, Simulator, SystemClock, currency_of,
};

use crate::cli::answer::{self, CommandOutcome, WrongUse};
use crate::cli::serve::Signals;
use crate::domain::money::Money;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where it listens
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The dialect that it speaks: classic, paynow or notpanel
    #[arg(long, value_name = "D", default_value = "classic")]
    dialect: String,
    /// What its chance starts from: the same seed misbehaves the same way
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Faults of adds: drop, 502, html, half, hang, slow, wrong_id, duplicate; of requests of
    /// every kind: unread, 429 (with Retry-After), 403 (suspended); each alone, as drop=0.1,
    /// or as hang*3 for the next three; and skim=1.5, which takes so many percent more than
    /// the charge that it tells
    #[arg(long, value_name = "SPEC", default_value = "")]
    faults: String,
    /// In what it is unlike its documents, such as get,parts=500,currency=EUR; a wrong name lists
    /// them all
    #[arg(long, value_name = "SPEC", default_value = "")]
    habits: String,
    /// What our account there holds
    #[arg(long, value_name = "AMOUNT", default_value = "1000.00")]
    balance: String,
    /// The key that it accepts
    #[arg(long, value_name = "KEY", default_value = "sim-key")]
    key: String,
    /// Services beside the built-in ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    services: u32,
}

pub async fn run(options: Options) -> anyhow::Result<CommandOutcome> {
    crate::telemetry::quiet();
    let dialect = Dialect::from_word(&options.dialect).ok_or_else(|| {
        let known = Dialect::ALL.map(Dialect::as_str).join(", ");
        WrongUse::because(format!(
            "--dialect {:?} is not known; there are: {known}",
            options.dialect
        ))
    })?;

    let faults: Faults = options
        .faults
        .parse()
        .map_err(|why| WrongUse::because(format!("--faults: {why}")))?;

    let habits: Habits = options
        .habits
        .parse()
        .map_err(|why| WrongUse::because(format!("--habits: {why}")))?;

    let balance = Money::parse(&options.balance)
        .map_err(|why| WrongUse::because(format!("--balance {why}")))?;

    let settings = Settings {
        listen: options.listen,
        key: options.key,
        dialect,
        currency: currency_of(dialect),
        seed: options.seed,
        faults,
        habits,
        balance: balance.decimal(),
        services_extra: options.services,
        delivery_s: DELIVERY_S_DEFAULT,
    };

    let simulator = Simulator::start(settings, Arc::new(SystemClock)).await?;
    answer::announce(&simulator.url());
    Signals::listen()?.told_to_end(None).await;
    simulator.stop().await;

    Ok(CommandOutcome::silent())
}
