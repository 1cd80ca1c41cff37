//! Questions as forms.

use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::leg::LeasedLeg;
use crate::upstream::dialect::{Ask, Form};

/// The parameters of a question, `action` first.
pub(in crate::upstream::dialect) fn form(ask: Ask<'_>) -> Form {
    match ask {
        Ask::Add(leg) => add(leg),
        Ask::Status(orders) => status(orders),
        Ask::Refill(order) => vec![("action", "refill".to_owned()), ("order", order.0.clone())],
        Ask::RefillStatus(refills) => refill_status(refills),
        Ask::Cancel(orders) => cancel(orders),
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
    form.extend(leg.details.told());
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

fn refill_status(refills: &[PanelRefill]) -> Form {
    let asked = match refills {
        [refill] => ("refill", refill.0.clone()),
        several => ("refills", several.iter().map(|refill| refill.0.as_str()).collect::<Vec<_>>().join(",")),
    };
    vec![("action", "refill_status".to_owned()), asked]
}

/// Always a list: that is how this family takes cancels.
fn cancel(orders: &[PanelOrder]) -> Form {
    let orders = orders.iter().map(|order| order.0.as_str()).collect::<Vec<_>>().join(",");
    vec![("action", "cancel".to_owned()), ("orders", orders)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{LegId, OrderId, ProviderId, ServiceId};
    use crate::domain::money::Money;
    use crate::domain::service::{Route, ServiceType};
    use crate::domain::wish::{Detail, Parameter};

    /// Lists with `|` between their lines.
    type Told = &'static [(Parameter, &'static str)];

    fn leg(kind: ServiceType, details: Told) -> LeasedLeg {
        let lines = |text: &str| text.split('|').map(ToOwned::to_owned).collect();
        let detail = |text: &str, list| if list { Detail::Lines(lines(text)) } else { Detail::Text(text.to_owned()) };
        LeasedLeg {
            leg: LegId(1),
            order: OrderId(1),
            attempt: 1,
            unsent: 0,
            route: Route { provider: ProviderId("p".into()), service: "17".into() },
            kind,
            link: "https://e.x/?a=1&b=2".into(),
            units: 100,
            details: details.iter().map(|(parameter, text)| (*parameter, detail(text, parameter.is_list()))).collect(),
            cost: Money::ZERO,
            sold_as: ServiceId(1),
            charge: Money::ZERO,
            quoted_cost: Money::ZERO,
        }
    }

    fn written(ask: Ask<'_>) -> String {
        serde_urlencoded::to_string(form(ask)).unwrap()
    }

    #[test]
    fn an_add_says_what_its_type_takes_and_nothing_else() {
        use Parameter::*;
        let start = "action=add&service=17&link=https%3A%2F%2Fe.x%2F%3Fa%3D1%26b%3D2";
        let cases: [(ServiceType, Told, &str); 16] = [
            (ServiceType::Default, &[], "&quantity=100"),
            (ServiceType::Package, &[], ""),
            (ServiceType::CustomComments, &[(Comments, "so good|+1, да")], "&comments=so+good%0A%2B1%2C+%D0%B4%D0%B0"),
            (ServiceType::CustomCommentsPackage, &[(Comments, "a")], "&comments=a"),
            (ServiceType::Mentions, &[(Usernames, "a|b")], "&quantity=100&usernames=a%0Ab"),
            (
                ServiceType::MentionsWithHashtags,
                &[(Usernames, "a|b"), (Hashtags, "c|d")],
                "&quantity=100&usernames=a%0Ab&hashtags=c%0Ad",
            ),
            (ServiceType::MentionsCustomList, &[(Usernames, "a|b")], "&usernames=a%0Ab"),
            (ServiceType::MentionsHashtag, &[(Hashtag, "#c")], "&quantity=100&hashtag=%23c"),
            (ServiceType::MentionsUserFollowers, &[(Username, "a")], "&quantity=100&username=a"),
            (ServiceType::MentionsMediaLikers, &[(Media, "m")], "&quantity=100&media=m"),
            (ServiceType::CommentLikes, &[(Username, "a")], "&quantity=100&username=a"),
            (ServiceType::CommentReplies, &[(Username, "a"), (Comments, "b|c")], "&comments=b%0Ac&username=a"),
            (ServiceType::Poll, &[(AnswerNumber, "3")], "&quantity=100&answer_number=3"),
            (ServiceType::InvitesFromGroups, &[(Groups, "g|h")], "&quantity=100&groups=g%0Ah"),
            (ServiceType::Seo, &[(Keywords, "k")], "&quantity=100&keywords=k"),
            (
                ServiceType::WebTraffic,
                &[(Country, "WW"), (Device, "5"), (TypeOfTraffic, "2"), (ReferringUrl, "r")],
                "&quantity=100&country=WW&device=5&type_of_traffic=2&referring_url=r",
            ),
        ];
        for (kind, details, rest) in cases {
            assert_eq!(written(Ask::Add(&leg(kind, details))), format!("{start}{rest}"), "{kind:?}");
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
