//! The judge on trial: the campaign's own evidence is forged in every way that matters, one at a
//! time, and each forgery must be told. A judge that overlooks one has proved nothing.

use crate::evidence::{Evidence, OrderRow, PanelOrder};
use crate::judge;

/// How the trial went.
pub struct Trial {
    pub told: usize,
    /// Nothing in the evidence could be forged that way.
    pub impossible: Vec<&'static str>,
    pub missed: Vec<&'static str>,
}

type Forgery = fn(&mut Evidence) -> Option<()>;

const FORGERIES: [(&str, Forgery); 18] = [
    ("an order twice at its panel", twice_at_its_panel),
    ("an order at the other panel too", at_the_other_panel),
    ("an order that nobody sold", sold_by_nobody),
    ("a request sold twice", sold_twice),
    ("an answered order lost", answered_and_lost),
    ("a request never answered", never_answered),
    ("a replay with other bytes", replayed_otherwise),
    ("a stranger's order", a_strangers),
    ("a charge off by the last decimal", charged_more),
    ("an order charged twice", charged_twice),
    ("a delivered order refunded", delivered_and_refunded),
    ("an order in doubt refunded", in_doubt_and_refunded),
    ("a partial refund rounded up", rounded_up),
    ("a canceled order not refunded", canceled_and_kept),
    ("an end that is not shown", end_not_shown),
    ("a panel's order unknown to us", unknown_to_us),
    ("a wallet off by the last decimal", wallet_off),
    ("a doubt that nobody was told of", in_doubt_in_silence),
];

/// Forges the evidence in every way.
pub fn trial(evidence: &Evidence) -> Trial {
    let honest = judge::complaints(evidence).len();
    let mut trial = Trial {
        told: 0,
        impossible: Vec::new(),
        missed: Vec::new(),
    };

    for (name, forge) in FORGERIES {
        let mut forged = evidence.clone();
        match forge(&mut forged) {
            None => trial.impossible.push(name),
            Some(()) if judge::complaints(&forged).len() > honest => trial.told += 1,
            Some(()) => trial.missed.push(name),
        }
    }

    trial
}

fn place(forged: &mut Evidence, order: PanelOrder) {
    forged.panel_orders.push(order);
    forged.sort_panel_orders();
}

fn twice_at_its_panel(forged: &mut Evidence) -> Option<()> {
    let mut again = forged.panel_orders.first()?.clone();
    again.id.push('0');
    place(forged, again);
    Some(())
}

fn at_the_other_panel(forged: &mut Evidence) -> Option<()> {
    let mut again = forged
        .panel_orders
        .iter()
        .find(|order| order.panel == "a")?
        .clone();

    "b".clone_into(&mut again.panel);
    place(forged, again);
    Some(())
}

fn sold_by_nobody(forged: &mut Evidence) -> Option<()> {
    let mut another = forged.panel_orders.first()?.clone();
    another.link.push_str("-another");
    another.id.push('0');
    place(forged, another);
    Some(())
}

fn sold_twice(forged: &mut Evidence) -> Option<()> {
    let mut again = forged.orders.first()?.clone();
    again.id += 1_000_000;
    forged.orders.push(again);
    Some(())
}

fn answered_and_lost(forged: &mut Evidence) -> Option<()> {
    let lost = forged.answers.values().next()?.order;
    forged.orders.retain(|order| order.id != lost);
    Some(())
}

fn never_answered(forged: &mut Evidence) -> Option<()> {
    let n = *forged
        .answers
        .iter()
        .find(|(_, answer)| answer.replayed.is_some())?
        .0;

    forged.answers.remove(&n).map(drop)
}

fn replayed_otherwise(forged: &mut Evidence) -> Option<()> {
    let answer = forged
        .answers
        .values_mut()
        .find(|answer| answer.replayed.is_some())?;

    answer.replayed.as_mut()?.push(' ');
    Some(())
}

fn a_strangers(forged: &mut Evidence) -> Option<()> {
    let others = forged.customers.clone();
    let order = forged.orders.first_mut()?;
    order.customer = others.into_iter().find(|other| *other != order.customer)?;
    Some(())
}

fn charged_more(forged: &mut Evidence) -> Option<()> {
    forged.orders.first_mut()?.charge += 1;
    Some(())
}

fn charged_twice(forged: &mut Evidence) -> Option<()> {
    forged
        .moved
        .iter_mut()
        .find(|moved| moved.reason == "charge")?
        .times += 1;

    Some(())
}

fn delivered_and_refunded(forged: &mut Evidence) -> Option<()> {
    let order = in_state(forged, "completed")?;
    order.refunded = order.charge;
    Some(())
}

fn in_doubt_and_refunded(forged: &mut Evidence) -> Option<()> {
    let doubt = forged
        .legs
        .iter()
        .find(|leg| leg.state == "in_doubt")?
        .order;

    let order = forged.orders.iter_mut().find(|order| order.id == doubt)?;
    "canceled".clone_into(&mut order.state);
    order.refunded = order.charge;

    Some(())
}

fn rounded_up(forged: &mut Evidence) -> Option<()> {
    in_state(forged, "partial")?.refunded += 1;
    Some(())
}

fn canceled_and_kept(forged: &mut Evidence) -> Option<()> {
    in_state(forged, "canceled")?.refunded = 0;
    Some(())
}

fn end_not_shown(forged: &mut Evidence) -> Option<()> {
    let id = in_state(forged, "completed")?.id;
    "In progress".clone_into(&mut forged.shown.get_mut(&id)?.status);
    Some(())
}

fn unknown_to_us(forged: &mut Evidence) -> Option<()> {
    forged
        .legs
        .iter_mut()
        .find(|leg| leg.state == "ended")?
        .panel_order = None;

    Some(())
}

fn wallet_off(forged: &mut Evidence) -> Option<()> {
    forged.wallets.first_mut()?.balance += 1;
    Some(())
}

fn in_doubt_in_silence(forged: &mut Evidence) -> Option<()> {
    let alert = forged
        .alerts
        .iter()
        .position(|alert| alert.kind == "orders_in_doubt")?;

    forged.alerts.remove(alert);
    Some(())
}

fn in_state<'a>(forged: &'a mut Evidence, state: &str) -> Option<&'a mut OrderRow> {
    forged.orders.iter_mut().find(|order| order.state == state)
}
