//! An upstream panel as the operator configured it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::id::ProviderId;
use crate::domain::money::{ExchangeRate, Money, Percent};

/// The dialect that a panel is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelDialect {
    /// The PerfectPanel family.
    Classic,
    /// paynow.uz.
    Paynow,
    /// notpanel.com.
    Notpanel,
}

impl PanelDialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Paynow, Self::Notpanel];

    /// The dialect of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.as_str() == word)
    }

    /// The name that settings use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Paynow => "paynow",
            Self::Notpanel => "notpanel",
        }
    }

    /// Whether it has words for refills.
    pub fn has_refills(self) -> bool {
        match self {
            Self::Classic | Self::Notpanel => true,
            Self::Paynow => false,
        }
    }
}

/// How a panel takes what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskMethod {
    /// As the body of a POST, as all documents say.
    Post,
    /// In the query of a GET: a few panels read nothing else.
    Get,
}

/// Where a panel's key comes from; the key itself never stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable.
    Env(String),
    /// A file, whose first line is the key; relative paths start at the configuration file's
    /// folder.
    File(PathBuf),
}

/// One `[[provider]]` block. Spans of time are what the keys' names say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// The operator's name for it.
    pub id: ProviderId,
    /// The dialect it is asked in.
    pub dialect: PanelDialect,
    /// Where it listens.
    pub url: String,
    /// Whether the key may travel in clear to an address that is not this machine's own.
    pub allow_http: bool,
    /// A PEM file with authorities that are trusted for this panel beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Where its key comes from.
    pub key: KeySource,
    /// The currency of its rates, charges and balance.
    pub currency: String,
    /// What one unit of it is worth in the gateway's; `None` where it is the gateway's.
    pub exchange: Option<ExchangeRate>,
    /// Calls of every kind.
    pub requests_per_second: u32,
    /// Calls in flight.
    pub concurrent_max: u32,
    /// Of an `add`, whole; a status call has half of it, a catalog twice.
    pub timeout_ms: u64,
    /// Orders in one status call.
    pub status_batch_max: u32,
    /// For orders younger than two minutes; later ones less often.
    pub status_every_s: u32,
    /// Below this balance a person is told; `None`: never.
    pub balance_low: Option<Money>,
    /// What happens to orders of which nobody knows whether the panel has them.
    pub doubts: DoubtSettings,
    /// How this panel's last word is taken.
    pub settling: SettlingSettings,
    /// What else can be asked of it.
    pub asking: AskingSettings,
    /// How it takes what it is asked.
    pub method: AskMethod,
    /// Whether it tells its catalog in parts, from an `offset` on.
    pub services_offset: bool,
    /// This panel's own words, folded to lower case, beside the built-in ones.
    pub words: BTreeMap<String, PanelWord>,
}

impl ProviderSettings {
    /// Whether its dialect has names for adds, and the operator does not say that it knows them
    /// again.
    pub fn is_asked_again_unproven(&self) -> bool {
        self.dialect == PanelDialect::Notpanel && !self.doubts.honours_request_id
    }

    /// How long an `add` may take.
    pub fn add_timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// How long a status or balance call may take.
    pub fn status_timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms / 2)
    }

    /// How long a catalog may take.
    pub fn catalog_timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.saturating_mul(2))
    }
}

/// An account of ours at a panel: what it lists, and what it knows, is its own.
#[derive(Clone, Copy, Debug)]
pub struct PanelAccount<'a> {
    /// The panel.
    pub provider: &'a ProviderId,
    /// The account, as [`crate::upstream::Panel::account`] names it.
    pub account: &'a str,
}

/// A panel at an address: ids of orders are given there, and mean nothing at another.
#[derive(Clone, Copy, Debug)]
pub struct PanelAddress<'a> {
    /// The panel.
    pub provider: &'a ProviderId,
    /// The address, as [`crate::upstream::Panel::address`] names it.
    pub address: &'a str,
}

/// What is known of a panel that helps to end a doubt, and how many doubts it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubtSettings {
    /// Whether its order ids grow with time, over all its customers.
    pub ids_grow: bool,
    /// Whether nobody but this gateway orders with our key there.
    pub account_is_ours_alone: bool,
    /// Whether the operator knows that it answers a `request_id` that it was told before with the
    /// order that it has.
    pub honours_request_id: bool,
    /// Whether the operator knows that nothing on the way to it asks twice, and that it takes no
    /// money of what it refuses.
    pub refusals_are_final: bool,
    /// How long a young order may be unknown to its status call.
    pub visible_after_s: u32,
    /// What happens to a doubt that nothing ends.
    pub policy: InDoubtPolicy,
    /// Doubts in a row that stop sending to it.
    pub in_a_row_max: u32,
    /// Doubts within a minute that stop sending to it.
    pub per_minute_max: u32,
}

