//! The counter: reads a form, finds the action, asks the books and says what is to be answered.

use std::collections::{BTreeMap, HashSet};

use super::{
    catalog::Service,
    clock::Moment,
    details::{Detail, Parameter},
    faults::Fault,
    habits::Habit,
    memory::{self, Said},
    panel::{Panel, Placed},
    reply::{Refused, Reply},
    wanted::Wanted,
};

/// The longest name of an `add`.
const NAME_BYTES_MAX: usize = 128;

/// Ids in one request.
pub(super) const IDS_MAX: usize = 100;

/// The actions that requests are counted by; everything else is counted as [`OTHER`].
const ACTIONS: [&str; 7] = [
    "services",
    "add",
    "status",
    "refill",
    "refill_status",
    "cancel",
    "balance",
];
const OTHER: &str = "other";

/// A form as it came: each name once. Empty values count as not sent.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form body; a strict panel does not guess which of two values was meant.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refused> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(Refused::Request);
            }
        }

        Ok(Self(fields))
    }

    /// Everything that it says, but for the key.
    fn said(&self) -> Said {
        memory::said(&self.0)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn detail(&self, parameter: Parameter) -> Option<Detail> {
        let value = self.value(parameter.name())?;
        if !parameter.is_list() {
            return Some(Detail::Text(value.to_owned()));
        }

        let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(Detail::Lines(lines.map(str::to_owned).collect()))
    }
}

/// What goes back on the wire.
#[derive(Debug)]
pub(super) struct Outcome {
    /// An answer, good or bad.
    pub(super) said: Result<Reply, Refused>,
    /// What befalls it on its way.
    pub(super) fault: Option<Fault>,
}

impl Outcome {
    /// An answer that arrives as it is.
    fn of(said: Result<Reply, Refused>) -> Self {
        Self { said, fault: None }
    }
}

/// One or many ids; many are trimmed, without blanks and repetitions.
enum Ids {
    One(String),
    Many(Vec<String>),
}

/// Turns one request away, whatever it asks.
pub(super) fn turn_away(
    panel: &mut Panel,
    form: &Result<Form, Refused>,
    refused: Refused,
) -> Outcome {
    count(panel, form);
    Outcome::of(Err(refused))
}

fn count(panel: &mut Panel, form: &Result<Form, Refused>) -> &'static str {
    let asked = form.as_ref().ok().and_then(|form| form.value("action"));
    let action = ACTIONS
        .into_iter()
        .find(|action| Some(*action) == asked)
        .unwrap_or(OTHER);

    *panel.requests.entry(action).or_default() += 1;
    action
}

/// Serves one request.
pub(super) fn serve(panel: &mut Panel, form: &Result<Form, Refused>, now: Moment) -> Outcome {
    let action = count(panel, form);
    let form = match form {
        Ok(form) if panel.key.is_some() && form.value("key") == panel.key.as_deref() => form,
        Ok(_) => return Outcome::of(Err(Refused::Key)),
        Err(refused) => return Outcome::of(Err(refused.clone())),
    };

    if action == "add" {
        return match add(panel, form, now) {
            Ok(placed) => Outcome {
                said: Ok(Reply::Added(placed.told)),
                fault: placed.fault,
            },
            Err(refused) => Outcome::of(Err(refused)),
        };
    }

    let refills = panel.dialect.has_refills() && !panel.habits.has(Habit::NoRefills);
    let one_cancel = panel.dialect.cancels_one();

    Outcome::of(match action {
        "refill" | "refill_status" if !refills => Err(Refused::Action),
        "cancel" if !one_cancel && form.value("orders").is_none() => {
            Err(Refused::Missing("orders"))
        }
        "services" => Ok(Reply::Services(part(panel, form))),
        "status" => status(panel, form, now),
        "refill" => refill(panel, form, now),
        "refill_status" => refill_status(panel, form, now),
        "cancel" => cancel(panel, form, now),
        "balance" => Ok(Reply::Balance(panel.balance)),
        _ => Err(Refused::Action),
    })
}

/// What is listed, or a part of it where the panel tells it in parts.
fn part(panel: &Panel, form: &Form) -> Vec<Service> {
    let listed = panel.listed();
    let Some(rows) = panel.habits.parts() else {
        return listed;
    };

    let from = form
        .value("offset")
        .and_then(|offset| offset.parse().ok())
        .unwrap_or(0);

    listed.into_iter().skip(from).take(rows).collect()
}

