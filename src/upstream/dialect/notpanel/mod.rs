//! notpanel's dialect: letters as ids, refusals under HTTP statuses of their own, and adds that it
//! knows again.

use crate::domain::leg::LeasedLeg;
use crate::upstream::dialect::question::{self, action, of_many, of_one, one_or_many, services};
use crate::upstream::dialect::{Ask, CallForm};

/// What is said of a name under which something else was ordered before.
const USED: &str = "request_id was used";

/// The parameters of a question, `action` first.
pub(super) fn form(ask: Ask<'_>) -> CallForm {
    match ask {
        Ask::Add(leg) => add(leg),
        Ask::Status(orders) => one_or_many("status", "order", "orders", orders),
        Ask::Refill(order) => of_one("refill", "order", order),
        Ask::RefillStatus(refills) => one_or_many("refill_status", "refill", "refills", refills),
        // As a list, so that each order's refusal stands in a row of its own.
        Ask::Cancel(orders) => of_many("cancel", "orders", orders),
        Ask::Services { from } => services(from),
        Ask::Balance => action("balance"),
    }
}

/// No add without a name: the panel answers the same name with the same order for ever.
fn add(leg: &LeasedLeg) -> CallForm {
    let mut form = question::add(leg);
    form.push(("request_id", request_id(leg)));
    form
}

/// The name of a leg's add, the same at every attempt: nobody can guess it, and no other leg has
/// it.
pub(super) fn request_id(leg: &LeasedLeg) -> String {
    format!("pg-{}-{}", leg.public.letters(), leg.n)
}

/// Whether a refusal says that the panel knows the name, and something else by it.
pub(super) fn is_of_another(text: &str) -> bool {
    text.trim().to_lowercase().starts_with(USED)
}

