//! Odd habits of panels, as they are met in the wild: each is a way of answering rightly and unlike
//! the documents.

use std::{fmt, str::FromStr};

/// Currencies that a panel can be said to bill in.
const CURRENCIES: [&str; 7] = ["USD", "EUR", "UZS", "RUB", "INR", "TRY", "BRL"];

/// The largest number that a habit can have.
const NUMBER_MAX: usize = 100_000;

/// One habit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Reads the query of a GET and nothing else: a POST seems to have no key.
    Get,
    /// Tells its catalog in parts of so many rows, from an `offset` on.
    Parts(usize),
    /// Writes rates as numbers.
    RateNumbers,
    /// Writes rates with eleven decimals.
    RateDecimals,
    /// Writes its balance as a number.
    BalanceNumber,
    /// Bills in this currency.
    Currency(&'static str),
    /// Writes a blank before its currency.
    CurrencyBlank,
    /// Writes ids of services and orders as texts.
    IdTexts,
    /// Writes bounds, counts and charges as numbers.
    Numbers,
    /// Writes bounds, counts and charges as texts.
    Texts,
    /// Writes yes and no as 1 and 0.
    FlagNumbers,
    /// Writes yes and no as `"true"` and `"false"`.
    FlagTexts,
    /// Knows no status of several orders.
    NoBatch,
    /// Tells the status of so many orders at most.
    Batch(usize),
    /// Answers several statuses with a list of rows that name their orders.
    StatusRows,
    /// Writes the error of one of several orders as a bare text.
    BareErrors,
    /// Leaves unknown orders out of an answer about several.
    MissingRows,
    /// Has no refills, and calls them an unknown action.
    NoRefills,
    /// Answers unknown actions with a page.
    HtmlUnknown,
    /// Answers errors with HTTP 200.
    Errors200,
    /// Answers errors with HTTP 400.
    Errors400,
    /// Writes errors as `{"status":"error","message":…}`.
    ErrorMessage,
    /// Writes errors as a list.
    ErrorList,
    /// Writes a byte order mark and blanks before its JSON, and a line end behind it.
    Bom,
    /// Wraps catalogs and new orders in `{"status":"success","data":…}`.
    EnvelopeData,
    /// Wraps catalogs in `{"services":…}`.
    EnvelopeServices,
    /// Says that its JSON is a page.
    ContentType,
    /// Calls what is pending `Waiting list`.
    WaitingList,
    /// Tells the id of a new order as `order_id`.
    OrderId,
    /// Writes `start_counter` for `start_count`.
    StartCounter,
    /// Tells no id of a refill, only that it was taken.
    RefillNoId,
    /// Says `{"ok":"true"}` of cancels.
    CancelOk,
    /// Announces in a header that so many requests a minute are answered.
    Limit(usize),
}

/// Every habit as a spec names it; a number or a word stands for what follows the sign.
const NAMED: [(&str, Habit); 33] = [
    ("get", Habit::Get),
    ("parts", Habit::Parts(0)),
    ("rate_numbers", Habit::RateNumbers),
    ("rate_decimals", Habit::RateDecimals),
    ("balance_number", Habit::BalanceNumber),
    ("currency", Habit::Currency("")),
    ("currency_blank", Habit::CurrencyBlank),
    ("id_texts", Habit::IdTexts),
    ("numbers", Habit::Numbers),
    ("texts", Habit::Texts),
    ("flag_numbers", Habit::FlagNumbers),
    ("flag_texts", Habit::FlagTexts),
    ("no_batch", Habit::NoBatch),
    ("batch", Habit::Batch(0)),
    ("status_rows", Habit::StatusRows),
    ("bare_errors", Habit::BareErrors),
    ("missing_rows", Habit::MissingRows),
    ("no_refills", Habit::NoRefills),
    ("html_unknown", Habit::HtmlUnknown),
    ("errors_200", Habit::Errors200),
    ("errors_400", Habit::Errors400),
    ("error_message", Habit::ErrorMessage),
    ("error_list", Habit::ErrorList),
    ("bom", Habit::Bom),
    ("envelope_data", Habit::EnvelopeData),
    ("envelope_services", Habit::EnvelopeServices),
    ("content_type", Habit::ContentType),
    ("waiting_list", Habit::WaitingList),
    ("order_id", Habit::OrderId),
    ("start_counter", Habit::StartCounter),
    ("refill_no_id", Habit::RefillNoId),
    ("cancel_ok", Habit::CancelOk),
    ("limit", Habit::Limit(0)),
];

/// The habits of one panel. Written as `get,parts=500,currency=EUR`; the empty text is a panel like
/// its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habits(Vec<Habit>);

/// Why a text is no spec of habits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HabitsError {
    /// A name that no habit has.
    #[error("unknown habit `{0}`; known are: {known}",
        known = NAMED.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// A habit that is named twice.
    #[error("habit `{0}` is named twice")]
    Twice(&'static str),
    /// A number that is none, or stands where none belongs.
    #[error("habit `{0}` wants a whole number from 1 to {NUMBER_MAX}, as in `{0}=50`")]
    Number(&'static str),
    /// A currency that is none of those.
    #[error("habit `currency` wants one of {known}, as in `currency=EUR`",
        known = CURRENCIES.join(", "))]
    Currency,
    /// Something behind the name of a habit that is or is not.
    #[error("habit `{0}` is written alone, without `=`")]
    Alone(&'static str),
}

