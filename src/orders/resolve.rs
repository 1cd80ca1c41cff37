//! Resolving: a person decides an order in doubt, either way; the machine never does it on its own.

use std::slice;

use chrono::TimeDelta;

use crate::domain::choice::Passed;
use crate::domain::clock::Timestamp;
use crate::domain::doubt::{DoubtCheck, DoubtVerdict};
use crate::domain::id::{OrderId, PanelOrder, ProviderId};
use crate::domain::leg::LegState;
use crate::domain::money::Money;
use crate::domain::order::OrderState;
use crate::domain::provider::Reversal;
use crate::domain::service::Route;
use crate::ledger;
use crate::orders::settle::{self, End};
use crate::orders::{Delivery, conclude};
use crate::store::cancels::AskedBy;
use crate::store::doubts::PERSON_FOUND;
use crate::store::legs::LockedLeg;
use crate::store::panel_orders::Witness;
use crate::store::{
    StoreError, Tx, cancels, clock_watch, doubts, late, legs, orders, panel_orders, taken_back,
};

/// What a person found out at the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoubtFinding {
    /// The panel has it, under this id.
    Accepted(PanelOrder),
    /// The panel has nothing of it.
    NotPlaced,
    /// That it was not placed is taken back.
    TakeBack,
}

/// What came of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The order goes on: followed at the panel, sent by its next route, or ended and refunded
    /// whole.
    Done,
    /// The panel need not show the order before a moment: that it has nothing is said once, and
    /// only the same word again decides.
    SaidOnce {
        /// Where it is in doubt.
        now_at: ProviderId,
        /// From when on the panel must show it.
        visible_at: Timestamp,
    },
    /// It is in doubt at one panel, or waits there, and was so at others before: whoever decides
    /// says where they looked, and did not, or looked elsewhere; nothing changed.
    AtAnother {
        /// Where it is in doubt, as it is to be named.
        now_at: String,
        /// Where it was before.
        before: Vec<String>,
    },
    /// It was found not placed at several panels: whoever takes that back says where; nothing
    /// changed.
    AtSeveral(Vec<String>),
    /// Nobody found that it was not placed, or it is at another panel since, or over: nothing can
    /// be taken back.
    NothingToTakeBack,
    /// No leg of it is in doubt, and none waits that its panel refused and has all the same;
    /// nothing changed.
    NotInDoubt,
    /// Its panel said itself that it has it, under this id: it was placed; nothing changed.
    NamedByPanel(PanelOrder),
    /// This order has that id at the panel; nothing changed.
    TakenId(OrderId),
}

/// The name by which a person says where they looked: the panel's, and its service where it is one
/// of others at one panel.
pub fn named_among(route: &Route, others: &[Route]) -> String {
    let is_one_of_two = others.iter().any(|other| other.provider == route.provider);
    if is_one_of_two {
        format!("{}:{}", route.provider, route.service)
    } else {
        route.provider.to_string()
    }
}

impl Delivery {
    /// Decides an order in doubt, in the caller's transaction, by what a person found at a panel.
    pub async fn resolve(
        &self,
        tx: &mut Tx,
        order: OrderId,
        finding: &DoubtFinding,
        looked_at: Option<&str>,
    ) -> Result<Resolved, StoreError> {
        let now = self.clock.now();
        if *finding == DoubtFinding::TakeBack {
            return take_back(tx, order, looked_at, now).await;
        }

        let in_doubt = doubts::in_doubt(tx, order).await?;
        let is_in_doubt = in_doubt.is_some();

        let leg = match in_doubt {
            Some(leg) => leg,
            None => match decided_anew(tx, order, finding).await? {
                Some(leg) => leg,
                None => {
                    return self.take_refused(tx, order, finding, looked_at, now).await;
                }
            },
        };

        // What was found at one panel decides nothing at another, where the order may have gone
        // meanwhile.
        let before = doubts::doubted_before(tx, order, leg.n).await?;

        if let Some(elsewhere) = unless_meant(&leg.route, &before, looked_at) {
            return Ok(elsewhere);
        }

        // Its panel named another id, which is the order's own: a slip in the one that is followed
        // does not undo that.
        if let (DoubtFinding::NotPlaced, Some(id)) = (finding, &leg.late_order) {
            return Ok(Resolved::NamedByPanel(id.clone()));
        }

        // Both ids stay known as ours, where the panel named both.
        let other_id = leg.panel_order.clone().filter(|_| leg.late_order.is_some());

        let leg = if is_in_doubt {
            leg
        } else {
            self.doubt_again(tx, leg, now).await?
        };

        match finding {
            DoubtFinding::Accepted(panel_order) => {
                let resolved = self.taken_by_word(tx, &leg, panel_order, now).await?;
                if let (Resolved::Done, Some(other_id)) = (&resolved, other_id) {
                    late::keep(tx, leg.id, &other_id, now).await?;
                }
                Ok(resolved)
            }
            DoubtFinding::TakeBack => Ok(Resolved::NothingToTakeBack),
            DoubtFinding::NotPlaced if leg.state == LegState::WrittenOff => {
                conclude::never_placed(tx, &leg, now).await?;
                Ok(Resolved::Done)
            }
            DoubtFinding::NotPlaced => {
                if let Some(visible_at) = self.too_young_to_say(tx, &leg, now).await? {
                    return Ok(Resolved::SaidOnce {
                        now_at: leg.route.provider,
                        visible_at,
                    });
                }

                self.not_placed(tx, &leg, PERSON_FOUND, now).await?;
                Ok(Resolved::Done)
            }
        }
    }

