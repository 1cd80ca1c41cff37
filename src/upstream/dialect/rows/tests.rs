//! Answers to statuses, of one order and of many.

use proptest::prelude::*;

use super::*;
use crate::domain::provider::RefusalClass;
use crate::upstream::anything;

fn ids<const N: usize>(ids: [&str; N]) -> [PanelOrder; N] {
    ids.map(|id| PanelOrder(id.into()))
}

fn read(text: &str, asked: &[PanelOrder]) -> Result<Vec<OrderAnswer>, AnswerFault> {
    let rows = read_rows(text, asked, &Words::new())?;
    assert!(
        rows.iter().map(|(order, _)| order).eq(asked),
        "a row for each, in their order"
    );

    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn one(text: &str) -> OrderAnswer {
    read(text, &ids(["7"])).unwrap().remove(0)
}

fn report(row: OrderAnswer) -> Report {
    match row {
        OrderAnswer::Said(report) => report,
        OrderAnswer::UnknownStatus { .. }
        | OrderAnswer::NotOurs { .. }
        | OrderAnswer::Error { .. }
        | OrderAnswer::Missing => panic!("{row:?}"),
    }
}

#[test]
fn one_order_is_read_with_its_numbers_however_they_are_written() {
    let full = one(
        r#"{"charge":"0.27819000001","start_count":"3572","status":"Partial","remains":157,"currency":"USD"}"#,
    );

    let expected = Report {
        status: PanelStatus::Partial,
        status_text: "Partial".into(),
        charge: Some(Money::parse("0.27819001").unwrap()),
        charge_text: Some("0.27819000001".into()),
        currency: Some("USD".into()),
        start_count: Some(3_572),
        remains: Some(157),
        remains_text: Some("157".into()),
    };

    assert_eq!(report(full), expected);
    let numbers = report(one(
        r#"{"charge":2.0e-5,"start_counter":10,"status":"In progress","remains":"-3"}"#,
    ));

    assert_eq!(numbers.charge, Some(Money::parse("0.00002").unwrap()));
    assert_eq!((numbers.start_count, numbers.remains), (Some(10), Some(-3)));
    assert_eq!(numbers.charge_text.as_deref(), Some("2.0e-5"));
    let bare = report(one(
        r#"{"status":1,"start_count":null,"remains":"Unknown","charge":"free"}"#,
    ));

    assert_eq!(
        (bare.status, bare.start_count, bare.remains),
        (PanelStatus::Processing, None, None)
    );

    assert_eq!(
        (bare.charge, bare.charge_text.as_deref()),
        (None, Some("free"))
    );

    let drip = report(one(r#"{"status":"Active","runs":"3","orders":["1","2"]}"#));
    assert_eq!(
        (drip.status, drip.charge, drip.remains),
        (PanelStatus::InProgress, None, None)
    );
}

#[test]
fn numbers_out_of_all_bounds_are_kept_where_they_are_numbers() {
    for (written, remains) in [
        ("-7", Some(-7)),
        ("\"-7.00\"", Some(-7)),
        ("\" 12 \"", Some(12)),
        ("1e2", Some(100)),
        ("9223372036854775807", Some(i64::MAX)),
        ("\"-9223372036854775808\"", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("1e30", None),
        ("0.5", None),
        ("\"twelve\"", None),
        ("\"1 000\"", None),
        ("\"\"", None),
        ("[7]", None),
        ("true", None),
    ] {
        let row = report(one(&format!(
            r#"{{"status":"Partial","charge":"0.1","remains":{written}}}"#
        )));
        assert_eq!(
            (row.remains, row.charge),
            (remains, Some(Money::parse("0.1").unwrap())),
            "{written}"
        );
    }

    for (written, charge) in [
        ("\"0.27819000001\"", Some("0.27819001")),
        ("0.00000000001", Some("0.00000001")),
        (
            "\"999999999999999999.99999999999\"",
            Some("1000000000000000000.00"),
        ),
        ("-0.5", Some("-0.50")),
        ("\"9999999999999999999\"", None),
        ("\"0,27\"", None),
        ("\"$0.27\"", None),
        ("null", None),
        ("{}", None),
    ] {
        let row = report(one(&format!(
            r#"{{"status":"Completed","charge":{written},"remains":1}}"#
        )));
        let read = row.charge.map(|charge| charge.to_string());
        assert_eq!(
            (read.as_deref(), row.remains),
            (charge, Some(1)),
            "{written}"
        );
    }
}

#[test]
fn orders_without_money_have_a_status_only() {
    for (text, status) in [
        (
            r#"{"status":"Completed","runs":"3","orders":["7","8"]}"#,
            PanelStatus::Completed,
        ),
        (
            r#"{"status":"Active","expiry":"01/02/2030","posts":"5","orders":[]}"#,
            PanelStatus::InProgress,
        ),
        (
            r#"{"status":"Expired","expiry":null,"posts":0,"orders":"7"}"#,
            PanelStatus::Expired,
        ),
    ] {
        let row = report(one(text));
        assert_eq!(
            (row.status, row.charge, row.remains, row.start_count),
            (status, None, None, None),
            "{text}"
        );
    }
}

#[test]
fn ids_past_64_bits_and_ids_of_letters_find_their_rows() {
    let asked = ids(["99999999999999999999999999", "ord_01H\"x", "3f2c-11"]);
    for text in [
        "\u{feff}\n{\"99999999999999999999999999\":{\"status\":\"Completed\"},\"ord_01H\\\"x\"\
             :{\"status\":\"Partial\"},\"3f2c-11\":\"gone\"}\n",
        r#"[{"order_id":99999999999999999999999999,"status":"Completed"},{"id":"ord_01H\"x","status":"Partial"},{"orderID":"3f2c-11","error":{"message":"gone"}}]"#,
    ] {
        let rows = read(text, &asked).unwrap();
        assert_eq!(
            report(rows[0].clone()).status,
            PanelStatus::Completed,
            "{text}"
        );
        assert_eq!(report(rows[1].clone()).status, PanelStatus::Partial);
        assert_eq!(
            rows[2],
            OrderAnswer::Error {
                text: "gone".into()
            }
        );
    }
}

#[test]
fn a_row_that_is_none_is_missing_and_spoils_no_other() {
    for bad in [
        "null",
        "7",
        "true",
        "[]",
        "\"\"",
        "\"\\ud800\"",
        "[{\"status\":\"Completed\"}]",
    ] {
        let rows = read(
            &format!(r#"{{"1":{bad},"10":{{"status":"Completed"}}}}"#),
            &ids(["1", "10"]),
        )
        .unwrap();
        assert_eq!(
            (&rows[0], report(rows[1].clone()).status),
            (&OrderAnswer::Missing, PanelStatus::Completed),
            "{bad}"
        );
    }
}

#[test]
fn one_order_may_be_answered_like_several() {
    assert_eq!(
        report(one(r#"{"7":{"status":"Completed"}}"#)).status,
        PanelStatus::Completed
    );

    assert_eq!(
        report(one(r#"[{"order":7,"status":"Completed"}]"#)).status,
        PanelStatus::Completed
    );

    assert_eq!(one("[]"), OrderAnswer::Missing);
}

#[test]
fn an_error_is_believed_before_a_status() {
    let complaint = |text| read(text, &ids(["7"])).unwrap_err();
    assert_eq!(
        complaint(r#"{"error":"Incorrect order ID","status":"Completed"}"#),
        AnswerFault::Declined("Incorrect order ID".into())
    );

    assert_eq!(
        complaint(r#"{"error":"Invalid API key"}"#),
        AnswerFault::Refused(RefusalClass::Key)
    );

    assert_eq!(
        complaint(r#"{"status":"fail","message":"no"}"#),
        AnswerFault::Declined("no".into())
    );
}

#[test]
fn a_failure_without_a_figure_may_be_the_questions_own() {
    for text in [
        r#"{"status":"fail"}"#,
        r#"{"status":"fail","data":null}"#,
        r#"{"7":{"status":"Error"}}"#,
    ] {
        assert!(
            matches!(one(text), OrderAnswer::UnknownStatus { .. }),
            "{text}"
        );
    }

    assert_eq!(
        report(one(r#"{"status":"fail","charge":"0.1"}"#)).status,
        PanelStatus::Failed
    );
}

#[test]
fn several_are_read_from_an_object_or_an_array() {
    let asked = ids(["1", "10", "100", "ord_a", "5"]);
    for text in [
        r#"{"1":{"status":"Completed"},"10":{"error":"Incorrect order ID"},"100":"Incorrect order ID","ord_a":{"status":"Zzz"}}"#,
        r#"[{"order":"1","status":"Completed"},{"order":10,"error":"Incorrect order ID"},
                {"order":100,"status":{"x":1},"error":"Incorrect order ID"},{"order":"ord_a","status":"Zzz"},"junk"]"#,
    ] {
        let rows = read(text, &asked).unwrap();
        assert_eq!(report(rows[0].clone()).status, PanelStatus::Completed);
        assert_eq!(
            rows[1],
            OrderAnswer::NotOurs {
                text: "Incorrect order ID".into()
            }
        );
        assert_eq!(
            rows[2],
            OrderAnswer::NotOurs {
                text: "Incorrect order ID".into()
            }
        );
        assert_eq!(rows[3], OrderAnswer::UnknownStatus { text: "Zzz".into() });
        assert_eq!(rows[4], OrderAnswer::Missing);
    }

    assert_eq!(read("[]", &asked).unwrap(), vec![OrderAnswer::Missing; 5]);
    assert_eq!(read("{}", &asked).unwrap(), vec![OrderAnswer::Missing; 5]);
}

#[test]
fn what_answers_another_question_is_no_answer() {
    let asked = ids(["1", "10"]);
    assert_eq!(
        read(r#"{"error":"Incorrect request"}"#, &asked),
        Err(AnswerFault::Refused(RefusalClass::Action))
    );

    assert_eq!(
        read(r#"{"error":"Maintenance"}"#, &asked),
        Err(AnswerFault::Declined("Maintenance".into()))
    );

    for text in [
        "",
        "<html>",
        "null",
        "7",
        r#"{"status":"Completed"}"#,
        r#"["a"]"#,
        r#"{"1":{"status":"Completed"}}x"#,
    ] {
        assert_eq!(read(text, &asked), Err(AnswerFault::Unreadable), "{text}");
    }

    for text in anything::bottomless() {
        assert_eq!(read(&text, &asked), Err(AnswerFault::Unreadable));
    }

    assert!(matches!(
        one(r#"{"charge":"1"}"#),
        OrderAnswer::UnknownStatus { .. }
    ));
}

#[test]
fn one_status_may_come_as_a_list_of_one_and_never_as_anothers() {
    let asked = ids(["7"]);
    for text in [
        r#"[{"status":"Completed","remains":"0"}]"#,
        r#"[{"order":7,"status":"Completed"}]"#,
        r#"[{"id":"7","status":"Completed"}]"#,
        r#"{"order":"7","status":"Completed"}"#,
        r#"{"id":991,"status":"Completed"}"#,
    ] {
        assert_eq!(
            report(read(text, &asked).unwrap().remove(0)).status,
            PanelStatus::Completed,
            "{text}"
        );
    }

    for text in [
        r#"[{"error":"Incorrect order ID"}]"#,
        r#"["Incorrect order ID"]"#,
    ] {
        assert_eq!(
            read(text, &asked).unwrap(),
            [OrderAnswer::NotOurs {
                text: "Incorrect order ID".into()
            }],
            "{text}"
        );
    }

    for text in [
        r#"[{"order":8,"status":"Completed"}]"#,
        r#"[{"id":8,"status":"Completed"}]"#,
        r#"{"order":8,"status":"Completed"}"#,
        r#"{"order_id":"70","status":"Completed"}"#,
        r#"[{"status":"Completed"},{"status":"Completed"}]"#,
        "[7]",
        "[[]]",
    ] {
        assert_eq!(read(text, &asked), Err(AnswerFault::Unreadable), "{text}");
    }

    assert_eq!(
        read(r#"[{"status":"Completed"}]"#, &ids(["7", "8"])),
        Err(AnswerFault::Unreadable)
    );
}

#[test]
fn a_row_that_names_another_order_or_differs_from_its_twin_is_missing() {
    let asked = ids(["1", "10"]);
    let good = r#"{"status":"Completed","remains":"0"}"#;

    for bad in [
        r#""1":{"order":999999,"status":"Canceled","charge":"0","remains":"100"}"#,
        r#""1":{"order_id":"10","status":"Canceled"}"#,
        r#""1":{"order":1,"orderId":10,"status":"Canceled"}"#,
        r#""1":{"order":10,"order":1,"status":"Canceled"}"#,
        r#""1":{"status":"Completed"},"1":{"status":"Canceled"}"#,
    ] {
        let rows = read(&format!(r#"{{{bad},"10":{good}}}"#), &asked).unwrap();
        assert_eq!(
            (&rows[0], report(rows[1].clone()).status),
            (&OrderAnswer::Missing, PanelStatus::Completed),
            "{bad}"
        );
    }

    for bad in [
        r#"{"order":1,"status":"Completed"},{"order":1,"status":"Canceled"}"#,
        r#"{"order":1,"order_id":7,"status":"Canceled"}"#,
    ] {
        let text = format!(r#"[{bad},{{"order":10,"status":"Completed"}}]"#);
        assert_eq!(
            read(&text, &asked).unwrap()[0],
            OrderAnswer::Missing,
            "{bad}"
        );
    }

    for same in [
        r#"{"1":{"order":"01","status":"Completed"},"10":0}"#,
        r#"{"1":{"status":"Completed"},"1":{"status":"Completed"}}"#,
    ] {
        assert_eq!(
            report(read(same, &asked).unwrap().remove(0)).status,
            PanelStatus::Completed,
            "{same}"
        );
    }

    let one = &asked[..1];
    assert_eq!(
        read(r#"{"order":1,"order_id":9,"status":"Canceled"}"#, one),
        Err(AnswerFault::Unreadable)
    );
}

#[test]
fn an_envelope_ends_no_order() {
    let asked = ids(["7"]);
    for envelope in [
        r#"{"status":4,"message":"Maintenance"}"#,
        r#"{"status":"canceled","message":"the request was canceled: upstream timed out"}"#,
        r#"{"status":"Completed","notice":"ok","charge":null}"#,
        r#"{"status":"refunded","error_description":"away"}"#,
        r#"{"status":"Expired","msg":"Your session has expired"}"#,
    ] {
        for text in [
            envelope.to_owned(),
            format!(r#"{{"7":{envelope}}}"#),
            format!("[{envelope}]"),
        ] {
            let row = read(&text, &asked).unwrap().remove(0);
            assert!(
                matches!(row, OrderAnswer::UnknownStatus { .. }),
                "{text}: {row:?}"
            );
        }
    }

    for row in [
        r#"{"status":"Canceled","message":"Private","charge":"0"}"#,
        r#"{"status":"Canceled","message":"","error":null}"#,
        r#"{"status":"Completed","runs":"3","orders":["7"]}"#,
    ] {
        report(one(row));
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_row_for_each_or_a_complaint(
        text in prop_oneof![
            anything::text(),
            anything::json("1|a|order|id|status|charge|remains|error",
                "Completed|Partial|Incorrect order ID|7"),
        ],
    ) {
        for asked in [&ids(["1", "a"])[..], &ids(["1"])] {
            if let Ok(rows) = read_rows(&text, asked, &Words::new()) {
                prop_assert!(rows.iter().map(|(order, _)| order).eq(asked));
                let said = rows.iter().any(|(_, row)| matches!(row, OrderAnswer::Said(_)));
                prop_assert!(!said || text.contains("\"status\""), "{}", text);
            }
        }
    }
}
