//! What an edit would do: every kind of change and every danger, and that nothing is forgotten or
//! named twice.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use panelgate::catalog::mapping::Mapping;
use panelgate::catalog::plan::{Change, OtherCurrency, Plan};
use panelgate::catalog::{Listings, Snapshot};
use panelgate::config;
use panelgate::domain::id::{ProviderId, ServiceId};
use panelgate::domain::money::Rate;
use panelgate::domain::service::PanelService;
use panelgate::store::open_orders::OpenOrders;
use proptest::prelude::*;

mod command;
mod large;
mod slips;

/// Two panels with a few services each, as they are stored: panel, service, type, rate, bounds.
const PANELS: [(&str, &str, &str, &str, u64, u64); 7] = [
    ("a", "1", "Default", "1.00", 10, 1_000),
    ("a", "2", "Default", "2.00", 10, 1_000),
    ("a", "3", "Package", "3.00", 1, 1),
    ("b", "1", "Default", "1.20", 50, 500),
    ("b", "2", "Default", "1.90", 10, 2_000),
    ("b", "3", "Poll", "0.50", 10, 1_000),
    ("uzs", "1", "Default", "10000", 10, 1_000),
];

/// The file that is in force unless a test says otherwise.
const BEFORE: &str = r#"[gateway]
currency = "USD"
[exchange]
UZS = { rate = "0.0001", dated = "2026-11-01" }
[[provider]]
id = "a"
url = "https://a.example/api/v2"
key_env = "A_KEY"
currency = "USD"
[[provider]]
id = "b"
url = "https://b.example/api/v2"
key_env = "B_KEY"
currency = "USD"
[[provider]]
id = "uzs"
url = "https://uzs.example/api/v2"
key_env = "UZS_KEY"
currency = "UZS"
[[markup]]
percent = "50"
[[service]]
id = 1
name = "Followers"
routes = [{ provider = "a", service = "1" }, { provider = "b", service = "1" }]
[[service]]
id = 2
name = "Likes"
routes = [{ provider = "a", service = "2" }]
[[service]]
id = 3
name = "From afar"
rate = "1.50"
routes = [{ provider = "uzs", service = "1" }]
"#;

fn listings() -> Arc<Listings> {
    let row = |(provider, service, kind, rate, min, max): (&str, &str, &str, &str, u64, u64)| {
        let rate_of = if provider == "uzs" { "1.00" } else { rate };
        let row = PanelService {
            service: service.into(),
            name: format!("{provider} {service}"),
            kind: kind.into(),
            category: "Instagram".into(),
            rate_text: rate.into(),
            rate: Some(Rate::parse(rate_of).unwrap()),
            own_rate: Some(Rate::parse(rate).unwrap()),
            min,
            max,
            refill: true,
            cancel: true,
            dripfeed: false,
        };

        (ProviderId(provider.into()), row.into())
    };

    Arc::new(Listings::new(1, PANELS.map(row)))
}

fn mapping(text: &str) -> Arc<Mapping> {
    config::read(text, Path::new(""), &BTreeMap::new())
        .unwrap_or_else(|told| panic!("{told}\n{text}"))
        .mapping
}

/// Five orders of service 1, four of their legs at panel `a`, and one of service 2.
fn open() -> OpenOrders {
    let leg = |provider: &str, service: &str| (ProviderId(provider.into()), service.to_owned());
    OpenOrders {
        orders: [(ServiceId(1), 5), (ServiceId(2), 1)].into(),
        legs: [(leg("a", "1"), 4), (leg("a", "2"), 1), (leg("b", "1"), 1)].into(),
        ..OpenOrders::default()
    }
}

fn between(before: &str, after: &str, open: &OpenOrders) -> Result<Plan, OtherCurrency> {
    let (before, after) = (mapping(before), mapping(after));
    let old = Snapshot::resolve(&before, &listings());
    let new = Snapshot::resolve(&after, &listings());
    Plan::between(&old, &new, &before, &after, open)
}

