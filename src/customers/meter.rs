//! Counts requests by the minute, each subject up to its limit, over all processes that have an
//! open door.
//!
//! A window is a minute of the clock, the same for every subject and on every node: all limits lift
//! at one moment.
//!
//! A process that is alone counts by itself. Several share each limit: of every minute a process
//! may use a twentieth of its share unasked (its head), so that a seldom caller costs no round
//! trip; from then on it takes slices of the same size from the database, which gives out no more
//! than the limit. However many they are, together they answer at most a twentieth more than the
//! limit in a minute (heads that the database never heard of), and deny nobody before
//! they have answered a twentieth less (slices that lie unused at a neighbour). Only in the minute
//! in which a process joins, those that have not heard of it yet, for a second, may make it more. A
//! database that gives no answer leaves each process its share.
//!
//! ```text
//! step ─▶ taken | over
//!   └───▶ ask: one at a time per subject, the others wait for what it brings ─▶ step
//! ```

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;

use crate::domain::id::{CustomerId, KeyId};
use crate::store::limits::Grant;
use crate::store::{Store, StoreError, limits};

/// Heads and slices together are this part of a limit, however many processes share it.
const HEAD_PARTS: u32 = 20;
/// Subjects that are counted one by one; whoever comes when there are so many is counted in a
/// crowd.
const SUBJECTS_MAX: usize = 100_000;
/// Crowds: each has the limit of one subject.
const CROWDS: u8 = 64;

/// How far ahead of the clock a window may lie: nodes' clocks differ a little, and none by minutes.
const MINUTES_AHEAD_MAX: i64 = 1;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An address, or the IPv6 network that it is counted as.
    Address(IpAddr),
    /// A key.
    Key(KeyId),
    /// All keys of a customer.
    Tier(CustomerId),
    /// Those for whom there was no room of their own.
    Crowd(u8),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address {address}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Tier(customer) => write!(f, "tier {customer}"),
            Self::Crowd(crowd) => write!(f, "crowd {crowd}"),
        }
    }
}

/// A limit as it holds for one request.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// The minute, counted from 1970.
    pub minute: i64,
    /// Requests of a minute.
    pub most: u32,
    /// Processes that share it.
    pub doors: u32,
}

/// What came of counting one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whether it is within the limit.
    pub within: bool,
    /// How many more there may be in this minute, as far as this process knows.
    pub remaining: u32,
}

/// One layer's counts.
#[derive(Debug)]
pub struct Meter {
    cells: DashMap<Subject, Arc<Cell>>,
    subjects_max: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            cells: DashMap::new(),
            subjects_max: SUBJECTS_MAX,
        }
    }
}

impl Meter {
    /// Counts a request, if it is within the limit; one that is not takes nothing.
    pub async fn take(&self, store: &Store, subject: Subject, bound: Bound) -> Count {
        let (subject, cell) = self.cell(subject);
        let (step, count) = cell.step(bound);
        if !matches!(step, MeterStep::Ask { .. }) {
            return count;
        }

        let _turn = cell.asking.lock().await;

        // Whoever had the turn before may have brought enough for this one too.
        let (step, count) = cell.step(bound);
        let MeterStep::Ask { wanted } = step else {
            return count;
        };

        let answer = limits::take_share(
            store,
            bound.minute,
            &subject.to_string(),
            wanted,
            bound.most,
        )
        .await;

        cell.answered(answer, bound)
    }

    /// Takes back what the same request was counted for in the same minute.
    pub fn give_back(&self, subject: Subject, bound: Bound) {
        let (_, cell) = self.cell(subject);
        let mut tally = cell.tally();
        if tally.minute == bound.minute {
            tally.used = tally.used.saturating_sub(1);
        }
    }

    /// How many more there may be in this minute; counts nothing.
    pub fn remaining(&self, subject: Subject, bound: Bound) -> u32 {
        let known = self
            .cells
            .get(&subject)
            .map(|cell| Arc::clone(cell.value()));
        known.map_or(bound.most, |cell| cell.tally().remaining(bound))
    }

    /// Forgets whom nobody counted in this minute.
    pub fn forget_before(&self, minute: i64) {
        // One that is held just now may be counted the next moment; it is forgotten the next time.
        self.cells
            .retain(|_, cell| Arc::strong_count(cell) > 1 || cell.tally().minute >= minute);
    }

