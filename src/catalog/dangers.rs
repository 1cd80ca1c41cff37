//! What about an edit may be a slip of the finger that costs money: such an edit waits for a person's word.

use crate::catalog::{Snapshot, Sold};
use crate::domain::money::Percent;

/// Everything dangerous about going from one catalogue to the other, over the same catalogues of the panels; empty when
/// nothing is. A price may move by `jump` percent.
pub fn dangers(old: &Snapshot, new: &Snapshot, jump: Percent) -> Vec<String> {
    let gone = old.sold.values().filter(|sold| !new.sold.contains_key(&sold.id));
    let mut dangers: Vec<String> = gone.map(|sold| format!("service {} is sold no more", sold.id)).collect();
    if old.currency != new.currency {
        dangers.push(format!("wallets and books in {} are called {}", old.currency, new.currency));
    }
    for sold in new.sold.values() {
        let before = old.sold.get(&sold.id);
        if at_a_loss(sold) && !before.is_some_and(|before| before.price == sold.price) {
            let (rate, cost) = (sold.price.rate, sold.price.cost_rate);
            dangers.push(format!("service {} is sold at a loss: {rate} for what costs {cost}", sold.id));
        }
        if let Some(before) = before.filter(|before| before.price.rate.moves_more_than(jump, sold.price.rate)) {
            let (from, to) = (before.price.rate, sold.price.rate);
            dangers.push(format!("service {}: its price moves from {from} to {to}, more than {jump} %", sold.id));
        }
    }
    dangers
}

fn at_a_loss(sold: &Sold) -> bool {
    sold.price.rate < sold.price.cost_rate
}
