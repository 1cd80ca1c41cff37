//! The most expensive decision: what an answer to `add` proves; the first rule that matches speaks.

use crate::domain::doubt::Retold;
use crate::domain::leg::Verdict;
use crate::domain::provider::RefusalClass;
use crate::upstream::dialect::Added;

/// What follows from an answer's HTTP status and from what was read in it.
///
/// An id beside any sign of failure is a doubt: it may be another order's. A clean id is believed
/// at any status. A server's own error proves nothing, whatever it says: something behind it may
/// have gone through. A listed text proves that nothing was placed, where the panel itself is
/// answering. All else is a doubt.
pub(super) fn classify_add(http_status: u16, added: Added) -> Verdict {
    match (added.id, added.refusal) {
        (Some(_), _) if added.failed => Verdict::InDoubt,
        (Some(id), _) => Verdict::Accepted(id),
        (None, Some(class)) if refuses_clearly(http_status) => {
            Verdict::Refused(weigh_answer(http_status, class))
        }
        (None, _) => Verdict::InDoubt,
    }
}

/// A status proves nothing alone, and says which of two readings of a text is meant: a family
/// writes `Incorrect request or API key`, and only the status tells which of them.
pub(super) fn weigh_answer(http_status: u16, class: RefusalClass) -> RefusalClass {
    match (http_status, class) {
        (401 | 403, RefusalClass::Action) => RefusalClass::Key,
        (429, RefusalClass::Action) => RefusalClass::RateLimit,
        _ => class,
    }
}

/// What the answer to a repeated `add` tells of the first, where the panel answers a name that it
/// knows with the order that it has.
///
/// Only an id tells of it. A refusal tells what the panel looks at before it looks at names: the
/// first may have taken the last of our money there, and the second be refused for want of it.
pub(super) fn classify_retold(verdict: &Verdict) -> Retold {
    match verdict {
        Verdict::Accepted(id) => Retold::Placed(id.clone()),
        Verdict::Refused(_) | Verdict::NeverSent | Verdict::InDoubt => Retold::Nothing,
    }
}

/// Whether a listed text under this status is a refusal: `202 Accepted` says itself that something
/// was taken in.
pub(super) fn refuses_clearly(http_status: u16) -> bool {
    // That something was made, or taken for later, or done in part, is said by a status of its own.
    matches!(http_status, 200 | 203 | 400..=499)
}

