//! What is believed of the answer to an `add`: a table of answers, each sent by a panel and heard by the house.

use panelgate::domain::leg::Verdict;

use crate::wire::{Manner, add_at, answer};

/// The table; its head says how it is written.
const ADDS: &str = include_str!("answers/adds.tsv");

/// Fewer lines than these, and somebody lost some.
const LINES_MIN: usize = 200;

/// What stands in the table for what cannot be written there.
const STAND_INS: [(&str, &str); 6] =
    [("<EMPTY>", ""), ("<BOM>", "\u{feff}"), ("<LF>", "\n"), ("<CR>", "\r"), ("<TAB>", "\t"), ("<NUL>", "\0")];

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted(id) => format!("accepted {id}"),
        Verdict::Refused(class) => format!("refused {}", class.word()),
        Verdict::NeverSent => "never sent".to_owned(),
        Verdict::InDoubt => "doubt".to_owned(),
    }
}

#[tokio::test]
async fn an_answer_proves_what_the_table_says() {
    let mut wrong = Vec::new();
    let mut lines = 0;
    for (n, line) in (1..).zip(ADDS.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut columns = line.splitn(3, '\t');
        let (Some(statuses), Some(expected), Some(body)) = (columns.next(), columns.next(), columns.next()) else {
            panic!("line {n} has no three columns: {line}");
        };
        let body = STAND_INS.iter().fold(body.to_owned(), |body, (name, meant)| body.replace(name, meant));

        lines += 1;
        for status in statuses.split(',') {
            let (said, ..) = add_at(Manner::Write(answer(&format!("{status} Said"), &body))).await;
            let verdict = words(&said.verdict);
            if verdict != expected {
                wrong.push(format!("line {n} under {status}: {verdict}, not {expected}: {line}"));
            }
        }
    }
    assert!(lines >= LINES_MIN, "{lines} lines");
    assert!(wrong.is_empty(), "{} answers are believed wrongly:\n{}", wrong.len(), wrong.join("\n"));
}
