//! What may stand behind a listed beginning of an error text, and leave it a refusal.
//!
//! A list of what is harmless and not of what harms: `Insufficient balance: on hold until you top
//! up` is as good as an order, and nobody knows all the ways to say so. A word too few here costs a
//! doubt.

use crate::domain::provider::RefusalClass;

/// Words that speak of money, of what was asked and of how to ask better, and of no order.
const HARMLESS: &str = "a account actual add admin administrator again allowed amount an and any api are at \
     available bad balance banned be between big by bytes can cannot characters check contact \
     correct cost credentials currency current deactivated deposit digits disabled divisible does \
     doesn documentation due empty enough equal example exceed exceeded exceeds exist exists \
     expired field for format found from fund funds given greater has help here high higher http \
     https in inactive incorrect insufficient integer invalid is isn key large larger later least \
     less limit limits link links longer low lower mal manual max maximal maximum method min \
     minimal minimum missing money more most multiple multiples mum must need needed no not \
     number numbers numeric of on only or page parameter parameters per please positive post \
     price private profile provide provided public quantity range recharge removed request \
     requests required requires revoked s service services should small smaller soon sorry \
     specified support supported suspended t than that the this to too top total unavailable \
     unknown unsupported up url user username valid value wallet write wrong you your zero";

/// What prices are written in.
const CURRENCIES: &str = "aed brl cny dollar dollars egp eur euro gbp idr inr irr k kzt ngn php \
                          pkr rs rub sar som thb try uah usd usdt uzs vnd";

/// What refusals for parameters name.
const PARAMETERS: &str = "action answer comment comments country device google groups hashtag \
                          hashtags id interval keyword keywords media orders referring runs \
                          traffic type usernames";

/// What refusals for pace name.
const PACE: &str = "day down hour hours many minute minutes moment ms rate retry sec second \
                    seconds slow try wait window";

/// What is said of the other order that runs on the link.
const OTHER_ORDER: &str = "active already another before being complete completed completes error \
                           finish finished finishes have it its order orders other previous same \
                           still there until wait while with";

/// What may stand before the words for that other order.
const BEFORE_OTHER_ORDER: &str = "a already an error have is order still the there you";

/// So many digits on end may be an order's number.
pub(super) const NUMBER_DIGITS_MIN: usize = 6;

/// Words in front of a long number that is a bound; the listed beginnings break off within some.
const BOUNDS: [&str; 14] = [
    "min", "max", "minimum", "maximum", "minimal", "maximal", "mum", "mal", "than", "least",
    "most", "limit", "exceed", "to",
];

/// What may stand between them and the number.
const OF_BOUNDS: [&str; 6] = ["amount", "quantity", "order", "is", "of", "allowed"];

/// Whole ends that name an order and mean the one that is refused.
const WHOLE_ENDS: [&str; 8] = [
    "for this order",
    "for the order",
    "for order",
    "to place this order",
    "to place the order",
    "to place an order",
    "to place order",
    "to create an order",
];

/// What refusals of refills end in.
const OF_REFILLS: &str = "order service refills";

/// What speaks of an order, or of what becomes of one, in words of an operator's panel; folded.
const OF_AN_ORDER: [&str; 24] = [
    "order", "receiv", "hold", "creat", "queue", "saved", "accept", "start", "pending", "process",
    "placed", "submit", "schedul", "success", "progress", "register", "deliver", "complet",
    "charged", "reserv", "running", "confirm", "await", "#",
];

/// Whether what stands round a listed text, folded, takes nothing of it back.
pub(super) fn is_harmless(rest: &str, class: RefusalClass) -> bool {
    let of_class = match class {
        RefusalClass::Service => "id ids",
        RefusalClass::Action | RefusalClass::Parameters => PARAMETERS,
        RefusalClass::RateLimit => PACE,
        RefusalClass::Active => OTHER_ORDER,
        RefusalClass::Key | RefusalClass::Link | RefusalClass::Quantity | RefusalClass::Money => "",
    };

    let bare = rest.trim_matches(|c: char| !c.is_alphanumeric());
    WHOLE_ENDS.contains(&bare) || are_words_of(rest, &[HARMLESS, CURRENCIES, of_class])
}

