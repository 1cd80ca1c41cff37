//! What is cut from answers, and what stays.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::id::{LegId, OrderId, ProviderId, PublicId, ServiceId};
use crate::domain::money::{Money, Rate};
use crate::domain::provider::PanelDialect;
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::{Details, Parameter};

/// A panel without words of its own.
fn dialect() -> SpokenDialect {
    SpokenDialect::new(PanelDialect::Classic, BTreeMap::new())
}

const LINK: &str = "https://instagram.com/p/abc?active order with this link";

fn leg(link: &str, details: &[(Parameter, Detail)]) -> LeasedLeg {
    LeasedLeg {
        leg: LegId(1),
        order: OrderId(1),
        public: PublicId(Uuid::from_u128(1)),
        n: 1,
        attempt: 1,
        unsent: 0,
        route: Route {
            provider: ProviderId("p".into()),
            service: "17".into(),
        },
        kind: ServiceType::Default,
        link: link.into(),
        units: 100,
        details: details.iter().cloned().collect::<Details>(),
        cost: Money::ZERO,
        sold_as: ServiceId(1),
        charge: Money::ZERO,
        quoted_cost: Money::ZERO,
        quoted_rate: Rate::default(),
    }
}

fn cut(link: &str, said: &str) -> String {
    let answer = serde_json::json!({ "error": said }).to_string();
    let cut = cut_own_words(&answer, &leg(link, &[]), &dialect());
    let cut: serde_json::Value = serde_json::from_str(&cut).unwrap();
    cut["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_link_is_found_however_a_panel_spells_it() {
    for said in [
        LINK.to_owned(),
        LINK.to_uppercase(),
        LINK.replace("https://", ""),
        LINK.replace('/', "\\/"),
        LINK.replace('/', "\\\\/"),
        LINK.replace(' ', "%20"),
        LINK.replace(' ', "%2520"),
        LINK.replace(' ', "+"),
        LINK.replace(' ', "\\u0020"),
        LINK.replace(' ', "&nbsp;"),
        LINK.replace(' ', "&amp;#32;"),
        LINK.replace('o', "\\u006f"),
        LINK.replace('o', "%6F"),
        LINK.replace('o', "&#x6f;"),
        LINK.replace("e o", "e\u{200b} o"),
        LINK[20..].to_owned(),
        LINK[28..].to_owned(),
        LINK[..30].to_owned(),
        format!(" {LINK} "),
    ] {
        let left = cut(LINK, &format!("INSERT ('{said}')"));
        assert!(
            !left.to_lowercase().contains("active") && !left.contains("tagram"),
            "{said}: {left}"
        );
        assert!(left.starts_with("INSERT ('"), "{said}: {left}");
    }
}

#[test]
fn pieces_of_a_link_and_short_texts_are_cut_where_they_stand_alone() {
    assert_eq!(
        cut("https://instagram.com/p/queue1", "Not supported: queue1"),
        "Not supported: [of the order]"
    );

    assert_eq!(
        cut("https://t.me/bad link", "bad link: timed out"),
        "[of the order]: timed out"
    );

    assert_eq!(
        cut("queue", "In the queues: queue"),
        "In the queues: [of the order]"
    );

    assert_eq!(
        cut("https://example.com/link", "Bad link"),
        "Bad link",
        "a word of refusals is nobody's"
    );

    let example = "https://example.com/p?x=1&y=2";
    assert_eq!(
        cut(example, &format!("Bad link. Example: {example}")),
        "Bad link. Example: …"
    );

    assert_eq!(cut("a", "A text"), "A text");
    assert_eq!(
        cut("Bad link, and a long one", "Bad link: timed out"),
        "[of the order]: timed out"
    );

    assert_eq!(
        cut("Bad linkage", "Bad link"),
        "[of the order]",
        "cut short"
    );

    assert_eq!(
        cut("https://www.t.me/abcdefg/", "Bad link: t.me/abcdefg"),
        "Bad link: …",
        "a link as a whole"
    );
}

#[test]
fn lists_and_texts_are_cut_and_ids_stay() {
    let comments = Detail::Lines(vec![
        "Bad".into(),
        "Not enough funds, friend".into(),
        "4711".into(),
    ]);

    let username = Detail::Text("ord_4711".into());
    let leg = leg(
        "x",
        &[
            (Parameter::Comments, comments),
            (Parameter::Username, username),
        ],
    );

    let cut = |answer: &str| cut_own_words(answer, &leg, &dialect()).into_owned();
    assert_eq!(
        cut(r#"{"error":"Not enough funds, friend? bad"}"#),
        r#"{"error":"[of the order]"}"#
    );

    assert_eq!(
        cut(r#"{"order":"4711","error":["ord_4711"]}"#),
        r#"{"order":"4711","error":["[of the order]"]}"#
    );

    for same in [
        r#"{"order":"ord_4711"}"#,
        r#"{"error":"Bad\ud800"}"#,
        "",
        "\"",
        r#"{"a":"\"#,
    ] {
        assert_eq!(cut(same), same);
    }
}

proptest! {
    #[test]
    fn any_text_is_cut_of_any(answer in "\\PC{0,60}|[\\[\\]{}\":,a-z%&;\\\\ ]{0,60}",
        link in "\\PC{0,60}") {
        let _ = cut_own_words(&answer, &leg(&link, &[]), &dialect());
    }

    #[test]
    fn nothing_of_a_text_is_left_that_reads_like_it(
        before in "[a-z ]{0,20}: ",
        link in "[a-zA-Z0-9 /?&%=.é-]{20,60}",
    ) {
        let left = cut(&link, &format!("{before}{link}"));
        let letters = |text: &str| FoldedText::of(&unescaped(text), char::is_alphanumeric).letters;
        let own = letters(&link);
        prop_assert!(own.len() < RUN
            || !letters(&left).windows(RUN).any(|run| own.windows(RUN).any(|of| of == run)));
    }
}
