//! The life of orders.

use crate::domain::customer::Caller;
use crate::domain::id::{OrderId, PublicId};
use crate::domain::order::Look;
use crate::domain::refusal::Refusal;
use crate::domain::wish::Wish;

/// Places orders and looks at them.
#[derive(Clone)]
pub struct Orders;

#[allow(clippy::unused_async, reason = "they will ask the database")]
impl Orders {
    /// Buys; the answer's exact bytes.
    pub async fn place(
        &self,
        _caller: &Caller,
        _wish: Wish,
        _spell: fn(OrderId, PublicId) -> String,
    ) -> Result<String, Refusal> {
        Err(Refusal::Broken)
    }

    /// One order.
    pub async fn look(&self, _caller: &Caller, _id: &str) -> Result<Look, Refusal> {
        Err(Refusal::Broken)
    }

    /// Many orders, in the order asked.
    pub async fn look_many(&self, _caller: &Caller, _ids: &[String]) -> Result<Vec<Option<Look>>, Refusal> {
        Err(Refusal::Broken)
    }
}
