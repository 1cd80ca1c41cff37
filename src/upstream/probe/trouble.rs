//! Why nothing could be learnt of a panel, and what its operator can do about it.

use std::time::Duration;

use reqwest::Url;

use crate::upstream::failure::PanelError;

/// The most characters of a panel's text that are told.
const TOLD_CHARS_MAX: usize = 120;

/// What pages say that are shown while a site is repaired, in lower case.
const MAINTENANCE: [&str; 4] = [
    "maintenance",
    "be back",
    "temporarily unavailable",
    "under construction",
];

/// What pages say that stand between a panel and visitors whom it does not want, in lower case.
const GUARDS: [&str; 6] = [
    "cloudflare",
    "captcha",
    "just a moment",
    "access denied",
    "ddos",
    "are you human",
];

/// A probe that came to no end.
#[derive(Debug, thiserror::Error)]
#[error("{asked}: {trouble}")]
pub struct Unlearned {
    /// What was asked, in words.
    pub asked: String,
    /// What came of it.
    pub trouble: Trouble,
}

impl Unlearned {
    /// The same, of two methods.
    pub(super) fn by_no_method(self) -> Self {
        Self {
            asked: format!("{} (by GET neither)", self.asked),
            ..self
        }
    }
}

/// What went wrong, each with the way out. Texts are capped, escaped and without the key.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing can be asked there with these settings.
    #[error("{0}")]
    Unready(PanelError),
    /// The key is not known there.
    #[error(
        "the panel refuses the key ({0}); see that the variable holds this panel's key, whole and \
         still valid"
    )]
    Key(String),
    /// Nothing is there.
    #[error(
        "not found (HTTP {0}); see the panel's API page for the address, which usually ends in \
         /api/v2"
    )]
    NotFound(u16),
    /// The panel is elsewhere.
    #[error(
        "the panel is elsewhere (HTTP {0}) and redirects are not followed, for they would take \
         the key along; probe {1} instead, if it is the panel's own"
    )]
    Redirect(u16, String),
    /// Another way of asking is wanted.
    #[error("this way of asking is not allowed (HTTP 405)")]
    Method,
    /// A web page.
    #[error(
        "a web page instead of an answer ({0}); this is the address of a site and not of its API, \
         which usually ends in /api/v2"
    )]
    Page(String),
    /// Repairs.
    #[error("the panel is being repaired (HTTP {0}: {1}); try again later")]
    Maintenance(u16, String),
    /// The panel or a guard before it does not want us.
    #[error("blocked (HTTP {0}: {1}); ask the panel to allow this machine's address for its API")]
    Blocked(u16, String),
    /// Too often.
    #[error("the panel limits requests ({0}); wait {1} and try again")]
    Limited(String, String),
    /// No encrypted connection.
    #[error(
        "no trusted connection ({0}); where the panel's certificate is signed by an authority of \
         its own, name that authority's PEM file with --ca-file, which becomes ca_file"
    )]
    Tls(String),
    /// No connection.
    #[error(
        "no connection ({0}); see that the host and port are right and that this machine may go \
         there"
    )]
    Unreachable(String),
    /// No answer in time.
    #[error("no whole answer within {0} s ({1}); try again later, or with a longer --timeout-s")]
    Silent(u64, String),
    /// The answer broke off.
    #[error(
        "the answer broke off or is none ({0}); see that the address is the panel's API, and try \
         again later"
    )]
    Cut(String),
    /// The panel broke.
    #[error("the panel is broken (HTTP {0}: {1}); try again later")]
    Broken(u16, String),
    /// An error that says something else.
    #[error("the panel declines (HTTP {0}: {1}); do what it says, or ask the panel")]
    Declined(u16, String),
    /// Something else than what was asked for.
    #[error(
        "an answer that is none of the v2 protocol (HTTP {0}: {1}); see that the address is the \
         panel's API, which usually ends in /api/v2"
    )]
    Unreadable(u16, String),
    /// The probe's own bound.
    #[error("more calls than a probe may make")]
    TooMany,
}

