//! API keys: made of chance, shown once, kept as a digest.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::customer::Dialect;

/// What every key begins with, so that a leaked one is recognised for what it is.
pub const PREFIX: &str = "pgk_";
/// What a key of notpanel's dialect begins with, so that whoever shows a wrong one is answered in
/// the dialect that it reads. Older ones begin like all others.
pub const NOTPANEL_PREFIX: &str = "pgn_";
/// Letters after the prefix: 62 to the 36th power, 214 bits.
const LETTERS: usize = 36;
/// Letters of a key that lists show.
const SHOWN: usize = PREFIX.len() + 6;
/// Keys that one customer may have in force.
pub const ACTIVE_MAX: i64 = 10;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key, in clear; it is never printed by accident.
pub struct NewKey(String);

impl NewKey {
    /// Draws a key of the classic dialect from the system's chance.
    pub fn draw() -> Result<Self, getrandom::Error> {
        Self::draw_for(Dialect::Classic)
    }

    /// Draws a key of a dialect from the system's chance.
    pub fn draw_for(dialect: Dialect) -> Result<Self, getrandom::Error> {
        let mut key = prefix_of(dialect).to_owned();
        let mut bytes = [0; 64];

        // Bytes above the largest multiple of 62 are thrown away, so that every letter is equally
        // likely; a round gives 62 letters of 64 on average.
        let even = u8::MAX - (u8::MAX % 62) - 1;

        while key.len() < PREFIX.len() + LETTERS {
            getrandom::fill(&mut bytes)?;
            let letters = bytes
                .iter()
                .filter(|byte| **byte <= even)
                .map(|byte| ALPHABET[usize::from(byte % 62)]);

            key.extend(
                letters
                    .take(PREFIX.len() + LETTERS - key.len())
                    .map(char::from),
            );
        }

        Ok(Self(key))
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> [u8; 32] {
        key_digest(&self.0)
    }

    /// What lists show of it.
    pub fn shown(&self) -> &str {
        &self.0[..SHOWN]
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({}…)", self.shown())
    }
}

fn prefix_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Classic => PREFIX,
        Dialect::Notpanel => NOTPANEL_PREFIX,
    }
}

/// The digest that a key is found by. Keys are long and drawn from chance, so one round of SHA-256
/// is enough.
pub fn key_digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_of_letters_and_never_the_same() {
        let (one, other) = (NewKey::draw().unwrap(), NewKey::draw().unwrap());
        assert_eq!(one.reveal().len(), PREFIX.len() + LETTERS);

        assert!(
            one.reveal()
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        );

        assert_ne!(one.digest(), other.digest());
        let letters = NewKey::draw_for(Dialect::Notpanel).unwrap();
        assert!(one.reveal().starts_with("pgk_") && letters.reveal().starts_with("pgn_"));
        assert_eq!(letters.reveal().len(), one.reveal().len());
        assert!(!format!("{one:?}").contains(&one.reveal()[SHOWN..]));
    }
}
