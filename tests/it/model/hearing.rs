//! What the house as it should be makes of panels' words and of persons' decisions.

use panelgate::domain::leg::LegState;
use panelgate::domain::order::OrderState;
use panelgate::domain::provider::PanelStatus;

use super::reference::{CLAWS_BACK, HOUR, Reference, Watch};
use super::rules::Follows;
use super::steps::{Said, Word};

/// Looks after an end.
const LOOKS: usize = 4;

impl Reference {
    /// A panel said this of an order that it was asked about.
    pub fn heard(&mut self, order: usize, word: &Word) {
        let now = self.now;
        let bought = self.orders[order].bought;
        let leg = self.orders[order].last();
        let (over, failing_at) = (
            leg.state == LegState::Ended,
            leg.watch.as_ref().unwrap().failing_at,
        );

        let failed_for_good = failing_at.is_some_and(|since| now - since >= 24 * HOUR);
        match (word.follows(bought, leg.cost, failed_for_good), over) {
            (
                Follows::End {
                    state,
                    target,
                    cost,
                    asks,
                    ..
                },
                _,
            ) => {
                // What it said while it was at it is its price.
                let completed = matches!(word.said, Said::Status(PanelStatus::Completed));
                let said_before = completed && word.charge() == leg.watch.as_ref().unwrap().told;
                (leg.state, leg.booked) = (LegState::Ended, cost);
                leg.stated = word.charge().or(leg.stated);
                let claws_back = leg.panel == CLAWS_BACK && !self.orders[order].given_up;

                // A failure that settled is one still where it is said again.
                let failing_at =
                    failing_at.filter(|_| matches!(word.said, Said::Status(PanelStatus::Failed)));
                self.looked_back(order);

                if let Some(watch) = &mut self.orders[order].last().watch {
                    watch.failing_at = failing_at;
                }

                self.settle(order, state, target, claws_back);
                self.orders[order].review |= asks && !said_before;
            }
            // It works on it again: nothing moves before a new end.
            (Follows::Open(_), true) => {
                let watch = leg.watch.as_mut().unwrap();
                watch.told = word.charge().or(watch.told);
            }
            (nothing, true) => {
                self.looked_back(order);
                let last = self.orders[order].last().watch.is_none();
                let ended_badly = matches!(nothing, Follows::Puzzle | Follows::Failing);
                let asks = nothing == Follows::Person || last && ended_badly;
                self.ask_a_person(order, word, asks);
            }
            (Follows::Open(state), false) => {
                let told = word.charge().or(leg.watch.as_ref().unwrap().told);
                leg.watch = Some(Watch {
                    told,
                    ..Watch::default()
                });

                self.orders[order].progress(state);
                self.orders[order].review = false;
            }
            (nothing, false) => {
                let watch = leg.watch.as_mut().unwrap();
                let asks = watch.puzzled(nothing, now);
                watch.unknown_there = matches!(word.said, Said::Unknown | Said::Missing);
                self.ask_a_person(order, word, asks);
            }
        }
    }

    /// A person is asked, and shown what the panel said.
    fn ask_a_person(&mut self, order: usize, word: &Word, asks: bool) {
        if asks && matches!(word.said, Said::Status(_)) {
            let leg = self.orders[order].last();
            leg.stated = word.charge().or(leg.stated);
        }
        self.orders[order].review |= asks;
    }

    /// One of the looks after an end is over; after the last nobody asks any more.
    fn looked_back(&mut self, order: usize) {
        let leg = self.orders[order].last();
        let looks = leg
            .watch
            .as_ref()
            .unwrap()
            .looks
            .map_or(0, |looks| looks + 1);

        let told = leg.watch.as_ref().unwrap().told;
        let watch = Watch {
            looks: Some(looks),
            told,
            ..Watch::default()
        };

        leg.watch = (looks < LOOKS).then_some(watch);
    }

