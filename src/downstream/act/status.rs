//! `status`: where one order stands, or many.

use std::collections::HashSet;

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::House;
use crate::downstream::dialect;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

/// The most orders that one request may name: what the v2 family has always promised.
const IDS_MAX: usize = 100;

/// What `status` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// One order, answered bare.
    One(String),
    /// Several, or one in a list: answered as an object by id.
    Many(Vec<String>),
}

/// Answers `status`.
pub async fn status(house: &House, caller: &Caller, form: &Form) -> Result<Reply, Refusal> {
    match asked(form)? {
        Asked::One(id) => {
            let look = house.orders.look(caller, dialect::order_named(&id)).await?;
            Ok(Reply::Status { look, currency: house.catalog.now().currency.clone() })
        }
        Asked::Many(ids) => {
            let names: Vec<_> = ids.iter().map(|id| dialect::order_named(id)).collect();
            let looks = house.orders.look_many(caller, &names).await?;
            if looks.len() != ids.len() {
                tracing::error!(asked = ids.len(), answered = looks.len(), "looks do not match the ids asked for");
                return Err(Refusal::Broken);
            }
            let rows = ids.into_iter().zip(looks).collect();
            Ok(Reply::Statuses { rows, currency: house.catalog.now().currency.clone() })
        }
    }
}

fn asked(form: &Form) -> Result<Asked, Refusal> {
    match (form.scalar("order")?, form.scalar("orders")?) {
        (Some(_), Some(_)) => Err(Refusal::Both { one: "order", many: "orders" }),
        (None, None) => Err(Refusal::Missing("order")),
        (Some(one), None) if !one.contains(',') => match one.trim() {
            "" => Err(Refusal::Missing("order")),
            id => Ok(Asked::One(id.to_owned())),
        },
        (Some(list), None) | (None, Some(list)) => ids(&list).map(Asked::Many),
    }
}

/// The ids of a list, each once, in the order asked.
fn ids(list: &str) -> Result<Vec<String>, Refusal> {
    let mut seen = HashSet::new();
    let named = list.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids: Vec<String> = named.filter(|id| seen.insert(*id)).map(str::to_owned).collect();
    match ids.len() {
        0 => Err(Refusal::Missing("order")),
        1..=IDS_MAX => Ok(ids),
        _ => Err(Refusal::TooManyIds { ids_max: IDS_MAX }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn many(ids: &[&str]) -> Asked {
        Asked::Many(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[rstest]
    #[case::one("order=+7+", Ok(Asked::One("7".into())))]
    #[case::a_list_in_order("order=1,2", Ok(many(&["1", "2"])))]
    #[case::blanks_and_repeats("orders=+2+,,x,2%2C1,", Ok(many(&["2", "x", "1"])))]
    #[case::one_in_a_list("orders=9", Ok(many(&["9"])))]
    #[case::nothing("action=status", Err(Refusal::Missing("order")))]
    #[case::empty("order=&orders=", Err(Refusal::Missing("order")))]
    #[case::only_blanks("orders=,+,", Err(Refusal::Missing("order")))]
    #[case::a_blank("order=+", Err(Refusal::Missing("order")))]
    #[case::both("order=1&orders=1", Err(Refusal::Both { one: "order", many: "orders" }))]
    #[case::two_values("order=1&order=2", Err(Refusal::Unreadable("order")))]
    fn what_is_asked(#[case] body: &str, #[case] expected: Result<Asked, Refusal>) {
        assert_eq!(asked(&Form::read(body.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn a_hundred_ids_are_read_and_one_more_is_not() {
        let list = |count: usize| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(ids(&list(100)).unwrap().len(), 100);
        assert_eq!(ids(&format!("{},1", list(100))).unwrap().len(), 100);
        assert_eq!(ids(&list(101)), Err(Refusal::TooManyIds { ids_max: 100 }));
    }
}
