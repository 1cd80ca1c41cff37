//! Who is calling.

use crate::customers::Customers;
use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;

/// The longest key that is looked up at all, in bytes; keys of ours and of imported panels are far shorter.
const KEY_BYTES_MAX: usize = 256;

/// Finds the caller; a key that is missing, unreadable, unknown or revoked is one and the same refusal.
pub async fn authenticate(customers: &Customers, form: &Form) -> Result<Caller, Refusal> {
    match form.scalar("key") {
        Ok(Some(key)) if key.len() <= KEY_BYTES_MAX => customers.caller(&key).await,
        Ok(_) | Err(_) => Err(Refusal::InvalidKey),
    }
}