    fn cell(&self, subject: Subject) -> (Subject, Arc<Cell>) {
        if let Some(cell) = self.cells.get(&subject) {
            return (subject, Arc::clone(cell.value()));
        }

        let subject = if self.cells.len() < self.subjects_max {
            subject
        } else {
            Subject::Crowd(self.crowd(subject))
        };

        let cell = self.cells.entry(subject).or_default();
        (subject, Arc::clone(cell.value()))
    }

    fn crowd(&self, subject: Subject) -> u8 {
        let crowd = self.cells.hash_usize(&subject) % usize::from(CROWDS);
        u8::try_from(crowd).unwrap_or(0)
    }
}

/// One subject's count, and the turn of asking for more.
#[derive(Debug, Default)]
struct Cell {
    tally: Mutex<Tally>,
    asking: tokio::sync::Mutex<()>,
}

impl Cell {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, bound: Bound) -> (MeterStep, Count) {
        let mut tally = self.tally();
        let step = tally.step(bound);
        let within = step == MeterStep::Taken;
        (step, tally.count(within, bound))
    }

    fn answered(&self, answer: Result<Grant, StoreError>, bound: Bound) -> Count {
        let mut tally = self.tally();
        let within = tally.answered(answer, bound);
        tally.count(within, bound)
    }
}

#[derive(Debug, Default)]
struct Tally {
    minute: i64,
    /// Counted in this minute by this process.
    used: u32,
    /// Of that and of what is to come, what the database knows of; `None` while it was not asked.
    covered: Option<u32>,
    /// What all processes left of the limit, when the database was last asked.
    rest: u32,
    /// The database has no more to give in this minute.
    dry: bool,
}

/// What one request meets.
#[derive(Debug, PartialEq, Eq)]
enum MeterStep {
    Taken,
    Over,
    Ask { wanted: u32 },
}

impl Tally {
    fn step(&mut self, bound: Bound) -> MeterStep {
        // A clock that is set back by a moment finds the later minute here and goes on in it; a
        // minute that lies far ahead was a wrong clock's, and counts for nothing.
        let is_void = self.minute > bound.minute + MINUTES_AHEAD_MAX;

        if self.minute < bound.minute || is_void {
            *self = Self {
                minute: bound.minute,
                ..Self::default()
            };
        }

        if self.used < self.ceiling(bound) {
            self.used += 1;
            return MeterStep::Taken;
        }

        if bound.doors <= 1 || self.dry {
            return MeterStep::Over;
        }

        let unknown = self.used.saturating_sub(self.covered.unwrap_or(0));
        MeterStep::Ask {
            wanted: unknown.saturating_add(part(bound).max(1)),
        }
    }

    /// Up to here without asking.
    fn ceiling(&self, bound: Bound) -> u32 {
        if bound.doors <= 1 {
            return bound.most;
        }
        self.covered
            .map_or(part(bound), |covered| covered.min(bound.most))
    }

    /// Takes the database's answer in; whether the request that asked is within the limit.
    fn answered(&mut self, answer: Result<Grant, StoreError>, bound: Bound) -> bool {
        match answer {
            Ok(grant) if self.minute == bound.minute => {
                let covered = self.covered.unwrap_or(0).saturating_add(grant.granted);
                self.covered = Some(covered);
                self.rest = bound.most.saturating_sub(grant.taken);
                self.dry = self.rest == 0;
            }
            // For a minute that is over.
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a limit cannot be shared just now");
                let within = self.used < bound.most / bound.doors;
                self.used += u32::from(within);
                return within;
            }
        }

        self.step(bound) == MeterStep::Taken
    }

    fn count(&self, within: bool, bound: Bound) -> Count {
        Count {
            within,
            remaining: if within { self.remaining(bound) } else { 0 },
        }
    }

    fn remaining(&self, bound: Bound) -> u32 {
        if self.minute != bound.minute {
            return bound.most;
        }

        match self.covered.filter(|_| bound.doors > 1) {
            Some(covered) => self
                .rest
                .saturating_add(covered.saturating_sub(self.used))
                .min(bound.most),
            None => bound.most.saturating_sub(self.used),
        }
    }
}

