//! Shapes that several dialects write alike: complaints, rows of many, objects keyed by id.

use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use crate::reply::Refused;

/// A refusal, wherever it stands.
#[derive(Serialize)]
pub(super) struct Complaint {
    pub(super) error: String,
}

/// A row's value, or its complaint in the same place.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Nested<T> {
    Good(T),
    Bad(Complaint),
}

/// A row's value or its complaint, each in its words.
pub(super) fn nested<T, U>(
    row: &Result<T, Refused>,
    show: impl FnOnce(&T) -> U,
    text: impl FnOnce(&Refused) -> String,
) -> Nested<U> {
    match row {
        Ok(value) => Nested::Good(show(value)),
        Err(refused) => Nested::Bad(Complaint {
            error: text(refused),
        }),
    }
}

/// Many rows as an object keyed by the id as it was asked, in the order in which it was asked.
pub(super) struct Keyed<'a, R>(pub(super) Vec<(&'a str, R)>);

impl<R: Serialize> Serialize for Keyed<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, row) in &self.0 {
            map.serialize_entry(id, row)?;
        }
        map.end()
    }
}

/// Many rows, keyed; each as it is shown.
pub(super) fn keyed<'a, T, R: Serialize>(
    rows: &'a [(String, Result<T, Refused>)],
    row: impl Fn(&'a Result<T, Refused>) -> R,
) -> String {
    json(&Keyed(
        rows.iter()
            .map(|(asked, answer)| (asked.as_str(), row(answer)))
            .collect(),
    ))
}

/// An array of rows, in the order in which they were asked.
pub(super) fn list<'a, T, R: Serialize>(
    rows: &'a [(String, Result<T, Refused>)],
    row: impl Fn(&'a str, &'a Result<T, Refused>) -> R,
) -> String {
    json(
        &rows
            .iter()
            .map(|(asked, answer)| row(asked, answer))
            .collect::<Vec<_>>(),
    )
}

/// An id as it was asked: a number when it can be one.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Echo<'a> {
    Number(u64),
    Text(&'a str),
}

pub(super) fn echo(asked: &str) -> Echo<'_> {
    asked.parse().map_or(Echo::Text(asked), Echo::Number)
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers are always JSON")
}
