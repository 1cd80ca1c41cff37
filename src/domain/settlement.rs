//! Settlement to a target: what of a charge is to be given back, from the panel's last word alone.

use crate::domain::money::{ExchangeRate, Money, MoneyError, Percent};
use crate::domain::order::OrderState;
use crate::domain::provider::{CanceledWithRemains, PanelStatus};

/// Decimals that a panel's charge is taken to be exact to at least: zeros at its end are often left
/// out.
const CHARGE_DECIMALS_MIN: usize = 2;

/// The longest code of a currency.
const CURRENCY_CHARS_MAX: usize = 8;

/// What a panel says of one order, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What stands there now.
    pub status: PanelStatus,
    /// The text it was read from.
    pub status_text: String,
    /// What the panel took, in its own currency, rounded up to our scale.
    pub charge: Option<Money>,
    /// The charge as it was sent.
    pub charge_text: Option<String>,
    /// The currency that it names beside the charge.
    pub currency: Option<String>,
    /// The count before delivery.
    pub start_count: Option<i64>,
    /// Units that are missing; may be negative, and larger than what was ordered.
    pub remains: Option<i64>,
    /// The remains as they were sent.
    pub remains_text: Option<String>,
}

impl Report {
    /// What the panel says that it took, in our currency.
    pub fn stated(&self, exchange: ExchangeRate, currency: &str) -> Stated {
        let Some(charge) = self.charge else {
            return match self.charge_text.as_deref() {
                Some(text) if Money::parse_rounding_up(text) == Err(MoneyError::TooLarge) => {
                    Stated::TooLarge
                }
                Some(text) if !is_no_answer(text) => Stated::Unreadable,
                Some(_) | None => Stated::Nothing,
            };
        };

        if self
            .currency
            .as_deref()
            .is_some_and(|named| names_another(named, currency))
        {
            return Stated::Foreign {
                kept: charge.is_positive(),
            };
        }

        let step = step_of(self.charge_text.as_deref().unwrap_or_default());
        let ours = charge
            .exchanged_rounding_up(exchange)
            .and_then(|amount| Ok((amount, step.exchanged_rounding_up(exchange)?)));

        match ours {
            Ok((amount, _)) if amount.is_negative() => Stated::Unreadable,
            Ok((amount, step)) => Stated::Took { amount, step },
            Err(_) => Stated::TooLarge,
        }
    }

    /// What remains, where the panel says so in a number that counts our units.
    fn remaining(&self, bought: Bought) -> Remaining {
        match self.remains.map(u64::try_from) {
            Some(Ok(missing)) if missing <= bought.units => Remaining::Units(missing),
            None if self.remains_text.as_deref().is_none_or(is_no_answer) => Remaining::Untold,
            Some(_) | None => Remaining::Unusable,
        }
    }
}

/// Whether a text stands where a panel has nothing to say.
fn is_no_answer(text: &str) -> bool {
    NO_ANSWERS
        .iter()
        .any(|nothing| text.trim().eq_ignore_ascii_case(nothing))
}

/// What panels write where they have nothing to say.
const NO_ANSWERS: [&str; 6] = ["", "-", "n/a", "null", "none", "unknown"];

/// Whether a panel's word for a currency is one, and another than this.
pub fn names_another(named: &str, currency: &str) -> bool {
    let named = named.trim();

    // Signs and words such as `$` and `dollars` name no currency for certain.
    let is_short = named.len() == 3 && named.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_code = named
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());

    let is_long =
        (4..=CURRENCY_CHARS_MAX).contains(&named.len()) && is_code && !is_no_answer(named);
    (is_short || is_long) && !named.eq_ignore_ascii_case(currency)
}

/// One unit of the last decimal of a charge as it was sent.
fn step_of(text: &str) -> Money {
    let fraction = text
        .split_once('.')
        .map_or("", |(_, fraction)| fraction.trim());

    let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = if is_plain { fraction.len() } else { usize::MAX };
    Money::last_place(decimals.max(CHARGE_DECIMALS_MIN))
}

