//! Which panel delivers: a service's routes put in order by its strategy, the first of them that
//! may be used, and why each of the others was not taken; and which panels are well enough to be
//! sent to.
//!
//! A route may be used when it is offered now, was not tried before, and costs no more than what
//! was quoted or still leaves the margin's floor. One whose panel is stopped loses to any other
//! that may be used, and one whose panel wants to be left alone for a while to any that does not;
//! where all are stopped the first of them is taken, and waits.

pub mod calls;
mod draw;
pub mod health;
pub mod standing;

use crate::domain::choice::{Choice, Passed, Strategy};
use crate::domain::money::{Money, Percent};
use crate::domain::service::Route;
use crate::routing::standing::{ProviderStanding, Worst};

/// A route as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The panel and its service.
    pub route: Route,
    /// What it weighs in a draw, at least one.
    pub weight: u16,
    /// What the order would cost there now; `None` where the panel does not offer it at present.
    pub cost: Option<Money>,
    /// How its panel stands.
    pub standing: ProviderStanding,
}

/// The order that a route is wanted for, as far as choosing needs it.
#[derive(Clone, Copy, Debug)]
pub struct RouteTerms {
    /// Decides draws: the same number gives the same order of routes, whatever else changed.
    pub seed: u128,
    /// What its customer pays.
    pub charge: Money,
    /// What it was expected to cost when it was priced.
    pub quoted_cost: Money,
    /// What must be left of the charge for a dearer route to be taken.
    pub floor: Percent,
}

/// A choice that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct RouteQuery<'a> {
    /// By what the routes are put in order.
    pub strategy: Strategy,
    /// The routes, in the order of the file.
    pub candidates: &'a [Candidate],
    /// For which order.
    pub terms: RouteTerms,
    /// Routes that are out of the question, and why.
    pub barred: &'a [Passed],
    /// The route that the order leaves, and why.
    pub leaves: Option<(&'a Route, &'a str)>,
    /// Whether the route that follows the one it leaves has its turn first, and so on, round and
    /// round.
    pub in_turn: bool,
    /// The worst that its panel may be like.
    pub worst: Worst,
}

/// The route that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The panel and its service.
    pub route: Route,
    /// What the order costs there now.
    pub cost: Money,
    /// Why, and why none of the others.
    pub choice: Choice,
}

/// The route to take; or why each of them cannot be taken.
pub fn choose_route(question: &RouteQuery<'_>) -> Result<Chosen, Vec<Passed>> {
    let usable: Vec<Entry<'_>> = rank_routes(question)
        .into_iter()
        .filter_map(|entry| entry.if_usable(question))
        .collect();

    // Those whose panels stand best, and no others, are in the contest.
    let best = usable
        .iter()
        .map(Entry::stands)
        .min()
        .unwrap_or(Worst::Stopped);

    let stands_best = |entry: &Entry<'_>| entry.stands() == best && best <= question.worst;
    let contest: Vec<Entry<'_>> = usable.into_iter().filter(stands_best).collect();

    let passed = |won: Option<&Entry<'_>>| -> Vec<Passed> {
        let others = question
            .candidates
            .iter()
            .enumerate()
            .filter(|(place, _)| won.is_none_or(|won| won.place != *place));

        others
            .map(|(place, candidate)| {
                Passed::because(&candidate.route, lost(question, place, candidate, won))
            })
            .collect()
    };

    let Some(won) = contest.first() else {
        return Err(passed(None));
    };

    let Route { provider, service } = &won.candidate.route;
    let choice = Choice {
        strategy: question.strategy,
        provider: provider.0.clone(),
        service: service.clone(),
        why: why_won(question, won, &contest),
        others: passed(Some(won)),
    };

    Ok(Chosen {
        route: won.candidate.route.clone(),
        cost: won.cost,
        choice,
    })
}

/// A route in the contest.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    /// Its place in the file, from zero.
    place: usize,
    candidate: &'a Candidate,
    /// What the order costs there; nothing where that is not known, and it is not usable.
    cost: Money,
}

impl<'a> Entry<'a> {
    fn if_usable(self, question: &RouteQuery<'_>) -> Option<Entry<'a>> {
        match find_barrier(question, self.candidate) {
            Ok(cost) => Some(Entry { cost, ..self }),
            Err(_) => None,
        }
    }

    fn stands(&self) -> Worst {
        self.candidate.standing.how_badly()
    }
}

/// All routes, as the strategy puts them; those whose cost is not known are last where the cost
/// decides.
fn rank_routes<'a>(question: &RouteQuery<'a>) -> Vec<Entry<'a>> {
    let entry = |(place, candidate): (usize, &'a Candidate)| Entry {
        place,
        candidate,
        cost: candidate.cost.unwrap_or(Money::ZERO),
    };

    let mut entries: Vec<Entry<'a>> = question.candidates.iter().enumerate().map(entry).collect();
    match question.strategy {
        Strategy::Priority => {}
        Strategy::Cheapest => {
            entries.sort_by_key(|entry| (entry.candidate.cost.is_none(), entry.cost));
        }
        Strategy::Weighted => {
            let weights: Vec<u16> = entries.iter().map(|entry| entry.candidate.weight).collect();
            entries = draw::draw_order(&weights, question.terms.seed)
                .into_iter()
                .map(|place| entries[place])
                .collect();
        }
        // What delivers nothing has no price for what it delivers.
        Strategy::Score => entries.sort_by_key(|entry| {
            let expected = entry
                .candidate
                .cost
                .and_then(|cost| entry.candidate.standing.delivered.expected(cost));
            (expected.is_none(), expected, entry.cost)
        }),
    }

    if let Some((leaves, _)) = question.leaves.filter(|_| question.in_turn) {
        let after = entries
            .iter()
            .position(|entry| entry.candidate.route == *leaves)
            .map_or(0, |at| at + 1);
        entries.rotate_left(after);
    }

    entries
}

