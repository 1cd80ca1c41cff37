//! `refill` and `refill_status`: one or many.

use crate::domain::customer::Caller;
use crate::domain::refill::RefillState;
use crate::domain::refusal::Refusal;
use crate::downstream::DoorDeps;
use crate::downstream::act::cancel::of_row;
use crate::downstream::asked::{self, AskedRefills, RequestedIds};
use crate::downstream::dialect::{order_named, refill_named};
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

/// Answers `refill`.
pub async fn refill_orders(
    house: &DoorDeps,
    caller: &Caller,
    form: &Form,
) -> Result<Reply, Refusal> {
    match asked::requested_orders(form)? {
        RequestedIds::One(id) => house
            .orders
            .refill(caller, order_named(&id))
            .await
            .map(Reply::Refill),
        RequestedIds::Many(ids) => {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                let outcome = house.orders.refill(caller, order_named(&id)).await;
                let outcome = of_row(outcome, rows.is_empty())?;
                rows.push((id, outcome));
            }

            Ok(Reply::Refills(rows))
        }
    }
}

/// Answers `refill_status`.
pub async fn refill_status(
    house: &DoorDeps,
    caller: &Caller,
    form: &Form,
) -> Result<Reply, Refusal> {
    match asked::requested_refills(form)? {
        AskedRefills::Refills(asked) => {
            let names: Vec<_> = ids(&asked).iter().map(|id| refill_named(id)).collect();
            reply(asked, house.orders.refill_states(caller, &names).await?)
        }
        AskedRefills::LatestOf(asked) => {
            let names: Vec<_> = ids(&asked).iter().map(|id| order_named(id)).collect();
            reply(asked, house.orders.latest_refills(caller, &names).await?)
        }
    }
}

fn ids(asked: &RequestedIds) -> &[String] {
    match asked {
        RequestedIds::One(id) => std::slice::from_ref(id),
        RequestedIds::Many(ids) => ids,
    }
}

fn reply(asked: RequestedIds, states: Vec<Option<RefillState>>) -> Result<Reply, Refusal> {
    let mut states = states
        .into_iter()
        .map(|state| state.ok_or(Refusal::UnknownRefill));

    match asked {
        RequestedIds::One(_) => states
            .next()
            .ok_or(Refusal::Broken)?
            .map(Reply::RefillStatus),
        RequestedIds::Many(ids) => Ok(Reply::RefillStatuses(ids.into_iter().zip(states).collect())),
    }
}