/// What a panel says that it took for an order, as far as it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// It does not say.
    Nothing,
    /// It says what is no amount, or one below zero.
    Unreadable,
    /// More than the books can hold.
    TooLarge,
    /// So much, in our currency.
    Took {
        /// How much.
        amount: Money,
        /// How exactly: it may be anything nearer to the amount than this.
        step: Money,
    },
    /// It names an amount of a currency that its block does not know.
    Foreign {
        /// Whether it is more than nothing.
        kept: bool,
    },
}

/// What a panel was expected to take for an order, and what it says that it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenCharge {
    /// For the whole order, in our currency.
    pub expected: Money,
    /// What the panel says.
    pub stated: Stated,
}

impl TakenCharge {
    /// Whether the panel says that it took less than what was delivered costs: more should go back
    /// than by the units.
    pub fn is_below(&self, delivered: u64, units: u64) -> Result<bool, MoneyError> {
        let Stated::Took { amount, step } = self.stated else {
            return Ok(false);
        };

        let net = self.expected.share_rounding_down(delivered, units)?;
        let short = net.minus(amount)?;
        Ok(short >= step && short > ROUNDINGS)
    }

    /// Whether it says that it took more than so many percent above what was expected.
    pub fn is_above(&self, percent: Percent) -> bool {
        match self.stated {
            Stated::Took { amount, step } => {
                let more = amount.minus(self.expected);
                more.is_ok_and(|more| {
                    more >= step && more > ROUNDINGS && amount.exceeds(self.expected, percent)
                })
            }
            Stated::TooLarge => true,
            Stated::Nothing | Stated::Unreadable | Stated::Foreign { .. } => false,
        }
    }

    /// Whether it says that it took the whole of what was expected, within the rounding of both.
    fn is_whole(&self) -> bool {
        let Stated::Took { amount, step } = self.stated else {
            return false;
        };

        amount
            .minus(self.expected)
            .is_ok_and(|difference| difference.size() < step.max(ROUNDINGS))
    }

    /// Whether it shows nothing only because it rounds: the whole price is less than it can show.
    fn is_rounded_away(&self) -> bool {
        match self.stated {
            Stated::Took { amount, step } => {
                !amount.is_positive() && self.expected.is_positive() && self.expected < step
            }
            Stated::Nothing | Stated::Unreadable | Stated::TooLarge | Stated::Foreign { .. } => {
                false
            }
        }
    }

    /// Whether it keeps anything: `None` where it does not say.
    fn keeps(&self) -> Option<bool> {
        if self.is_rounded_away() {
            return None;
        }

        match self.stated {
            Stated::Took { amount, .. } => Some(amount.is_positive()),
            Stated::Foreign { kept } => Some(kept),
            Stated::TooLarge => Some(true),
            Stated::Nothing | Stated::Unreadable => None,
        }
    }
}

/// What our own roundings of rates and exchange make of an amount.
const ROUNDINGS: Money = Money::of_last_places(2);

/// What a panel's `remains` is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remaining {
    /// It says nothing.
    Untold,
    /// So many of ours are missing.
    Units(u64),
    /// It says what cannot be: less than nothing, more than was ordered, or no number.
    Unusable,
}

/// What settlement needs to know of an order; fixed when it was bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bought {
    /// What the customer paid.
    pub charge: Money,
    /// How many units; for packages one.
    pub units: u64,
    /// Whether one package was sold, whose parts cannot be counted.
    pub package: bool,
}

/// An order's end, by its panel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The order's end.
    pub state: OrderState,
    /// How much of the charge is refunded in all, not how much more.
    pub target: Money,
    /// Units delivered.
    pub delivered: u64,
    /// What the panel's charge would have to be for so much, and is not: a person is asked whether
    /// more goes back.
    pub doubtful: bool,
}

