//! For tests: whatever a panel, a broken panel or a madman may write.

use proptest::prelude::*;

/// Bytes as an answer brings them, often nearly JSON, read as the readers get them.
pub(super) fn text() -> impl Strategy<Value = String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200)
        .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());

    prop_oneof![
        bytes,
        "[\\[\\]{}\":,.a-z0-9\\\\ -]{0,80}",
        "\u{feff}?[{\\[]\\PC{0,80}[}\\]]"
    ]
}

/// JSON whose fields have such names (some of their own too) and whose texts are such words (and
/// others).
pub(super) fn json(names: &'static str, words: &'static str) -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => names, 1 => "[a-z]{1,4}"];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,4})?",
        "\"-?[0-9]{1,25}(\\.[0-9]{0,12})?\"",
        "\"(\\\\ud800|\\\\u0000|[a-z ,]{0,9})\"",
        words.prop_map(|word| format!("\"{word}\"")),
    ];

    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

/// Openings without an end, deeper than any stack: readers that went down into them would take the
/// process with them.
pub(super) fn bottomless() -> [String; 4] {
    let deep = 200_000;
    [
        "[".repeat(deep),
        "{\"error\":".repeat(deep),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        format!(
            "{{\"order\":{}1{}}}",
            "{\"data\":".repeat(deep),
            "}".repeat(deep)
        ),
    ]
}
