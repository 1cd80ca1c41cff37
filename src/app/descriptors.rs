//! How many files and connections this process may have open, and what keeps some of them when
//! strangers come with more connections than there are.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::app::App;
use crate::downstream::Limits;

/// Files, the log, signals, the runtime's own, and what a command beside us needs.
const FOR_FILES: usize = 64;
/// Connections to receivers of alerts, and those of the door that only tells of health.
const FOR_OTHERS: usize = 48;
/// A panel's calls in flight have a connection each; so many more rest between two questions.
const RESTING_PER_CALL: usize = 2;
/// The share of all descriptors that panels may keep at most, where there are many panels and few
/// descriptors: their calls wait for one another, a customer who finds no place does not.
const PANELS_SHARE: usize = 4;
/// What a system that names no limit, or one beyond what it grants, is asked for.
const MODEST: rlim_t = 10_240;
/// With no more descriptors than this, a person is told at the start.
const FEW: usize = 1_024;

/// Connections of the door that only tells of health.
pub(super) const HEALTH_DOOR_MAX: usize = 32;

/// Raises the number of files that may be open to the most that the system grants without asking.
pub fn raise() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };

    if soft >= hard {
        return;
    }

    // Some systems call it infinite and grant less.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, MODEST.min(hard), hard));

    if let Err(error) = raised {
        tracing::warn!(%error, soft, hard, "the limit of open files could not be raised");
    }
}

/// The door's limits, by what this house keeps for its database and its panels.
pub(super) fn door_limits(house: &App) -> Limits {
    let descriptors = limit();
    let kept = kept_for(house, descriptors);
    let limits = Limits::default().within(descriptors, kept);

    let (connections_max, per_address_max) =
        (limits.connections_max, limits.connections_per_address_max);

    if descriptors <= FEW {
        tracing::warn!(
            descriptors,
            connections_max,
            per_address_max,
            "few files may be open, and so few customers connected; raise the limit \
             (`LimitNOFILE`, `ulimit -n`)"
        );
    } else {
        tracing::info!(
            descriptors,
            connections_max,
            per_address_max,
            "what this process may have open"
        );
    }

    limits
}

fn limit() -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(MODEST, |(soft, _)| soft);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

fn kept_for(house: &App, descriptors: usize) -> usize {
    let roll = house.roll.now();
    let calls = roll
        .iter()
        .map(|listed| listed.panel.settings().concurrent_max as usize)
        .sum::<usize>();

    let panels = (calls * RESTING_PER_CALL).min(descriptors / PANELS_SHARE);
    FOR_FILES + FOR_OTHERS + house.store.connections_max() + panels
}
