//! What may happen to the house, drawn at random: what customers ask, what panels answer, what
//! persons decide, and time.
//!
//! A step names its subject by a number that is folded onto whatever fits at that moment, so that a
//! step keeps a meaning when others are taken out of its history.

use panelgate::domain::provider::{PanelStatus, RefusalClass};
use proptest::prelude::*;
use proptest::sample::select;

/// Customers of a history.
pub const CUSTOMERS: usize = 2;
/// The panel of which nobody else is a customer, and on whose links no other order is.
pub const OURS_ALONE: usize = 0;
/// Panels of a history.
pub const PANELS: usize = 2;
/// Seconds that a step may let pass: moments, every wait that the house knows and a little more,
/// days.
const SPANS_S: [i64; 12] = [
    1,
    2,
    5,
    11,
    36,
    61,
    121,
    601,
    3_601,
    6 * 3_601,
    24 * 3_601,
    48 * 3_600,
];

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A customer orders, perhaps under a `request_id` that was used before.
    Place {
        who: usize,
        service: usize,
        units: u64,
        request: Option<u8>,
    },
    /// The same request again.
    Replay { pick: usize },
    /// The same `request_id` for something else.
    Mismatch { pick: usize },
    /// What was not sent is taken back.
    Withdraw { pick: usize },
    /// Money comes in, perhaps under a reference that was used before.
    TopUp {
        who: usize,
        cents: u32,
        reference: u8,
    },
    /// Legs are taken.
    Lease { panel: usize, legs_max: usize },
    /// Legs are taken and sent at once, as a dispatcher does.
    Dispatch { panel: usize, answers: Vec<Answer> },
    /// A leg in a dispatcher's hands is sent, however long ago it was taken.
    Send { pick: usize, answer: Answer },
    /// The answer to an attempt comes late, or once more.
    Late {
        pick: usize,
        any: bool,
        answer: Late,
    },
    /// Legs without an answer are looked for.
    Sweep { panel: usize },
    /// Parked legs are looked at.
    Unpark { panel: usize },
    /// What waits at a stopped panel leaves it.
    Leave { panel: usize },
    /// A panel is asked about what is due; the words go round over the orders.
    Poll { panel: usize, words: Vec<Word> },
    /// Doubts that are due are looked into, and the panel tells the truth.
    LookInto { panel: usize },
    /// A person decides a doubt.
    Resolve { pick: usize, finding: Found },
    /// A person settles an order, so many eighths of it delivered.
    Settle { pick: usize, eighths: u64 },
    /// A person gives so many eighths of a charge back.
    GiveBack {
        pick: usize,
        eighths: i128,
        reason: u8,
    },
    /// Sending to a panel is stopped, or goes on.
    Pause { panel: usize, paused: bool },
    /// All sending is stopped, or goes on.
    Freeze { frozen: bool },
    /// Another node works from now on; what the first had in its hands stays there.
    OtherNode { gently: bool },
    /// The process dies and is started anew.
    Crash,
    /// Time passes.
    Pass { seconds: i64 },
    /// A customer looks.
    Look { pick: usize },
}

/// What becomes of an `add`.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// Taken, and said so.
    Accepted,
    /// Taken, and said so under a server's own error.
    AcceptedAmid,
    /// Refused with a text that proves it.
    Refused(RefusalClass),
    /// Not a byte left.
    Unsent,
    /// A web page instead of an answer.
    Garbled { placed: bool },
    /// The connection ended.
    HungUp { placed: bool },
    /// A refusal's text under a server's own error.
    Broken { placed: bool },
    /// The id of another order.
    Twin,
    /// The sender died between its intent and the answer.
    Died { placed: bool },
}

/// A late answer, as far as the truth allows it.
#[derive(Clone, Copy, Debug)]
pub enum Late {
    /// What became of it.
    Truth,
    /// That it was refused, if it was not placed.
    Refused(RefusalClass),
    /// That an order on its link is running.
    Running,
    /// Nothing that proves anything.
    Nothing,
}

/// What a person found of a doubt.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// The truth.
    Truth,
    /// An id that nobody has, if it was not placed.
    Slip(u8),
    /// The id of another order.
    Taken,
}

/// A panel's word of an order.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub said: Said,
    pub remains: Remains,
    /// What it charged, in parts of 10⁻¹¹.
    pub charge: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Status(PanelStatus),
    Odd,
    Unknown,
    Missing,
}

#[derive(Clone, Copy, Debug)]
pub enum Remains {
    Absent,
    Unreadable,
    Eighths(u64),
    TooMany,
    Negative,
    Absurd,
}