/// Every example of notpanel's documents, with values of our own.
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::domain::id::{PanelOrder, PanelRefill};
    use crate::domain::leg::Verdict;
    use crate::domain::provider::{PanelDialect, PanelStatus, RefusalClass};
    use crate::domain::refill::RefillState;
    use crate::upstream::answer::{CancelRow, OrderAnswer, RefillRow};
    use crate::upstream::classify::classify_add;
    use crate::upstream::dialect::{AnswerFault, ReadRefill, SpokenDialect};

    fn notpanel() -> SpokenDialect {
        SpokenDialect::new(PanelDialect::Notpanel, BTreeMap::new())
    }

    fn orders<const N: usize>(ids: [&str; N]) -> [PanelOrder; N] {
        ids.map(|id| PanelOrder(id.into()))
    }

    fn error(text: &str) -> String {
        format!(r#"{{"error":"{text}"}}"#)
    }

    fn order(id: &str) -> PanelOrder {
        PanelOrder(id.into())
    }

    #[test]
    fn notpanel_request_refill() {
        assert_eq!(
            notpanel().refill(r#"{"refill": "ref_01K3AB"}"#, &order("ord_01K3AA")),
            ReadRefill::Taken(Some(PanelRefill("ref_01K3AB".into())))
        );
    }

    #[test]
    fn notpanel_request_refill_errors() {
        for text in [
            "Order not found",
            "Refill only available for completed or partial orders",
            "Service does not support refills",
            "A refill request is already pending for this order",
            "Refill limit reached (5 per order)",
        ] {
            assert_eq!(
                notpanel().refill(&error(text), &order("ord_01K3AA")),
                ReadRefill::Refused(text.into())
            );
        }
    }

    #[test]
    fn notpanel_multi_refill_response() {
        let taken = r#"[{"order": "ord_01K3AA", "refill": "ref_01K3AB"}]"#;
        assert_eq!(
            notpanel().refill(taken, &order("ord_01K3AA")),
            ReadRefill::Taken(Some(PanelRefill("ref_01K3AB".into())))
        );

        let refused = r#"[{"order": "ord_01K3AC", "error": "Service does not support refills"}]"#;
        assert_eq!(
            notpanel().refill(refused, &order("ord_01K3AC")),
            ReadRefill::Refused("Service does not support refills".into())
        );
    }

    #[test]
    fn notpanel_refill_status() {
        let one = notpanel()
            .refill_rows(r#"{"status": "completed"}"#, &[PanelRefill("ref_1".into())])
            .unwrap();

        assert_eq!(
            one[0].1,
            RefillRow::Said(RefillState::Completed, "completed".into())
        );

        let asked = ["ref_1", "ref_2", "ref_3"].map(|id| PanelRefill(id.into()));
        let text = r#"[{"refill":"ref_1","status":"in_progress"},{"refill":"ref_2","error":"Refill not found"},
            {"refill":"ref_3","status":"rejected"}]"#;
        let rows = notpanel().refill_rows(text, &asked).unwrap();
        assert_eq!(
            rows[0].1,
            RefillRow::Said(RefillState::InProgress, "in_progress".into())
        );

        assert_eq!(rows[1].1, RefillRow::Unclear("Refill not found".into()));
        assert_eq!(
            rows[2].1,
            RefillRow::Said(RefillState::Rejected, "rejected".into())
        );
    }

    #[test]
    fn notpanel_errors_status_codes() {
        let id = r#"{"order":"ord_01K3AA"}"#;
        for status in [200, 400, 500] {
            let accepted = classify_add(status, notpanel().added(id));
            assert_eq!(
                accepted,
                Verdict::Accepted(PanelOrder("ord_01K3AA".into())),
                "{status}"
            );
        }

        for (status, text, read) in [
            (
                400,
                "Missing required parameter: link",
                Verdict::Refused(RefusalClass::Parameters),
            ),
            (
                400,
                "Invalid parameter: quantity",
                Verdict::Refused(RefusalClass::Parameters),
            ),
            (
                403,
                "Account suspended",
                Verdict::Refused(RefusalClass::Key),
            ),
            (
                429,
                "Rate limit exceeded",
                Verdict::Refused(RefusalClass::RateLimit),
            ),
            (500, "Internal server error", Verdict::InDoubt),
            (500, "Service not found", Verdict::InDoubt),
            (403, "Forbidden", Verdict::InDoubt),
        ] {
            assert_eq!(
                classify_add(status, notpanel().added(&error(text))),
                read,
                "{status} {text}"
            );
        }
    }

    #[test]
    fn notpanel_example_error_bodies() {
        for (text, class) in [
            (
                "Missing required parameter: quantity",
                RefusalClass::Parameters,
            ),
            ("Invalid API key", RefusalClass::Key),
            ("Insufficient balance", RefusalClass::Money),
            ("Service not found", RefusalClass::Service),
            ("Rate limit exceeded", RefusalClass::RateLimit),
        ] {
            assert_eq!(
                notpanel().added(&error(text)).refusal,
                Some(class),
                "{text}"
            );
            assert_eq!(
                notpanel().balance(&error(text)),
                Err(AnswerFault::Refused(class)),
                "{text}"
            );
        }
    }

    #[test]
    fn notpanel_idempotency_and_retries() {
        let used = notpanel().added(&error("request_id was used for a different order"));
        assert_eq!(
            (used.id.clone(), used.refusal),
            (None, None),
            "of the order that is meant it proves nothing"
        );

        assert!(notpanel().is_of_another(&used));
        assert!(!notpanel().is_of_another(&notpanel().added(&error("Insufficient balance"))));
        let classic = SpokenDialect::new(PanelDialect::Classic, BTreeMap::new());
        assert!(
            !classic.is_of_another(&used),
            "a dialect without such names"
        );
    }

    #[test]
    fn notpanel_cancel() {
        let rows = notpanel()
            .cancel_rows(r#"{"cancel": "ord_01K3AA"}"#, &orders(["ord_01K3AA"]))
            .unwrap();
        assert_eq!(rows[0].1, CancelRow::Taken);
    }

    #[test]
    fn notpanel_cancel_errors() {
        for text in [
            "Order not found",
            "Order cannot be cancelled (already partial)",
            "Service does not support cancellation",
        ] {
            let rows = notpanel().cancel_rows(&error(text), &orders(["ord_1"]));
            assert_eq!(rows, Err(AnswerFault::Declined(text.into())));
        }
    }

    #[test]
    fn notpanel_multi_cancel_response() {
        let text = r#"[{"order": "ord_1", "cancel": "ord_1"}, {"order": "ord_2", "error": "Order already partial"}]"#;
        let rows = notpanel()
            .cancel_rows(text, &orders(["ord_1", "ord_2"]))
            .unwrap();

        assert_eq!(
            (&rows[0].1, &rows[1].1),
            (
                &CancelRow::Taken,
                &CancelRow::Refused("Order already partial".into())
            )
        );
    }

    #[test]
    fn notpanel_statuses_of_orders() {
        let asked = orders(["ord_1", "ord_2", "ord_3", "ord_4"]);
        let text = r#"{"ord_1":{"charge":"0.5","start_count":"7","status":"in_progress","remains":"30","currency":"USD"},
            "ord_2":{"charge":"0","status":"cancelled","remains":"9"},"ord_3":{"charge":"0","status":"refunded","remains":"0"},
            "ord_4":{"error":"Order not found"}}"#;

        let rows = notpanel().rows(text, &asked).unwrap();
        let status = |row: &OrderAnswer| match row {
            OrderAnswer::Said(report) => Some(report.status),
            OrderAnswer::UnknownStatus { .. }
            | OrderAnswer::Error { .. }
            | OrderAnswer::NotOurs { .. }
            | OrderAnswer::Missing => None,
        };

        let read: Vec<_> = rows.iter().map(|(_, row)| status(row)).collect();
        let canceled = Some(PanelStatus::Canceled);
        assert_eq!(
            read,
            [Some(PanelStatus::InProgress), canceled, canceled, None]
        );

        assert_eq!(
            rows[3].1,
            OrderAnswer::NotOurs {
                text: "Order not found".into()
            }
        );
    }
}
