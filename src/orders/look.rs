//! Looking: what a customer is shown of their orders at this moment.

use std::collections::HashMap;

use crate::customers::refused;
use crate::domain::customer::Caller;
use crate::domain::order::Look;
use crate::domain::refusal::Refusal;
use crate::orders::Orders;
use crate::store::orders;

impl Orders {
    /// One order of the caller's.
    pub async fn look(&self, caller: &Caller, id: &str) -> Result<Look, Refusal> {
        let found = self.look_many(caller, &[id.to_owned()]).await?;
        found.into_iter().next().flatten().ok_or(Refusal::UnknownOrder)
    }

    /// Many, in the order in which they were asked for; `None` for what is not an order of the caller's.
    pub async fn look_many(&self, caller: &Caller, ids: &[String]) -> Result<Vec<Option<Look>>, Refusal> {
        let wanted: Vec<Option<i32>> = ids.iter().map(|id| read_id(id)).collect();
        let known: Vec<i32> = wanted.iter().copied().flatten().collect();
        if known.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let rows = orders::look(&self.store, caller.customer, &known).await.map_err(|error| refused(&error))?;
        let rows: HashMap<i32, Look> = rows.into_iter().map(|(order, look)| (order.0, look)).collect();
        Ok(wanted.into_iter().map(|id| rows.get(&id?).cloned()).collect())
    }
}

/// Digits only: a sign or a blank inside makes it no id.
fn read_id(id: &str) -> Option<i32> {
    let id = id.trim();
    if id.bytes().all(|byte| byte.is_ascii_digit()) { id.parse().ok() } else { None }
}
