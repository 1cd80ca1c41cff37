//! Money, rates and percentages: exact to eight decimals, every rounding named, no float anywhere.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals that every amount is kept to; `numeric(28,8)` in the database.
pub const SCALE: u32 = 8;

/// Units that a [`Rate`] prices.
pub const RATE_UNITS: u64 = 1_000;

/// Digits before the point that fit `numeric(28,8)`; anything longer is refused when it is read.
const WHOLE_DIGITS_MAX: usize = 18;

/// What no amount of ours reaches: so many digits before the point and one more.
const AMOUNT_END: u64 = 1_000_000_000_000_000_000;

/// The longest amount text that is looked at; panels send up to 11 decimals, so this is generous.
const AMOUNT_BYTES_MAX: usize = 64;

/// An amount of the gateway's currency, signed, at a fixed scale of eight decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// The price of [`RATE_UNITS`] units; for packages, the price of one package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(Decimal);

/// A percentage such as `18` or `-2.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(Decimal);

/// What one unit of another currency is worth in the gateway's, to twelve decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeRate(Decimal);

/// Decimals that an exchange rate is kept to: small currencies need more than amounts do.
const EXCHANGE_SCALE: usize = 12;
/// Digits before the point of an exchange rate.
const EXCHANGE_WHOLE_DIGITS_MAX: usize = 9;

/// Why a text is no amount, or why two amounts have no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number such as `12.50`.
    #[error("is not a plain decimal number")]
    Unreadable,
    /// More than [`SCALE`] decimals that are not zero.
    #[error("has more than {SCALE} decimals")]
    TooPrecise,
    /// An exchange rate with more decimals than are kept of one.
    #[error("has more than {EXCHANGE_SCALE} decimals")]
    TooPreciseExchange,
    /// Larger than the books can hold.
    #[error("is too large")]
    TooLarge,
}

/// Reads digits with at most one point and a leading minus; nothing else (no exponent, no blanks,
/// no plus).
fn plain(text: &str) -> Result<Decimal, MoneyError> {
    if text.len() > AMOUNT_BYTES_MAX {
        return Err(MoneyError::TooLarge);
    }

    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());

    if !all_digits(whole) || !all_digits(fraction) {
        return Err(MoneyError::Unreadable);
    }

    if whole.trim_start_matches('0').len() > WHOLE_DIGITS_MAX {
        return Err(MoneyError::TooLarge);
    }

    // Digits that a Decimal cannot hold are cut here by name, below any scale we keep: 18 + 10
    // digits always fit.
    let kept = &fraction[..fraction.len().min(SCALE as usize + 2)];
    let lost = fraction[kept.len()..].bytes().any(|byte| byte != b'0');
    let mut value =
        Decimal::from_str(&format!("{whole}.{kept}")).map_err(|_| MoneyError::Unreadable)?;

    if lost {
        // What was cut is more than nothing: keep that fact in the last digit, so that rounding up
        // still rounds up.
        value = value
            .checked_add(Decimal::new(1, SCALE + 2))
            .ok_or(MoneyError::TooLarge)?;
    }

    if text.starts_with('-') {
        value.set_sign_negative(true);
    }

    Ok(value)
}

fn exact(text: &str) -> Result<Decimal, MoneyError> {
    let value = plain(text)?.normalize();
    if value.scale() > SCALE {
        Err(MoneyError::TooPrecise)
    } else {
        Ok(value)
    }
}

fn up(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(SCALE, RoundingStrategy::ToPositiveInfinity)
}

fn down(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(SCALE, RoundingStrategy::ToNegativeInfinity)
}