/// Whether an error text under this status is the panel's own word.
pub(super) fn is_believed(http_status: u16) -> bool {
    matches!(http_status, 200..=299 | 400..=499)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::id::PanelOrder;
    use crate::domain::provider::{PanelDialect, PanelWord};
    use crate::upstream::anything;
    use crate::upstream::dialect::SpokenDialect;

    const ANY_NAME: &str = "order|order_id|orderID|id|data|error|errors|message|status|orderId";
    const NO_ID: &str = "data|error|errors|message|status|charge|balance";
    const ANY_WORD: &str =
        "Bad link|error|fail|not enough funds|neworder\\.error\\.link|0|null|ord_1|Success";
    const NO_PROOF: &str =
        "error|fail|Order placed|a bad link|links|neworder\\.error|ord_1|Incorrect order ID";

    fn dialect() -> SpokenDialect {
        let words = BTreeMap::from([(
            "wallet is dry".to_owned(),
            PanelWord::Refusal(RefusalClass::Money),
        )]);
        SpokenDialect::new(PanelDialect::Classic, words)
    }

    fn decide(http_status: u16, text: &str) -> Verdict {
        classify_add(http_status, dialect().added(text))
    }

    #[test]
    fn an_id_is_accepted_at_any_status() {
        for (status, text, id) in [
            (200, r#"{"order":23501}"#, "23501"),
            (502, r#"{"order":23501}"#, "23501"),
            (307, r#"{"order":"ord_1"}"#, "ord_1"),
            (400, r#"{"error":null,"order":7}"#, "7"),
        ] {
            assert_eq!(
                decide(status, text),
                Verdict::Accepted(PanelOrder(id.into())),
                "{status} {text}"
            );
        }
    }

    #[test]
    fn a_listed_text_is_refused_only_where_the_panel_speaks() {
        let text = r#"{"error":"Not enough funds on balance"}"#;
        for status in [200, 400, 402, 403, 422, 429] {
            assert_eq!(
                decide(status, text),
                Verdict::Refused(RefusalClass::Money),
                "{status}"
            );
        }

        for status in [100, 202, 301, 307, 500, 502, 503, 504, 522, 599, 600] {
            assert_eq!(decide(status, text), Verdict::InDoubt, "{status}");
        }

        assert_eq!(
            decide(200, r#"{"error":"Wallet is dry, sorry"}"#),
            Verdict::Refused(RefusalClass::Money)
        );
    }

    #[test]
    fn a_status_weighs_with_the_text_and_never_alone() {
        let text = r#"{"error":"Incorrect request or API key"}"#;
        assert_eq!(decide(401, text), Verdict::Refused(RefusalClass::Key));
        assert_eq!(decide(403, text), Verdict::Refused(RefusalClass::Key));
        assert_eq!(decide(400, text), Verdict::Refused(RefusalClass::Action));
        assert_eq!(
            decide(401, r#"{"error":"Bad link"}"#),
            Verdict::Refused(RefusalClass::Link)
        );

        assert_eq!(
            decide(401, r#"{"error":"Access is denied"}"#),
            Verdict::InDoubt
        );
    }

    #[test]
    fn a_status_alone_and_an_unknown_text_prove_nothing() {
        for status in [200, 204, 401, 403, 404, 429, 500] {
            for text in [
                "",
                "null",
                "[]",
                "{}",
                "<html>Forbidden</html>",
                r#"{"error":"Try later"}"#,
                r#"{"order":0}"#,
            ] {
                assert_eq!(decide(status, text), Verdict::InDoubt, "{status} {text}");
            }
        }
    }

    #[test]
    fn only_an_id_tells_of_the_first_asking() {
        for class in RefusalClass::ALL {
            assert_eq!(classify_retold(&Verdict::Refused(class)), Retold::Nothing);
        }

        assert_eq!(
            classify_retold(&Verdict::Accepted(PanelOrder("ord_1".into()))),
            Retold::Placed(PanelOrder("ord_1".into()))
        );

        assert_eq!(
            (
                classify_retold(&Verdict::NeverSent),
                classify_retold(&Verdict::InDoubt)
            ),
            (Retold::Nothing, Retold::Nothing)
        );
    }

    #[test]
    fn what_has_no_bottom_is_a_doubt() {
        for text in anything::bottomless() {
            assert_eq!(decide(200, &text), Verdict::InDoubt);
        }
    }

    proptest! {
        #[test]
        fn any_text_at_any_status_gets_a_verdict(status: u16, text in anything::text()) {
            let _ = decide(status, &text);
        }

        #[test]
        fn any_json_gets_the_verdict_that_it_proves(status in 100u16..700,
            text in anything::json(ANY_NAME, ANY_WORD)) {
            match decide(status, &text) {
                Verdict::Accepted(id) => prop_assert!(text.contains(&id.0) && id.0 != "0"),
                Verdict::Refused(_) => {
                    prop_assert!((200..300).contains(&status) || (400..500).contains(&status));
                    let folded = text.to_lowercase();
                    let listed = ["bad link", "not enough funds", "\"neworder.error.link\""];
                    prop_assert!(listed.iter().any(|word| folded.contains(word)), "{text}");
                }
                Verdict::InDoubt => {}
                Verdict::NeverSent => prop_assert!(false, "an answer was heard"),
            }
        }

        #[test]
        fn without_an_ids_name_nothing_is_accepted(status in 100u16..700,
            text in anything::json(NO_ID, ANY_WORD)) {
            // Names of one's own have four letters at most; only one of them is an id's.
            prop_assume!(!text.contains("\"id\":"));
            prop_assert!(!matches!(decide(status, &text), Verdict::Accepted(_)), "{text}");
        }

        #[test]
        fn without_a_listed_word_nothing_is_refused(status in 100u16..700,
            text in anything::json(ANY_NAME, NO_PROOF)) {
            prop_assert!(!matches!(decide(status, &text), Verdict::Refused(_)), "{text}");
        }

        #[test]
        fn an_id_is_accepted_alone_and_a_doubt_beside_any_failure(
            status in 100u16..700,
            id in "[1-9][0-9]{0,40}|ord_[0-9]{4}[A-Z0-9]{0,21}[0-9]",
            quoted: bool,
            failure in "\"error\":\"[a-z ]{1,9}x\"|\"status\":\"(fail|Error|FAILED)\"|\"success\":(false|0|\"false\")",
        ) {
            prop_assume!(!["ERROR", "FAIL", "FOUND", "NULL"].iter().any(|word| id.contains(word)));
            let written = if quoted
                || id.starts_with('o') { format!("\"{id}\"") } else { id.clone() };
            let alone = format!("{{\"order\":{written}}}");
            prop_assert_eq!(decide(status, &alone), Verdict::Accepted(PanelOrder(id)), "{}", alone);

            for text in [
                format!("{{\"order\":{written},{failure}}}"),
                format!("{{{failure},\"order\":{written}}}"),
                format!("{{{failure},\"data\":{{\"id\":{written}}}}}"),
                format!("{{\"order_id\":{written},\"data\":{{{failure}}}}}"),
            ] {
                prop_assert_eq!(decide(status, &text), Verdict::InDoubt, "{}", text);
            }
        }
    }
}
