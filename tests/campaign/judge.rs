//! The judge: nothing bought twice, no answer lost, no state and no amount wrong. It reads
//! everybody's books and believes nobody's word alone.

use std::collections::BTreeMap;

use crate::amount;
use crate::evidence::{Alert, Evidence, LegRow, Moved, OrderRow, PanelOrder, Shown};
use crate::plan::Wish;

/// Of so many orders one may be misled: panels lie about as often.
const MISLED_ONE_IN: usize = 50;

/// Everything that is wrong, in words.
pub fn complaints(evidence: &Evidence) -> Vec<String> {
    [
        bought_twice,
        answers,
        orders,
        misled_too_often,
        money,
        wallets,
        silent,
    ]
    .into_iter()
    .flat_map(|ask| ask(evidence))
    .collect()
}

/// Nothing rests without somebody having been told.
fn silent(evidence: &Evidence) -> Vec<String> {
    untold(&evidence.orders, &evidence.legs, &evidence.alerts)
}

/// Every order that is not over is in doubt, waits for money or is before a person, and an alert
/// says so.
pub fn untold(orders: &[OrderRow], legs: &[LegRow], alerts: &[Alert]) -> Vec<String> {
    let is_told = |kind: &str, object: &str| {
        alerts
            .iter()
            .any(|alert| alert.kind == kind && alert.object == object)
    };

    let over = ["completed", "partial", "canceled"];
    let mut told = Vec::new();

    for order in orders
        .iter()
        .filter(|order| !over.contains(&order.state.as_str()))
    {
        let at = |state: &str| {
            legs.iter()
                .find(|leg| leg.order == order.id && leg.state == state)
        };

        let is_told = match (at("in_doubt"), at("parked"), &order.review) {
            (Some(leg), _, _) => is_told("orders_in_doubt", &leg.provider),
            (None, Some(leg), _) => is_told("orders_parked", &leg.provider),
            (None, None, Some(_)) => is_told("orders_for_review", ""),
            (None, None, None) => false,
        };

        if !is_told {
            told.push(format!(
                "order {} is {} and nobody was told",
                order.id, order.state
            ));
        }
    }

    told
}

/// No wish is two orders of ours, and none is two orders at the panels together: a leg that was
/// sent and refused placed nothing, so all legs of an order have one order at the panels at most.
fn bought_twice(evidence: &Evidence) -> Vec<String> {
    let mut told = Vec::new();
    let at_panels = evidence.at_panels();
    for (link, orders) in at_panels.iter().filter(|(_, orders)| orders.len() > 1) {
        let list: Vec<_> = orders
            .iter()
            .map(|order| format!("{} {}", order.panel, order.id))
            .collect();

        told.push(format!(
            "{link} was bought {} times at the panels: {}",
            orders.len(),
            list.join(", ")
        ));
    }

    let mut ours: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for order in &evidence.orders {
        ours.entry(&order.link).or_default().push(order.id);
    }

    let twice = ours.iter().filter(|(_, ids)| ids.len() > 1);
    told.extend(twice.map(|(link, ids)| format!("{link} was sold {} times: {ids:?}", ids.len())));
    let unsold = at_panels.keys().filter(|link| !ours.contains_key(*link));
    told.extend(unsold.map(|link| format!("{link} was bought at a panel and never sold")));

    told
}

/// Every answer that was given stands in the books as it was wished, and is given again byte for
/// byte.
fn answers(evidence: &Evidence) -> Vec<String> {
    let mut told = Vec::new();
    let orders: BTreeMap<i32, &OrderRow> = evidence
        .orders
        .iter()
        .map(|order| (order.id, order))
        .collect();

    for (n, wish) in evidence.wishes.iter().enumerate() {
        let Some(answer) = evidence.answers.get(&n) else {
            if wish.request_id.is_some() {
                told.push(format!("wish {n} was never answered"));
            }
            continue;
        };

        let Some(order) = orders.get(&answer.order) else {
            told.push(format!("order {} was answered and is lost", answer.order));
            continue;
        };

        if order.link != wish.link {
            told.push(format!(
                "order {} was answered to wish {n} and is for {}",
                order.id, order.link
            ));
        }

        if wish.request_id.is_some() && answer.replayed.as_ref() != Some(&answer.bytes) {
            told.push(format!(
                "wish {n} was answered {} and then {:?}",
                answer.bytes, answer.replayed
            ));
        }
    }

    told
}

