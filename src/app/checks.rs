//! What is looked at before a process serves: clocks, doors, a frozen dispatch, lost tiers.

use std::net::SocketAddr;

use anyhow::Context;
use chrono::TimeDelta;

use crate::catalog::mapping::Mapping;
use crate::reload;
use crate::store::{Store, customers, gates};

/// A machine whose clock is so far from the database's is not started.
const CLOCK_OFF_MAX: TimeDelta = TimeDelta::seconds(30);

/// Customers whose tier the file does not name count as standard, which nobody may have meant.
pub(super) async fn tell_of_lost_tiers(store: &Store, mapping: &Mapping) -> anyhow::Result<()> {
    for tier in customers::list_tiers(store).await? {
        if !mapping.limits.tiers.contains_key(&tier) {
            tracing::warn!(
                tier,
                "the file has no [[tier]] with this id; its customers count as standard"
            );
        }
    }

    Ok(())
}

/// Refuses a machine whose clock is far from the database's, and tells of one that is not quite
/// right. Orders and money go by the database's clock; logs, certificates and files go by the
/// machine's, and one of the two is wrong.
pub fn check_clock(store: &Store) -> anyhow::Result<()> {
    let ahead = store.clock().machine_is_ahead();
    let (seconds, way) = (
        rounded_s(ahead.abs()),
        if ahead < TimeDelta::zero() {
            "behind"
        } else {
            "ahead of"
        },
    );

    anyhow::ensure!(
        ahead.abs() < CLOCK_OFF_MAX,
        "this machine's clock is {seconds} s {way} the database's; one of the two is wrong: set \
         it right (NTP), then start again"
    );

    if ahead.abs() >= reload::CLOCK_OFF_MIN {
        tracing::warn!(
            seconds,
            "this machine's clock is {way} the database's, by which everything goes: set it right \
             (NTP)"
        );
    }

    Ok(())
}

pub(super) fn rounded_s(span: TimeDelta) -> i64 {
    (span + TimeDelta::milliseconds(500)).num_seconds()
}

/// A freeze outlives the process that saw it begin, and a restored backup begins with one.
pub(super) async fn tell_of_freeze(store: &Store) -> anyhow::Result<()> {
    if let Some(since) = gates::frozen_since(store).await? {
        tracing::warn!(
            %since, "dispatch is frozen: no order goes to any panel; look at `panelgate order list --state review`, \
             then `panelgate dispatch thaw`, both for the database of this gateway (--data, \
             --database-url)"
        );
    }

    Ok(())
}

/// Whether the addresses are free, asked before anything is done that a process in vain would leave
/// behind.
pub fn can_listen(addresses: [Option<SocketAddr>; 2]) -> anyhow::Result<()> {
    for address in addresses.into_iter().flatten() {
        std::net::TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address}; choose another with --listen or --console")
        })?;
    }

    Ok(())
}
