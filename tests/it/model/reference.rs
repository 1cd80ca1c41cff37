//! The house as it should be: a few numbers for each order and wallet, and what each thing that
//! happens does to them.

use std::collections::BTreeMap;

use panelgate::domain::leg::LegState;
use panelgate::domain::order::OrderState;
use panelgate::domain::provider::RefusalClass;

use super::rules::{Bought, SERVICES};
use super::steps::{CUSTOMERS, OURS_ALONE, PANELS};

/// The panel that takes back what its later word says was given too much; the other's losses are
/// the house's.
pub const CLAWS_BACK: usize = 1;
/// The panel whose doubts are written off, after so long.
pub const WRITES_OFF: (usize, i64) = (0, 24 * HOUR);
pub const HOUR: i64 = 3_600;
/// How long a panel is held, a parked leg waits, an answer may take.
const HOLD_S: i64 = 10;
const PARKED_S: i64 = 10;
const ANSWER_S: i64 = 20 + 15;
const LEG_LEASE_S: i64 = 60;

/// One attempt of an order at a panel; `stated` is what the panel said last that it took, at an end
/// or before a person.
#[derive(Clone, Debug)]
pub struct Leg {
    pub number: usize, // of legs before it, of all orders
    pub panel: usize,
    pub state: LegState,
    pub attempt: i32,
    pub unsent: u32,
    pub ready_at: i64,
    pub leased_until: i64,
    pub epoch: i64,
    pub sent_at: i64,
    pub doubted_at: Option<i64>,
    pub parked: Option<(RefusalClass, i64)>,
    pub cost: i128,
    pub booked: i128,
    pub exposed: i128,
    pub id: Option<String>,
    pub watch: Option<Watch>,
    pub stated: Option<i128>,
}

/// What is remembered while a panel is asked about a leg; `told` is what it said that it took while
/// the order was open.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    pub puzzles: u32,
    pub silences: u32,
    pub failing_at: Option<i64>,
    pub unknown_there: bool,
    /// Looks since the end.
    pub looks: Option<usize>,
    pub told: Option<i128>,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub id: i32,
    pub who: usize,
    pub service: usize,
    pub bought: Bought,
    pub link: String,
    pub state: OrderState,
    pub refunded: i128,
    pub by_hand: i128,
    pub absorbed: i128,
    pub review: bool,
    pub given_up: bool, // by a person, while its panel still works on it
    pub legs: Vec<Leg>,
}

/// What a request was answered: the wish that it was for, and the bytes.
#[derive(Clone, Debug)]
pub struct Request {
    pub service: usize,
    pub units: u64,
    pub link: String,
    pub answer: String,
}

#[derive(Clone, Debug, Default)]
pub struct Gate {
    pub epoch: i64,
    pub holder: Option<u32>,
    pub held_until: i64,
    pub paused: bool,
}

/// The whole of it.
#[derive(Clone, Debug)]
pub struct Reference {
    pub now: i64,
    pub node: u32,
    pub frozen: bool,
    pub gates: [Gate; PANELS],
    pub wallets: [i128; CUSTOMERS],
    pub deposits: BTreeMap<(usize, u8), i128>,
    pub given: BTreeMap<(usize, u8), i128>,
    pub requests: BTreeMap<(usize, u8), Request>,
    pub orders: Vec<Order>,
}

impl Reference {
    pub fn new(money: i128) -> Self {
        Self {
            now: 0,
            node: 0,
            frozen: false,
            gates: Default::default(),
            wallets: [money; CUSTOMERS],
            deposits: BTreeMap::new(),
            given: BTreeMap::new(),
            requests: BTreeMap::new(),
            orders: Vec::new(),
        }
    }

    /// An order is bought, and paid.
    pub fn buy(&mut self, id: i32, who: usize, service: usize, units: u64, link: String) {
        let sold = &SERVICES[service];
        let units = if sold.package { 1 } else { units };
        let charge = sold.cost(sold.rate, units);
        self.wallets[who] -= charge;

        let bought = Bought {
            charge,
            units,
            package: sold.package,
        };

        let mut order = Order {
            id,
            who,
            service,
            bought,
            link,
            state: OrderState::Pending,
            refunded: 0,
            by_hand: 0,
            absorbed: 0,
            review: false,
            given_up: false,
            legs: Vec::new(),
        };

        let panels: Vec<_> = sold.routes.iter().map(|(panel, _)| *panel).collect();
        order.follow(
            self.next_leg(),
            self.running(&panels).unwrap_or(panels[0]),
            self.now,
        );

        self.orders.push(order);
    }

    /// The node at work gives its panels up.
    pub fn lets_go(&mut self) {
        for gate in self
            .gates
            .iter_mut()
            .filter(|gate| gate.holder == Some(self.node))
        {
            (gate.holder, gate.held_until) = (None, 0);
        }
    }

