//! The answer to the question for the catalog: a row that cannot be read is counted and never
//! spoils the rest.

use std::collections::{BTreeMap, HashSet};

use serde_json::value::RawValue;

use crate::domain::money::Rate;
use crate::domain::provider::PanelWord;
use crate::domain::service::{PanelService, ServiceType};
use crate::domain::wish::breaks_a_line;
use crate::upstream::dialect::complaint::{MESSAGE_NAMES, read_complaint};
use crate::upstream::dialect::failed::says_failed;
use crate::upstream::dialect::{AnswerFault, Catalog};
use crate::upstream::scalar::{
    Fields, Scalar, bare, list_items, read_amount, read_count, read_flag, read_id, read_scalar,
    read_text, text_upto,
};

/// The most services of one panel; the largest catalog seen has 8,436.
const SERVICES_MAX: usize = 50_000;

/// The longest name of a service that is kept.
const NAME_BYTES_MAX: usize = 1_024;
/// The longest category that is kept.
const CATEGORY_BYTES_MAX: usize = 512;
/// The longest type or rate that is kept.
const WORD_BYTES_MAX: usize = 64;

/// Reads a bare array, or one wrapped in `services` or `data`.
pub(super) fn read_catalog(
    text: &str,
    own: &BTreeMap<String, PanelWord>,
) -> Result<Catalog, AnswerFault> {
    let text = bare(text);
    if let Some(list) = list_items(text) {
        return read(&list);
    }

    let fields = Fields::read(text).ok_or(AnswerFault::Unreadable)?;
    if let Some(complaint) = read_complaint(&fields, own) {
        return Err(complaint);
    }

    // Nothing but an envelope of an error, or of nothing: it says nothing of what is sold.
    if fields.is_empty() || says_failed(&fields) {
        return Err(AnswerFault::Unreadable);
    }

    let wrapped = fields.first(&["services", "data"], |raw| {
        (read_scalar(raw) == Scalar::List).then(|| raw.get())
    });

    match wrapped.and_then(list_items) {
        Some(list) if list.is_empty() && explains(&fields) => Err(AnswerFault::Unreadable),
        Some(list) => read(&list),
        None if says_empty(&fields) => Ok(Catalog::default()),
        // An array with gaps comes as an object keyed by place.
        None => read(&fields.values().collect::<Vec<_>>()),
    }
}

/// Whether an empty list stands beside a text that says why, and nothing says that all is well.
fn explains(fields: &Fields<'_>) -> bool {
    let is_well = fields
        .first(&["status", "success"], read_text)
        .is_some_and(|said| said.eq_ignore_ascii_case("success"))
        || fields
            .first(&["status", "success"], |raw| read_flag(raw).then_some(()))
            .is_some();

    !is_well && fields.first(&MESSAGE_NAMES, read_text).is_some()
}

/// `{"status":"success","data":"Empty Data"}`: how one family writes a catalog without services.
fn says_empty(fields: &Fields<'_>) -> bool {
    let data = fields.value("data").map(read_scalar);
    matches!(data, Some(Scalar::Text(text)) if text.eq_ignore_ascii_case("empty data"))
}

/// All or nothing beyond the cap, and nothing where no row can be read: a service that is not seen
/// is switched off.
fn read(list: &[&RawValue]) -> Result<Catalog, AnswerFault> {
    if list.len() > SERVICES_MAX {
        return Err(AnswerFault::Unreadable);
    }

    let mut seen = HashSet::new();
    let rows = list.iter().filter_map(|raw| service(raw));
    let services: Vec<PanelService> = rows
        .filter(|row| seen.insert(row.service.clone()))
        .collect();

    if services.is_empty() && !list.is_empty() {
        return Err(AnswerFault::Unreadable);
    }

    Ok(Catalog {
        skipped: list.len() - services.len(),
        services,
    })
}

