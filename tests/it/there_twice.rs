//! An order that is at two panels: nothing but a person ends the question, and nothing is given back
//! meanwhile.

use panelgate::domain::id::PanelOrder;
use panelgate::orders::resolve::{DoubtFinding, Resolved};

use crate::books::{legs, read, reviews, run};
use crate::late::{CHARGED, answers, decide, lost_under, told_twice};
use crate::world::{Plan, World};

const TWICE: &str = "it is there twice: ";

/// An order that the second panel was sent, and that the first one took after all, as it says late.
async fn there_twice(provider: &'static str) -> (World, i32, String) {
    let (world, order) = lost_under(&["a", "b"], provider).await;
    let id = world.panels[0].orders()[0].id.clone();
    let found = decide(&world, order, DoubtFinding::NotPlaced, None).await;
    assert_eq!(found, Resolved::Done);
    world.work().await;
    answers(&world, 0, &id).await;
    assert_eq!(legs(&world.database).await, "a refused, b accepted");
    assert!(reviews(&world.database).await.starts_with(TWICE));
    (world, order, id)
}

#[tokio::test]
async fn what_is_there_twice_is_not_given_back_on_one_panels_promise() {
    let (world, order, _) = there_twice("cancel_ack_is_final = true").await;
    let order = order.to_string();
    let said = world.ask(&[("action", "cancel"), ("orders", &order)]).await;
    assert!(said.contains("\"cancel\":1"), "{said}");
    world.work().await;
    let asked = read(&world.database, "select state from cancel_request").await;
    assert_eq!(asked, "taken", "the panel said yes");
    assert!(reviews(&world.database).await.starts_with(TWICE));
    assert_eq!(world.balance().await, CHARGED);
    world.audit().await;
}

#[tokio::test]
async fn another_id_at_one_panel_is_no_answer_to_its_being_there_twice() {
    let (world, order, _) = there_twice(Plan::default().provider).await;
    // The panel does not know the id that it gave; it has the order under another one.
    run(
        &world.database,
        "update tracked_leg set seen = 'error: Incorrect order ID'",
    )
    .await
    .unwrap();
    let own = world.panels[1].place_by_hand("1", "https://example.org/1", 100);
    let finding = DoubtFinding::Accepted(PanelOrder(own));
    assert_eq!(
        decide(&world, order, finding, Some("b")).await,
        Resolved::Done
    );
    assert!(reviews(&world.database).await.starts_with(TWICE));
    world.audit().await;
}

#[tokio::test]
async fn what_a_panel_named_itself_was_placed_there() {
    let (world, order, slip) = told_twice().await;
    let id = world.panel().orders()[0].id.clone();
    let forgets = format!("update tracked_leg set seen = 'error: no {slip}'");
    run(&world.database, &forgets).await.unwrap();
    let named = Resolved::NamedByPanel(PanelOrder(id.clone()));
    assert_eq!(
        decide(&world, order, DoubtFinding::NotPlaced, None).await,
        named
    );
    let kept = "select concat_ws(' ', state, panel_order, late_order) from leg";
    assert_eq!(
        read(&world.database, kept).await,
        format!("accepted {slip} {id}")
    );
    let finding = DoubtFinding::Accepted(PanelOrder(id));
    assert_eq!(decide(&world, order, finding, None).await, Resolved::Done);
    world.audit().await;
}