    /// The node at work takes or renews a panel's lease.
    pub fn hold(&mut self, panel: usize) -> Option<i64> {
        let gate = &mut self.gates[panel];
        if gate.holder != Some(self.node) {
            if gate.holder.is_some() && gate.held_until > self.now {
                return None;
            }
            gate.epoch += 1;
        }

        (gate.holder, gate.held_until) = (Some(self.node), self.now + HOLD_S);
        Some(gate.epoch)
    }

    /// Takes legs that are due: orders, in the order of waiting.
    pub fn lease(&mut self, panel: usize, legs_max: usize) -> Vec<usize> {
        if self.frozen || self.gates[panel].paused {
            return Vec::new();
        }

        let (now, epoch) = (self.now, self.gates[panel].epoch);
        let mut due: Vec<_> = self
            .legs_at(panel)
            .filter(|(_, leg)| {
                let given_up =
                    leg.state == LegState::Leased && (leg.leased_until < now || leg.epoch < epoch);
                leg.ready_at <= now && (leg.state == LegState::Ready || given_up)
            })
            .map(|(order, leg)| (leg.ready_at, leg.number, order))
            .collect();

        due.sort_unstable();
        due.truncate(legs_max);

        for (_, _, order) in &due {
            let leg = self.orders[*order].last();
            leg.state = LegState::Leased;
            leg.attempt += 1;
            (leg.epoch, leg.leased_until) = (epoch, now + LEG_LEASE_S);
        }

        due.into_iter().map(|(_, _, order)| order).collect()
    }

    /// Whether a leg that was taken so may be sent; if it may, it is being sent from now on. What
    /// may not and is still its taker's is given back.
    pub fn mark(&mut self, order: usize, panel: usize, attempt: i32, epoch: i64) -> bool {
        let (now, gate, frozen) = (self.now, self.gates[panel].clone(), self.frozen);
        let leg = self.orders[order].last();
        let taken = leg.panel == panel
            && leg.state == LegState::Leased
            && leg.attempt == attempt
            && leg.epoch == epoch;

        let open = gate.epoch == epoch && gate.held_until > now && !gate.paused && !frozen;
        match (taken, open) {
            (true, true) => (leg.state, leg.sent_at) = (LegState::Sending, now),
            (true, false) => leg.state = LegState::Ready,
            (false, _) => {}
        }

        taken && open
    }

    /// Being sent for too long, or by somebody who lost the panel.
    pub fn sweep(&mut self, panel: usize) -> usize {
        let (now, epoch) = (self.now, self.gates[panel].epoch);
        let lost = |leg: &Leg| {
            leg.state == LegState::Sending && (leg.epoch < epoch || leg.sent_at < now - ANSWER_S)
        };

        let lost: Vec<_> = self
            .legs_at(panel)
            .filter(|(_, leg)| lost(leg))
            .map(|(order, _)| order)
            .collect();

        for order in &lost {
            self.orders[*order].doubt(now);
        }

        lost.len()
    }

    /// Parked long enough.
    pub fn unpark(&mut self, panel: usize) -> u64 {
        let now = self.now;
        let mut count = 0;

        for order in &mut self.orders {
            let leg = order.last();
            if leg.panel == panel && leg.state == LegState::Parked && leg.ready_at <= now {
                (leg.state, leg.ready_at) = (LegState::Ready, now);
                count += 1;
            }
        }

        count
    }

    /// The first of some panels that is not stopped.
    fn running(&self, panels: &[usize]) -> Option<usize> {
        panels
            .iter()
            .copied()
            .find(|panel| !self.gates[*panel].paused)
    }

    /// What was not sent leaves a stopped panel for a running one that it was not tried on.
    pub fn leave(&mut self, panel: usize) -> usize {
        if self.frozen || !self.gates[panel].paused {
            return 0;
        }

        let (now, epoch) = (self.now, self.gates[panel].epoch);
        let mut left = 0;

        for at in 0..self.orders.len() {
            let Order {
                service,
                bought,
                ref legs,
                ..
            } = self.orders[at];

            let routes = SERVICES[service].routes.iter().map(|(panel, _)| *panel);
            let untried: Vec<_> = routes
                .filter(|other| legs.iter().all(|leg| leg.panel != *other))
                .collect();

            let to = self.running(&untried);
            let leg = self.orders[at].last();
            let given_up =
                leg.state == LegState::Leased && (leg.leased_until < now || leg.epoch < epoch);
            let waits = leg.panel == panel && (leg.state == LegState::Ready || given_up);

            if let Some(to) = to.filter(|_| waits) {
                (leg.panel, leg.state, leg.cost) = (
                    to,
                    LegState::Ready,
                    SERVICES[service].cost_at(to, bought.units),
                );

                leg.ready_at = leg.ready_at.min(now);
                left += 1;
            }
        }

        left
    }

