//! What customers and persons do, done to both houses.

use panelgate::domain::clock::Clock;
use panelgate::domain::id::{OrderId, PanelOrder, ProviderId};
use panelgate::domain::leg::LegState;
use panelgate::domain::money::Money;
use panelgate::ledger::{self, Deposit};
use panelgate::orders::decide::{self, Decided};
use panelgate::orders::resolve::{DoubtFinding, Resolved};
use panelgate::orders::withdraw::{self, Withdrawn};

use super::life::{Difference, Life, Lived, same};
use super::reference::{Order, Request};
use super::rules::SERVICES;
use super::steps::Found;

/// The panels' names, in their order.
const PANEL_NAMES: [&str; 2] = ["a", "b"];

const REUSED: &str = r#"{"error":"request_id was used for a different order"}"#;
const NO_MONEY: &str = r#"{"error":"Not enough funds on balance"}"#;

/// One of those orders, where there are any, else any.
pub fn one_of(life: &Life, pick: usize, wanted: impl Fn(&Order) -> bool) -> Option<usize> {
    let orders = &life.reference.orders;
    let fitting: Vec<_> = (0..orders.len()).filter(|n| wanted(&orders[*n])).collect();
    let from = if fitting.is_empty() {
        (0..orders.len()).collect()
    } else {
        fitting
    };

    (!from.is_empty()).then(|| from[pick % from.len()])
}

/// Ten-millionths of a cent as they are written.
fn written(amount: i128) -> String {
    format!("{}.{:08}", amount / 100_000_000, amount % 100_000_000)
}

fn money(amount: i128) -> Money {
    Money::parse(&written(amount)).unwrap()
}

pub async fn place(
    life: &mut Life,
    who: usize,
    service: usize,
    units: u64,
    request: Option<u8>,
) -> Lived {
    let link = format!("https://example.org/{}", life.reference.orders.len());
    let answer = ask(life, who, service, units, &link, request).await;

    if request.is_some_and(|request| life.reference.requests.contains_key(&(who, request))) {
        life.saw("request_id used for another order");
        return same("a used request_id", REUSED.to_owned(), answer);
    }

    let sold = &SERVICES[service];
    if life.reference.wallets[who] < sold.cost(sold.rate, units) {
        life.saw("no money");
        return same("an order without money", NO_MONEY.to_owned(), answer);
    }

    let id = answer
        .strip_prefix("{\"order\":")
        .and_then(|rest| rest.strip_suffix('}')?.parse().ok());

    let Some(id) = id else {
        return Err(Difference(format!("an order was answered {answer}")));
    };

    life.reference.buy(id, who, service, units, link.clone());
    if let Some(request) = request {
        life.reference.requests.insert(
            (who, request),
            Request {
                service,
                units,
                link,
                answer,
            },
        );
    }

    Ok(())
}

async fn ask(
    life: &Life,
    who: usize,
    service: usize,
    units: u64,
    link: &str,
    request: Option<u8>,
) -> String {
    let (service, units) = ((service + 1).to_string(), units.to_string());
    let mut fields = vec![
        ("action", "add"),
        ("service", &service),
        ("link", link),
        ("quantity", &units),
    ];

    let request = request.map(|request| format!("request {request}"));
    fields.extend(request.as_deref().map(|request| ("request_id", request)));
    life.world.ask_as(&life.customers[who].1, &fields).await
}

/// A request again, as it was or for one more unit.
pub async fn again(life: &mut Life, pick: usize, as_it_was: bool) -> Lived {
    let requests = &life.reference.requests;
    let known = requests.iter().nth(pick % requests.len().max(1));
    let Some(((who, request), known)) = known.map(|(key, known)| (*key, known.clone())) else {
        return Ok(());
    };

    let units = if as_it_was {
        known.units
    } else {
        known.units + 1
    };

    let link = if as_it_was {
        known.link.clone()
    } else {
        format!("{}?", known.link)
    };

    let answer = ask(life, who, known.service, units, &link, Some(request)).await;
    life.saw("replayed");

    same(
        "a request again",
        if as_it_was {
            known.answer.clone()
        } else {
            REUSED.to_owned()
        },
        answer,
    )
}

pub async fn all_asked_again(life: &mut Life) -> Lived {
    for pick in 0..life.reference.requests.len() {
        again(life, pick, true).await?;
    }

    for pick in 0..life.reference.orders.len() {
        look(life, pick).await?;
    }
    Ok(())
}

