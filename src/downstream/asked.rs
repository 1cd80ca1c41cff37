//! Which orders or refills are asked for: one, answered bare, or many, answered in rows.

use std::collections::HashSet;

use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;

/// The most ids that one request may name: what the v2 family has always promised.
const IDS_MAX: usize = 100;

/// Ids as they were asked for, trimmed.
#[derive(Debug, PartialEq, Eq)]
pub enum RequestedIds {
    /// One by itself.
    One(String),
    /// Several, or one in a list: each once, in the order asked, at least one.
    Many(Vec<String>),
}

/// What `refill_status` asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum AskedRefills {
    /// These refills.
    Refills(RequestedIds),
    /// The latest refill of each of these orders.
    LatestOf(RequestedIds),
}

/// The orders that `status`, `refill` and `cancel` are asked for.
pub fn requested_orders(form: &Form) -> Result<RequestedIds, Refusal> {
    read_ids(form, "order", "orders")
}

/// The refills that `refill_status` is asked for; clients of one family name the order instead.
pub fn requested_refills(form: &Form) -> Result<AskedRefills, Refusal> {
    let names_refills = form.has("refill") || form.has("refills");
    if !names_refills && (form.has("order") || form.has("orders")) {
        return requested_orders(form).map(AskedRefills::LatestOf);
    }
    read_ids(form, "refill", "refills").map(AskedRefills::Refills)
}

fn read_ids(form: &Form, one: &'static str, many: &'static str) -> Result<RequestedIds, Refusal> {
    match (form.has(one), form.has(many)) {
        (true, true) => Err(Refusal::Both { one, many }),
        (false, true) => several(form.ids(many)?, one),
        // Two values of this one are no list, whatever stands in them.
        (_, false) => match form.scalar(one)? {
            Some(list) if list.contains(',') => several(form.ids(one)?, one),
            Some(id) if !id.trim().is_empty() => Ok(RequestedIds::One(id.trim().to_owned())),
            Some(_) | None => Err(Refusal::Missing(one)),
        },
    }
}

fn several<'a>(
    named: impl Iterator<Item = &'a str>,
    one: &'static str,
) -> Result<RequestedIds, Refusal> {
    let mut seen = HashSet::new();
    let ids: Vec<String> = named
        .filter(|id| seen.insert(*id))
        .map(str::to_owned)
        .collect();

    match ids.len() {
        0 => Err(Refusal::Missing(one)),
        1..=IDS_MAX => Ok(RequestedIds::Many(ids)),
        _ => Err(Refusal::TooManyIds { ids_max: IDS_MAX }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn form(body: &str) -> Form {
        let mut form = Form::default();
        form.read_encoded(body.as_bytes()).unwrap();
        form
    }

    fn many(ids: &[&str]) -> RequestedIds {
        RequestedIds::Many(ids.iter().map(|id| (*id).to_owned()).collect())
    }

    #[rstest]
    #[case::one("order=+7+", Ok(RequestedIds::One("7".into())))]
    #[case::a_list_in_order("order=1,2", Ok(many(&["1", "2"])))]
    #[case::blanks_and_repeats("orders=+2+,,x,2%2C1,", Ok(many(&["2", "x", "1"])))]
    #[case::over_several_values("orders[0]=1&orders[1]=2,1", Ok(many(&["1", "2"])))]
    #[case::one_in_a_list("orders=9", Ok(many(&["9"])))]
    #[case::the_same_twice("order=1,2&order=1%2C2", Ok(many(&["1", "2"])))]
    #[case::nothing("action=status", Err(Refusal::Missing("order")))]
    #[case::empty("order=&orders=", Err(Refusal::Missing("order")))]
    #[case::only_blanks("orders=,+,", Err(Refusal::Missing("order")))]
    #[case::only_commas("order=,", Err(Refusal::Missing("order")))]
    #[case::a_blank("order=+", Err(Refusal::Missing("order")))]
    #[case::both("order=1&orders=1", Err(Refusal::Both { one: "order", many: "orders" }))]
    #[case::two_values("order=1&order=2", Err(Refusal::Unreadable("order")))]
    #[case::unreadable("orders=1,%ff", Err(Refusal::Unreadable("orders")))]
    fn orders_asked_for(#[case] body: &str, #[case] expected: Result<RequestedIds, Refusal>) {
        assert_eq!(requested_orders(&form(body)), expected);
    }

    #[rstest]
    #[case::one("refill=7", Ok(AskedRefills::Refills(RequestedIds::One("7".into()))))]
    #[case::many("refills=7,8", Ok(AskedRefills::Refills(many(&["7", "8"]))))]
    #[case::by_order("order=7", Ok(AskedRefills::LatestOf(RequestedIds::One("7".into()))))]
    #[case::by_orders("orders=7", Ok(AskedRefills::LatestOf(many(&["7"]))))]
    #[case::refills_first("order=7&refill=8",
        Ok(AskedRefills::Refills(RequestedIds::One("8".into()))))]
    #[case::both("refill=7&refills=7", Err(Refusal::Both { one: "refill", many: "refills" }))]
    #[case::nothing("", Err(Refusal::Missing("refill")))]
    fn refills_asked_for(#[case] body: &str, #[case] expected: Result<AskedRefills, Refusal>) {
        assert_eq!(requested_refills(&form(body)), expected);
    }

    #[test]
    fn a_hundred_ids_are_read_and_one_more_is_not() {
        let list = |count: usize| {
            (1..=count)
                .map(|id| id.to_string())
                .collect::<Vec<_>>()
                .join(",")
        };

        let asked = |list: &str| requested_orders(&form(&format!("orders={list}")));
        assert!(matches!(asked(&format!("{},1", list(100))),
                Ok(RequestedIds::Many(ids)) if ids.len() == 100));
        assert_eq!(asked(&list(101)), Err(Refusal::TooManyIds { ids_max: 100 }));
    }
}
