//! Numbers of 128 bits as 26 letters, as notpanel writes its ids.

/// Crockford's base 32, without the letters that are mistaken for digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters that 128 bits take, five bits a letter.
const LETTERS: u32 = 26;

/// The letters of a number.
pub(super) fn written(number: u128) -> String {
    let letter = |place: u32| char::from(ALPHABET[((number >> (5 * place)) & 31) as usize]);
    (0..LETTERS).rev().map(letter).collect()
}

/// The number of the letters, in either case; `None` for anything else.
pub(super) fn read(letters: &str) -> Option<u128> {
    if letters.len() != LETTERS as usize {
        return None;
    }

    letters.bytes().try_fold(0_u128, |number, letter| {
        let value = ALPHABET
            .iter()
            .position(|known| *known == letter.to_ascii_uppercase())?;
        // The first letter of 26 has two bits more than are left for it.
        (number >> (u128::BITS - 5) == 0).then_some(number << 5 | value as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_back_and_nothing_else_is() {
        assert_eq!(written(u128::MAX), format!("7{}", "Z".repeat(25)));
        for number in [0, 1, 31, 32, u128::MAX] {
            assert_eq!(read(&written(number)), Some(number));
            assert_eq!(read(&written(number).to_lowercase()), Some(number));
        }

        for none in [
            "",
            "0",
            &"0".repeat(25),
            &"8".repeat(26),
            &"U".repeat(26),
            "é00000000000000000000000é",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
