//! What is sold, and why not, of made-up catalogs.

use super::*;
use crate::catalog::mapping::ReloadTrigger;
use crate::domain::customer::Dialect;
use crate::domain::limit::LimitSettings;
use crate::store::catalog::CatalogEntry;

fn panel(provider: &str, rate: Option<&str>, min: u64, max: u64) -> (ProviderId, CatalogEntry) {
    let row = PanelService {
        service: "7".into(),
        name: "Followers".into(),
        kind: "default".into(),
        category: "Instagram".into(),
        rate_text: rate.unwrap_or("?").into(),
        rate: rate.map(|rate| Rate::parse(rate).unwrap()),
        own_rate: rate.map(|rate| Rate::parse(rate).unwrap()),
        min,
        max,
        refill: true,
        cancel: false,
        dripfeed: false,
    };

    (
        ProviderId(provider.into()),
        CatalogEntry {
            row,
            gone: false,
            imported: None,
            held: false,
        },
    )
}

fn listings(panels: Vec<(ProviderId, CatalogEntry)>) -> Arc<Listings> {
    Arc::new(Listings::new(1, panels))
}

fn mapping(providers: &[&str]) -> Mapping {
    let route = |provider: &&str| Route {
        provider: ProviderId((*provider).into()),
        service: "7".into(),
    };

    Mapping {
        hash: ConfigHash("h".into()),
        currency: "USD".into(),
        default_dialect: Dialect::Classic,
        refills_max: 3,
        providers: vec![],
        services: vec![ServiceRule {
            id: ServiceId(1),
            name: None,
            kind: None,
            category: None,
            refill: None,
            cancel: Some(true),
            min: None,
            max: Some(900),
            routes: providers.iter().map(route).collect(),
            routing: Routing::default(),
            rate: None,
            package_billing: PackageBilling::Rate,
            stuck_after_h: None,
        }],
        imports: vec![],
        markups: vec![],
        price_jump: Percent::parse("30").unwrap(),
        margin_floor: Percent::default(),
        limits: LimitSettings::default(),
        reload: ReloadTrigger::Watch,
    }
}

#[test]
fn bounds_are_narrowed_to_what_every_panel_takes_and_the_first_known_price_is_marked_up() {
    let panels = vec![
        panel("a", None, 500, 600),
        panel("b", Some("2"), 10, 800),
        panel("c", Some("1"), 50, 5_000),
    ];

    let snapshot = Snapshot::resolve(&mapping(&["a", "b", "c"]), &listings(panels));
    let sold = &snapshot.sold[&ServiceId(1)];
    assert_eq!(
        (sold.min, sold.max, sold.price.rate.to_string()),
        (50, 800, "2.00".into())
    );

    assert!(sold.refill && sold.cancel && sold.routes[0].1.is_none());
}

#[test]
fn where_any_route_may_deliver_the_dearest_is_marked_up_and_a_fixed_price_leaves_out_what_it_cannot_pay()
 {
    let cost = |strategy, fixed: Option<&str>| {
        let mut mapping = mapping(&["a", "b", "c"]);
        mapping.services[0].routing.strategy = strategy;
        mapping.services[0].rate = fixed.map(|rate| Rate::parse(rate).unwrap());
        let panels = vec![
            panel("a", Some("2"), 1, 900),
            panel("b", Some("1"), 1, 900),
            panel("c", Some("3"), 1, 900),
        ];
        Snapshot::resolve(&mapping, &listings(panels)).sold[&ServiceId(1)]
            .price
            .cost_rate
            .to_string()
    };
    assert_eq!(
        (
            cost(Strategy::Priority, None),
            cost(Strategy::Priority, Some("2.5"))
        ),
        ("2.00".into(), "2.00".into())
    );
    assert_eq!(
        (
            cost(Strategy::Priority, Some("1.5")),
            cost(Strategy::Priority, Some("0.5"))
        ),
        ("1.00".into(), "2.00".into()),
        "a would be bought at a loss; all would be: the first was meant"
    );
    for strategy in [Strategy::Cheapest, Strategy::Weighted, Strategy::Score] {
        assert_eq!(cost(strategy, None), "3.00");
        assert_eq!(
            cost(strategy, Some("2.5")),
            "2.00",
            "c would be bought at a loss"
        );
        assert_eq!(
            cost(strategy, Some("0.5")),
            "1.00",
            "all would be: the least loss was meant"
        );
    }
}

#[test]
fn what_no_panel_offers_is_not_sold_and_says_why() {
    let why = |panels| Snapshot::resolve(&mapping(&["a"]), &listings(panels)).unsold[0].why;
    assert_eq!(why(vec![]), "no route's panel lists it");
    assert_eq!(
        why(vec![panel("a", None, 1, 9)]),
        "no route has a known price"
    );

    assert_eq!(why(vec![panel("a", Some("0"), 1, 9)]), "its price is zero");
    assert_eq!(
        why(vec![panel("a", Some("1"), 901, 999)]),
        "its bounds and its panels' bounds do not meet"
    );
}

#[test]
fn what_every_panel_lists_as_another_type_says_so_and_not_that_its_price_is_unknown() {
    let other = "no route's panel lists it as the type that its block says";
    let mut mapping = mapping(&["a", "b"]);
    mapping.services[0].kind = Some(ServiceType::Package);

    let why = |panels| {
        Snapshot::resolve(&mapping, &listings(panels))
            .unsold
            .first()
            .map(|unsold| unsold.why)
    };

    let of_type = |kind: &str, (id, mut listed): (ProviderId, CatalogEntry)| {
        listed.row.kind = kind.into();
        (id, listed)
    };

    let (a, b) = (
        || panel("a", Some("1"), 1, 9),
        |rate| panel("b", rate, 1, 9),
    );

    assert_eq!(why(vec![a()]), Some(other));
    assert_eq!(why(vec![a(), b(None)]), Some(other));
    assert_eq!(why(vec![]), Some("no route's panel lists it"));

    assert_eq!(
        why(vec![a(), of_type("Package", b(Some("1")))]),
        None,
        "one route is enough"
    );

    assert_eq!(
        why(vec![a(), of_type("Package", b(None))]),
        Some("no route has a known price")
    );

    let (id, mut held) = a();
    held.held = true;

    assert_eq!(
        why(vec![(id, held)]),
        Some(other),
        "to accept its rate would not help"
    );
}
