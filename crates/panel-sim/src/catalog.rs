//! What the panel sells: ten services named after their fate, then as many mixed rows as were asked
//! for.

use rust_decimal::Decimal;

use super::{chance, details::Parameter, faults::Fault, kind::Kind, money};

/// The most mixed rows; ten times the largest catalog that was seen in the wild.
const SERVICES_EXTRA_MAX: u32 = 100_000;

/// How long the slow service takes, at least.
const SLOW_S: u64 = 120;

/// What becomes of every order of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Delivered whole.
    Complete,
    /// Ends with about a third missing, which is refunded.
    Partial,
    /// The panel gives up and refunds the whole.
    Cancel,
    /// Accepted, and the answer goes wrong in this way; then delivered whole.
    Answer(Fault),
    /// Delivered whole, but it takes so long.
    Slow,
}

impl Fate {
    /// How long an order takes where an ordinary one takes `delivery_s`.
    pub(super) fn takes_s(self, delivery_s: u64) -> u64 {
        match self {
            Self::Complete | Self::Partial | Self::Cancel | Self::Answer(_) => delivery_s,
            Self::Slow => delivery_s.max(SLOW_S),
        }
    }
}

/// A row of the catalog.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its number; rows are numbered from 1 without a gap.
    pub(super) id: u64,
    pub(super) name: String,
    /// The type as this panel spells it; it may be one that nobody sells.
    pub(super) kind: String,
    pub(super) category: String,
    /// The rate as it is shown, up to 11 decimals.
    pub(super) rate_text: String,
    /// The rate that is charged.
    pub(super) rate: Decimal,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) refill: bool,
    pub(super) cancel: bool,
    pub(super) dripfeed: bool,
    /// Off: neither listed nor sold.
    pub(super) on: bool,
    pub(super) fate: Fate,
}

/// The whole catalog, in the order of its ids.
pub(super) fn services(seed: u64, extra: u32) -> Vec<Service> {
    let named = named();
    let from = named.len() as u64 + 1;
    let extras = (from..)
        .take(extra.min(SERVICES_EXTRA_MAX) as usize)
        .map(|id| mixed(seed, id));
    named.into_iter().chain(extras).collect()
}

fn named() -> Vec<Service> {
    // A table, read by its columns: name, type, category, rate, bounds, fate.
    #[rustfmt::skip]
    let rows = [
        ("Followers, completes", "Default", "Followers", "0.90", (10, 100_000), Fate::Complete),
        ("Followers in a package, completes", "Package", "Packages", "1.50", (1, 1),
            Fate::Complete),
        ("Comments of your own, completes", "Custom Comments", "Comments", "8.00", (1, 1_500),
            Fate::Complete),
        ("Comments in a package, completes", "Custom Comments Package", "Packages", "2.75", (1, 1),
            Fate::Complete),
        ("Poll votes, completes", "Poll", "Votes", "3.60", (10, 50_000), Fate::Complete),
        ("Followers, ends partial", "Default", "Followers", "0.72", (10, 100_000), Fate::Partial),
        ("Followers, canceled by the panel", "Default", "Followers", "0.65", (10, 100_000),
            Fate::Cancel),
        ("Likes, answer dropped", "Default", "Likes", "0.30", (10, 100_000),
            Fate::Answer(Fault::Drop)),
        ("Likes, answered 502", "Default", "Likes", "0.35", (10, 100_000),
            Fate::Answer(Fault::BadGateway)),
        ("Views, slow", "Default", "Views", "0.012", (100, 1_000_000), Fate::Slow),
    ];

    let service = |(id, (name, spelt, category, rate, (min, max), fate)): (
        u64,
        (&str, &str, &str, &str, _, _),
    )| {
        let kind = Kind::read(spelt).expect("the types above are known");
        Service {
            id,
            name: name.to_owned(),
            kind: spelt.to_owned(),
            category: category.to_owned(),
            rate_text: rate.to_owned(),
            rate: money::rate(rate).expect("the rates above are plain decimals"),
            min,
            max,
            refill: matches!(fate, Fate::Complete | Fate::Partial)
                && !kind.asks.contains(&Parameter::Comments),
            cancel: !kind.is_package(),
            dripfeed: false,
            on: true,
            fate,
        }
    };

    (1..).zip(rows).map(service).collect()
}