/// Any step; how often each, so that histories get somewhere.
pub fn any_step() -> impl Strategy<Value = Step> {
    let (who, panel, pick) = (0..CUSTOMERS, 0..PANELS, 0..12usize);
    let request = prop::option::weighted(0.7, 0..6u8);
    let buying = prop_oneof![
        16 => (who.clone(), 0..3usize, prop_oneof![Just(10), Just(333), 10..1_000u64], request)
            .prop_map(|(who, service, units, request)| Step::Place { who, service, units, request }),
        2 => pick.clone().prop_map(|pick| Step::Replay { pick }),
        1 => pick.clone().prop_map(|pick| Step::Mismatch { pick }),
        1 => pick.clone().prop_map(|pick| Step::Withdraw { pick }),
        2 => (who, 1..300u32, 0..5u8).prop_map(|(who, cents, reference)| Step::TopUp { who, cents, reference }),
        1 => pick.clone().prop_map(|pick| Step::Look { pick }),
    ];

    let sending = prop_oneof![
        12 => (panel.clone(), prop::collection::vec(any_answer(), 1..4))
            .prop_map(|(panel, answers)| Step::Dispatch { panel, answers }),
        3 => (panel.clone(), 1..4usize).prop_map(|(panel, legs_max)| Step::Lease { panel, legs_max }),
        5 => (pick.clone(), any_answer()).prop_map(|(pick, answer)| Step::Send { pick, answer }),
        4 => (pick.clone(), prop::bool::weighted(0.2), any_late())
            .prop_map(|(pick, any, answer)| Step::Late { pick, any, answer }),
        2 => panel.clone().prop_map(|panel| Step::Sweep { panel }),
        2 => panel.clone().prop_map(|panel| Step::Unpark { panel }),
        2 => panel.clone().prop_map(|panel| Step::Leave { panel }),
    ];

    let following = prop_oneof![
        10 => (panel.clone(), prop::collection::vec(any_word(), 1..4))
            .prop_map(|(panel, words)| Step::Poll { panel, words }),
        4 => panel.clone().prop_map(|panel| Step::LookInto { panel }),
    ];

    let deciding = prop_oneof![
        3 => (pick.clone(), any_finding()).prop_map(|(pick, finding)| Step::Resolve { pick, finding }),
        2 => (pick.clone(), 0..=8u64).prop_map(|(pick, eighths)| Step::Settle { pick, eighths }),
        2 => (pick, 1..=8i128, 0..3u8).prop_map(|(pick, eighths, reason)| Step::GiveBack { pick, eighths, reason }),
        1 => (panel, prop::bool::weighted(0.1)).prop_map(|(panel, paused)| Step::Pause { panel, paused }),
        1 => prop::bool::weighted(0.1).prop_map(|frozen| Step::Freeze { frozen }),
        1 => any::<bool>().prop_map(|gently| Step::OtherNode { gently }),
    ];

    let time = prop_oneof![
        30 => select(&SPANS_S[..]).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Crash),
    ];

    prop_oneof![16 => buying, 30 => sending, 22 => following, 8 => deciding, 18 => time]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let lost = prop_oneof![
        any::<bool>().prop_map(|placed| Answer::Garbled { placed }),
        any::<bool>().prop_map(|placed| Answer::HungUp { placed }),
        any::<bool>().prop_map(|placed| Answer::Broken { placed }),
        any::<bool>().prop_map(|placed| Answer::Died { placed }),
        Just(Answer::Twin),
    ];

    prop_oneof![
        10 => Just(Answer::Accepted),
        1 => Just(Answer::AcceptedAmid),
        6 => select(RefusalClass::ALL.to_vec()).prop_map(Answer::Refused),
        4 => Just(Answer::Unsent),
        8 => lost,
    ]
}

fn any_late() -> impl Strategy<Value = Late> {
    prop_oneof![
        4 => Just(Late::Truth),
        2 => select(RefusalClass::ALL.to_vec()).prop_map(Late::Refused),
        1 => Just(Late::Running),
        1 => Just(Late::Nothing),
    ]
}

fn any_finding() -> impl Strategy<Value = Found> {
    prop_oneof![6 => Just(Found::Truth), 2 => (1..9u8).prop_map(Found::Slip), 1 => Just(Found::Taken)]
}

fn any_word() -> impl Strategy<Value = Word> {
    let said = prop_oneof![
        14 => select(PanelStatus::ALL.to_vec()).prop_map(Said::Status),
        1 => Just(Said::Odd),
        2 => Just(Said::Unknown),
        1 => Just(Said::Missing),
    ];

    let remains = prop_oneof![
        1 => Just(Remains::Absent),
        1 => Just(Remains::Unreadable),
        12 => (0..=8u64).prop_map(Remains::Eighths),
        1 => Just(Remains::TooMany),
        1 => Just(Remains::Negative),
        1 => Just(Remains::Absurd),
    ];

    let charge = prop_oneof![2 => Just(None), 2 => Just(Some(0)), 5 => (1..200_000_000_000u64).prop_map(Some)];
    (said, remains, charge).prop_map(|(said, remains, charge)| Word {
        said,
        remains,
        charge,
    })
}
