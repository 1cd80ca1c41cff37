//! The mirror: a panelgate that buys from a panelgate, in either dialect, through everything that
//! an order can live.

use panelgate::domain::customer::Dialect;
use panelgate::domain::provider::PanelDialect;
use panelgate::store::leases;
use serde_json::Value;

use crate::books::{legs, read};
use crate::world::{Plan, World, all_of, in_time};

const DIALECTS: [(PanelDialect, Dialect); 2] = [
    (PanelDialect::Classic, Dialect::Classic),
    (PanelDialect::Notpanel, Dialect::Notpanel),
];

/// A house, and another one that buys from it.
struct Mirror {
    seller: World,
    buyer: World,
}

impl Mirror {
    async fn speaking((spoken, key_dialect): (PanelDialect, Dialect)) -> Self {
        let seller = World::open().await;
        let panel_key = seller.key_speaking(key_dialect).await;

        let block = format!(
            "[[provider]]\nid = \"m\"\ndialect = \"{}\"\nurl = \"{}\"\nkey_env = \"K\"\ncurrency \
             = \"USD\"\nrequests_per_second = 1000\nstatus_every_s = 10\n{}[[markup]]\npercent = \
             \"25\"\n",
            spoken.as_str(),
            seller.url(),
            if spoken == PanelDialect::Notpanel {
                "honours_request_id = true\n"
            } else {
                ""
            }
        );

        let services = block + &all_of("m");
        let buyer = World::build(Plan {
            panels: Vec::new(),
            services,
            panel_key,
            ..Plan::default()
        })
        .await;

        Self { seller, buyer }
    }

    /// Lets time pass in both houses.
    async fn pass(&self, steps: usize, seconds: i64) {
        for _ in 0..steps {
            for house in [&self.seller, &self.buyer] {
                house.turn(seconds);
                house.work().await;
            }
        }
    }

    async fn audit(&self) {
        self.seller.audit().await;
        self.buyer.audit().await;
    }
}

#[tokio::test]
async fn an_order_lives_through_two_houses() {
    for dialects in DIALECTS {
        let mirror = Mirror::speaking(dialects).await;
        let (seller, buyer) = (&mirror.seller, &mirror.buyer);
        let rows: Vec<Value> =
            serde_json::from_str(&buyer.ask(&[("action", "services")]).await).unwrap();

        assert_eq!(
            (rows.len(), &rows[0]["rate"]),
            (10, &"1.125".into()),
            "the seller's price and a quarter"
        );

        let mut orders = Vec::new();
        for service in ["1", "6", "7"] {
            orders.push(buyer.buy(service, "1000").await);
        }

        assert!(
            buyer
                .status(orders[0])
                .await
                .contains(r#""status":"Pending""#)
        );

        mirror.pass(10, 10).await;
        let ends = [
            ("Completed", "1.125"),
            ("Partial", "0.5994"),
            ("Canceled", "0.00"),
        ];

        for (order, (status, charge)) in orders.into_iter().zip(ends) {
            let shown = buyer.status(order).await;
            assert!(
                shown.contains(&format!(r#""charge":"{charge}""#)),
                "{dialects:?}: {shown}"
            );

            assert!(
                shown.contains(&format!(r#""status":"{status}""#)),
                "{dialects:?}: {shown}"
            );
        }

        // 0.90 for the whole one, and 0.72 x 666 / 1000 for the partial one.
        let left = seller.balance().await;
        assert!(left.contains(r#""998.62048""#), "{dialects:?}: {left}");
        let letters = "select count(*) filter (where id like 'ord\\_%')::text from panel_order";

        let expected = if dialects.0 == PanelDialect::Notpanel {
            "3"
        } else {
            "0"
        };

        assert_eq!(
            read(&buyer.database, letters).await,
            expected,
            "{dialects:?}"
        );

        mirror.audit().await;
    }
}

#[tokio::test]
async fn a_refill_goes_through_two_houses() {
    for dialects in DIALECTS {
        let mirror = Mirror::speaking(dialects).await;
        let (seller, buyer) = (&mirror.seller, &mirror.buyer);
        let order = buyer.buy("1", "100").await.to_string();
        mirror.pass(10, 10).await;
        let refill = [("action", "refill"), ("order", order.as_str())];
        assert_eq!(
            buyer.ask(&refill).await,
            r#"{"refill":"1"}"#,
            "{dialects:?}"
        );

        let under_way = r#"{"error":"The refill task is not completed for this order"}"#;
        assert_eq!(buyer.ask(&refill).await, under_way);
        mirror.pass(150, 60).await;
        let state = buyer
            .ask(&[("action", "refill_status"), ("refill", "1")])
            .await;

        assert_eq!(state, r#"{"status":"Completed"}"#, "{dialects:?}");
        assert_eq!(seller.panel().requests()["refill"], 1);
        mirror.audit().await;
    }
}

#[tokio::test]
async fn a_cancel_goes_through_two_houses() {
    for dialects in DIALECTS {
        let mirror = Mirror::speaking(dialects).await;
        let (seller, buyer) = (&mirror.seller, &mirror.buyer);
        let order = buyer.buy("10", "1000").await;

        // The buyer sends to the seller, and then the seller to its panel.
        mirror.pass(2, 1).await;
        assert_eq!(legs(&seller.database).await, "a accepted");

        assert_eq!(
            buyer
                .ask(&[("action", "cancel"), ("order", &order.to_string())])
                .await,
            r#"{"cancel":1}"#
        );

        mirror.pass(8, 10).await;
        let shown = buyer.status(order).await;
        assert!(
            shown.contains(r#""status":"Canceled""#),
            "{dialects:?}: {shown}"
        );

        assert_eq!(seller.panel().requests()["cancel"], 1);
        mirror.audit().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_between_two_houses_is_heard_the_second_time() {
    let mirror = Mirror::speaking(DIALECTS[1]).await;
    let (seller, buyer) = (&mirror.seller, &mirror.buyer);
    let order = buyer.buy("1", "100").await;

    // The seller takes the order, and the buyer's process ends before it hears so.
    let (house, panel) = (&buyer.house, &buyer.house.panels[0]);
    let epoch = house.delivery.hold(panel).await.unwrap().unwrap();

    let leg = house
        .delivery
        .lease(panel, epoch, 1)
        .await
        .unwrap()
        .remove(0);

    let name = panel.request_id(&leg).unwrap();
    let now = house.clock.now();
    let asked = leases::SendIntent {
        request_id: Some(&name),
        ..leases::SendIntent::default()
    };

    assert!(
        leases::mark_sending(&house.store, &leg, asked, epoch, leg.cost, now)
            .await
            .unwrap()
    );

    let _ = panel.add(panel.slot().await, &leg, in_time()).await;
    mirror.pass(20, 60).await;

    assert!(
        buyer
            .status(order)
            .await
            .contains(r#""status":"Completed""#)
    );

    assert_eq!(seller.panel().orders().len(), 1);
    assert!(
        seller.balance().await.contains(r#""999.91""#),
        "charged once"
    );

    mirror.audit().await;
}
