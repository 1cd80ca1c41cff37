//! An order of the panel, whose progress is computed from the time that is handed in: nothing
//! sleeps for it.
//!
//! ```text
//!  Pending ──▶ InProgress ──▶ Completed | Partial | Canceled
//!  first quarter              at the end of its time, or when forced or cancelled before
//! ```

use chrono::TimeDelta;
use rust_decimal::Decimal;

use super::{
    catalog::Fate,
    clock::Moment,
    details::{Details, Parameter},
    money,
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not begun.
    Pending,
    /// Being delivered.
    InProgress,
    /// Delivered.
    Completed,
    /// Ended with something missing.
    Partial,
    /// Ended, given back.
    Canceled,
}

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Delivered whole, nothing refunded.
    Completed,
    /// Ended with so many units missing, which are refunded (all of them at most).
    Partial {
        /// Units that were not delivered.
        remains: u64,
    },
    /// Given up; refunded whole.
    Canceled,
}

/// An order as the panel believes it has it, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOrder {
    /// The panel's id.
    pub id: String,
    /// The panel's id of the service.
    pub service: String,
    /// Where it is delivered to.
    pub link: String,
    /// Units; a package is one.
    pub quantity: u64,
    /// One per line.
    pub comments: Vec<String>,
    /// The answer of a poll to vote for.
    pub answer_number: Option<String>,
    /// Everything that the type reads beside link and quantity, the two above included.
    pub details: Details,
    /// Where it stands.
    pub status: Status,
    /// What it costs now: charged at `add`, less refunds.
    pub charge: Decimal,
    /// Units not delivered yet.
    pub remains: u64,
    /// The count before delivery began; zero until then.
    pub start_count: u64,
}

/// An order as it is kept.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) service: u64,
    pub(super) link: String,
    pub(super) units: u64,
    pub(super) details: Details,
    pub(super) fate: Fate,
    /// Taken at `add`.
    pub(super) charge: Decimal,
    pub(super) start_count: u64,
    pub(super) placed: Moment,
    /// How long it takes, at least a millisecond.
    pub(super) span: TimeDelta,
    pub(super) end: Option<End>,
}

/// What stays as it is once an order has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) status: Status,
    pub(super) remains: u64,
    pub(super) refunded: Decimal,
}

impl Order {
    /// When its fate meets it, unless something else does before.
    pub(super) fn due(&self) -> Moment {
        self.placed + self.span
    }

    /// How it ends by itself.
    pub(super) fn fated(&self) -> Ending {
        match self.fate {
            Fate::Complete | Fate::Answer(_) | Fate::Slow => Ending::Completed,
            Fate::Partial => Ending::Partial {
                remains: self.units.div_ceil(3),
            },
            Fate::Cancel => Ending::Canceled,
        }
    }

    /// What that ending leaves and gives back; the refund is rounded down and never passes the
    /// charge.
    pub(super) fn ended_as(&self, ending: Ending) -> End {
        match ending {
            Ending::Completed => End {
                status: Status::Completed,
                remains: 0,
                refunded: Decimal::ZERO,
            },
            Ending::Partial { remains } => End {
                status: Status::Partial,
                remains,
                refunded: self.share(remains),
            },
            Ending::Canceled => End {
                status: Status::Canceled,
                remains: self.units,
                refunded: self.charge,
            },
        }
    }

    /// Cancelled on request: what is delivered by then is paid, the rest is given back.
    pub(super) fn cancelled_at(&self, now: Moment) -> End {
        let remains = self.remains(now);
        End {
            status: Status::Canceled,
            remains,
            refunded: self.share(remains),
        }
    }

    fn share(&self, remains: u64) -> Decimal {
        let share = money::share(self.charge, remains.min(self.units), self.units);
        share.expect("a share of a charge that was computed from its units")
    }

    /// Where it stands.
    pub(super) fn status(&self, now: Moment) -> Status {
        match self.end {
            Some(end) => end.status,
            None if now - self.placed < self.span / 4 => Status::Pending,
            None => Status::InProgress,
        }
    }

    /// Units not delivered yet: they fall evenly over its time to what its fate leaves.
    fn remains(&self, now: Moment) -> u64 {
        if let Some(end) = self.end {
            return end.remains;
        }

        let delivers = match self.fated() {
            Ending::Completed => self.units,
            Ending::Partial { remains } => self.units.saturating_sub(remains),
            Ending::Canceled => 0,
        };

        if self.status(now) == Status::Pending {
            return self.units;
        }

        let span_ms = u128::try_from(self.span.num_milliseconds())
            .unwrap_or(0)
            .max(1);

        let passed_ms = u128::try_from((now - self.placed).num_milliseconds())
            .unwrap_or(0)
            .min(span_ms);

        let delivered =
            u64::try_from(u128::from(delivers) * passed_ms / span_ms).unwrap_or(delivers);
        self.units.saturating_sub(delivered)
    }

    /// What the panel tells of it, under this id.
    pub(super) fn look(&self, id: String, now: Moment) -> SimOrder {
        let status = self.status(now);
        let refunded = self.end.map_or(Decimal::ZERO, |end| end.refunded);

        SimOrder {
            id,
            service: self.service.to_string(),
            link: self.link.clone(),
            quantity: self.units,
            comments: self.details.lines(Parameter::Comments).to_vec(),
            answer_number: self
                .details
                .text(Parameter::AnswerNumber)
                .map(str::to_owned),
            details: self.details.clone(),
            status,
            charge: self.charge - refunded,
            remains: self.remains(now),
            start_count: if status == Status::Pending {
                0
            } else {
                self.start_count
            },
        }
    }
}
