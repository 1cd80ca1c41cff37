//! Looking: what a customer is shown of their orders at this moment.

use std::collections::HashMap;

use crate::customers::refused;
use crate::domain::customer::Caller;
use crate::domain::id::OrderName;
use crate::domain::order::OrderView;
use crate::domain::refusal::Refusal;
use crate::orders::Orders;
use crate::store::orders;

impl Orders {
    /// One order of the caller's.
    pub async fn look(
        &self,
        caller: &Caller,
        name: Option<OrderName>,
    ) -> Result<OrderView, Refusal> {
        let found = self.look_many(caller, &[name]).await?;
        found
            .into_iter()
            .next()
            .flatten()
            .ok_or(Refusal::UnknownOrder)
    }

    /// Many, in the order in which they were asked for; `None` for what is not an order of the
    /// caller's, or was no name to begin with.
    pub async fn look_many(
        &self,
        caller: &Caller,
        names: &[Option<OrderName>],
    ) -> Result<Vec<Option<OrderView>>, Refusal> {
        let known: Vec<OrderName> = names.iter().copied().flatten().collect();
        if known.is_empty() {
            return Ok(vec![None; names.len()]);
        }

        let rows = orders::look_up_orders(&self.store, caller.customer, &known)
            .await
            .map_err(|error| refused(&error))?;

        let both = |(order, public, look): (_, _, OrderView)| {
            [
                (OrderName::Number(order), look.clone()),
                (OrderName::Public(public), look),
            ]
        };

        let looks: HashMap<OrderName, OrderView> = rows.into_iter().flat_map(both).collect();
        Ok(names
            .iter()
            .map(|name| looks.get(name.as_ref()?).cloned())
            .collect())
    }
}
