//! Signatures of Standard Webhooks: an HMAC-SHA256 over id, time and body, so that a receiver knows
//! who speaks and when.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// What the secrets of Standard Webhooks begin with; the rest is base64.
const PREFIX: &str = "whsec_";

/// What both sides know and nobody else.
#[derive(Clone)]
pub struct Secret(SecretSlice<u8>);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningSecretError {
    /// There is nothing, or more than one line, or blanks.
    #[error("must be one line of printable text without blanks")]
    Unprintable,
    /// It announces base64 and is none.
    #[error("begins with {PREFIX}, and what follows is not base64")]
    NotBase64,
}

impl Secret {
    /// `whsec_` and base64, or any other text, whose bytes are taken as they are.
    pub fn read(text: &str) -> Result<Self, SigningSecretError> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(SigningSecretError::Unprintable);
        }

        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|_| SigningSecretError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };

        if bytes.is_empty() {
            Err(SigningSecretError::NotBase64)
        } else {
            Ok(Self(SecretSlice::from(bytes)))
        }
    }

    /// The header's value for a message; `at_s` is the moment of sending in seconds since 1970.
    pub(super) fn signature(&self, id: &str, at_s: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{at_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_base64_when_it_says_so_and_text_otherwise() {
        let encoded = format!(
            "{PREFIX}{}",
            STANDARD.encode("thirty-two bytes of pure entropy")
        );

        let (encoded, plain) = (
            Secret::read(&encoded).unwrap(),
            Secret::read("thirty-two-bytes\n").unwrap(),
        );

        assert_eq!(
            encoded.0.expose_secret(),
            b"thirty-two bytes of pure entropy"
        );

        assert_eq!(plain.0.expose_secret(), b"thirty-two-bytes");
        assert_eq!(
            Secret::read("whsec_!").unwrap_err(),
            SigningSecretError::NotBase64
        );

        assert_eq!(
            Secret::read("whsec_").unwrap_err(),
            SigningSecretError::NotBase64
        );

        assert_eq!(
            Secret::read("two words").unwrap_err(),
            SigningSecretError::Unprintable
        );

        assert_eq!(
            Secret::read("").unwrap_err(),
            SigningSecretError::Unprintable
        );

        assert_eq!(format!("{plain:?}"), "Secret");
    }
}
