//! A panel that keeps books of its own, in its own arithmetic, and cheats in one way or in none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use panelgate::domain::clock::{Clock, HandClock};
use serde_json::{Value, json};

use crate::scripted::Scripted;

/// A hundred-millionth of a dollar.
pub type Coins = i128;

/// A dollar.
pub const DOLLAR: Coins = 100_000_000;

/// What it begins with of ours.
const BEGINS_WITH: Coins = 1_000 * DOLLAR;

const HOUR: i64 = 3_600;

/// Five days of watching, and one of being sure.
const OLD_AFTER: i64 = 6 * 24 * HOUR;

/// What a panel does with our money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// It tells the whole charge beside a partial, and 0 of what it canceled.
    Honest,
    /// It tells what it kept.
    TellsNet,
    /// It tells no charge at all, and its balance in cents.
    TellsLittle,
    /// It says that an order is canceled or partial, and keeps the money.
    KeepsRefunds,
    /// It takes and tells a fifth more than it lists.
    Overcharges,
    /// It takes 1 in 300 more than it tells, of a balance that it shows in cents.
    Skims,
    /// It takes every charge twice, and tells it once.
    Doubles,
    /// It bills some orders in another currency.
    BillsInEuros,
    /// Four days after the end it gives the money back.
    TakesBackLate,
    /// Somebody else buys from the same account.
    SharesItsAccount,
    /// It does not know some orders any more.
    Forgets,
    /// It completes an order and gives its money back without a word.
    PaysBackSilently,
    /// It says that all was delivered, that it was not, and takes half.
    ContradictsItself,
}

/// How an order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Completed,
    /// Half of it.
    Partial,
    Canceled,
}

struct Order {
    units: i128,
    placed_at: i64,
    cost: Coins,
    fate: Fate,
    /// How much of it was delivered, once it is over.
    delivered: Option<i128>,
    /// Whether the cheat did its work on it.
    is_cheated: bool,
}

impl Order {
    /// What remains of its cost for what was delivered.
    fn net(&self) -> Coins {
        self.delivered
            .map_or(self.cost, |delivered| self.cost * delivered / self.units)
    }
}

struct Books {
    conduct: Conduct,
    clock: Arc<HandClock>,
    balance: Coins,
    /// Per thousand units.
    rate: Coins,
    orders: BTreeMap<u32, Order>,
}

/// The books of a panel that answers by them.
#[derive(Clone)]
pub struct Bookkeeper(Arc<Mutex<Books>>);

impl Bookkeeper {
    /// Has a panel answer by books of its own from now on.
    pub fn keep(panel: &Scripted, conduct: Conduct, clock: Arc<HandClock>) -> Self {
        let rate = 90 * DOLLAR / 100;
        let books = Books {
            conduct,
            clock,
            balance: BEGINS_WITH,
            rate,
            orders: BTreeMap::new(),
        };

        let keeper = Self(Arc::new(Mutex::new(books)));

        let answering = keeper.clone();
        panel.say(move |form| Some((200, answering.0.lock().unwrap().answer(form).to_string())));
        keeper
    }

    /// Somebody pays in, or spends what is ours.
    pub fn move_balance(&self, coins: Coins) {
        self.0.lock().unwrap().balance += coins;
    }

    /// Lists another price from now on, in percent of the present one.
    pub fn reprice(&self, percent: i128) {
        let rate = &mut self.0.lock().unwrap().rate;
        *rate = *rate * percent / 100;
    }

    /// Whether an order is older than what takes a while to be sure of.
    pub fn is_old(&self, id: u32) -> bool {
        let books = self.0.lock().unwrap();
        books.clock.now().timestamp() - books.orders[&id].placed_at > OLD_AFTER
    }

    /// The panel's ids of what it cheated us on.
    pub fn cheated(&self) -> Vec<u32> {
        let books = self.0.lock().unwrap();
        books
            .orders
            .iter()
            .filter(|(_, order)| order.is_cheated)
            .map(|(id, _)| *id)
            .collect()
    }
}

impl Books {
    fn answer(&mut self, form: &BTreeMap<String, String>) -> Value {
        self.bring_up_to_date();
        match form["action"].as_str() {
            "services" => json!([
                {"service": "1", "name": "Units", "type": "Default", "category": "C", "rate": shown(self.rate),
                 "min": "10", "max": "10000", "refill": true, "cancel": true},
                {"service": "2", "name": "Package", "type": "Package", "category": "C", "rate": "1.50",
                 "min": "1", "max": "1"},
            ]),
            "balance" => json!({"balance": self.shown_balance(), "currency": "USD"}),
            "add" => self.add(form),
            "status" => self.status(form),
            "cancel" => self.cancel(form),
            _ => json!({"error": "Incorrect request"}),
        }
    }

