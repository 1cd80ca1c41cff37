//! Who is calling.

use std::net::IpAddr;

use crate::customers::Customers;
use crate::customers::keys::NOTPANEL_PREFIX;
use crate::domain::customer::{Caller, Dialect};
use crate::domain::refusal::Refusal;
use crate::downstream::form::Form;

/// The longest key that is looked up at all, in bytes; keys of ours and of imported panels are far
/// shorter.
const KEY_BYTES_MAX: usize = 256;

/// Whether the key that is shown is one of notpanel's dialect by its looks, which tells nobody
/// whether it exists.
pub fn shows_notpanel_key(form: &Form) -> bool {
    let shown = form.scalar("key").ok().flatten();
    shown.is_some_and(|key| key.starts_with(NOTPANEL_PREFIX))
}

/// The dialect of whoever is not known, or not yet: that of the key shown, where it tells.
pub fn dialect_shown(form: &Form, default: Dialect) -> Dialect {
    if shows_notpanel_key(form) {
        Dialect::Notpanel
    } else {
        default
    }
}

/// Finds the caller; a key that is missing, unreadable, unknown, revoked or used from a network
/// that it is not for is one and the same refusal.
pub async fn authenticate_caller(
    customers: &Customers,
    form: &Form,
    origin: IpAddr,
) -> Result<Caller, Refusal> {
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
