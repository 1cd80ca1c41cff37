//! `balance`: what the caller's wallet holds.

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::DoorDeps;
use crate::downstream::reply::Reply;

/// Answers `balance`.
pub async fn read_balance(house: &DoorDeps, caller: &Caller) -> Result<Reply, Refusal> {
    let balance = house.customers.balance(caller.customer).await?;
    Ok(Reply::Balance {
        balance,
        currency: house.catalog.now().currency.clone(),
    })
}
