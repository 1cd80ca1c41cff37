//! A panel's request to be left alone for a while: how long everybody waits after it found us too
//! fast.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::clock::Timestamp;

/// The first wait where the panel names none; each further one doubles it.
const WAIT_S: i64 = 1;
/// The longest wait where the panel names none.
const WAIT_S_MAX: i64 = 60;
/// The longest wait that a panel may name: what asks for more is a slip or a trap, and orders would
/// wait for it.
const NAMED_WAIT_MAX: Duration = Duration::from_mins(5);

/// Until when nothing is asked, and how often in a row the panel found us too fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    until: Option<Timestamp>,
    in_a_row: u32,
}

impl Rest {
    /// Until when nothing is asked, if that is not over yet. Nothing lasts longer than the longest
    /// wait: a clock that was set back must not make it so.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| {
            (*until - now)
                .to_std()
                .is_ok_and(|left| !left.is_zero() && left <= NAMED_WAIT_MAX)
        })
    }

    /// After an answer that found us too fast, or named a wait. What was in flight when the waiting
    /// began is part of the same story, and makes it no longer than the panel says.
    #[must_use]
    pub(super) fn after_too_fast(self, named: Option<Duration>, now: Timestamp) -> Self {
        let waits = self.until(now).is_some();
        let in_a_row = if waits {
            self.in_a_row
        } else {
            self.in_a_row.saturating_add(1)
        };

        let own = match WAIT_S.checked_shl(in_a_row.saturating_sub(1)) {
            Some(doubled) if (1..=WAIT_S_MAX).contains(&doubled) => doubled,
            Some(_) | None => WAIT_S_MAX,
        };

        let until = match named.map(|named| TimeDelta::from_std(named.min(NAMED_WAIT_MAX))) {
            Some(Ok(named)) => Some(now + named),
            Some(Err(_)) | None if waits => None,
            Some(Err(_)) | None => Some(now + TimeDelta::seconds(own)),
        };

        Self { in_a_row, ..self }.and_until(until)
    }

    /// After an answer that was none of those: the next wait is the first again. One that is under
    /// way goes on: the answer may have left before it began.
    #[must_use]
    pub(super) fn after_answer(self) -> Self {
        Self {
            in_a_row: 0,
            ..self
        }
    }

    /// Nothing is asked before this moment either: whoever asked before us was told so.
    #[must_use]
    pub(super) fn and_until(self, until: Option<Timestamp>) -> Self {
        Self {
            until: self.until.max(until),
            ..self
        }
    }
}

/// The seconds of a `Retry-After`; anything else, dates included, names no wait.
pub(super) fn named_wait(header: Option<&str>) -> Option<Duration> {
    let seconds = header?.trim().parse().ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn rests_for_s(rest: Rest, now: i64) -> Option<i64> {
        rest.until(at(now))
            .map(|until| (until - at(now)).num_seconds())
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew_after_an_answer() {
        let (mut rest, mut now, mut waits) = (Rest::default(), 0, Vec::new());
        for _ in 0..8 {
            rest = rest.after_too_fast(None, at(now));
            let wait = rests_for_s(rest, now).unwrap();
            assert_eq!(rests_for_s(rest, now + wait), None);
            now += wait;
            waits.push(wait);
        }

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            rests_for_s(rest.after_answer().after_too_fast(None, at(now)), now),
            Some(1)
        );

        let often = Rest {
            in_a_row: u32::MAX,
            ..rest
        };

        assert_eq!(
            rests_for_s(often.after_too_fast(None, at(now)), now),
            Some(60)
        );
    }

    #[test]
    fn a_named_wait_is_kept_within_five_minutes() {
        for (named_s, wait_s) in [(1, 1), (120, 120), (300, 300), (301, 300), (u64::MAX, 300)] {
            let rest = Rest::default().after_too_fast(Some(Duration::from_secs(named_s)), at(0));
            assert_eq!(rests_for_s(rest, 0), Some(wait_s));
        }
    }

    #[test]
    fn calls_that_were_in_flight_together_are_one_story() {
        let first = Rest::default().after_too_fast(None, at(0));
        let eighth = (0..7).fold(first, |rest, _| rest.after_too_fast(None, at(0)));
        assert_eq!(eighth, first);

        assert_eq!(
            rests_for_s(eighth.after_answer(), 0),
            Some(1),
            "it may have left before"
        );

        let named = eighth.after_too_fast(Some(Duration::from_secs(20)), at(0));
        assert_eq!(rests_for_s(named, 0), Some(20));
        assert_eq!(
            rests_for_s(named.after_too_fast(Some(Duration::from_secs(5)), at(0)), 0),
            Some(20)
        );

        assert_eq!(
            rests_for_s(Rest::default().and_until(Some(at(9))), 0),
            Some(9)
        );

        assert_eq!(rests_for_s(named.and_until(None), 0), Some(20));
        assert_eq!(rests_for_s(named, -281), None, "the clock was set back");
    }

    #[test]
    fn only_whole_seconds_name_a_wait() {
        let read = |text| named_wait(Some(text)).map(|wait| wait.as_secs());
        assert_eq!(
            [
                " 7 ",
                "0",
                "-1",
                "1.5",
                "",
                "soon",
                "Wed, 21 Oct 2015 07:28:00 GMT"
            ]
            .map(read),
            { [Some(7), None, None, None, None, None, None] }
        );

        assert_eq!(named_wait(None), None);
    }
}
