//! Questions as forms.

use crate::domain::id::PanelOrder;
use crate::domain::leg::LeasedLeg;
use crate::upstream::dialect::{Ask, Form};

/// The parameters of a question, `action` first.
pub(in crate::upstream::dialect) fn form(ask: Ask<'_>) -> Form {
    match ask {
        Ask::Add(leg) => add(leg),
        Ask::Status(orders) => status(orders),
        Ask::Services => vec![("action", "services".to_owned())],
        Ask::Balance => vec![("action", "balance".to_owned())],
    }
}

/// Only what the type takes: a parameter too many has been seen to change the order.
fn add(leg: &LeasedLeg) -> Form {
    let mut form =
        vec![("action", "add".to_owned()), ("service", leg.route.service.clone()), ("link", leg.link.clone())];
    if leg.kind.takes_quantity() {
        form.push(("quantity", leg.units.to_string()));
    }
    if leg.kind.takes_comments() {
        form.push(("comments", leg.details.comments.join("\n")));
    }
    if let Some(answer) = &leg.details.answer_number {
        form.push(("answer_number", answer.clone()));
    }
    form
}

/// One order is asked for by itself: some panels have no multi-status.
fn status(orders: &[PanelOrder]) -> Form {
    let asked = match orders {
        [order] => ("order", order.0.clone()),
        several => ("orders", several.iter().map(|order| order.0.as_str()).collect::<Vec<_>>().join(",")),
    };
    vec![("action", "status".to_owned()), asked]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{LegId, OrderId, ProviderId};
    use crate::domain::money::Money;
    use crate::domain::service::{Route, ServiceType};
    use crate::domain::wish::Details;

    fn leg(kind: ServiceType, comments: &[&str], answer: Option<&str>) -> LeasedLeg {
        LeasedLeg {
            leg: LegId(1),
            order: OrderId(1),
            attempt: 1,
            unsent: 0,
            route: Route { provider: ProviderId("p".into()), service: "17".into() },
            kind,
            link: "https://e.x/?a=1&b=2".into(),
            units: 100,
            details: Details {
                comments: comments.iter().map(ToString::to_string).collect(),
                answer_number: answer.map(ToOwned::to_owned),
            },
            cost: Money::ZERO,
        }
    }

    fn written(ask: Ask<'_>) -> String {
        serde_urlencoded::to_string(form(ask)).unwrap()
    }

    #[test]
    fn an_add_says_what_its_type_takes_and_nothing_else() {
        let start = "action=add&service=17&link=https%3A%2F%2Fe.x%2F%3Fa%3D1%26b%3D2";
        for (leg, rest) in [
            (leg(ServiceType::Default, &[], None), "&quantity=100"),
            (leg(ServiceType::Package, &[], None), ""),
            (
                leg(ServiceType::CustomComments, &["so good", "+1, да"], None),
                "&comments=so+good%0A%2B1%2C+%D0%B4%D0%B0",
            ),
            (leg(ServiceType::CustomCommentsPackage, &["a"], None), "&comments=a"),
            (leg(ServiceType::Poll, &[], Some("3")), "&quantity=100&answer_number=3"),
        ] {
            assert_eq!(written(Ask::Add(&leg)), format!("{start}{rest}"), "{:?}", leg.kind);
        }
    }

    #[test]
    fn one_order_is_asked_for_by_itself_and_several_together() {
        let orders = ["1", "10", "ord_1"].map(|id| PanelOrder(id.into()));
        assert_eq!(written(Ask::Status(&orders[..1])), "action=status&order=1");
        assert_eq!(written(Ask::Status(&orders)), "action=status&orders=1%2C10%2Cord_1");
        assert_eq!(written(Ask::Services), "action=services");
        assert_eq!(written(Ask::Balance), "action=balance");
    }
}