/// What follows from a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettlementOutcome {
    /// The order goes on, or goes on waiting, in this state.
    Open(OrderState),
    /// The order is over.
    End(Ending),
    /// Nothing settles on this word; ask again.
    AskAgain(&'static str),
    /// Nothing settles by itself; a person decides.
    Review(&'static str),
    /// Nothing settles by itself, for what the panel says contradicts itself; a person decides, and
    /// is told at once.
    Contradiction(&'static str),
}

/// What the operator decided about a panel's words, and what time decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementRules {
    /// What a canceled order with a part delivered gives back.
    pub canceled_with_remains: CanceledWithRemains,
    /// Whether a reported failure has stood so long that nobody will set it right any more.
    pub failed_for_good: bool,
}

/// What a person is told of a canceled order of which the panel seems to keep what it gave back.
const KEPT: &str = "canceled, and what the panel says that it kept does not fit what remains";

/// The rules, row by row. Depends on the last word only, never on the path; never passes the
/// charge.
pub fn settle_report(
    bought: Bought,
    taken: TakenCharge,
    report: &Report,
    rules: SettlementRules,
) -> Result<SettlementOutcome, MoneyError> {
    let order = Order { bought, taken };
    match report.status {
        PanelStatus::Pending | PanelStatus::Processing => {
            Ok(SettlementOutcome::Open(OrderState::Processing))
        }
        PanelStatus::InProgress => Ok(SettlementOutcome::Open(OrderState::InProgress)),
        PanelStatus::Completed => order.by_remains(0, OrderState::Completed),
        PanelStatus::Partial => order.partial(report.remains),
        PanelStatus::Canceled => {
            order.canceled(report.remaining(bought), rules.canceled_with_remains)
        }
        PanelStatus::Failed if rules.failed_for_good => order.failed(report.remaining(bought)),
        PanelStatus::Failed => Ok(SettlementOutcome::AskAgain(
            "the panel reports a failure, which it may yet set right",
        )),
        PanelStatus::Expired => Ok(SettlementOutcome::Review(
            "an ended subscription, which is not sold",
        )),
    }
}

/// What is booked in the end as the order's cost: what the panel says, in our currency; where it
/// says nothing that can be used, what was delivered of what was expected.
///
/// A panel that names its whole charge beside what it did not deliver does not tell what it took in
/// the end. That it gave the rest back is expected: where it did not come, the balance shows it.
pub fn final_cost(
    bought: Bought,
    taken: TakenCharge,
    report: &Report,
    delivered: u64,
) -> Result<FinalCost, MoneyError> {
    let net = taken
        .expected
        .share_rounding_down(delivered, bought.units)?;

    let said = |amount: Money, rounding: Money| FinalCost {
        amount,
        rounding,
        said: true,
    };

    let gave_back = matches!(report.status, PanelStatus::Partial | PanelStatus::Canceled);
    let nothing_done =
        !bought.package && report.remaining(bought) == Remaining::Units(bought.units);

    match taken.stated {
        Stated::Took { .. } if gave_back && taken.is_whole() => Ok(said(net, Money::ZERO)),
        Stated::Took { .. } if report.status == PanelStatus::Canceled && nothing_done => {
            Ok(said(Money::ZERO, Money::ZERO))
        }
        Stated::Took { .. } if taken.is_rounded_away() => Ok(said(net, Money::ZERO)),
        Stated::Took { amount, step } => {
            let rounded_off = amount.minus(net)?.size();
            Ok(said(
                amount,
                if rounded_off < step {
                    rounded_off
                } else {
                    Money::ZERO
                },
            ))
        }
        Stated::Nothing | Stated::Unreadable | Stated::TooLarge | Stated::Foreign { .. } => {
            Ok(said(net, Money::ZERO))
        }
    }
}

/// What an order cost in the end, in our currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalCost {
    /// How much.
    pub amount: Money,
    /// How far the panel's rounding of what it tells may have moved it.
    pub rounding: Money,
    /// Whether it follows from the panel's word; else a person said so, and the panel may know
    /// nothing of it.
    pub said: bool,
}

/// An order and what its panel took for it.
#[derive(Clone, Copy, Debug)]
struct Order {
    bought: Bought,
    taken: TakenCharge,
}

impl Order {
    fn partial(self, remains: Option<i64>) -> Result<SettlementOutcome, MoneyError> {
        if self.bought.package {
            return Ok(SettlementOutcome::Review(
                "part of a package cannot be counted",
            ));
        }

        let Some(remains) = remains else {
            return Ok(SettlementOutcome::AskAgain(
                "partial without a readable remains",
            ));
        };

        // Less than nothing remains where more was delivered than was ordered.
        let missing = u64::try_from(remains).unwrap_or(0);
        if missing > self.bought.units {
            return Ok(SettlementOutcome::Review(
                "more remains than was ordered: the unit is not ours",
            ));
        }

        self.by_remains(missing, OrderState::Partial)
    }

