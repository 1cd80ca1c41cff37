//! What the customers' documents show of refills and cancels: each example with ids of our own.

use insta::assert_snapshot;
use uuid::Uuid;

use crate::domain::customer::Dialect;
use crate::domain::id::{PublicId, RefillId};
use crate::domain::order::{OrderState, ShownState};
use crate::domain::refill::{RefillNames, RefillState};
use crate::domain::refusal::Refusal;
use crate::downstream::action::Action;
use crate::downstream::asked::{self, AskedRefills, RequestedIds};
use crate::downstream::dialect;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

const ORDER: &str = "ord_01J8000000E008000000000001";
const OTHER: &str = "ord_01J8000000E008000000000002";

fn public(n: u128) -> PublicId {
    PublicId(Uuid::from_u128(
        0x0192_0000_0000_7000_8000_0000_0000_0000 + n,
    ))
}

fn refill(n: i32) -> RefillNames {
    RefillNames {
        id: RefillId(n),
        public: public(0x100 + u128::from(n.unsigned_abs())),
    }
}

fn rows<T, const N: usize>(
    rows: [(&str, Result<T, Refusal>); N],
) -> Vec<(String, Result<T, Refusal>)> {
    rows.into_iter()
        .map(|(asked, row)| (asked.to_owned(), row))
        .collect()
}

fn written(dialect: Dialect, reply: Reply) -> String {
    String::from_utf8(dialect::write_reply(dialect, reply).to_vec()).expect("JSON is UTF-8")
}