/// The plan of swapping texts of [`BEFORE`], with orders open.
fn swapped(swaps: &[(&str, &str)]) -> Plan {
    let mut after = BEFORE.to_owned();
    for (old, new) in swaps {
        assert!(after.contains(old), "{old}");
        after = after.replacen(old, new, 1);
    }

    between(BEFORE, &after, &open()).unwrap()
}

fn dangers(plan: &Plan) -> String {
    plan.dangers.iter().fold(String::new(), |mut text, danger| {
        writeln!(text, "{}: {danger}", danger.kind().as_str()).unwrap();
        text
    })
}

const LIKES: &str =
    "[[service]]\nid = 2\nname = \"Likes\"\nroutes = [{ provider = \"a\", service = \"2\" }]\n";

/// The edits that are told one by one, each in a few words.
fn changes(plan: &Plan) -> String {
    let mut text = String::new();
    for service in &plan.services {
        let told = match &service.change {
            Change::Added(offer) => format!("added for {}", offer.price),
            Change::Gone { why, .. } => format!("gone: {why}"),
            Change::NotSold { why } => format!("not sold: {why}"),
            Change::Dropped => "dropped".into(),
            Change::Changed(difference) => {
                let fields = difference
                    .fields
                    .iter()
                    .map(|field| format!("{} {} → {}", field.what, field.old, field.new));

                let prices = difference.prices.iter().map(|priced| {
                    let side = |offer: panelgate::catalog::plan::PlannedOffer| {
                        format!(
                            "{} ({} costs, {} % left)",
                            offer.price,
                            offer.cost,
                            offer.margin().unwrap()
                        )
                    };

                    format!(
                        "for {}: {} → {}",
                        priced.who,
                        side(priced.old),
                        side(priced.new)
                    )
                });

                let routes = difference.routes.iter().map(|routes| {
                    let shown = |routes: &[panelgate::domain::service::Route]| -> Vec<String> {
                        routes
                            .iter()
                            .map(|route| format!("{}:{}", route.provider, route.service))
                            .collect()
                    };

                    format!(
                        "+{:?} -{:?} {}",
                        shown(&routes.added),
                        shown(&routes.lost),
                        routes.reordered
                    )
                });

                fields
                    .chain(prices)
                    .chain(routes)
                    .collect::<Vec<_>>()
                    .join("; ")
            }
        };

        writeln!(
            text,
            "{} {:?} ({} open): {told}",
            service.id, service.name, service.open_orders
        )
        .unwrap();
    }

    for panel in &plan.panels {
        writeln!(
            text,
            "{} ({} open): {:?}",
            panel.id, panel.open_legs, panel.edit
        )
        .unwrap();
    }

    for setting in &plan.settings {
        writeln!(
            text,
            "{}: {:?} → {:?}",
            setting.what, setting.old, setting.new
        )
        .unwrap();
    }

    text
}

#[test]
fn nothing_changes_between_equals_even_where_orders_are_open_and_something_is_amiss() {
    let amiss = BEFORE
        .replace("percent = \"50\"", "percent = \"-50\"")
        .replace("service = \"2\" }", "service = \"9\" }");

    for text in [BEFORE, &amiss] {
        let plan = between(text, &format!("# a word\n{text}"), &open()).unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        assert_ne!(plan.from, Some(plan.to));
    }

    // What is amiss and stays so does not hold up another edit.
    let plan = between(
        &amiss,
        &amiss.replace("name = \"Followers\"", "name = \"Fans\""),
        &open(),
    )
    .unwrap();

    assert_eq!((plan.services.len(), dangers(&plan).as_str()), (1, ""));
}

