//! What an `add` asks for, and what a panel has to say against it.

use super::{catalogue::Service, reply::Refused};
use crate::domain::{
    service::{Counted, ServiceType},
    wish::{Details, LINK_BYTES_MAX, Parameter},
};

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
        self.link.len() + self.details.told().map(|(_, text)| text.len()).sum::<usize>()
    }
}

/// What the type reads of everything that was sent.
pub(super) fn taken(kind: ServiceType, sent: &Details) -> Details {
    let read = |parameter: Parameter| kind.parameters().contains(&parameter) && parameter.is_asked_beside(sent);
    sent.each()
        .filter(|(parameter, _)| read(*parameter))
        .map(|(parameter, detail)| (parameter, detail.clone()))
        .collect()
}

/// Checks what the type asks for, in the order in which panels complain.
pub(super) fn units(service: &Service, kind: ServiceType, wanted: &Wanted) -> Result<u64, Refused> {
    if wanted.link.is_empty() {
        return Err(Refused::NoLink);
    }
    if wanted.link.len() > LINK_BYTES_MAX || wanted.link.chars().any(char::is_control) {
        return Err(Refused::Link);
    }
    let quantity = if kind.takes_quantity() {
        let quantity = wanted.quantity.as_deref().ok_or(Refused::Missing("quantity"))?;
        quantity.parse().map_err(|_| Refused::Unreadable("quantity"))?
    } else {
        1
    };
    let told = |parameter| wanted.details.text(parameter).is_some() || !wanted.details.lines(parameter).is_empty();
    for parameter in kind.parameters() {
        if parameter.is_asked_beside(&wanted.details) && !told(*parameter) {
            let poll = *parameter == Parameter::AnswerNumber;
            return Err(if poll { Refused::NoAnswer } else { Refused::Missing(parameter.name()) });
        }
    }
    let units = match kind.counted() {
        Counted::Quantity | Counted::Package => quantity,
        Counted::Lines(list) => wanted.details.lines(list).len() as u64,
    };
    if units < service.min {
        return Err(Refused::BelowMinimum(service.min));
    }
    if units > service.max {
        return Err(Refused::AboveMaximum(service.max));
    }
    Ok(units)
}