/// Every order is what somebody wished, and stands where the books of its panel put it.
///
/// A panel that answers with the id of another order, which we never heard of from itself, misleads
/// us: nobody could know. Such an order must stand where the order of that id does.
fn orders(evidence: &Evidence) -> Vec<String> {
    let wishes: BTreeMap<&str, &Wish> = evidence
        .wishes
        .iter()
        .map(|wish| (wish.link.as_str(), wish))
        .collect();

    let (at_panels, legs) = (evidence.at_panels(), evidence.legs_of());
    let mut told = Vec::new();
    for order in &evidence.orders {
        let mut say = |what: String| told.push(format!("order {}: {what}", order.id));
        let Some(wish) = wishes.get(order.link.as_str()) else {
            say(format!("nobody wished for {}", order.link));
            continue;
        };

        let ours = (order.customer, order.service, order.units, order.charge);
        let units = i64::try_from(wish.units).expect("few units");
        let service = i32::try_from(wish.service.id).expect("a small id");

        let theirs = (
            evidence.customers[wish.customer],
            service,
            units,
            wish.charge(),
        );

        if ours != theirs {
            say(format!(
                "customer, service, units and charge are {ours:?}, wished were {theirs:?}"
            ));
        }

        let legs = legs.get(&order.id).map_or(&[][..], Vec::as_slice);
        let panel = at_panels
            .get(order.link.as_str())
            .and_then(|orders| orders.first().copied());

        match end(order, legs, followed(evidence, legs).or(panel)) {
            Ok(expected) => stands(order, &expected, evidence.shown.get(&order.id))
                .into_iter()
                .for_each(say),
            Err(wrong) => say(wrong),
        }
    }

    told
}

/// A gateway that mixed answers up by itself would look misled too, only far more often.
fn misled_too_often(evidence: &Evidence) -> Vec<String> {
    let (misled, most) = (misled(evidence), 1 + evidence.orders.len() / MISLED_ONE_IN);
    if misled > most {
        vec![format!(
            "{misled} orders have the panel's id of another one, {most} at most"
        )]
    } else {
        vec![]
    }
}

/// How many orders have the id of another one's order at the panel.
pub fn misled(evidence: &Evidence) -> usize {
    let legs = evidence.legs_of();
    let followed = |order: &OrderRow| {
        followed(evidence, legs.get(&order.id)?).map(|panel| panel.link != order.link)
    };

    evidence
        .orders
        .iter()
        .filter(|order| followed(order) == Some(true))
        .count()
}

/// The order at a panel whose id one of the legs has.
fn followed<'a>(evidence: &'a Evidence, legs: &[&LegRow]) -> Option<&'a PanelOrder> {
    let (leg, id) = legs
        .iter()
        .find_map(|leg| Some((leg, leg.panel_order.as_ref()?)))?;
    evidence.by_panel_id(&leg.provider, id)
}

/// Where an order must stand: states that are right, what is given back, what is missing.
struct Expected {
    states: &'static [(&'static str, &'static str)],
    refunded: amount::Amount,
    remains: Option<i64>,
}

