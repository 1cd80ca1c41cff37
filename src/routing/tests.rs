//! Which route is chosen, and why the others are not.

use proptest::prelude::{Strategy as _, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::domain::choice::WEIGHT_DEFAULT;
use crate::domain::id::ProviderId;
use crate::routing::standing::{Share, Stopped};

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn candidate(provider: &str, cost: Option<&str>) -> Candidate {
    let route = Route {
        provider: ProviderId(provider.into()),
        service: "1".into(),
    };

    Candidate {
        route,
        weight: WEIGHT_DEFAULT,
        cost: cost.map(money),
        standing: ProviderStanding::default(),
    }
}

fn stopped(candidate: Candidate) -> Candidate {
    let standing = ProviderStanding {
        stopped: Some(Stopped::BreakerOpen),
        ..candidate.standing
    };

    Candidate {
        standing,
        ..candidate
    }
}

fn delivering(millionths: u32, candidate: Candidate) -> Candidate {
    let standing = ProviderStanding {
        delivered: Share::millionths(millionths),
        ..candidate.standing
    };

    Candidate {
        standing,
        ..candidate
    }
}

/// Sold for 1, at a cost of 0.50, with a floor of 3 %.
fn asked(strategy: Strategy, candidates: &[Candidate]) -> RouteQuery<'_> {
    let floor = Percent::parse("3").unwrap();
    let terms = RouteTerms {
        seed: 7,
        charge: money("1"),
        quoted_cost: money("0.50"),
        floor,
    };

    RouteQuery {
        strategy,
        candidates,
        terms,
        barred: &[],
        leaves: None,
        in_turn: false,
        worst: Worst::Stopped,
    }
}

/// The winner and why it won, then why each of the others lost.
fn told(question: &RouteQuery<'_>) -> Vec<String> {
    let line = |provider: &str, why: &str| format!("{provider}: {why}");
    match choose_route(question) {
        Ok(Chosen { choice, .. }) => {
            let others = choice
                .others
                .iter()
                .map(|passed| line(&passed.provider, &passed.why));

            [line(&choice.provider, &choice.why)]
                .into_iter()
                .chain(others)
                .collect()
        }
        Err(all) => all
            .iter()
            .map(|passed| line(&passed.provider, &passed.why))
            .collect(),
    }
}

#[test]
fn the_first_usable_route_is_taken_and_none_twice() {
    let all = [
        candidate("tried", Some("0.50")),
        candidate("off", None),
        candidate("dear", Some("0.99")),
        stopped(candidate("ill", Some("0.40"))),
        candidate("good", Some("0.97")),
        candidate("last", Some("0.10")),
    ];

    let barred = [Passed::because(
        &all[0].route,
        "tried before: refused: service",
    )];

    let leaves = Some((&all[0].route, "refused: service"));
    let question = RouteQuery {
        barred: &barred,
        leaves,
        ..asked(Strategy::Priority, &all)
    };

    assert_eq!(
        told(&question),
        [
            "good: after tried: refused: service; first in the file that may be used",
            "tried: tried before: refused: service",
            "off: not offered now",
            "dear: costs 0.99, leaves 1 %, the floor is 3 %",
            "ill: panel is stopped: breaker open",
            "last: later in the file",
        ]
    );

    let none = RouteQuery {
        candidates: &all[..3],
        ..question
    };

    assert_eq!(
        told(&none)[2],
        "dear: costs 0.99, leaves 1 %, the floor is 3 %"
    );

    assert!(choose_route(&none).is_err());
}

#[test]
fn the_cheapest_wins_and_of_equals_the_first_in_the_file() {
    let all = [
        candidate("a", Some("0.06")),
        candidate("b", Some("0.05")),
        candidate("c", Some("0.05")),
        candidate("d", None),
    ];

    assert_eq!(
        told(&asked(Strategy::Cheapest, &all)),
        [
            "b: cheapest of 3: 0.05",
            "a: dearer: 0.06",
            "c: costs the same: 0.05, later in the file",
            "d: not offered now"
        ]
    );

    assert_eq!(
        told(&asked(Strategy::Cheapest, &all[3..])),
        ["d: not offered now"]
    );
}

