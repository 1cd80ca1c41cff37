//! `cancel`: one order taken back, or many.

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::House;
use crate::downstream::asked::{self, Asked};
use crate::downstream::dialect::order_named;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

/// Answers `cancel`.
pub async fn cancel(house: &House, caller: &Caller, form: &Form) -> Result<Reply, Refusal> {
    match asked::orders(form)? {
        Asked::One(id) => house.orders.cancel(caller, order_named(&id)).await.map(Reply::Cancel),
        Asked::Many(ids) => {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                let outcome = house.orders.cancel(caller, order_named(&id)).await;
                rows.push((id, of_row(outcome)?));
            }
            Ok(Reply::Cancels(rows))
        }
    }
}

/// What a row may say; what is wrong with us is no row's fault, and said of the whole.
pub(super) fn of_row<T>(outcome: Result<T, Refusal>) -> Result<Result<T, Refusal>, Refusal> {
    match outcome {
        Err(refusal @ (Refusal::Away | Refusal::Broken)) => Err(refusal),
        outcome => Ok(outcome),
    }
}
