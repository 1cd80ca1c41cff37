//! What a wish is for, by the service's type: how many units, and what else the panel is told.

use crate::catalog::Service;
use crate::domain::refusal::Refusal;
use crate::domain::service::Counted;
use crate::domain::wish::{
    Detail, Details, LINES_MAX, OrderRequest, Parameter, TEXT_BYTES_MAX, breaks_a_line,
};

/// The most digits of a poll's answer.
const ANSWER_DIGITS_MAX: usize = 9;

/// Reads what the type takes, in the protocol's order of parameters, then looks at the bounds. What
/// the type does not take is not looked at.
pub fn read_contents(sold: &Service, wish: &OrderRequest) -> Result<(u64, Details), Refusal> {
    let quantity = if sold.kind.takes_quantity() {
        quantity(wish)?
    } else {
        1
    };

    let mut details = Details::default();
    for parameter in sold.kind.parameters().iter().copied() {
        if parameter.is_asked_beside(&details) {
            details.tell(parameter, detail(wish, parameter)?);
        }
    }

    let units = match sold.kind.counted() {
        Counted::Quantity | Counted::Package => quantity,
        Counted::Lines(list) => details.lines(list).len() as u64,
    };

    no_drip_feed(wish)?;
    within_bounds(sold, units)?;
    Ok((units, details))
}

fn quantity(wish: &OrderRequest) -> Result<u64, Refusal> {
    let quantity = wish
        .text(Parameter::Quantity)?
        .ok_or(Refusal::Missing("quantity"))?;

    if !is_digits(quantity) {
        return Err(Refusal::Unreadable("quantity"));
    }

    // A number of digits that passes 64 bits is above any maximum; its smaller neighbour is refused
    // just the same.
    Ok(quantity.parse().unwrap_or(u64::MAX))
}

fn detail(wish: &OrderRequest, parameter: Parameter) -> Result<Detail, Refusal> {
    let missing = || {
        if parameter == Parameter::AnswerNumber {
            Refusal::NoAnswer
        } else {
            Refusal::Missing(parameter.name())
        }
    };

    let unreadable = || Refusal::Unreadable(parameter.name());
    if parameter.is_list() {
        let lines = wish.lines(parameter)?;
        return match lines.len() {
            0 => Err(missing()),
            1..=LINES_MAX => Ok(Detail::Lines(lines.to_vec())),
            _ => Err(unreadable()),
        };
    }

    let text = wish.text(parameter)?.ok_or_else(missing)?;
    if is_readable(parameter, text) {
        Ok(Detail::Text(text.to_owned()))
    } else {
        Err(unreadable())
    }
}

fn is_readable(parameter: Parameter, text: &str) -> bool {
    let is_one_of = |choices: &[&str]| choices.contains(&text);
    match parameter {
        Parameter::AnswerNumber => text.len() <= ANSWER_DIGITS_MAX && is_digits(text),
        Parameter::Device => is_one_of(&["1", "2", "3", "4", "5"]),
        Parameter::TypeOfTraffic => is_one_of(&["1", "2", "3"]),
        Parameter::Service
        | Parameter::Link
        | Parameter::Quantity
        | Parameter::Comments
        | Parameter::Runs
        | Parameter::Interval
        | Parameter::Usernames
        | Parameter::Hashtags
        | Parameter::Hashtag
        | Parameter::Username
        | Parameter::Media
        | Parameter::Groups
        | Parameter::Keywords
        | Parameter::Country
        | Parameter::GoogleKeyword
        | Parameter::ReferringUrl => {
            text.len() <= TEXT_BYTES_MAX && !text.chars().any(breaks_a_line)
        }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refused for every type: who sends it expects parts, and must not get all at once. One run, or an
/// interval between no runs, is a plain order.
fn no_drip_feed(wish: &OrderRequest) -> Result<(), Refusal> {
    let Some(runs) = wish.text(Parameter::Runs)? else {
        return Ok(());
    };

    if !is_digits(runs) {
        return Err(Refusal::Unreadable(Parameter::Runs.name()));
    }

    match runs.trim_start_matches('0') {
        "" | "1" => Ok(()),
        _ => Err(Refusal::DripFeed),
    }
}

fn within_bounds(sold: &Service, units: u64) -> Result<(), Refusal> {
    if sold.kind.is_package() {
        return Ok(());
    }

    if units < sold.min {
        return Err(Refusal::BelowMinimum { min: sold.min });
    }

    if units > sold.max {
        return Err(Refusal::AboveMaximum { max: sold.max });
    }

    Ok(())
}
