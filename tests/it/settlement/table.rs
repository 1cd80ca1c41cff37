//! The settlement's table: what a panel says, and what becomes of the order, its refund, its cost,
//! and who is told. The rows' figures were counted apart, by money's rules; each order lives in a
//! real house and hears its row for days.

use std::collections::BTreeMap;

use crate::books::read;
use crate::scripted::Scripted;
use crate::world::World;

const ROWS: &str = include_str!("rows.tsv");

/// The rows' words for what a person is asked.
const REVIEWS: [(&str, &str); 11] = [
    ("-", ""),
    (
        "more",
        "settled by what remains, and the panel's charge is lower than that: more may have to go \
         back",
    ),
    (
        "kept",
        "canceled, and what the panel says that it kept does not fit what remains",
    ),
    ("package", "part of a package cannot be counted"),
    ("unreadable", "partial without a readable remains"),
    (
        "unit",
        "more remains than was ordered: the unit is not ours",
    ),
    ("remains", "canceled without a usable remains"),
    ("part", "canceled with a part delivered"),
    (
        "failure",
        "the panel reports a failure, and not how much was delivered",
    ),
    ("expired", "an ended subscription, which is not sold"),
    ("unnamed", "the panel names no status of it"),
];

struct Row {
    line: usize,
    bought: String,
    says: String,
    /// State, refunded, cost, remains, review and alerts, as the books have them.
    stands: String,
}

fn rows_of(rule: &str) -> Vec<Row> {
    let reviews = BTreeMap::from(REVIEWS);
    let lines = ROWS
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with('#'));

    let fields = lines.map(|(n, line)| (n + 1, line.split('\t').collect::<Vec<_>>()));
    let of_rule = fields.filter(|(_, fields)| fields[0] == rule);
    of_rule
        .map(|(line, fields)| {
            let [
                _,
                bought,
                says,
                state,
                refunded,
                cost,
                remains,
                review,
                alerts,
            ] = fields[..]
            else {
                panic!("line {line}: {fields:?}")
            };

            let stands = [state, refunded, cost, remains, reviews[review], alerts].join(" | ");
            Row {
                line,
                bought: bought.to_owned(),
                says: says.to_owned(),
                stands,
            }
        })
        .collect()
}

/// The number of the row whose order a panel is asked about.
fn row_number(text: &str) -> Option<usize> {
    text.rsplit('/').next()?.parse().ok()
}

/// Where the order of a row stands.
async fn stands(world: &World, order: i32) -> String {
    let question = format!(
        "select concat_ws(' | ', o.state, trim_scale(o.refunded), trim_scale(l.booked), o.remains,
            coalesce(o.review, ''),
            coalesce((select string_agg(d.kind, ' ' order by d.kind) from difference d
                where d.leg_id = l.id and d.confirmed_at is not null), '-'))
        from orders o join leg l on l.order_id = o.id where o.id = {order}"
    );

    read(&world.database, &question).await
}

async fn holds_for(rule: &str) {
    let rows = rows_of(rule);
    let panel = Scripted::saying("{}").await;
    let says: Vec<String> = rows.iter().map(|row| row.says.clone()).collect();

    panel.say(move |form| match form.get("action").map(String::as_str) {
        // An order's id is its row's number, and some.
        Some("add") => Some((
            200,
            format!("{{\"order\":{}}}", 1_000 + row_number(&form["link"])?),
        )),
        Some("status") => {
            let row = |id: &str| says[id.parse::<usize>().unwrap() - 1_000].clone();
            let Some(ids) = form.get("orders") else {
                return Some((200, row(&form["order"])));
            };

            let rows: Vec<_> = ids
                .split(',')
                .map(|id| format!("\"{id}\":{}", row(id)))
                .collect();

            Some((200, format!("{{{}}}", rows.join(","))))
        }
        _ => None,
    });

    let world = panel
        .world_with(&format!("canceled_with_remains = \"{rule}\"\n"))
        .await;

    let mut orders = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let link = format!("https://example.org/{n}");
        let (service, units) = if row.bought == "package" {
            ("2", "1")
        } else {
            ("1", row.bought.as_str())
        };

        orders.push(world.buy_for(service, units, &link).await);
    }

    world.work().await;

    // What a panel took is judged by its list, once that was read after it took it.
    world.turn(1);
    world.house.refresh().await.unwrap();

    world.pass(12, 60).await;
    for _ in 0..3 {
        let mut wrong = Vec::new();
        world.pass(2, 26 * 3_600).await;

        for (row, order) in rows.iter().zip(&orders) {
            let stands = stands(&world, *order).await;
            if stands != row.stands {
                wrong.push(format!(
                    "line {}: {}\n  expected {}\n      came {stands}",
                    row.line, row.says, row.stands
                ));
            }
        }

        assert!(
            wrong.is_empty(),
            "{} of {}\n{}",
            wrong.len(),
            rows.len(),
            wrong.join("\n")
        );
    }

    world.audit().await;
}

#[tokio::test]
async fn every_row_is_settled_as_moneys_rules_say() {
    assert!(rows_of("by_charge").len() >= 120);
    holds_for("by_charge").await;
}

#[tokio::test]
async fn and_canceled_rows_as_the_operator_says() {
    for rule in ["full", "by_remains", "review"] {
        holds_for(rule).await;
    }
}
