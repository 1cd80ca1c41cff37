//! What a panel remembers of named adds: what was said under a name, and with which order it was
//! answered.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use super::reply::Refused;

/// What was said: a digest, so that long comments are not kept twice.
pub(super) type Said = [u8; 32];

/// Every name under which an order was placed; as many as there are orders.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, (Said, u64)>);

impl Memory {
    /// The order that was told under this name; a refusal where something else was said then.
    pub(super) fn recall(&self, name: &str, said: &Said) -> Result<Option<u64>, Refused> {
        match self.0.get(name) {
            Some((before, _)) if before != said => Err(Refused::NameUsed),
            Some((_, told)) => Ok(Some(*told)),
            None => Ok(None),
        }
    }

    /// Remembers an order that was placed; what was refused is not remembered.
    pub(super) fn keep(&mut self, name: &str, said: &Said, told: u64) {
        self.0.insert(name.to_owned(), (*said, told));
    }
}

/// What these fields say; the key may change without that.
pub(super) fn said(fields: &BTreeMap<String, String>) -> Said {
    let mut digest = Sha256::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "key") {
        for text in [name, value] {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text.as_bytes());
        }
    }

    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_what_was_said_first() {
        let fields = |pairs: &[(&str, &str)]| {
            said(
                &pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            )
        };

        let first = fields(&[("key", "a"), ("link", "x"), ("quantity", "10")]);
        let mut memory = Memory::default();
        assert_eq!(memory.recall("n", &first), Ok(None));
        memory.keep("n", &first, 7);

        assert_eq!(
            memory.recall(
                "n",
                &fields(&[("key", "b"), ("link", "x"), ("quantity", "10")])
            ),
            Ok(Some(7))
        );

        assert_eq!(
            memory.recall("n", &fields(&[("link", "x"), ("quantity", "11")])),
            Err(Refused::NameUsed)
        );

        assert_eq!(memory.recall("m", &first), Ok(None));
    }
}
