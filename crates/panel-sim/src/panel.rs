//! The panel's books: its money, its orders and what becomes of them. Pure; one mutex around it
//! makes it shared.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use chrono::TimeDelta;
use rust_decimal::Decimal;

use super::{
    catalog::{self, Fate, Service},
    chance,
    clock::Moment,
    dialect::{SpokenDialect, number},
    faults::{Fault, Faults},
    habits::Habits,
    kind::Kind,
    memory::{Memory, Said},
    money,
    order::{End, Ending, Order, SimOrder, Status},
    refill::Refills,
    reply::{RefillState, Refused},
    wanted::{Wanted, units},
};

/// Orders that are kept; several times the largest campaign against one panel.
pub(super) const ORDERS_MAX: usize = 250_000;

/// Texts of orders that are kept, so that long comments cannot fill the memory either.
const TEXT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The longest time of delivery that is kept to: thirty days.
const DELIVERY_S_MAX: u64 = 30 * 24 * 3_600;

/// The first order's id lies somewhere in this range, by seed, so that ids of two panels differ.
const FIRST_ID_MIN: u64 = 100_000;
const FIRST_ID_SPREAD: u64 = 1_000_000;

/// Counts before delivery lie below this.
const START_COUNT_MAX: u64 = 10_000;

/// How far above an order's own id a wrong one lies: further than ids ever get.
const WRONG_ID_STEP: u64 = 1_000_000_000_000;

/// What came of an `add` that was accepted.
#[derive(Debug)]
pub(super) struct Placed {
    /// The id that the answer names; the order's own, unless a fault had it otherwise.
    pub(super) told: u64,
    /// What else befalls the answer.
    pub(super) fault: Option<Fault>,
}

/// Everything the panel knows.
#[derive(Debug)]
pub(super) struct Panel {
    /// The only key that it knows; none once it was revoked.
    pub(super) key: Option<String>,
    pub(super) balance: Decimal,
    pub(super) faults: Faults,
    /// In what it is unlike its dialect's documents.
    pub(super) habits: Habits,
    /// Requests by action.
    pub(super) requests: BTreeMap<&'static str, u64>,
    /// Orders younger than this are not found when their status is asked.
    pub(super) visible_after: TimeDelta,
    /// How it spells what it says.
    pub(super) dialect: SpokenDialect,
    memory: Memory,
    seed: u64,
    delivery_s: u64,
    services: Vec<Service>,
    /// The next order's id, whoever buys it: ids grow by one over all customers.
    next_id: u64,
    /// Those of our account, by growing ids.
    orders: Vec<Order>,
    /// When orders that still run meet their fate.
    due: BinaryHeap<Reverse<(Moment, usize)>>,
    refills: Refills,
    text_bytes: usize,
    adds: u64,
    /// Requests of any action, also those that stayed unread.
    asked: u64,
    /// The id that an `add` was answered with last.
    told: Option<u64>,
}

impl Panel {
    pub(super) fn new(settings: &super::Settings) -> Self {
        let seed = settings.seed;
        Self {
            key: Some(settings.key.clone()),
            balance: settings.balance,
            faults: settings.faults.clone(),
            habits: settings.habits.clone(),
            requests: BTreeMap::new(),
            visible_after: TimeDelta::zero(),
            dialect: SpokenDialect::new(
                settings.dialect,
                settings.habits.currency().unwrap_or(settings.currency),
            ),
            memory: Memory::default(),
            seed,
            delivery_s: settings.delivery_s.min(DELIVERY_S_MAX),
            services: catalog::services(seed, settings.services_extra),
            next_id: FIRST_ID_MIN + chance::below(FIRST_ID_SPREAD, seed, 0),
            orders: Vec::new(),
            due: BinaryHeap::new(),
            refills: Refills::default(),
            text_bytes: 0,
            adds: 0,
            asked: 0,
            told: None,
        }
    }

    /// Ends every order whose time has come; asked before anything else, so that no answer is older
    /// than the clock.
    pub(super) fn catch_up(&mut self, now: Moment) {
        while let Some(&Reverse((due, at))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            if self.orders[at].end.is_none() {
                self.end(at, self.orders[at].fated());
            }
        }
    }

    /// What is listed.
    pub(super) fn listed(&self) -> Vec<Service> {
        self.services
            .iter()
            .filter(|service| service.on)
            .cloned()
            .collect()
    }

