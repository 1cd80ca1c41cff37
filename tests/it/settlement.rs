//! The end of an order: a panel's last word, and what of the charge goes back; once, and never more
//! than was paid.

mod table;

use std::sync::Arc;

use panel_sim::Ending;
use tokio::sync::Barrier;

use crate::books::{holds, legs, read, reviews};
use crate::scripted::Scripted;
use crate::world::{Plan, World, one_over, work_once};

/// State, charge, refunded, what remains, and why a person must look: of the only order.
async fn stands(world: &World) -> String {
    let question = "select concat_ws(' ', state, trim_scale(charge), trim_scale(refunded), \
                    remains, review) from orders";
    read(&world.database, question).await
}

/// What a person is asked of an order whose panel took less than what it delivered costs.
const MORE: &str =
    "settled by what remains, and the panel's charge is lower than that: more may have to go back";

/// A world with one accepted order of 100 units at 0.09, or of the package at 1.50.
async fn accepted(panel: &Scripted, service: &str) -> World {
    let world = panel.world().await;
    world
        .buy(service, if service == "1" { "100" } else { "1" })
        .await;

    world.work().await;
    assert_eq!(legs(&world.database).await, "s accepted");
    world
}

/// What becomes of 100 units at 0.09 when the panel says this once.
async fn after(row: &str) -> World {
    let panel = Scripted::saying(row).await;
    let world = accepted(&panel, "1").await;
    world.pass(1, 10).await;
    world.audit().await;
    world
}

