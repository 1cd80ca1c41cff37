//! Pairs as browsers, PHP and query strings write them.

/// The pairs of an encoded text, in the order in which they stand; names and values are bytes of
/// whatever kind.
pub fn encoded_pairs(text: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let border = pair
                .iter()
                .position(|byte| *byte == b'=')
                .unwrap_or(pair.len());

            (
                decode(&pair[..border]),
                decode(pair.get(border + 1..).unwrap_or_default()),
            )
        })
}

/// Undoes percent-encoding: `+` is a blank, and a `%` that no two hex digits follow is itself, as
/// browsers and PHP read it.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (value, after) = match (byte, after) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(*high) << 4 | hex(*low), after)
            }
            (b'+', after) => (b' ', after),
            (byte, after) => (*byte, after),
        };

        bytes.push(value);
        rest = after;
    }

    bytes
}

/// The value of a hex digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
