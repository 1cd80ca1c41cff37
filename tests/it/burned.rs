//! A statement that buys and gets stuck on its way, in a network or in a server process that stands
//! still: once somebody was told that nothing was bought, it must buy nothing when it comes
//! through.

use panelgate::domain::id::OrderId;
use panelgate::store::{Store, orders};

use crate::books::{read, run};
use crate::node::{Ground, Node, url_of};
use crate::proxy::Proxy;

/// One service, at a panel that is not there: nothing is sent, and only the buying matters.
pub const NOBODY: &str = "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"p\"\nurl = \"http://127.0.0.1:9/api/v2\"\n\
    key_env = \"PANEL_KEY\"\ncurrency = \"USD\"\n[[service]]\nid = 1\nname = \"F\"\ntype = \"Default\"\nmin = 1\n\
    max = 1000\nrate = \"1\"\nroutes = [{ provider = \"p\", service = \"1\" }]\n";

/// A service is sold once its panel's catalog is known, and this panel tells none.
pub const CATALOG: &str = "insert into panel_service (provider, service, name, kind, category, \
                           rate_text, rate, own_rate, accepted_rate, min, max, refill, cancel, \
                           dripfeed) values ('p', '1', 'F', 'Default', 'C', '0.5', 0.5, 0.5, 0.5, \
                           1, 1000, false, false, false); update provider set catalog_version = \
                           catalog_version + 1";

pub const COUNTS: &str = "select (select count(*) from orders) || ' orders, ' || (select count(*) \
                          from transfer where reason = 'charge') || ' charges, ' || (select \
                          trim_scale(balance) from wallet) || ' left'";

#[tokio::test]
async fn what_was_found_not_bought_is_not_bought_by_what_comes_late() {
    let ground = Ground::new(NOBODY).await;
    let proxy = Proxy::to(ground.database.options());
    let node = Node::start(&mut ground.serve(&url_of(&proxy.options()))).await;
    run(&ground.database, CATALOG).await.unwrap();

    crate::node::until("the service is sold", async || {
        node.ask(&ground.key, &[("action", "services")])
            .await
            .1
            .contains("\"service\":1")
    })
    .await;

    for (named, left) in [(false, "999.9"), (true, "999.8")] {
        let link = format!("https://example.org/late?named={named}");
        let mut fields = vec![
            ("action", "add"),
            ("service", "1"),
            ("link", &*link),
            ("quantity", "100"),
        ];

        if named {
            fields.push(("request_id", "once"));
        }

        // Its sender is cut off while it is on its way, and hears that nothing was bought.
        proxy.keep_back(&link);
        let (status, answer) = node.ask(&ground.key, &fields).await;
        assert_eq!(status, 503, "{answer}");
        proxy.has_kept_back().await;
        let (_, again) = node.ask(&ground.key, &fields).await;

        assert!(again.starts_with("{\"order\":"), "{again}");

        let late = proxy.release().await;

        // Under a name that was used again meanwhile it finds the order that was bought under it.
        let refused = if named {
            late.contains("replayed")
        } else {
            late.contains("PB001")
        };

        assert!(refused, "{}", late.escape_debug());
        let bought = if named { 2 } else { 1 };
        let counts = format!("{bought} orders, {bought} charges, {left} left");
        assert_eq!(read(&ground.database, COUNTS).await, counts);
    }

    assert!(
        ground.json(&["ledger", "audit"]).await["ok"]
            .as_bool()
            .unwrap()
    );

    node.kill().await;
}

#[tokio::test]
async fn a_no_is_final_and_a_yes_stays_one() {
    let ground = Ground::new(NOBODY).await;
    let store = Store::open(&ground.database.options(), 1, 1);
    assert!(!orders::order_exists(&store, OrderId(7)).await.unwrap());
    assert!(
        !orders::order_exists(&store, OrderId(7)).await.unwrap(),
        "asked again, it says the same"
    );

    assert_eq!(
        read(
            &ground.database,
            "select string_agg(id::text, ',') from burned_order"
        )
        .await,
        "7"
    );

    store.close().await;
}
