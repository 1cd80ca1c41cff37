//! Other people's receivers: a message is signed as Standard Webhooks says, and posted once. Who
//! retries, and what was told already, is the caller's to know.

mod deliver;
mod sign;

pub use deliver::{DeliveryFailure, Webhook, WebhookError};
pub use sign::{Secret, SigningSecretError};
