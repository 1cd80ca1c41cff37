//! `cancel`: one order taken back, or many.

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::DoorDeps;
use crate::downstream::asked::{self, RequestedIds};
use crate::downstream::dialect::order_named;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

/// Answers `cancel`.
pub async fn cancel_orders(
    house: &DoorDeps,
    caller: &Caller,
    form: &Form,
) -> Result<Reply, Refusal> {
    match asked::requested_orders(form)? {
        RequestedIds::One(id) => house
            .orders
            .cancel(caller, order_named(&id))
            .await
            .map(Reply::Cancel),
        RequestedIds::Many(ids) => {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                let outcome = house.orders.cancel(caller, order_named(&id)).await;
                let outcome = of_row(outcome, rows.is_empty())?;
                rows.push((id, outcome));
            }

            Ok(Reply::Cancels(rows))
        }
    }
}

/// What a row may say. What is wrong with us is said of the whole, as long as nothing was done yet:
/// afterwards the whole would hide what the rows before it did.
pub(super) fn of_row<T>(
    outcome: Result<T, Refusal>,
    first: bool,
) -> Result<Result<T, Refusal>, Refusal> {
    match outcome {
        Err(refusal @ (Refusal::Away | Refusal::Broken | Refusal::Unknown)) if first => {
            Err(refusal)
        }
        outcome => Ok(outcome),
    }
}