#[test]
fn every_kind_of_change_of_a_service_is_told() {
    let told = |swaps: &[(&str, &str)]| changes(&swapped(swaps));
    let mut all = String::new();

    for swaps in [
        &[("id = 3\n", "id = 4\n")][..],
        &[("service = \"2\" }]", "service = \"9\" }]")],
        &[(
            "name = \"Likes\"\n",
            "name = \"Hearts\"\ntype = \"Default\"\ncategory = \"X\"\nmin = 20\nmax = 90\nrefill \
             = false\ncancel = false\n",
        )],
        &[(
            "service = \"2\" }]",
            "service = \"3\" }]\npackage_billing = \"min\"",
        )],
        &[(
            "provider = \"a\", service = \"2\"",
            "provider = \"b\", service = \"2\"",
        )],
        &[(
            "service = \"2\" }]",
            "service = \"2\" }, { provider = \"b\", service = \"2\" }]",
        )],
        &[(
            "{ provider = \"a\", service = \"1\" }, { provider = \"b\", service = \"1\" }",
            "{ provider = \"b\", service = \"1\" }, { provider = \"a\", service = \"1\" }",
        )],
        &[(LIKES, ""), ("percent = \"50\"", "percent = \"60\"")],
        &[("rate = \"1.50\"", "rate = \"1.60\"")],
        &[("0.0001", "0.00012")],
    ] {
        write!(all, "{}\n\n", told(swaps).trim_end()).unwrap();
    }

    insta::assert_snapshot!(all);
}

#[test]
fn a_service_that_nobody_lists_is_told_once_and_when_it_goes() {
    let unlisted = format!(
        "{BEFORE}[[service]]\nid = 9\nroutes = [{{ provider = \"a\", service = \"9\" }}]\n"
    );

    let told = |before: &str, after: &str| changes(&between(before, after, &open()).unwrap());
    assert_eq!(
        told(BEFORE, &unlisted),
        "9 \"\" (0 open): not sold: no route's panel lists it\n"
    );

    assert_eq!(told(&unlisted, BEFORE), "9 \"\" (0 open): dropped\n");
    assert_eq!(
        told(&unlisted, &unlisted.replace("\"9\" }", "\"2\" }")),
        "9 \"a 2\" (0 open): added for 3.00\n"
    );
}

#[test]
fn every_kind_of_change_of_a_panel_or_a_setting_is_told_and_no_secret() {
    let plan = swapped(&[
        (
            "https://a.example/api/v2",
            "https://a.example/api/v2?token=hidden",
        ),
        (
            "A_KEY\"\ncurrency = \"USD\"",
            "A_SECOND_KEY\"\ncurrency = \"USD\"\ndialect = \"notpanel\"\nids_grow = \
             true\nbalance_low = \"5\"\n[provider.words]\n\"Hold\" = \"pending\"",
        ),
        ("id = \"b\"\n", "id = \"c\"\n"),
        (
            "{ provider = \"b\", service = \"1\" }",
            "{ provider = \"c\", service = \"1\" }",
        ),
        (
            "[exchange]",
            "default_dialect = \"notpanel\"\nrefills_per_order_max = 5\nprice_jump_percent = \
             \"10\"\n[exchange]",
        ),
        (
            "[[markup]]\npercent = \"50\"",
            "[[markup]]\npercent = \"50\"\n[[markup]]\ncategory = \"X*\"\npercent = \
             \"5\"\n[margin]\nfloor_percent = \"4\"\n[limits]\nper_key_per_minute = \
             7\n[[tier]]\nid = \"vip\"\nper_minute = 9\n[[tier]]\nid = \"standard\"\nper_minute = \
             8",
        ),
    ]);

    let told = changes(&plan) + &dangers(&plan);
    assert!(
        !told.contains("hidden") && !told.contains("A_KEY") && !told.contains("A_SECOND_KEY"),
        "{told}"
    );

    insta::assert_snapshot!(told);
    let markups = "[[markup]]\npercent = \"50\"\n[[markup]]\npercent = \"40\"";
    let before = BEFORE.replace("[[markup]]\npercent = \"50\"", markups);
    let after = BEFORE.replace(
        "[[markup]]\npercent = \"50\"",
        "[[markup]]\npercent = \"40\"\n[[markup]]\npercent = \"50\"",
    );

    let plan = between(&before, &after, &open()).unwrap();
    assert_eq!(
        (plan.settings.len(), plan.services.len()),
        (1, 2),
        "the order of rules decides who speaks"
    );
}

