//! A panel's health minded: every answer to an order, the latest calls of every kind, and a free
//! call now and then to one that gets no orders.

use crate::catalog::refresh;
use crate::domain::clock::Timestamp;
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::leg::Verdict;
use crate::domain::provider::{ProviderSettings, RefusalClass, WORD_BYTES_MAX};
use crate::orders::Delivery;
use crate::routing::health::{Breaker, FREE_CALLS_MIN, Health, TripCause};
use crate::store::legs::LockedLeg;
use crate::store::refusals::{self, Run};
use crate::store::{StoreError, Tx, gates};
use crate::upstream::Panel;

impl Delivery {
    /// Whether the panel found us too fast and is left alone for now: what is due there waits as it
    /// stands.
    pub(super) fn is_left_alone(panel: &Panel) -> bool {
        panel.rests_until().is_some()
    }

    /// Looks at what a panel's latest calls were like, and opens its breaker where they were too
    /// bad. Where it is open and its wait is over, a free call is made, if nobody made one that
    /// worked since, and what it tells is minded. Whether orders may go again.
    pub async fn probe(&self, panel: &Panel) -> Result<bool, StoreError> {
        let (provider, now) = (&panel.settings().id, self.clock.now());
        let health = gates::find_gate(&self.store, provider, now).await?.health;
        match health.breaker {
            Breaker::Closed | Breaker::HalfOpen if panel.calls().trouble().is_none() => {
                return Ok(false);
            }
            Breaker::Closed | Breaker::HalfOpen => {}
            Breaker::Open { until, .. } => {
                // What it is stopped for is not held against it once more when it is let go.
                panel.forgive();

                if until > now || Self::is_left_alone(panel) {
                    return Ok(false);
                }

                // Others' calls may have been enough; who waits for one more makes it here.
                if matches!(
                    health.after_free_call(&panel.calls(), now).breaker,
                    Breaker::Open { .. }
                ) {
                    self.ask_anything_free(panel).await?;
                }
            }
        }

        let turned =
            gates::looked_at(&self.store, provider, &panel.calls(), self.clock.now()).await?;
        Ok(turned.is_some_and(|(before, after)| {
            tell(provider, &before, &after);
            !matches!(after.breaker, Breaker::Open { .. })
        }))
    }

    /// Our balance; of a panel that speaks and does not tell it, its catalog.
    async fn ask_anything_free(&self, panel: &Panel) -> Result<(), StoreError> {
        if self.ask_balance(panel).await?.is_none()
            && !panel.calls().failing()
            && !Self::is_left_alone(panel)
        {
            // As often as it takes, for its no to the balance ends the row. What came of it is told
            // where it is read.
            for _ in 0..FREE_CALLS_MIN {
                let _ = refresh::refresh_one(&self.catalog, panel, &self.clock).await?;
            }
        }

        Ok(())
    }
}

/// The breaker minds every answer to an order: one that proves anything, and one that proves
/// nothing. What never left is counted among the calls.
pub(super) async fn mind_verdict(
    tx: &mut Tx,
    settings: &ProviderSettings,
    order: OrderId,
    verdict: &Verdict,
    now: Timestamp,
) -> Result<(), StoreError> {
    let turned = match verdict {
        Verdict::Accepted(_) => {
            refusals::forget_refusals(tx, &settings.id).await?;
            gates::note_proof(tx, &settings.id, now).await?
        }
        // Of one customer it proves something; of several it is the panel that takes no orders of
        // ours. How we ask may be wrong for one service and right for all others, so an
        // action stops nothing: its orders wait, or go elsewhere.
        Verdict::Refused(RefusalClass::Key)
            if refusals::count_refusal(tx, &settings.id, Run::Ours, order, now).await? =>
        {
            // Counted anew from here: when it is tried again, what was refused before is not held
            // against it.
            refusals::forget_refusals(tx, &settings.id).await?;
            gates::refused_many(tx, &settings.id, TripCause::Refusals, now).await?
        }
        Verdict::Refused(_) => gates::note_proof(tx, &settings.id, now).await?,
        Verdict::InDoubt => gates::note_doubt(tx, &settings.id, &settings.doubts, now).await?,
        Verdict::NeverSent => None,
    };

    if let Some((before, after)) = turned {
        tell(&settings.id, &before, &after);
    }

    Ok(())
}

/// The panel said no in words that nobody listed: no answer was lost, and one customer's odd links
/// stop no panel. They are shown once; and those about several customers' links are the panel's own
/// trouble.
pub(super) async fn mind_unknown_words(
    tx: &mut Tx,
    settings: &ProviderSettings,
    leg: &LockedLeg,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let provider = &settings.id;
    let folded = text.trim().to_lowercase();
    let kept = &folded[..folded.floor_char_boundary(WORD_BYTES_MAX)];

    if refusals::keep_text(tx, provider, leg.id, leg.attempt, kept, now).await? {
        tracing::warn!(
            %provider, order = %leg.order, unknown_words = ?kept,
            "the panel refused an order in words that nobody listed: what they mean goes to \
             [provider.words]; \
             `provider words {provider}` has the lines"
        );
    }

    if refusals::count_refusal(tx, provider, Run::UnknownWords, leg.order, now).await? {
        refusals::forget_refusals(tx, provider).await?;
        if let Some((before, after)) =
            gates::refused_many(tx, provider, TripCause::Doubts, now).await?
        {
            tell(provider, &before, &after);
        }
    }

    Ok(())
}

/// Tells of a breaker that moved, with what moved it.
fn tell(provider: &ProviderId, before: &Health, after: &Health) {
    match (before.breaker, after.breaker) {
        (Breaker::Closed | Breaker::HalfOpen, Breaker::Open { until, cause }) => {
            let words = match cause {
                TripCause::Doubts => "too many doubts: no orders go to the panel for a while",
                TripCause::Errors => {
                    "the panel is not there, or answers nothing of use: no orders go to it for a \
                     while"
                }
                TripCause::Refusals => {
                    "the panel refuses everybody's orders, for our key or how we ask: none go to \
                     it for a while"
                }
                TripCause::Slowness => {
                    "the panel answers too slowly: no orders go to it for a while"
                }
            };

            tracing::error!(%provider, cause = cause.as_str(), %until, "{words}");
        }
        (Breaker::Open { .. }, Breaker::HalfOpen) => {
            tracing::info!(
                %provider, "the panel answers free questions; one order at a time goes to it"
            );
        }
        (Breaker::Open { cause, .. }, Breaker::Closed) => {
            tracing::info!(%provider, cause = cause.as_str(),
                "free questions are answered well again; orders go to the panel");
        }
        (Breaker::HalfOpen, Breaker::Closed) => {
            tracing::info!(%provider, "the panel's answers prove something again; orders go to it");
        }
        (Breaker::Open { .. }, Breaker::Open { .. })
        | (Breaker::Closed, Breaker::Closed | Breaker::HalfOpen)
        | (Breaker::HalfOpen, Breaker::HalfOpen) => {}
    }
}
