//! Slips that show in no printed price: what nobody can judge yet, packages billed otherwise,
//! floors that fall with prices.

use std::sync::Arc;

use panelgate::catalog::plan::Plan;
use panelgate::catalog::{Listings, Snapshot};
use panelgate::domain::id::ProviderId;
use panelgate::domain::money::Rate;
use panelgate::domain::service::PanelService;
use panelgate::store::catalog::CatalogEntry;
use panelgate::store::open_orders::OpenOrders;

use super::{BEFORE, dangers, mapping};

/// A panel that nobody has read yet.
const NEW: &str = "[[provider]]\nid = \"new\"\nurl = \"https://new.example/api/v2\"\nkey_env = \
                   \"N_KEY\"\ncurrency = \"USD\"\n";

fn block(id: u32, lines: &str, provider: &str, service: &str) -> String {
    format!(
        "[[service]]\nid = {id}\n{lines}\nroutes = [{{ provider = \"{provider}\", service = \
         \"{service}\" }}]\n"
    )
}

fn told(before: &str, after: &str) -> String {
    told_over(&super::listings(), before, after)
}

fn told_over(listings: &Arc<Listings>, before: &str, after: &str) -> String {
    let (before, after) = (mapping(before), mapping(after));
    let (was, is) = (
        Snapshot::resolve(&before, listings),
        Snapshot::resolve(&after, listings),
    );

    dangers(&Plan::between(&was, &is, &before, &after, &OpenOrders::default()).unwrap())
}

#[test]
fn a_price_that_cannot_be_judged_now_is_judged_by_the_one_that_was_written() {
    let with = |rate: &str| {
        format!(
            "{BEFORE}{}",
            block(9, &format!("rate = \"{rate}\""), "a", "99")
        )
    };

    assert_eq!(
        told(&with("0.90"), &with("0.09")),
        "price_jump: service 9 \"\": 0.90 → 0.09 (-90 %), more than price_jump_percent 30; check \
         the price and what it is made from\n"
    );

    assert!(
        told(&with("0.90"), &with("9")).starts_with("price_jump"),
        "dearer by a slip is one too"
    );

    assert_eq!(
        told(&with("0.90"), &with("0.80")),
        "unseen: service 9 \"\": nobody can tell now what it costs, and it is sold for 0.80 as \
         soon as its panel says so; check the rate, or let a [[markup]] make it\n"
    );

    assert_eq!(told(&with("0.90"), &with("0.95")), "");
    assert_eq!(
        told(
            &with("0.90"),
            &with("0.90").replace("name = \"Likes\"", "name = \"Hearts\"")
        ),
        ""
    );

    // It is there again in the same edit, and far below what was written.
    let routed = with("0.09").replace(
        "service = \"99\" }",
        "service = \"99\" }, { provider = \"b\", service = \"3\" }",
    );

    assert!(
        told(&with("0.90"), &routed).contains("price_jump: service 9"),
        "{}",
        told(&with("0.90"), &routed)
    );
}

#[test]
fn a_price_under_another_type_than_the_panels_waits_and_says_that_the_type_is_wrong() {
    let after = format!(
        "{BEFORE}{}",
        block(9, "type = \"Package\"\nrate = \"1.25\"", "a", "1")
    );

    assert_eq!(
        told(BEFORE, &after),
        "unseen: service 9 \"\": no route's panel lists it as the type that its block says, and \
         it is sold for 1.25 as soon as one does; correct the type or the routes\n"
    );

    assert!(!told(BEFORE, &after.replace("Package", "Default")).contains("unseen"));
}

/// Panel `a` lists service 5, whose rate is held.
fn held() -> Arc<Listings> {
    let row = PanelService {
        service: "5".into(),
        name: "Held".into(),
        kind: "Default".into(),
        category: "Instagram".into(),
        rate_text: "0.60".into(),
        rate: Some(Rate::parse("0.60").unwrap()),
        own_rate: Some(Rate::parse("0.60").unwrap()),
        min: 10,
        max: 100,
        refill: true,
        cancel: true,
        dripfeed: false,
    };

    Arc::new(Listings::new(
        1,
        [(
            ProviderId("a".into()),
            CatalogEntry {
                held: true,
                ..row.into()
            },
        )],
    ))
}

#[test]
fn what_is_held_is_judged_as_if_it_were_accepted() {
    let head = BEFORE[..BEFORE.find("[[service]]").unwrap()].to_owned();
    let with = |lines: &str| format!("{head}{}", block(9, lines, "a", "5"));

    let kinds = |before: &str, after: &str| {
        let told = told_over(&held(), before, after);
        told.lines()
            .filter_map(|line| line.split(':').next())
            .collect::<Vec<_>>()
            .join(" ")
    };

    assert_eq!(
        kinds(&with("rate = \"0.90\""), &with("rate = \"0.09\"")),
        "loss price_jump"
    );

    assert_eq!(
        kinds(&with("rate = \"0.90\""), &with("rate = \"0.85\"")),
        ""
    );

    assert_eq!(
        kinds(
            &with(""),
            &with("").replace("percent = \"50\"", "percent = \"1\"")
        ),
        "below_floor price_jump"
    );

    assert_eq!(kinds(&with(""), &with("rate = \"0.5\"")), "loss price_jump");
    assert_eq!(kinds(&head, &with("rate = \"0.5\"")), "loss");

    assert_eq!(
        kinds(
            &with("rate = \"0.5\""),
            &with("rate = \"0.5\"\nname = \"x\"")
        ),
        "",
        "it was so before"
    );
}

