//! Texts without what they are escaped by: percent signs, backslashes, entities.

/// How often a text may be escaped.
const ROUNDS_MAX: usize = 8;
/// The longest name of an HTML entity.
const ENTITY_BYTES_MAX: usize = 10;

/// A text without what it is escaped by, however often.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let plainer = String::from_utf8_lossy(&unescaped_once(&plain)).into_owned();
        if plainer == plain {
            break;
        }
        plain = plainer;
    }

    plain
}

fn unescaped_once(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let read = match first {
            '%' => percent(rest),
            '\\' => backslash(rest),
            '&' => entity(rest),
            _ => None,
        };

        let Escape { bytes, length } = read.unwrap_or_else(|| Escape {
            bytes: first.to_string().into_bytes(),
            length: first.len_utf8(),
        });

        plain.extend(bytes);
        rest = &rest[length..];
    }

    plain
}

/// What an escape stands for, and how long it is.
struct Escape {
    bytes: Vec<u8>,
    length: usize,
}

impl Escape {
    fn of(code: u32, length: usize) -> Self {
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        Self {
            bytes: c.to_string().into_bytes(),
            length,
        }
    }
}

/// `%2F`, and `%u002F` as old scripts write it.
fn percent(rest: &str) -> Option<Escape> {
    if let Some(code) = rest.strip_prefix("%u").and_then(|rest| hex(rest, 4)) {
        return Some(Escape::of(code, 6));
    }

    let byte = u8::try_from(hex(&rest[1..], 2)?).ok()?;
    Some(Escape {
        bytes: vec![byte],
        length: 3,
    })
}

/// `\/`, `\n`, `\u002f`, `\x2f`.
fn backslash(rest: &str) -> Option<Escape> {
    let escaped = rest[1..].chars().next()?;
    match escaped {
        'u' => hex(&rest[2..], 4).map(|code| Escape::of(code, 6)),
        'x' => hex(&rest[2..], 2).map(|code| Escape::of(code, 4)),
        'n' | 'r' | 't' | 'b' | 'f' => Some(Escape {
            bytes: vec![b' '],
            length: 2,
        }),
        other => Some(Escape {
            bytes: other.to_string().into_bytes(),
            length: 1 + other.len_utf8(),
        }),
    }
}

/// `&amp;`, `&#47;`, `&#x2f;`; a name that is no sign's is a letter less.
fn entity(rest: &str) -> Option<Escape> {
    let end = rest
        .bytes()
        .take(ENTITY_BYTES_MAX)
        .position(|byte| byte == b';')?;

    let name = &rest[1..end];
    if let Some(number) = name.strip_prefix('#') {
        let hexadecimal = number
            .strip_prefix(['x', 'X'])
            .map(|digits| u32::from_str_radix(digits, 16));
        let code = hexadecimal.unwrap_or_else(|| number.parse()).ok()?;
        return Some(Escape::of(code, end + 1));
    }

    let sign = match name {
        "amp" => "&",
        "percnt" => "%",
        "bsol" => "\\",
        "num" => "#",
        "semi" => ";",
        _ if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => " ",
        _ => return None,
    };

    Some(Escape {
        bytes: sign.as_bytes().to_vec(),
        length: end + 1,
    })
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let digits = text
        .get(..digits)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}
