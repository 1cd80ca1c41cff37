//! One call of a probe: counted, paced, bounded in time and size, its answer kept without the key.

use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderMap;
use http::header::{LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::clock::SharedClock;
use crate::domain::id::PanelOrder;
use crate::domain::provider::{AskMethod, PanelDialect, ProviderSettings, RefusalClass};
use crate::domain::service::PanelService;
use crate::upstream::answer::OrderAnswer;
use crate::upstream::dialect::{AnswerFault, Ask, CallForm, SpokenDialect, signs};
use crate::upstream::evidence::Redaction;
use crate::upstream::failure::PanelError;
use crate::upstream::limiter::CallLimiter;
use crate::upstream::probe::trouble::{self, SeenAnswer, Trouble, Unlearned};
use crate::upstream::probe::{CALLS_MAX, judge};
use crate::upstream::wire::{CallBounds, CallResult, Wire};

/// The longest answer but a catalog.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest catalog, or part of one.
const CATALOG_BYTES_MAX: usize = 64 << 20;
/// Catalogs get so many times the patience of the rest.
const CATALOG_PATIENCE: u32 = 3;
/// Calls a second: slower than any limit that was seen.
const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(4).expect("four is not nought");

/// Asks one panel, one question at a time.
pub(super) struct Asker {
    /// How it is asked from now on.
    pub(super) method: AskMethod,
    /// Readers that every dialect shares.
    pub(super) dialect: SpokenDialect,
    /// Calls so far.
    pub(super) calls: u32,
    /// How long the slowest answer but a catalog's took, in milliseconds.
    pub(super) slowest_ms: i64,
    url: String,
    key: SecretString,
    redaction: Redaction,
    posts: Wire,
    gets: Wire,
    limiter: CallLimiter,
    clock: SharedClock,
    patience: Duration,
    headers: HeaderMap,
}

/// A whole answer.
pub(super) struct ProbeReply {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) took_ms: i64,
    /// What was asked, in words.
    asked: String,
}

