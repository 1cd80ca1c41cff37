//! A month at one panel: ten that cheat, each in its own way, are found with their orders, each
//! told once; three honest ones, with people who pay in and prices that move, are never accused.

mod panel;

use std::collections::{BTreeMap, BTreeSet};

use panelgate::catalog::refresh;
use rstest::rstest;

use crate::books::read;
use crate::month::panel::{Bookkeeper, Conduct, DOLLAR};
use crate::scripted::Scripted;
use crate::world::World;

const DAYS: usize = 30;

/// How often a day everything is looked at, but for the seconds around it.
const LOOKS_A_DAY: usize = 4;

const BETWEEN_LOOKS_S: i64 = 6 * 3_600;

/// Whoever pays in is seen by himself: the accountant reads every five minutes.
const SOON_S: i64 = 300;

/// How often an open order is asked about.
const STATUS_EVERY_S: i64 = 11;

/// What accuses a panel.
const ACCUSING: &str = "'balance_drift', 'figures_differ', 'overcharged', 'currency_differs', \
                        'reopened', 'paid_back', 'orders_for_review', 'balance_unread', \
                        'statuses_unreadable', 'orders_stuck'";

/// What the workers do between two looks: prices, orders, the balance, what follows from it.
async fn look(world: &World, after_s: i64) {
    world.turn(after_s);
    let house = &world.house;
    let panel = &house.panels[0];

    let wanted = house
        .delivery
        .wants_prices(&panel.settings().id)
        .await
        .unwrap();

    refresh::if_due(&house.catalog, panel, &house.clock, wanted)
        .await
        .unwrap();

    world.work().await;

    world.turn(1);
    house.delivery.hold(panel).await.unwrap();
    house.delivery.ask_balance(panel).await.unwrap();
    house.treasury.judge(panel.settings()).await.unwrap();
    world.turn(1);
}

/// A month of trade at a panel.
async fn a_month(conduct: Conduct) -> (World, Bookkeeper) {
    let panel = Scripted::saying("{}").await;
    let world = panel.world().await;
    let keeper = Bookkeeper::keep(&panel, conduct, world.clock.clone());
    let mut bought = 0;

    for n in 0..DAYS * LOOKS_A_DAY {
        look(&world, BETWEEN_LOOKS_S).await;
        let (day, of_the_day) = (n / LOOKS_A_DAY, n % LOOKS_A_DAY);

        if of_the_day == 0 {
            world.house.alerts.look().await.unwrap();
        }

        if of_the_day == 1 && day % 7 == 5 {
            look(&world, SOON_S).await;
            keeper.move_balance(250 * DOLLAR);
            look(&world, SOON_S).await;
        }

        if of_the_day == 2 && day % 6 == 4 {
            keeper.reprice(if day % 12 == 4 { 104 } else { 97 });
        }

        if conduct == Conduct::SharesItsAccount && of_the_day == 3 && day % 4 == 1 {
            keeper.move_balance(-(7 * DOLLAR + 12_345));
        }

        for _ in 0..[1, 2, 3, 1][of_the_day] {
            bought += 1;

            // No order costs what others cost together.
            let units = 100 + 3 * bought + bought * bought % 3;
            let link = format!("https://example.org/{bought}");
            let order = world.buy_for("1", &units.to_string(), &link).await;

            if bought % 13 == 0 {
                world.work().await;
                world
                    .ask(&[("action", "cancel"), ("order", &order.to_string())])
                    .await;
            }
        }

        // What is open is heard of between two readings, as it is where both are made every few
        // minutes.
        world.turn(STATUS_EVERY_S);
        world.work().await;
    }

    (world, keeper)
}

/// What was found of a panel, by kind: its orders, as the panel numbers them.
async fn found(world: &World) -> BTreeMap<String, BTreeSet<u32>> {
    let of_orders = "select string_agg(f.kind || ' ' || l.panel_order, E'\n')
        from (
            select kind, order_id from difference where confirmed_at is not null
            union all
            select case when cause = 'paid_back' then cause else 'drift' end, unnest(orders)
            from drift
            where cause not in ('top_up', 'unexplained')
            union all
            select 'review', id from orders where review is not null
        ) f
        join leg l on l.order_id = f.order_id";

    let mut found: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for line in read(&world.database, of_orders).await.lines() {
        let (kind, order) = line.split_once(' ').unwrap();
        let is_new = found
            .entry(kind.to_owned())
            .or_default()
            .insert(order.parse().unwrap());

        assert!(is_new, "told twice: {line}");
    }

    found
}

/// What was made of the panel's balance, for whoever reads of a failure.
async fn drifts(world: &World) -> String {
    let drifts = "select string_agg(concat_ws(' ', by_at, cause, amount, orders, words), E'\n' \
                  order by id) from drift";
    read(&world.database, drifts).await
}

/// Orders near differences that nothing explains, and how many such differences there are.
async fn unexplained(world: &World) -> (usize, BTreeSet<u32>) {
    let near = "select concat_ws(' ', count(distinct d.id), string_agg(distinct l.panel_order, ' \
                '))
        from drift d cross join unnest(d.orders) o left join leg l on l.order_id = o where cause = \
                'unexplained'";

    let near = read(&world.database, near).await;
    let mut numbers = near.split(' ').map(|number| number.parse::<u32>().unwrap());
    (
        usize::try_from(numbers.next().unwrap()).unwrap(),
        numbers.collect(),
    )
}

