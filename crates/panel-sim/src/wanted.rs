//! What an `add` asks for, and what a panel has to say against it.

use super::{
    catalog::Service,
    details::{Details, Parameter},
    kind::{Counts, Kind},
    reply::Refused,
};

/// The longest link, in bytes.
const LINK_BYTES_MAX: usize = 2_048;

/// An `add` whose parameters are there and could be read.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) link: String,
    /// As sent; read only where the type has a quantity.
    pub(super) quantity: Option<String>,
    /// Everything else, whether or not the type reads it.
    pub(super) details: Details,
}

impl Wanted {
    /// What keeping it takes at most, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        self.link.len()
            + self
                .details
                .told()
                .map(|(_, text)| text.len())
                .sum::<usize>()
    }
}

/// Checks what the type asks for, in the order in which panels complain.
pub(super) fn units(service: &Service, kind: &Kind, wanted: &Wanted) -> Result<u64, Refused> {
    if wanted.link.is_empty() {
        return Err(Refused::NoLink);
    }

    if wanted.link.len() > LINK_BYTES_MAX || wanted.link.chars().any(char::is_control) {
        return Err(Refused::Link);
    }

    let quantity = if kind.counts == Counts::Quantity {
        let quantity = wanted
            .quantity
            .as_deref()
            .ok_or(Refused::Missing("quantity"))?;

        quantity
            .parse()
            .map_err(|_| Refused::Unreadable("quantity"))?
    } else {
        1
    };

    let told = |parameter| {
        wanted.details.text(parameter).is_some() || !wanted.details.lines(parameter).is_empty()
    };

    if let Some(missing) = kind
        .needs(&wanted.details)
        .find(|parameter| !told(*parameter))
    {
        let poll = missing == Parameter::AnswerNumber;
        return Err(if poll {
            Refused::NoAnswer
        } else {
            Refused::Missing(missing.name())
        });
    }

    let units = match kind.counts {
        Counts::Quantity | Counts::Package => quantity,
        Counts::Lines(list) => wanted.details.lines(list).len() as u64,
    };

    if units < service.min {
        return Err(Refused::BelowMinimum(service.min));
    }

    if units > service.max {
        return Err(Refused::AboveMaximum(service.max));
    }

    Ok(units)
}