#[test]
fn the_score_divides_by_what_is_delivered() {
    let all = [
        delivering(500_000, candidate("half", Some("0.05"))),
        delivering(800_000, candidate("most", Some("0.06"))),
        delivering(0, candidate("none", Some("0.01"))),
        delivering(800_000, candidate("too", Some("0.06"))),
    ];

    assert_eq!(
        told(&asked(Strategy::Score, &all)),
        [
            "most: best score of 4: 0.075 for what is delivered (0.06 / 80.0 %)",
            "half: worse score: 0.10 for what is delivered (0.05 / 50.0 %)",
            "none: worse score: nothing is delivered for 0.01",
            "too: the same score, later in the file: 0.075 for what is delivered (0.06 / 80.0 \
                 %)",
        ]
    );
}

#[test]
fn where_all_are_stopped_the_strategys_first_waits_unless_it_waits_already() {
    let all = [
        stopped(candidate("a", Some("0.06"))),
        stopped(candidate("b", Some("0.05"))),
    ];

    let question = asked(Strategy::Cheapest, &all);
    assert_eq!(
        told(&question),
        [
            "b: cheapest of 2: 0.05; its panel is stopped like all that may be used, and it \
                 waits",
            "a: panel is stopped: breaker open",
        ]
    );

    assert!(
        choose_route(&RouteQuery {
            worst: Worst::Rests,
            ..question
        })
        .is_err()
    );
}

#[test]
fn a_panel_that_wants_to_be_left_alone_is_worse_than_any_other_and_better_than_a_stopped_one() {
    let resting = |candidate: Candidate| {
        let standing = ProviderStanding {
            rests: true,
            ..candidate.standing
        };

        Candidate {
            standing,
            ..candidate
        }
    };

    let all = [
        resting(candidate("a", Some("0.05"))),
        stopped(candidate("b", Some("0.05"))),
        candidate("c", Some("0.06")),
    ];

    let question = asked(Strategy::Priority, &all);
    assert_eq!(
        told(&question),
        [
            "c: first in the file that may be used",
            "a: panel wants to be left alone for a while",
            "b: panel is stopped: breaker open",
        ]
    );

    let two = RouteQuery {
        candidates: &all[..2],
        ..question
    };

    assert_eq!(
        told(&two)[0],
        "a: first in the file; its panel wants to be left alone, like all that may be used, \
             and it waits"
    );

    assert!(
        choose_route(&RouteQuery {
            worst: Worst::Free,
            ..two
        })
        .is_err()
    );
}

#[test]
fn turns_go_round() {
    let all = ["a", "b", "c"].map(|provider| candidate(provider, Some("0.05")));
    let next = |at: usize| {
        let barred = [Passed::because(&all[at].route, "could not be reached")];
        let leaves = Some((&all[at].route, "could not be reached"));

        let question = RouteQuery {
            barred: &barred,
            leaves,
            in_turn: true,
            ..asked(Strategy::Priority, &all)
        };

        choose_route(&question).unwrap().route.provider.0
    };

    assert_eq!([next(0), next(1), next(2)], ["b", "c", "a"]);
}

#[test]
fn draws_split_by_weight_and_the_losers_are_in_order_too() {
    const DRAWS: u32 = 20_000;
    let weigh = |weight, provider| Candidate {
        weight,
        ..candidate(provider, Some("0.05"))
    };

    let all = [weigh(100, "a"), weigh(30, "b"), weigh(70, "c")];
    let question = asked(Strategy::Weighted, &all);
    let (mut first, mut without_a) = ([0_u32; 3], [0_u32; 3]);

    let place = |route: &Route| {
        all.iter()
            .position(|candidate| candidate.route == *route)
            .unwrap()
    };

    for seed in 0..DRAWS {
        // As order ids are: the time in front, and chance behind it.
        let seed = u128::from(seed) << 80
            | u128::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c) >> 60;
        let terms = RouteTerms {
            seed,
            ..question.terms
        };

        let winner = choose_route(&RouteQuery { terms, ..question }).unwrap();
        assert_eq!(
            choose_route(&RouteQuery { terms, ..question }).unwrap(),
            winner,
            "the same seed draws the same"
        );

        first[place(&winner.route)] += 1;
        let barred = [Passed::because(&all[0].route, "tried before")];

        let second = choose_route(&RouteQuery {
            terms,
            barred: &barred,
            ..question
        })
        .unwrap();

        assert!(
            winner.route == all[0].route || second.route == winner.route,
            "who was drawn first stays so"
        );

        without_a[place(&second.route)] += 1;
    }

    let near = |count: u32, of_hundred: u32| (count * 100).abs_diff(of_hundred * DRAWS) < 2 * DRAWS;
    assert!(
        near(first[0], 50) && near(first[1], 15) && near(first[2], 35),
        "{first:?}"
    );

    assert!(
        without_a[0] == 0 && near(without_a[1], 30) && near(without_a[2], 70),
        "{without_a:?}"
    );

    assert!(
        told(&question)[0].ends_with(&format!(" of {}", 200)),
        "{:?}",
        told(&question)
    );
}