    /// The panel has the order under this id, unless another of ours has it.
    pub fn accepted(&mut self, order: usize, id: &str) -> bool {
        let panel = self.orders[order].last().panel;
        if self.owner(panel, id).is_some() {
            return false;
        }

        let order = &mut self.orders[order];
        let leg = order.last();
        leg.state = LegState::Accepted;
        (leg.booked, leg.exposed, leg.unsent, leg.doubted_at) = (leg.cost, 0, 0, None);
        (leg.id, leg.watch) = (Some(id.to_owned()), Some(Watch::default()));
        order.progress(OrderState::Processing);

        true
    }

    /// It gave the id of another order of ours.
    pub fn twin(&mut self, order: usize) {
        let now = self.now;
        self.orders[order].review = true;
        self.orders[order].doubt(now);
    }

    /// A text proves that nothing was placed.
    pub fn refused(&mut self, order: usize, class: RefusalClass) {
        use RefusalClass::{
            Action, Active, Key, Link, Money, Parameters, Quantity, RateLimit, Service,
        };

        let (now, leg) = (self.now, self.orders[order].last());
        if class == Active && (leg.state == LegState::InDoubt || leg.panel == OURS_ALONE) {
            return self.orders[order].doubt(now);
        }

        if self.is_wanted_back(order) {
            return self.ends_unplaced(order);
        }

        let waited = self.orders[order]
            .last()
            .parked
            .is_some_and(|(of, since)| of == class && now - since >= 24 * HOUR);

        let parks = match class {
            Link | Quantity | Parameters => return self.ends_unplaced(order),
            Active if !waited => true,
            Money | Key | RateLimit | Action => !self.goes_on(order),
            Active | Service => {
                if !self.goes_on(order) {
                    self.ends_unplaced(order);
                }
                false
            }
        };

        if parks {
            let leg = self.orders[order].last();
            leg.rests(LegState::Parked);
            leg.ready_at = now + PARKED_S;

            if leg.parked.is_none_or(|(of, _)| of != class) {
                leg.parked = Some((class, now));
            }
        }
    }

    /// Not a byte left: again soon, from the third time in a row by the other route.
    pub fn unsent(&mut self, order: usize) {
        let now = self.now;
        if self.is_wanted_back(order) {
            return self.ends_unplaced(order);
        }

        let Order {
            service, bought, ..
        } = self.orders[order];

        let leg = self.orders[order].last();
        let unsent = leg.unsent;
        leg.rests(LegState::Ready);
        leg.unsent = unsent + 1;
        leg.ready_at = now + 2i64.pow(unsent.min(10)).min(60);
        let (third, present) = (leg.unsent >= 3, leg.panel);

        let others = SERVICES[service]
            .routes
            .iter()
            .map(|(panel, _)| *panel)
            .filter(|panel| *panel != present);

        let other = self.running(&others.collect::<Vec<_>>());
        if let Some(panel) = other.filter(|_| third) {
            let leg = self.orders[order].last();
            (leg.panel, leg.cost) = (panel, SERVICES[service].cost_at(panel, bought.units));
        }
    }

    /// Nothing of it is at the panel, as was found out.
    pub fn not_placed(&mut self, order: usize) {
        let leg = self.orders[order].last();
        if leg.state == LegState::WrittenOff {
            leg.rests(LegState::Refused);
            leg.booked = 0;
        } else if self.is_wanted_back(order) || !self.goes_on(order) {
            self.ends_unplaced(order);
        }
    }

    /// Taken back before it was sent.
    pub fn withdraw(&mut self, order: usize) -> bool {
        let charge = self.orders[order].bought.charge;
        let leg = self.orders[order].last();
        if !matches!(
            leg.state,
            LegState::Ready | LegState::Leased | LegState::Parked
        ) {
            return false;
        }

        leg.rests(LegState::Canceled);
        self.settle(order, OrderState::Canceled, charge, false);
        true
    }

    /// By the next route that was not tried.
    fn goes_on(&mut self, order: usize) -> bool {
        let (now, number) = (self.now, self.next_leg());
        let legs = &self.orders[order].legs;
        let routes = SERVICES[self.orders[order].service]
            .routes
            .iter()
            .map(|(panel, _)| *panel);

        let untried: Vec<_> = routes
            .filter(|panel| legs.iter().all(|leg| leg.panel != *panel))
            .collect();

        let Some(next) = self.running(&untried).or(untried.first().copied()) else {
            return false;
        };

        let order = &mut self.orders[order];
        order.last().rests(LegState::Refused);
        order.follow(number, next, now);

        true
    }

