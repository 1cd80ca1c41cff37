//! How a panel with odd habits says what its dialect would say otherwise: the right answer,
//! rewritten.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    habits::{Habit, Habits},
    reply::{Refused, Reply},
};

/// What stands before the JSON of a panel that writes a byte order mark.
const BEFORE: &str = "\u{feff}\r\n ";

/// Decimals of the longest rates.
const RATE_DECIMALS: usize = 11;

/// Fields that are yes or no.
const FLAGS: [&str; 3] = ["refill", "cancel", "dripfeed"];

/// Fields that are counted or charged.
const COUNTED: [&str; 5] = ["min", "max", "charge", "start_count", "remains"];

/// The status word of what is pending, in every dialect, and in a panel's own words.
const PENDING: &str = "Pending";
const WAITING: &str = "Waiting list";

const UNKNOWN_ACTION_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>404 Not \
                                   Found</title></head><body><h1>Page not \
                                   found</h1></body></html>\n";

/// Status, whether a page stands where JSON should, and the body.
pub(crate) struct Accented {
    pub(crate) status: StatusCode,
    pub(crate) page: bool,
    pub(crate) body: String,
}

/// An answer as the panel's habits have it.
pub(crate) fn accented(
    habits: &Habits,
    said: &Result<Reply, Refused>,
    status: StatusCode,
    body: String,
) -> Accented {
    if *habits == Habits::default() {
        return Accented {
            status,
            page: false,
            body,
        };
    }

    if habits.has(Habit::HtmlUnknown) && matches!(said, Err(Refused::Action)) {
        return Accented {
            status: StatusCode::OK,
            page: true,
            body: UNKNOWN_ACTION_PAGE.to_owned(),
        };
    }

    let status = match said {
        Err(_) if habits.has(Habit::Errors200) => StatusCode::OK,
        Err(_) if habits.has(Habit::Errors400) => StatusCode::BAD_REQUEST,
        Err(_) | Ok(_) => status,
    };

    let value = serde_json::from_str(&body).expect("the dialects write JSON");
    let value = match said {
        Err(_) => complaint(habits, value),
        Ok(reply) => good(habits, reply, value),
    };

    let body = value.to_string();
    let body = if habits.has(Habit::Bom) {
        format!("{BEFORE}{body}\r\n")
    } else {
        body
    };

    Accented {
        status,
        page: habits.has(Habit::ContentType),
        body,
    }
}

/// An error that stands alone.
fn complaint(habits: &Habits, value: Value) -> Value {
    let text = value["error"].clone();
    if habits.has(Habit::ErrorMessage) {
        json!({ "status": "error", "message": text })
    } else if habits.has(Habit::ErrorList) {
        json!({ "errors": [text] })
    } else {
        value
    }
}

fn good(habits: &Habits, reply: &Reply, value: Value) -> Value {
    match reply {
        Reply::Services(_) => services(habits, value),
        Reply::Added(_) => added(habits, value),
        Reply::Status(_) => status(habits, value),
        Reply::Statuses(_) => statuses(habits, value),
        Reply::Balance(_) => balance(habits, value),
        Reply::Refill(_) if habits.has(Habit::RefillNoId) => {
            json!({ "success": "Your order will be refill asap" })
        }
        Reply::Canceled(_) | Reply::Cancels(_) if habits.has(Habit::CancelOk) => cancels(value),
        Reply::Refill(_)
        | Reply::Refills(_)
        | Reply::RefillStatus(_)
        | Reply::RefillStatuses(_)
        | Reply::Canceled(_)
        | Reply::Cancels(_) => value,
    }
}

fn services(habits: &Habits, mut value: Value) -> Value {
    for row in value
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        change(row, "rate", |rate| spelt_rate(habits, rate));
        for flag in FLAGS {
            change(row, flag, |flag| spelt_flag(habits, flag));
        }

        change(row, "service", |id| spelt_id(habits, id));
        counted(habits, row);
    }

    if habits.has(Habit::EnvelopeData) {
        json!({ "status": "success", "data": value })
    } else if habits.has(Habit::EnvelopeServices) {
        json!({ "services": value })
    } else {
        value
    }
}

fn spelt_rate(habits: &Habits, rate: Value) -> Value {
    let Some(text) = rate.as_str() else {
        return rate;
    };

    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if habits.has(Habit::RateNumbers) {
        number(&rate)
    } else if habits.has(Habit::RateDecimals) {
        json!(format!("{whole}.{part:0<RATE_DECIMALS$}"))
    } else {
        rate
    }
}

