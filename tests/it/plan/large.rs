//! Five thousand services with five routes each: how long a plan takes, and that its text can still
//! be read.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use panelgate::catalog::plan::Plan;
use panelgate::catalog::{Listings, Snapshot};
use panelgate::domain::id::ProviderId;
use panelgate::domain::money::Rate;
use panelgate::domain::service::PanelService;
use panelgate::store::catalog::CatalogEntry;
use panelgate::store::open_orders::OpenOrders;

use super::mapping;

const SERVICES: usize = 5_000;
const PANELS: [&str; 5] = ["p1", "p2", "p3", "p4", "p5"];
/// What reading, resolving and planning may take; a debug build on a busy machine is no measure of
/// more.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file of that many services over all panels, marked up by so much.
pub fn file(services: usize, percent: &str, urls: &dyn Fn(&str) -> String) -> String {
    let mut text = "[gateway]\ncurrency = \"USD\"\n".to_owned();
    for panel in PANELS {
        let url = urls(panel);
        writeln!(
            text,
            "[[provider]]\nid = \"{panel}\"\nurl = \"{url}\"\nkey_env = \"KEY\"\ncurrency = \
             \"USD\""
        )
        .unwrap();
    }

    writeln!(text, "[[markup]]\npercent = \"{percent}\"").unwrap();
    for id in 1..=services {
        let routes: Vec<_> = PANELS
            .iter()
            .map(|panel| format!("{{ provider = \"{panel}\", service = \"{id}\" }}"))
            .collect();

        writeln!(
            text,
            "[[service]]\nid = {id}\nroutes = [{}]",
            routes.join(", ")
        )
        .unwrap();
    }

    text
}

/// What each panel lists; a service costs more the higher its id.
pub fn rows(services: usize) -> Vec<(ProviderId, PanelService)> {
    let row = |panel: &&str, id: usize| {
        let rate = Rate::parse(&format!("{}.{:03}", 1 + id / 1_000, id % 1_000)).unwrap();
        let row = PanelService {
            service: id.to_string(),
            name: format!("Followers of kind {id}, delivered within a day"),
            kind: "Default".into(),
            category: format!("Category {}", id % 40),
            rate_text: rate.to_string(),
            rate: Some(rate),
            own_rate: Some(rate),
            min: 10,
            max: 10_000,
            refill: true,
            cancel: true,
            dripfeed: false,
        };

        (ProviderId((*panel).to_owned()), row)
    };

    PANELS
        .iter()
        .flat_map(|panel| (1..=services).map(move |id| row(panel, id)))
        .collect()
}

#[test]
fn five_thousand_services_are_planned_while_somebody_waits() {
    let urls = |panel: &str| format!("https://{panel}.example/api/v2");
    let (before, after) = (file(SERVICES, "50", &urls), file(SERVICES, "-10", &urls));
    let rows = rows(SERVICES);
    let began = Instant::now();
    let (old, new) = (mapping(&before), mapping(&after));
    let read = began.elapsed();

    let listed = rows
        .into_iter()
        .map(|(provider, row)| (provider, CatalogEntry::from(row)));

    let listings = Arc::new(Listings::new(1, listed));
    let began = Instant::now();
    let was = Snapshot::resolve(&old, &listings);
    let is = Snapshot::resolve(&new, &listings);
    let resolved = began.elapsed();
    let began = Instant::now();

    let plan = Plan::between(&was, &is, &old, &new, &OpenOrders::default()).unwrap();
    let planned = began.elapsed();

    // For whoever runs it with --nocapture, in a release build.
    let took = format!(
        "two files read in {read:?}, both resolved in {resolved:?}, planned in {planned:?}"
    );

    writeln!(
        std::io::stderr(),
        "{SERVICES} services × {} routes: {took}",
        PANELS.len()
    )
    .unwrap();

    // A loss and a jump each, and the rule itself.
    assert_eq!(
        (plan.services.len(), plan.dangers.len()),
        (SERVICES, 2 * SERVICES + 1)
    );

    assert!(read + resolved + planned < PATIENCE);
}
