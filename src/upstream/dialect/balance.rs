//! The answer to the question for the balance.

use std::collections::BTreeMap;

use crate::domain::money::Money;
use crate::domain::provider::PanelWord;
use crate::upstream::answer::PanelBalance;
use crate::upstream::dialect::AnswerFault;
use crate::upstream::dialect::complaint::read_complaint;
use crate::upstream::scalar::{Fields, bare, read_amount, text_upto};

/// The longest name of a currency that is kept.
pub(super) const CURRENCY_BYTES_MAX: usize = 16;

/// Reads an amount as text or number; the currency where it is named.
pub(super) fn read_balance(
    text: &str,
    own: &BTreeMap<String, PanelWord>,
) -> Result<PanelBalance, AnswerFault> {
    let fields = Fields::read(bare(text)).ok_or(AnswerFault::Unreadable)?;
    if let Some(complaint) = read_complaint(&fields, own) {
        return Err(complaint);
    }

    let text = fields
        .first(&["balance"], read_amount)
        .ok_or(AnswerFault::Unreadable)?;

    let amount = Money::parse_rounding_up(&text).map_err(|_| AnswerFault::Unreadable)?;
    let currency = fields.first(&["currency"], |raw| text_upto(raw, CURRENCY_BYTES_MAX));

    Ok(PanelBalance {
        amount,
        text,
        currency,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::provider::RefusalClass;
    use crate::upstream::anything;

    #[test]
    fn balances_are_texts_or_numbers() {
        for (json, amount, currency) in [
            (
                r#"{"balance":"100.84292","currency":"USD"}"#,
                "100.84292",
                Some("USD"),
            ),
            (
                r#"{"balance":100.84292,"currency":" USD"}"#,
                "100.84292",
                Some("USD"),
            ),
            (
                "\u{feff} {\"balance\":1.5e2,\"currency\":\"UZS\",\"more\":{\"x\":1e999}}\r\n",
                "150.00",
                Some("UZS"),
            ),
            (
                r#"{"error":null,"balance":"12","currency":7}"#,
                "12.00",
                Some("7"),
            ),
            (r#"{"balance":0,"currency":{"code":"USD"}}"#, "0.00", None),
            (r#"{"balance":"0.00000000001"}"#, "0.00000001", None),
            (
                r#"{"status":"success","balance":"-3","currency":null}"#,
                "-3.00",
                None,
            ),
        ] {
            let read = read_balance(json, &BTreeMap::new()).unwrap();
            assert_eq!(
                (read.amount.to_string().as_str(), read.currency.as_deref()),
                (amount, currency),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_balance_is_a_complaint() {
        let read = |json: &str| read_balance(json, &BTreeMap::new()).unwrap_err();
        assert_eq!(
            read(r#"{"error":"Invalid API key"}"#),
            AnswerFault::Refused(RefusalClass::Key)
        );

        assert_eq!(
            read(r#"{"error":"Later","balance":"0"}"#),
            AnswerFault::Declined("Later".into())
        );

        assert_eq!(
            read(r#"{"status":"error","msg":"Rate limit exceeded"}"#),
            AnswerFault::Refused(RefusalClass::RateLimit)
        );

        for json in [
            "",
            "[]",
            "{}",
            "<html>",
            "100.5",
            r#"{"balance":"9"} <!-- 3 ms -->"#,
            r#"{"balance":null}"#,
            r#"{"balance":true}"#,
            r#"{"balance":""}"#,
            r#"{"balance":{"USD":"9"}}"#,
            r#"{"balance":"Unknown"}"#,
            r#"{"balance":"1,5"}"#,
            r#"{"balance":"$5"}"#,
            r#"{"balance":"9999999999999999999"}"#,
            r#"{"balance":1e31}"#,
        ] {
            assert_eq!(read(json), AnswerFault::Unreadable, "{json}");
        }

        for json in anything::bottomless() {
            assert_eq!(read(&json), AnswerFault::Unreadable);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_balance_or_a_complaint(
            text in prop_oneof![anything::text(),
                anything::json("balance|currency|error|status", "9.5|fail|USD")],
        ) {
            if let Ok(read) = read_balance(&text, &BTreeMap::new()) {
                prop_assert!(text.contains("\"balance\"")
                    && read.amount >= Money::parse("-999999999999999999").unwrap());
            }
        }

        #[test]
        fn an_amount_is_never_read_as_less_than_was_said(whole in 0u64..1_000_000,
            part in "[0-9]{1,11}") {
            let read = read_balance(&format!("{{\"balance\":\"{whole}.{part}\"}}"),
                &BTreeMap::new()).unwrap();
            let kept = Money::parse(&format!("{whole}.{}", &part[..part.len().min(8)])).unwrap();
            let lost = part.bytes().skip(8).any(|digit| digit != b'0');
            let more = if lost { Money::parse("0.00000001").unwrap() } else { Money::ZERO };
            prop_assert_eq!(read.amount, kept.plus(more).unwrap());
        }
    }
}