fn spelt_flag(habits: &Habits, flag: Value) -> Value {
    let Some(yes) = flag.as_bool() else {
        return flag;
    };

    if habits.has(Habit::FlagNumbers) {
        json!(u8::from(yes))
    } else if habits.has(Habit::FlagTexts) {
        json!(yes.to_string())
    } else {
        flag
    }
}

fn spelt_id(habits: &Habits, id: Value) -> Value {
    if habits.has(Habit::IdTexts) {
        text(&id)
    } else {
        id
    }
}

fn added(habits: &Habits, value: Value) -> Value {
    let id = spelt_id(habits, value["order"].clone());
    let name = if habits.has(Habit::OrderId) {
        "order_id"
    } else {
        "order"
    };

    let answer = json!({ name: id });
    if habits.has(Habit::EnvelopeData) {
        json!({ "status": "success", "data": answer })
    } else {
        answer
    }
}

fn status(habits: &Habits, mut value: Value) -> Value {
    let Some(row) = value.as_object_mut() else {
        return value;
    };

    let pending = row
        .get("status")
        .and_then(Value::as_str)
        .is_some_and(|word| word.eq_ignore_ascii_case(PENDING));

    if pending && habits.has(Habit::WaitingList) {
        row.insert("status".to_owned(), json!(WAITING));
    }

    if habits.has(Habit::CurrencyBlank) {
        change(row, "currency", blank);
    }

    counted(habits, row);
    if habits.has(Habit::StartCounter)
        && let Some(count) = row.remove("start_count")
    {
        row.insert("start_counter".to_owned(), count);
    }

    value
}

/// Several, keyed by id in every dialect.
fn statuses(habits: &Habits, value: Value) -> Value {
    let Value::Object(rows) = value else {
        return value;
    };

    let mut told = Map::new();
    for (order, row) in rows {
        match row.get("error").cloned() {
            Some(_) if habits.has(Habit::MissingRows) => {}
            Some(error) if habits.has(Habit::BareErrors) => drop(told.insert(order, error)),
            Some(_) | None => drop(told.insert(order, status(habits, row))),
        }
    }

    if told.is_empty() {
        // How the language that most panels are written in spells an empty object.
        return json!([]);
    }

    if habits.has(Habit::StatusRows) {
        return told
            .into_iter()
            .map(|(order, row)| named(&order, row))
            .collect();
    }

    Value::Object(told)
}

/// A row that names its order itself.
fn named(order: &str, row: Value) -> Value {
    let mut fields = if let Value::Object(fields) = row {
        fields
    } else {
        Map::from_iter([("error".to_owned(), row)])
    };

    fields.insert("order".to_owned(), json!(order));
    Value::Object(fields)
}

fn balance(habits: &Habits, mut value: Value) -> Value {
    let Some(row) = value.as_object_mut() else {
        return value;
    };

    if habits.has(Habit::BalanceNumber) {
        change(row, "balance", |balance| number(&balance));
    }

    if habits.has(Habit::CurrencyBlank) {
        change(row, "currency", blank);
    }

    value
}

/// One word for all of them, where all were taken.
fn cancels(value: Value) -> Value {
    if value.to_string().contains("error") {
        value
    } else {
        json!({ "ok": "true" })
    }
}

fn counted(habits: &Habits, row: &mut Map<String, Value>) {
    for name in COUNTED {
        if habits.has(Habit::Numbers) {
            change(row, name, |value| number(&value));
        } else if habits.has(Habit::Texts) {
            change(row, name, |value| text(&value));
        }
    }
}

fn change(row: &mut Map<String, Value>, name: &str, how: impl FnOnce(Value) -> Value) {
    if let Some(value) = row.get_mut(name) {
        *value = how(value.take());
    }
}

/// A text as the number that stands in it.
fn number(value: &Value) -> Value {
    let read = value
        .as_str()
        .and_then(|text| serde_json::from_str::<serde_json::Number>(text).ok());
    read.map_or_else(|| value.clone(), Value::Number)
}

fn text(value: &Value) -> Value {
    if value.is_number() {
        json!(value.to_string())
    } else {
        value.clone()
    }
}

fn blank(value: Value) -> Value {
    value
        .as_str()
        .map(|text| json!(format!(" {text}")))
        .unwrap_or(value)
}