impl Habits {
    /// Whether the panel has this habit; those with a number are asked for by it.
    pub(super) fn has(&self, habit: Habit) -> bool {
        self.0.contains(&habit)
    }

    /// How many rows one answer to `services` has at most.
    pub(super) fn parts(&self) -> Option<usize> {
        self.number(|habit| {
            if let Habit::Parts(rows) = habit {
                Some(rows)
            } else {
                None
            }
        })
    }

    /// How many orders one status question may name.
    pub(super) fn batch(&self) -> Option<usize> {
        self.number(|habit| {
            if let Habit::Batch(orders) = habit {
                Some(orders)
            } else {
                None
            }
        })
    }

    /// How many requests a minute are announced.
    pub(super) fn limit(&self) -> Option<usize> {
        self.number(|habit| {
            if let Habit::Limit(requests) = habit {
                Some(requests)
            } else {
                None
            }
        })
    }

    /// The currency that it bills in, where it is not its dialect's.
    pub(super) fn currency(&self) -> Option<&'static str> {
        self.0.iter().find_map(|habit| {
            if let Habit::Currency(currency) = habit {
                Some(*currency)
            } else {
                None
            }
        })
    }

    fn number(&self, of: impl Fn(Habit) -> Option<usize>) -> Option<usize> {
        self.0.iter().find_map(|habit| of(*habit))
    }
}

impl FromStr for Habits {
    type Err = HabitsError;

    fn from_str(spec: &str) -> Result<Self, HabitsError> {
        let mut habits: Vec<Habit> = Vec::new();
        for part in spec
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, said) = part
                .split_once('=')
                .map_or((part, None), |(name, said)| (name, Some(said.trim())));

            let named = NAMED.iter().find(|(known, _)| *known == name.trim());
            let (name, habit) =
                named.ok_or_else(|| HabitsError::Unknown(name.trim().to_owned()))?;

            if habits.iter().any(|known| known.name() == *name) {
                return Err(HabitsError::Twice(name));
            }

            habits.push(with(name, *habit, said)?);
        }

        Ok(Self(habits))
    }
}

/// The habit with what was said of it.
fn with(name: &'static str, habit: Habit, said: Option<&str>) -> Result<Habit, HabitsError> {
    let number = || {
        let number = said
            .and_then(|said| said.parse().ok())
            .filter(|number| (1..=NUMBER_MAX).contains(number));
        number.ok_or(HabitsError::Number(name))
    };

    if let Habit::Parts(_) = habit {
        number().map(Habit::Parts)
    } else if let Habit::Batch(_) = habit {
        number().map(Habit::Batch)
    } else if let Habit::Limit(_) = habit {
        number().map(Habit::Limit)
    } else if let Habit::Currency(_) = habit {
        let known = CURRENCIES.into_iter().find(|known| Some(*known) == said);
        known.map(Habit::Currency).ok_or(HabitsError::Currency)
    } else if said.is_some() {
        Err(HabitsError::Alone(name))
    } else {
        Ok(habit)
    }
}

impl Habit {
    /// The name that a spec uses.
    fn name(self) -> &'static str {
        let same = |known: &Habit| std::mem::discriminant(known) == std::mem::discriminant(&self);
        NAMED
            .iter()
            .find(|(_, known)| same(known))
            .map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Habits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, habit) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { "," }, habit.name())?;
            if let Habit::Parts(number) | Habit::Batch(number) | Habit::Limit(number) = habit {
                write!(f, "={number}")?;
            }

            if let Habit::Currency(currency) = habit {
                write!(f, "={currency}")?;
            }
        }

        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_and_shown() {
        for (given, shown) in [
            ("", ""),
            (" get , parts = 500,", "get,parts=500"),
            ("currency=EUR,batch=7", "currency=EUR,batch=7"),
        ] {
            let habits: Habits = given.parse().unwrap();
            assert_eq!(habits.to_string(), shown, "{given:?}");
            assert_eq!(shown.parse(), Ok(habits));
        }

        for (name, habit) in NAMED {
            assert_eq!(habit.name(), name);
        }
    }

    #[test]
    fn a_wrong_spec_says_what_is_wrong() {
        let error = |spec: &str| spec.parse::<Habits>().unwrap_err();
        assert!(
            error("polite")
                .to_string()
                .starts_with("unknown habit `polite`; known are: get, parts, ")
        );

        assert_eq!(error("get,get"), HabitsError::Twice("get"));
        assert_eq!(error("parts=5,parts=6"), HabitsError::Twice("parts"));
        assert_eq!(error("get=1"), HabitsError::Alone("get"));
        assert_eq!(error("currency=usd"), HabitsError::Currency);

        for bad in ["parts", "parts=", "parts=0", "parts=x", "parts=100001"] {
            assert_eq!(error(bad), HabitsError::Number("parts"), "{bad}");
        }
    }
}
