//! The PerfectPanel family's dialect: whole numbers as ids, refusals under HTTP 200, cancels always
//! as a list.

use crate::upstream::dialect::question::{action, add, of_many, of_one, one_or_many, services};
use crate::upstream::dialect::{Ask, CallForm};

/// The parameters of a question, `action` first.
pub(super) fn form(ask: Ask<'_>) -> CallForm {
    match ask {
        Ask::Add(leg) => add(leg),
        Ask::Status(orders) => one_or_many("status", "order", "orders", orders),
        Ask::Refill(order) => of_one("refill", "order", order),
        Ask::RefillStatus(refills) => one_or_many("refill_status", "refill", "refills", refills),
        Ask::Cancel(orders) => of_many("cancel", "orders", orders),
        Ask::Services { from } => services(from),
        Ask::Balance => action("balance"),
    }
}

/// Every example of smosale's document, with values of our own.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::domain::id::{PanelOrder, PanelRefill};
    use crate::domain::money::{Money, Rate};
    use crate::domain::provider::{PanelDialect, PanelStatus};
    use crate::domain::refill::RefillState;
    use crate::upstream::answer::{CancelRow, OrderAnswer, RefillRow};
    use crate::upstream::dialect::{ReadRefill, SpokenDialect};

    fn smosale() -> SpokenDialect {
        SpokenDialect::new(PanelDialect::Classic, BTreeMap::new())
    }

    fn orders<const N: usize>(ids: [&str; N]) -> [PanelOrder; N] {
        ids.map(|id| PanelOrder(id.into()))
    }

    fn order(id: &str) -> PanelOrder {
        PanelOrder(id.into())
    }

    #[test]
    fn smosale_service_list() {
        let text = r#"[
            {"service": 41, "name": "Likes", "type": "Default", "category": "Hearts", "rate": "0.35", "min": "20",
             "max": "4000", "refill": true, "cancel": true},
            {"service": 42, "name": "Words", "type": "Custom Comments", "category": "Talk", "rate": "7", "min": "5",
             "max": "900", "refill": false, "cancel": true}
        ]"#;

        let catalog = smosale().catalog(text).unwrap();
        let [likes, words] = catalog.services.as_slice() else {
            panic!("{catalog:?}")
        };

        assert_eq!(
            (
                likes.service.as_str(),
                likes.kind.as_str(),
                likes.min,
                likes.max
            ),
            ("41", "Default", 20, 4_000)
        );

        assert_eq!(
            (likes.rate, likes.refill, likes.cancel),
            (Rate::parse("0.35").ok(), true, true)
        );

        assert_eq!(
            (words.kind.as_str(), words.rate, words.refill),
            ("Custom Comments", Rate::parse("7").ok(), false)
        );
    }

    #[test]
    fn smosale_add_order() {
        assert_eq!(
            smosale().added(r#"{"order": 77012}"#).id,
            Some(PanelOrder("77012".into()))
        );
    }

    #[test]
    fn smosale_order_status() {
        let text = r#"{"charge": "0.41182", "start_count": "912", "status": "Partial", "remains": "38", "currency": "USD"}"#;
        let rows = smosale().rows(text, &orders(["77012"])).unwrap();
        let OrderAnswer::Said(report) = &rows[0].1 else {
            panic!("{rows:?}")
        };

        assert_eq!(
            (report.status, report.start_count, report.remains),
            (PanelStatus::Partial, Some(912), Some(38))
        );

        assert_eq!(report.charge, Money::parse("0.41182").ok());
    }

    #[test]
    fn smosale_multiple_orders_status() {
        let text = r#"{
            "7": {"charge": "0.5", "start_count": "3", "status": "Partial", "remains": "9", "currency": "USD"},
            "8": {"error": "Incorrect order ID"},
            "9": {"charge": "1.2", "start_count": "4", "status": "In progress", "remains": "1", "currency": "USD"}
        }"#;

        let rows = smosale().rows(text, &orders(["7", "8", "9"])).unwrap();
        assert!(
            matches!(&rows[0].1, OrderAnswer::Said(report) if report.status == PanelStatus::Partial)
        );

        assert_eq!(
            rows[1].1,
            OrderAnswer::NotOurs {
                text: "Incorrect order ID".into()
            }
        );

        assert!(matches!(&rows[2].1,
                OrderAnswer::Said(report) if report.status == PanelStatus::InProgress));
    }

    #[test]
    fn smosale_create_refill() {
        assert_eq!(
            smosale().refill(r#"{"refill": "31"}"#, &order("7")),
            ReadRefill::Taken(Some(PanelRefill("31".into())))
        );
    }

    #[test]
    fn smosale_create_multiple_refill() {
        let taken = r#"[{"order": 7, "refill": 31}]"#;
        assert_eq!(
            smosale().refill(taken, &order("7")),
            ReadRefill::Taken(Some(PanelRefill("31".into())))
        );

        let refused = r#"[{"order": 8, "refill": {"error": "Incorrect order ID"}}]"#;
        assert_eq!(
            smosale().refill(refused, &order("8")),
            ReadRefill::Refused("Incorrect order ID".into())
        );
    }

    #[test]
    fn smosale_get_refill_status() {
        let rows = smosale()
            .refill_rows(r#"{"status": "Completed"}"#, &[PanelRefill("31".into())])
            .unwrap();

        assert_eq!(
            rows[0].1,
            RefillRow::Said(RefillState::Completed, "Completed".into())
        );
    }

    #[test]
    fn smosale_get_multiple_refill_status() {
        let text = r#"[
            {"refill": 31, "status": "Completed"},
            {"refill": 32, "status": "Rejected"},
            {"refill": 33, "status": {"error": "Refill not found"}}
        ]"#;

        let rows = smosale()
            .refill_rows(text, &["31", "32", "33"].map(|id| PanelRefill(id.into())))
            .unwrap();

        assert_eq!(
            rows[0].1,
            RefillRow::Said(RefillState::Completed, "Completed".into())
        );

        assert_eq!(
            rows[1].1,
            RefillRow::Said(RefillState::Rejected, "Rejected".into())
        );

        assert_eq!(rows[2].1, RefillRow::Unclear("Refill not found".into()));
    }

    #[test]
    fn smosale_create_cancel() {
        let text = r#"[{"order": 9, "cancel": {"error": "Incorrect order ID"}}, {"order": 7, "cancel": 1}]"#;
        let rows = smosale().cancel_rows(text, &orders(["7", "9"])).unwrap();
        assert_eq!(
            (&rows[0].1, &rows[1].1),
            (
                &CancelRow::Taken,
                &CancelRow::Refused("Incorrect order ID".into())
            )
        );
    }

    #[test]
    fn smosale_user_balance() {
        let balance = smosale()
            .balance(r#"{"balance": "52.10937", "currency": "USD"}"#)
            .unwrap();

        assert_eq!(
            (balance.amount, balance.currency.as_deref()),
            (Money::parse("52.10937").unwrap(), Some("USD"))
        );
    }
}