fn add(panel: &mut Panel, form: &Form, now: Moment) -> Result<Placed, Refused> {
    let name = if panel.dialect.remembers() {
        Some(name(form)?)
    } else {
        None
    };

    let service = form.value("service").ok_or(Refused::NoService)?;
    if form.value("runs").or(form.value("interval")).is_some() {
        return Err(Refused::DripFeed);
    }

    let wanted = Wanted {
        link: form.value("link").unwrap_or_default().to_owned(),
        quantity: form.value("quantity").map(str::to_owned),
        details: Parameter::ALL
            .into_iter()
            .filter_map(|parameter| Some((parameter, form.detail(parameter)?)))
            .collect(),
    };

    match name {
        Some(name) => panel.add_named(name, &form.said(), service, wanted, now),
        None => panel.add(service, wanted, now),
    }
}

/// The name under which an order is to be remembered.
fn name(form: &Form) -> Result<&str, Refused> {
    let name = form
        .value("request_id")
        .ok_or(Refused::Missing("request_id"))?;

    if name.len() > NAME_BYTES_MAX {
        Err(Refused::Unreadable("request_id"))
    } else {
        Ok(name)
    }
}

fn status(panel: &Panel, form: &Form, now: Moment) -> Result<Reply, Refused> {
    if panel.habits.has(Habit::NoBatch) && form.value("orders").is_some() {
        return Err(Refused::Action);
    }

    Ok(match ids(form, "order", "orders")? {
        Ids::Many(ids) if panel.habits.batch().is_some_and(|most| ids.len() > most) => {
            return Err(Refused::TooManyIds(panel.habits.batch().unwrap_or(IDS_MAX)));
        }
        Ids::One(id) => Reply::Status(Box::new(panel.look(&id, now)?)),
        Ids::Many(ids) => Reply::Statuses(each(ids, |id| panel.look(id, now))),
    })
}

fn refill(panel: &mut Panel, form: &Form, now: Moment) -> Result<Reply, Refused> {
    Ok(match ids(form, "order", "orders")? {
        Ids::One(id) => Reply::Refill(panel.refill(&id, now)?),
        Ids::Many(ids) => Reply::Refills(each(ids, |id| panel.refill(id, now))),
    })
}

fn refill_status(panel: &Panel, form: &Form, now: Moment) -> Result<Reply, Refused> {
    Ok(match ids(form, "refill", "refills")? {
        Ids::One(id) => Reply::RefillStatus(panel.refill_state(&id, now)?),
        Ids::Many(ids) => Reply::RefillStatuses(each(ids, |id| panel.refill_state(id, now))),
    })
}

fn cancel(panel: &mut Panel, form: &Form, now: Moment) -> Result<Reply, Refused> {
    Ok(match ids(form, "order", "orders")? {
        Ids::One(id) => panel.cancel(&id, now).map(|()| Reply::Canceled(id))?,
        Ids::Many(ids) => Reply::Cancels(each(ids, |id| panel.cancel(id, now))),
    })
}

fn ids(form: &Form, one: &'static str, many: &'static str) -> Result<Ids, Refused> {
    match (form.value(one), form.value(many)) {
        (Some(_), Some(_)) => Err(Refused::Both),
        (None, None) => Err(Refused::Missing(one)),
        (Some(id), None) => Ok(Ids::One(id.trim().to_owned())),
        (None, Some(list)) => {
            let mut seen = HashSet::new();
            let ids = list
                .split(',')
                .map(str::trim)
                .filter(|id| !id.is_empty() && seen.insert(*id));

            let ids: Vec<String> = ids.map(str::to_owned).collect();
            if ids.len() > IDS_MAX {
                Err(Refused::TooManyIds(IDS_MAX))
            } else {
                Ok(Ids::Many(ids))
            }
        }
    }
}

fn each<T>(
    ids: Vec<String>,
    mut ask: impl FnMut(&str) -> Result<T, Refused>,
) -> Vec<(String, Result<T, Refused>)> {
    let row = |id: String| {
        let answer = ask(&id);
        (id, answer)
    };
    ids.into_iter().map(row).collect()
}
