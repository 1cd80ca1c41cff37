//! The campaign's surroundings, and its end: everything comes to rest, requests are replayed, and
//! everybody's books are read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, PoisonError};

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::amount::{self, Amount};
use crate::clients::{self, Customer, Heard};
use crate::database::Database;
use crate::evidence::{Answer, Evidence, PanelOrder, Shown};
use crate::nodes::{Keepers, Nodes};
use crate::plan::{CUSTOMERS, Plan, SOLD};
use crate::processes::{ALERT_SECRET_ENV, ALERT_URL_ENV, Ground, PANEL_KEY_ENV, Process};
use crate::relay::{self, Relay};
use crate::{LOOK_EVERY, PATIENCE, judge, until};

/// What every customer begins with.
const OPENING: &str = "100000.00";
/// Orders that one `status` may name.
const IDS_MAX: usize = 100;
/// How long it may take until somebody is told of what rests.
const TELLING_MAX: Duration = Duration::from_secs(10);
/// Times that gateways are told to end and turn out to have begun something new meanwhile.
const RESTS_MAX: usize = 5;

/// Everything that is never killed: the panels, and the customers.
pub struct House {
    pub ground: Ground,
    pub customers: Vec<Customer>,
    panels: Vec<Panel>,
    pub http: reqwest::Client,
}

/// A simulated panel and the door before it.
struct Panel {
    name: &'static str,
    process: Process,
    url: String,
    relay: Relay,
}

impl House {
    /// Starts the panels, writes the gateways' file and opens the customers.
    pub async fn build(plan: &Plan, ground: Ground) -> anyhow::Result<Self> {
        let mut panels = Vec::new();
        let mut file = "[gateway]\ncurrency = \"USD\"\n".to_owned();
        let authority = relay::write_authority(ground.scratch.folder())?;

        // The first panel runs out of our money halfway, so that proven refusals send orders to the
        // second.
        for (seed, (name, balance)) in (plan.seed..).zip([("a", plan.orders / 8), ("b", 1_000_000)])
        {
            let (process, url) = ground
                .panel(name, seed, &plan.faults(), &format!("{balance}.00"))
                .await?;

            let relay = Relay::before(&url, seed).await?;

            // An id that the panel does not know is a person's affair once it must be visible: here
            // soon. The breaker would keep orders away from panels as bad as these;
            // here they are to be asked all the same.
            write!(
                file,
                "[[provider]]\nid = \"{name}\"\ndialect = \"classic\"\nurl = \
                 \"{}/api/v2\"\ncurrency = \"USD\"\nca_file = \"{}\"\nkey_env = \
                 \"{PANEL_KEY_ENV}\"\nrequests_per_second = 1000\ntimeout_ms = \
                 5_000\nstatus_every_s = 1\ndoubts_in_a_row_max = 1_000\ndoubts_per_minute_max = \
                 10_000\nvisible_after_s = 15\n",
                relay.url(),
                authority.display()
            )?;

            panels.push(Panel {
                name,
                process,
                url,
                relay,
            });
        }

        for sold in &SOLD {
            let route = |panel| {
                format!(
                    "{{ provider = \"{panel}\", service = \"{}\" }}",
                    sold.panel_service
                )
            };

            let routes = sold.panels.map(route).join(", ");
            write!(
                file,
                "[[service]]\nid = {}\nrate = \"{}\"\nroutes = [{routes}]\n",
                sold.id, sold.rate
            )?;
        }

        write!(
            file,
            "[alerts]\nurl_env = \"{ALERT_URL_ENV}\"\nsecret_env = \"{ALERT_SECRET_ENV}\"\n"
        )?;

        std::fs::write(&ground.config, file)?;
        let mut customers = Vec::new();
        for n in 0..CUSTOMERS {
            customers.push(customer(&ground, &format!("buyer-{n}")).await?);
        }

        Ok(Self {
            ground,
            customers,
            panels,
            http: clients::http()?,
        })
    }

    /// How many `add`s the panels have heard.
    pub async fn adds(&self) -> anyhow::Result<u64> {
        let mut adds = 0;
        for panel in &self.panels {
            adds += self.sim(&panel.url, "requests").await?["add"]
                .as_u64()
                .unwrap_or(0);
        }

        Ok(adds)
    }

    /// Whether somebody is shaking hands with a panel at this moment, and so has something marked
    /// that has not left.
    pub fn is_shaking(&self) -> bool {
        self.panels.iter().any(|panel| panel.relay.shaking() > 0)
    }