    /// The row of that id, listed or not.
    pub(super) fn service_mut(&mut self, id: &str) -> Option<&mut Service> {
        let at = index(id)?;
        self.services.get_mut(at)
    }

    /// What befalls this request, whatever it asks.
    pub(super) fn befallen(&mut self) -> Option<Fault> {
        self.asked += 1;
        self.faults.befalls_request(self.seed, self.asked - 1)
    }

    /// Places an order under a name that the panel knows again: asked for the same a second time,
    /// it answers as the first time, whatever became of that answer on its way.
    pub(super) fn add_named(
        &mut self,
        name: &str,
        said: &Said,
        service: &str,
        wanted: Wanted,
        now: Moment,
    ) -> Result<Placed, Refused> {
        if let Some(told) = self.memory.recall(name, said)? {
            let n = self.adds;
            self.adds += 1;
            let fault = self.faults.befalls_add(self.seed, n);

            return Ok(Placed {
                told,
                fault: fault.filter(|fault| !matches!(fault, Fault::WrongId | Fault::Duplicate)),
            });
        }

        let placed = self.add(service, wanted, now)?;
        self.memory.keep(name, said, placed.told);
        Ok(placed)
    }

    /// Places an order, or refuses it and does nothing; faults befall the answer of one that was
    /// placed.
    pub(super) fn add(
        &mut self,
        service: &str,
        wanted: Wanted,
        now: Moment,
    ) -> Result<Placed, Refused> {
        let n = self.adds;
        self.adds += 1;
        let (id, fate) = self.place(service, wanted, now)?;

        let fault = match fate {
            Fate::Answer(fault) => Some(fault),
            Fate::Complete | Fate::Partial | Fate::Cancel | Fate::Slow => {
                self.faults.befalls_add(self.seed, n)
            }
        };

        Ok(self.told(id, fault))
    }

    /// The id that the answer to an order names; what names none leaves the last one as it was.
    fn told(&mut self, id: u64, fault: Option<Fault>) -> Placed {
        let (told, fault) = match fault {
            Some(Fault::WrongId) => (id + WRONG_ID_STEP, None),
            Some(Fault::Duplicate) => (self.told.unwrap_or(id), None),
            other => (id, other),
        };

        if matches!(fault, None | Some(Fault::Slow)) {
            self.told = Some(told);
        }

        Placed { told, fault }
    }

    /// Accepts an order and charges it, or refuses it and does nothing; its id and what becomes of
    /// it.
    pub(super) fn place(
        &mut self,
        service: &str,
        wanted: Wanted,
        now: Moment,
    ) -> Result<(u64, Fate), Refused> {
        let service = index(service)
            .and_then(|at| self.services.get(at))
            .filter(|service| service.on);

        let service = service.ok_or(Refused::Service)?;
        let kind = Kind::read(&service.kind).ok_or(Refused::Service)?;
        let units = units(service, kind, &wanted)?;

        let charge = if kind.is_package() {
            Some(service.rate)
        } else {
            money::charge(service.rate, units)
        };

        let charge = charge.ok_or(Refused::AboveMaximum(service.max))?;
        let taken_for_it = self
            .faults
            .taken(charge)
            .ok_or(Refused::AboveMaximum(service.max))?;

        let left = self
            .balance
            .checked_sub(taken_for_it)
            .filter(|left| *left >= Decimal::ZERO);

        let left = left.ok_or(Refused::NoFunds)?;
        let details = wanted.details.of(kind.needs(&wanted.details));
        let text_bytes = wanted.text_bytes();

        if self.orders.len() >= ORDERS_MAX || self.text_bytes + text_bytes > TEXT_BYTES_MAX {
            return Err(Refused::Full);
        }

        let (fate, service) = (service.fate, service.id);
        let id = self.next_id;
        let order = Order {
            id,
            service,
            link: wanted.link,
            units,
            details,
            fate,
            charge,
            start_count: chance::below(START_COUNT_MAX, self.seed, id),
            placed: now,
            span: self.span(fate),
            end: None,
        };

        self.balance = left;
        self.text_bytes += text_bytes;
        self.due.push(Reverse((order.due(), self.orders.len())));
        self.orders.push(order);
        self.next_id += 1;

        Ok((id, fate))
    }

