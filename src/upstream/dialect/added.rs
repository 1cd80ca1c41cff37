//! The answer to an `add`: an id, an error, or neither.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::id::PanelOrder;
use crate::domain::provider::PanelWord;
use crate::upstream::dialect::Added;
use crate::upstream::dialect::complaint::refusal_text;
use crate::upstream::dialect::failed::{self, tells_of_failure};
use crate::upstream::dialect::refused::RefusalProof;
use crate::upstream::dialect::trace::{lone_id, names_an_order, says_under_way};
use crate::upstream::dialect::words;
use crate::upstream::scalar::{Fields, Scalar, bare, is_same_id, order_id, read_scalar, read_text};

/// Where an id is an order's and nothing else's, the likeliest first.
const OWN_NAMES: [&str; 4] = ["order", "order_id", "orderId", "orderID"];

/// Reads an id at the top or in `data`, an error's class beside it, and whether anything says that
/// it failed.
pub(super) fn read_added(text: &str, own: &BTreeMap<String, PanelWord>) -> Added {
    let Some(fields) = Fields::read(bare(text)) else {
        return Added::default();
    };

    let data = fields
        .value("data")
        .and_then(|data| Fields::read(data.get()));

    let within = || {
        data.as_ref()
            .and_then(|data| data.first(&OWN_NAMES, order_id))
    };

    let named = fields.first(&OWN_NAMES, order_id).or_else(within);
    let has_failed = failed::says_failed(&fields);

    // Only what is named as an order outweighs an error that says that there is none.
    let fails = tells_of_failure(&fields, own) || (named.is_none() && has_failed);
    let is_clear = !names_two(&fields, data.as_ref()) && !answers_another_question(&fields);
    let id = named
        .or_else(|| lone_id(&fields, data.as_ref()))
        .map(PanelOrder);

    let complaint = refusal_text(&fields, has_failed);
    let proof = RefusalProof {
        listed: &|text| words::proven_refusal(text, own),
        asked: None,
    };

    let class = complaint
        .as_deref()
        .and_then(|text| proof.class_of(&fields, text));

    let refusal = class.filter(|_| id.is_none() && proves_that_none_is_there(&fields, own));
    Added {
        id,
        refusal,
        complaint,
        failed: fails || !is_clear,
    }
}

/// Whether an answer names one order here and another there, or says two things under one name.
fn names_two(fields: &Fields<'_>, data: Option<&Fields<'_>>) -> bool {
    let ids_of = |fields: &Fields<'_>| -> Vec<Option<String>> {
        let named = fields.every().filter(|(name, _)| OWN_NAMES.contains(name));
        named.map(|(_, raw)| order_id(raw)).collect()
    };

    let both = || [Some(fields), data].into_iter().flatten();
    let ids: Vec<String> = both().flat_map(ids_of).flatten().collect();
    let differ = ids.iter().any(|id| !is_same_id(id, &ids[0]));

    let is_contradicted = both().any(|fields| {
        OWN_NAMES.iter().any(|name| {
            let told = |raw: &RawValue| read_text(raw).unwrap_or_else(|| raw.get().to_owned());
            let mut said = fields
                .every()
                .filter(|(of, _)| of == name)
                .map(|(_, raw)| told(raw));

            let first = said.next();
            said.any(|other| Some(&other) != first.as_ref())
        })
    });

    differ || is_contradicted
}

/// Whether it is where orders stand that is told, or what is sold, and not what was placed.
fn answers_another_question(fields: &Fields<'_>) -> bool {
    fields.every().any(|(name, raw)| {
        ["remains", "services"].contains(&name) && read_scalar(raw) != Scalar::Null
    })
}

/// What names an order, however oddly, does not prove that there is none; nor does what says that
/// one is under way.
fn proves_that_none_is_there(fields: &Fields<'_>, own: &BTreeMap<String, PanelWord>) -> bool {
    !names_an_order(fields) && !says_under_way(fields, own)
}

