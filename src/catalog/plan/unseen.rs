//! What an edit writes and nothing can be compared with now: a rate waits for a person, or no panel
//! that was read lists it.
//!
//! It is sold as soon as that is over, and nobody asks again. So it is judged by what it would be
//! sold for if the rate were accepted, by the price that was written before, or by what its markup
//! leaves of any cost.

use std::collections::HashMap;

use crate::catalog::Snapshot;
use crate::catalog::mapping::Mapping;
use crate::catalog::plan::buyers::{Buyers, Payer};
use crate::catalog::plan::dangers::{Danger, PlannedSale, Written};
use crate::catalog::plan::judges::Judges;
use crate::catalog::plan::services::PlannedOffer;
use crate::domain::id::{ProviderId, ServiceId};
use crate::domain::money::Rate;
use crate::domain::service::ServiceRule;
use crate::pricing::markup::{MarkupRule, Unseen, leaves_least};

/// A side of the edit.
#[derive(Clone, Copy, Debug)]
pub(super) struct EditSide<'a> {
    /// What is sold.
    pub(super) snapshot: &'a Snapshot,
    /// By which file.
    pub(super) mapping: &'a Mapping,
}

/// Everything dangerous about what cannot be sold right after the edit.
pub(super) fn unseen_dangers(
    old: EditSide<'_>,
    new: EditSide<'_>,
    judges: &Judges,
    buyers: &Buyers<'_>,
) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let held = new
        .snapshot
        .judged
        .iter()
        .filter(|(id, _)| !new.snapshot.sold.contains_key(*id));

    let mut held: Vec<_> = held.map(|(_, sold)| sold).collect();
    held.sort_by_key(|sold| sold.id);

    for sold in held {
        let before = old
            .snapshot
            .sold
            .get(&sold.id)
            .or_else(|| old.snapshot.judged.get(&sold.id));

        dangers.extend(judges.of_sale(before.map(AsRef::as_ref), sold, buyers));
    }

    let written: HashMap<ServiceId, &ServiceRule> = old
        .mapping
        .services
        .iter()
        .map(|rule| (rule.id, rule))
        .collect();

    for rule in &new.mapping.services {
        dangers.extend(of_block(
            written.get(&rule.id).copied(),
            rule,
            old,
            new,
            judges,
        ));
    }

    for import in new
        .mapping
        .imports
        .iter()
        .filter(|import| !new.snapshot.listings.knows(&import.provider))
    {
        let unseen = Unseen {
            service: None,
            category: None,
            providers: &[&import.provider],
        };

        let is_new = !old.mapping.imports.contains(import);
        dangers.extend(
            of_markup(unseen, is_new, old, new, judges).map(|written| Danger::Unseen {
                service: None,
                what: format!("the [[import]] of panel \"{}\"", import.provider),
                written,
            }),
        );
    }

    dangers
}

fn of_block(
    before: Option<&ServiceRule>,
    rule: &ServiceRule,
    old: EditSide<'_>,
    new: EditSide<'_>,
    judges: &Judges,
) -> Option<Danger> {
    let is_seen = |side: EditSide<'_>| {
        side.snapshot.sold.contains_key(&rule.id) || side.snapshot.judged.contains_key(&rule.id)
    };

    let after = is_seen(new);
    if after && is_seen(old) {
        return None;
    }

    let name = rule.name.clone().unwrap_or_default();
    let was = before.and_then(|before| before.rate);
    if let (Some(from), Some(to)) = (was, rule.rate)
        && from.moves_more_than(judges.jump, to)
    {
        let offer = PlannedOffer {
            price: to,
            cost: Rate::default(),
        };

        let sale = PlannedSale {
            service: rule.id,
            name,
            who: Payer::Everybody,
            offer,
            route: String::new(),
        };

        return Some(Danger::PriceJump {
            sale,
            from,
            jump: judges.jump,
        });
    }

    if after {
        return None;
    }

    let is_other = before
        .is_none_or(|before| before.routes != rule.routes || was.is_some() != rule.rate.is_some());

    let written = if let Some(rate) = rule.rate {
        let is_danger = is_other || was.is_some_and(|was| rate < was);
        let other_type = new.snapshot.listings.is_of_another_type(rule);
        is_danger.then_some(if other_type {
            Written::OtherType(rate)
        } else {
            Written::Rate(rate)
        })
    } else {
        let providers: Vec<&ProviderId> = rule.routes.iter().map(|route| &route.provider).collect();
        let unseen = Unseen {
            service: Some(rule.id),
            category: rule.category.as_deref(),
            providers: &providers,
        };

        of_markup(unseen, is_other, old, new, judges)
    };

    let what = format!("service {} {name:?}", rule.id);
    written.map(|written| Danger::Unseen {
        service: Some(rule.id),
        what,
        written,
    })
}

/// The rule that may leave less than the floor, where the edit brings that.
fn of_markup(
    unseen: Unseen<'_>,
    is_new: bool,
    old: EditSide<'_>,
    new: EditSide<'_>,
    judges: &Judges,
) -> Option<Written> {
    let (before, floor) = judges.floors();
    let rule = leaves_least(&new.mapping.markups, unseen);
    let was_enough = || MarkupRule::leaves(leaves_least(&old.mapping.markups, unseen), before);
    let is_danger = !MarkupRule::leaves(rule, floor) && (is_new || was_enough());
    let words = || rule.map_or_else(|| "no markup".to_owned(), ToString::to_string);
    is_danger.then(|| Written::Markup(words(), floor))
}