impl ProbeReply {
    /// Whether it came under a status that says that the question was taken.
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Asker {
    pub(super) fn new(
        settings: ProviderSettings,
        key: SecretString,
        clock: SharedClock,
        patience: Duration,
    ) -> Result<Self, Unlearned> {
        let unready = |error: PanelError| Unlearned {
            asked: "nothing yet".to_owned(),
            trouble: Trouble::Unready(error),
        };

        if key.expose_secret().is_empty() {
            return Err(unready(PanelError::NoKey));
        }

        let by = |method| {
            Wire::new(
                &ProviderSettings {
                    method,
                    ..settings.clone()
                },
                1,
            )
            .map_err(unready)
        };

        Ok(Self {
            method: AskMethod::Post,
            dialect: SpokenDialect::new(PanelDialect::Classic, settings.words.clone()),
            calls: 0,
            slowest_ms: 0,
            redaction: Redaction::of(&key),
            posts: by(AskMethod::Post)?,
            gets: by(AskMethod::Get)?,
            url: settings.url.clone(),
            key,
            limiter: CallLimiter::new(NonZeroU32::MIN, CALLS_PER_SECOND),
            clock,
            patience,
            headers: HeaderMap::new(),
        })
    }

    /// Asks; `what` says it in words.
    pub(super) async fn ask(&mut self, what: &str, ask: Ask<'_>) -> Result<ProbeReply, Unlearned> {
        let catalog = matches!(ask, Ask::Services { .. });
        let form = self
            .dialect
            .form(ask)
            .expect("the family's dialect has words for every question");

        self.send(what, form, catalog).await
    }

    /// Asks what no ordinary question asks.
    pub(super) async fn ask_form(
        &mut self,
        what: &str,
        form: CallForm,
    ) -> Result<ProbeReply, Unlearned> {
        self.send(what, form, false).await
    }

    async fn send(
        &mut self,
        what: &str,
        question: CallForm,
        catalog: bool,
    ) -> Result<ProbeReply, Unlearned> {
        let (wire, method) = match self.method {
            AskMethod::Post => (&self.posts, "POST"),
            AskMethod::Get => (&self.gets, "GET"),
        };

        let asked = format!("{method} {what}");
        if self.calls >= CALLS_MAX {
            return Err(Unlearned {
                asked,
                trouble: Trouble::TooMany,
            });
        }

        self.calls += 1;
        let mut form = vec![("key", self.key.expose_secret().to_owned())];
        form.extend(question);
        let form = serde_urlencoded::to_string(form).expect("pairs of texts can always be written");

        let patience = if catalog {
            CallBounds {
                timeout: self.patience * CATALOG_PATIENCE,
                answer_bytes_max: CATALOG_BYTES_MAX,
            }
        } else {
            CallBounds {
                timeout: self.patience,
                answer_bytes_max: ANSWER_BYTES_MAX,
            }
        };

        let _slot = self.limiter.slot().await;
        let from = self.clock.now();
        let heard = wire.ask(form, patience).await;
        let took_ms = (self.clock.now() - from).num_milliseconds().max(0);

        let (status, text) = match heard {
            CallResult::Answer {
                status,
                body,
                headers,
            } => {
                self.headers = headers;
                (status, String::from_utf8_lossy(&body).into_owned())
            }
            CallResult::NeverSent { words } => {
                return Err(Unlearned {
                    asked,
                    trouble: trouble::of_no_connection(self.words(&words)),
                });
            }
            CallResult::Lost { words, .. } => {
                let trouble = trouble::of_no_answer(self.words(&words), patience.timeout);
                return Err(Unlearned { asked, trouble });
            }
        };

        if !catalog {
            self.slowest_ms = self.slowest_ms.max(took_ms);
        }

        let reply = ProbeReply {
            status,
            text,
            took_ms,
            asked,
        };

        if status == 429 || (300..400).contains(&status) {
            return Err(self.unlearned(reply, None));
        }

        Ok(reply)
    }

    /// What was read, where it can be believed; else what is wrong.
    pub(super) fn believe<T>(
        &self,
        reply: ProbeReply,
        read: Result<T, AnswerFault>,
    ) -> Result<T, Unlearned> {
        match read {
            Ok(read) if reply.is_good() => Ok(read),
            Ok(_) => Err(self.unlearned(reply, None)),
            Err(complaint) => Err(self.unlearned(reply, Some(complaint))),
        }
    }

    fn unlearned(&self, reply: ProbeReply, complaint: Option<AnswerFault>) -> Unlearned {
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        let target =
            header(LOCATION).map(|target| self.words(&trouble::whole_target(&self.url, target)));

        let class = match &complaint {
            Some(AnswerFault::Refused(class)) => Some(*class),
            Some(AnswerFault::Declined(_) | AnswerFault::Unreadable) | None => None,
        };

        let words = signs::complained(&reply.text).unwrap_or_else(|| reply.text.clone());
        let said = SeenAnswer {
            status: reply.status,
            page: &reply.text,
            words: self.words(&words),
            complained: matches!(
                complaint,
                Some(AnswerFault::Refused(_) | AnswerFault::Declined(_))
            ),
            key_refused: class == Some(RefusalClass::Key),
            limited: class == Some(RefusalClass::RateLimit),
            target,
            retry_after: header(RETRY_AFTER).map(|text| self.words(text)),
        };

        Unlearned {
            asked: reply.asked,
            trouble: trouble::of_answer(said),
        }
    }

    /// What was said of one order that nobody has.
    pub(super) fn unknown_text(&self, reply: &ProbeReply, asked: &[PanelOrder]) -> Option<String> {
        match self.dialect.rows(&reply.text, asked) {
            Ok(rows) => rows.into_iter().find_map(|(_, row)| match row {
                OrderAnswer::UnknownStatus { text }
                | OrderAnswer::NotOurs { text }
                | OrderAnswer::Error { text } => Some(text),
                OrderAnswer::Said(_) | OrderAnswer::Missing => None,
            }),
            Err(_) => signs::complained(&reply.text),
        }
    }

    /// Whether the last answer had this header.
    pub(super) fn heard_header(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    /// What the last answer announces of how often one may ask.
    pub(super) fn announced_pace(&self) -> Option<(u32, String)> {
        signs::LIMIT_HEADERS.iter().find_map(|name| {
            let said = self.headers.get(*name)?.to_str().ok()?;
            Some((
                judge::judge_pace(said)?,
                self.words(&format!("{name}: {said}")),
            ))
        })
    }

    /// A text of the panel's as it may be kept and shown.
    pub(super) fn words(&self, text: &str) -> String {
        self.redaction.words(text)
    }

    /// A row of the catalog as it may be shown.
    pub(super) fn without_key(&self, row: PanelService) -> PanelService {
        let (name, kind, category) = (
            self.words(&row.name),
            self.words(&row.kind),
            self.words(&row.category),
        );

        PanelService {
            name,
            kind,
            category,
            ..row
        }
    }
}
