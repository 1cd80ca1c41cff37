//! `status`: where one order stands, or many.

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::DoorDeps;
use crate::downstream::asked::{self, RequestedIds};
use crate::downstream::dialect::order_named;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;

/// Answers `status`.
pub async fn order_statuses(
    house: &DoorDeps,
    caller: &Caller,
    form: &Form,
) -> Result<Reply, Refusal> {
    let currency = || house.catalog.now().currency.clone();
    match asked::requested_orders(form)? {
        RequestedIds::One(id) => {
            let look = house.orders.look(caller, order_named(&id)).await?;
            Ok(Reply::Status {
                look,
                currency: currency(),
            })
        }
        RequestedIds::Many(ids) => {
            let names: Vec<_> = ids.iter().map(|id| order_named(id)).collect();
            let looks = house.orders.look_many(caller, &names).await?;
            if looks.len() != ids.len() {
                tracing::error!(
                    asked = ids.len(),
                    answered = looks.len(),
                    "looks do not match the ids asked for"
                );

                return Err(Refusal::Broken);
            }

            Ok(Reply::Statuses {
                rows: ids.into_iter().zip(looks).collect(),
                currency: currency(),
            })
        }
    }
}