fn any_candidate(place: usize) -> impl proptest::strategy::Strategy<Value = Candidate> {
    let cost = prop::option::weighted(0.8, 1_u32..200);
    (cost, 1..1_000_u16, 0..6_u8, 0..=1_000_000_u32).prop_map(
        move |(cents, weight, stops, share)| {
            let cost = cents.map(|cents| money(&format!("{}.{:02}", cents / 100, cents % 100)));
            let stopped = match stops {
                0 => Some(Stopped::Paused),
                1 => Some(Stopped::BreakerOpen),
                2 => Some(Stopped::Unread),
                _ => None,
            };

            let rests = stops == 0 || stops == 3;
            let standing = ProviderStanding {
                stopped,
                rests,
                delivered: Share::millionths(share),
            };

            Candidate {
                weight,
                cost,
                standing,
                ..candidate(&format!("p{place}"), None)
            }
        },
    )
}

fn any_candidates() -> impl proptest::strategy::Strategy<Value = Vec<Candidate>> {
    (0..8_usize).prop_flat_map(|count| (0..count).map(any_candidate).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn every_route_wins_or_has_a_reason_and_no_winner_should_not_have_won(
        candidates in any_candidates(),
        strategy in prop::sample::select(Strategy::ALL.to_vec()),
        seed in any::<u128>(),
        barred in prop::collection::vec(any::<bool>(), 8),
        turns in any::<bool>(),
        worst in prop::sample::select(vec![Worst::Free, Worst::Rests, Worst::Stopped]),
    ) {
        let question = asked(strategy, &candidates);
        let barred: Vec<Passed> = candidates.iter().zip(&barred).filter(|(_, barred)| **barred)
            .map(|(candidate, _)| Passed::because(&candidate.route, "tried before")).collect();
        let leaves = candidates.first().map(|first| (&first.route, "why"));
        let terms = RouteTerms { seed, ..question.terms };
        let question = RouteQuery { terms, barred: &barred, leaves, in_turn: turns, worst,
            ..question };
        let chosen = choose_route(&question);
        prop_assert_eq!(&chosen, &choose_route(&question));

        let mut named: Vec<String> = match &chosen {
            Ok(chosen) => [chosen.choice.provider.clone()].into_iter()
                .chain(chosen.choice.others.iter().map(|passed| passed.provider.clone())).collect(),
            Err(all) => all.iter().map(|passed| passed.provider.clone()).collect(),
        };

        named.sort();
        let all: Vec<String> = candidates.iter().map(|candidate| candidate.route.provider.0.clone()).collect();
        prop_assert_eq!(named, all);
        let usable = |candidate: &&Candidate| find_barrier(&question, candidate).is_ok();

        let stands = |candidate: &Candidate| match (candidate.standing.stopped,
            candidate.standing.rests) {
            (Some(_), _) => Worst::Stopped,
            (None, true) => Worst::Rests,
            (None, false) => Worst::Free,
        };

        let best = candidates.iter().filter(usable).map(stands).min();
        match chosen {
            Ok(Chosen { route, cost, choice }) => {
                let won = candidates.iter().find(|candidate| candidate.route == route).unwrap();
                prop_assert!(usable(&won) && won.cost == Some(cost)
                    && Some(stands(won)) == best && stands(won) <= worst);
                prop_assert!(!choice.why.is_empty()
                    && choice.others.iter().all(|passed| !passed.why.is_empty()));
                let is_best = |other: &Candidate| Some(stands(other)) != best
                    || other.cost >= Some(cost);
                prop_assert!(strategy != Strategy::Cheapest || turns
                    || candidates.iter().filter(usable).all(is_best));
            }
            Err(_) => prop_assert!(best.is_none_or(|best| best > worst)),
        }
    }
}
