//! A history lived twice: each step is done to the house, over its doors, and to the house as it
//! should be; then both must show the same, and the audit must find nothing.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use panelgate::domain::clock::Clock;
use panelgate::domain::id::{CustomerId, LegId};
use panelgate::domain::leg::{LeasedLeg, LegState};
use panelgate::domain::order::OrderState;
use panelgate::ledger::audit::audit_books;
use panelgate::orders::Delivery;
use panelgate::store::gates;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use super::panel::Panel;
use super::reference::Reference;
use super::steps::{CUSTOMERS, PANELS, Step};
use super::{delivering, ordering};
use crate::world::{Plan, World, buyer, healthy};

/// What a customer begins with.
const MONEY: (&str, i128) = ("8", 800_000_000);
/// The moment at which every history begins.
const BEGINNING_S: i64 = 1_700_000_000;
/// Steps between two audits; what both houses show is compared after each.
pub const STEPS_PER_AUDIT: usize = 10;
/// Longer than this, workers would have looked for what has no answer.
const SWEPT_S: i64 = 120;

/// What the two differ in.
#[derive(Debug)]
pub struct Difference(pub String);

pub type Lived = Result<(), Difference>;

impl<E: std::error::Error> From<E> for Difference {
    fn from(error: E) -> Self {
        Self(format!("the house failed: {error:?}"))
    }
}

/// Says what differs.
pub fn same<T: PartialEq + Debug>(what: &str, expected: T, came: T) -> Lived {
    if expected == came {
        return Ok(());
    }

    Err(Difference(format!(
        "{what}:\n expected {expected:?}\n     came {came:?}"
    )))
}

/// A leg in a dispatcher's hands: which order's it is, the epoch it was taken under, and the
/// process that took it, which may have been replaced since.
pub struct InHand {
    pub order: usize,
    pub panel: usize,
    pub leg: LeasedLeg,
    pub epoch: i64,
    pub delivery: Delivery,
}

/// An attempt that was sent, or was to be.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub order: usize,
    pub panel: usize,
    pub leg: LegId,
    pub number: i32,
    /// Whether an id was given: there is no second answer after that.
    pub told: bool,
}

/// One house and two panels, for one history after another.
pub struct Life {
    pub world: World,
    pub panels: [Arc<Panel>; PANELS],
    pub reference: Reference,
    pub customers: Vec<(CustomerId, String)>,
    pub hands: Vec<InHand>,
    pub attempts: Vec<Attempt>,
    /// What came about in all histories, and how often.
    pub seen: BTreeMap<&'static str, u64>,
    noticed: Vec<(LegState, OrderState, bool)>,
    connection: PgConnection,
    _running: Vec<tokio_util::sync::DropGuard>,
}

impl Life {
    pub async fn begin() -> Self {
        let services = |units: &str, package: &str| {
            format!(
                r#"[{{"service":"1","name":"U","type":"Default","category":"C","rate":"{units}","min":"10","max":"1000"}},
                {{"service":"2","name":"P","type":"Package","category":"C","rate":"{package}","min":"1","max":"1"}},
                {{"service":"3","name":"V","type":"Default","category":"C","rate":"0.70","min":"10","max":"1000"}}]"#
            )
        };

        let (a, a_runs) = Panel::start(&services("0.90", "1.50")).await;
        let (b, b_runs) = Panel::start(&services("0.80", "1.40")).await;

        let plan = Plan {
            panels: Vec::new(),
            services: file(&a, &b),
            ..Plan::default()
        };

        let world = World::build(plan).await;
        let mut connection = PgConnection::connect_with(&world.database.options())
            .await
            .unwrap();

        // A history has no rows of refusals: what they stop is a chapter of its own, like all that
        // stops a panel.
        let never = "create function never_in_a_row() returns trigger language plpgsql as 'begin \
                     return null; end';
            create trigger never_in_a_row before insert on refusal_run for each row execute \
                     function never_in_a_row()";

