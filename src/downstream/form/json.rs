//! A JSON object as pairs: numbers stay the texts that they were written with.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::downstream::form::ParameterValue;

/// The pairs of an object in the order in which they stand, a name of a list as often as the list
/// is long; `None` where there is no object.
pub fn json_pairs(body: &[u8]) -> Option<Vec<(String, ParameterValue)>> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let members = reader.deserialize_map(Members).ok()?;
    reader.end().ok()?;
    let pairs = members.into_iter().flat_map(|(name, raw)| {
        let values = values(raw.get());
        values.into_iter().map(move |value| (name.clone(), value))
    });

    Some(pairs.collect())
}

fn values(raw: &str) -> Vec<ParameterValue> {
    if !raw.starts_with('[') {
        return vec![value(raw)];
    }

    match serde_json::from_str::<Vec<&RawValue>>(raw) {
        Ok(list) => list.into_iter().map(|raw| value(raw.get())).collect(),
        Err(_) => vec![ParameterValue::Unreadable],
    }
}

fn value(raw: &str) -> ParameterValue {
    match raw.bytes().next() {
        Some(b'"') => serde_json::from_str::<String>(raw)
            .map_or(ParameterValue::Unreadable, |text| ParameterValue::of(&text)),
        Some(b'-' | b'0'..=b'9') => ParameterValue::of(raw),
        Some(b'n') => ParameterValue::Empty,
        Some(b'f') => ParameterValue::False,
        Some(_) | None => ParameterValue::Unreadable,
    }
}

/// Keeps every member, a name that comes twice too: which of the two was meant is not ours to
/// guess.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_pairs() {
        let body = r#" {"a":"x\u2713","b":10,"c":-1.50,"d":[1,"2",null,[3]],"e":null,"f":true,"g":{},"a":1e400,"h":[],
            "i":"\ud800","j":12345678901234567890123} "#;
        let text =
            |name: &str, text: &str| (name.to_owned(), ParameterValue::Text(text.to_owned()));
        let other = |name: &str, value| (name.to_owned(), value);

        let expected = vec![
            text("a", "x\u{2713}"),
            text("b", "10"),
            text("c", "-1.50"),
            text("d", "1"),
            text("d", "2"),
            other("d", ParameterValue::Empty),
            other("d", ParameterValue::Unreadable),
            other("e", ParameterValue::Empty),
            other("f", ParameterValue::Unreadable),
            other("g", ParameterValue::Unreadable),
            text("a", "1e400"),
            other("i", ParameterValue::Unreadable),
            text("j", "12345678901234567890123"),
        ];

        assert_eq!(json_pairs(body.as_bytes()), Some(expected));
    }

    #[test]
    fn what_is_no_object_has_no_pairs() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for body in [
            "",
            "1",
            "[]",
            "null",
            "{",
            r#"{"a"}"#,
            r#"{"a":01}"#,
            "{} x",
            "{a:1}",
            deep.as_str(),
        ] {
            assert_eq!(
                json_pairs(body.as_bytes()),
                None,
                "{}",
                &body[..body.len().min(20)]
            );
        }

        assert_eq!(json_pairs(b"{\"a\":\"\xff\"}"), None);
        assert_eq!(json_pairs(b"{}"), Some(vec![]));
    }
}