    fn ends_unplaced(&mut self, order: usize) {
        let charge = self.orders[order].bought.charge;
        self.orders[order].last().rests(LegState::Refused);
        self.settle(order, OrderState::Canceled, charge, false);
    }

    /// So much is to be given back in all; never less than a person gave, never more than was paid.
    pub fn settle(&mut self, order: usize, state: OrderState, target: i128, claws_back: bool) {
        let order = &mut self.orders[order];
        let wallet = &mut self.wallets[order.who];
        let target = target.max(order.by_hand).min(order.bought.charge);
        let too_much = order.refunded - target;

        let taken = if claws_back {
            too_much.clamp(0, (*wallet).max(0))
        } else {
            0
        };

        let moved = if too_much > 0 { -taken } else { -too_much };
        *wallet += moved;
        order.refunded += moved;
        order.absorbed = (order.refunded - target).max(0);
        (order.state, order.review) = (state, false);
    }

    fn next_leg(&self) -> usize {
        self.orders.iter().map(|order| order.legs.len()).sum()
    }

    /// Which order has an id at a panel.
    pub fn owner(&self, panel: usize, id: &str) -> Option<usize> {
        let has = |leg: &Leg| leg.panel == panel && leg.id.as_deref() == Some(id);
        self.orders
            .iter()
            .position(|order| order.legs.iter().any(has))
    }

    /// Orders whose last leg is at a panel, with that leg.
    pub fn legs_at(&self, panel: usize) -> impl Iterator<Item = (usize, &Leg)> {
        let last = self
            .orders
            .iter()
            .enumerate()
            .map(|(n, order)| (n, order.legs.last().unwrap()));

        last.filter(move |(_, leg)| leg.panel == panel)
    }

    /// Everything as the database should have it: an order a line, then the wallets.
    pub fn shown(&self) -> String {
        let mut lines: Vec<_> = self.orders.iter().map(Order::shown).collect();
        lines.extend(self.wallets.iter().map(i128::to_string));
        lines.join("\n")
    }
}

impl Order {
    /// The leg that counts.
    pub fn last(&mut self) -> &mut Leg {
        self.legs.last_mut().unwrap()
    }

    /// Where it stands at its panel.
    pub fn last_state(&self) -> LegState {
        self.legs.last().unwrap().state
    }

    fn follow(&mut self, number: usize, panel: usize, now: i64) {
        self.legs.push(Leg {
            number,
            panel,
            state: LegState::Ready,
            attempt: 0,
            unsent: 0,
            ready_at: now,
            leased_until: 0,
            epoch: 0,
            sent_at: 0,
            doubted_at: None,
            parked: None,
            cost: SERVICES[self.service].cost_at(panel, self.bought.units),
            booked: 0,
            exposed: 0,
            id: None,
            watch: None,
            stated: None,
        });
    }

    pub fn doubt(&mut self, now: i64) {
        let leg = self.last();
        if matches!(leg.state, LegState::InDoubt | LegState::WrittenOff) {
            return;
        }

        leg.rests(LegState::InDoubt);
        (leg.exposed, leg.doubted_at) = (leg.cost, Some(now));
        self.progress(OrderState::Processing);
    }

    /// What is over stays as it ended.
    pub fn progress(&mut self, state: OrderState) {
        if !self.state.is_end() {
            self.state = state;
        }
    }

    /// What its customer is shown.
    pub fn standing(&self) -> &'static str {
        let sending = self.legs.iter().any(|leg| leg.state == LegState::Sending);
        let given_whole = self.by_hand == self.bought.charge;

        match self.state {
            OrderState::Pending if sending => "Processing",
            OrderState::Pending => "Pending",
            OrderState::Processing => "Processing",
            OrderState::InProgress => "In progress",
            OrderState::Completed | OrderState::Partial if given_whole => "Canceled",
            OrderState::Completed => "Completed",
            OrderState::Partial => "Partial",
            OrderState::Canceled => "Canceled",
        }
    }

    fn shown(&self) -> String {
        let Self {
            id,
            refunded,
            by_hand,
            absorbed,
            review,
            ..
        } = self;

        let legs: Vec<_> = self.legs.iter().map(Leg::shown).collect();
        let state = self.state.as_str();
        format!(
            "{id} {state} {refunded} {by_hand} {absorbed} {review} | {}",
            legs.join(", ")
        )
    }
}

impl Leg {
    fn rests(&mut self, state: LegState) {
        (self.state, self.exposed, self.unsent, self.doubted_at) = (state, 0, 0, None);
    }

    fn shown(&self) -> String {
        let Self {
            attempt,
            booked,
            exposed,
            ..
        } = self;

        let id = self.id.as_deref().unwrap_or("-");
        let panel = ["a", "b"][self.panel];
        format!(
            "{panel} {} {attempt} {id} {booked} {exposed}",
            self.state.as_str()
        )
    }
}
