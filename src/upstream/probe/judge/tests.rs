//! What a panel is taken for, by its answers.

use std::collections::BTreeMap;

use super::*;
use crate::upstream::dialect::SpokenDialect;

#[test]
fn notpanel_needs_two_signs_and_paynow_two_absences() {
    let family = Signs {
        refills: true,
        tells_dripfeed: true,
        ..Signs::default()
    };

    for (signs, read) in [
        (family, PanelDialect::Classic),
        (
            Signs {
                unknown_order: true,
                ..family
            },
            PanelDialect::Classic,
        ),
        (
            Signs {
                header: true,
                ..family
            },
            PanelDialect::Classic,
        ),
        (
            Signs {
                under_4xx: true,
                header: true,
                ..family
            },
            PanelDialect::Classic,
        ),
        (
            Signs {
                unknown_order: true,
                under_4xx: true,
                ..family
            },
            PanelDialect::Classic,
        ),
        (
            Signs {
                unknown_order: true,
                under_4xx: true,
                header: true,
                ..family
            },
            PanelDialect::Notpanel,
        ),
        (
            Signs {
                unknown_order: true,
                both: true,
                ..family
            },
            PanelDialect::Notpanel,
        ),
        (
            Signs {
                both: true,
                header: true,
                ..Signs::default()
            },
            PanelDialect::Notpanel,
        ),
        (
            Signs {
                refills: false,
                ..family
            },
            PanelDialect::Classic,
        ),
        (
            Signs {
                tells_dripfeed: false,
                ..family
            },
            PanelDialect::Classic,
        ),
        (Signs::default(), PanelDialect::Paynow),
    ] {
        assert_eq!(judge_dialect(signs).0, read, "{signs:?}");
    }

    for signs in [
        Signs {
            unknown_order: true,
            ..family
        },
        Signs {
            unknown_order: true,
            under_4xx: true,
            ..family
        },
    ] {
        assert!(judge_dialect(signs).1.starts_with("a guess"), "{signs:?}");
    }

    let (_, because) = judge_dialect(Signs {
        both: true,
        header: true,
        ..family
    });

    assert!(
        because.contains("rate limit headers") && because.contains("is not proven"),
        "{because}"
    );
}

#[test]
fn a_batch_is_judged_by_its_rows() {
    let asked = ["1", "2"].map(|id| PanelOrder(id.into()));
    let judge = |good, text: &str| {
        let rows = SpokenDialect::new(PanelDialect::Classic, BTreeMap::new()).rows(text, &asked);
        judge_batch(good, rows, signs::complained(text).as_deref())
    };

    for (text, read) in [
        (
            r#"{"1":{"error":"Incorrect order ID"},"2":"Incorrect order ID"}"#,
            Batch::Whole,
        ),
        (
            r#"[{"order":1,"error":"x"},{"order":2,"error":"x"}]"#,
            Batch::Whole,
        ),
        (r#"{"1":{"error":"Incorrect order ID"}}"#, Batch::Empty),
        ("[]", Batch::Empty),
        (
            r#"{"error":"Maximum 50 orders per request"}"#,
            Batch::Refused(Some(50)),
        ),
        (r#"{"error":"Incorrect request"}"#, Batch::Refused(None)),
        ("<html>", Batch::Refused(None)),
        ("", Batch::Refused(None)),
    ] {
        assert_eq!(judge(true, text), read, "{text}");
    }

    assert_eq!(
        judge(false, "[]"),
        Batch::Refused(None),
        "a status that is not believed"
    );
}

#[test]
fn a_panel_without_refills_calls_them_an_unknown_action() {
    let asked = [PanelRefill("7".into())];
    for (status, text, known) in [
        (200, r#"{"error":"Refill not found"}"#, true),
        (400, r#"{"error":"Refill not found"}"#, true),
        (200, r#"{"status":{"error":"Refill not found"}}"#, true),
        (
            200,
            r#"{"error":"Missing required parameter: order"}"#,
            true,
        ),
        (200, r#"{"error":"Incorrect request"}"#, false),
        (400, r#"{"error":"Unknown action"}"#, false),
        (200, "<html>Page not found</html>", false),
        (500, r#"{"error":"Refill not found"}"#, false),
    ] {
        let rows =
            SpokenDialect::new(PanelDialect::Classic, BTreeMap::new()).refill_rows(text, &asked);
        assert_eq!(
            knows_refills(status, rows.as_ref()),
            known,
            "{status} {text}"
        );
    }
}

#[test]
fn timeouts_follow_what_was_slow_and_are_never_short() {
    for (slowest, catalog, timeout) in [
        (20, 100, 30_000),
        (1_400, 2_000, 30_000),
        (2_000, 2_000, 45_000),
        (100, 9_000, 50_000),
        (60_000, 1, 240_000),
        (i64::MAX / 4, 1, 240_000),
    ] {
        assert_eq!(timeout_ms(slowest, catalog), timeout, "{slowest} {catalog}");
    }
}

#[test]
fn an_announced_limit_becomes_calls_a_second() {
    for (said, calls) in [
        ("100", Some(1)),
        ("300", Some(5)),
        ("6000", Some(10)),
        ("20", Some(1)),
        ("100, 100;w=10", Some(10)),
        ("50;w=10", Some(5)),
        ("0", Some(1)),
        ("50;w=0", Some(1)),
        ("many", None),
        ("", None),
    ] {
        assert_eq!(judge_pace(said), calls, "{said}");
    }
}