/// Types as panels list them: most of them the common ones, some in odd spellings, and one that
/// nobody sells.
const KINDS: [&str; 33] = [
    "Default",
    "Default",
    "Default",
    "Default",
    "Default",
    "Default",
    "Default",
    "Default",
    "Default",
    "default",
    "DEFAULT",
    "Default",
    "Default",
    "Default",
    "Package",
    "Package",
    "package",
    "Custom Comments",
    "custom_comments",
    "Custom Comments Package",
    "Subscriptions",
    "Comment Likes",
    "Mentions Hastag",
    "Poll",
    "Mentions",
    "mentions_with_hashtags",
    "Mentions Custom List",
    "Mentions Users Followers",
    "Mentions Media Likers",
    "Comment Replies",
    "Invites from Groups",
    "SEO",
    "Web Traffic",
];

const PLACES: [&str; 8] = [
    "Instagram",
    "Telegram",
    "TikTok",
    "YouTube",
    "Facebook",
    "Twitter (X)",
    "Spotify",
    "Website",
];

const THINGS: [&str; 6] = [
    "Followers",
    "Likes",
    "Views",
    "Members",
    "Comments",
    "Shares",
];

/// One mixed row, wholly decided by the seed and its id.
fn mixed(seed: u64, id: u64) -> Service {
    let pick = |n: u64, bound: u64| chance::below(bound, seed ^ id, n);
    let word = |n: u64, words: &[&'static str]| {
        words[usize::try_from(pick(n, words.len() as u64)).unwrap_or(0)]
    };

    let (kind, place, thing) = (word(0, &KINDS), word(1, &PLACES), word(2, &THINGS));
    let rate_text = match pick(3, 4) {
        0 => format!("0.{:011}", 1 + pick(4, 99_999_999_999)),
        1 => format!("{}.{:02}", pick(4, 40), 1 + pick(5, 99)),
        2 => format!("{}", 1 + pick(4, 60)),
        _ => format!("{}.{:05}", pick(4, 10), 1 + pick(5, 99_999)),
    };

    let package = Kind::read(kind).is_some_and(Kind::is_package);
    let min = if package {
        1
    } else {
        [1, 5, 10, 50, 100][usize::try_from(pick(6, 5)).unwrap_or(0)]
    };

    Service {
        id,
        name: format!("{place} {thing} [{}K/day] #{id}", 1 + pick(7, 90)),
        kind: kind.to_owned(),
        category: format!("{place} {thing}"),
        rate: money::rate(&rate_text).expect("a row's rate is written as a plain decimal"),
        rate_text,
        min,
        max: if package {
            1
        } else {
            min * (100 + pick(8, 10_000))
        },
        refill: pick(9, 3) == 0,
        cancel: pick(10, 2) == 0,
        dripfeed: pick(11, 4) == 0,
        on: true,
        fate: Fate::Complete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_gap_and_a_seed_decides_the_rows() {
        let rows = services(3, 5_000);
        assert_eq!(rows.len(), 5_010);

        assert!(
            (1..)
                .zip(&rows)
                .all(|(id, row)| row.id == id && row.min <= row.max && row.rate > Decimal::ZERO)
        );

        let text = |seed| {
            services(seed, 200)
                .iter()
                .map(|row| format!("{row:?}"))
                .collect::<Vec<_>>()
        };

        assert_eq!(text(3), text(3));
        assert_ne!(text(3), text(4));
    }

    #[test]
    fn the_mixed_rows_are_mixed() {
        let rows = services(1, 2_000);
        assert!(rows.iter().any(|row| row.kind == "Subscriptions"));
        assert!(rows.iter().any(|row| row.kind == "custom_comments"));

        assert!(rows.iter().any(|row| {
            row.rate_text
                .split_once('.')
                .is_some_and(|(_, part)| part.len() == 11)
        }));
    }
}