#[tokio::test]
async fn completed_keeps_the_charge_and_books_what_the_panel_took() {
    let world = after(r#"{"charge":"0.07123456789","status":"Completed","remains":"0"}"#).await;
    assert_eq!(stands(&world).await, format!("completed 0.09 0 0 {MORE}"));

    assert_eq!(
        holds(&world.database, "cost").await,
        "-0.07123457",
        "the panel's charge, rounded up to our scale"
    );

    assert_eq!(holds(&world.database, "float").await, "0.07123457");
    assert_eq!(
        read(&world.database, "select panel_charge from leg").await,
        "0.07123456789"
    );
}

#[tokio::test]
async fn a_panel_that_took_more_than_expected_is_booked_as_it_took() {
    let world = after(r#"{"charge":"0.12","status":"Completed","remains":"0"}"#).await;
    assert_eq!(
        (
            stands(&world).await.as_str(),
            holds(&world.database, "cost").await
        ),
        ("completed 0.09 0 0", "-0.12".into())
    );
}

#[tokio::test]
async fn without_a_charge_of_the_panel_the_cost_is_the_expected_share() {
    let world = after(r#"{"status":"Partial","remains":"50"}"#).await;
    assert_eq!(stands(&world).await, "partial 0.09 0.045 50");
    assert_eq!(holds(&world.database, "cost").await, "-0.045");
}

#[tokio::test]
async fn canceled_with_a_part_delivered_and_paid_is_refunded_by_what_remains() {
    let world = after(r#"{"charge":"0.054","status":"Canceled","remains":"40"}"#).await;
    assert_eq!(stands(&world).await, "partial 0.09 0.036 40");
    assert_eq!(holds(&world.database, "cost").await, "-0.054");
}

#[tokio::test]
async fn canceled_is_refunded_whole_where_nothing_was_delivered_or_kept() {
    for (charge, remains) in [("0", "40"), ("0.05", "100"), ("0", "-3"), ("0.00", "0")] {
        let world = after(&format!(
            r#"{{"charge":"{charge}","status":"Canceled","remains":"{remains}"}}"#
        ))
        .await;

        assert_eq!(
            stands(&world).await,
            "canceled 0.09 0.09 100",
            "{charge} {remains}"
        );
    }
}

#[tokio::test]
async fn canceled_with_a_charge_that_fits_nothing_is_for_a_person() {
    let kept = "canceled, and what the panel says that it kept does not fit what remains";
    for (charge, remains) in [
        ("0.05", "0"),
        ("0.05", "101"),
        ("0.054", "-3"),
        ("-0.01", "100"),
    ] {
        let world = after(&format!(
            r#"{{"charge":"{charge}","status":"Canceled","remains":"{remains}"}}"#
        ))
        .await;
        assert_eq!(
            stands(&world).await,
            format!("processing 0.09 0 100 {kept}"),
            "{charge} {remains}"
        );
    }
}

#[tokio::test]
async fn over_delivery_gives_nothing_back() {
    let world = after(r#"{"charge":"0.09","status":"Partial","remains":"-5"}"#).await;
    assert_eq!(stands(&world).await, "partial 0.09 0 0");
}

const NOT_OURS: &str = "more remains than was ordered: the unit is not ours";

#[tokio::test]
async fn a_partial_with_more_remaining_than_ordered_is_for_a_person() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Partial","remains":"101"}"#).await;
    let world = accepted(&panel, "1").await;
    world.pass(6, 40).await;
    assert_eq!(
        stands(&world).await,
        format!("processing 0.09 0 100 {NOT_OURS}")
    );

    assert_eq!(
        legs(&world.database).await,
        "s accepted",
        "it is still followed"
    );

    world.audit().await;
    panel.change(|script| {
        script.row = r#"{"charge":"0.09","status":"Partial","remains":"10"}"#.to_owned();
    });

    world.pass(1, 40).await;
    assert_eq!(
        stands(&world).await,
        "partial 0.09 0.009 10",
        "the panel set it right"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_word_for_a_person_is_heard_after_answers_that_said_nothing() {
    let panel = Scripted::saying(r#"{"error":"Incorrect order ID"}"#).await;
    let world = accepted(&panel, "1").await;
    world.pass(2, 10).await;

    assert_eq!(
        reviews(&world.database).await,
        "",
        "a young order may be unknown for a while"
    );

    panel.change(|script| {
        script.row = r#"{"charge":"0.09","status":"Partial","remains":"101"}"#.to_owned();
    });

    world.pass(1, 10).await;
    assert_eq!(reviews(&world.database).await, NOT_OURS);
    world.audit().await;
}

#[tokio::test]
async fn part_of_a_package_is_for_a_person() {
    let panel = Scripted::saying(r#"{"charge":"1.50","status":"Partial","remains":"0"}"#).await;
    let world = accepted(&panel, "2").await;
    world.pass(1, 10).await;
    assert_eq!(
        stands(&world).await,
        "processing 1.5 0 1 part of a package cannot be counted"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_partial_without_a_number_is_asked_about_thrice() {
    let panel = Scripted::saying(r#"{"charge":"0.09","status":"Partial","remains":"N/A"}"#).await;
    let world = accepted(&panel, "1").await;
    world.pass(2, 10).await;
    assert_eq!(stands(&world).await, "processing 0.09 0 100");
    world.pass(1, 10).await;
    assert_eq!(
        stands(&world).await,
        "processing 0.09 0 100 partial without a readable remains"
    );

    world.audit().await;
}

#[tokio::test]
async fn words_that_nobody_knows_keep_the_state_and_are_told_after_ten() {
    for row in [
        r#"{"error":"Incorrect order ID"}"#,
        r#"{"charge":"0.09","status":"Sleeping","remains":"0"}"#,
    ] {
        let panel = Scripted::saying(row).await;
        let world = accepted(&panel, "1").await;
        world.pass(9, 60).await;
        assert_eq!(stands(&world).await, "processing 0.09 0 100", "{row}");
        world.pass(1, 60).await;
        if row.contains("Incorrect") {
            assert_eq!(
                stands(&world).await,
                "processing 0.09 0 100",
                "it may not be visible yet"
            );

            world.pass(1, 3_600).await;
        }
        assert_eq!(
            stands(&world).await,
            "processing 0.09 0 100 the panel names no status of it",
            "{row}"
        );
        world.audit().await;
    }
}

#[tokio::test]
async fn a_word_that_is_heard_twice_settles_once() {
    let panel = Scripted::saying(r#"{"charge":"0.03","status":"Partial","remains":"60"}"#).await;
    let world = accepted(&panel, "1").await;
    let (house, asked) = (&world.house, &world.house.panels[0]);
    world.turn(10);
    let epoch = house.delivery.hold(asked).await.unwrap().unwrap();

    // Both questions are out before either is answered: the first takes so long that the order is
    // due again.
    panel.change(|script| script.together = Some(Arc::new(Barrier::new(2))));

    let second = async {
        while panel.requests("status") == 0 {
            tokio::task::yield_now().await;
        }

        world.turn(10);
        house.delivery.hold(asked).await.unwrap();
        house.delivery.track(asked, epoch).await.unwrap()
    };

    let (first, second) = tokio::join!(house.delivery.track(asked, epoch), second);
    assert_eq!((first.unwrap(), second), (1, 1));
    panel.change(|script| script.together = None);
    world.pass(3, 3_600).await;
    assert_eq!(stands(&world).await, "partial 0.09 0.054 60");
    assert_eq!(
        read(&world.database, "select count(*)::text from settlement").await,
        "1"
    );

    assert_eq!(
        read(
            &world.database,
            "select count(*)::text from transfer where reason = 'refund'"
        )
        .await,
        "1"
    );

    world.audit().await;
}

#[tokio::test]
async fn two_houses_settle_once() {
    let panel = Scripted::saying(r#"{"charge":"0.03","status":"Partial","remains":"60"}"#).await;
    let world = accepted(&panel, "1").await;
    let other = world.restarted().await;
    world.turn(10);
    let (ours, theirs) = (&world.house, &other);
    let _ = tokio::join!(
        work_once(ours, &ours.panels[0]),
        work_once(theirs, &theirs.panels[0])
    );

    world.turn(11);
    let _ = tokio::join!(
        work_once(ours, &ours.panels[0]),
        work_once(theirs, &theirs.panels[0])
    );

    assert_eq!(stands(&world).await, "partial 0.09 0.054 60");
    assert_eq!(
        read(&world.database, "select count(*)::text from settlement").await,
        "1"
    );

    assert_eq!(panel.requests("add"), 1);
    world.audit().await;
}

#[tokio::test]
async fn refunds_stay_within_the_charge_whatever_a_panel_makes_of_it() {
    let plan = Plan {
        panels: vec![("a", "")],
        services: one_over(&["a"]),
        ..Plan::default()
    };

    let world = World::build(plan).await;
    let endings = [
        Ending::Completed,
        Ending::Partial { remains: 0 },
        Ending::Partial { remains: 33 },
        Ending::Partial { remains: 100 },
        Ending::Partial { remains: 100_000 },
        Ending::Canceled,
    ];

    for ending in endings {
        world.buy("1", "100").await;
        world.work().await;
        let placed = world.panel().orders().last().unwrap().id.clone();
        world.panel().end_order(&placed, ending);
        world.pass(1, 10).await;
    }

    let ended = "select string_agg(concat_ws(' ', state, trim_scale(refunded)), ', ' order by id) \
                 from orders";
    let expected = "completed 0, partial 0, partial 0.066, partial 0.2, processing 0, canceled 0.2";
    assert_eq!(read(&world.database, ended).await, expected);
    world.audit().await;
}