pub async fn look(life: &mut Life, pick: usize) -> Lived {
    let Some(order) = one_of(life, pick, |_| true) else {
        return Ok(());
    };

    let order = &life.reference.orders[order];
    let (_, key) = &life.customers[order.who];

    let answer = life
        .world
        .ask_as(
            key,
            &[("action", "status"), ("order", &order.id.to_string())],
        )
        .await;

    let status: serde_json::Value = serde_json::from_str(&answer)?;
    let shown = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
    let charge = money(order.bought.charge - order.refunded).to_string();

    same(
        "what a customer sees",
        (order.standing().to_owned(), charge),
        (shown("status"), shown("charge")),
    )
}

pub async fn top_up(life: &mut Life, who: usize, cents: u32, reference: u8) -> Lived {
    let amount = i128::from(cents) * 1_000_000;
    let mut tx = life.world.house.store.begin().await?;
    let (now, text) = (life.world.clock.now(), format!("transfer {reference}"));
    let came =
        ledger::book_deposit(&mut tx, life.customers[who].0, money(amount), &text, now).await?;
    tx.commit().await?;

    let before = life.reference.deposits.get(&(who, reference)).copied();
    let others = life
        .reference
        .deposits
        .keys()
        .find(|(other, of)| *of == reference && *other != who);

    let expected = match (before, others) {
        (None, Some((other, _))) => Deposit::OtherCustomer(life.customers[*other].0),
        (None, None) => {
            life.reference.wallets[who] += amount;
            life.reference.deposits.insert((who, reference), amount);
            Deposit::Done
        }
        (Some(before), _) if before == amount => Deposit::DoneBefore,
        (Some(before), _) => Deposit::OtherAmount(money(before)),
    };

    same("a deposit", expected, came)
}

pub async fn withdraw(life: &mut Life, pick: usize) -> Lived {
    let unsent = |order: &Order| {
        order
            .legs
            .last()
            .is_some_and(|leg| leg.state == LegState::Ready)
    };

    let Some(order) = one_of(life, pick, unsent) else {
        return Ok(());
    };

    let id = OrderId(life.reference.orders[order].id);
    let mut tx = life.world.house.store.begin().await?;
    let came = withdraw::unsent(&mut tx, id, "taken back", life.world.clock.now()).await?;
    tx.commit().await?;

    let expected = if life.reference.withdraw(order) {
        Withdrawn::Done
    } else {
        Withdrawn::Sent
    };

    life.saw(if expected == Withdrawn::Done {
        "withdrawn"
    } else {
        "too late to withdraw"
    });

    same("a withdrawal", expected, came)
}

/// What must come of a person's word that a panel has it.
fn accepted_by_word(life: &mut Life, order: usize, finding: &DoubtFinding) -> Resolved {
    let DoubtFinding::Accepted(id) = finding else {
        unreachable!("a word that it was accepted")
    };

    match life.reference.resolved_accepted(order, &id.0) {
        Ok(()) => Resolved::Done,
        Err(owner) => Resolved::TakenId(OrderId(owner)),
    }
}

