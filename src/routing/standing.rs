//! How a panel stands when a route is chosen: whether orders are kept from it, and what it
//! delivered lately.

use std::fmt;

use crate::domain::money::Money;

/// What keeps all orders from a panel. Half-open it gets one at a time, and counts as usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A person stopped sending to it.
    Paused,
    /// Its breaker is open.
    BreakerOpen,
    /// What it lists under its present account cannot be read and was never read: nobody knows what
    /// an order costs there.
    Unread,
}

impl Stopped {
    /// What of all that keeps orders from a panel is told of it: a person's word first.
    pub fn of(paused: bool, breaker_open: bool, unread: bool) -> Option<Self> {
        if paused {
            Some(Self::Paused)
        } else if breaker_open {
            Some(Self::BreakerOpen)
        } else {
            unread.then_some(Self::Unread)
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Paused => "paused",
            Self::BreakerOpen => "breaker open",
            Self::Unread => "its catalog cannot be read under its present account",
        })
    }
}

/// The share of what was ordered that was delivered, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    const WHOLE: u32 = 1_000_000;

    /// So many millionths, at most all of them.
    pub fn millionths(millionths: u32) -> Self {
        Self(millionths.min(Self::WHOLE))
    }

    /// What is paid for as much as `cost` would buy if all of it came; `None` where nothing comes.
    pub fn expected(self, cost: Money) -> Option<Money> {
        if self.0 == 0 {
            return None;
        }
        cost.share_rounding_down(u64::from(Self::WHOLE), u64::from(self.0))
            .ok()
    }
}

/// Of whom nothing is known, everything is expected.
impl Default for Share {
    fn default() -> Self {
        Self(Self::WHOLE)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} %", self.0 / 10_000, self.0 / 1_000 % 10)
    }
}

/// How a panel stands; unless something is known of it: well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderStanding {
    /// What keeps orders from it.
    pub stopped: Option<Stopped>,
    /// Whether it found us too fast and wants to be left alone for a while yet: any other that may
    /// be used is better, and a stopped one is worse.
    pub rests: bool,
    /// What it delivered lately of what was ordered there.
    pub delivered: Share,
}

impl ProviderStanding {
    /// The same as far as it decides between panels.
    pub fn how_badly(self) -> Worst {
        match self {
            Self {
                stopped: Some(_), ..
            } => Worst::Stopped,
            Self { rests: true, .. } => Worst::Rests,
            Self { .. } => Worst::Free,
        }
    }
}

/// How badly a panel may stand that is still better than none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worst {
    /// It must be sent to at once.
    Free,
    /// It may want to be left alone for a while.
    Rests,
    /// It may be stopped.
    Stopped,
}
