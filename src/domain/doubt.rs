//! Looking for an order in doubt: what is sought, what fits it, and what each look proves.

use crate::domain::clock::Timestamp;
use crate::domain::id::{LegId, OrderId, PanelOrder};
use crate::domain::money::{ExchangeRate, Money};
use crate::domain::provider::PanelStatus;
use crate::domain::settlement::Report;

/// A panel's charge may differ from what was expected by this part: a price that moved a little, a
/// rounding.
const COST_TOLERANCE_PART: u64 = 100;

/// A leg in doubt, as far as it helps to recognise its order at the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The leg.
    pub leg: LegId,
    /// Its order.
    pub order: OrderId,
    /// What the panel was expected to charge.
    pub cost: Money,
    /// What one unit of the panel's currency was worth in ours when it was sent.
    pub exchange: ExchangeRate,
    /// How many units; none for packages.
    pub units: Option<u64>,
    /// When the intent to send was committed the first time.
    pub sent_at: Timestamp,
    /// And the last time, where it was asked for again.
    pub last_sent_at: Timestamp,
    /// Since when it is in doubt.
    pub doubted_at: Timestamp,
}

impl Sought {
    /// Whether an order that the panel reports can be this one, by its charge and what remains of
    /// it.
    pub fn fits(&self, report: &Report) -> bool {
        let Some(Ok(charge)) = report
            .charge
            .map(|charge| charge.exchanged_rounding_up(self.exchange))
        else {
            return false;
        };

        let tolerance = self
            .cost
            .share_rounding_down(1, COST_TOLERANCE_PART)
            .unwrap_or(Money::ZERO);

        let near = charge
            .minus(self.cost)
            .is_ok_and(|difference| difference.size() <= tolerance);

        let within = match (self.units, report.remains) {
            (Some(units), Some(remains)) => {
                u64::try_from(remains).is_ok_and(|remains| remains <= units)
            }
            (Some(_), None) | (None, Some(_) | None) => true,
        };

        near && within
    }

    /// Whether an end that the panel reports can be this one's: unlike [`Sought::fits`], in doubt
    /// yes. What ended whole was charged whole; what ended otherwise for no more than that; and
    /// nothing is missing that was not ordered.
    pub fn may_have_ended_so(&self, report: &Report) -> bool {
        let tolerance = self
            .cost
            .share_rounding_down(1, COST_TOLERANCE_PART)
            .unwrap_or(Money::ZERO);

        let charge = report
            .charge
            .and_then(|charge| charge.exchanged_rounding_up(self.exchange).ok());

        let more = charge.and_then(|charge| charge.minus(self.cost).ok());
        let charged = more.is_none_or(|more| {
            if report.status == PanelStatus::Completed {
                more.size() <= tolerance
            } else {
                more <= tolerance
            }
        });

        let within = match (self.units, report.remains) {
            (Some(units), Some(remains)) => {
                u64::try_from(remains).is_ok_and(|remains| remains <= units) || remains < 0
            }
            (Some(_), None) | (None, Some(_) | None) => true,
        };

        charged && within
    }
}

/// What a panel that knows adds by their names tells of the first, when it is asked for the same
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retold {
    /// It has the order, or has it now; there is one under this name.
    Placed(PanelOrder),
    /// It has something else under this name: a person must look.
    OfAnother,
    /// Nothing.
    Nothing,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtCheck {
    /// The panel's memory: the same was asked for again, under the same name.
    RequestId,
    /// The ids between our neighbours at the panel.
    Ids,
    /// The time that is over.
    Patience,
    /// What a person said.
    Person,
}

impl DoubtCheck {
    /// The word that the database and commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestId => "request_id",
            Self::Ids => "ids",
            Self::Patience => "patience",
            Self::Person => "person",
        }
    }
}

/// What a look proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtVerdict {
    /// The panel has it.
    Placed,
    /// The panel has nothing of it.
    NotPlaced,
    /// Neither.
    Unknown,
}

impl DoubtVerdict {
    /// The word that the database and commands use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::NotPlaced => "not_placed",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_fits_by_charge_and_remains() {
        let at = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let cost = Money::parse("1.00").unwrap();
        let exchange = ExchangeRate::from_decimal(1.into());
        let (leg, order, units) = (LegId(1), OrderId(1), Some(100));
        let sought = Sought {
            leg,
            order,
            cost,
            exchange,
            units,
            sent_at: at,
            last_sent_at: at,
            doubted_at: at,
        };

        let said = |charge: Option<&str>, remains| Report {
            status: PanelStatus::InProgress,
            status_text: String::new(),
            charge: charge.map(|charge| Money::parse(charge).unwrap()),
            charge_text: None,
            currency: None,
            start_count: None,
            remains,
            remains_text: None,
        };

        for (charge, remains, fits) in [
            (Some("1.00"), Some(100), true),
            (Some("1.01"), Some(0), true),
            (Some("0.99"), None, true),
            (Some("1.02"), Some(50), false),
            (Some("1.00"), Some(101), false),
            (Some("1.00"), Some(-1), false),
            (None, Some(50), false),
        ] {
            assert_eq!(
                sought.fits(&said(charge, remains)),
                fits,
                "{charge:?} {remains:?}"
            );
        }

        let package = Sought {
            units: None,
            ..sought
        };

        assert!(package.fits(&said(Some("1.00"), Some(5_000))));
        let foreign = Sought {
            exchange: ExchangeRate::parse("0.5").unwrap(),
            ..sought
        };

        assert!(
            foreign.fits(&said(Some("2.00"), None)) && !foreign.fits(&said(Some("1.00"), None))
        );
    }
}