/// Plainly: at least two decimals, no zeros beyond them, never an exponent.
fn write_plain(value: Decimal, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut shown = value.normalize();
    if shown.scale() < 2 {
        shown.rescale(2);
    }

    if shown.is_zero() {
        return f.pad("0.00");
    }

    f.pad(&shown.to_string())
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads an amount that must fit the books exactly.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        exact(text).map(Self)
    }

    /// Reads a panel's amount, which may carry more decimals than the books: rounded up, so that a
    /// cost is never booked too small.
    pub fn parse_rounding_up(text: &str) -> Result<Self, MoneyError> {
        plain(text).map(|value| Self(up(value)))
    }

    /// The amount that the database holds; its `numeric(28,8)` has the scale already.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value)
    }

    /// The amount as the database takes it.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether this is more than nothing.
    pub fn is_positive(self) -> bool {
        self.0 > Decimal::ZERO
    }

    /// Whether this is less than nothing.
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// The same amount without its sign.
    #[must_use]
    pub fn size(self) -> Self {
        Self(self.0.abs())
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(MoneyError::TooLarge)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(MoneyError::TooLarge)
    }

    /// `part` of `whole` of this amount, rounded down: the rounding of refunds. A `whole` of zero
    /// has no parts.
    pub fn share_rounding_down(self, part: u64, whole: u64) -> Result<Self, MoneyError> {
        let product = self
            .0
            .checked_mul(Decimal::from(part))
            .ok_or(MoneyError::TooLarge)?;

        let share = product
            .checked_div(Decimal::from(whole))
            .ok_or(MoneyError::TooLarge)?;

        Ok(Self(down(share)))
    }

    /// What was counted from one rate, counted from another: rounded up. From a rate of zero
    /// nothing can be counted.
    pub fn at_another_rate(self, from: Rate, to: Rate) -> Result<Self, MoneyError> {
        let product = self.0.checked_mul(to.0).ok_or(MoneyError::TooLarge)?;
        Ok(Self(up(product
            .checked_div(from.0)
            .ok_or(MoneyError::TooLarge)?)))
    }

    /// How many hundredths of a percent of `whole` this is, to the nearest; `None` where that is
    /// nothing to count in.
    pub fn basis_points_of(self, whole: Self) -> Option<u64> {
        let points = self
            .0
            .checked_mul(Decimal::from(10_000))?
            .checked_div(whole.0)?;

        points
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            .try_into()
            .ok()
    }

    /// One unit of the last of so many decimals; more than the scale has none smaller.
    pub fn last_place(decimals: usize) -> Self {
        Self(Decimal::new(
            1,
            u32::try_from(decimals).unwrap_or(SCALE).min(SCALE),
        ))
    }

    /// So many units of the last place.
    pub const fn of_last_places(count: u32) -> Self {
        Self(Decimal::from_parts(count, 0, 0, false, SCALE))
    }

    /// Whether it is more than so many percent above another.
    pub fn exceeds(self, other: Self, percent: Percent) -> bool {
        let hundred = Decimal::ONE_HUNDRED;
        let allowed = percent
            .0
            .checked_add(hundred)
            .and_then(|part| other.0.checked_mul(part));

        let stated = self.0.checked_mul(hundred);
        !matches!((stated, allowed), (Some(stated), Some(allowed)) if stated <= allowed)
    }

    /// Whether selling at this charge what costs `cost` leaves at least `floor` percent of the
    /// charge.
    pub fn keeps_margin(self, cost: Self, floor: Percent) -> bool {
        let hundred = Decimal::ONE_HUNDRED;
        let kept = hundred
            .checked_sub(floor.0)
            .and_then(|part| self.0.checked_mul(part));

        let spent = cost.0.checked_mul(hundred);
        matches!((kept, spent), (Some(kept), Some(spent)) if spent <= kept)
    }

    /// How many percent of this charge are left when it costs `cost`, for people: rounded down to a
    /// tenth. `None` where nothing is charged.
    pub fn left_after(self, cost: Self) -> Option<Percent> {
        let left = self
            .0
            .checked_sub(cost.0)?
            .checked_mul(Decimal::ONE_HUNDRED)?
            .checked_div(self.0)?;

        Some(Percent(left.round_dp_with_strategy(
            1,
            RoundingStrategy::ToNegativeInfinity,
        )))
    }
}

impl Rate {
    /// Reads a rate that must fit exactly.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        match exact(text)? {
            value if value.is_sign_negative() && !value.is_zero() => Err(MoneyError::Unreadable),
            value => Ok(Self(value)),
        }
    }

    /// Reads a panel's rate: more decimals than we keep are rounded up, so that a cost is never
    /// seen too small.
    pub fn parse_rounding_up(text: &str) -> Result<Self, MoneyError> {
        match plain(text)? {
            value if value.is_sign_negative() && !value.is_zero() => Err(MoneyError::Unreadable),
            value => Ok(Self(up(value))),
        }
    }

    /// The rate that the database holds.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value)
    }

    /// The rate as the database takes it.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// What `units` cost at this rate, rounded up: the rounding of charges, so that a positive rate
    /// is never free.
    pub fn for_units(self, units: u64) -> Result<Money, MoneyError> {
        let product = self
            .0
            .checked_mul(Decimal::from(units))
            .ok_or(MoneyError::TooLarge)?;

        let amount = product
            .checked_div(Decimal::from(RATE_UNITS))
            .ok_or(MoneyError::TooLarge)?;

        Ok(Money(up(amount)))
    }

    /// What one package costs: the rate once.
    pub fn for_package(self) -> Money {
        Money(self.0)
    }

    /// This cost with a percentage and a fixed part per 1,000 units put on top, rounded up to the
    /// scale.
    pub fn marked_up(self, percent: Percent, fixed: Rate) -> Result<Self, MoneyError> {
        let factor = percent
            .0
            .checked_div(Decimal::ONE_HUNDRED)
            .and_then(|part| part.checked_add(Decimal::ONE));

        let price = factor
            .and_then(|factor| self.0.checked_mul(factor))
            .and_then(|price| price.checked_add(fixed.0))
            .ok_or(MoneyError::TooLarge)?;

        Ok(Self(up(price.max(Decimal::ZERO))))
    }

    /// Whether going from this rate to another moves it by more than so many percent, up or down.
    pub fn moves_more_than(self, percent: Percent, to: Rate) -> bool {
        let moved =
            to.0.checked_sub(self.0)
                .and_then(|moved| moved.abs().checked_mul(Decimal::ONE_HUNDRED));
        let allowed = self.0.checked_mul(percent.0);
        !matches!((moved, allowed), (Some(moved), Some(allowed)) if moved <= allowed)
    }

    /// The next multiple of `step` at or above this rate; a step of zero changes nothing.
    pub fn rounded_up_to(self, step: Rate) -> Result<Self, MoneyError> {
        if step.0.is_zero() {
            return Ok(self);
        }

        let steps = self
            .0
            .checked_div(step.0)
            .ok_or(MoneyError::TooLarge)?
            .ceil();

        steps
            .checked_mul(step.0)
            .map(Self)
            .ok_or(MoneyError::TooLarge)
    }
}

