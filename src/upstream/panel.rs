//! One configured panel: what it can be asked, each question once.

mod adding;
mod balance;
mod browse;
mod requests;
mod status;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::StatusCode;
use http::Uri;
use http::header::RETRY_AFTER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::clock::{Deadline, SharedClock, SystemClock, Timestamp};
use crate::domain::leg::LeasedLeg;
use crate::domain::provider::{ProviderSettings, RefusalClass};
use crate::routing::calls::{CallOutcome, CallPurpose as Purpose, Calls, is_slow};
use crate::upstream::classify::is_believed;
use crate::upstream::dialect::{AnswerFault, Ask, SpokenDialect};
use crate::upstream::evidence::Redaction;
use crate::upstream::failure::{Failure, FailureKind, PanelError};
use crate::upstream::limiter::{CallLimiter, Quiet, Sending, Slot};
use crate::upstream::rest::named_wait;
use crate::upstream::wire::{CallBounds, CallResult, Wire};

use browse::Browsed;

/// The longest answer to an `add` or a balance: an id or an error, with room for a web page
/// instead.
const SHORT_ANSWER_BYTES_MAX: usize = 1 << 20;
/// The longest answer to a status question: a hundred rows of some hundred bytes, with room.
const STATUS_ANSWER_BYTES_MAX: usize = 4 << 20;

/// One call to be made.
#[derive(Clone, Copy)]
struct Call<'a> {
    ask: Ask<'a>,
    patience: CallBounds,
    /// Of what changes something at the panel: it leaves before this moment, or not at all.
    leave_by: Option<Deadline>,
}

impl<'a> Call<'a> {
    fn new(ask: Ask<'a>, timeout: Duration, answer_bytes_max: usize) -> Self {
        Self {
            ask,
            patience: CallBounds {
                timeout,
                answer_bytes_max,
            },
            leave_by: None,
        }
    }

    /// A question that is answered by a row for each thing that is asked about.
    fn of_rows(ask: Ask<'a>, timeout: Duration) -> Self {
        Self::new(ask, timeout, STATUS_ANSWER_BYTES_MAX)
    }

    /// What changes something at the panel.
    fn of_change(ask: Ask<'a>, timeout: Duration, leave_by: Deadline) -> Self {
        Self {
            leave_by: Some(leave_by),
            ..Self::new(ask, timeout, SHORT_ANSWER_BYTES_MAX)
        }
    }
}

/// What came of one call, and whether it took long.
struct Timed {
    heard: CallResult,
    slow: bool,
    /// Whether the panel was tried at all: there may be no words for what is asked.
    tried: bool,
}

/// The whole answer to a question.
struct WholeAnswer {
    status: u16,
    text: String,
    retry_after: Option<String>,
    /// Whether it took long to come.
    slow: bool,
}

/// A panel that can be asked.
#[derive(Debug)]
pub struct Panel {
    settings: ProviderSettings,
    key: SecretString,
    dialect: SpokenDialect,
    redaction: Redaction,
    limiter: CallLimiter,
    wire: Wire,
    answered: AtomicBool,
    /// What it lists is sold by.
    listed: AtomicBool,
    browsed: Mutex<Browsed>,
    /// Another address or account has taken its place.
    replaced: AtomicBool,
    clock: SharedClock,
    /// What the latest calls were like.
    calls: Mutex<Calls>,
}

impl Panel {
    /// Makes ready to ask; nothing is sent yet.
    pub fn new(settings: ProviderSettings, key: SecretString) -> Result<Self, PanelError> {
        Self::build(settings, key, CallLimiter::new)
    }

    /// The same panel under another block or key. Its places and its pace go on, so that what is
    /// out counts for the new limits; it must answer anew before anything is placed, when it is
    /// another address, account or dialect that is asked.
    pub fn under(&self, settings: ProviderSettings, key: SecretString) -> Result<Self, PanelError> {
        let next = Self::build(settings, key, |places, pace| {
            self.limiter.under(places, pace)
        })?;
        let asking = |block: &ProviderSettings| {
            (
                block.url.clone(),
                block.method,
                block.dialect,
                block.allow_http,
                block.ca_file.clone(),
            )
        };

        let asked_alike = asking(&next.settings) == asking(&self.settings);
        let same_account = asked_alike && self.has_key(&next.key);
        if same_account {
            next.answered.store(self.has_answered(), Ordering::Relaxed);
            next.listed.store(self.is_listed(), Ordering::Release);
            *next.browsed() = *self.browsed();
        }

        self.replaced.store(!same_account, Ordering::Release);
        Ok(next)
    }

    /// Whether it is asked with this key.
    pub fn has_key(&self, key: &SecretString) -> bool {
        self.key.expose_secret() == key.expose_secret()
    }

    /// The same panel under another block and its own key.
    pub fn under_own_key(&self, settings: ProviderSettings) -> Result<Self, PanelError> {
        self.under(settings, self.key.clone())
    }

