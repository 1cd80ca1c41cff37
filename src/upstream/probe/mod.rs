//! Learning how an unknown panel wants to be asked, with questions that place nothing and change
//! nothing.
//!
//! At most [`CALLS_MAX`] of them leave, one at a time: `balance`, `services`, and `status` and
//! `refill_status` of ids that nobody was ever given. What is made of the answers is decided by
//! `judge`, which asks nobody.

mod ask;
mod judge;
mod trouble;

use std::time::Duration;

use secrecy::SecretString;

use crate::domain::clock::SharedClock;
use crate::domain::id::{PanelOrder, PanelRefill};
use crate::domain::provider::{AskMethod, PanelDialect, ProviderSettings};
use crate::domain::service::PanelService;
use crate::upstream::answer::PanelBalance;
use crate::upstream::dialect::{Ask, Catalog, signs};

use ask::{Asker, ProbeReply};
use judge::{Batch, Signs};

pub use trouble::{Trouble, Unlearned};

/// The most calls of one probe.
pub const CALLS_MAX: u32 = 15;

/// The largest batch that is tried: what the protocol documents.
const BATCH_MAX: usize = 100;

/// Batches that are tried after a larger one was refused without naming a limit.
const SMALLER_BATCHES: [usize; 3] = [50, 25, 10];

/// The first of the ids that are asked for: the last ones of their range, which no panel has come
/// to.
const LAST_ID: usize = 2_147_483_647;

/// The most texts that are told as unknown.
const UNKNOWN_WORDS_MAX: usize = 10;

/// What was learnt of a panel. Texts are the panel's own, capped and without the key.
#[derive(Clone, Debug)]
pub struct ProbeFindings {
    /// The dialect that it is to be asked in.
    pub dialect: PanelDialect,
    /// What spoke for it, in words.
    pub dialect_because: String,
    /// How it takes what it is asked.
    pub method: AskMethod,
    /// What is left of our money there.
    pub balance: PanelBalance,
    /// The rows of its catalog that were seen and could be read, at its own rates.
    pub services: Vec<PanelService>,
    /// The rows that could not be read.
    pub skipped: usize,
    /// Whether the catalog is told in parts; then only two of them were read.
    pub services_offset: bool,
    /// How many orders one status question may name.
    pub status_batch_max: usize,
    /// How that was learnt, in words.
    pub batch_because: &'static str,
    /// Whether it knows of refills.
    pub refill: bool,
    /// How long an `add` should be given, in milliseconds.
    pub timeout_ms: i64,
    /// The longest answer but the catalog's took so long, in milliseconds.
    pub slowest_ms: i64,
    /// The catalog took so long, in milliseconds.
    pub catalog_ms: i64,
    /// Calls a second that keep within what it announces, and the announcement.
    pub pace: Option<(u32, String)>,
    /// Error and status texts that no table lists.
    pub unknown_words: Vec<String>,
    /// How many calls it took.
    pub calls: u32,
}

/// Asks a panel what its block must say. Of the settings only its address, its way there and its
/// words are used.
pub async fn probe_panel(
    settings: ProviderSettings,
    key: SecretString,
    clock: SharedClock,
    patience: Duration,
) -> Result<ProbeFindings, Unlearned> {
    let mut asker = Asker::new(settings, key, clock, patience)?;
    let balance = method(&mut asker).await?;
    let catalog = catalog(&mut asker).await?;
    let mut signs = Signs {
        tells_dripfeed: catalog.tells_dripfeed,
        ..Signs::default()
    };

    let mut words = ProbeWords::default();
    orders(&mut asker, &mut signs, &mut words).await?;
    let (status_batch_max, batch_because) = batches(&mut asker).await?;
    signs.refills = refills(&mut asker, &mut words).await?;
    signs.header = asker.heard_header(signs::NOTPANELS_HEADER);
    let (dialect, dialect_because) = judge::judge_dialect(signs);
    let (slowest_ms, catalog_ms) = (asker.slowest_ms, catalog.took_ms);

    Ok(ProbeFindings {
        dialect,
        dialect_because,
        method: asker.method,
        balance: PanelBalance {
            currency: balance.currency.as_deref().map(|text| asker.words(text)),
            ..balance
        },
        services: catalog
            .read
            .services
            .into_iter()
            .map(|row| asker.without_key(row))
            .collect(),
        skipped: catalog.read.skipped,
        services_offset: catalog.in_parts,
        status_batch_max,
        batch_because,
        refill: signs.refills,
        timeout_ms: judge::timeout_ms(slowest_ms, catalog_ms),
        slowest_ms,
        catalog_ms,
        pace: asker.announced_pace(),
        unknown_words: words.0.iter().map(|text| asker.words(text)).collect(),
        calls: asker.calls,
    })
}

/// Texts that want explaining, each once.
#[derive(Default)]
struct ProbeWords(Vec<String>);

impl ProbeWords {
    fn heard(&mut self, text: String) {
        if !signs::is_documented(&text)
            && !self.0.contains(&text)
            && self.0.len() < UNKNOWN_WORDS_MAX
        {
            self.0.push(text);
        }
    }
}

