//! Names of things: numbers and texts that must not be mistaken for one another.

use std::fmt;

use uuid::Uuid;

/// A customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(pub i64);

/// An API key of a customer (not the secret itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub i64);

/// An order: positive and below 2^31, because downstream panels keep it in a signed 32-bit column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub i32);

/// The other name of an order or of a refill: time-ordered, unguessable, 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId(pub Uuid);

/// An order as somebody names it: by either of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderName {
    /// By the number.
    Number(OrderId),
    /// By the other name.
    Public(PublicId),
}

/// A refill: positive and below 2^31, for the same reason as an order's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefillId(pub i32);

/// A refill as somebody names it: by either of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefillName {
    /// By the number.
    Number(RefillId),
    /// By the other name.
    Public(PublicId),
}

/// One attempt to have an order delivered by one panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub i64);

/// A service of our own catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub i32);

/// An upstream panel, by the operator's name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub String);

/// An order's id at a panel: opaque text, whatever it looks like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PanelOrder(pub String);

/// A refill's id at a panel: opaque text, whatever it looks like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PanelRefill(pub String);

/// The first bytes of the SHA-256 of the configuration's text, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfigHash(pub String);

impl PublicId {
    /// Crockford's base 32: the alphabet of ULIDs, without the letters that are mistaken for
    /// digits.
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    /// Letters that 128 bits take, five bits a letter.
    const LETTERS: u32 = 26;

    /// The 26 letters that this id is written with.
    pub fn letters(self) -> String {
        let bits = self.0.as_u128();
        let letter = |place: u32| Self::ALPHABET[((bits >> (5 * place)) & 31) as usize] as char;
        (0..Self::LETTERS).rev().map(letter).collect()
    }

    /// The id that is written with these letters, in either case; `None` for anything else, and so
    /// one id has one spelling.
    pub fn from_letters(letters: &str) -> Option<Self> {
        if letters.len() != Self::LETTERS as usize {
            return None;
        }

        let bits = letters.bytes().try_fold(0_u128, |bits, letter| {
            let value = Self::ALPHABET
                .iter()
                .position(|known| *known == letter.to_ascii_uppercase())?;
            // The first letter of 26 has two bits more than are left for it.
            (bits >> (u128::BITS - 5) == 0).then_some(bits << 5 | value as u128)
        });

        bits.map(|bits| Self(Uuid::from_u128(bits)))
    }
}

macro_rules! shown_as_is {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}
shown_as_is!(
    CustomerId,
    KeyId,
    OrderId,
    RefillId,
    LegId,
    ServiceId,
    ProviderId,
    PanelOrder,
    PanelRefill,
    ConfigHash
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_ids_are_26_letters_in_the_order_of_their_bits() {
        assert_eq!(PublicId(Uuid::from_u128(0)).letters(), "0".repeat(26));
        assert_eq!(
            PublicId(Uuid::from_u128(u128::MAX)).letters(),
            format!("7{}", "Z".repeat(25))
        );

        assert!(PublicId(Uuid::from_u128(31)).letters() < PublicId(Uuid::from_u128(32)).letters());
    }
    #[test]
    fn letters_are_read_back_and_nothing_else_is() {
        for bits in [
            0,
            1,
            31,
            32,
            u128::MAX,
            0x0190_0000_0000_7000_8000_0123_4567_89ab,
        ] {
            let id = PublicId(Uuid::from_u128(bits));
            assert_eq!(PublicId::from_letters(&id.letters()), Some(id));
            assert_eq!(
                PublicId::from_letters(&id.letters().to_lowercase()),
                Some(id)
            );
        }

        for none in [
            "",
            "0",
            &"0".repeat(25),
            &"0".repeat(27),
            &"8".repeat(26),
            &"Z".repeat(26),
            &"U".repeat(26),
        ] {
            assert_eq!(PublicId::from_letters(none), None, "{none}");
        }

        assert_eq!(PublicId::from_letters("é00000000000000000000000é"), None);
    }
}