    fn build(
        settings: ProviderSettings,
        key: SecretString,
        limiter: impl FnOnce(NonZeroU32, NonZeroU32) -> CallLimiter,
    ) -> Result<Self, PanelError> {
        if key.expose_secret().is_empty() {
            return Err(PanelError::NoKey);
        }

        let at_least_one = |name, limit| NonZeroU32::new(limit).ok_or(PanelError::Zero(name));
        let concurrent_max = at_least_one("concurrent_max", settings.concurrent_max)?;
        let requests_per_second =
            at_least_one("requests_per_second", settings.requests_per_second)?;
        at_least_one("status_batch_max", settings.status_batch_max)?;
        let idle_max = usize::try_from(concurrent_max.get()).unwrap_or(usize::MAX);
        let wire = Wire::new(&settings, idle_max)?;

        Ok(Self {
            dialect: SpokenDialect::new(settings.dialect, settings.words.clone()),
            redaction: Redaction::of(&key),
            limiter: limiter(concurrent_max, requests_per_second),
            settings,
            key,
            wire,
            answered: AtomicBool::new(false),
            listed: AtomicBool::new(false),
            browsed: Mutex::default(),
            replaced: AtomicBool::new(false),
            clock: Arc::new(SystemClock),
            calls: Mutex::default(),
        })
    }

    /// The same panel, whose answers are timed by this clock; the machine's own unless said
    /// otherwise.
    #[must_use]
    pub fn timed_by(self, clock: SharedClock) -> Self {
        Self { clock, ..self }
    }

    /// The block that it was configured by.
    pub fn settings(&self) -> &ProviderSettings {
        &self.settings
    }

    /// Whether it answered a question that places nothing since it was configured: nothing is
    /// placed before.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether another address, account or dialect has taken its place: what waits is not sent here
    /// any more, or nobody would find it again.
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    /// Tells the account that is asked, and where, from any other, and nothing of the key. What
    /// stands in front of the dash is the key's alone: one account may be asked by two names of
    /// its panel.
    pub fn account(&self) -> String {
        let ProviderSettings { dialect, url, .. } = &self.settings;
        let key = self.key.expose_secret();
        let place = format!("{} {url} {key}", dialect.as_str());
        format!("{}-{}", fingerprint(key), fingerprint(&place))
    }

    /// Where it is: its host, with the port where the address names one. Ids of orders are one
    /// panel's, whichever of its accounts is asked and by which path.
    pub fn address(&self) -> String {
        let authority = self
            .settings
            .url
            .parse::<Uri>()
            .ok()
            .and_then(|uri| uri.into_parts().authority);

        authority
            .map(|authority| authority.as_str().to_lowercase())
            .unwrap_or_default()
    }

    /// What its latest calls were like.
    pub fn calls(&self) -> Calls {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what went wrong with its latest calls: it was stopped for it.
    pub fn forgive(&self) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls = calls.forgiven();
    }

    /// Until when nothing of any kind is asked, because the panel found us too fast; `None`: it may
    /// be asked.
    ///
    /// Whoever has a slot looks here before anything is marked as being sent: what waits is not
    /// marked.
    pub fn rests_until(&self) -> Option<Timestamp> {
        self.limiter.rests_until(self.clock.now())
    }

    /// Whoever asked the panel before us was told to leave it alone until then.
    pub fn rest(&self, until: Timestamp) {
        self.limiter.rest(until);
    }

    /// Waits for a place among the calls in flight and for the pace.
    ///
    /// Taken before the intent to send is committed: a leg that is marked as sending does not stand
    /// in a queue.
    pub async fn slot(&self) -> Slot {
        self.limiter.slot().await
    }

    /// Held by whoever sends an order, from before its slot until its answer is written down.
    pub async fn sending(&self) -> Sending {
        self.limiter.sending().await
    }

    /// A moment in which no order is being sent to it, for which it is waited so long at most.
    pub async fn quiet(&self, patience: Duration) -> Option<Quiet> {
        self.limiter.quiet(patience).await
    }

    /// The name under which the panel knows a leg's `add` again, and answers it with the first
    /// order; where it does.
    pub fn request_id(&self, leg: &LeasedLeg) -> Option<String> {
        self.dialect.request_id(leg)
    }

    /// One call. The slot is held until its end.
    async fn call(&self, _slot: &Slot, call: Call<'_>) -> Timed {
        let Call {
            ask,
            patience,
            leave_by,
        } = call;

        let Some(question) = self.dialect.form(ask) else {
            let words = format!(
                "the dialect {} has no words for this",
                self.settings.dialect.as_str()
            );

            return Timed {
                heard: CallResult::NeverSent { words },
                slow: false,
                tried: false,
            };
        };

        let mut form = vec![("key", self.key.expose_secret().to_owned())];
        form.extend(question);
        let form = serde_urlencoded::to_string(form).expect("pairs of texts can always be written");
        let begun = self.clock.now();

        let heard = match leave_by {
            Some(leave_by) => self.wire.dispatch(form, patience, leave_by).await,
            None => self.wire.ask(form, patience).await,
        };

        Timed {
            heard,
            slow: is_slow(self.clock.now() - begun, patience.timeout),
            tried: true,
        }
    }