        connection.execute(never).await.unwrap();
        Self {
            world,
            panels: [a, b],
            reference: Reference::new(0),
            customers: Vec::new(),
            hands: Vec::new(),
            attempts: Vec::new(),
            seen: BTreeMap::new(),
            noticed: Vec::new(),
            connection,
            _running: vec![a_runs, b_runs],
        }
    }

    /// One whole history, and the days after it, in which everything comes to an end.
    pub async fn live(&mut self, steps: &[Step]) -> Lived {
        self.forget().await?;
        for (n, step) in steps.iter().enumerate() {
            let lived = self
                .step(step, n % STEPS_PER_AUDIT == STEPS_PER_AUDIT - 1)
                .await;
            lived
                .map_err(|Difference(words)| Difference(format!("step {n}, {step:?}: {words}")))?;
        }

        self.saw("histories");
        self.ends()
            .await
            .map_err(|Difference(words)| Difference(format!("after the last step: {words}")))
    }

    async fn step(&mut self, step: &Step, audited: bool) -> Lived {
        let before = self.adds();
        self.world
            .house
            .catalog
            .look_at_panels(self.world.clock.now())
            .await?;

        let sent = self.take(step).await?;
        self.saw("steps");
        let expected: [usize; PANELS] = std::array::from_fn(|panel| before[panel] + sent[panel]);
        same("calls of `add` at the panels", expected, self.adds())?;
        self.compare().await?;
        self.notice();

        if audited { self.audit().await } else { Ok(()) }
    }

    /// Counts where orders came to; a run that never gets somewhere proves nothing about it.
    fn notice(&mut self) {
        let orders = self.reference.orders.iter();
        let standing: Vec<_> = orders
            .map(|order| (order.last_state(), order.state, order.absorbed > 0))
            .collect();

        let moved: Vec<_> = standing
            .iter()
            .zip(self.noticed.iter().map(Some).chain(std::iter::repeat(None)))
            .collect();

        let moved: Vec<_> = moved
            .into_iter()
            .filter(|(now, before)| Some(*now) != *before)
            .map(|(now, _)| *now)
            .collect();

        for (leg, order, absorbed) in moved {
            self.saw(leg.as_str());
            self.saw(order.as_str());
            if absorbed {
                self.saw("absorbed");
            }
        }

        self.noticed = standing;
    }

    /// Counts what came about.
    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn adds(&self) -> [usize; PANELS] {
        std::array::from_fn(|panel| self.panels[panel].memory().adds)
    }

    /// Takes a step. How many orders each panel heard of in it.
    async fn take(&mut self, step: &Step) -> Result<[usize; PANELS], Difference> {
        let mut sent = [0; PANELS];
        match step {
            Step::Send { pick, answer } => {
                delivering::send(self, *pick, *answer, &mut sent).await?;
            }
            Step::Dispatch { panel, answers } => {
                delivering::dispatch(self, *panel, answers, &mut sent).await?;
            }
            Step::Place {
                who,
                service,
                units,
                request,
            } => {
                ordering::place(self, *who, *service, *units, *request).await?;
            }
            Step::Replay { pick } => ordering::again(self, *pick, true).await?,
            Step::Mismatch { pick } => ordering::again(self, *pick, false).await?,
            Step::Withdraw { pick } => ordering::withdraw(self, *pick).await?,
            Step::TopUp {
                who,
                cents,
                reference,
            } => ordering::top_up(self, *who, *cents, *reference).await?,
            Step::Look { pick } => ordering::look(self, *pick).await?,
            Step::Resolve { pick, finding } => ordering::resolve(self, *pick, *finding).await?,
            Step::Settle { pick, eighths } => ordering::settle(self, *pick, *eighths).await?,
            Step::GiveBack {
                pick,
                eighths,
                reason,
            } => ordering::give_back(self, *pick, *eighths, *reason).await?,
            Step::Lease { panel, legs_max } => delivering::lease(self, *panel, *legs_max).await?,
            Step::Late { pick, any, answer } => {
                delivering::late(self, *pick, *any, *answer).await?;
            }
            Step::Sweep { panel } => delivering::sweep(self, *panel).await?,
            Step::Unpark { panel } => delivering::unpark(self, *panel).await?,
            Step::Leave { panel } => delivering::leave(self, *panel).await?,
            Step::Poll { panel, words } => delivering::poll(self, *panel, words).await?,
            Step::LookInto { panel } => delivering::look_into(self, *panel).await?,
            Step::Pause { panel, paused } => self.pause(*panel, *paused).await?,
            Step::Freeze { frozen } => self.freeze(*frozen).await?,
            Step::OtherNode { gently } => self.other_node(*gently).await?,
            Step::Crash => self.crash().await?,
            Step::Pass { seconds } => self.pass(*seconds).await?,
        }

        Ok(sent)
    }

    async fn pause(&mut self, panel: usize, paused: bool) -> Lived {
        let mut tx = self.world.house.store.begin().await?;
        let id = &self.world.house.panels[panel].settings().id;
        gates::pause_provider(&mut tx, id, paused, self.world.clock.now()).await?;
        tx.commit().await?;
        self.reference.gates[panel].paused = paused;
        Ok(())
    }

    async fn freeze(&mut self, frozen: bool) -> Lived {
        let mut tx = self.world.house.store.begin().await?;
        gates::freeze_sending(&mut tx, frozen, self.world.clock.now()).await?;
        tx.commit().await?;
        self.reference.frozen = frozen;
        Ok(())
    }

    /// Another process works from now on; the first may have legs in its hands, and still tries.
    async fn other_node(&mut self, gently: bool) -> Lived {
        if gently {
            self.world.house.delivery.let_go().await?;
            self.reference.lets_go();
        }

        let house = &mut self.world.house;
        let clock = house.clock.clone();

        house.delivery = Delivery::new(
            house.store.clone(),
            house.catalog.clone(),
            clock,
            Uuid::now_v7(),
        );

        self.reference.node += 1;
        Ok(())
    }

    async fn crash(&mut self) -> Lived {
        let house = self.world.restarted().await;
        let dead = std::mem::replace(&mut self.world.house, house);

        self.world.door = self
            .world
            .house
            .open_door(([127, 0, 0, 1], 0).into(), healthy())
            .await
            .unwrap();

        dead.store.close().await;
        self.hands.clear();
        self.reference.node += 1;

        self.know_panels().await
    }

    /// Nothing is sent before a panel answered something that is free, and what it lists is known.
    async fn know_panels(&self) -> Lived {
        for panel in &self.world.house.panels {
            self.world.house.delivery.ask_balance(panel).await?;
            panel.list(true);
        }
        Ok(())
    }

    /// Where a sender would be missed meanwhile, somebody looks.
    pub async fn pass(&mut self, seconds: i64) -> Lived {
        self.world.turn(seconds);
        self.reference.now += seconds;

        if seconds < SWEPT_S {
            return Ok(());
        }

        for panel in 0..PANELS {
            delivering::sweep(self, panel).await?;
        }

        Ok(())
    }

    /// Everything goes on until it ends: nothing of an order may be left to nobody.
    async fn ends(&mut self) -> Lived {
        self.freeze(false).await?;
        for panel in 0..PANELS {
            self.pause(panel, false).await?;
        }

        for seconds in [61, 25 * 3_601, 3_601, 25 * 3_601] {
            self.pass(seconds).await?;
            for panel in 0..PANELS {
                delivering::round(self, panel).await?;
            }
        }

        self.notice();
        self.compare().await?;
        ordering::all_asked_again(self).await?;
        delivering::nothing_is_left(self)?;

        self.audit().await
    }

    /// Both houses show the same.
    async fn compare(&mut self) -> Lived {
        let shown = self.shown().await?;
        let expected = self.reference.shown();
        if shown == expected {
            return Ok(());
        }

        let (shown, expected): (Vec<_>, Vec<_>) =
            (shown.lines().collect(), expected.lines().collect());
        let differing =
            (0..shown.len().max(expected.len())).filter(|n| shown.get(*n) != expected.get(*n));

        let words: Vec<_> = differing
            .map(|n| {
                format!(
                    "\n expected {:?}\n     came {:?}",
                    expected.get(n),
                    shown.get(n)
                )
            })
            .collect();

        Err(Difference(format!("the books:{}", words.concat())))
    }

    /// Orders and wallets as the database has them, in the reference's words.
    pub async fn shown(&mut self) -> Result<String, Difference> {
        let question = "
            with leg as (
                select order_id, string_agg(
                    concat_ws(' ', provider, state, attempt, coalesce(panel_order, '-'),
                        (booked * 1e8)::bigint, (exposed * 1e8)::bigint),
                    ', ' order by n
                ) as legs
                from leg
                group by order_id
            )
            select concat_ws(E'\\n',
                (select string_agg(
                    concat_ws(' ', id, state, (refunded * 1e8)::bigint, (by_hand * 1e8)::bigint,
                        (absorbed * 1e8)::bigint, (review is not null)::text, '|', legs),
                    E'\\n' order by id
                ) from orders left join leg on order_id = id),
                (select string_agg((balance * 1e8)::bigint::text, E'\\n' order by customer_id) \
                        from wallet)
            )";

        Ok(sqlx::query_scalar(question)
            .fetch_one(&mut self.connection)
            .await?)
    }

    async fn audit(&self) -> Lived {
        let findings = audit_books(&self.world.house.store, self.world.clock.now()).await?;
        let broken: Vec<_> = findings
            .checks
            .iter()
            .filter(|check| check.violations > 0)
            .collect();

        same(
            "the audit's findings",
            "[]".to_owned(),
            format!("{broken:?}"),
        )
    }

    /// Back to an empty house: no history knows of another.
    async fn forget(&mut self) -> Lived {
        self.connection
            .execute(
                "begin;
                set local session_replication_role = replica;
                delete from transfer; delete from settlement; delete from tracked_leg; delete from \
                 panel_order;
                delete from doubt_check; delete from attempt; delete from cancel_request; delete from \
                 leg;
                delete from request; delete from orders; delete from wallet; delete from api_key;
                delete from account where kind = 'wallet'; delete from customer;
                delete from refusal_run; delete from unknown_word; delete from difference; delete \
                 from balance_move;
                update dispatch set frozen_at = null;
                update provider set epoch = 0, holder = null, held_until = null, paused_at = null, \
                 breaker = 'closed',
                    breaker_until = null, breaker_at = null, breaker_trips = 0, doubts_in_a_row = \
                 0,
                    statuses_failed = 0, statuses_again_at = null, status_batch_learned = null,
                    status_batch_learned_at = null,
                    -- No price moves in a history: what a panel took needs no other list to be \
                 judged by.
                    catalog_at = '2100-01-01';
                commit",
            )
            .await?;

        self.panels.iter().for_each(|panel| panel.forget());
        self.noticed.clear();
        (self.hands, self.attempts, self.customers) = (Vec::new(), Vec::new(), Vec::new());
        self.world
            .turn(BEGINNING_S - self.world.clock.now().timestamp());
        self.reference = Reference::new(MONEY.1);

        for n in 0..CUSTOMERS {
            let (id, key, _) = buyer(&self.world.house, &format!("customer {n}"), MONEY.0).await;
            self.customers.push((id, key));
        }

        let house = &mut self.world.house;
        let clock = house.clock.clone();

        house.delivery = Delivery::new(
            house.store.clone(),
            house.catalog.clone(),
            clock,
            Uuid::now_v7(),
        );

        self.know_panels().await
    }
}