    /// A person found at its panel what that one refused, while the order waits there to be asked
    /// for again: it is not.
    async fn take_refused(
        &self,
        tx: &mut Tx,
        order: OrderId,
        finding: &DoubtFinding,
        looked_at: Option<&str>,
        now: Timestamp,
    ) -> Result<Resolved, StoreError> {
        let DoubtFinding::Accepted(panel_order) = finding else {
            return Ok(Resolved::NotInDoubt);
        };

        let Some(leg) = legs::lock_last(tx, order).await? else {
            return Ok(Resolved::NotInDoubt);
        };

        // What is not parked any more is about to be asked for anew.
        if leg.state != LegState::Parked {
            return Ok(Resolved::NotInDoubt);
        }

        // Any panel that refused it may have it just as well.
        let tried = legs::tried_before(tx, order, leg.n).await?.into_iter();
        let route = |passed: Passed| Route {
            provider: ProviderId(passed.provider),
            service: passed.service,
        };

        let before: Vec<Route> = tried.map(route).collect();
        if let Some(elsewhere) = unless_meant(&leg.route, &before, looked_at) {
            return Ok(elsewhere);
        }

        taken_back::disbelieve_refusal(tx, &leg).await?;

        self.taken_by_word(tx, &leg, panel_order, now).await
    }

    /// By a person's word the panel has it under that id. Asked about at once: the person is
    /// waiting to see it go on.
    async fn taken_by_word(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        panel_order: &PanelOrder,
        now: Timestamp,
    ) -> Result<Resolved, StoreError> {
        if self
            .take_over(tx, leg, panel_order, Witness::Person, now, now)
            .await?
        {
            return Ok(Resolved::Done);
        }

        let owner = panel_orders::find_owner(tx, &leg.route.provider, panel_order).await?;
        Ok(Resolved::TakenId(owner.ok_or(StoreError::Unexpected(
            "an id is taken, and nobody has it",
        ))?))
    }

    /// Until when a panel need not show an order that it has: what is bought elsewhere before then
    /// may be there twice. The first word of a person within that time is kept and decides
    /// nothing; `None`: it was said before, or it is late enough.
    async fn too_young_to_say(
        &self,
        tx: &mut Tx,
        leg: &LockedLeg,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mapping = self.catalog.mapping();
        let panel = mapping
            .providers
            .iter()
            .find(|panel| panel.id == leg.route.provider);

        let doubts = panel.map(|panel| panel.doubts).unwrap_or_default();

        let (doubted_at, visible) = (
            doubts::doubted_at(tx, leg.id).await?,
            TimeDelta::seconds(i64::from(doubts.visible_after_s)),
        );

        let visible_at = clock_watch::watched_for(&self.store, doubted_at, visible)
            .await?
            .over;

        if now >= visible_at || !doubts::say_not_placed(tx, leg.id, now).await? {
            return Ok(None);
        }

        let words = format!(
            "a person said that it was not placed; the panel need not show it before {visible_at}"
        );

        doubts::record_check(
            tx,
            leg.id,
            DoubtCheck::Person,
            DoubtVerdict::Unknown,
            &words,
            now,
        )
        .await?;
        Ok(Some(visible_at))
    }

    /// The panel does not know the id that the leg is followed by, and a person was asked: a slip
    /// in an earlier decision must not hold the money for ever. The leg is as it was in doubt.
    async fn doubt_again(
        &self,
        tx: &mut Tx,
        leg: LockedLeg,
        now: Timestamp,
    ) -> Result<LockedLeg, StoreError> {
        taken_back::doubt_again(tx, &leg, now).await?;
        ledger::correct_cost(tx, &leg, Money::ZERO, now).await?;
        ledger::book_exposure(tx, &leg, now).await?;
        legs::lock_leg(tx, leg.id).await
    }
}

