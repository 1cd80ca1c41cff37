//! Any history of everything that can happen to orders: after every step the house stands as a few
//! numbers say it must, nothing was sent that should not be, and the audit finds nothing.
//!
//! `PANELGATE_HISTORIES=5000` lives more of them; `PANELGATE_SEED=7` lives others. What fails is
//! told as the shortest history that still fails, and is lived first of all from then on
//! (`model.seeds`).

mod delivering;
mod hearing;
mod life;
mod ordering;
mod panel;
mod reference;
mod rules;
mod steps;

use std::collections::BTreeMap;

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};

use life::{Difference, Life};
use steps::any_step;

/// Histories of a usual run.
const HISTORIES: u32 = 150;
/// Steps of one; half as many on average.
const STEPS_MAX: usize = 120;
/// From so many steps on, everything that can happen happens.
const STEPS_ENOUGH: u64 = 4_000;
/// Histories that are tried to find a shorter one that fails.
const SHRINKINGS_MAX: u32 = 1_500;

fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn runner() -> (TestRunner, u32) {
    let seed = number("PANELGATE_SEED").unwrap_or(1);
    let config = Config {
        cases: number("PANELGATE_HISTORIES").unwrap_or(HISTORIES),
        max_shrink_iters: SHRINKINGS_MAX,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/it/model.seeds",
        ))),
        ..Config::default()
    };

    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_le_bytes());
    (
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)),
        seed,
    )
}

/// Histories that never got somewhere prove nothing about it.
const EVERYWHERE: [&str; 35] = [
    "absorbed",
    "accepted",
    "an answer for what moved on",
    "asked after the end",
    "canceled",
    "clawed back",
    "completed",
    "ended",
    "found among the ids",
    "given by hand",
    "in_doubt",
    "in_progress",
    "leased",
    "left a stopped panel",
    "no money",
    "not sent: taken back, or its panel was another's",
    "nothing to resolve",
    "parked",
    "partial",
    "pending",
    "processing",
    "proven not placed by the ids",
    "ready",
    "refused",
    "replayed",
    "request_id used for another order",
    "resolved by hand",
    "resolved with a taken id",
    "sending",
    "sent",
    "settled by hand",
    "swept",
    "too late to withdraw",
    "withdrawn",
    "written_off",
];

#[expect(
    clippy::print_stdout,
    reason = "the harness keeps it, unless it is asked to show what tests print"
)]
fn got_everywhere(seen: &BTreeMap<&str, u64>) {
    let told: Vec<_> = seen
        .iter()
        .map(|(what, times)| format!("{times:6} {what}"))
        .collect();

    println!("{}", told.join("\n"));
    let missed: Vec<_> = EVERYWHERE
        .iter()
        .filter(|what| !seen.contains_key(*what))
        .collect();

    assert!(
        missed.is_empty() || seen["steps"] < STEPS_ENOUGH,
        "no history got to {missed:?}"
    );
}

#[test]
fn any_history_leaves_every_order_and_every_wallet_as_it_must() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();

    let life = std::cell::RefCell::new(runtime.block_on(Life::begin()));
    let (mut runner, seed) = runner();
    let histories = proptest::collection::vec(any_step(), 1..=STEPS_MAX);
    let lived = runner.run(&histories, |steps| {
        let lived = runtime.block_on(life.borrow_mut().live(&steps));
        lived.map_err(|Difference(words)| TestCaseError::fail(words))
    });

    match lived {
        Ok(()) => got_everywhere(&life.borrow().seen),
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<_> = steps
                .iter()
                .enumerate()
                .map(|(n, step)| format!("{n:3} {step:?}"))
                .collect();

            panic!("seed {seed}, {why}\n{}", steps.join("\n"));
        }
        Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
    }
}
