//! Answers to refills and cancels, as panels give them.

use proptest::prelude::*;

use super::*;

fn read_one(text: &str) -> ReadRefill {
    read_refill(text, &PanelOrder("5".into()), &Words::new())
}

#[test]
fn a_refill_is_taken_with_an_id_or_without() {
    let id = |id: &str| ReadRefill::Taken(Some(PanelRefill(id.into())));
    for (text, read) in [
        (r#"{"refill":"1"}"#, id("1")),
        (r#"{"refill":1}"#, id("1")),
        (r#"{"refill":"ref_01H"}"#, id("ref_01H")),
        (r#"{"success":"taken","refill":12345}"#, id("12345")),
        (r#"{"data":{"refill_id":7}}"#, id("7")),
        (r#"[{"order":5,"refill":9}]"#, id("9")),
        (
            r#"{"success":"It will be refilled"}"#,
            ReadRefill::Taken(None),
        ),
        (
            r#"{"success":"Your order will be refill asap. Thank you for patience"}"#,
            ReadRefill::Taken(None),
        ),
        (r#"{"status":"ok"}"#, ReadRefill::Taken(None)),
        (r#"{"refill":true}"#, ReadRefill::Taken(None)),
        (
            r#"{"error":"Refill is disabled"}"#,
            ReadRefill::Refused("Refill is disabled".into()),
        ),
        (
            r#"{"error":"Refill limit reached (3 per order)"}"#,
            ReadRefill::Refused("Refill limit reached (3 per order)".into()),
        ),
        (
            r#"{"error":"Service does not support refills"}"#,
            ReadRefill::Refused("Service does not support refills".into()),
        ),
        (
            r#"{"error":"Invalid API key"}"#,
            ReadRefill::Refused("Invalid API key".into()),
        ),
        (
            r#"{"refill":{"error":"Order not found"}}"#,
            ReadRefill::Refused("Order not found".into()),
        ),
        (
            r#"[{"order":5,"refill":{"error":"Order not found"}}]"#,
            ReadRefill::Refused("Order not found".into()),
        ),
        (r#"{"error":"Internal server error"}"#, ReadRefill::Unclear),
        (r#"{"refill":{"error":"too early"}}"#, ReadRefill::Unclear),
        (
            r#"{"error":"Order not found, so it was queued"}"#,
            ReadRefill::Unclear,
        ),
        (
            r#"{"error":"Order not found","task":77777}"#,
            ReadRefill::Unclear,
        ),
        (r#"[{"order":99999,"refill":777}]"#, ReadRefill::Unclear),
        (r#"{"order_id":99999,"refill":777}"#, ReadRefill::Unclear),
        (
            r#"[{"order":5,"refill":7},{"order":6,"refill":8}]"#,
            ReadRefill::Unclear,
        ),
        (r#"{"refill":"success"}"#, ReadRefill::Taken(None)),
        (r#"{"refill":7,"error":"too early"}"#, ReadRefill::Unclear),
        (
            r#"{"refill":7,"status":"fail","message":"too early"}"#,
            ReadRefill::Unclear,
        ),
        (r#"{"refill":7,"success":false}"#, ReadRefill::Unclear),
        (
            r#"{"data":{"refill_id":7},"error":"too early"}"#,
            ReadRefill::Unclear,
        ),
        (
            r#"[{"order":5,"refill":9,"error":"too early"}]"#,
            ReadRefill::Unclear,
        ),
        (r#"{"refill":"failed"}"#, ReadRefill::Unclear),
        (r#"{"success":"ok","status":"fail"}"#, ReadRefill::Unclear),
        (r#"{"refill":0}"#, ReadRefill::Unclear),
        (r#"{"refill":null,"success":false}"#, ReadRefill::Unclear),
        ("<html>", ReadRefill::Unclear),
        ("", ReadRefill::Unclear),
        ("{}", ReadRefill::Unclear),
    ] {
        assert_eq!(read_one(text), read, "{text}");
    }
}

#[test]
fn refills_stand_where_panels_say() {
    let asked = ["1", "3", "5"].map(|id| PanelRefill(id.into()));
    let said = |state, text: &str| RefillRow::Said(state, text.to_owned());
    let unclear = |text: &str| RefillRow::Unclear(text.to_owned());

    for text in [
        r#"[{"refill":1,"status":"Completed"},{"refill":3,"status":{"error":"Refill not found"}},{"refill":"5","status":"In progess"}]"#,
        r#"[{"refill":"1","status":"completed"},{"refill":"3","error":"Refill not found"},{"refill":5,"status":"in progess"}]"#,
        r#"{"1":{"status":"Completed"},"3":{"error":"Refill not found"},"5":{"status":"In progess"}}"#,
    ] {
        let rows: Vec<_> = refill_rows(text, &asked, &Words::new())
            .unwrap()
            .into_iter()
            .map(|(_, row)| row)
            .collect();
        assert!(
            matches!(&rows[0], RefillRow::Said(RefillState::Completed, _)),
            "{text}"
        );
        assert_eq!(rows[1], unclear("Refill not found"));
        assert!(
            matches!(&rows[2], RefillRow::Said(RefillState::InProgress, _)),
            "{text}"
        );
    }

    let one =
        |text: &str| refill_rows(text, &asked[..1], &Words::new()).map(|mut rows| rows.remove(0).1);

    for (word, state) in [
        ("Completed", RefillState::Completed),
        ("Rejected", RefillState::Rejected),
        ("Canceled", RefillState::Rejected),
        ("Error", RefillState::Rejected),
        ("Pending", RefillState::InProgress),
        ("In progress", RefillState::InProgress),
    ] {
        assert_eq!(
            one(&format!(r#"{{"status":"{word}"}}"#)),
            Ok(said(state, word)),
            "{word}"
        );
    }

    assert_eq!(one(r#"{"status":"Dancing"}"#), Ok(unclear("Dancing")));
    assert!(matches!(
        one(r#"{"error":"Incorrect request"}"#),
        Err(AnswerFault::Refused(_))
    ));

    assert_eq!(one("<html>"), Err(AnswerFault::Unreadable));
    assert_eq!(
        refill_rows("[]", &asked, &Words::new()).unwrap()[0].1,
        unclear("missing")
    );
}

#[test]
fn cancels_are_promised_in_many_shapes() {
    let asked = ["2", "9"].map(|id| PanelOrder(id.into()));
    let rows = |text: &str| {
        let rows = cancel_rows(text, &asked, &Words::new());
        rows.map(|rows| rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())
    };

    let no = CancelRow::Refused("Incorrect order ID".into());
    for text in [
        r#"[{"order":9,"cancel":{"error":"Incorrect order ID"}},{"order":2,"cancel":1}]"#,
        r#"[{"order":"2","cancel":{"status":1}},{"order":"9","error":"Incorrect order ID"}]"#,
        r#"{"2":{"cancel":"2"},"9":"Incorrect order ID"}"#,
        r#"{"2":1,"9":{"error":"Incorrect order ID"}}"#,
    ] {
        assert_eq!(rows(text), Ok(vec![CancelRow::Taken, no.clone()]), "{text}");
    }

    for text in [
        r#"{"success":"asked"}"#,
        r#"{"ok":"true"}"#,
        r#"{"cancel":1}"#,
        r#"{"status":"success"}"#,
    ] {
        assert_eq!(rows(text), Ok(vec![CancelRow::TakenTogether; 2]), "{text}");
    }

    assert!(matches!(
        rows(r#"{"error":"Incorrect request"}"#),
        Err(AnswerFault::Refused(_))
    ));

    assert!(matches!(
        rows(r#"{"error":"Not today"}"#),
        Err(AnswerFault::Declined(_))
    ));

    assert_eq!(rows("<html>"), Err(AnswerFault::Unreadable));
    let unclear = rows(r#"[{"order":2,"cancel":0}]"#).unwrap();
    assert!(
        unclear
            .iter()
            .all(|row| matches!(row, CancelRow::Unclear(_))),
        "{unclear:?}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[\\[\\]{}\":,a-z0-9 ]{0,60}") {
        let _ = read_one(&text);
        let _ = refill_rows(&text, &[PanelRefill("1".into())], &Words::new());
        let _ = cancel_rows(&text, &[PanelOrder("1".into())], &Words::new());
    }
}