    async fn sim(&self, url: &str, what: &str) -> anyhow::Result<Value> {
        let text = self
            .http
            .get(format!("{url}/_sim/{what}"))
            .send()
            .await?
            .text()
            .await?;

        Ok(serde_json::from_str(&text)?)
    }

    /// What the panels have.
    pub async fn panel_orders(&self) -> anyhow::Result<Vec<PanelOrder>> {
        let mut all = Vec::new();
        for panel in &self.panels {
            let rows = self.sim(&panel.url, "orders").await?;
            for row in rows.as_array().context("a list of orders")? {
                let text = |name: &str| {
                    row[name]
                        .as_str()
                        .map(str::to_owned)
                        .with_context(|| format!("{name}: {row}"))
                };

                all.push(PanelOrder {
                    panel: panel.name.to_owned(),
                    id: text("id")?,
                    link: text("link")?,
                    status: text("status")?,
                    remains: row["remains"].as_u64().context("remains")?,
                });
            }
        }

        Ok(all)
    }

    /// Has the books proved by the gateway's own command; what it finds are complaints.
    pub async fn audit(&self) -> anyhow::Result<Vec<String>> {
        // Without a document the database was away: asked again.
        let audit = until("the books can be proved", async || {
            Ok(self.ground.run(&["ledger", "audit"]).await?.1)
        });

        let audit = audit.await?;
        let checks = audit["checks"]
            .as_array()
            .filter(|checks| !checks.is_empty())
            .context("an audit's checks")?;

        let broken = checks.iter().filter(|check| check["violations"] != 0);
        let broken: Vec<_> = broken
            .map(|check| format!("ledger audit: {check}"))
            .collect();

        ensure!(
            broken.is_empty() == (audit["ok"] == true),
            "the audit contradicts itself: {audit}"
        );

        Ok(broken)
    }

    /// Ends the panels.
    pub async fn close(self) {
        for mut panel in self.panels {
            // The undertaker has the last word on one that does not obey.
            let _ = panel.process.end().await;
        }
    }
}

async fn customer(ground: &Ground, name: &str) -> anyhow::Result<Customer> {
    let id = ground.json(&["customer", "create", name]).await?["id"]
        .as_i64()
        .context("a customer's id")?;

    ground
        .json(&[
            "balance",
            "add",
            name,
            OPENING,
            "--reference",
            &format!("opening of {name}"),
        ])
        .await?;

    let key = ground.json(&["key", "create", name]).await?["key"]
        .as_str()
        .context("a key")?
        .to_owned();

    Ok(Customer { id, key })
}

/// Waits for rest, asks the gateways everything again, ends them, and reads everybody's books.
pub async fn evidence(
    plan: &Arc<Plan>,
    house: &House,
    database: &Database,
    running: (Nodes, Keepers),
    mut answers: BTreeMap<usize, Answer>,
) -> anyhow::Result<Evidence> {
    let (mut nodes, mut keepers) = running;
    for _ in 0..RESTS_MAX {
        let rest = until("every order ends, or waits for a person", async || {
            Ok(at_rest(database).await.then_some(()))
        });

        tokio::select! {
            rest = rest => rest?,
            ended = keepers.one_ended() => return Err(ended),
        }

        let desk = Desk::at(house, &nodes).await?;
        desk.replay(plan, &mut answers).await?;
        told(database).await;

        let ids: Vec<i32> = database
            .read()
            .await?
            .orders
            .iter()
            .map(|order| order.id)
            .collect();

        let (shown, balances) = (desk.shown(&ids).await?, desk.balances().await?);
        all_at_work(house, &nodes).await?;
        nodes.end(keepers).await?;
        let books = database.read().await?;

        // A doubt may be resolved at any moment: then the order is followed to its end first.
        if at_rest(database).await && books.orders.len() == ids.len() {
            let mut evidence = Evidence {
                wishes: plan.wishes(),
                customers: house.customers.iter().map(|customer| customer.id).collect(),
                opening: amount::read(OPENING)?,
                answers,
                panel_orders: house.panel_orders().await?,
                shown,
                balances,
                orders: books.orders,
                legs: books.legs,
                moved: books.moved,
                wallets: books.wallets,
                cut_off: books.cut_off,
                alerts: books.alerts,
            };

            evidence.sort_panel_orders();
            return Ok(evidence);
        }

        (nodes, keepers) = Nodes::start(&house.ground, plan);
    }

    bail!("the gateways never come to rest")
}

