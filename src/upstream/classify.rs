//! The most expensive decision: what an answer to `add` proves; the first rule that matches speaks.

use crate::domain::leg::Verdict;
use crate::upstream::dialect::Added;

/// What follows from an answer's HTTP status and from what was read in it.
///
/// An id is believed at any status, and beside any error: who wrongly takes an order for placed loses less than who
/// places it twice. A server's own error proves nothing, whatever it says: something behind it may have gone through.
/// A listed text proves that nothing was placed, where the panel itself is answering. All else is a doubt.
pub(super) fn verdict(http_status: u16, added: Added) -> Verdict {
    match (added.id, added.refusal) {
        (Some(id), _) => Verdict::Accepted(id),
        (None, Some(class)) if believed(http_status) => Verdict::Refused(class),
        (None, _) => Verdict::InDoubt,
    }
}

/// Whether an error text under this status is the panel's own word.
pub(super) fn believed(http_status: u16) -> bool {
    matches!(http_status, 200..=299 | 400..=499)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::PanelOrder;
    use crate::domain::provider::{PanelDialect, PanelWord, RefusalClass};
    use crate::upstream::dialect::Tongue;

    fn tongue() -> Tongue {
        let words = BTreeMap::from([("wallet is dry".to_owned(), PanelWord::Refusal(RefusalClass::Money))]);
        Tongue::new(PanelDialect::Classic, words)
    }

    fn decide(http_status: u16, text: &str) -> Verdict {
        verdict(http_status, tongue().added(text))
    }

    #[test]
    fn an_id_is_accepted_at_any_status() {
        for (status, text, id) in [
            (200, r#"{"order":23501}"#, "23501"),
            (502, r#"{"order":23501}"#, "23501"),
            (307, r#"{"order":"ord_1"}"#, "ord_1"),
            (400, r#"{"error":"Incorrect service ID","order":7}"#, "7"),
        ] {
            assert_eq!(decide(status, text), Verdict::Accepted(PanelOrder(id.into())), "{status} {text}");
        }
    }

    #[test]
    fn a_listed_text_is_refused_only_where_the_panel_speaks() {
        let text = r#"{"error":"Not enough funds on balance"}"#;
        for status in [200, 201, 400, 402, 403, 422, 429] {
            assert_eq!(decide(status, text), Verdict::Refused(RefusalClass::Money), "{status}");
        }
        for status in [100, 301, 307, 500, 502, 503, 504, 522, 599, 600] {
            assert_eq!(decide(status, text), Verdict::InDoubt, "{status}");
        }
        assert_eq!(decide(200, r#"{"error":"Wallet is dry, sorry"}"#), Verdict::Refused(RefusalClass::Money));
    }

    #[test]
    fn a_status_alone_and_an_unknown_text_prove_nothing() {
        for status in [200, 204, 401, 403, 404, 429, 500] {
            for text in ["", "null", "[]", "{}", "<html>Forbidden</html>", r#"{"error":"Try later"}"#, r#"{"order":0}"#]
            {
                assert_eq!(decide(status, text), Verdict::InDoubt, "{status} {text}");
            }
        }
    }

    /// Answers as a panel, a broken panel or a madman would write them.
    fn json() -> impl Strategy<Value = String> {
        let name = prop_oneof!["order|id|data|error|errors|message|status|orderId", "[a-z]{1,4}"];
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|flag| flag.to_string()),
            "-?[1-9][0-9]{0,30}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?",
            "\"(Bad link|error|fail|not enough funds|neworder\\.error\\.link|0|[a-z ]{0,9})\"",
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                prop::collection::vec((name.clone(), inner), 0..4).prop_map(|fields| {
                    let fields: Vec<_> =
                        fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_at_any_status_get_a_verdict(status: u16, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decide(status, &String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn any_json_gets_the_verdict_that_it_proves(status in 100u16..700, text in json()) {
            let added = tongue().added(&text);
            match decide(status, &text) {
                Verdict::Accepted(id) => prop_assert!(added.id == Some(id.clone()) && text.contains(&id.0)),
                Verdict::Refused(class) => {
                    prop_assert!(added.id.is_none() && added.refusal == Some(class));
                    prop_assert!((200..300).contains(&status) || (400..500).contains(&status));
                    let folded = text.to_lowercase();
                    let listed = ["bad link", "not enough funds", "\"neworder.error.link\""];
                    prop_assert!(listed.iter().any(|word| folded.contains(word)), "{text}");
                }
                Verdict::InDoubt => prop_assert!(added.id.is_none()),
                Verdict::NeverSent => prop_assert!(false, "an answer was heard"),
            }
        }
    }
}
