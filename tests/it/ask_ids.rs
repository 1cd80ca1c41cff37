//! Ids of cancels and refills that name nothing, somebody else's, too much, or both: side by side
//! in both dialects.

use crate::table::{case, keys, told};
use crate::world::{World, buyer};

#[tokio::test]
async fn ids_of_nothing_and_of_others() {
    let world = World::open().await;
    let order = world.buy("1", "10").await;
    world.work().await;
    world.pass(1, 10).await;

    assert_eq!(
        world
            .ask(&[("action", "refill"), ("order", &order.to_string())])
            .await,
        r#"{"refill":"1"}"#
    );

    let (other, ..) = buyer(&world.house, "other", "0").await;
    let theirs = keys(&world, other).await;
    let mut cases = Vec::new();

    for action in ["cancel", "refill"] {
        cases.extend([
            case("unknown", &[("action", action), ("order", "999999")]),
            case(
                "unknown letters",
                &[
                    ("action", action),
                    ("order", "ord_01J8000000E008000000000001"),
                ],
            ),
            case("no id of anything", &[("action", action), ("order", "x")]),
            case(
                "somebody else's",
                &[("action", action), ("order", &order.to_string())],
            ),
            case(
                "in rows",
                &[
                    ("action", action),
                    (
                        "orders",
                        &format!("999999,ord_01J8000000E008000000000001,x,{order}"),
                    ),
                ],
            ),
        ]);
    }

    for field in ["refill", "refills", "order", "orders"] {
        let list = "999999,ref_01J8000000E008000000000001,x,1";
        let value = if field.ends_with('s') { list } else { "1" };
        cases.push(case(field, &[("action", "refill_status"), (field, value)]));
    }

    cases.push(case("without an action", &[("refill", "1")]));
    insta::assert_snapshot!(told(&world, &theirs, &cases).await, @r#"
    unknown
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    unknown letters
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    no id of anything
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    somebody else's
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    in rows
      200 [{"order":999999,"cancel":{"error":"Incorrect order ID"}},{"order":"ord_01J8000000E008000000000001","cancel":{"error":"Incorrect order ID"}},{"order":"x","cancel":{"error":"Incorrect order ID"}},{"order":1,"cancel":{"error":"Incorrect order ID"}}]
      200 [{"order":999999,"error":"Order not found"},{"order":"ord_01J8000000E008000000000001","error":"Order not found"},{"order":"x","error":"Order not found"},{"order":1,"error":"Order not found"}]
    unknown
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    unknown letters
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    no id of anything
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    somebody else's
      200 {"error":"Incorrect order ID"}
      400 {"error":"Order not found"}
    in rows
      200 [{"order":999999,"refill":{"error":"Incorrect order ID"}},{"order":"ord_01J8000000E008000000000001","refill":{"error":"Incorrect order ID"}},{"order":"x","refill":{"error":"Incorrect order ID"}},{"order":1,"refill":{"error":"Incorrect order ID"}}]
      200 [{"order":999999,"error":"Order not found"},{"order":"ord_01J8000000E008000000000001","error":"Order not found"},{"order":"x","error":"Order not found"},{"order":1,"error":"Order not found"}]
    refill
      200 {"error":"Refill not found"}
      400 {"error":"Refill not found"}
    refills
      200 [{"refill":999999,"status":{"error":"Refill not found"}},{"refill":"ref_01J8000000E008000000000001","status":{"error":"Refill not found"}},{"refill":"x","status":{"error":"Refill not found"}},{"refill":1,"status":{"error":"Refill not found"}}]
      200 [{"refill":999999,"error":"Refill not found"},{"refill":"ref_01J8000000E008000000000001","error":"Refill not found"},{"refill":"x","error":"Refill not found"},{"refill":1,"error":"Refill not found"}]
    order
      200 {"error":"Refill not found"}
      400 {"error":"Refill not found"}
    orders
      200 [{"refill":999999,"status":{"error":"Refill not found"}},{"refill":"ref_01J8000000E008000000000001","status":{"error":"Refill not found"}},{"refill":"x","status":{"error":"Refill not found"}},{"refill":1,"status":{"error":"Refill not found"}}]
      200 [{"refill":999999,"error":"Refill not found"},{"refill":"ref_01J8000000E008000000000001","error":"Refill not found"},{"refill":"x","error":"Refill not found"},{"refill":1,"error":"Refill not found"}]
    without an action
      200 {"error":"Refill not found"}
      400 {"error":"Refill not found"}
    "#);

    assert_eq!(
        crate::books::read(&world.database, "select count(*)::text from refill").await,
        "1"
    );
}

/// What requests are told that name nothing, too much, or both.
async fn misnamed(
    world: &World,
    keys: &[String; 2],
    action: &'static str,
    one: &str,
    many: &str,
) -> String {
    let ids: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let ids = ids.join(",");
    let ask =
        |shows, fields: &[(&str, &str)]| case(shows, &[&[("action", action)], fields].concat());

    let cases = [
        ask("neither", &[]),
        ask("a blank", &[(one, " ")]),
        ask("blanks and commas", &[(many, " ,, ")]),
        ask("both", &[(one, "1"), (many, "1,2")]),
        ask("two values", &[(one, "1"), (one, "2")]),
        ask("101 ids", &[(many, &ids)]),
        ask("101 ids of one", &[(one, &ids)]),
        ask("duplicates and blanks", &[(many, " 7,,7, 7 ,")]),
        ("not UTF-8", format!("action={action}&{one}=%ff")),
    ];

    told(world, keys, &cases).await
}

#[tokio::test]
async fn requests_that_name_no_order_too_many_or_both() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    let cancel = misnamed(&world, &ours, "cancel", "order", "orders").await;
    insta::assert_snapshot!(cancel, @r#"
    neither
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    a blank
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    blanks and commas
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    both
      200 {"error":"Incorrect request"}
      400 {"error":"Either order or orders is required, not both"}
    two values
      200 {"error":"Incorrect parameter: order"}
      400 {"error":"Invalid parameter: order"}
    101 ids
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    101 ids of one
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    duplicates and blanks
      200 [{"order":7,"cancel":{"error":"Incorrect order ID"}}]
      200 [{"order":7,"error":"Order not found"}]
    not UTF-8
      200 {"error":"Incorrect parameter: order"}
      400 {"error":"Invalid parameter: order"}
    "#);

    let refill = misnamed(&world, &ours, "refill", "order", "orders").await;
    assert_eq!(refill, cancel.replace("\"cancel\":", "\"refill\":"));
}

#[tokio::test]
async fn questions_that_name_no_refill_too_many_or_both() {
    let world = World::open().await;
    let ours = keys(&world, world.customer).await;
    insta::assert_snapshot!(misnamed(&world, &ours, "refill_status", "refill", "refills").await, @r#"
    neither
      200 {"error":"Missing required parameter: refill"}
      400 {"error":"Missing required parameter: refill"}
    a blank
      200 {"error":"Missing required parameter: refill"}
      400 {"error":"Missing required parameter: refill"}
    blanks and commas
      200 {"error":"Missing required parameter: refill"}
      400 {"error":"Missing required parameter: refill"}
    both
      200 {"error":"Incorrect request"}
      400 {"error":"Either refill or refills is required, not both"}
    two values
      200 {"error":"Incorrect parameter: refill"}
      400 {"error":"Invalid parameter: refill"}
    101 ids
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    101 ids of one
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    duplicates and blanks
      200 [{"refill":7,"status":{"error":"Refill not found"}}]
      200 [{"refill":7,"error":"Refill not found"}]
    not UTF-8
      200 {"error":"Incorrect parameter: refill"}
      400 {"error":"Invalid parameter: refill"}
    "#);

    let by_order = misnamed(&world, &ours, "refill_status", "order", "orders").await;
    insta::assert_snapshot!(by_order, @r#"
    neither
      200 {"error":"Missing required parameter: refill"}
      400 {"error":"Missing required parameter: refill"}
    a blank
      200 {"error":"Missing required parameter: refill"}
      400 {"error":"Missing required parameter: refill"}
    blanks and commas
      200 {"error":"Missing required parameter: order"}
      400 {"error":"Missing required parameter: order"}
    both
      200 {"error":"Incorrect request"}
      400 {"error":"Either order or orders is required, not both"}
    two values
      200 {"error":"Incorrect parameter: order"}
      400 {"error":"Invalid parameter: order"}
    101 ids
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    101 ids of one
      200 {"error":"Maximum 100 orders per request"}
      400 {"error":"Maximum 100 orders per request"}
    duplicates and blanks
      200 [{"refill":7,"status":{"error":"Refill not found"}}]
      200 [{"refill":7,"error":"Refill not found"}]
    not UTF-8
      200 {"error":"Incorrect parameter: order"}
      400 {"error":"Invalid parameter: order"}
    "#);
}
