//! Fixed prices that costs creep past, and ids that mean something else by now: what is bought by
//! them, and where.

use std::collections::BTreeMap;
use std::path::Path;

use panelgate::config;
use panelgate::domain::id::ServiceId;
use panelgate::domain::money::Rate;
use panelgate::domain::service::ServiceType;

use crate::books::holds;
use crate::routes::{choices, placed, reprice, sold, two, world_of};

#[tokio::test]
async fn a_first_route_that_creeps_past_a_fixed_price_is_left_and_a_person_is_told_when_none_is_better()
 {
    let routes = [("a", "service = \"1\""), ("b", "service = \"1\"")];
    let world = world_of(&["a", "b"], sold("rate = \"0.90\"", &routes)).await;
    for rate in ["0.80", "0.90", "1.00"] {
        reprice(&world, [rate, "0.70"]).await;
    }
    let order = world.buy("1", "100").await;
    assert_eq!(
        choices(&world, order).await,
        [
            "b: first in the file that may be used",
            "- a: costs 0.10, leaves -11.2 %, the floor is 3 %"
        ]
    );
    world.work().await;
    assert_eq!(
        (
            placed(&world),
            holds(&world.database, "cost").await.as_str()
        ),
        (vec![0, 1], "-0.07")
    );
    let alerts = &world.house.alerts;
    assert!(
        alerts
            .look()
            .await
            .unwrap()
            .raised
            .iter()
            .all(|turn| turn.kind.as_str() != "below_floor")
    );
    // Nobody is cheap enough any more: sold on by the first, and told.
    reprice(&world, ["1.00", "0.89"]).await;
    let raised = alerts.look().await.unwrap().raised;
    let told = raised
        .iter()
        .find(|turn| turn.kind.as_str() == "below_floor")
        .unwrap();
    assert_eq!((told.object.as_str(), told.count), ("a", 1));
    assert!(
        told.words.ends_with("; among them are our services 1"),
        "{}",
        told.words
    );
    reprice(&world, ["1.00", "0.80"]).await;
    let over = alerts.look().await.unwrap().over;
    assert!(
        over.iter().any(|turn| turn.kind.as_str() == "below_floor"),
        "{over:?}"
    );
    world.audit().await;
}

#[tokio::test]
async fn what_was_bought_is_never_sent_on_as_a_service_of_another_kind() {
    let mut world = two().await;
    world.panels[1].set_rate("5", Rate::parse("0.50").unwrap().decimal());
    world.house.refresh().await.unwrap();
    let order = world.buy("1", "100").await;

    // Under its id something else is sold by now, and cheaper.
    let text = world
        .file
        .text
        .replace("{ provider = \"b\", service = \"1\" }", "")
        .replace(
            "routes = [{ provider = \"a\", service = \"1\" }, ]",
            "routes = [{ provider = \"b\", service = \"5\" }]",
        );

    world.file = config::read(&text, Path::new("."), &BTreeMap::new()).unwrap();
    world.house = world.restarted().await;
    assert_eq!(
        world.house.catalog.now().sold[&ServiceId(1)].kind,
        ServiceType::Poll
    );

    world.panels[0].switch_service("1", false);
    world.work().await;

    assert_eq!(
        world.panels[1].requests().get("add"),
        None,
        "the refused order has no other route"
    );

    assert_eq!(placed(&world), [0, 0]);
    assert!(world.status(order).await.contains(r#""status":"Canceled""#));
    world.audit().await;
}
