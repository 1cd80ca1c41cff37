//! What happens between the house and its panels, done to both houses.

use panelgate::domain::clock::Clock;
use panelgate::domain::id::PanelOrder;
use panelgate::domain::leg::{Evidence, LegState, Verdict};
use panelgate::domain::provider::{PanelStatus, RefusalClass};
use panelgate::store::leases;

use super::life::{Attempt, Difference, InHand, Life, Lived, same};
use super::panel::Add;
use super::reference::{Order, WRITES_OFF};
use super::steps::{Answer, Late, PANELS, Remains, Said, Word};

/// What a panel says for each class of refusal.
fn text(class: RefusalClass) -> &'static str {
    match class {
        RefusalClass::Key => "Invalid API key",
        RefusalClass::Action => "Incorrect request",
        RefusalClass::Service => "Incorrect service ID",
        RefusalClass::Link => "Bad link",
        RefusalClass::Active => "You have active order with this link. Please wait",
        RefusalClass::Quantity => "Quantity less than minimal 10",
        RefusalClass::Parameters => "Incorrect parameter",
        RefusalClass::Money => "Not enough funds on balance",
        RefusalClass::RateLimit => "Rate limit exceeded",
    }
}

/// Holds a panel; both houses must agree whether it can be held.
async fn hold(life: &mut Life, panel: usize) -> Result<Option<i64>, Difference> {
    let epoch = life
        .world
        .house
        .delivery
        .hold(&life.world.house.panels[panel])
        .await?;

    same(
        "the epoch of a panel's lease",
        life.reference.hold(panel),
        epoch,
    )?;

    Ok(epoch)
}

pub async fn lease(life: &mut Life, panel: usize, legs_max: usize) -> Lived {
    let Some(epoch) = hold(life, panel).await? else {
        return Ok(());
    };

    let mut legs = life
        .world
        .house
        .delivery
        .lease(&life.world.house.panels[panel], epoch, legs_max)
        .await?;

    let mut expected = life.reference.lease(panel, legs_max);
    expected.sort_unstable();
    legs.sort_unstable_by_key(|leg| leg.order.0);
    let ids: Vec<_> = expected
        .iter()
        .map(|order| life.reference.orders[*order].id)
        .collect();

    same(
        "orders that were taken",
        ids,
        legs.iter().map(|leg| leg.order.0).collect(),
    )?;

    let delivery = &life.world.house.delivery;
    let in_hand = |(order, leg)| InHand {
        order,
        panel,
        leg,
        epoch,
        delivery: delivery.clone(),
    };

    life.hands
        .extend(expected.into_iter().zip(legs).map(in_hand));
    Ok(())
}

/// What waits at a stopped panel goes by its other route.
pub async fn leave(life: &mut Life, panel: usize) -> Lived {
    let Some(epoch) = hold(life, panel).await? else {
        return Ok(());
    };

    let came = life
        .world
        .house
        .delivery
        .leave(&life.world.house.panels[panel], epoch)
        .await?;

    let expected = life.reference.leave(panel);
    if expected > 0 {
        life.saw("left a stopped panel");
    }

    same("legs that left a stopped panel", expected, came)
}

/// Takes as many legs as there are answers, and sends them.
pub async fn dispatch(
    life: &mut Life,
    panel: usize,
    answers: &[Answer],
    sent: &mut [usize; PANELS],
) -> Lived {
    let held = life.hands.len();
    lease(life, panel, answers.len()).await?;

    for answer in answers {
        if life.hands.len() > held {
            send(life, life.hands.len() - 1, *answer, sent).await?;
        }
    }

    Ok(())
}

/// Sends a leg from somebody's hands; counts what its panel heard of it.
pub async fn send(
    life: &mut Life,
    pick: usize,
    answer: Answer,
    sent: &mut [usize; PANELS],
) -> Lived {
    if life.hands.is_empty() {
        return Ok(());
    }

    let hand = life.hands.swap_remove(pick % life.hands.len());
    let marked = life
        .reference
        .mark(hand.order, hand.panel, hand.leg.attempt, hand.epoch);

    life.saw(if marked {
        "sent"
    } else {
        "not sent: taken back, or its panel was another's"
    });

    if marked {
        let InHand {
            order,
            panel,
            ref leg,
            ..
        } = hand;

        life.attempts.push(Attempt {
            order,
            panel,
            leg: leg.leg,
            number: leg.attempt,
            told: false,
        });
    }

    if let Answer::Unsent | Answer::Died { .. } = answer {
        return mark_only(life, &hand, answer, marked).await;
    }

    let add = add(life, &hand, answer);
    life.panels[hand.panel].memory().next = add.clone();
    let panel = &life.world.house.panels[hand.panel];
    hand.delivery.send(panel, &hand.leg, hand.epoch).await?;

    if marked {
        answered(life, &hand, answer, &add);
        sent[hand.panel] += 1;

        if let Answer::Refused(RefusalClass::RateLimit) = answer {
            // How long such a panel is left alone moves no money, and is no matter of the house as
            // it should be.
            life.world.renew_panel(hand.panel).await;
        }
    }

    Ok(())
}