/// A row needs an id and bounds; a package's bounds may be left out. Without a readable rate
/// nothing is bought there.
fn service(raw: &RawValue) -> Option<PanelService> {
    let fields = Fields::read(raw.get())?;
    let words = |name: &str, bytes_max| {
        let said = fields
            .first(&[name], |raw| text_upto(raw, bytes_max))
            .unwrap_or_default();
        // Customers' clients show each on a line.
        said.replace(breaks_a_line, " ").trim().to_owned()
    };

    let kind = words("type", WORD_BYTES_MAX);
    let package = ServiceType::read(&kind).is_some_and(ServiceType::is_package);
    let bound = |name: &str| match fields.value(name) {
        Some(raw) if read_scalar(raw) != Scalar::Null => read_count(raw),
        Some(_) | None => package.then_some(1),
    };

    let rate = fields
        .first(&["rate"], read_amount)
        .and_then(|rate| Rate::parse_rounding_up(&rate).ok());

    let flag_of = |name: &str| fields.value(name).is_some_and(read_flag);
    Some(PanelService {
        service: fields.first(&["service"], read_id)?,
        name: words("name", NAME_BYTES_MAX),
        category: words("category", CATEGORY_BYTES_MAX),
        rate_text: words("rate", WORD_BYTES_MAX),
        rate,
        own_rate: rate,
        min: bound("min")?,
        max: bound("max")?,
        refill: flag_of("refill"),
        cancel: flag_of("cancel"),
        dripfeed: flag_of("dripfeed"),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::provider::RefusalClass;
    use crate::upstream::anything;

    const ROW: &str = r#"{"service":1,"name":"Followers","type":"Default","category":"First","rate":"0.90000000001",
        "min":"50","max":10000,"refill":true,"cancel":"1","dripfeed":0,"more":{"x":[1e999]}}"#;

    fn read(text: &str) -> Result<Catalog, AnswerFault> {
        read_catalog(text, &BTreeMap::new())
    }

    #[test]
    fn a_row_is_read_from_every_container() {
        let expected = PanelService {
            service: "1".into(),
            name: "Followers".into(),
            kind: "Default".into(),
            category: "First".into(),
            rate_text: "0.90000000001".into(),
            rate: Some(Rate::parse("0.90000001").unwrap()),
            own_rate: Some(Rate::parse("0.90000001").unwrap()),
            min: 50,
            max: 10_000,
            refill: true,
            cancel: true,
            dripfeed: false,
        };

        for text in [
            format!("[{ROW}]"),
            format!("\u{feff}\n[{ROW}]\n"),
            format!(r#"{{"services":[{ROW}]}}"#),
            format!(r#"{{"status":"success","data":[{ROW}]}}"#),
            format!(r#"{{"0":{ROW}}}"#),
        ] {
            assert_eq!(
                read(&text),
                Ok(Catalog {
                    services: vec![expected.clone()],
                    skipped: 0
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_catalog_is_one_and_nonsense_is_none() {
        for text in [
            "[]",
            r#"{"services":[]}"#,
            r#"{"data":[]}"#,
            r#"{"status":"success","data":"Empty Data"}"#,
            r#"{"success":true,"message":"OK","data":[]}"#,
            r#"{"error":null,"services":[]}"#,
        ] {
            assert_eq!(read(text), Ok(Catalog::default()), "{text}");
        }

        for text in [
            "",
            "<html>",
            "7",
            r#"{"data":"Later"}"#,
            r#"["junk"]"#,
            r#"[{"service":1}] x"#,
        ] {
            assert_eq!(read(text), Err(AnswerFault::Unreadable), "{text}");
        }

        for text in [
            "{}",
            "null",
            r#"{"data":[],"error_message":"Down"}"#,
            r#"{"success":false,"services":[]}"#,
            r#"{"status":"error","data":[]}"#,
            r#"{"status":"Failed","services":[]}"#,
            r#"{"code":500,"data":[]}"#,
            r#"{"message":"Too busy"}"#,
            r#"{"message":"Too busy","data":[]}"#,
            r#"{"services":null}"#,
            r#"{"services":{}}"#,
            r#"[{"error":"Down"}]"#,
            r#"["Down"]"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }

        assert_eq!(
            read(r#"{"error":"Invalid API key"}"#),
            Err(AnswerFault::Refused(RefusalClass::Key))
        );

        assert_eq!(
            read(r#"{"status":"fail","message":"Down"}"#),
            Err(AnswerFault::Declined("Down".into()))
        );

        for text in anything::bottomless() {
            assert_eq!(read(&text), Err(AnswerFault::Unreadable));
        }

        let many = format!("[{}0]", "0,".repeat(SERVICES_MAX));
        assert_eq!(read(&many), Err(AnswerFault::Unreadable));
    }

    #[test]
    fn rows_that_cannot_be_read_are_counted() {
        let text = format!(
            r#"[{ROW}, {ROW}, "junk", null, {{"service":2,"min":1}}, {{"service":0,"min":1,"max":2}},
                {{"service":"x9","type":"Package","rate":60.5}}, {{"service":4,"min":"1.00","max":1,"rate":"call us"}}]"#
        );

        let catalog = read(&text).unwrap();
        let ids: Vec<_> = catalog
            .services
            .iter()
            .map(|row| row.service.as_str())
            .collect();

        assert_eq!((ids, catalog.skipped), (vec!["1", "x9", "4"], 5));
        assert_eq!((catalog.services[1].min, catalog.services[1].max), (1, 1));

        assert_eq!(catalog.services[1].rate, Some(Rate::parse("60.5").unwrap()));

        assert_eq!(
            (
                catalog.services[2].rate,
                catalog.services[2].rate_text.as_str()
            ),
            (None, "call us")
        );
    }

    #[test]
    fn numbers_and_flags_are_read_however_they_are_written() {
        for (fields, rate, bounds, flags) in [
            (
                r#""rate":"0.9","min":"1","max":"2""#,
                Some("0.9"),
                (1, 2),
                [false; 3],
            ),
            (
                r#""rate":1.20e1,"min":1.0,"max":"1e3","refill":1,"cancel":"true","dripfeed":true"#,
                Some("12"),
                (1, 1_000),
                [true; 3],
            ),
            (
                r#""rate":0.00000000001,"min":1,"max":1,"refill":"yes","cancel":[],"dripfeed":null"#,
                Some("0.00000001"),
                (1, 1),
                [false; 3],
            ),
            (
                r#""rate":null,"min":1,"max":9223372036854775807,"refill":"1""#,
                None,
                (1, i64::MAX as u64),
                [true, false, false],
            ),
            (
                r#""rate":"-1","min":0,"max":0"#,
                Some("-1"),
                (0, 0),
                [false; 3],
            ),
        ] {
            let row = read(&format!(r#"[{{"service":"1","type":"Default",{fields}}}]"#))
                .unwrap()
                .services
                .remove(0);
            let rate = rate.and_then(|rate| Rate::parse(rate).ok());
            assert_eq!(
                (
                    row.rate,
                    (row.min, row.max),
                    [row.refill, row.cancel, row.dripfeed]
                ),
                (rate, bounds, flags),
                "{fields}"
            );
        }

        for bounds in [
            r#""min":-1,"max":5"#,
            r#""min":1.5,"max":5"#,
            r#""min":1,"max":9223372036854775808"#,
            r#""max":5"#,
        ] {
            assert_eq!(
                read(&format!(r#"[{{"service":1,"type":"Default",{bounds}}}]"#)),
                Err(AnswerFault::Unreadable),
                "{bounds}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let text = format!(
            r#"[{{"service":1,"min":1,"max":1,"name":"{}"}}]"#,
            "é".repeat(NAME_BYTES_MAX)
        );
        assert_eq!(read(&text).unwrap().services[0].name.len(), NAME_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_a_catalog_or_a_complaint(
            text in prop_oneof![
                anything::text(),
                anything::json("service|services|data|min|max|rate|type|error",
                    "Default|Package|Empty Data|7|0.9"),
            ],
        ) {
            if let Ok(read) = read(&text) {
                let mut ids: Vec<_> = read.services.iter().map(|row| &row.service).collect();
                prop_assert!(ids.iter().all(|id| text.contains(id.as_str())));
                ids.sort();
                ids.dedup();
                prop_assert_eq!(ids.len(), read.services.len());
            }
        }
    }
}