impl Trouble {
    /// Whether another method may be understood better: what was asked may not have been read at
    /// all.
    pub(super) fn may_be_the_method(&self) -> bool {
        match self {
            Self::Key(_)
            | Self::NotFound(_)
            | Self::Method
            | Self::Page(_)
            | Self::Declined(..)
            | Self::Unreadable(..) => true,
            Self::Unready(_)
            | Self::Redirect(..)
            | Self::Maintenance(..)
            | Self::Blocked(..)
            | Self::Limited(..)
            | Self::Tls(_)
            | Self::Unreachable(_)
            | Self::Silent(..)
            | Self::Cut(_)
            | Self::Broken(..)
            | Self::TooMany => false,
        }
    }

    /// Whether the method is what was wrong, so that what the other one met is the better news.
    pub(super) fn is_the_method(&self) -> bool {
        matches!(self, Self::Method)
    }
}

/// What can be seen of an answer that is not the one that was asked for.
pub(super) struct SeenAnswer<'a> {
    pub(super) status: u16,
    /// The whole answer.
    pub(super) page: &'a str,
    /// Its error or its beginning, without the key.
    pub(super) words: String,
    /// Whether it is an error in a panel's manner.
    pub(super) complained: bool,
    pub(super) key_refused: bool,
    pub(super) limited: bool,
    /// Where a redirect leads.
    pub(super) target: Option<String>,
    pub(super) retry_after: Option<String>,
}

/// Names what is wrong with an answer.
pub(super) fn of_answer(said: SeenAnswer<'_>) -> Trouble {
    let SeenAnswer {
        status,
        page,
        words,
        complained,
        key_refused,
        limited,
        target,
        retry_after,
    } = said;

    let page = page.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let is_page = page.starts_with('<');
    let words = if is_page {
        title(page, &words)
    } else {
        told(&words)
    };

    let folded = page
        .chars()
        .take(64 * 1024)
        .collect::<String>()
        .to_lowercase();

    let says = |known: &[&str]| is_page && known.iter().any(|known| folded.contains(known));
    match status {
        300..=399 => Trouble::Redirect(
            status,
            target.map_or_else(|| "another address".to_owned(), |text| told(&text)),
        ),
        429 => Trouble::Limited(words, wait(retry_after)),
        _ if limited => Trouble::Limited(words, wait(retry_after)),
        500.. if says(&MAINTENANCE) || status == 503 => Trouble::Maintenance(status, words),
        500.. => Trouble::Broken(status, words),
        _ if key_refused => Trouble::Key(words),
        _ if says(&GUARDS) => Trouble::Blocked(status, words),
        _ if says(&MAINTENANCE) => Trouble::Maintenance(status, words),
        404 | 410 => Trouble::NotFound(status),
        405 => Trouble::Method,
        _ if complained => Trouble::Declined(status, words),
        401 | 403 | 406 | 451 => Trouble::Blocked(status, words),
        _ if is_page => Trouble::Page(words),
        _ => Trouble::Unreadable(status, words),
    }
}

/// Names why nothing left.
pub(super) fn of_no_connection(words: String) -> Trouble {
    let folded = words.to_lowercase();
    let tls = [
        "certificate",
        "handshake",
        "tls",
        "invalid peer",
        "corrupt message",
    ];

    if tls.iter().any(|sign| folded.contains(sign)) {
        Trouble::Tls(told(&words))
    } else {
        Trouble::Unreachable(told(&words))
    }
}

/// Names why no whole answer came.
pub(super) fn of_no_answer(words: String, patience: Duration) -> Trouble {
    let late = words.to_lowercase().contains("timed out");
    if late {
        Trouble::Silent(patience.as_secs(), told(&words))
    } else {
        Trouble::Cut(told(&words))
    }
}