/// Waits until every worker of every gateway does its rounds.
async fn all_at_work(house: &House, nodes: &Nodes) -> anyhow::Result<()> {
    for n in 0..nodes.addresses.len() {
        let what = format!("all workers of gateway {n} are at work");
        until(&what, async || {
            let Some(url) = nodes.at(n) else {
                return Ok(None);
            };

            let Ok(answer) = house
                .http
                .get(url.replace("/api/v2", "/healthz"))
                .send()
                .await
            else {
                return Ok(None);
            };

            let health: Value = serde_json::from_str(&answer.text().await?)?;
            let is_well = health["ready"] == true
                && health["workers_late"].as_array().is_some_and(Vec::is_empty);

            Ok(is_well.then_some(()))
        })
        .await?;
    }

    Ok(())
}

/// Waits until somebody was told of everything that rests; whatever is missing then is the judge's
/// to tell.
async fn told(database: &Database) {
    let began = Instant::now();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while began.elapsed() < TELLING_MAX {
        looks.tick().await;
        if database
            .read()
            .await
            .is_ok_and(|books| judge::untold(&books.orders, &books.legs, &books.alerts).is_empty())
        {
            return;
        }
    }
}

async fn at_rest(database: &Database) -> bool {
    // While the database is away nothing is known to rest.
    database.unrest().await.is_ok_and(|unrest| unrest == 0)
}

/// A patient customer at whichever gateway is up.
struct Desk<'a> {
    house: &'a House,
    url: String,
}

impl<'a> Desk<'a> {
    async fn at(house: &'a House, nodes: &Nodes) -> anyhow::Result<Self> {
        let up = || {
            nodes
                .addresses
                .iter()
                .find_map(|at| at.lock().unwrap_or_else(PoisonError::into_inner).clone())
        };

        let url = until("a gateway is up", async || Ok(up())).await?;
        Ok(Self { house, url })
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> anyhow::Result<(String, Value)> {
        until("a gateway that nobody kills answers", async || {
            Ok(
                match clients::ask(&self.house.http, &self.url, fields, PATIENCE).await? {
                    Heard::Said(text, said) => Some((text, said)),
                    Heard::Wrong(text) => Some((text, Value::Null)),
                    Heard::Nothing => None,
                },
            )
        })
        .await
    }

    /// Sends every answered request again.
    async fn replay(
        &self,
        plan: &Plan,
        answers: &mut BTreeMap<usize, Answer>,
    ) -> anyhow::Result<()> {
        for (n, wish) in plan
            .wishes()
            .iter()
            .enumerate()
            .filter(|(_, wish)| wish.request_id.is_some())
        {
            let Some(answer) = answers.get_mut(&n) else {
                continue;
            };

            let key = &self.house.customers[wish.customer].key;
            answer.replayed = Some(
                self.ask(&clients::form(wish, key, &clients::numbers(wish)))
                    .await?
                    .0,
            );
        }

        Ok(())
    }

    /// What customers are shown of these orders; each is asked for by all, and shown to its own.
    async fn shown(&self, ids: &[i32]) -> anyhow::Result<BTreeMap<i32, Shown>> {
        let mut shown = BTreeMap::new();
        for customer in &self.house.customers {
            for batch in ids.chunks(IDS_MAX) {
                let list = batch
                    .iter()
                    .map(i32::to_string)
                    .collect::<Vec<_>>()
                    .join(",");

                let (text, said) = self
                    .ask(&[
                        ("key", &customer.key),
                        ("action", "status"),
                        ("orders", &list),
                    ])
                    .await?;

                for (id, row) in said
                    .as_object()
                    .with_context(|| format!("no statuses: {text}"))?
                {
                    if row["error"].is_null() {
                        let before = shown.insert(
                            id.parse()?,
                            read_shown(row).with_context(|| row.to_string())?,
                        );
                        ensure!(before.is_none(), "order {id} is shown to two customers");
                    }
                }
            }
        }

        Ok(shown)
    }

    /// What each customer is told to have.
    async fn balances(&self) -> anyhow::Result<Vec<Amount>> {
        let mut balances = Vec::new();
        for customer in &self.house.customers {
            let (text, said) = self
                .ask(&[("key", &customer.key), ("action", "balance")])
                .await?;

            balances.push(amount::read(
                said["balance"]
                    .as_str()
                    .with_context(|| format!("no balance: {text}"))?,
            )?);
        }

        Ok(balances)
    }
}

fn read_shown(row: &Value) -> anyhow::Result<Shown> {
    Ok(Shown {
        status: row["status"].as_str().context("status")?.to_owned(),
        charge: amount::read(row["charge"].as_str().context("charge")?)?,
        remains: row["remains"].as_str().context("remains")?.parse()?,
    })
}
