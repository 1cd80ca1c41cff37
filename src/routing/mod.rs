//! Which panel delivers: the routes that may be used, in order; and which panels are well enough to be sent to.

pub mod calls;
pub mod health;

use crate::domain::money::{Money, Percent};
use crate::domain::service::Route;

/// A route as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The panel and its service.
    pub route: Route,
    /// What the order would cost there now; `None` where the panel does not offer it at present.
    pub cost: Option<Money>,
}

/// The next route of a priority list after those that were tried, among those that may be used.
///
/// May be used: offered now, and either no dearer than what was quoted, or still leaving the margin's floor.
pub fn next<'a>(
    candidates: &'a [Candidate],
    tried: &[Route],
    charge: Money,
    quoted_cost: Money,
    floor: Percent,
) -> Option<(&'a Route, Money)> {
    candidates.iter().filter(|candidate| !tried.contains(&candidate.route)).find_map(|candidate| {
        let cost = candidate.cost?;
        (cost <= quoted_cost || charge.keeps_margin(cost, floor)).then_some((&candidate.route, cost))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ProviderId;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    fn candidate(provider: &str, cost: Option<&str>) -> Candidate {
        let route = Route { provider: ProviderId(provider.into()), service: "1".into() };
        Candidate { route, cost: cost.map(money) }
    }

    #[test]
    fn the_first_usable_route_is_taken_and_none_twice() {
        let all = [
            candidate("tried", Some("0.50")),
            candidate("off", None),
            candidate("dear", Some("0.99")),
            candidate("good", Some("0.97")),
        ];
        let tried = [all[0].route.clone()];
        let floor = Percent::parse("3").unwrap();
        let (route, cost) = next(&all, &tried, money("1"), money("0.50"), floor).unwrap();
        assert_eq!((route.provider.0.as_str(), cost), ("good", money("0.97")));
        assert_eq!(next(&all[..3], &tried, money("1"), money("0.50"), floor), None);
    }
}