/// What follows from the panel's books and from how much of them ours can know.
fn end(order: &OrderRow, legs: &[&LegRow], panel: Option<&PanelOrder>) -> Result<Expected, String> {
    if let Some(leg) = legs.iter().find(|leg| leg.state == "in_doubt") {
        let compared = &[("processing", "Processing"), ("pending", "Pending")];
        let states: &'static [_] = if leg.compared {
            compared
        } else {
            &[("processing", "Processing")]
        };

        return Ok(Expected {
            states,
            refunded: 0,
            remains: None,
        });
    }

    // It waits for our money there, after another panel was in doubt or before any was asked.
    if legs.last().is_some_and(|leg| leg.state == "parked") && panel.is_none() {
        let states = &[("processing", "Processing"), ("pending", "Pending")];
        return Ok(Expected {
            states,
            refunded: 0,
            remains: Some(order.units),
        });
    }

    if order.review.is_some() {
        let states = &[("processing", "Processing"), ("in_progress", "In progress")];
        return Ok(Expected {
            states,
            refunded: 0,
            remains: None,
        });
    }

    let Some(panel) = panel else {
        let refused = legs.last().is_some_and(|leg| leg.state == "refused");
        let whole = Expected {
            states: &[("canceled", "Canceled")],
            refunded: order.charge,
            remains: Some(order.units),
        };

        return if refused {
            Ok(whole)
        } else {
            Err(format!("is {}, and no panel has it", order.state))
        };
    };

    let known = legs
        .iter()
        .any(|leg| leg.provider == panel.panel && leg.panel_order.as_ref() == Some(&panel.id));

    if !known {
        return Err(format!(
            "is {}, and panel {} has it as {}, unknown to us",
            order.state, panel.panel, panel.id
        ));
    }

    let units = u64::try_from(order.units).map_err(|_| "its units are negative".to_owned())?;
    let remains = i64::try_from(panel.remains).map_err(|_| "too much remains".to_owned())?;

    match panel.status.as_str() {
        "Completed" => Ok(Expected {
            states: &[("completed", "Completed")],
            refunded: 0,
            remains: Some(0),
        }),
        "Partial" => {
            let refunded = amount::share(order.charge, panel.remains, units);
            Ok(Expected {
                states: &[("partial", "Partial")],
                refunded,
                remains: Some(remains),
            })
        }
        "Canceled" => Ok(Expected {
            states: &[("canceled", "Canceled")],
            refunded: order.charge,
            remains: Some(order.units),
        }),
        open => Err(format!("is {open} at its panel, which never came to rest")),
    }
}

/// Whether our books and what the customer is shown say what must be.
fn stands(order: &OrderRow, expected: &Expected, shown: Option<&Shown>) -> Vec<String> {
    let mut told = Vec::new();
    let Some((_, word)) = expected
        .states
        .iter()
        .find(|(state, _)| *state == order.state)
    else {
        return vec![format!(
            "is {} and must be {}",
            order.state, expected.states[0].0
        )];
    };

    if order.refunded != expected.refunded {
        told.push(format!(
            "refunded are {} and must be {} (of {})",
            order.refunded, expected.refunded, order.charge
        ));
    }

    if let Some(remains) = expected.remains.filter(|remains| *remains != order.remains) {
        told.push(format!("{} remain and must be {remains}", order.remains));
    }

    let must = Shown {
        status: (*word).to_owned(),
        charge: order.charge - order.refunded,
        remains: order.remains,
    };

    if shown != Some(&must) {
        told.push(format!("is shown as {shown:?} and must be {must:?}"));
    }

    told
}

/// Every order is charged once, and given back what its row says.
fn money(evidence: &Evidence) -> Vec<String> {
    let mut told = Vec::new();
    let mut moved: BTreeMap<(i32, &str), Vec<&Moved>> = BTreeMap::new();
    for row in &evidence.moved {
        moved
            .entry((row.order, row.reason.as_str()))
            .or_default()
            .push(row);
    }

    for order in &evidence.orders {
        let of = |reason| {
            moved
                .get(&(order.id, reason))
                .map_or(&[][..], Vec::as_slice)
        };

        let charges = of("charge");
        if charges
            .iter()
            .map(|moved| (moved.times, moved.sum))
            .collect::<Vec<_>>()
            != [(1, order.charge)]
        {
            let times: i64 = charges.iter().map(|moved| moved.times).sum();
            told.push(format!(
                "order {} was charged {times} times, or not {}",
                order.id, order.charge
            ));
        }

        let refunded: amount::Amount = of("refund").iter().map(|moved| moved.sum).sum();
        if refunded != order.refunded {
            told.push(format!(
                "order {} was given back {refunded}, its row says {}",
                order.id, order.refunded
            ));
        }
    }

    told
}

/// Every wallet is its opening balance less what its orders cost, and its customer is told so.
fn wallets(evidence: &Evidence) -> Vec<String> {
    let mut told = Vec::new();
    for (place, customer) in evidence.customers.iter().enumerate() {
        let own = evidence
            .orders
            .iter()
            .filter(|order| order.customer == *customer);

        let cost: amount::Amount = own.map(|order| order.charge - order.refunded).sum();
        let wallet = evidence
            .wallets
            .iter()
            .find(|wallet| wallet.customer == *customer)
            .map(|wallet| wallet.balance);

        let (must, shown) = (
            Some(evidence.opening - cost),
            evidence.balances.get(place).copied(),
        );

        if wallet != must || shown != must {
            told.push(format!(
                "customer {customer} has {wallet:?}, is told {shown:?}, and must have {must:?}"
            ));
        }
    }

    told
}
