//! Asking where many orders stand: in batches, and in smaller ones where a panel does not answer
//! those.
//!
//! A batch that is refused in whatever words, or answered by nothing that can be read, is halved
//! and asked again, down to one by one, and each answer counts by itself: some panels know no
//! batches, some take small ones only, and at some one bad id spoils a whole batch. When the first
//! question about one order fails as well, it is the panel that fails, and nothing more is asked.
//! Nor is anything after an answer that did not come, or a wish to be left alone.

use crate::domain::id::PanelOrder;
use crate::domain::provider::RefusalClass;
use crate::orders::Delivery;
use crate::upstream::{Failure, FailureKind, OrderAnswer, Panel};

/// The most questions of one round: a hundred orders, halved down to one by one, are 199.
pub(super) const QUESTIONS_MAX: usize = 200;

/// What one round of questions told.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What was said of each order that was answered, each by itself.
    pub(super) rows: Vec<(PanelOrder, OrderAnswer)>,
    /// The one order whose question failed before any other told anything.
    pub(super) failed_alone: Option<PanelOrder>,
    /// Why it ended before all were asked about.
    pub(super) ended: Option<Failure>,
    /// The largest batch that was answered after a larger one was not.
    pub(super) batch_learned: Option<usize>,
    /// Whether the panel told anything of any order.
    pub(super) spoke: bool,
}

/// Asks where orders stand, at first at most `batch` in one question.
pub(super) async fn ask_statuses(
    panel: &Panel,
    orders: &[PanelOrder],
    batch: usize,
    questions_max: usize,
) -> Round {
    let mut round = Round::default();

    // The next to be asked last: halves go on top, the first half above the second.
    let mut waiting: Vec<&[PanelOrder]> = orders.chunks(batch.max(1)).rev().collect();
    let mut refused_min = usize::MAX;
    let mut answered_max = 0;
    let mut silent_max = 0;

    for _ in 0..questions_max {
        let Some(asked) = waiting.pop() else { break };
        match panel.status(asked).await {
            Ok(rows) if is_answer(&rows, round.spoke) => {
                round.spoke |= rows.iter().any(|(_, row)| tells(row));
                let told = rows.iter().filter(|(_, row)| is_there(row)).count();

                if told < asked.len() && asked.len() > 1 {
                    // It may answer so many at once and no more: those that it left out are asked
                    // about by themselves.
                    refused_min = refused_min.min(asked.len());
                    answered_max = answered_max.max(told);
                    waiting.extend(left_out(asked, &rows).rev());
                    let told = rows.into_iter().filter(|(_, row)| is_there(row));
                    round.rows.extend(told);
                } else {
                    answered_max = answered_max.max(asked.len());
                    round.rows.extend(rows);
                }
            }
            Ok(_) if asked.len() > 1 => {
                refused_min = refused_min.min(halve_batch(&mut waiting, asked));
            }
            Err(failure) if !may_go_on(panel, &failure) => {
                // One order of these may be what the panel hangs at: the next round asks about
                // fewer at once, and at last about that one after all others.
                if failure.kind == FailureKind::Unanswered {
                    match asked {
                        [order] => round.failed_alone = Some(order.clone()),
                        several => silent_max = several.len(),
                    }
                }

                round.ended = Some(failure);
                break;
            }
            Err(failure) if asked.len() > 1 => {
                tracing::debug!(provider = %panel.settings().id, orders = asked.len(), %failure,
                    "a batch is halved");
                refused_min = refused_min.min(halve_batch(&mut waiting, asked));
            }
            Err(failure) if round.spoke => {
                let text = failure.words;
                round.rows.extend(
                    asked
                        .iter()
                        .map(|order| (order.clone(), OrderAnswer::Error { text: text.clone() })),
                );
            }
            // The panel itself fails.
            Err(failure) => {
                round.failed_alone = asked.first().cloned();
                round.ended = Some(failure);
                break;
            }
            Ok(rows) => {
                round.failed_alone = asked.first().cloned();
                let words = format!(
                    "nothing was said of the order: {:?}",
                    rows.first().map(|(_, row)| row)
                );

                let kind = FailureKind::Declined;
                round.ended = Some(Failure { kind, words });
                break;
            }
        }
    }

    round.batch_learned =
        (answered_max > 0 && answered_max < refused_min && refused_min < usize::MAX)
            .then_some(answered_max);

    if silent_max > 1 {
        round.batch_learned = Some(silent_max / 2);
    }

    round
}

fn is_there(row: &OrderAnswer) -> bool {
    *row != OrderAnswer::Missing
}

/// Those of a batch that were left out of its answer, one by one.
fn left_out<'a>(
    asked: &'a [PanelOrder],
    rows: &[(PanelOrder, OrderAnswer)],
) -> impl DoubleEndedIterator<Item = &'a [PanelOrder]> {
    let is_told = |order: &PanelOrder| {
        rows.iter()
            .any(|(of, row)| of == order && *row != OrderAnswer::Missing)
    };

    let missing: Vec<_> = asked.chunks(1).filter(|one| !is_told(&one[0])).collect();
    missing.into_iter()
}

/// Whether rows answer the question: a batch by a word of any of its orders; one order by a word of
/// it, or by an error of its own while the panel tells of others.
fn is_answer(rows: &[(PanelOrder, OrderAnswer)], spoke: bool) -> bool {
    match rows {
        [(_, row)] => spoke || tells(row),
        rows => rows.iter().any(|(_, row)| *row != OrderAnswer::Missing),
    }
}

/// Whether a row says where its order stands, be it in a word that nobody knows, or that there is
/// none.
fn tells(row: &OrderAnswer) -> bool {
    match row {
        OrderAnswer::Said(_) | OrderAnswer::UnknownStatus { .. } | OrderAnswer::NotOurs { .. } => {
            true
        }
        OrderAnswer::Error { .. } | OrderAnswer::Missing => false,
    }
}

/// Puts both halves on top of what waits. How many there were in the whole.
fn halve_batch<'a>(waiting: &mut Vec<&'a [PanelOrder]>, asked: &'a [PanelOrder]) -> usize {
    let (first, second) = asked.split_at(asked.len().div_ceil(2));
    waiting.extend([second, first]);
    asked.len()
}

/// Whether the panel may be asked something else after this.
pub(super) fn may_go_on(panel: &Panel, failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::NeverSent
        | FailureKind::Unanswered
        | FailureKind::BadStatus(429)
        | FailureKind::Refused(RefusalClass::Key | RefusalClass::RateLimit) => false,
        FailureKind::Refused(_)
        | FailureKind::Declined
        | FailureKind::BadStatus(_)
        | FailureKind::Unreadable => !Delivery::is_left_alone(panel),
    }
}
