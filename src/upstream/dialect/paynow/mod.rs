//! paynow's dialect: the family's, with rows of its own for cancels, and without refills.

use crate::upstream::dialect::question::{action, add, of_many, one_or_many, services};
use crate::upstream::dialect::{Ask, CallForm};

/// The parameters of a question, `action` first; none for what this dialect has no words for.
pub(super) fn form(ask: Ask<'_>) -> Option<CallForm> {
    match ask {
        Ask::Add(leg) => Some(add(leg)),
        Ask::Status(orders) => Some(one_or_many("status", "order", "orders", orders)),
        Ask::Cancel(orders) => Some(of_many("cancel", "orders", orders)),
        Ask::Services { from } => Some(services(from)),
        Ask::Balance => Some(action("balance")),
        Ask::Refill(_) | Ask::RefillStatus(_) => None,
    }
}

/// Every example of paynow's document, with values of our own.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::domain::id::PanelOrder;
    use crate::domain::money::{Money, Rate};
    use crate::domain::provider::{PanelDialect, PanelStatus, RefusalClass};
    use crate::upstream::answer::{CancelRow, OrderAnswer};
    use crate::upstream::dialect::SpokenDialect;

    fn paynow() -> SpokenDialect {
        SpokenDialect::new(PanelDialect::Paynow, BTreeMap::new())
    }

    fn orders<const N: usize>(ids: [&str; N]) -> [PanelOrder; N] {
        ids.map(|id| PanelOrder(id.into()))
    }

    #[test]
    fn paynow_service_list() {
        let text = r#"[
            {"service": 5, "name": "3-day Join", "type": "Default", "category": "Members", "rate": "41.50000",
             "min": 15, "max": 60000, "refill": false, "cancel": true},
            {"service": 6, "name": "Votes", "type": "Poll", "category": "Votes", "rate": "22.00000",
             "min": 12, "max": 30000, "refill": false, "cancel": true}
        ]"#;

        let catalog = paynow().catalog(text).unwrap();
        let [join, votes] = catalog.services.as_slice() else {
            panic!("{catalog:?}")
        };

        assert_eq!(
            (join.service.as_str(), join.min, join.max),
            ("5", 15, 60_000)
        );

        assert_eq!(
            (join.rate, join.rate_text.as_str()),
            (Rate::parse("41.5").ok(), "41.50000")
        );

        assert_eq!(
            (votes.kind.as_str(), votes.refill, votes.cancel),
            ("Poll", false, true)
        );
    }

    #[test]
    fn paynow_add_order() {
        assert_eq!(
            paynow().added(r#"{"order": 90017}"#).id,
            Some(PanelOrder("90017".into()))
        );
    }

    #[test]
    fn paynow_order_status() {
        let text = r#"{"charge": "812.5", "start_count": 0, "status": "In progress", "remains": 61, "currency": "UZS"}"#;
        let rows = paynow().rows(text, &orders(["90017"])).unwrap();
        let OrderAnswer::Said(report) = &rows[0].1 else {
            panic!("{rows:?}")
        };

        assert_eq!(
            (report.status, report.start_count, report.remains),
            (PanelStatus::InProgress, Some(0), Some(61))
        );

        assert_eq!(report.charge, Money::parse("812.5").ok());
    }

    #[test]
    fn paynow_possible_statuses() {
        for (word, status) in [
            ("Pending", PanelStatus::Pending),
            ("In progress", PanelStatus::InProgress),
            ("Completed", PanelStatus::Completed),
            ("Partial", PanelStatus::Partial),
            ("Cancelled", PanelStatus::Canceled),
        ] {
            let rows = paynow()
                .rows(
                    &format!(r#"{{"status": "{word}", "remains": 1}}"#),
                    &orders(["1"]),
                )
                .unwrap();
            assert!(
                matches!(&rows[0].1, OrderAnswer::Said(report) if report.status == status),
                "{rows:?}"
            );
        }
    }

    #[test]
    fn paynow_multiple_orders_status() {
        let text = r#"{
            "3": {"charge": "40", "start_count": 0, "status": "Completed", "remains": 0, "currency": "UZS"},
            "4": {"error": "Incorrect order ID"}
        }"#;

        let rows = paynow().rows(text, &orders(["3", "4"])).unwrap();
        assert!(matches!(&rows[0].1,
                OrderAnswer::Said(report) if report.status == PanelStatus::Completed));

        assert_eq!(
            rows[1].1,
            OrderAnswer::NotOurs {
                text: "Incorrect order ID".into()
            }
        );
    }

    #[test]
    fn paynow_cancel_order() {
        let rows = paynow()
            .cancel_rows(r#"[{"order": 3, "cancel": {"status": 1}}]"#, &orders(["3"]))
            .unwrap();

        assert_eq!(rows[0].1, CancelRow::Taken);
        let not = paynow()
            .cancel_rows(r#"[{"order": 3, "cancel": {"status": 0}}]"#, &orders(["3"]))
            .unwrap();
        assert!(matches!(not[0].1, CancelRow::Unclear(_)), "{not:?}");
    }

    #[test]
    fn paynow_user_balance() {
        let balance = paynow()
            .balance(r#"{"balance": "730118.20441", "currency": "UZS"}"#)
            .unwrap();

        assert_eq!(
            (balance.amount, balance.currency.as_deref()),
            (Money::parse("730118.20441").unwrap(), Some("UZS"))
        );
    }

    #[test]
    fn paynow_error_format() {
        use RefusalClass::{Action, Key, Link, Money, Parameters, Quantity, Service};
        for (text, class) in [
            ("Invalid API key", Some(Key)),
            ("Incorrect request", Some(Action)),
            ("Incorrect service ID", Some(Service)),
            ("Bad link", Some(Link)),
            ("Quantity less than minimum", Some(Quantity)),
            ("Quantity more than maximum", Some(Quantity)),
            ("Not enough funds on balance", Some(Money)),
            ("Answer number is required", Some(Parameters)),
            // Of a status; of an add it proves nothing.
            ("Incorrect order ID", None),
        ] {
            let added = paynow().added(&format!(r#"{{"error": "{text}"}}"#));
            assert_eq!((added.id, added.refusal), (None, class), "{text}");
        }
    }
}