/// Whether a word, in small letters, harms no refusal, of whatever class it is.
pub(super) fn is_harmless_word(word: &str) -> bool {
    HARMLESS.split_ascii_whitespace().any(|known| known == word)
}

/// Whether what stands before a listed text, folded, takes nothing of it back.
pub(super) fn is_harmless_before(rest: &str) -> bool {
    are_words_of(rest, &[BEFORE_OTHER_ORDER])
}

/// Whether what stands behind a no to a refill, folded, takes nothing of it back.
pub(super) fn is_harmless_of_a_refill(rest: &str) -> bool {
    are_words_of(rest, &[HARMLESS, OF_REFILLS])
}

/// Whether a text, folded, speaks of an order or of what becomes of one.
pub(super) fn speaks_of_an_order(folded: &str) -> bool {
    OF_AN_ORDER.iter().any(|part| folded.contains(part))
}

/// What stands behind a listed text, within the whole.
#[derive(Clone, Copy)]
pub(super) struct Tail<'a> {
    /// The whole text, folded.
    pub(super) text: &'a str,
    /// Where the listed text ends.
    pub(super) from: usize,
}

impl<'a> Tail<'a> {
    /// A text in which nothing is listed.
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, from: 0 }
    }

    /// What stands behind it.
    pub(super) fn rest(self) -> &'a str {
        &self.text[self.from..]
    }
}

/// Whether a number stands there that is long enough for an order's, and reads as nothing else:
/// neither as a bound of a quantity nor as an amount of money.
pub(super) fn may_name_an_order(tail: Tail<'_>, class: RefusalClass) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | ',');
    let mut at = tail.from;
    while let Some(offset) = tail.text[at..].find(|c: char| c.is_ascii_digit()) {
        let start = at + offset;
        let length = tail.text[start..]
            .find(|c: char| !is_part(c))
            .unwrap_or(tail.text.len() - start);

        let number = &tail.text[start..start + length];
        at = start + length;

        let before = &tail.text[..start];
        let is_money = is_currency(last_word(before)) || is_currency(first_word(&tail.text[at..]));
        let is_bound = class == RefusalClass::Quantity && is_bound(before);

        if is_long_and_whole(number) && !is_money && !is_bound {
            return true;
        }
    }

    false
}

/// Whether a number is so long as an order's, without decimals and with nothing that parts its
/// thousands.
pub(super) fn is_long_and_whole(number: &str) -> bool {
    let runs = number
        .split(['.', ','])
        .map(|run| run.bytes().filter(u8::is_ascii_digit).count());

    let has_decimals = number
        .split_once('.')
        .is_some_and(|(_, decimals)| decimals.bytes().any(|d| matches!(d, b'1'..=b'9')));
    !has_decimals && runs.max().is_some_and(|digits| digits >= NUMBER_DIGITS_MIN)
}

/// Whether what stands in front of a number makes a bound of it: `minimum order is`, `between 100
/// and`.
fn is_bound(before: &str) -> bool {
    let words = before
        .rsplit(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());

    let mut words = words.skip_while(|word| OF_BOUNDS.contains(word));
    match words.next() {
        Some("and") => words.nth(1) == Some("between"),
        Some(word) => BOUNDS.contains(&word),
        None => false,
    }
}

fn last_word(text: &str) -> &str {
    let text = text.trim_end_matches(|c: char| !c.is_alphanumeric());
    text.rsplit(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
}

fn is_currency(word: &str) -> bool {
    CURRENCIES
        .split_ascii_whitespace()
        .any(|known| known == word)
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
}

/// Whether a text has such words and numbers and nothing else. A sign in front of a number makes it
/// a name.
fn are_words_of(text: &str, lists: &[&str]) -> bool {
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());

    let is_listed = |word: &str| {
        lists
            .iter()
            .any(|list| list.split(' ').any(|known| known == word))
    };

    let is_number = |word: &str| {
        // `30s`, `0.09usd`, `5m`.
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < word.len()
            && (unit.is_empty() || matches!(unit, "s" | "m" | "h" | "ms") || is_listed(unit))
    };

    !text.contains(['#', '№']) && words.all(|word| is_listed(word) || is_number(word))
}
