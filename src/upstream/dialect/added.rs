//! The answer to an `add`: an id, an error, or neither.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::id::PanelOrder;
use crate::domain::provider::PanelWord;
use crate::upstream::dialect::Added;
use crate::upstream::dialect::complaint::refusal_text;
use crate::upstream::dialect::failed::{self, tells_of_failure};
use crate::upstream::dialect::{ORDER_NAMES, words};
use crate::upstream::scalar::{Fields, bare, items, placed_id};

/// Where something that was placed may be named in a shape that is not read: enough to believe no refusal.
const TRACE_NAMES: [&str; 4] = ["orders", "order_ids", "data", "result"];

/// How deep such a trace is looked for.
const DEPTH_MAX: u8 = 3;

/// Reads an id at the top or in `data`, an error's class beside it, and whether anything says that it failed.
pub(super) fn added(text: &str, own: &BTreeMap<String, PanelWord>) -> Added {
    let Some(fields) = Fields::read(bare(text)) else {
        return Added::default();
    };
    let nested = fields.value("data").and_then(|data| Fields::read(data.get()));
    let within = || nested.as_ref().and_then(|data| data.first(&ORDER_NAMES, placed_id));
    let id = fields.first(&ORDER_NAMES, placed_id).or_else(within).map(PanelOrder);

    let failed = tells_of_failure(&fields, own);
    let complaint = refusal_text(&fields, failed::failed(&fields));
    // What names an order, however oddly, does not prove that there is none.
    let traced = id.is_none() && has_trace(&fields, DEPTH_MAX);
    let refusal = complaint.as_deref().filter(|_| !traced).and_then(|text| words::refusal(text, own));
    Added { id, refusal, complaint, failed }
}

/// The error text of an answer that is nothing but an error: no id, and no trace of one.
pub(super) fn unknown_complaint(text: &str) -> Option<String> {
    let fields = Fields::read(bare(text))?;
    let names_an_order = has_trace(&fields, DEPTH_MAX);
    refusal_text(&fields, failed::failed(&fields)).filter(|_| !names_an_order)
}

/// Whether an id of an order stands somewhere where ids are not read.
fn has_trace(fields: &Fields<'_>, depth: u8) -> bool {
    let names = ORDER_NAMES.iter().chain(&TRACE_NAMES);
    names.filter_map(|name| fields.value(name)).any(|raw| is_trace(raw, depth))
}

fn is_trace(raw: &RawValue, depth: u8) -> bool {
    if placed_id(raw).is_some() {
        return true;
    }
    match (items(raw.get()), Fields::read(raw.get())) {
        _ if depth == 0 => false,
        (Some(list), _) => list.into_iter().any(|item| is_trace(item, depth - 1)),
        (None, Some(fields)) => has_trace(&fields, depth - 1),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::RefusalClass;

    fn read(text: &str) -> (Option<String>, Option<RefusalClass>) {
        let added = added(text, &BTreeMap::new());
        (added.id.map(|id| id.0), added.refusal)
    }

    #[test]
    fn ids_are_found_where_panels_put_them() {
        for (text, id) in [
            (r#"{"order":23501}"#, Some("23501")),
            (r#"{"order":"23501"}"#, Some("23501")),
            (r#"{"order":99999999999999999999999}"#, Some("99999999999999999999999")),
            (r#"{"order":"ord_01HX"}"#, Some("ord_01HX")),
            (r#"{"order_id":7}"#, Some("7")),
            (r#"{"orderId":7}"#, Some("7")),
            (r#"{"orderID":7}"#, Some("7")),
            (r#"{"status":"success","id":7}"#, Some("7")),
            (r#"{"data":{"order":7}}"#, Some("7")),
            (r#"{"order":null,"data":{"id":"7"}}"#, Some("7")),
            ("\u{feff}\n {\"order\":7} \r\n", Some("7")),
            (r#"{"order":7,"balance":1e999,"x":"\ud800","y":[[[]]],"error":null}"#, Some("7")),
            (r#"{"order":false,"order_id":"","orderId":7}"#, Some("7")),
            (r#"{"data":{"order":"0","id":7}}"#, Some("7")),
            (r#"{"order":7,"id":8,"data":{"order":9}}"#, Some("7")),
            (r#"{"order":0,"order":7}"#, Some("7")),
            (r#"{"order":"success","id":7}"#, Some("7")),
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
        assert_eq!(read(r#"{"order":0,"error":"neworder.error.link_duplicate"}"#), (None, Some(RefusalClass::Active)));
        assert_eq!(read(r#"{"status":"fail","message":"Bad link"}"#), (None, Some(RefusalClass::Link)));
        assert_eq!(read(r#"{"error":["Bad link"],"order":null}"#), (None, Some(RefusalClass::Link)));
        assert_eq!(
            read(r#"{"errors":{"quantity":["Quantity must be a number"]}}"#),
            (None, Some(RefusalClass::Quantity))
        );
        assert_eq!(
            read(r#"{"order":"","error_message":"Bad link","status":"FAIL"}"#),
            (None, Some(RefusalClass::Link))
        );
        assert_eq!(read(r#"{"message":"Bad link"}"#), (None, None), "nothing says that it failed");
        assert_eq!(read(r#"{"data":{"error":"Bad link"}}"#), (None, None), "not where errors stand");
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
        assert_eq!(read(r#"{"error":"Bad link","data":[],"orders":[0]}"#), (None, Some(RefusalClass::Link)));
    }
}