/// A head or a slice.
fn part(bound: Bound) -> u32 {
    bound.most / HEAD_PARTS / bound.doors.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u32 = 100;

    fn bound(minute: i64, doors: u32) -> Bound {
        Bound {
            minute,
            most: MOST,
            doors,
        }
    }

    /// A database in miniature: gives out no more than the limit.
    fn grant(taken: &mut u32, wanted: u32) -> Grant {
        let granted = wanted.min(MOST - *taken);
        *taken += granted;
        Grant {
            granted,
            taken: *taken,
        }
    }

    fn counted(tally: &mut Tally, taken: &mut u32, bound: Bound) -> bool {
        match tally.step(bound) {
            MeterStep::Taken => true,
            MeterStep::Over => false,
            MeterStep::Ask { wanted } => tally.answered(Ok(grant(taken, wanted)), bound),
        }
    }

    #[test]
    fn alone_the_limit_is_exact_and_lifts_with_the_minute() {
        let mut tally = Tally::default();
        for minute in [7, 8] {
            for left in (0..MOST).rev() {
                assert_eq!(tally.step(bound(minute, 1)), MeterStep::Taken);
                assert_eq!(tally.remaining(bound(minute, 1)), left);
            }
            assert_eq!(tally.step(bound(minute, 1)), MeterStep::Over);
        }

        assert_eq!(
            tally.step(bound(7, 1)),
            MeterStep::Over,
            "a clock that is set back by a moment opens nothing"
        );

        assert_eq!(
            tally.step(bound(6, 1)),
            MeterStep::Taken,
            "and one that was wrong locks nobody out"
        );
    }

    #[test]
    fn one_of_several_gets_nearly_all_when_the_others_are_silent() {
        let (mut busy, mut idle, mut taken) = (Tally::default(), Tally::default(), 0);
        for _ in 0..=part(bound(7, 2)) {
            assert!(counted(&mut idle, &mut taken, bound(7, 2)));
        }

        let served = (0..1_000)
            .filter(|_| counted(&mut busy, &mut taken, bound(7, 2)))
            .count();
        assert!((95..=100).contains(&served), "{served}");
    }

    #[test]
    fn a_neighbour_that_appears_is_told_what_was_used_before() {
        let (mut first, mut second, mut taken) = (Tally::default(), Tally::default(), 0);
        for _ in 0..60 {
            assert!(counted(&mut first, &mut taken, bound(7, 1)));
        }

        assert!(counted(&mut first, &mut taken, bound(7, 2)));
        assert_eq!(taken, 62);
        let served = (0..1_000)
            .filter(|_| counted(&mut second, &mut taken, bound(7, 2)))
            .count();

        assert!((35..=40).contains(&served), "{served}");
    }

    #[test]
    fn without_the_database_each_keeps_to_its_share() {
        let mut tally = Tally::default();
        let mut asked = || match tally.step(bound(7, 4)) {
            MeterStep::Taken => true,
            MeterStep::Over => false,
            MeterStep::Ask { .. } => tally.answered(Err(StoreError::Absent), bound(7, 4)),
        };

        assert_eq!((0..1_000).filter(|_| asked()).count(), 25);
    }

    #[test]
    fn whoever_finds_no_room_is_counted_in_a_crowd() {
        let meter = Meter {
            subjects_max: 2,
            ..Meter::default()
        };

        let subject = |n| Subject::Key(KeyId(n));
        assert_eq!(
            (meter.cell(subject(1)).0, meter.cell(subject(2)).0),
            (subject(1), subject(2))
        );

        assert!(matches!(meter.cell(subject(3)).0, Subject::Crowd(_)));
        assert_eq!(
            meter.cell(subject(2)).0,
            subject(2),
            "who has a place keeps it"
        );

        meter.forget_before(8);
        assert!(meter.cells.is_empty());
    }

    proptest! {
        #[test]
        fn together_they_stay_near_the_limit(
            doors in 2u32..6, asks in proptest::collection::vec(0usize..6, 400..1_200),
        ) {
            let mut tallies: Vec<_> = (0..doors).map(|_| Tally::default()).collect();
            let (mut taken, mut served) = (0, 0);
            for door in asks {
                let tally = &mut tallies[door % doors as usize];
                served += u32::from(counted(tally, &mut taken, bound(7, doors)));
            }

            let near = MOST / HEAD_PARTS;
            prop_assert!((MOST - near..=MOST + near).contains(&served), "{}", served);
        }
    }
}