#[test]
fn how_long_orders_may_stand_still_is_told_and_no_danger() {
    let plan = swapped(&[
        ("B_KEY\"", "B_KEY\"\nstuck_after_h = 24"),
        ("name = \"Likes\"", "name = \"Likes\"\nstuck_after_h = 9"),
    ]);

    let settings: Vec<_> = plan
        .settings
        .iter()
        .map(|setting| (setting.what.as_str(), setting.new.as_deref()))
        .collect();

    assert_eq!(settings, [("[[service]] 2 stuck_after_h", Some("9"))]);
    assert!(
        changes(&plan).contains("stuck_after_h"),
        "{}",
        changes(&plan)
    );

    assert_eq!((plan.panels.len(), dangers(&plan).as_str()), (1, ""));
}

#[test]
fn every_danger_says_what_where_and_what_to_do() {
    let mut all = String::new();
    for swaps in [
        // A loss by a price, by a route, by an exchange rate, by a markup; and just not one.
        &[("rate = \"1.50\"", "rate = \"0.99999999\"")][..],
        &[(
            "rate = \"1.50\"\nroutes = [{ provider = \"uzs\", service = \"1\"",
            "rate = \"1.50\"\nroutes = [{ provider = \"a\", service = \"2\"",
        )],
        &[("0.0001", "0.0002")],
        &[("percent = \"50\"", "percent = \"-0.5\"")],
        &[("rate = \"1.50\"", "rate = \"1.05\"")],
        // Below the floor, by a price and by the floor.
        &[
            ("rate = \"1.50\"", "rate = \"1.06\""),
            ("[[markup]]", "[margin]\nfloor_percent = \"6\"\n[[markup]]"),
        ],
        &[(
            "[[markup]]",
            "[margin]\nfloor_percent = \"33.33333333\"\n[[markup]]",
        )],
        &[(
            "[[markup]]",
            "[margin]\nfloor_percent = \"33.33333334\"\n[[markup]]",
        )],
        // A price that jumps, up and down, and just does not; the edit's own setting has no say.
        &[("rate = \"1.50\"", "rate = \"1.95\"")],
        &[("rate = \"1.50\"", "rate = \"1.95000001\"")],
        &[
            ("[exchange]", "price_jump_percent = \"1000\"\n[exchange]"),
            ("rate = \"1.50\"", "rate = \"1.04999999\""),
        ],
        // Open orders that lose their service, their last route, or their panel.
        &[(LIKES, "")],
        &[("service = \"2\" }]", "service = \"9\" }]")],
        &[
            ("id = \"b\"\n", "id = \"c\"\n"),
            (
                "{ provider = \"b\", service = \"1\" }",
                "{ provider = \"c\", service = \"1\" }",
            ),
        ],
        &[("https://a.example/api/v2", "https://other.example/api/v2")],
        &[("B_KEY", "B2_KEY")],
        &[(
            "B_KEY\"",
            "B_KEY\"\ndialect = \"notpanel\"\nstatus_every_s = 5",
        )],
        // Nobody waits there.
        &[("https://uzs.example/api/v2", "https://other.example/api/v2")],
        &[("id = 3\n", "id = 4\n")],
        &[("B_KEY\"", "B_KEY\"\nstatus_every_s = 5")],
        // A service that is new and sold at a loss at once.
        &[
            ("id = 3\n", "id = 4\n"),
            ("rate = \"1.50\"", "rate = \"0.50\""),
        ],
    ] {
        let plan = swapped(swaps);
        let edit = swaps.last().unwrap().1.replace('\n', " ⏎ ");
        write!(
            all,
            "{edit}\n    {}\n",
            dangers(&plan).trim_end().replace('\n', "\n    ")
        )
        .unwrap();
    }

    insta::assert_snapshot!(all);
}

