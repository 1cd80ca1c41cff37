//! Who is calling.

use std::net::IpAddr;

use crate::customers::Customers;
use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;

/// The longest key that is looked up at all, in bytes; keys of ours and of imported panels are far shorter.
const KEY_BYTES_MAX: usize = 256;

/// Finds the caller; a key that is missing, unreadable, unknown, revoked or used from a network that it is not for is
/// one and the same refusal.
pub async fn authenticate(customers: &Customers, form: &Form, origin: IpAddr) -> Result<Caller, Refusal> {
    let caller = match form.scalar("key") {
        Ok(Some(key)) if key.len() <= KEY_BYTES_MAX => customers.caller(&key).await?,
        Ok(_) | Err(_) => return Err(Refusal::InvalidKey),
    };
    if !caller.may_come_from(origin) {
        return Err(Refusal::InvalidKey);
    }
    customers.note_use(&caller);
    Ok(caller)
}
