//! Customers and their keys.

use crate::domain::customer::Caller;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::domain::refusal::Refusal;

/// Finds customers by their keys.
#[derive(Clone)]
pub struct Customers;

#[allow(clippy::unused_async, reason = "they will ask the database")]
impl Customers {
    /// Who shows this key.
    pub async fn caller(&self, _key: &str) -> Result<Caller, Refusal> {
        Err(Refusal::Broken)
    }

    /// What the wallet holds.
    pub async fn balance(&self, _customer: CustomerId) -> Result<Money, Refusal> {
        Err(Refusal::Broken)
    }
}
