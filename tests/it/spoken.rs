//! What comes over an order's connection beside its answer, before it, behind it, or packed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use panelgate::domain::id::PanelOrder;
use panelgate::domain::leg::Verdict;
use panelgate::domain::provider::RefusalClass;

use crate::wire::{Manner, add_at, add_by_get, answer, header};

#[tokio::test]
async fn what_is_said_before_it_was_asked_is_no_answer() {
    let refusal = answer("200 OK", r#"{"error":"Bad link"}"#);
    let (evidence, _, heard) = add_at(Manner::SpeakFirst(refusal.clone())).await;

    // Nothing left: nothing was bought, and nothing is refused.
    assert_eq!(
        (evidence.verdict, heard.len()),
        (Verdict::NeverSent, 0),
        "{}",
        evidence.words
    );

    // Of what is asked by GET as well.
    let (evidence, heard) = add_by_get(Manner::SpeakFirst(refusal)).await;
    assert_eq!(
        (evidence.verdict, heard.len()),
        (Verdict::NeverSent, 0),
        "{}",
        evidence.words
    );
}

#[tokio::test]
async fn an_answer_with_another_behind_it_is_a_doubt() {
    for (first, second) in [
        (
            r#"{"error":"Bad link"}"#,
            answer("200 OK", r#"{"order":7}"#),
        ),
        (r#"{"error":"Bad link"}"#, r#"{"order":7}"#.to_owned()),
        (
            r#"{"order":7}"#,
            answer("200 OK", r#"{"error":"Bad link"}"#),
        ),
    ] {
        let both = format!("{}{second}", answer("200 OK", first));
        for manner in [Manner::Write(both.clone()), Manner::Keep(both)] {
            let (evidence, _, heard) = add_at(manner).await;
            assert_eq!(
                (evidence.verdict, heard.len()),
                (Verdict::InDoubt, 1),
                "{first} {second}"
            );
        }
    }

    let (evidence, ..) = add_at(Manner::Write(answer("200 OK", r#"{"order":7}"#) + "\r\n")).await;
    assert_eq!(
        evidence.verdict,
        Verdict::Accepted(PanelOrder("7".into())),
        "a line's end too many says nothing"
    );
}

#[tokio::test]
async fn an_answer_that_comes_packed_is_unpacked() {
    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        let body = encoder.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );

        [head.into_bytes(), body].concat()
    };

    let (evidence, _, heard) = add_at(Manner::WriteBytes(packed(br#"{"order":7}"#))).await;
    assert_eq!(
        evidence.verdict,
        Verdict::Accepted(PanelOrder("7".into())),
        "{}",
        evidence.words
    );

    assert_eq!(
        header(
            heard[0].split_once("\r\n\r\n").unwrap().0,
            "accept-encoding"
        )
        .as_deref(),
        Some("identity")
    );

    let (evidence, ..) = add_at(Manner::WriteBytes(packed(br#"{"error":"Bad link"}"#))).await;
    assert_eq!(
        evidence.verdict,
        Verdict::Refused(RefusalClass::Link),
        "{}",
        evidence.words
    );

    let huge = format!("{{\"order\":7,\"x\":\"{}\"}}", "x".repeat(64 << 20));
    let (evidence, ..) = add_at(Manner::WriteBytes(packed(huge.as_bytes()))).await;
    assert_eq!(evidence.verdict, Verdict::InDoubt, "{}", evidence.words);
    assert!(evidence.words.contains("longer than"), "{}", evidence.words);
}