    /// Another customer of the panel buys so many: ids move on, and nothing of it is known to us.
    pub(super) fn others_buy(&mut self, orders: u32) {
        self.next_id += u64::from(orders);
    }

    /// At least a millisecond, so that progress has something to be a part of.
    fn span(&self, fate: Fate) -> TimeDelta {
        let seconds = i64::try_from(fate.takes_s(self.delivery_s)).unwrap_or(i64::MAX);
        TimeDelta::try_seconds(seconds)
            .unwrap_or(TimeDelta::MAX)
            .max(TimeDelta::milliseconds(1))
    }

    /// What is known of an order; a young one may not be known yet.
    pub(super) fn look(&self, order: &str, now: Moment) -> Result<SimOrder, Refused> {
        let order = &self.orders[self.find(order)?];
        if now - order.placed < self.visible_after {
            Err(Refused::UnknownOrder)
        } else {
            Ok(self.shown(order, now))
        }
    }

    fn shown(&self, order: &Order, now: Moment) -> SimOrder {
        order.look(self.dialect.order_id(order.id), now)
    }

    /// Every order.
    pub(super) fn look_at_all(&self, now: Moment) -> Vec<SimOrder> {
        self.orders
            .iter()
            .map(|order| self.shown(order, now))
            .collect()
    }

    /// Cancels an order on request and refunds what was not delivered.
    pub(super) fn cancel(&mut self, order: &str, now: Moment) -> Result<(), Refused> {
        let at = self.find(order)?;
        let order = &self.orders[at];
        if !self.service_of(order).is_some_and(|service| service.cancel) {
            return Err(Refused::NoCancel);
        }

        if let Some(end) = order.end {
            return Err(Refused::Over(end.status));
        }

        let end = order.cancelled_at(now);
        self.settle(at, end);
        Ok(())
    }

    /// Begins a refill, which takes as long as an order does.
    pub(super) fn refill(&mut self, order: &str, now: Moment) -> Result<u64, Refused> {
        let at = self.find(order)?;
        let order = &self.orders[at];
        if !self.service_of(order).is_some_and(|service| service.refill) {
            return Err(Refused::NoRefill);
        }

        match order.status(now) {
            Status::Completed | Status::Partial => {}
            Status::Pending | Status::InProgress | Status::Canceled => {
                return Err(Refused::NotDelivered);
            }
        }

        self.refills.begin(order.id, now, self.span(Fate::Complete))
    }

    /// Where a refill stands.
    pub(super) fn refill_state(&self, refill: &str, now: Moment) -> Result<RefillState, Refused> {
        let id = self
            .dialect
            .refill_number(refill)
            .and_then(|id| usize::try_from(id.checked_sub(1)?).ok());
        self.refills.state(id.ok_or(Refused::UnknownRefill)?, now)
    }

    /// Forces an end, also on an order that has ended: panels do correct themselves. Whether the
    /// order is known.
    pub(super) fn force(&mut self, order: &str, ending: Ending) -> bool {
        self.find(order).map(|at| self.end(at, ending)).is_ok()
    }

    fn end(&mut self, at: usize, ending: Ending) {
        let end = self.orders[at].ended_as(ending);
        self.settle(at, end);
    }

    /// Moves the balance by the difference to what was refunded before, so that a second end never
    /// refunds twice.
    fn settle(&mut self, at: usize, end: End) {
        let order = &mut self.orders[at];
        let before = order.end.map_or(Decimal::ZERO, |end| end.refunded);
        let moved = self.balance.checked_add(end.refunded - before);
        self.balance = moved.expect("refunds are parts of charges that the balance once held");
        order.end = Some(end);
    }

    fn find(&self, order: &str) -> Result<usize, Refused> {
        let id = self
            .dialect
            .order_number(order)
            .ok_or(Refused::UnknownOrder)?;

        self.orders
            .binary_search_by_key(&id, |order| order.id)
            .map_err(|_| Refused::UnknownOrder)
    }

    fn service_of(&self, order: &Order) -> Option<&Service> {
        self.services.get(usize::try_from(order.service - 1).ok()?)
    }
}

/// The place of an id in a list whose first id is 1.
fn index(id: &str) -> Option<usize> {
    usize::try_from(number(id)?.checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests;