    fn shown_balance(&self) -> String {
        if !matches!(self.conduct, Conduct::TellsLittle | Conduct::Skims) {
            return shown(self.balance);
        }

        let cent = DOLLAR / 100;
        let cents = (self.balance + cent / 2).div_euclid(cent);
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    fn add(&mut self, form: &BTreeMap<String, String>) -> Value {
        let id = 501 + u32::try_from(self.orders.len()).unwrap();
        let units: i128 = form["quantity"].parse().unwrap();
        let listed = self.rate * units / 1_000;

        let cost = if self.conduct == Conduct::Overcharges {
            listed * 6 / 5
        } else {
            listed
        };

        self.balance -= cost;
        if self.conduct == Conduct::Skims {
            self.balance -= cost / 300;
        } else if self.conduct == Conduct::Doubles {
            self.balance -= cost;
        }

        let fate = match id % 7 {
            // What it takes too much is told apart from what it would have to give back of it.
            _ if self.conduct == Conduct::Overcharges => Fate::Completed,
            3 => Fate::Partial,
            5 => Fate::Canceled,
            _ => Fate::Completed,
        };

        let placed_at = self.clock.now().timestamp();
        let is_cheated = matches!(
            self.conduct,
            Conduct::Overcharges | Conduct::Skims | Conduct::Doubles
        );

        self.orders.insert(
            id,
            Order {
                units,
                placed_at,
                cost,
                fate,
                delivered: None,
                is_cheated,
            },
        );

        json!({ "order": id })
    }

    /// Everything that ended or came back meanwhile.
    fn bring_up_to_date(&mut self) {
        let now = self.clock.now().timestamp();
        let ids: Vec<u32> = self.orders.keys().copied().collect();
        for id in ids {
            let age = now - self.orders[&id].placed_at;
            if age >= HOUR * i64::from(1 + 2 * (id % 4)) {
                self.end(id);
            }

            let comes_back = is_of_a_few(id)
                && (self.conduct == Conduct::TakesBackLate && age >= 102 * HOUR
                    || self.conduct == Conduct::PaysBackSilently && age >= 20 * HOUR);

            let order = self.orders.get_mut(&id).unwrap();
            if comes_back && order.fate == Fate::Completed && !order.is_cheated {
                order.is_cheated = true;
                self.balance += order.cost;
            }
        }
    }

    fn end(&mut self, id: u32) {
        let order = self.orders.get_mut(&id).unwrap();
        if order.delivered.is_some() {
            return;
        }

        let delivered = match order.fate {
            Fate::Completed => order.units,
            Fate::Partial => order.units / 2,
            Fate::Canceled => 0,
        };

        order.delivered = Some(delivered);
        if self.conduct == Conduct::KeepsRefunds && delivered < order.units {
            order.is_cheated = true;
        } else if self.conduct == Conduct::ContradictsItself && is_of_a_few(id) {
            order.is_cheated = true;
            self.balance += order.cost - order.cost / 2;
        } else {
            self.balance += order.cost - order.net();
        }
    }

    fn cancel(&mut self, form: &BTreeMap<String, String>) -> Value {
        let ids = form.get("orders").or_else(|| form.get("order")).unwrap();
        let rows = ids.split(',').map(|id| {
            let order = self.orders.get_mut(&id.parse().unwrap()).unwrap();
            if order.delivered.is_none() && self.conduct != Conduct::Overcharges {
                order.fate = Fate::Canceled;
            }
            json!({"order": id, "cancel": 1})
        });

        rows.collect()
    }

    fn status(&mut self, form: &BTreeMap<String, String>) -> Value {
        if let Some(id) = form.get("order") {
            return self.row(id.parse().unwrap());
        }

        let ids = form["orders"].split(',');
        Value::Object(
            ids.map(|id| (id.to_owned(), self.row(id.parse().unwrap())))
                .collect(),
        )
    }

    fn row(&mut self, id: u32) -> Value {
        let (conduct, now) = (self.conduct, self.clock.now().timestamp());
        let Some(order) = self.orders.get_mut(&id) else {
            return json!({"error": "Incorrect order ID"});
        };

        if conduct == Conduct::Forgets && is_of_a_few(id) && now - order.placed_at > HOUR {
            order.is_cheated = true;
            return json!({"error": "Incorrect order ID"});
        }

        let remains = order.units - order.delivered.unwrap_or(0);
        let status = match (order.delivered, order.fate) {
            (None, _) => "In progress",
            (Some(_), Fate::Completed) => "Completed",
            (Some(_), Fate::Partial) => "Partial",
            (Some(_), Fate::Canceled) => "Canceled",
        };

        let charge = match (conduct, order.fate) {
            (Conduct::TellsNet, _) | (_, Fate::Canceled) => order.net(),
            _ => order.cost,
        };

        let mut row = json!({"status": status, "remains": remains.to_string(), "start_count": "7"});
        if conduct != Conduct::TellsLittle {
            row["charge"] = shown(charge).into();
            row["currency"] = "USD".into();
        }

        if conduct == Conduct::BillsInEuros && is_of_a_few(id) {
            order.is_cheated = true;
            row["currency"] = "EUR".into();
        }

        if conduct == Conduct::ContradictsItself && order.is_cheated {
            row["status"] = "Partial".into();
            row["remains"] = "0".into();
            row["charge"] = shown(order.cost / 2).into();
        }

        row
    }
}

/// Whether an order is one of those few that a panel cheats us on that does not do it to all.
fn is_of_a_few(id: u32) -> bool {
    id.is_multiple_of(11)
}

/// An amount with all its decimals.
fn shown(coins: Coins) -> String {
    format!("{}.{:08}", coins / DOLLAR, coins % DOLLAR)
}