fn refused(dialect: Dialect, refusals: &[Refusal]) -> String {
    let line = |refusal| {
        let spelled = dialect::write_refusal(dialect, refusal);
        format!("{} {}", spelled.status.as_u16(), spelled.text)
    };
    refusals.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The action that a request names, and its form.
fn read(body: &str) -> (Action, Form) {
    let mut form = Form::default();
    form.read_encoded(body.as_bytes()).expect("a short form");
    (
        Action::read(&form).expect("an action of the documents"),
        form,
    )
}

fn one(id: &str) -> RequestedIds {
    RequestedIds::One(id.to_owned())
}

fn many(ids: &[&str]) -> RequestedIds {
    RequestedIds::Many(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn seed_000_request_refill() {
    let (action, form) = read(&format!("key=k&action=refill&order={ORDER}"));
    assert_eq!(
        (action, asked::requested_orders(&form)),
        (Action::Refill, Ok(one(ORDER)))
    );

    assert_snapshot!(written(Dialect::Notpanel, Reply::Refill(refill(1))),
        @r#"{"refill":"ref_01J8000000E008000000000081"}"#);
}

#[test]
fn seed_000_errors() {
    let refusals = [
        Refusal::UnknownOrder,
        Refusal::NotDelivered,
        Refusal::NoRefill,
        Refusal::RefillUnderWay,
        Refusal::RefillsUsedUp { refills_max: 3 },
    ];

    assert_snapshot!(refused(Dialect::Notpanel, &refusals), @r#"
    400 Order not found
    400 Refill only available for completed or partial orders
    400 Service does not support refills
    400 A refill request is already pending for this order
    400 Refill limit reached (3 per order)
    "#);
}

#[test]
fn seed_000_multi_refill_response() {
    let (action, form) = read(&format!("key=k&action=refill&orders={ORDER},{OTHER}"));
    assert_eq!(
        (action, asked::requested_orders(&form)),
        (Action::Refill, Ok(many(&[ORDER, OTHER])))
    );

    let rows = rows([(ORDER, Ok(refill(1))), (OTHER, Err(Refusal::NotDelivered))]);
    assert_snapshot!(written(Dialect::Notpanel, Reply::Refills(rows)),
        @r#"[{"order":"ord_01J8000000E008000000000001","refill":"ref_01J8000000E008000000000081"},{"order":"ord_01J8000000E008000000000002","error":"Refill only available for completed or partial orders"}]"#);
}

#[test]
fn seed_000_refill_status() {
    let (action, form) = read("key=k&action=refill_status&refill=ref_1");
    assert_eq!(
        (action, asked::requested_refills(&form)),
        (
            Action::RefillStatus,
            Ok(AskedRefills::Refills(one("ref_1")))
        )
    );

    let (_, form) = read("key=k&action=refill_status&refills=ref_1,ref_2");
    assert_eq!(
        asked::requested_refills(&form),
        Ok(AskedRefills::Refills(many(&["ref_1", "ref_2"])))
    );

    assert_snapshot!(written(Dialect::Notpanel, Reply::RefillStatus(RefillState::Completed)),
        @r#"{"status":"completed"}"#);
}

#[test]
fn seed_001_status_codes() {
    let refusals = [
        Refusal::Missing("service"),
        Refusal::Suspended,
        Refusal::TooManyRequests,
        Refusal::Broken,
    ];

    assert_snapshot!(refused(Dialect::Notpanel, &refusals), @r#"
    400 Missing required parameter: service
    403 Account suspended
    429 Rate limit exceeded
    500 Internal error, retry later
    "#);
}

#[test]
fn seed_002_cancel() {
    let (action, form) = read(&format!("key=k&action=cancel&order={ORDER}"));
    assert_eq!(
        (action, asked::requested_orders(&form)),
        (Action::Cancel, Ok(one(ORDER)))
    );

    assert_snapshot!(written(Dialect::Notpanel, Reply::Cancel(public(1))),
        @r#"{"cancel":"ord_01J8000000E008000000000001"}"#);
}

#[test]
fn seed_002_errors() {
    let ends = [
        ShownState::At(OrderState::Completed),
        ShownState::At(OrderState::Canceled),
        ShownState::Refunded,
        ShownState::At(OrderState::Partial),
    ];

    let refusals = [
        &[Refusal::UnknownOrder][..],
        &ends.map(Refusal::Over),
        &[Refusal::NoCancel],
    ]
    .concat();

    assert_snapshot!(refused(Dialect::Notpanel, &refusals), @r#"
    400 Order not found
    400 Order cannot be cancelled (already completed)
    400 Order cannot be cancelled (already cancelled)
    400 Order cannot be cancelled (already refunded)
    400 Order cannot be cancelled (already partial)
    400 Service does not support cancellation
    "#);
}

#[test]
fn seed_002_multi_cancel_response() {
    let over = Refusal::Over(ShownState::At(OrderState::Completed));
    let rows = rows([(ORDER, Ok(public(1))), (OTHER, Err(over))]);
    assert_snapshot!(written(Dialect::Notpanel, Reply::Cancels(rows)),
        @r#"[{"order":"ord_01J8000000E008000000000001","cancel":"ord_01J8000000E008000000000001"},{"order":"ord_01J8000000E008000000000002","error":"Order already completed"}]"#);
}

#[test]
fn seed_003_create_refill() {
    let (action, form) = read("key=k&action=refill&order=1");
    assert_eq!(
        (action, asked::requested_orders(&form)),
        (Action::Refill, Ok(one("1")))
    );

    assert_snapshot!(written(Dialect::Classic, Reply::Refill(refill(1))), @r#"{"refill":"1"}"#);
}

#[test]
fn seed_003_create_multiple_refill() {
    let rows = rows([
        ("1", Ok(refill(1))),
        ("2", Ok(refill(2))),
        ("3", Err(Refusal::UnknownOrder)),
    ]);

    assert_snapshot!(written(Dialect::Classic, Reply::Refills(rows)),
        @r#"[{"order":1,"refill":1},{"order":2,"refill":2},{"order":3,"refill":{"error":"Incorrect order ID"}}]"#);
}

#[test]
fn seed_003_get_refill_status() {
    let (action, form) = read("key=k&action=refill_status&refill=1");
    assert_eq!(
        (action, asked::requested_refills(&form)),
        (Action::RefillStatus, Ok(AskedRefills::Refills(one("1"))))
    );

    assert_snapshot!(written(Dialect::Classic, Reply::RefillStatus(RefillState::Completed)),
        @r#"{"status":"Completed"}"#);
}

#[test]
fn seed_003_get_multiple_refill_status() {
    let (_, form) = read("key=k&action=refill_status&refills=1,2,3");
    assert_eq!(
        asked::requested_refills(&form),
        Ok(AskedRefills::Refills(many(&["1", "2", "3"])))
    );

    let rows = rows([
        ("1", Ok(RefillState::Completed)),
        ("2", Ok(RefillState::Rejected)),
        ("3", Err(Refusal::UnknownRefill)),
    ]);

    assert_snapshot!(written(Dialect::Classic, Reply::RefillStatuses(rows)),
        @r#"[{"refill":1,"status":"Completed"},{"refill":2,"status":"Rejected"},{"refill":3,"status":{"error":"Refill not found"}}]"#);
}

#[test]
fn seed_003_create_cancel() {
    let (action, form) = read("key=k&action=cancel&orders=9,2");
    assert_eq!(
        (action, asked::requested_orders(&form)),
        (Action::Cancel, Ok(many(&["9", "2"])))
    );

    let rows = rows([("9", Err(Refusal::UnknownOrder)), ("2", Ok(public(2)))]);
    assert_snapshot!(written(Dialect::Classic, Reply::Cancels(rows)),
        @r#"[{"order":9,"cancel":{"error":"Incorrect order ID"}},{"order":2,"cancel":1}]"#);
}
