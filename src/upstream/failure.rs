//! Why a panel cannot be asked, or why a question to it has no answer: asking again is safe, for
//! questions place nothing.

use crate::domain::provider::RefusalClass;
use crate::upstream::authorities::CaFileError;

/// Why a panel cannot be asked with these settings.
#[derive(Debug, thiserror::Error)]
pub enum PanelError {
    /// The key is empty.
    #[error("the key is empty")]
    NoKey,
    /// A limit is zero.
    #[error("`{0}` must be at least 1")]
    Zero(&'static str),
    /// The address is none.
    #[error("`url` is no http or https address")]
    Url,
    /// The key would travel in clear.
    #[error("`url` must be https: http elsewhere than on this machine needs allow_http")]
    InClear,
    /// The authorities of its own cannot be had.
    #[error("`ca_file`: {0}")]
    CaFile(#[from] CaFileError),
    /// The way to it could not be prepared.
    #[error("no connections can be made: {0}")]
    Unprepared(String),
}

/// A question without an answer. An `add` never fails: every outcome of it is a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {words}")]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// The answer as it came, or what failed, in words; capped, without keys.
    pub words: String,
}

/// What went wrong with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// The panel refused, with a listed text.
    #[error("refused ({})", .0.as_str())]
    Refused(RefusalClass),
    /// The panel answered with an error that nobody listed.
    #[error("declined")]
    Declined,
    /// Not one byte of the question's body left.
    #[error("never sent")]
    NeverSent,
    /// The question left, and no whole answer came in time.
    #[error("unanswered")]
    Unanswered,
    /// An answer came under an HTTP status that is not believed, such as a redirect or a server's
    /// own error.
    #[error("answered with HTTP {0}")]
    BadStatus(u16),
    /// An answer came that is not what was asked for.
    #[error("unreadable answer")]
    Unreadable,
}

/// Who can do something about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator: our key, our limits, our settings.
    Ours,
    /// The panel.
    Panel,
    /// The way between us; it may pass by itself.
    Network,
}

impl Failure {
    /// Who can do something about it.
    pub fn whose(&self) -> Fault {
        match self.kind {
            FailureKind::Refused(_) => Fault::Ours,
            FailureKind::Declined | FailureKind::BadStatus(_) | FailureKind::Unreadable => {
                Fault::Panel
            }
            FailureKind::NeverSent | FailureKind::Unanswered => Fault::Network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_and_whose_it_is() {
        let failure = |kind| Failure {
            kind,
            words: "w".into(),
        };

        let refused = failure(FailureKind::Refused(RefusalClass::Key));
        assert_eq!(
            (refused.to_string(), refused.whose()),
            ("refused (key): w".into(), Fault::Ours)
        );

        assert_eq!(failure(FailureKind::BadStatus(502)).whose(), Fault::Panel);
        assert_eq!(failure(FailureKind::NeverSent).whose(), Fault::Network);
    }
}
