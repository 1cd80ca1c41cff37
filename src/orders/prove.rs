//! Proving, at the house's cost, that a panel answers a `request_id` twice with one order.
//!
//! One small order of our own is asked for under a name, the same under another one twice at the
//! same moment, and the first again. Two orders must come of it: a panel that tells orders apart by
//! what they are, and not by their names, would answer everything with one, and would buy the
//! second of two alike; a panel that looks for a name before it writes it down takes both of two
//! that come together, as it would while it stalls. The intent is committed first, as for any
//! sending, and what may have been bought is written down with it: a process that dies in between
//! leaves all of them in doubt there. Nothing is tried again by itself.

use uuid::Uuid;

use crate::domain::clock::{Deadline, SharedClock};
use crate::domain::doubt::Retold;
use crate::domain::id::{LegId, OrderId, PublicId, ServiceId};
use crate::domain::leg::{Evidence, LeasedLeg, Verdict};
use crate::domain::money::{Money, Rate};
use crate::domain::proof::{Proof, ProofOutcome};
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::Details;
use crate::ledger;
use crate::store::proofs::{self, Asking};
use crate::store::{Store, StoreError, customers};
use crate::upstream::Panel;

/// What is to be bought for it, and by whom.
#[derive(Clone, Debug)]
pub struct ProofOrder {
    /// The panel's service: a plain one.
    pub service: String,
    /// Where it is delivered to.
    pub link: String,
    /// How many units.
    pub units: u64,
    /// What one such order costs, in the gateway's currency.
    pub cost: Money,
    /// The same in the panel's.
    pub amount: Money,
    /// Who asks.
    pub asked_by: String,
    /// Why.
    pub reason: String,
}

/// Asks a panel for one order twice under one name, and keeps what came of it. What it cost is
/// booked as cost of goods without an order: as often as the panel took one for certain.
pub async fn prove_names(
    store: &Store,
    clock: &SharedClock,
    panel: &Panel,
    wish: &ProofOrder,
) -> Result<Proof, StoreError> {
    let provider = &panel.settings().id;
    let leg = leg(panel, wish);
    let request_id = panel
        .request_id(&leg)
        .ok_or(StoreError::Unexpected("a dialect without names for adds"))?;

    let (account, now) = (panel.account(), clock.now());
    let asking = Asking {
        provider,
        account: &account,
        service: &wish.service,
        link: &wish.link,
        units: wish.units,
        request_id: &request_id,
        cost: wish.cost,
        amount: wish.amount,
        asked_by: &wish.asked_by,
    };

    let mut tx = store.begin().await?;
    let id = proofs::begin_proof(&mut tx, asking, now).await?;

    customers::note_deed(
        &mut tx,
        &wish.asked_by,
        "provider prove",
        &format!("provider {provider}"),
        &wish.reason,
        now,
    )
    .await?;

    tx.commit().await?;

    // Nobody else decides it, so nothing but its own timeout bounds it; a process that was stopped
    // asks for nothing late.
    let leave_by = || Deadline::after(panel.settings().add_timeout());
    let slot = panel.slot().await;
    let first = panel.add(slot, &leg, leave_by()).await;

    let proof = match &first.verdict {
        Verdict::Accepted(_) => {
            let other = LeasedLeg {
                public: PublicId(Uuid::now_v7()),
                ..leg.clone()
            };

            let slot = panel.slot().await;
            let [beside, twin] = panel.add_at_once(slot, &other, leave_by()).await;
            let slot = panel.slot().await;
            let (again, retold) = panel.add_again(slot, &leg, leave_by()).await;

            judged(ProofAnswers {
                first,
                beside,
                twin,
                again,
                retold,
            })
        }
        Verdict::Refused(_) | Verdict::NeverSent => nothing_bought(&first),
        Verdict::InDoubt => lost(&first),
    };

    let now = clock.now();
    let mut tx = store.begin().await?;
    proofs::conclude_proof(&mut tx, id, &proof, now).await?;

    for _ in 0..proof.bought {
        ledger::own_cost(&mut tx, provider, wish.cost, now).await?;
    }

    tx.commit().await?;
    Ok(proof)
}