/// The method by which the balance is told: POST, as all documents say, else GET.
async fn method(asker: &mut Asker) -> Result<PanelBalance, Unlearned> {
    let posted = balance(asker).await;
    let Err(first) = posted else { return posted };
    if !first.trouble.may_be_the_method() {
        return Err(first);
    }

    asker.method = AskMethod::Get;
    let neither = |second| {
        if first.trouble.is_the_method() {
            second
        } else {
            first.by_no_method()
        }
    };

    balance(asker).await.map_err(neither)
}

async fn balance(asker: &mut Asker) -> Result<PanelBalance, Unlearned> {
    let reply = asker.ask("balance", Ask::Balance).await?;
    let read = asker.dialect.balance(&reply.text);
    asker.believe(reply, read)
}

/// What was learnt from the catalog.
struct CatalogFindings {
    read: Catalog,
    in_parts: bool,
    tells_dripfeed: bool,
    took_ms: i64,
}

/// The catalog, and whether there is more of it behind its own end.
async fn catalog(asker: &mut Asker) -> Result<CatalogFindings, Unlearned> {
    let reply = asker.ask("services", Ask::Services { from: 0 }).await?;
    let (tells_dripfeed, took_ms) = (signs::tells_dripfeed(&reply.text), reply.took_ms);
    let read = asker.dialect.catalog(&reply.text);
    let mut read = asker.believe(reply, read)?;
    let mut in_parts = false;

    if read.rows() > 0 {
        let reply = asker
            .ask("services", Ask::Services { from: read.rows() })
            .await?;

        let further = asker
            .dialect
            .catalog(&reply.text)
            .ok()
            .filter(|_| reply.is_good());

        in_parts = further
            .as_ref()
            .is_some_and(|further| judge::in_parts(&read, further));

        if let Some(further) = further.filter(|_| in_parts) {
            read.skipped += further.skipped;
            read.services.extend(further.services);
        }
    }

    Ok(CatalogFindings {
        read,
        in_parts,
        tells_dripfeed,
        took_ms,
    })
}

/// Ids that nobody was given, so many.
fn nobodys(count: usize) -> Vec<PanelOrder> {
    (0..count)
        .map(|n| PanelOrder((LAST_ID - n).to_string()))
        .collect()
}

/// How an unknown order is answered, asked for by itself, and asked for by itself and in a list at
/// once.
async fn orders(
    asker: &mut Asker,
    signs: &mut Signs,
    words: &mut ProbeWords,
) -> Result<(), Unlearned> {
    let one = nobodys(1);
    let reply = asker
        .ask("status of one unknown order", Ask::Status(&one))
        .await?;

    if let Some(text) = asker.unknown_text(&reply, &one) {
        signs.unknown_order = signs::is_notpanels_unknown_order(&text);
        signs.under_4xx = (400..500).contains(&reply.status);
        words.heard(text);
    }

    let reply = asker
        .ask_form("status of one and several", signs::both(&one[0].0))
        .await?;

    signs.both = signs::complained(&reply.text).is_some_and(|text| signs::is_notpanels_both(&text));
    Ok(())
}

/// The largest number of orders that one question may name.
async fn batches(asker: &mut Asker) -> Result<(usize, &'static str), Unlearned> {
    match batch(asker, 2).await? {
        Batch::Whole | Batch::Empty => {}
        Batch::Refused(_) => return Ok((1, "several orders at once were refused")),
    }

    let mut named = None;
    match batch(asker, BATCH_MAX).await? {
        Batch::Whole => {
            return Ok((
                BATCH_MAX,
                "a question about so many was answered with as many rows",
            ));
        }
        Batch::Empty => {
            return Ok((
                BATCH_MAX,
                "a guess: of unknown orders it says nothing; lower it when batches fail",
            ));
        }
        Batch::Refused(most) => named = most.filter(|most| (2..BATCH_MAX).contains(most)).or(named),
    }

    let smaller = named.into_iter().chain(
        SMALLER_BATCHES
            .into_iter()
            .filter(|fewer| named.is_none_or(|most| *fewer < most)),
    );

    for fewer in smaller {
        match batch(asker, fewer).await? {
            Batch::Whole | Batch::Empty => return Ok((fewer, "more at once were refused")),
            Batch::Refused(_) => {}
        }
    }

    Ok((
        2,
        "two at once were answered and ten refused; it may take some more",
    ))
}

async fn batch(asker: &mut Asker, count: usize) -> Result<Batch, Unlearned> {
    let unknown = nobodys(count);
    let reply = asker
        .ask("status of several unknown orders", Ask::Status(&unknown))
        .await?;

    let rows = asker.dialect.rows(&reply.text, &unknown);
    Ok(judge::judge_batch(
        reply.is_good(),
        rows,
        signs::complained(&reply.text).as_deref(),
    ))
}

/// Whether the panel knows of refills: an unknown one is another answer than an unknown action.
async fn refills(asker: &mut Asker, words: &mut ProbeWords) -> Result<bool, Unlearned> {
    let unknown = [PanelRefill(LAST_ID.to_string())];
    let reply: ProbeReply = asker
        .ask(
            "refill_status of an unknown refill",
            Ask::RefillStatus(&unknown),
        )
        .await?;

    let rows = asker.dialect.refill_rows(&reply.text, &unknown);
    let known = judge::knows_refills(reply.status, rows.as_ref());
    if known && let Some(text) = signs::complained(&reply.text) {
        words.heard(text);
    }

    Ok(known)
}
