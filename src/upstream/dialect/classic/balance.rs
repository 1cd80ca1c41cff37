//! The answer to the question for the balance.

use std::collections::BTreeMap;

use crate::domain::money::Money;
use crate::domain::provider::PanelWord;
use crate::upstream::answer::PanelBalance;
use crate::upstream::dialect::Complaint;
use crate::upstream::dialect::classic::complaint::complaint;
use crate::upstream::scalar::{Fields, amount, bare, text_upto};

/// The longest name of a currency that is kept.
const CURRENCY_BYTES_MAX: usize = 16;

/// Reads an amount as text or number; the currency where it is named.
pub(in crate::upstream::dialect) fn balance(
    text: &str,
    own: &BTreeMap<String, PanelWord>,
) -> Result<PanelBalance, Complaint> {
    let fields = Fields::read(bare(text)).ok_or(Complaint::Unreadable)?;
    if let Some(complaint) = complaint(&fields, own) {
        return Err(complaint);
    }
    let text = fields.first(&["balance"], amount).ok_or(Complaint::Unreadable)?;
    let amount = Money::parse_rounding_up(&text).map_err(|_| Complaint::Unreadable)?;
    let currency = fields.first(&["currency"], |raw| text_upto(raw, CURRENCY_BYTES_MAX));
    Ok(PanelBalance { amount, text, currency })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::RefusalClass;

    #[test]
    fn balances_are_texts_or_numbers() {
        for (json, amount, currency) in [
            (r#"{"balance":"100.84292","currency":"USD"}"#, "100.84292", Some("USD")),
            (r#"{"balance":100.84292,"currency":" USD"}"#, "100.84292", Some("USD")),
            (r#"{"balance":"0.00000000001"}"#, "0.00000001", None),
            (r#"{"status":"success","balance":"-3","currency":null}"#, "-3.00", None),
        ] {
            let read = balance(json, &BTreeMap::new()).unwrap();
            assert_eq!((read.amount.to_string().as_str(), read.currency.as_deref()), (amount, currency), "{json}");
        }
    }

    #[test]
    fn what_is_no_balance_is_a_complaint() {
        let read = |json| balance(json, &BTreeMap::new()).unwrap_err();
        assert_eq!(read(r#"{"error":"Invalid API key"}"#), Complaint::Refused(RefusalClass::Key));
        assert_eq!(read(r#"{"error":"Later","balance":"0"}"#), Complaint::Declined("Later".into()));
        for json in ["", "[]", "{}", "<html>", r#"{"balance":null}"#, r#"{"balance":"1,5"}"#] {
            assert_eq!(read(json), Complaint::Unreadable, "{json}");
        }
    }
}
