//! What is believed of the answer to an `add`: a table of answers, each sent by a panel and heard
//! by the house.

use panelgate::domain::leg::Verdict;
use panelgate::domain::wish::{Detail, Parameter};
use panelgate::upstream::{CancelRow, OrderAnswer, RefillAnswer};

use crate::wire::{Manner, add_at, add_of, answer, cancel_at, leg, refill_at, status_at};

/// The table; its head says how it is written.
const ADDS: &str = include_str!("answers/adds.tsv");

/// The table of answers that quote their order; its head says how it is written.
const ECHOES: &str = include_str!("answers/echoes.tsv");

/// The table of answers to what is asked of an order; its head says how it is written.
const ASKS: &str = include_str!("answers/asks.tsv");

/// Fewer lines than these, and somebody lost some.
const LINES_MIN: usize = 200;

/// What stands in the table for what cannot be written there.
const STAND_INS: [(&str, &str); 6] = [
    ("<EMPTY>", ""),
    ("<BOM>", "\u{feff}"),
    ("<LF>", "\n"),
    ("<CR>", "\r"),
    ("<TAB>", "\t"),
    ("<NUL>", "\0"),
];

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted(id) => format!("accepted {id}"),
        Verdict::Refused(class) => format!("refused {}", class.as_str()),
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
        let (Some(statuses), Some(expected), Some(body)) =
            (columns.next(), columns.next(), columns.next())
        else {
            panic!("line {n} has no three columns: {line}");
        };

        let body = STAND_INS
            .iter()
            .fold(body.to_owned(), |body, (name, meant)| {
                body.replace(name, meant)
            });

        lines += 1;
        for status in statuses.split(',') {
            let (said, ..) = add_at(Manner::Write(answer(&format!("{status} Said"), &body))).await;
            let verdict = words(&said.verdict);
            if verdict != expected {
                wrong.push(format!(
                    "line {n} under {status}: {verdict}, not {expected}: {line}"
                ));
            }
        }
    }

    assert!(lines >= LINES_MIN, "{lines} lines");
    assert!(
        wrong.is_empty(),
        "{} answers are believed wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn what_an_order_sent_decides_nothing_however_it_is_quoted() {
    let mut wrong = Vec::new();
    for line in ECHOES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut columns = line.splitn(3, '\t');
        let (Some(sent), Some(expected), Some(body)) =
            (columns.next(), columns.next(), columns.next())
        else {
            panic!("no three columns: {line}");
        };

        let body = spelled(sent)
            .iter()
            .fold(body.to_owned(), |body, (name, spelled)| {
                body.replace(name, spelled)
            });

        let other = || "https://example.com/other".to_owned();
        let as_link = panelgate::domain::leg::LeasedLeg {
            link: sent.to_owned(),
            ..leg()
        };

        let lines = Detail::Lines(vec!["nice".to_owned(), sent.to_owned()]);
        let as_comment = panelgate::domain::leg::LeasedLeg {
            link: other(),
            details: [(Parameter::Comments, lines)].into_iter().collect(),
            ..leg()
        };

        let (of_link, of_comment) = expected.split_once(", ").unwrap_or((expected, expected));
        for (leg, expected) in [(as_link, of_link), (as_comment, of_comment)] {
            let said = add_of(&leg, Manner::Write(answer("200 Said", &body)))
                .await
                .0;

            let verdict = words(&said.verdict);
            if verdict != expected {
                wrong.push(format!(
                    "{verdict}, not {expected}, to {}: {body}",
                    leg.link
                ));
            }
        }
    }

    assert!(
        wrong.is_empty(),
        "{} answers are believed wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The stand-ins of the second table, with what they stand for.
fn spelled(sent: &str) -> [(&'static str, String); 5] {
    let escaped = sent
        .encode_utf16()
        .fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));

    let form: String = form_urlencoded::byte_serialize(sent.as_bytes()).collect();
    let html = sent
        .replace('&', "&amp;")
        .replace(' ', "&#32;")
        .replace('/', "&#x2F;");

    let cut: String = sent.chars().take(20).collect();
    [
        ("<SENT>", sent.to_owned()),
        ("<ESCAPED>", escaped),
        ("<FORM>", form),
        ("<HTML>", html),
        ("<CUT>", cut),
    ]
}

#[tokio::test]
async fn what_is_asked_of_an_order_is_answered_by_listed_words_alone() {
    let mut wrong = Vec::new();
    for line in ASKS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut columns = line.splitn(3, '\t');
        let (Some(question), Some(expected), Some(body)) =
            (columns.next(), columns.next(), columns.next())
        else {
            panic!("no three columns: {line}");
        };

        let manner = Manner::Write(answer("200 Said", body));
        let read = match question {
            "refill" => read_of_refill(refill_at(manner).await),
            "cancel" => read_of_cancel(cancel_at(manner).await),
            "status" => read_of_status(status_at(manner).await),
            _ => panic!("no question: {line}"),
        };

        if read != expected {
            wrong.push(format!("{read}, not {expected}: {line}"));
        }
    }

    assert!(
        wrong.is_empty(),
        "{} answers are read wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn read_of_refill(answer: RefillAnswer) -> String {
    match answer {
        RefillAnswer::Taken(Some(id), _) => format!("taken {}", id.0),
        RefillAnswer::Taken(None, _) => "taken".to_owned(),
        RefillAnswer::Refused(_) => "refused".to_owned(),
        RefillAnswer::NeverSent(_) => "never sent".to_owned(),
        RefillAnswer::Unclear(_) => "unclear".to_owned(),
    }
}

fn read_of_cancel(row: Option<CancelRow>) -> String {
    let read = match row {
        Some(CancelRow::Taken) => "taken",
        Some(CancelRow::TakenTogether) => "taken together",
        Some(CancelRow::Refused(_)) => "refused",
        Some(CancelRow::Unclear(_)) => "unclear",
        None => "failure",
    };

    read.to_owned()
}

fn read_of_status(row: Option<OrderAnswer>) -> String {
    match row {
        Some(OrderAnswer::Said(report)) => format!("said {}", report.status.as_str()),
        Some(OrderAnswer::UnknownStatus { .. }) => "unknown".to_owned(),
        Some(OrderAnswer::NotOurs { .. }) => "not ours".to_owned(),
        Some(OrderAnswer::Error { .. }) => "error".to_owned(),
        Some(OrderAnswer::Missing) => "missing".to_owned(),
        None => "failure".to_owned(),
    }
}