/// Where a redirect leads, from the address that it stood behind; what was asked is not repeated.
pub(super) fn whole_target(url: &str, target: &str) -> String {
    let whole = Url::parse(url).and_then(|url| url.join(target));
    whole.map_or_else(
        |_| target.to_owned(),
        |mut whole| {
            whole.set_query(None);
            whole.to_string()
        },
    )
}

fn wait(retry_after: Option<String>) -> String {
    let seconds = retry_after.and_then(|text| text.trim().parse::<u32>().ok());
    seconds.map_or_else(
        || "a few minutes".to_owned(),
        |seconds| format!("{seconds} s"),
    )
}

/// A page's title, or its beginning.
fn title(page: &str, words: &str) -> String {
    let found = page
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));

    told(
        found
            .map_or(
                words,
                |(title, _)| if words.contains(title) { title } else { words },
            )
            .trim(),
    )
}

/// A text of the panel's in quotes, cut, with everything unprintable escaped.
fn told(text: &str) -> String {
    let short: String = text.chars().take(TOLD_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, page: &str) -> SeenAnswer<'_> {
        SeenAnswer {
            status,
            page,
            words: page.to_owned(),
            complained: false,
            key_refused: false,
            limited: false,
            target: Some("https://b.example/".to_owned()),
            retry_after: Some("30".to_owned()),
        }
    }

    #[test]
    fn every_answer_that_is_none_has_a_name() {
        let name = |said| of_answer(said).to_string();
        for (status, page, begins) in [
            (301, "", "the panel is elsewhere (HTTP 301)"),
            (
                429,
                "slow down",
                "the panel limits requests (\"slow down\"); wait 30 s",
            ),
            (503, "", "the panel is being repaired"),
            (
                200,
                "<html><title>We will be back soon</title>",
                "the panel is being repaired (HTTP 200: \"We will be",
            ),
            (
                502,
                "<html>Bad Gateway</html>",
                "the panel is broken (HTTP 502",
            ),
            (
                403,
                "<html><title>Just a moment...</title>",
                "blocked (HTTP 403: \"Just a moment...\"",
            ),
            (403, "", "blocked (HTTP 403"),
            (404, "<html>404</html>", "not found (HTTP 404)"),
            (405, "", "this way of asking"),
            (
                200,
                "\u{feff} <!DOCTYPE html><title>Best SMM panel</title>",
                "a web page instead of an answer (\"Best SMM",
            ),
            (200, "", "an answer that is none of the v2 protocol"),
            (
                200,
                "{\"x\":\"\u{202e}\u{7}\"}",
                "an answer that is none of the v2 protocol (HTTP 200: \
                 \"{\\\"x\\\":\\\"\\u{202e}\\u{7}",
            ),
        ] {
            let told = name(said(status, page));
            assert!(told.starts_with(begins), "{status} {page}: {told}");
        }

        assert!(
            name(SeenAnswer {
                key_refused: true,
                ..said(403, "{}")
            })
            .starts_with("the panel refuses the key")
        );

        assert!(
            name(SeenAnswer {
                complained: true,
                ..said(403, "{}")
            })
            .starts_with("the panel declines")
        );

        assert!(
            name(SeenAnswer {
                limited: true,
                ..said(200, "{}")
            })
            .starts_with("the panel limits")
        );

        assert!(name(said(200, &"<".repeat(9_000))).chars().count() < 400);
    }

    #[test]
    fn a_redirect_is_told_whole_and_without_what_was_asked() {
        for (target, whole) in [
            ("/api/v3?key=k", "https://a.example/api/v3"),
            (
                "https://www.a.example/api/v2?key=k&action=balance",
                "https://www.a.example/api/v2",
            ),
            ("//b.example/", "https://b.example/"),
        ] {
            assert_eq!(
                whole_target("https://a.example/api/v2", target),
                whole,
                "{target}"
            );
        }
    }
}