/// The error text of an answer that is nothing but an error: no id, no trace of one, nothing under
/// way.
pub(super) fn unknown_complaint(text: &str) -> Option<String> {
    let fields = Fields::read(bare(text))?;
    let is_only_an_error = proves_that_none_is_there(&fields, &BTreeMap::new());
    refusal_text(&fields, failed::says_failed(&fields)).filter(|_| is_only_an_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::RefusalClass;

    fn read(text: &str) -> (Option<String>, Option<RefusalClass>) {
        let added = read_added(text, &BTreeMap::new());
        (added.id.map(|id| id.0), added.refusal)
    }

    #[test]
    fn ids_are_found_where_panels_put_them() {
        for (text, id) in [
            (r#"{"order":23501}"#, Some("23501")),
            (r#"{"order":"23501"}"#, Some("23501")),
            (
                r#"{"order":99999999999999999999999}"#,
                Some("99999999999999999999999"),
            ),
            (r#"{"order":"ord_01HX"}"#, Some("ord_01HX")),
            (r#"{"order_id":7}"#, Some("7")),
            (r#"{"orderId":7}"#, Some("7")),
            (r#"{"orderID":7}"#, Some("7")),
            (r#"{"status":"success","id":7}"#, Some("7")),
            (r#"{"data":{"order":7}}"#, Some("7")),
            (r#"{"order":null,"data":{"id":"7"}}"#, None),
            ("\u{feff}\n {\"order\":7} \r\n", Some("7")),
            (
                r#"{"order":7,"balance":1e999,"x":"\ud800","y":[[[]]],"error":null}"#,
                Some("7"),
            ),
            (r#"{"order":false,"order_id":"","orderId":7}"#, Some("7")),
            (r#"{"data":{"order":"0","id":7}}"#, None),
            (r#"{"order":7,"id":8,"data":{"order":7}}"#, Some("7")),
            (r#"{"order":7,"order":"7"}"#, Some("7")),
            (r#"{"order":"07"}"#, None),
            (r#"{"order":"success","id":7}"#, None),
            (r#"{"order":"success"}"#, None),
            (r#"{"order":"N/A"}"#, None),
            (r#"{"order":"pending"}"#, None),
            (r#"{"order":"error_404"}"#, None),
            (r#"{"order":0}"#, None),
            (r#"{"order":7,"order":0}"#, None),
            (r#"{"order":null}"#, None),
            (r#"{"order":false}"#, None),
            (r#"{"order":true}"#, None),
            (r#"{"order":""}"#, None),
            (r#"{"order":[7]}"#, None),
            (r#"{"order":7.5}"#, None),
            (r#"{"order":-7}"#, None),
            (r#"{"Order":7,"ORDER":7,"order id":7}"#, None),
            (r#"{"data":7}"#, None),
            (r#"{"data":[{"order":7}]}"#, None),
            (r#"{"data":{"data":{"order":7}}}"#, None),
            (r#""{\"order\":7}""#, None),
            (r#"{"order":7}{"order":7}"#, None),
            (r"{'order':7}", None),
            (r#"{"order":"0","error":"x"}"#, None),
            (r#"{"order":{"order":7}}"#, None),
            (r#"[{"order":7}]"#, None),
            (r#"{"order":7}<br>"#, None),
            (r#"Warning {"order":7}"#, None),
            (r#"{"order":7"#, None),
            ("23501", None),
            ("", None),
        ] {
            assert_eq!(read(text).0.as_deref(), id, "{text}");
        }
    }

    #[test]
    fn an_error_is_read_beside_an_id_of_nought() {
        assert_eq!(
            read(r#"{"order":0,"error":"neworder.error.link_duplicate"}"#),
            (None, Some(RefusalClass::Active))
        );

        assert_eq!(
            read(r#"{"status":"fail","message":"Bad link"}"#),
            (None, Some(RefusalClass::Link))
        );

        assert_eq!(
            read(r#"{"error":["Bad link"],"order":null}"#),
            (None, Some(RefusalClass::Link))
        );

        assert_eq!(
            read(r#"{"errors":{"quantity":["Quantity must be a number"]}}"#),
            (None, Some(RefusalClass::Quantity))
        );

        assert_eq!(
            read(r#"{"order":"","error_message":"Bad link","status":"FAIL"}"#),
            (None, Some(RefusalClass::Link))
        );

        assert_eq!(
            read(r#"{"message":"Bad link"}"#),
            (None, None),
            "nothing says that it failed"
        );

        assert_eq!(
            read(r#"{"data":{"error":"Bad link"}}"#),
            (None, None),
            "not where errors stand"
        );

        assert_eq!(read(r#"{"error":"Something went wrong"}"#), (None, None));
    }

    #[test]
    fn what_names_an_order_oddly_is_no_refusal() {
        for text in [
            r#"{"error":"Bad link","orders":[55]}"#,
            r#"{"error":"Bad link","data":[{"order":55}]}"#,
            r#"{"error":"Bad link","order":{"id":55}}"#,
            r#"{"error":"Bad link","data":{"orders":["55"]}}"#,
        ] {
            assert_eq!(read(text), (None, None), "{text}");
        }

        assert_eq!(
            read(r#"{"error":"Bad link","data":[],"orders":[0]}"#),
            (None, Some(RefusalClass::Link))
        );
    }
}
