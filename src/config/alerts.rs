//! `[alerts]`: where the address and the secret of the operator's webhook are found, and finding
//! them.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::config::reader::Section;
use crate::webhooks::{Secret, SigningSecretError, Webhook, WebhookError};

/// `[alerts]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertSettings {
    /// The variable that holds the webhook's address; `None`: only the log is told.
    pub url_env: Option<String>,
    /// The variable that holds the secret that messages are signed with; `None`: they go unsigned.
    pub secret_env: Option<String>,
}

/// Why the webhook cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// The variable is not there.
    #[error("alerts: environment variable {0} is not set; set it to the webhook's {1}")]
    NotSet(String, &'static str),
    /// What is there is no address.
    #[error("alerts: environment variable {0} {1}")]
    Url(String, #[source] WebhookError),
    /// What is there is no secret.
    #[error("alerts: environment variable {0} {1}")]
    Secret(String, #[source] SigningSecretError),
}

/// What the table says; nothing without it.
pub(super) fn read(top: &mut Section<'_>, notes: &mut Vec<String>) -> AlertSettings {
    let Some(mut section) = top.table("alerts") else {
        return AlertSettings::default();
    };

    let url_env = section.variable("url_env", "the address");
    let secret_env = section.variable("secret_env", "the secret");

    match (section.has("url_env"), section.has("secret_env")) {
        (false, true) => section
            .complain_whole("secret_env signs what nobody is told; name the address in url_env"),
        (true, false) => notes
            .push("[alerts] has no secret_env: the webhook is told without a signature".to_owned()),
        (true, true) | (false, false) => {}
    }

    section.finish();
    AlertSettings {
        url_env,
        secret_env,
    }
}

/// The webhook that the settings name, with what the environment holds. `timeout` is for one
/// message.
pub fn webhook(
    settings: &AlertSettings,
    surroundings: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Option<Webhook>, AlertsError> {
    let found = |variable: &String, what| {
        let value = surroundings
            .get(variable)
            .filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| AlertsError::NotSet(variable.clone(), what))
    };

    let Some(variable) = &settings.url_env else {
        return Ok(None);
    };

    let url = SecretString::from(found(variable, "address")?.clone());
    let secret = match &settings.secret_env {
        Some(variable) => {
            let text = found(variable, "secret")?;
            Some(Secret::read(text).map_err(|error| AlertsError::Secret(variable.clone(), error))?)
        }
        None => None,
    };

    Webhook::new(&url, secret, timeout)
        .map(Some)
        .map_err(|error| AlertsError::Url(variable.clone(), error))
}