/// That a person has to say where they looked, or looked elsewhere; `None`: it is this route that
/// they mean.
fn unless_meant(route: &Route, before: &[Route], looked_at: Option<&str>) -> Option<Resolved> {
    let now_at = named_among(route, before);
    let is_meant = looked_at.map_or(before.is_empty(), |looked_at| looked_at == now_at);
    (!is_meant).then(|| {
        let before = before
            .iter()
            .map(|before| named_among(before, slice::from_ref(route)))
            .collect();
        Resolved::AtAnother { now_at, before }
    })
}

/// The leg of an order that is followed by an id which a person may have been wrong about: its
/// panel does not know it, or named another one too, which is the person's now.
async fn decided_anew(
    tx: &mut Tx,
    order: OrderId,
    finding: &DoubtFinding,
) -> Result<Option<LockedLeg>, StoreError> {
    match (taken_back::unknown_to_panel(tx, order).await?, finding) {
        (Some(leg), _) => Ok(Some(leg)),
        (None, DoubtFinding::Accepted(id)) => late::lock_told_twice(tx, order, id).await,
        (None, DoubtFinding::NotPlaced | DoubtFinding::TakeBack) => Ok(None),
    }
}

/// A person takes back that an order was not placed: it is in doubt at its panel again, as long as
/// no other one has it or may have it. What its customer got back goes to the house again, as far
/// as the wallet holds it.
async fn take_back(
    tx: &mut Tx,
    order: OrderId,
    looked_at: Option<&str>,
    now: Timestamp,
) -> Result<Resolved, StoreError> {
    let found = taken_back::found_not_placed(tx, order).await?;
    let mut legs = Vec::new();
    for leg in found {
        legs.push(legs::lock_leg(tx, leg).await?);
    }

    let routes: Vec<Route> = legs.iter().map(|leg| leg.route.clone()).collect();
    let name = |at: usize| {
        let others: Vec<_> = routes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .collect();

        let others: Vec<Route> = others.into_iter().map(|(_, route)| route.clone()).collect();
        routes
            .get(at)
            .map(|route| named_among(route, &others))
            .unwrap_or_default()
    };

    let names: Vec<String> = (0..routes.len()).map(name).collect();
    let meant = match (looked_at, names.len()) {
        (Some(looked_at), _) => names.iter().rposition(|name| name == looked_at),
        (None, 1) => Some(0),
        (None, _) => None,
    };

    let Some(leg) = meant.and_then(|meant| legs.get(meant)) else {
        let several = looked_at.is_some() && !names.is_empty() || names.len() > 1;
        return Ok(if several {
            Resolved::AtSeveral(names)
        } else {
            Resolved::NothingToTakeBack
        });
    };

    let later = late::lock_later(tx, leg).await?;
    let is_there_alone = leg.state == LegState::Refused && later.iter().all(holds_nothing);

    // Who canceled it has the money for good, whatever its panel has.
    let is_canceled = cancels::is_asked_by(tx, order, AskedBy::Customer).await?;
    if !is_there_alone || is_canceled || late::lock_taken(tx, leg).await?.is_some() {
        return Ok(Resolved::NothingToTakeBack);
    }

    let why = format!(
        "not sent: {} may have the order after all",
        leg.route.provider
    );

    late::put_last(tx, leg, &later, &why, now).await?;
    taken_back::doubt_after_all(tx, leg, now).await?;
    ledger::book_exposure(tx, leg, now).await?;

    let order = orders::lock_order(tx, order).await?;
    if order.state.is_end() {
        let end = End {
            state: OrderState::Processing,
            target: Money::ZERO,
            delivered: 0,
            start_count: None,
            remains: order.remains,
            is_gift: false,
        };

        settle::to_target(tx, &order, end, Reversal::Clawback, now).await?;
    }

    Ok(Resolved::Done)
}

/// Whether nothing of a leg can be at its panel, and nobody took it back: what was canceled ended
/// the order for good.
fn holds_nothing(leg: &LockedLeg) -> bool {
    match leg.state {
        LegState::Ready | LegState::Leased | LegState::Parked => true,
        LegState::Refused => leg.late_order.is_none(),
        LegState::Sending
        | LegState::InDoubt
        | LegState::Accepted
        | LegState::Ended
        | LegState::Canceled
        | LegState::WrittenOff => false,
    }
}