impl Default for DoubtSettings {
    fn default() -> Self {
        Self {
            ids_grow: false,
            account_is_ours_alone: false,
            honours_request_id: false,
            refusals_are_final: false,
            visible_after_s: 3_600,
            policy: InDoubtPolicy::Hold,
            in_a_row_max: 3,
            per_minute_max: 5,
        }
    }
}

/// What happens to a doubt that nothing ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InDoubtPolicy {
    /// It waits for a person.
    Hold,
    /// The customer is given the money back after so many hours; what the panel may have taken is
    /// our loss.
    RefundAfterH(u32),
}

/// What can be asked of a panel for an order that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskingSettings {
    /// Whether it refills.
    pub refill: bool,
    /// After how long a refill is given up of which nothing can be asked.
    pub refill_expires_after_h: u32,
    /// Whether its yes to a cancel is the order's end; else only its status is.
    pub cancel_ack_is_final: bool,
}

impl Default for AskingSettings {
    fn default() -> Self {
        Self {
            refill: true,
            refill_expires_after_h: 48,
            cancel_ack_is_final: false,
        }
    }
}

/// How a panel's last word is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlingSettings {
    /// What a canceled order with a part delivered gives back.
    pub canceled_with_remains: CanceledWithRemains,
    /// What happens when its later word gives back less than was given.
    pub reversal: Reversal,
    /// How long a reported failure may still be set right.
    pub failed_settles_after_h: u32,
    /// How long an order may stand still there before a person is told; a service may say
    /// otherwise for its own.
    pub stuck_after_h: u32,
    /// How far above its price a panel may charge before a person is told.
    pub overcharge_percent: Percent,
}

/// What `overcharge_percent` is when nothing is said.
const OVERCHARGE_PERCENT: u64 = 5;

impl Default for SettlingSettings {
    fn default() -> Self {
        Self {
            canceled_with_remains: CanceledWithRemains::ByCharge,
            reversal: Reversal::Absorb,
            failed_settles_after_h: 24,
            stuck_after_h: 72,
            overcharge_percent: Percent::whole(OVERCHARGE_PERCENT),
        }
    }
}

/// What a canceled order with a part delivered gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanceledWithRemains {
    /// By what remains where the panel keeps a charge for it, else the whole.
    ByCharge,
    /// The whole.
    Full,
    /// By what remains.
    ByRemains,
    /// A person decides.
    Review,
}

/// What happens when a panel's later word gives back less than was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// The house bears it.
    Absorb,
    /// What the wallet holds above its floor is taken back; the house bears the rest.
    Clawback,
}

/// The longest text of a panel's that a block can list, in bytes.
pub const WORD_BYTES_MAX: usize = 200;

/// What one of a panel's texts means: a status, or a refusal's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelWord {
    /// A status text.
    Status(PanelStatus),
    /// An error text that proves that nothing was placed.
    Refusal(RefusalClass),
}

/// What a panel says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PanelStatus {
    /// Not begun.
    Pending,
    /// Being prepared.
    Processing,
    /// Being delivered.
    InProgress,
    /// Delivered.
    Completed,
    /// Ended with something missing.
    Partial,
    /// Ended, given back.
    Canceled,
    /// Failed after it was taken; panels set such orders right by hand.
    Failed,
    /// A subscription that ran out.
    Expired,
}

impl PanelStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Processing,
        Self::InProgress,
        Self::Completed,
        Self::Partial,
        Self::Canceled,
        Self::Failed,
        Self::Expired,
    ];

    /// The word that settings, logs and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// The status of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Which listed refusal a panel gave; each proves that nothing was placed, and decides what happens
/// next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    /// Our key, or our account there.
    Key,
    /// The action.
    Action,
    /// The service is unknown or off there.
    Service,
    /// The link.
    Link,
    /// Another order on this link is still running there.
    Active,
    /// The quantity.
    Quantity,
    /// Another parameter.
    Parameters,
    /// Our balance there.
    Money,
    /// We ask too often.
    RateLimit,
}

impl RefusalClass {
    /// Every class.
    pub const ALL: [Self; 9] = [
        Self::Key,
        Self::Action,
        Self::Service,
        Self::Link,
        Self::Active,
        Self::Quantity,
        Self::Parameters,
        Self::Money,
        Self::RateLimit,
    ];

    /// The word that settings, logs and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Action => "action",
            Self::Service => "service",
            Self::Link => "link",
            Self::Active => "active",
            Self::Quantity => "quantity",
            Self::Parameters => "parameters",
            Self::Money => "money",
            Self::RateLimit => "rate",
        }
    }

    /// The class of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}
