//! A day with everything on: faults of every kind, cancels, refills, prices that move, money paid
//! in, reroutes by a person, two panels behind each service. Whatever happens, every check of the
//! audit is silent, hour by hour.

use panelgate::domain::money::Rate;

use crate::books::read;
use crate::treasury::{Chance, look, money, resolve_truly};
use crate::world::{ANY_MOVE, Plan, World};

const STEPS: usize = 288;

const STEP_S: i64 = 300;

const STEPS_AN_HOUR: usize = 12;

/// Every fault but those that take real time.
const FAULTS: &str = "unread=0.03,drop=0.03,502=0.03,html=0.02,half=0.02,wrong_id=0.01,\
                      duplicate=0.01,429=0.03,403=0.005";

/// Services of plain orders that both panels have.
const SERVICES: [&str; 5] = ["1", "6", "7", "8", "10"];

fn both_panels() -> Plan {
    let block = |id: &str| {
        format!(
            "[[service]]\nid = {id}\nrate = \"4\"\nroutes = [{{ provider = \"a\", service = \
             \"{id}\" }}, {{ provider = \"b\", service = \"{id}\" }}]\n"
        )
    };

    let services = SERVICES.map(block).concat();
    Plan {
        panels: vec![("a", FAULTS), ("b", FAULTS)],
        services,
        money: "100000",
        gateway: ANY_MOVE,
        ..Plan::default()
    }
}

/// Orders bought so far, with their links.
struct Trade {
    chance: Chance,
    orders: Vec<(i32, String)>,
}

impl Trade {
    fn any_of(&mut self, number: usize) -> usize {
        usize::try_from(self.chance.below(number as u64)).unwrap()
    }

    async fn buy(&mut self, world: &World) {
        let service = SERVICES[self.any_of(SERVICES.len())];
        let link = format!("https://example.org/{}", self.orders.len());
        let quantity = (100 + self.chance.below(900)).to_string();

        let add = [
            ("action", "add"),
            ("service", service),
            ("link", &link),
            ("quantity", &quantity),
        ];

        let answer = world.ask(&add).await;

        // What neither panel can take at this moment is refused, and costs nothing.
        if let Some(id) = answer
            .strip_prefix("{\"order\":")
            .and_then(|rest| rest.strip_suffix('}'))
        {
            self.orders.push((id.parse().unwrap(), link));
        }
    }

    /// Something that customers, panels or operators do now and then.
    async fn happen(&mut self, world: &World) {
        let panel = self.any_of(world.panels.len());
        let panel = &world.panels[panel];

        match self.chance.below(10) {
            0 | 1 if !self.orders.is_empty() => {
                let order = self.any_of(self.orders.len());
                let order = self.orders[order].0.to_string();
                world.ask(&[("action", "cancel"), ("order", &order)]).await;
            }
            2 | 3 if !self.orders.is_empty() => {
                let order = self.any_of(self.orders.len());
                let order = self.orders[order].0.to_string();
                world.ask(&[("action", "refill"), ("order", &order)]).await;
            }
            4 => panel.set_balance(panel.balance() + money("500").decimal()),
            5 => panel.set_rate(
                "1",
                Rate::parse(&format!("0.{:02}", 80 + self.chance.below(20)))
                    .unwrap()
                    .decimal(),
            ),
            6 => world.house.refresh().await.unwrap(),
            7 => resolve_truly(world, &self.orders).await,
            _ => {}
        }
    }
}

#[tokio::test]
async fn every_check_is_silent_through_a_day_with_everything_on() {
    let world = World::build(both_panels()).await;
    let mut trade = Trade {
        chance: Chance::new(14),
        orders: Vec::new(),
    };

    for step in 0..STEPS {
        for _ in 0..trade.chance.below(4) {
            trade.buy(&world).await;
        }

        trade.happen(&world).await;
        world.pass(2, STEP_S / 2).await;
        look(&world).await;

        if step % STEPS_AN_HOUR == 0 {
            world.house.alerts.look().await.unwrap();
            world.audit().await;
        }
    }

    world.audit().await;

    // And much of what can happen did.
    let lives = "select string_agg(distinct o.state || ' ' || l.state, ', ') from orders o join \
                 leg l on l.order_id = o.id";
    let lives = read(&world.database, lives).await;

    for happened in [
        "partial ended",
        "canceled ended",
        "completed ended",
        "completed refused",
    ] {
        assert!(
            lives.contains(happened),
            "{happened} did not happen: {lives}"
        );
    }

    let counted = "select concat_ws(' ', (select count(*) from orders), (select count(*) from \
                   refill),
        (select count(*) from attempt where verdict = 'in_doubt'), (select count(*) from \
                   cancel_request))";

    let counted = read(&world.database, counted).await;
    let least = counted
        .split(' ')
        .zip([300, 5, 5, 2])
        .all(|(count, least)| count.parse::<u32>().unwrap() >= least);

    assert!(least, "orders, refills, doubts, cancels: {counted}");
}