/// [`BEFORE`] with these rules after everybody's.
fn ruled(rules: &str) -> String {
    BEFORE.replace("percent = \"50\"\n", &format!("percent = \"50\"\n{rules}"))
}

#[test]
fn an_edit_of_a_customers_or_a_tiers_rule_shows_whose_prices_move_and_is_judged_by_them() {
    let rules = "[[tier]]\nid = \"gold\"\nper_minute = 9\n[[markup]]\ntier = \"gold\"\npercent = \
                 \"40\"\n[[markup]]\ncustomer = \"alice\"\ntier = \"gold\"\nservice = 1\npercent \
                 = \"30\"\n[[markup]]\ncustomer = 7\npercent = \"20\"\n";

    let before = ruled(rules);
    let told = |old: &str, new: &str| {
        let plan = between(&before, &before.replacen(old, new, 1), &open()).unwrap();
        let prices: Vec<String> = plan
            .services
            .iter()
            .filter_map(|service| match &service.change {
                Change::Changed(difference) => Some((service.id, &difference.prices)),
                Change::Added(_)
                | Change::Gone { .. }
                | Change::NotSold { .. }
                | Change::Dropped => None,
            })
            .flat_map(|(id, prices)| {
                prices.iter().map(move |moved| {
                    format!(
                        "{id} for {}: {} → {}",
                        moved.who, moved.old.price, moved.new.price
                    )
                })
            })
            .collect();

        (prices.join("; "), dangers(&plan))
    };

    let (prices, dangerous) = told("percent = \"40\"", "percent = \"45\"");
    assert_eq!(
        prices,
        "1 for tier \"gold\": 1.40 → 1.45; 2 for tier \"gold\": 2.80 → 2.90"
    );

    assert_eq!(dangerous, "");
    let (prices, dangerous) = told("percent = \"30\"", "percent = \"1\"");
    assert_eq!(
        prices,
        "1 for customer \"alice\", tier \"gold\": 1.30 → 1.01"
    );

    assert_eq!(
        dangerous,
        "below_floor: service 1 \"Followers\" for customer \"alice\", tier \"gold\": sold for \
         1.01, costs 1.00 at a:1, leaves 0.99 %, below floor_percent 3; raise the price, route it \
         to a cheaper panel, or lower the floor\n"
    );

    let (prices, dangerous) = told("percent = \"20\"", "percent = \"-20\"");
    assert_eq!(
        prices,
        "1 for customer 7: 1.20 → 0.80; 2 for customer 7: 2.40 → 1.60"
    );

    let kinds: Vec<&str> = dangerous
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();

    assert_eq!(
        kinds,
        [
            "loss",
            "loss",
            "negative_percent",
            "price_jump",
            "price_jump"
        ]
    );

    // Without a rule of their own they pay what everybody pays, or the tier does.
    let (prices, _) = told("[[markup]]\ncustomer = 7\npercent = \"20\"\n", "");
    assert_eq!(
        prices,
        "1 for customer 7: 1.20 → 1.50; 2 for customer 7: 2.40 → 3.00"
    );

    let (prices, _) = told(
        "customer = \"alice\"\ntier = \"gold\"\nservice = 1\n",
        "customer = \"alice\"\ntier = \"gold\"\nservice = 3\n",
    );

    assert_eq!(
        prices,
        "1 for customer \"alice\", tier \"gold\": 1.30 → 1.40"
    );
}