/// The intent to send, and then nothing that the house hears of.
async fn mark_only(life: &mut Life, hand: &InHand, answer: Answer, marked: bool) -> Lived {
    let (store, address) = (
        &life.world.house.store,
        life.world.house.panels[hand.panel].address(),
    );

    let asked = leases::SendIntent {
        address: &address,
        ..leases::SendIntent::default()
    };

    let came = leases::mark_sending(
        store,
        &hand.leg,
        asked,
        hand.epoch,
        hand.leg.cost,
        life.world.clock.now(),
    )
    .await?;

    same("whether a leg may be sent", marked, came)?;
    if !marked {
        return Ok(leases::release_leg(store, &hand.leg, hand.epoch).await?);
    }

    let Answer::Died { placed } = answer else {
        return conclude(life, life.attempts.len() - 1, Verdict::NeverSent).await;
    };

    if placed {
        life.panels[hand.panel]
            .memory()
            .place(&life.reference.orders[hand.order].link);
    }

    Ok(())
}

/// What the panel does so that it comes to this.
fn add(life: &Life, hand: &InHand, answer: Answer) -> Add {
    let (places, says) = match answer {
        Answer::AcceptedAmid => (
            true,
            Some((502, r#"{"error":null,"order":$id}"#.to_owned())),
        ),
        Answer::Refused(class) => (
            false,
            Some((200, format!("{{\"error\":\"{}\"}}", text(class)))),
        ),
        Answer::Garbled { placed } => (placed, Some((200, "<html>Welcome</html>".to_owned()))),
        Answer::Broken { placed } => (placed, Some((502, r#"{"error":"Bad link"}"#.to_owned()))),
        Answer::HungUp { placed } => (placed, None),
        Answer::Twin if twin(life, hand).is_some() => (
            false,
            twin(life, hand).map(|id| (200, format!("{{\"order\":{id}}}"))),
        ),
        Answer::Accepted | Answer::Twin | Answer::Unsent | Answer::Died { .. } => {
            (true, Some((200, r#"{"order":$id}"#.to_owned())))
        }
    };

    Add { places, says }
}

/// The id of another order of ours at the panel.
fn twin(life: &Life, hand: &InHand) -> Option<String> {
    let legs = life.reference.orders.iter().flat_map(|order| &order.legs);
    legs.filter(|leg| leg.panel == hand.panel)
        .find_map(|leg| leg.id.clone())
}

/// What follows from the answer.
fn answered(life: &mut Life, hand: &InHand, answer: Answer, add: &Add) {
    let now = life.reference.now;
    match answer {
        Answer::Refused(class) => life.reference.refused(hand.order, class),
        Answer::Garbled { .. } | Answer::Broken { .. } | Answer::HungUp { .. } => {
            life.reference.orders[hand.order].doubt(now);
        }
        Answer::Twin if !add.places => {
            life.attempts.last_mut().unwrap().told = true;
            life.reference.twin(hand.order);
        }
        Answer::Accepted
        | Answer::AcceptedAmid
        | Answer::Twin
        | Answer::Unsent
        | Answer::Died { .. } => {
            let link = life.reference.orders[hand.order].link.clone();
            let id = life.panels[hand.panel]
                .memory()
                .placed_for(&link)
                .last()
                .copied()
                .unwrap_or_default();

            if !life.reference.accepted(hand.order, &id.to_string()) {
                life.reference.twin(hand.order);
            }
        }
    }
}

/// Brings an answer to an attempt, whenever that was; both houses take it or leave it.
async fn conclude(life: &mut Life, attempt: usize, verdict: Verdict) -> Lived {
    let Attempt {
        order,
        panel,
        leg,
        number,
        ..
    } = life.attempts[attempt].clone();

    let settings = life.world.house.panels[panel].settings();
    let said = Evidence {
        verdict: verdict.clone(),
        http_status: Some(200),
        words: "late".to_owned(),
        unlisted: None,
    };

    life.world
        .house
        .delivery
        .conclude(settings, leg, number, &said)
        .await?;

    if !is_awaited(life, &life.attempts[attempt]) {
        life.saw("an answer for what moved on");
        return Ok(());
    }

    let now = life.reference.now;
    let written_off = life.reference.orders[order].last().state == LegState::WrittenOff;

    match verdict {
        Verdict::Accepted(id) => {
            life.attempts[attempt].told = true;
            if !life.reference.accepted(order, &id.0) {
                life.reference.twin(order);
            }
        }
        // That an order runs on the link may be this very one.
        Verdict::Refused(RefusalClass::Active) if written_off => {}
        Verdict::Refused(_) | Verdict::NeverSent if written_off => life.reference.not_placed(order),
        Verdict::Refused(class) => life.reference.refused(order, class),
        Verdict::NeverSent => life.reference.unsent(order),
        Verdict::InDoubt => life.reference.orders[order].doubt(now),
    }

    Ok(())
}

/// Whether an attempt is the one whose answer is not known yet. Legs of one order follow each other
/// at other panels.
fn is_awaited(life: &Life, attempt: &Attempt) -> bool {
    let leg = life.reference.orders[attempt.order].legs.last().unwrap();
    let unknown = matches!(
        leg.state,
        LegState::Sending | LegState::InDoubt | LegState::WrittenOff
    );

    unknown && leg.panel == attempt.panel && leg.attempt == attempt.number
}

pub async fn late(life: &mut Life, pick: usize, any: bool, answer: Late) -> Lived {
    let fits = |attempt: &Attempt| !attempt.told && (any || is_awaited(life, attempt));
    let awaited: Vec<_> = (0..life.attempts.len())
        .filter(|attempt| fits(&life.attempts[*attempt]))
        .collect();

    let Some(attempt) = awaited.get(pick % awaited.len().max(1)).copied() else {
        return Ok(());
    };

    let Attempt { order, panel, .. } = life.attempts[attempt];
    let order = &life.reference.orders[order];

    let placed = life.panels[panel]
        .memory()
        .placed_for(&order.link)
        .last()
        .copied();

    let being_sent = order.legs.last().unwrap().state == LegState::Sending;
    let verdict = match (answer, placed) {
        (Late::Running, Some(_)) if being_sent => Verdict::InDoubt,
        (Late::Running, _) => Verdict::Refused(RefusalClass::Active),
        (Late::Truth, Some(id)) => Verdict::Accepted(PanelOrder(id.to_string())),
        (Late::Truth, None) => Verdict::NeverSent,
        (Late::Refused(class), None) => Verdict::Refused(class),
        (Late::Refused(_), Some(_)) | (Late::Nothing, _) => Verdict::InDoubt,
    };

    conclude(life, attempt, verdict).await
}

pub async fn sweep(life: &mut Life, panel: usize) -> Lived {
    let Some(epoch) = hold(life, panel).await? else {
        return Ok(());
    };

    let swept = life
        .world
        .house
        .delivery
        .sweep(life.world.house.panels[panel].settings(), epoch)
        .await?;

    if swept > 0 {
        life.saw("swept");
    }

    same("legs without an answer", life.reference.sweep(panel), swept)
}

pub async fn unpark(life: &mut Life, panel: usize) -> Lived {
    let let_go = life
        .world
        .house
        .delivery
        .unpark(&life.world.house.panels[panel])
        .await?;

    same(
        "parked legs that go on",
        life.reference.unpark(panel),
        let_go,
    )
}

/// The panel says these words of our orders, whichever are due.
pub async fn poll(life: &mut Life, panel: usize, words: &[Word]) -> Lived {
    let Some(epoch) = hold(life, panel).await? else {
        return Ok(());
    };

    let word_for = |order: usize| words[order % words.len()];
    let orders = life.reference.orders.iter().enumerate();
    let rows = orders.flat_map(|(n, order)| {
        let ids = order
            .legs
            .iter()
            .filter(move |leg| leg.panel == panel)
            .filter_map(|leg| leg.id.clone());

        ids.map(move |id| (id, word_for(n).row(order.bought.units)))
    });

    let rows = rows.collect();
    {
        let mut memory = life.panels[panel].memory();
        (memory.rows, memory.asked) = (rows, Vec::new());
    }

    life.world
        .house
        .delivery
        .track(&life.world.house.panels[panel], epoch)
        .await?;

    let mut asked = std::mem::take(&mut life.panels[panel].memory().asked);

    // A panel that tells of no order at all tells nothing of any, however often it is asked.
    let is_missing = |id: &String| {
        life.reference
            .owner(panel, id)
            .is_some_and(|order| matches!(word_for(order).said, Said::Missing))
    };

    if asked.iter().all(is_missing) {
        asked.clear();
    }

    for id in asked {
        let order = life.reference.owner(panel, &id);
        let watched = order.filter(|order| {
            life.reference.orders[*order]
                .legs
                .iter()
                .any(|leg| leg.watch.is_some())
        });

        let Some(order) = watched else {
            return Err(Difference(format!("nobody need ask about {id}")));
        };

        let wallet = life.reference.wallets[life.reference.orders[order].who];
        let again = life.reference.orders[order].last_state() == LegState::Ended;
        life.reference.heard(order, &word_for(order));

        life.saw(if again {
            "asked after the end"
        } else {
            "asked"
        });

        if life.reference.wallets[life.reference.orders[order].who] < wallet {
            life.saw("clawed back");
        }
    }

    Ok(())
}

/// Doubts end as the truth is, or as the operator said; the reference takes what is possible.
pub async fn look_into(life: &mut Life, panel: usize) -> Lived {
    let Some(epoch) = hold(life, panel).await? else {
        return Ok(());
    };

    {
        let mut memory = life.panels[panel].memory();
        memory.rows = memory
            .placed
            .iter()
            .map(|(link, id)| (id.to_string(), truth(life, panel, link)))
            .collect();
    }

    let legs = life
        .reference
        .legs_at(panel)
        .filter(|(_, leg)| leg.state == LegState::InDoubt);

    let doubtful: Vec<_> = legs.map(|(order, _)| order).collect();
    life.world.watch_clock().await;

    life.world
        .house
        .delivery
        .look_into_doubts(&life.world.house.panels[panel], epoch)
        .await?;

    let shown = life.shown().await?;
    for order in doubtful {
        came_of_doubt(
            life,
            panel,
            order,
            shown.lines().nth(order).unwrap_or_default(),
        )?;
    }

    Ok(())
}

/// A running order of ours, as the panel has it.
fn truth(life: &Life, panel: usize, link: &str) -> Option<String> {
    let order = life
        .reference
        .orders
        .iter()
        .find(|order| order.link == link)
        .unwrap();

    let leg = order.legs.iter().find(|leg| leg.panel == panel)?;
    let charge = u64::try_from(leg.cost).unwrap() * 1_000;

    let word = Word {
        said: Said::Status(PanelStatus::InProgress),
        remains: Remains::Eighths(8),
        charge: Some(charge),
    };

    word.row(order.bought.units)
}

fn came_of_doubt(life: &mut Life, panel: usize, order: usize, shown: &str) -> Lived {
    let it = &life.reference.orders[order];
    let placed = life.panels[panel]
        .memory()
        .placed_for(&it.link)
        .last()
        .copied();

    let leg = shown
        .split(" | ")
        .nth(1)
        .and_then(|legs| legs.split(", ").nth(it.legs.len() - 1))
        .unwrap_or_default();

    let words: Vec<_> = leg.split(' ').collect();
    let doubted_at = it.legs.last().and_then(|leg| leg.doubted_at).unwrap();
    let waited = panel == WRITES_OFF.0 && life.reference.now - doubted_at >= WRITES_OFF.1;

    match (words.get(1).copied(), placed) {
        (Some("in_doubt"), _) => {}
        (Some("accepted"), Some(id)) => {
            life.saw("found among the ids");
            life.reference.accepted(order, &id.to_string());
        }
        (Some("refused"), None) => {
            life.saw("proven not placed by the ids");
            life.reference.not_placed(order);
        }
        (Some("written_off"), _) if waited => life.reference.written_off(order),
        (_, _) => {
            return Err(Difference(format!(
                "a doubt about what is placed as {placed:?} became {leg}"
            )));
        }
    }

    Ok(())
}

/// Every worker's round, at a panel that answers well.
pub async fn round(life: &mut Life, panel: usize) -> Lived {
    sweep(life, panel).await?;
    look_into(life, panel).await?;
    unpark(life, panel).await?;
    lease(life, panel, 100).await?;

    while !life.hands.is_empty() {
        send(life, 0, Answer::Accepted, &mut [0; PANELS]).await?;
    }

    let done = Word {
        said: Said::Status(PanelStatus::Completed),
        remains: Remains::Absent,
        charge: None,
    };

    poll(life, panel, &[done]).await
}

/// Nothing waits but doubts, where the operator lets them wait; and no order was placed twice.
pub fn nothing_is_left(life: &Life) -> Lived {
    let over = |order: &&Order| {
        let leg = order.legs.last().unwrap();
        let may_wait = leg.state == LegState::InDoubt && leg.panel != WRITES_OFF.0;
        order.state.is_end() && leg.state != LegState::Accepted || may_wait
    };

    let left: Vec<_> = life
        .reference
        .orders
        .iter()
        .filter(|order| !over(order))
        .collect();

    same(
        "orders that are left to nobody",
        "[]".to_owned(),
        format!("{left:?}"),
    )?;

    for order in &life.reference.orders {
        let placed: usize = life
            .panels
            .iter()
            .map(|panel| panel.memory().placed_for(&order.link).len())
            .sum();

        if placed > 1 {
            return Err(Difference(format!(
                "order {} was placed {placed} times",
                order.id
            )));
        }
    }

    Ok(())
}