/// What an order costs by a route; or what keeps it from there, whatever the others are like.
fn find_barrier(question: &RouteQuery<'_>, candidate: &Candidate) -> Result<Money, String> {
    if let Some(barred) = question
        .barred
        .iter()
        .find(|barred| barred.is(&candidate.route))
    {
        return Err(barred.why.clone());
    }

    let Some(cost) = candidate.cost else {
        return Err("not offered now".to_owned());
    };

    let RouteTerms {
        charge,
        quoted_cost,
        floor,
        ..
    } = question.terms;

    if cost <= quoted_cost || charge.keeps_margin(cost, floor) {
        return Ok(cost);
    }

    let leaves = charge
        .left_after(cost)
        .map_or_else(String::new, |left| format!("leaves {left} %, "));

    Err(format!("costs {cost}, {leaves}the floor is {floor} %"))
}

fn why_won(question: &RouteQuery<'_>, won: &Entry<'_>, contest: &[Entry<'_>]) -> String {
    let own = match (question.strategy, contest.len()) {
        _ if question.in_turn => "next in turn".to_owned(),
        (Strategy::Priority, _) if won.place == 0 => "first in the file".to_owned(),
        (Strategy::Priority, _) => "first in the file that may be used".to_owned(),
        (_, 1) => format!("the only one that may be used: {}", won.cost),
        (Strategy::Cheapest, of) => format!("cheapest of {of}: {}", won.cost),
        (Strategy::Weighted, _) => {
            let all: u32 = contest
                .iter()
                .map(|entry| u32::from(entry.candidate.weight))
                .sum();
            format!("drawn: weight {} of {all}", won.candidate.weight)
        }
        (Strategy::Score, of) => format!("best score of {of}: {}", scored(won.candidate, won.cost)),
    };

    let waits = match won.stands() {
        Worst::Free => "",
        Worst::Rests => {
            "; its panel wants to be left alone, like all that may be used, and it waits"
        }
        Worst::Stopped => "; its panel is stopped like all that may be used, and it waits",
    };

    match question.leaves {
        Some((from, why)) => format!("after {}: {why}; {own}{waits}", from.provider),
        None => format!("{own}{waits}"),
    }
}

/// Why a route lost, to the winner where there is one.
fn lost(
    question: &RouteQuery<'_>,
    place: usize,
    candidate: &Candidate,
    won: Option<&Entry<'_>>,
) -> String {
    let cost = match find_barrier(question, candidate) {
        Ok(cost) => cost,
        Err(why) => return why,
    };

    if let Some(stopped) = candidate.standing.stopped {
        return format!("panel is stopped: {stopped}");
    }

    if candidate.standing.rests && won.is_none_or(|won| won.stands() < Worst::Rests) {
        return "panel wants to be left alone for a while".to_owned();
    }

    // Whatever may be used and is not stopped wins where nothing else does.
    let Some(won) = won else {
        return "not taken".to_owned();
    };

    match question.strategy {
        _ if question.in_turn => "its turn comes later".to_owned(),
        Strategy::Priority => "later in the file".to_owned(),
        Strategy::Cheapest if cost > won.cost => format!("dearer: {cost}"),
        Strategy::Cheapest => format!("costs the same: {cost}, later in the file"),
        Strategy::Weighted => format!("not drawn: weight {}", candidate.weight),
        Strategy::Score => {
            let (its, winners) = (candidate, won.candidate);
            let same = its.standing.delivered.expected(cost)
                == winners.standing.delivered.expected(won.cost);
            let later = same && place > won.place && cost == won.cost;

            format!(
                "{}: {}",
                if later {
                    "the same score, later in the file"
                } else {
                    "worse score"
                },
                scored(its, cost)
            )
        }
    }
}

/// `0.0625 for what is delivered (0.05 / 80.0 %)`.
fn scored(candidate: &Candidate, cost: Money) -> String {
    let delivered = candidate.standing.delivered;
    match delivered.expected(cost) {
        Some(expected) => format!("{expected} for what is delivered ({cost} / {delivered})"),
        None => format!("nothing is delivered for {cost}"),
    }
}

#[cfg(test)]
mod tests;