#[test]
fn of_many_customers_those_are_compared_first_whose_rules_differ() {
    let rule = |n: usize, percent: &str| {
        format!(
            "[[markup]]\ncustomer = {}\npercent = \"{percent}\"\n",
            n + 1
        )
    };

    let most = panelgate::catalog::plan::BUYERS_MAX;
    let mut rules: Vec<String> = (0..most + 5).map(|n| rule(n, "20")).collect();
    let before = ruled(&rules.concat());
    rules[most + 4] = rule(most + 4, "-20");
    let plan = between(&before, &ruled(&rules.concat()), &open()).unwrap();
    assert_eq!((plan.buyers_left_out, plan.services.len()), (5, 2));

    assert_eq!(
        dangers(&plan)
            .lines()
            .filter(|line| line.starts_with("loss"))
            .count(),
        2
    );

    assert!(
        !dangers(&plan).contains("buyers_left_out"),
        "the rules of those that are left out stay"
    );

    let all: Vec<String> = (0..most + 5).map(|n| rule(n, "21")).collect();
    let plan = between(&before, &ruled(&all.concat()), &open()).unwrap();
    assert_eq!(
        dangers(&plan),
        "buyers_left_out: the prices of 5 customers and tiers whose [[markup]] differs were not \
         compared; change the rules of fewer at once\n"
    );
}

#[test]
fn the_books_currency_has_no_plan() {
    let euro = BEFORE.replace("\"USD\"", "\"EUR\"");
    insta::assert_snapshot!(between(BEFORE, &euro, &open()).unwrap_err(), @"gateway: currency: the books, wallets and prices are kept in USD, and the file says EUR; put USD back (another currency needs a database of its own)");
}

#[test]
fn the_first_file_is_all_new() {
    let mapping = mapping(&BEFORE.replace("rate = \"1.50\"", "rate = \"0.50\""));
    let plan = Plan::first(&Snapshot::resolve(&mapping, &listings()), &mapping);

    assert_eq!(
        (
            plan.from.as_ref(),
            plan.sold,
            plan.services.len(),
            plan.panels.len()
        ),
        (None, (0, 3), 3, 3)
    );

    assert!(
        plan.services
            .iter()
            .all(|service| matches!(service.change, Change::Added(_)))
    );

    assert_eq!(
        dangers(&plan).lines().count(),
        1,
        "a loss from the first day on: {}",
        dangers(&plan)
    );
}

/// A side: for each of six services nothing, or a route, a price and a name.
fn side() -> impl Strategy<Value = Vec<Option<(usize, u32, u32)>>> {
    proptest::collection::vec(proptest::option::of((0..7_usize, 0..4_u32, 0..2_u32)), 6)
}

fn text(side: &[Option<(usize, u32, u32)>]) -> String {
    let mut text = BEFORE[..BEFORE.find("[[service]]").unwrap()].to_owned();
    for (id, service) in (1..).zip(side) {
        let Some((route, price, name)) = service else {
            continue;
        };

        let (provider, service) = (PANELS[*route].0, PANELS[*route].1);
        let rate = if *price == 0 {
            String::new()
        } else {
            format!("rate = \"{price}.5\"\n")
        };

        write!(
            text,
            "[[service]]\nid = {id}\nname = \"name {name}\"\n{rate}routes = [{{ provider = \
             \"{provider}\", service = \"{service}\" }}]\n"
        )
        .unwrap();
    }

    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_differs_is_named_once_and_nothing_else((one, other) in (side(), side())) {
        let (before, after) = (text(&one), text(&other));
        prop_assert!(between(&before, &before, &open()).unwrap().is_empty());
        let plan = between(&before, &after, &open()).unwrap();
        let named: Vec<i32> = plan.services.iter().map(|service| service.id.0).collect();
        let differ: Vec<i32> = (1..).zip(one.iter().zip(&other)).filter(|(_, (one, other))| one != other).map(|(id, _)| id).collect();
        prop_assert_eq!(named, differ);

        prop_assert!(plan.panels.is_empty() && plan.settings.is_empty());

        // There and back names the same services.
        let back = between(&after, &before, &open()).unwrap();
        prop_assert_eq!(back.services.len(), plan.services.len());
        prop_assert_eq!((back.sold.1, back.sold.0), plan.sold);
    }
}