/// Two panels that differ in what becomes of doubts and of second thoughts. What our balance shows
/// of a refusal is no matter of the house as it should be.
fn file(a: &Panel, b: &Panel) -> String {
    let provider = |id: &str, panel: &Panel, more: &str| {
        format!(
            "[[provider]]\nid = \"{id}\"\ndialect = \"classic\"\nurl = \"http://{}/api/v2\"\nkey_env = \"KEY_{}\"\n\
             currency = \"USD\"\nrequests_per_second = 1000\nstatus_every_s = 10\ntimeout_ms = 20000\n\
             doubts_in_a_row_max = 1000\ndoubts_per_minute_max = 10000\n\
             refusals_are_final = true\n{more}\n",
            panel.addr,
            id.to_uppercase()
        )
    };

    let refunds = "in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 24\nids_grow = \
                   true\naccount_is_ours_alone = true";

    let service = |id: u8, rate: &str, routes: &str| {
        let routes: Vec<_> = routes
            .chars()
            .map(|panel| format!("{{ provider = \"{panel}\", service = \"{id}\" }}"))
            .collect();

        format!(
            "[[service]]\nid = {id}\nrate = \"{rate}\"\nroutes = [{}]\n",
            routes.join(", ")
        )
    };

    [
        provider("a", a, refunds),
        provider("b", b, "reversal = \"clawback\""),
        service(1, "1.23456789", "ab"),
        service(2, "2", "ab"),
        service(3, "0.99999999", "b"),
    ]
    .concat()
}
