//! What forms are built from, in any dialect: one parameter, one id or several, and what a type of
//! order takes.

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::leg::LeasedLeg;
use crate::upstream::dialect::CallForm;

/// A form that says no more than what is wanted.
pub(super) fn action(name: &str) -> CallForm {
    vec![("action", name.to_owned())]
}

/// Places an order. Only what the type takes: a parameter too many has been seen to change the
/// order.
pub(super) fn add(leg: &LeasedLeg) -> CallForm {
    let mut form = action("add");
    form.extend([
        ("service", leg.route.service.clone()),
        ("link", leg.link.clone()),
    ]);

    if leg.kind.takes_quantity() {
        form.push(("quantity", leg.units.to_string()));
    }

    form.extend(leg.details.told());
    form
}

/// The catalog, from this row on where a panel tells it in parts.
pub(super) fn services(from: usize) -> CallForm {
    let mut form = action("services");
    if from > 0 {
        form.push(("offset", from.to_string()));
    }
    form
}

/// About one thing under this name, or about several under that one: some panels have no questions
/// about several.
pub(super) fn one_or_many<T: Id>(
    name: &str,
    one: &'static str,
    many: &'static str,
    ids: &[T],
) -> CallForm {
    match ids {
        [id] => of_one(name, one, id),
        several => of_many(name, many, several),
    }
}

/// About one thing.
pub(super) fn of_one<T: Id>(name: &str, one: &'static str, id: &T) -> CallForm {
    let mut form = action(name);
    form.push((one, id.text().to_owned()));
    form
}

/// About a list of things, be it of one.
pub(super) fn of_many<T: Id>(name: &str, many: &'static str, ids: &[T]) -> CallForm {
    let mut form = action(name);
    form.push((many, ids.iter().map(Id::text).collect::<Vec<_>>().join(",")));
    form
}

/// What a panel names by a text of its own.
pub(super) trait Id {
    fn text(&self) -> &str;
}

impl Id for PanelOrder {
    fn text(&self) -> &str {
        &self.0
    }
}

impl Id for PanelRefill {
    fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests;