    /// One call that places nothing: its HTTP status and its whole answer.
    async fn question(&self, call: Call<'_>) -> Result<WholeAnswer, Failure> {
        let slot = self.slot().await;
        if let Some(until) = self.rests_until() {
            let words =
                format!("nothing was asked: the panel wants to be left alone until {until}");

            return Err(Failure {
                kind: FailureKind::NeverSent,
                words,
            });
        }

        let Timed { heard, slow, tried } = self.call(&slot, call).await;
        match heard {
            CallResult::Answer {
                status,
                body,
                headers,
            } => {
                let text = String::from_utf8_lossy(&body).into_owned();
                Ok(WholeAnswer {
                    status,
                    text,
                    retry_after: retry_after(&headers).map(str::to_owned),
                    slow,
                })
            }
            CallResult::NeverSent { words } => {
                self.count(
                    Purpose::Question,
                    if tried {
                        CallOutcome::Fails
                    } else {
                        CallOutcome::Nothing
                    },
                    slow,
                );

                Err(Failure {
                    kind: FailureKind::NeverSent,
                    words: self.redaction.words(&words),
                })
            }
            CallResult::Lost { part, words, .. } => {
                self.count(Purpose::Question, CallOutcome::Fails, slow);
                Err(Failure {
                    kind: FailureKind::Unanswered,
                    words: self.lost_words(&words, &part),
                })
            }
        }
    }

    /// Believes an answer at 2xx, and a complaint at 4xx too.
    fn answer<T>(&self, said: &WholeAnswer, read: Result<T, AnswerFault>) -> Result<T, Failure> {
        let refusal = match &read {
            Err(AnswerFault::Refused(class)) => Some(*class),
            Err(AnswerFault::Declined(_) | AnswerFault::Unreadable) | Ok(_) => None,
        };

        let too_fast = self.mind_pace(said.status, said.retry_after.as_deref(), refusal);
        let kind = match read {
            Ok(answer) if (200..300).contains(&said.status) => {
                self.answered.store(true, Ordering::Relaxed);
                self.count(Purpose::Question, CallOutcome::Works, said.slow);
                return Ok(answer);
            }
            Err(AnswerFault::Refused(class)) if is_believed(said.status) => {
                FailureKind::Refused(class)
            }
            Err(AnswerFault::Declined(_)) if is_believed(said.status) => FailureKind::Declined,
            Err(AnswerFault::Unreadable) if (200..300).contains(&said.status) => {
                FailureKind::Unreadable
            }
            Ok(_) | Err(_) => FailureKind::BadStatus(said.status),
        };

        let told = match kind {
            _ if too_fast => CallOutcome::Nothing,
            FailureKind::Refused(_) | FailureKind::Declined => CallOutcome::Speaks,
            FailureKind::BadStatus(_)
            | FailureKind::Unreadable
            | FailureKind::NeverSent
            | FailureKind::Unanswered => CallOutcome::Fails,
        };

        self.count(Purpose::Question, told, said.slow);
        Err(Failure {
            kind,
            words: self.redaction.words(&said.text),
        })
    }

    /// Whoever is found too fast leaves the panel alone for a while, with calls of every kind.
    /// Whether it said so.
    fn mind_pace(
        &self,
        status: u16,
        retry_after: Option<&str>,
        refusal: Option<RefusalClass>,
    ) -> bool {
        let named = named_wait(retry_after);
        let too_fast =
            status == StatusCode::TOO_MANY_REQUESTS || refusal == Some(RefusalClass::RateLimit);

        if too_fast || named.is_some() {
            self.limiter.too_fast(named, self.clock.now());
            let until = self.rests_until();
            tracing::warn!(provider = %self.settings.id, status, ?until,
                "the panel wants to be left alone for a while");
        } else {
            self.limiter.answered();
        }

        too_fast
    }

    fn count(&self, purpose: Purpose, told: CallOutcome, slow: bool) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls = calls.and(purpose, told, slow, self.clock.now());
    }

    fn lost_words(&self, words: &str, part: &[u8]) -> String {
        if part.is_empty() {
            return self.redaction.words(words);
        }

        self.redaction.words(&format!(
            "{words}; until then: {}",
            String::from_utf8_lossy(part)
        ))
    }
}

/// What tells texts apart, and nothing of them.
fn fingerprint(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    digest
        .iter()
        .take(16)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What stands beside an answer about when to come back, where that can be read.
fn retry_after(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
}
