//! `order reroute`: by a person's word, what was provably not placed goes by another route; many at
//! once, each for itself.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, WrongUse, table};
use crate::cli::in_force;
use crate::cli::order::wanted::MomentFlag;
use crate::cli::order::wanted::{self, Filters};
use crate::cli::session::Session;
use crate::domain::id::{OrderId, ProviderId};
use crate::orders::Delivery;
use crate::orders::reroute_by_hand::Rerouted;
use crate::store::show::{self, ORDERS_MAX, OrderFilter};

/// Which orders, and where they shall go.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The orders' ids; without any, all of which nothing was placed and that the filters choose
    ids: Vec<i32>,
    /// To this panel, which must be a route of their service; the next route that may be used
    /// unless it is given
    #[arg(long, value_name = "PROVIDER")]
    to: Option<String>,
    /// Exactly these orders, as if they were named first
    #[arg(long, value_name = "ID")]
    id: Vec<i32>,
    #[command(flatten)]
    filters: Filters,
    /// Bought since then: 24h, 7d, a day such as 2026-11-01, or a moment such as
    /// 2026-11-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    placed_from: Option<String>,
    /// Bought until then; a day counts whole
    #[arg(long, value_name = "WHEN")]
    placed_to: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Where the orders must be to be moved, and where they shall go, as far as that was said.
struct Direction {
    from: Option<ProviderId>,
    to: Option<ProviderId>,
}

/// What came of one order.
struct RerouteRow {
    order: OrderId,
    outcome: Rerouted,
}

pub async fn run(session: &Session, options: Options) -> anyhow::Result<CommandOutcome> {
    let Options {
        ids,
        to,
        id,
        filters,
        placed_from,
        placed_to,
        dry_run,
    } = options;

    let named: Vec<OrderId> = ids.into_iter().chain(id).map(OrderId).collect();
    let narrowed = !filters.are_none() || placed_from.is_some() || placed_to.is_some();
    if named.is_empty() && !narrowed {
        return Err(WrongUse::because(
            "no order is named; give ids, or filters such as --provider P, --state parked or \
             --service ID",
        ));
    }

    if named.len() > usize::try_from(ORDERS_MAX).unwrap_or(usize::MAX) {
        return Err(WrongUse::because(format!(
            "at most {ORDERS_MAX} orders at once"
        )));
    }

    if let Some(to) = &to {
        session.panel(to).await?;
    }

    let (placed_from, placed_before) = wanted::span(
        session,
        MomentFlag {
            name: "--placed-from",
            text: placed_from,
        },
        MomentFlag {
            name: "--placed-to",
            text: placed_to,
        },
    )?;

    let mut from = None;
    let orders = if narrowed {
        let orders = (!named.is_empty()).then_some(named);
        let wanted = filters.wanted(session).await?;
        let wanted = OrderFilter {
            orders,
            placed_from,
            placed_before,
            unsent_only: true,
            ..wanted
        };

        from = wanted.provider.clone().map(ProviderId);

        // Whoever waits longest goes first.
        show::list_orders(&session.store, &wanted)
            .await?
            .iter()
            .rev()
            .map(|row| row.id)
            .collect()
    } else {
        named
    };

    let delivery = in_force::delivery(session).await?;
    let direction = Direction {
        from,
        to: to.map(ProviderId),
    };

    let mut rows = Vec::with_capacity(orders.len());
    for order in orders {
        let outcome = one(session, &delivery, order, &direction, dry_run).await?;
        rows.push(RerouteRow { order, outcome });
    }

    Ok(told(&rows, dry_run))
}

/// One order in a transaction of its own: what is done stays done, whatever becomes of the others.
async fn one(
    session: &Session,
    delivery: &Delivery,
    order: OrderId,
    direction: &Direction,
    dry_run: bool,
) -> anyhow::Result<Rerouted> {
    let mut tx = session.store.begin().await?;
    let outcome = delivery
        .reroute(
            &mut tx,
            order,
            direction.from.as_ref(),
            direction.to.as_ref(),
        )
        .await?;

    match &outcome {
        Rerouted::Moved { from, to, .. } if !dry_run => {
            let object = format!("order {order} from {} to {}", from.provider, to.provider);
            session.note(&mut tx, "order reroute", &object).await?;
            tx.commit().await?;
        }
        Rerouted::Moved { .. } | Rerouted::Stays(_) => tx.rollback().await?,
    }

    Ok(outcome)
}

fn told(rows: &[RerouteRow], dry_run: bool) -> CommandOutcome {
    let cells: Vec<_> = rows.iter().map(|row| cells(row, dry_run)).collect();
    let documents: Vec<Value> = rows.iter().map(|row| document(row, dry_run)).collect();
    let stay = rows
        .iter()
        .filter(|row| matches!(row.outcome, Rerouted::Stays(_)))
        .count();

    let moved = rows.len() - stay;

    let mut text = if rows.is_empty() {
        "no order is waiting that the filters choose\n".to_owned()
    } else {
        table(["id", "from", "to", "what"], &cells)
    };

    if rows.len() > 1 {
        let verb = if dry_run { "would go" } else { "went" };
        let _ = writeln!(
            text,
            "{moved} {verb} by another route, {stay} stay where they are"
        );
    }

    if i64::try_from(rows.len()).is_ok_and(|rows| rows == ORDERS_MAX) {
        text += "there may be more; say it again for the next\n";
    }

    CommandOutcome::new(text, documents.into()).failing_if(stay > 0)
}

fn cells(row: &RerouteRow, dry_run: bool) -> [String; 4] {
    let id = row.order.to_string();
    match &row.outcome {
        Rerouted::Moved { from, to, why } => {
            let verb = if dry_run { "would go" } else { "goes" };
            [
                id,
                from.provider.to_string(),
                to.provider.to_string(),
                format!("{verb} by another route: {why}"),
            ]
        }
        Rerouted::Stays(why) => [id, String::new(), String::new(), format!("stays: {why}")],
    }
}

fn document(row: &RerouteRow, dry_run: bool) -> Value {
    match &row.outcome {
        Rerouted::Moved { from, to, why } => json!({
            "id": row.order.0, "moved": !dry_run, "from": from.provider.0, "to": to.provider.0,
            "service": to.service,
            "why": why,
        }),
        Rerouted::Stays(why) => {
            json!({ "id": row.order.0, "moved": false, "from": null, "to": null, "why": why })
        }
    }
}