/// An order of nobody's, as it is sent.
fn leg(panel: &Panel, wish: &ProofOrder) -> LeasedLeg {
    LeasedLeg {
        leg: LegId(0),
        order: OrderId(0),
        public: PublicId(Uuid::now_v7()),
        n: 1,
        attempt: 1,
        unsent: 0,
        route: Route {
            provider: panel.settings().id.clone(),
            service: wish.service.clone(),
        },
        kind: ServiceType::Default,
        link: wish.link.clone(),
        units: wish.units,
        details: Details::default(),
        cost: wish.cost,
        sold_as: ServiceId(0),
        charge: Money::ZERO,
        quoted_cost: wish.cost,
        quoted_rate: Rate::default(),
    }
}

fn nothing_bought(first: &Evidence) -> Proof {
    let words = first.words.clone();
    Proof {
        outcome: ProofOutcome::Refused,
        first: None,
        second: None,
        bought: 0,
        in_doubt: 0,
        words,
    }
}

fn lost(first: &Evidence) -> Proof {
    let words = first.words.clone();
    Proof {
        outcome: ProofOutcome::Lost,
        first: None,
        second: None,
        bought: 0,
        in_doubt: 1,
        words,
    }
}

/// What came of the four askings.
struct ProofAnswers {
    first: Evidence,
    /// The same order under another name.
    beside: Evidence,
    /// That one again, at the same moment.
    twin: Evidence,
    again: Evidence,
    retold: Retold,
}

/// What the answers prove, after the first gave an id.
fn judged(heard: ProofAnswers) -> Proof {
    let id = |said: &Evidence| match &said.verdict {
        Verdict::Accepted(id) => Some(id.clone()),
        Verdict::Refused(_) | Verdict::NeverSent | Verdict::InDoubt => None,
    };

    let ProofAnswers {
        first,
        beside,
        twin,
        again,
        retold,
    } = heard;

    let (first, other, at_once, second) = (id(&first), id(&beside), id(&twin), id(&again));
    let mut bought: Vec<_> = [&first, &other, &at_once, &second]
        .into_iter()
        .flatten()
        .collect();

    bought.sort_unstable_by_key(|id| &id.0);
    bought.dedup();
    let bought = u8::try_from(bought.len()).unwrap_or(u8::MAX);

    let tells_another = retold == Retold::OfAnother;
    let is_whole_refusal = again.unlisted.is_some();
    let are_two = other.is_some() && at_once.is_some() && other != at_once;
    let is_one = other.is_some() && other == at_once;

    let outcome = match &again.verdict {
        _ if are_two => ProofOutcome::NotHonoured,
        Verdict::Accepted(_) if first != second => ProofOutcome::NotHonoured,
        Verdict::Accepted(_) if is_one && other != first => ProofOutcome::Honoured,
        Verdict::Refused(_) => ProofOutcome::NotHonoured,
        // Whole words of an error are an answer; what may have been bought besides is not known.
        Verdict::InDoubt if tells_another || is_whole_refusal => ProofOutcome::NotHonoured,
        // An id that the same order was given under another `request_id` too proves nothing.
        Verdict::Accepted(_) | Verdict::InDoubt | Verdict::NeverSent => ProofOutcome::Lost,
    };

    let unknown = |said: &Evidence| u8::from(said.verdict == Verdict::InDoubt);
    let in_doubt =
        unknown(&beside) + unknown(&twin) + if tells_another { 0 } else { unknown(&again) };

    let words = match outcome {
        ProofOutcome::NotHonoured if are_two => "two that came at the same moment under one \
                                                 request_id became two orders: it looks for a \
                                                 name before it writes it down"
            .to_owned(),
        ProofOutcome::Lost if second.is_some() && other == first => {
            "the same order under another request_id was answered with the first: it tells orders \
             apart by what they are, for a while at least"
                .to_owned()
        }
        ProofOutcome::Lost if second.is_some() && other.is_none() => {
            format!("the same order under another request_id: {}", beside.words)
        }
        ProofOutcome::Lost if second.is_some() => {
            format!("the same request_id twice at one moment: {}", twin.words)
        }
        ProofOutcome::Lost
        | ProofOutcome::Refused
        | ProofOutcome::NotHonoured
        | ProofOutcome::Honoured => again.words,
    };

    Proof {
        outcome,
        first,
        second,
        bought,
        in_doubt,
        words,
    }
}