    /// A person settles an order, so many units of it delivered; `None`: no panel has or had it.
    pub fn settled_by_hand(&mut self, order: usize, delivered: u64) -> Option<i128> {
        let bought = self.orders[order].bought;
        let leg = self.orders[order].last();
        if !matches!(leg.state, LegState::Accepted | LegState::Ended) {
            return None;
        }

        // What its panel still works on is given back, and followed on.
        if delivered == 0 && leg.state == LegState::Accepted {
            self.orders[order].by_hand = bought.charge;
            self.orders[order].given_up = true;
            self.settle(order, OrderState::Canceled, bought.charge, false);
            return Some(bought.charge);
        }

        let told = leg.watch.take().and_then(|watch| watch.told);
        leg.state = LegState::Ended;
        leg.booked = leg
            .stated
            .or(told)
            .unwrap_or_else(|| bought.part(leg.cost, delivered));

        let missing = bought.units - delivered;
        let state = match (delivered, missing) {
            (_, 0) => OrderState::Completed,
            (0, _) => OrderState::Canceled,
            (_, _) => OrderState::Partial,
        };

        self.settle(order, state, bought.part(bought.charge, missing), false);
        Some(self.orders[order].refunded)
    }

    /// In doubt for too long.
    pub fn written_off(&mut self, order: usize) {
        let charge = self.orders[order].bought.charge;
        let leg = self.orders[order].last();
        (leg.state, leg.exposed, leg.booked) = (LegState::WrittenOff, 0, leg.cost);
        self.settle(order, OrderState::Canceled, charge, false);
    }

    /// Whether a person gave all of it back: it is sent nowhere else.
    pub fn is_wanted_back(&self, order: usize) -> bool {
        self.orders[order].by_hand == self.orders[order].bought.charge
    }

    /// A person gives something more back.
    pub fn given_by_hand(&mut self, order: usize, amount: i128) {
        let order = &mut self.orders[order];
        self.wallets[order.who] += amount;
        order.refunded += amount;

        // What the house bears already was not given by a person.
        order.by_hand = order.refunded - order.absorbed;
        let leg = order.last();
        let unsent = matches!(
            leg.state,
            LegState::Ready | LegState::Leased | LegState::Parked
        );

        if order.refunded == order.bought.charge && unsent {
            order.last().state = LegState::Canceled;
            (order.state, order.review) = (OrderState::Canceled, false);
        }
    }

    /// Whether a person may decide where it is.
    pub fn is_doubtful(&self, order: usize) -> bool {
        let order = &self.orders[order];
        let leg = order.legs.last().unwrap();
        let unknown_there =
            order.review && leg.watch.as_ref().is_some_and(|watch| watch.unknown_there);
        matches!(leg.state, LegState::InDoubt | LegState::WrittenOff)
            || leg.state == LegState::Accepted && unknown_there
    }

    /// A person says that a panel has it, under this id; else who has that.
    pub fn resolved_accepted(&mut self, order: usize, id: &str) -> Result<(), i32> {
        let panel = self.orders[order].last().panel;
        if let Some(owner) = self.owner(panel, id).filter(|owner| *owner != order) {
            return Err(self.orders[owner].id);
        }

        self.doubted_again(order);
        if self.accepted(order, id) {
            Ok(())
        } else {
            Err(self.orders[order].id)
        }
    }

    /// A person says that no panel has it.
    pub fn resolved_not_placed(&mut self, order: usize) {
        self.doubted_again(order);
        self.not_placed(order);
    }

    /// What was followed by an id that its panel does not know is as if it had never been found.
    fn doubted_again(&mut self, order: usize) {
        let now = self.now;
        let leg = self.orders[order].last();
        if leg.state == LegState::Accepted {
            (leg.state, leg.id, leg.watch, leg.stated) = (LegState::InDoubt, None, None, None);
            (leg.booked, leg.exposed, leg.doubted_at) = (0, leg.cost, Some(now));
            self.orders[order].review = false;
        }
    }
}

impl Watch {
    /// A word that settles nothing. Whether a person is asked.
    fn puzzled(&mut self, nothing: Follows, now: i64) -> bool {
        let (puzzles, silences, failing_at) = (self.puzzles, self.silences, self.failing_at);
        *self = Self {
            looks: self.looks,
            told: self.told,
            ..Self::default()
        };

        match nothing {
            Follows::Puzzle | Follows::Person => self.puzzles = puzzles + 1,
            Follows::Silence => (self.silences, self.failing_at) = (silences + 1, failing_at),
            Follows::Failing => self.failing_at = failing_at.or(Some(now)),
            Follows::Open(_) | Follows::End { .. } => {}
        }

        nothing == Follows::Person
            || self.puzzles >= 3 && nothing == Follows::Puzzle
            || self.silences >= 10
    }
}