#[test]
fn a_panel_that_nobody_read_may_join_where_its_markup_leaves_enough_of_any_cost() {
    let with = |blocks: &str| format!("{BEFORE}{NEW}{blocks}");
    let plain = block(9, "", "new", "1");
    assert_eq!(told(BEFORE, &with(&plain)), "", "50 % of whatever it is");

    assert_eq!(
        told(BEFORE, &with(&block(9, "rate = \"0.09\"", "new", "1"))),
        "unseen: service 9 \"\": nobody can tell now what it costs, and it is sold for 0.09 as \
         soon as its panel says so; check the rate, or let a [[markup]] make it\n"
    );

    let cheap = "[[markup]]\nprovider = \"new\"\npercent = \"1\"\n";
    assert_eq!(
        told(BEFORE, &with(&format!("{plain}{cheap}"))),
        "unseen: service 9 \"\": nobody can tell now what it costs, and whatever that is, it may \
         be sold by markup of provider \"new\": 1 %, which leaves less than floor_percent 3; \
         write a [[markup]] that leaves more\n"
    );

    let without = BEFORE.replace("[[markup]]\npercent = \"50\"\n", "");
    let joined = format!("{without}{NEW}{plain}");
    assert!(
        told(&without, &joined).contains("it may be sold by no markup"),
        "{}",
        told(&without, &joined)
    );

    assert_eq!(
        told(&joined, &joined.replace("\"Likes\"", "\"Hearts\"")),
        "",
        "it had its word"
    );

    // What was written before and the rule that made its price goes.
    assert!(told(&with(&plain), &joined).contains("unseen: service 9"));

    // A service of ours that moves there with the price that it has elsewhere.
    let moved = with("").replace(
        "provider = \"uzs\", service = \"1\"",
        "provider = \"new\", service = \"1\"",
    );

    assert!(
        told(BEFORE, &moved).contains("unseen: service 3 \"From afar\""),
        "{}",
        told(BEFORE, &moved)
    );

    // A whole catalog.
    let import = "[[import]]\nprovider = \"new\"\nids_from = 500\n";
    assert_eq!(told(BEFORE, &with(import)), "");
    assert!(
        told(BEFORE, &with(&format!("{import}{cheap}")))
            .starts_with("unseen: the [[import]] of panel \"new\": nobody")
    );
}

#[test]
fn a_package_is_compared_by_what_one_is_charged() {
    let with = |lines: &str| format!("{BEFORE}{}", block(9, lines, "a", "3"));
    assert_eq!(
        told(&with(""), &with("package_billing = \"min\"")),
        "price_jump: service 9 \"a 3\": 4.50 → 0.0045 (-99.9 %) for a package, more than \
         price_jump_percent 30; check package_billing and min\n"
    );

    assert_eq!(told(&with(""), &with("name = \"x\"")), "");

    // Billed otherwise, and the same for the customer.
    let same = with("rate = \"4500\"\npackage_billing = \"min\"");
    assert!(
        !told(&with("rate = \"4.5\""), &same).contains("price_jump"),
        "{}",
        told(&with("rate = \"4.5\""), &same)
    );
}

#[test]
fn a_floor_that_falls_with_the_prices_does_not_wave_them_through() {
    let floor = |percent: &str| format!("[margin]\nfloor_percent = \"{percent}\"\n[[markup]]");
    let before = BEFORE.replace("percent = \"50\"", "percent = \"18\"");
    let after = before
        .replace("percent = \"18\"", "percent = \"0\"")
        .replace("[[markup]]", &floor("0"));

    let told_so = told(&before, &after);
    assert!(
        told_so.contains("below_floor: service 1 \"Followers\": sold for 1.00"),
        "{told_so}"
    );

    assert!(told_so.contains("below floor_percent 3;"), "{told_so}");
    assert_eq!(
        told(&before, &before.replace("[[markup]]", &floor("0"))),
        "",
        "the floor alone sells nothing cheaper"
    );
}

#[test]
fn an_exchange_rate_that_slips_shows_where_prices_are_fixed() {
    assert_eq!(
        told(BEFORE, &BEFORE.replace("0.0001\"", "0.00001\"")),
        "cost_jump: service 3 \"From afar\": costs 1.00 → 0.10 (-90 %) at uzs:1, more than \
         price_jump_percent 30, and is sold for 1.50; check [exchange] and the panel's currency\n"
    );

    assert_eq!(told(BEFORE, &BEFORE.replace("0.0001\"", "0.00012\"")), "");
}