/// A person may be wrong about an id, not about whether anything was placed.
pub async fn resolve(life: &mut Life, pick: usize, found: Found) -> Lived {
    let doubtful: Vec<_> = (0..life.reference.orders.len())
        .map(|order| life.reference.is_doubtful(order))
        .collect();

    let Some(order) = one_of(life, pick, |order| {
        let n = life
            .reference
            .orders
            .iter()
            .position(|other| other.id == order.id)
            .unwrap();

        doubtful[n]
    }) else {
        return Ok(());
    };

    let it = &life.reference.orders[order];
    let panel = it.legs.last().unwrap().panel;
    let placed = life.panels[panel]
        .memory()
        .placed_for(&it.link)
        .last()
        .copied();

    let others = life
        .reference
        .orders
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != order)
        .flat_map(|(_, other)| &other.legs);

    let taken = others
        .filter(|leg| leg.panel == panel)
        .find_map(|leg| leg.id.clone());

    let finding = match (found, placed, taken) {
        (Found::Taken, _, Some(id)) => DoubtFinding::Accepted(PanelOrder(id)),
        (_, Some(id), _) => DoubtFinding::Accepted(PanelOrder(id.to_string())),
        (Found::Slip(id), None, _) => DoubtFinding::Accepted(PanelOrder(id.to_string())),
        (Found::Truth | Found::Taken, None, _) => DoubtFinding::NotPlaced,
    };

    let mut tx = life.world.house.store.begin().await?;
    let delivery = &life.world.house.delivery;
    let there = Some(PANEL_NAMES[panel]);
    let mut came = delivery
        .resolve(&mut tx, OrderId(it.id), &finding, there)
        .await?;

    if matches!(came, Resolved::SaidOnce { .. }) {
        came = delivery
            .resolve(&mut tx, OrderId(it.id), &finding, there)
            .await?;
    }

    if came == Resolved::Done {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }

    // What was refused, and waits there to be asked for again, may be there all the same.
    let was_refused = life.reference.orders[order].last_state() == LegState::Parked;
    let expected = match &finding {
        DoubtFinding::Accepted(_) if was_refused => {
            life.saw("resolved though it was refused");
            accepted_by_word(life, order, &finding)
        }
        _ if !doubtful[order] => Resolved::NotInDoubt,
        DoubtFinding::Accepted(_) => accepted_by_word(life, order, &finding),
        DoubtFinding::TakeBack => unreachable!("no history takes a word back"),
        DoubtFinding::NotPlaced => {
            life.reference.resolved_not_placed(order);
            Resolved::Done
        }
    };

    life.saw(match &came {
        Resolved::Done => "resolved by hand",
        Resolved::NotInDoubt => "nothing to resolve",
        Resolved::TakenId(_) => "resolved with a taken id",
        Resolved::SaidOnce { .. } => "not resolved, though it was said twice",
        Resolved::NothingToTakeBack => "nothing to take back",
        Resolved::NamedByPanel(_) => "not resolved against the panel's own word",
        Resolved::AtAnother { .. } | Resolved::AtSeveral(_) => {
            "not resolved, being at another panel"
        }
    });

    same("a resolution", expected, came)
}

pub async fn settle(life: &mut Life, pick: usize, eighths: u64) -> Lived {
    let there = |order: &Order| {
        order
            .legs
            .last()
            .is_some_and(|leg| matches!(leg.state, LegState::Accepted | LegState::Ended))
    };

    let Some(order) = one_of(life, pick, there) else {
        return Ok(());
    };

    let (id, bought) = (
        OrderId(life.reference.orders[order].id),
        life.reference.orders[order].bought,
    );

    let found = match eighths {
        0 => decide::SettlementFinding::Canceled,
        8 => decide::SettlementFinding::Completed,
        eighths => decide::SettlementFinding::Delivered(bought.units * eighths / 8),
    };

    let mut tx = life.world.house.store.begin().await?;
    let came = decide::settle(&mut tx, id, found, life.world.clock.now()).await?;
    tx.commit().await?;

    if there(&life.reference.orders[order])
        && bought.package
        && matches!(found, decide::SettlementFinding::Delivered(_))
    {
        return same("a package settled in part", Decided::Package, came);
    }

    life.saw("settled by hand");
    let was_accepted = life.reference.orders[order].last_state() == LegState::Accepted;
    let panel = life.reference.orders[order].legs.last().unwrap().panel;
    let settled = life
        .reference
        .settled_by_hand(order, bought.units * eighths / 8);

    same(
        "an order settled by hand",
        match settled {
            None => Decided::NotAtPanel,
            Some(stands) if was_accepted && bought.units * eighths / 8 == 0 => {
                Decided::CancelAsked {
                    refunded: money(stands),
                    provider: ProviderId(PANEL_NAMES[panel].to_owned()),
                }
            }
            Some(stands) => Decided::Done(money(stands)),
        },
        came,
    )
}

pub async fn give_back(life: &mut Life, pick: usize, eighths: i128, reason: u8) -> Lived {
    let Some(order) = one_of(life, pick, |_| true) else {
        return Ok(());
    };

    let Order {
        id,
        refunded,
        bought,
        ..
    } = life.reference.orders[order];

    let amount = bought.charge * eighths / 8;
    let mut tx = life.world.house.store.begin().await?;
    let (now, text) = (life.world.clock.now(), format!("reason {reason}"));
    let came = decide::give_back(&mut tx, OrderId(id), money(amount), &text, now).await?;
    tx.commit().await?;

    let expected = if let Some(before) = life.reference.given.get(&(order, reason)) {
        if *before == amount {
            Decided::DoneBefore
        } else {
            Decided::OtherAmount(money(*before))
        }
    } else if amount > bought.charge - refunded {
        Decided::TooMuch(money(bought.charge - refunded))
    } else {
        life.reference.given_by_hand(order, amount);
        life.reference.given.insert((order, reason), amount);
        life.saw("given by hand");
        Decided::Done(money(refunded + amount))
    };

    same("a gift", expected, came)
}