impl Rate {
    /// What selling at this rate leaves over a cost, in percent of the price, rounded down to two
    /// decimals: shown, never decided by. A price of zero has none.
    pub fn margin_over(self, cost: Rate) -> Option<Percent> {
        let left = self
            .0
            .checked_sub(cost.0)?
            .checked_mul(Decimal::ONE_HUNDRED)?
            .checked_div(self.0)?;

        Some(Percent(left.round_dp_with_strategy(
            2,
            RoundingStrategy::ToNegativeInfinity,
        )))
    }
}

impl Percent {
    /// Whether it is below zero.
    pub fn is_negative(self) -> bool {
        self.0.is_sign_negative() && !self.0.is_zero()
    }

    /// Reads a percentage; negative ones are valid.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        exact(text).map(Self)
    }

    /// So many percent.
    pub fn whole(percent: u64) -> Self {
        Self(Decimal::from(percent))
    }

    /// So many hundredths of a percent.
    pub fn from_basis_points(points: u64) -> Self {
        Self(
            Decimal::from(points)
                .checked_div(Decimal::ONE_HUNDRED)
                .unwrap_or_default(),
        )
    }

    /// The percentage that the database holds.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value)
    }

    /// The percentage as the database takes it.
    pub fn decimal(self) -> Decimal {
        self.0
    }
}

impl Rate {
    /// By how many percent going to another rate moves this one, cut to two decimals: shown, never
    /// decided by. A rate of zero moves by no percentage.
    pub fn moved_to(self, to: Rate) -> Option<Percent> {
        let moved =
            to.0.checked_sub(self.0)?
                .checked_mul(Decimal::ONE_HUNDRED)?
                .checked_div(self.0)?;

        Some(Percent(
            moved.round_dp_with_strategy(2, RoundingStrategy::ToZero),
        ))
    }
}

impl Percent {
    /// The difference.
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The same without its sign.
    #[must_use]
    pub fn size(self) -> Self {
        Self(self.0.abs())
    }
}

impl ExchangeRate {
    /// The rate as the database takes it; of the gateway's own currency, one.
    pub fn decimal_or_one(rate: Option<Self>) -> Decimal {
        rate.map_or(Decimal::ONE, |rate| rate.0)
    }

    /// The rate that the database holds.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value)
    }

    /// Reads a rate above zero.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());

        if !all_digits(whole) || !all_digits(fraction) {
            return Err(MoneyError::Unreadable);
        }

        if whole.len() > EXCHANGE_WHOLE_DIGITS_MAX {
            return Err(MoneyError::TooLarge);
        }

        if fraction.len() > EXCHANGE_SCALE {
            return Err(MoneyError::TooPreciseExchange);
        }

        let value = Decimal::from_str(text).map_err(|_| MoneyError::Unreadable)?;
        if value.is_zero() {
            Err(MoneyError::Unreadable)
        } else {
            Ok(Self(value))
        }
    }
}

impl fmt::Display for ExchangeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.normalize(), f)
    }
}

impl Money {
    /// A cost in another currency, in ours: rounded up, so that it is never booked too small.
    pub fn exchanged_rounding_up(self, rate: ExchangeRate) -> Result<Self, MoneyError> {
        let value = self
            .0
            .checked_mul(rate.0)
            .map(up)
            .ok_or(MoneyError::TooLarge)?;

        if value.abs() >= Decimal::from(AMOUNT_END) {
            Err(MoneyError::TooLarge)
        } else {
            Ok(Self(value))
        }
    }

    /// A balance in another currency, in ours: rounded down, so that nobody counts on what is not
    /// there.
    pub fn exchanged_rounding_down(self, rate: ExchangeRate) -> Result<Self, MoneyError> {
        self.0
            .checked_mul(rate.0)
            .map(|value| Self(down(value)))
            .ok_or(MoneyError::TooLarge)
    }
}

impl Rate {
    /// A panel's rate in another currency, in ours: rounded up, so that a cost is never seen too
    /// small.
    pub fn exchanged_rounding_up(self, rate: ExchangeRate) -> Result<Self, MoneyError> {
        self.0
            .checked_mul(rate.0)
            .map(|value| Self(up(value)))
            .ok_or(MoneyError::TooLarge)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_plain(self.0, f)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.normalize())
    }
}

#[cfg(test)]
mod tests;
