//! What an `add` asks for, and what a panel has to say against it.

use super::{catalogue::Service, reply::Refused};
use crate::domain::{service::ServiceType, wish::LINK_BYTES_MAX};

/// An `add` whose parameters are there and could be read.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) link: String,
    /// As sent; read only where the type has a quantity.
    pub(super) quantity: Option<String>,
    pub(super) comments: Vec<String>,
    pub(super) answer_number: Option<String>,
}

impl Wanted {
    /// What keeping it takes, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        self.link.len() + self.comments.iter().map(String::len).sum::<usize>()
    }
}

/// Checks what the type asks for, in the order in which panels complain; the units that are bought.
pub(super) fn units(service: &Service, kind: ServiceType, wanted: &Wanted) -> Result<u64, Refused> {
    if wanted.link.is_empty() || wanted.link.len() > LINK_BYTES_MAX || wanted.link.chars().any(char::is_control) {
        return Err(Refused::Link);
    }
    if kind.takes_comments() && wanted.comments.is_empty() {
        return Err(Refused::Missing("comments"));
    }
    let units = if kind.takes_quantity() {
        let quantity = wanted.quantity.as_deref().ok_or(Refused::Missing("quantity"))?;
        quantity.parse().map_err(|_| Refused::Unreadable("quantity"))?
    } else if kind.is_package() {
        1
    } else {
        wanted.comments.len() as u64
    };
    if kind == ServiceType::Poll && wanted.answer_number.is_none() {
        return Err(Refused::NoAnswer);
    }
    if units < service.min {
        return Err(Refused::BelowMinimum);
    }
    if units > service.max {
        return Err(Refused::AboveMaximum);
    }
    Ok(units)
}