    fn canceled(
        self,
        remaining: Remaining,
        rule: CanceledWithRemains,
    ) -> Result<SettlementOutcome, MoneyError> {
        let nothing_delivered = matches!(remaining, Remaining::Untold)
            || remaining == Remaining::Units(self.bought.units) && !self.bought.package;

        match rule {
            CanceledWithRemains::Full => Ok(self.whole()),
            CanceledWithRemains::ByRemains => match remaining {
                Remaining::Units(missing) if !self.bought.package => self.canceled_part(missing),
                Remaining::Units(_) | Remaining::Untold | Remaining::Unusable => Ok(
                    SettlementOutcome::Review("canceled without a usable remains"),
                ),
            },
            CanceledWithRemains::Review if !nothing_delivered => {
                Ok(SettlementOutcome::Review("canceled with a part delivered"))
            }
            CanceledWithRemains::ByCharge | CanceledWithRemains::Review => {
                self.canceled_by_charge(remaining)
            }
        }
    }

    /// Whole where the panel keeps nothing or nothing was delivered; by what remains where part
    /// was: else waiting for 99 % and canceling is free money. What fits neither is for a
    /// person.
    fn canceled_by_charge(self, remaining: Remaining) -> Result<SettlementOutcome, MoneyError> {
        let Bought { units, package, .. } = self.bought;
        match (self.taken.keeps(), remaining) {
            (Some(false), _) => Ok(self.whole()),
            (_, Remaining::Units(missing)) if !package && missing > 0 && missing < units => {
                self.canceled_part(missing)
            }
            (Some(true), Remaining::Units(missing)) if !package && missing == units => {
                Ok(self.whole())
            }
            (None, _) if self.taken.stated == Stated::Unreadable => {
                Ok(SettlementOutcome::Contradiction(KEPT))
            }
            (None, Remaining::Untold) => Ok(self.whole()),
            (None, Remaining::Units(missing)) if missing == units => Ok(self.whole()),
            (_, _) => Ok(SettlementOutcome::Contradiction(KEPT)),
        }
    }

    /// Customers who resell give all back to theirs when they read `Canceled`, so what was
    /// delivered in part is shown so.
    fn canceled_part(self, missing: u64) -> Result<SettlementOutcome, MoneyError> {
        if missing == self.bought.units {
            return Ok(self.whole());
        }
        self.by_remains(missing, OrderState::Partial)
    }

    /// A failure that nobody set right: the whole charge, less what was delivered where that can be
    /// counted.
    fn failed(self, remaining: Remaining) -> Result<SettlementOutcome, MoneyError> {
        match remaining {
            Remaining::Units(missing) if !self.bought.package && missing == self.bought.units => {
                Ok(self.whole())
            }
            Remaining::Units(missing) if !self.bought.package && missing > 0 => {
                self.by_remains(missing, OrderState::Partial)
            }
            Remaining::Units(_) | Remaining::Untold | Remaining::Unusable => {
                Ok(SettlementOutcome::Review(
                    "the panel reports a failure, and not how much was delivered",
                ))
            }
        }
    }

    fn whole(self) -> SettlementOutcome {
        let target = self.bought.charge;
        SettlementOutcome::End(Ending {
            state: OrderState::Canceled,
            target,
            delivered: 0,
            doubtful: false,
        })
    }

    fn by_remains(self, missing: u64, state: OrderState) -> Result<SettlementOutcome, MoneyError> {
        let Bought { charge, units, .. } = self.bought;
        let (target, delivered) = (charge.share_rounding_down(missing, units)?, units - missing);
        let doubtful = self.taken.is_below(delivered, units)?;

        Ok(SettlementOutcome::End(Ending {
            state,
            target,
            delivered,
            doubtful,
        }))
    }
}

#[cfg(test)]
mod tests;