/// What accuses a panel and was ever told: each kind once, however long it lasted.
async fn told(world: &World) -> String {
    let told = format!(
        "select string_agg(kind, ' ' order by kind) from alert where raised_at is not null and \
         kind in ({ACCUSING})"
    );
    read(&world.database, &told).await
}

#[rstest]
#[case::tells_the_whole_charge(Conduct::Honest)]
#[case::tells_what_it_kept(Conduct::TellsNet)]
#[case::tells_no_charge(Conduct::TellsLittle)]
#[tokio::test]
async fn an_honest_panel_is_accused_of_nothing_in_a_month(#[case] conduct: Conduct) {
    let (world, _) = a_month(conduct).await;
    assert_eq!(found(&world).await, BTreeMap::new());
    assert_eq!(told(&world).await, "");

    // Whoever paid in was seen, and the readings were looked at.
    let seen = "select count(*) filter (where cause = 'top_up') || ' of ' || count(*) from drift";
    assert_eq!(read(&world.database, seen).await, "4 of 4");
    let last = "select (max(settled_at) > max(at) - interval '1 day')::text from reading";
    assert_eq!(read(&world.database, last).await, "true");
    world.audit().await;
}

/// Cheats whose figures tell on which orders they cheat: these are named, and none else.
#[rstest]
#[case::keeps_refunds(Conduct::KeepsRefunds, "drift", "balance_drift")]
#[case::overcharges(Conduct::Overcharges, "overcharged", "overcharged")]
#[case::doubles(Conduct::Doubles, "drift", "balance_drift")]
#[case::bills_in_euros(Conduct::BillsInEuros, "currency_differs", "currency_differs")]
#[case::takes_back_late(Conduct::TakesBackLate, "paid_back", "paid_back")]
#[case::forgets(Conduct::Forgets, "review", "orders_for_review")]
#[case::pays_back_silently(Conduct::PaysBackSilently, "paid_back", "paid_back")]
#[case::contradicts_itself(
    Conduct::ContradictsItself,
    "figures_differ",
    "figures_differ orders_for_review"
)]
#[tokio::test]
async fn a_panel_that_cheats_is_told_once_with_its_orders(
    #[case] conduct: Conduct,
    #[case] kind: &str,
    #[case] alerts: &str,
) {
    let (world, keeper) = a_month(conduct).await;
    let mut found = found(&world).await;

    if conduct == Conduct::ContradictsItself {
        assert_eq!(
            found.remove("review"),
            found.get("figures_differ").cloned(),
            "a person is asked about each"
        );
    }

    let named = found.remove(kind).unwrap_or_default();
    let story = drifts(&world).await;
    assert_eq!(found, BTreeMap::new(), "and of nothing else: {story}");
    assert_eq!(told(&world).await, alerts, "{story}");

    let cheated: BTreeSet<u32> = keeper.cheated().into_iter().collect();
    let (unexplained, near) = unexplained(&world).await;
    let untold: Vec<_> = cheated
        .difference(&named)
        .filter(|id| keeper.is_old(**id) && !near.contains(id))
        .collect();

    // An order that was open at a reading and asked about hours before and after it may be lost in
    // it: one in thirty.
    assert!(
        untold.len() * 30 <= cheated.len(),
        "{untold:?} of {cheated:?} are not told: {story}"
    );

    // By chance another order costs as much as what is missing.
    let innocent: Vec<_> = named.difference(&cheated).collect();
    assert!(
        innocent.len() * 30 <= named.len(),
        "{innocent:?} are named, and it were {cheated:?}: {story}"
    );

    assert!(
        unexplained * 5 <= named.len(),
        "{unexplained} are not explained: {story}"
    );

    world.audit().await;
}

#[tokio::test]
async fn a_panel_that_skims_below_what_its_readings_show_is_found_by_what_adds_up() {
    let (world, keeper) = a_month(Conduct::Skims).await;
    let found = found(&world).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["drift"]);
    assert_eq!(told(&world).await, "balance_drift");

    assert!(
        found["drift"].len() * 3 > keeper.cheated().len(),
        "{} orders",
        found["drift"].len()
    );

    let causes = "select string_agg(distinct cause, ' ') from drift where cause <> 'top_up'";
    assert_eq!(read(&world.database, causes).await, "proportion");

    // It is a third of a percent, as far as cents tell.
    let percent =
        "select (avg(percent) between 0.25 and 0.45)::text from drift where cause = 'proportion'";
    assert_eq!(read(&world.database, percent).await, "true");
    world.audit().await;
}

#[tokio::test]
async fn what_somebody_else_spends_from_the_account_is_laid_on_no_order_of_ours() {
    let (world, _) = a_month(Conduct::SharesItsAccount).await;
    assert_eq!(told(&world).await, "balance_drift");
    let spent = "select string_agg(distinct cause || ' ' || round(amount), ', ') || ', ' || \
                 count(*) || ' times'
        from drift where cause <> 'top_up'";

    assert_eq!(read(&world.database, spent).await, "outside 7, 7 times");
    world.audit().await;
}
