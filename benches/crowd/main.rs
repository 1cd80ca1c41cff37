//! What customers notice of a crowd at the door: thousands of connections that say nothing or
//! hardly anything, floods of addresses and of keys; and what the gateway's memory says.
//!
//! `cargo bench --bench crowd` starts a gateway of its own on loopback, with a private PostgreSQL
//! and a simulated panel, and prints a table; it takes about a minute and a half. Everybody shares
//! the machine with the gateway.

mod crowd;
mod gateway;
mod others;

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;

use crate::crowd::{Connections, Flood};
use crate::gateway::Gateway;
use crate::others::{Heard, Others};

/// How long customers are listened to beside each crowd: connections that say nothing are closed
/// after ten seconds.
const SPAN: Duration = Duration::from_secs(8);
/// Connections that say nothing, and those that send a byte now and then.
const FEW: usize = 64;
const MANY: usize = 10_000;
const SLOW: usize = 2_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    panelgate::app::raise_descriptors();
    let gateway = Gateway::start().await?;
    let others = Others::of(&gateway)?;
    others.ask_for(Duration::from_secs(2)).await?;

    say("beside what                 p50 µs   p99 µs   max µs   asked  failed   memory MB  crowd")?;
    tell("nothing", &others.ask_for(SPAN).await?, &gateway, "")?;

    for (name, many) in [
        ("64 idle connections", FEW),
        ("10,000 idle connections", MANY),
    ] {
        let idle = Connections::idle(gateway.addr, many).await?;
        let heard = others.ask_for(SPAN).await?;
        tell(name, &heard, &gateway, &format!("{} open", idle.len()))?;
    }

    let slow = Connections::slow(gateway.addr, SLOW).await?;
    let heard = others.ask_for(SPAN).await?;

    tell(
        "2,000 slow connections",
        &heard,
        &gateway,
        &format!("{} open", slow.len()),
    )?;

    drop(slow);
    for (name, flood) in [
        ("a flood of addresses", Flood::OfAddresses),
        ("a flood of keys", Flood::OfKeys),
    ] {
        let flood = flood.begin(gateway.addr);
        let heard = others.ask_for(SPAN).await?;
        let rate = u64::from(flood.end().await) / SPAN.as_secs();
        tell(name, &heard, &gateway, &format!("{rate} requests/s"))?;
    }

    tell("nothing again", &others.ask_for(SPAN).await?, &gateway, "")?;
    gateway.end().await
}

fn tell(beside: &str, heard: &Heard, gateway: &Gateway, crowd: &str) -> anyhow::Result<()> {
    let [half, most, all] = [50, 99, 100].map(|percent| heard.within(percent).as_micros());
    let (asked, failed) = (heard.took.len(), heard.failed);
    let memory = gateway.memory_mb().context("the gateway's memory")?;
    say(&format!(
        "{beside:<26} {half:>7}  {most:>7}  {all:>7}  {asked:>6}  {failed:>6}   {memory:>9}  \
         {crowd}"
    ))
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
