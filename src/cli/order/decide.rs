//! `order resolve`, `settle`, `refund` and `cancel`: what a person decides, with who and why.

use anyhow::{Context, bail};
use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse, moment};
use crate::cli::in_force;
use crate::cli::session::Session;
use crate::domain::id::{OrderId, PanelOrder};
use crate::domain::money::Money;
use crate::domain::service::Route;
use crate::orders::decide::{self, Decided};
use crate::orders::resolve::{DoubtFinding, Resolved};
use crate::orders::withdraw::{self, Withdrawn};
use crate::store::{doubts, show};

/// The longest id of a panel's order.
const PANEL_ORDER_BYTES_MAX: usize = 128;

/// What was found at the panel.
#[derive(Debug, clap::Subcommand)]
pub enum FoundAtPanel {
    /// The panel has it: it is followed there from now on
    Accepted {
        /// Its id at the panel
        panel_order: String,
        /// The panel where you looked, PROVIDER:SERVICE where it was in doubt there twice; needed
        /// once it was in doubt before
        #[arg(long, value_name = "PROVIDER")]
        at: Option<String>,
    },
    /// The panel has nothing of it: it goes by its next route, or ends and is refunded whole
    NotPlaced {
        /// The panel where you looked, PROVIDER:SERVICE where it was in doubt there twice; needed
        /// once it was in doubt before
        #[arg(long, value_name = "PROVIDER")]
        at: Option<String>,
    },
    /// It was found too soon that it was not placed: it is in doubt again, while no other panel has
    /// it or may have it
    TakeBack {
        /// The panel that may have it, PROVIDER:SERVICE where it was asked twice; needed where it
        /// was found so at several
        #[arg(long, value_name = "PROVIDER")]
        at: Option<String>,
    },
}

/// How an order ended, as a person found.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Ended {
    /// So many units were delivered; the rest is refunded
    #[arg(long, value_name = "N")]
    delivered: Option<u64>,
    /// Nothing was delivered; the whole charge is refunded
    #[arg(long)]
    canceled: bool,
    /// Everything was delivered
    #[arg(long)]
    completed: bool,
}

impl Ended {
    fn finding(&self) -> decide::SettlementFinding {
        match self.delivered {
            Some(delivered) => decide::SettlementFinding::Delivered(delivered),
            None if self.canceled => decide::SettlementFinding::Canceled,
            None => decide::SettlementFinding::Completed,
        }
    }

    fn words(&self) -> String {
        match self.finding() {
            decide::SettlementFinding::Delivered(delivered) => format!("delivered {delivered}"),
            decide::SettlementFinding::Canceled => "canceled".to_owned(),
            decide::SettlementFinding::Completed => "completed".to_owned(),
        }
    }
}

/// What a person found, as it is written down, and at which panel.
struct PersonsFinding {
    finding: DoubtFinding,
    words: String,
    at: Option<String>,
}

fn read_finding(session: &Session, found: FoundAtPanel) -> anyhow::Result<PersonsFinding> {
    Ok(match found {
        FoundAtPanel::Accepted { panel_order, at } => {
            let id = panel_order.trim().to_owned();
            if id.is_empty() || id.len() > PANEL_ORDER_BYTES_MAX || id.chars().any(char::is_control)
            {
                return Err(WrongUse::because(format!(
                    "{panel_order:?} is no id of a panel's order"
                )));
            }

            PersonsFinding {
                words: format!("accepted {id}"),
                finding: DoubtFinding::Accepted(PanelOrder(id)),
                at,
            }
        }
        FoundAtPanel::NotPlaced { .. } if session.reason().trim().is_empty() => {
            return Err(WrongUse::because(
                "--reason is missing; say where you looked: what was not placed is bought \
                 elsewhere or refunded",
            ));
        }
        FoundAtPanel::TakeBack { at } => PersonsFinding {
            finding: DoubtFinding::TakeBack,
            words: "take-back".to_owned(),
            at,
        },
        FoundAtPanel::NotPlaced { at } => PersonsFinding {
            finding: DoubtFinding::NotPlaced,
            words: "not-placed".to_owned(),
            at,
        },
    })
}

pub async fn resolve(
    session: &Session,
    order: OrderId,
    found: FoundAtPanel,
) -> anyhow::Result<CommandOutcome> {
    let PersonsFinding { finding, words, at } = read_finding(session, found)?;

    let delivery = in_force::delivery(session).await?;
    let mut tx = session.store.begin().await?;
    match delivery
        .resolve(&mut tx, order, &finding, at.as_deref())
        .await?
    {
        Resolved::Done => {}
        Resolved::AtAnother { now_at, before } => bail!(
            "order {order} is in doubt at {now_at}, and nothing changed: it was in doubt at {} \
             before. Look for it at {now_at}, and say the same with `--at {now_at}`",
            before.join(", ")
        ),
        Resolved::SaidOnce { now_at, visible_at } => {
            session
                .note(
                    &mut tx,
                    "order resolve",
                    &format!("order {order} {words}, said once"),
                )
                .await?;

            tx.commit().await?;
            bail!(
                "nothing is decided yet: panel {now_at} need not show order {order} before {} \
                 (visible_after_s), and one that is bought elsewhere meanwhile may be there \
                 twice. Look again then; or, if you are sure that the panel does not have it, say \
                 the same once more: it is then bought by its next route, or its customer gets {} \
                 back",
                moment(visible_at),
                standing(session, order).await?.2
            )
        }
        Resolved::NothingToTakeBack => bail!(
            "nothing of order {order} can be taken back: nobody found that it was not placed, or \
             another panel has it or may have it since, or it was canceled; `order show {order}` \
             tells which"
        ),
        Resolved::AtSeveral(found) => bail!(
            "order {order} was found not placed at {}, and nothing changed: say which one may \
             have it after all, with `--at PROVIDER`",
            found.join(", ")
        ),
        Resolved::NotInDoubt => {
            bail!(
                "order {order} is not in doubt, or does not exist; `order list --state in_doubt` \
                 shows all that are"
            )
        }
        Resolved::NamedByPanel(id) => bail!(
            "nothing changed: the panel said itself that it has order {order}, as {id}. Look at \
             {id} there; where that is the order, follow it by `order resolve {order} accepted \
             {id}`"
        ),

        Resolved::TakenId(owner) => bail!(
            "order {owner} has the id {words:?} at the panel; nothing changed. Look at `panelgate \
             order show {owner}`, and for this order's own id at the panel"
        ),
    }

    session
        .note(&mut tx, "order resolve", &format!("order {order} {words}"))
        .await?;

    tx.commit().await?;
    let (state, refunded, _) = standing(session, order).await?;
    let text = format!(
        "order {order} is resolved: {words}; it is {state}, and {refunded} stands refunded"
    );

    Ok(CommandOutcome::new(
        text,
        json!({ "id": order.0, "resolved": words, "state": state,
            "refunded": refunded.to_string() }),
    ))
}

/// Where an order stands, what of its charge stands refunded, and what is left of it.
async fn standing(session: &Session, order: OrderId) -> anyhow::Result<(String, Money, Money)> {
    let wanted = show::OrderFilter {
        orders: Some(vec![order]),
        ..show::OrderFilter::default()
    };

    let row = show::list_orders(&session.store, &wanted)
        .await?
        .into_iter()
        .next()
        .context("the order is gone")?;

    let left = row.charge.minus(row.refunded)?;
    Ok((row.state, row.refunded, left))
}

/// Ends an order as a person found it at the panel.
pub async fn settle(
    session: &Session,
    order: OrderId,
    ended: &Ended,
) -> anyhow::Result<CommandOutcome> {
    let mut tx = session.store.begin().await?;
    let decided = decide::settle(&mut tx, order, ended.finding(), session.now()).await?;
    let words = ended.words();

    let afterwards = if let Decided::CancelAsked { provider, .. } = &decided {
        format!(
            "; panel {provider} is asked to cancel it, and is followed: what it delivers all the \
             same is yours"
        )
    } else {
        String::new()
    };

    let refunded = stands(order, decided)?;
    session
        .note(&mut tx, "order settle", &format!("order {order} {words}"))
        .await?;

    tx.commit().await?;
    let text =
        format!("order {order} is settled as {words}; {refunded} stands refunded{afterwards}");

    Ok(CommandOutcome::new(
        text,
        json!({ "id": order.0, "settled": words, "refunded": refunded.to_string() }),
    ))
}

/// Gives back so much more of an order's charge.
pub async fn refund(
    session: &Session,
    order: OrderId,
    amount: &str,
) -> anyhow::Result<CommandOutcome> {
    let money = Money::parse(amount)
        .map_err(|why| WrongUse::because(format!("the amount {amount:?} {why}")))?;

    if !money.is_positive() {
        return Err(WrongUse::because(format!(
            "the amount {amount:?} is not above zero"
        )));
    }

    let reason = session.reason();
    if reason.trim().is_empty() {
        return Err(WrongUse::because(
            "--reason is missing; say why, and the same reason will not give twice",
        ));
    }

    let mut tx = session.store.begin().await?;
    let decided = decide::give_back(&mut tx, order, money, reason, session.now()).await?;
    if decided == Decided::DoneBefore {
        let text = format!(
            "order {order} was given something back for this reason before; nothing changed"
        );

        return Ok(CommandOutcome::new(
            text,
            json!({ "id": order.0, "given_back": "0.00", "done_before": true }),
        ));
    }

    let refunded = stands(order, decided)?;
    session
        .note(&mut tx, "order refund", &format!("order {order} {money}"))
        .await?;

    tx.commit().await?;
    let text = format!("{money} of order {order} is given back; {refunded} stands refunded");
    Ok(CommandOutcome::new(
        text,
        json!({ "id": order.0, "given_back": money.to_string(), "refunded": refunded.to_string() }),
    ))
}

fn names(routes: &[Route]) -> String {
    let names: Vec<_> = routes
        .iter()
        .map(|route| format!("{}:{}", route.provider, route.service))
        .collect();
    names.join(", ")
}

/// Takes an order back of which nothing was sent.
pub async fn cancel(session: &Session, order: OrderId) -> anyhow::Result<CommandOutcome> {
    let mut tx = session.store.begin().await?;
    match withdraw::unsent(
        &mut tx,
        order,
        "canceled by a person before it was sent",
        session.now(),
    )
    .await?
    {
        Withdrawn::Done => {}
        Withdrawn::Compared => bail!(
            "whether the panel that refused order {order} took our money for it all the same is \
             being looked at; nothing changed. Try again in two minutes"
        ),
        Withdrawn::Sent => bail!(
            "order {order} does not exist, is over, or was sent to a panel; `order show {order}` \
             says which, and what can be decided"
        ),
    }

    session
        .note(&mut tx, "order cancel", &format!("order {order} canceled"))
        .await?;

    let before = doubts::doubted_before(&mut tx, order, i32::MAX).await?;
    tx.commit().await?;

    let had = match before.as_slice() {
        [] => "no panel had it".to_owned(),
        // Somebody decided that it was not placed there, and may have been wrong.
        doubted => format!(
            "it was in doubt before at {}: look whether it is there, and cancel it",
            names(doubted)
        ),
    };

    let text = format!("order {order} is canceled and refunded whole; {had}");
    Ok(CommandOutcome::new(
        text,
        json!({ "id": order.0, "canceled": true }),
    ))
}

/// What stands refunded after a decision that was possible.
fn stands(order: OrderId, decided: Decided) -> anyhow::Result<Money> {
    match decided {
        Decided::Done(refunded) | Decided::CancelAsked { refunded, .. } => Ok(refunded),
        Decided::OtherAmount(before) => bail!(
            "{before} of order {order} was given back for this reason before, which is another \
             amount; nothing changed. Another gift needs a reason of its own"
        ),
        Decided::NotAtPanel => bail!(
            "order {order} is not at a panel; `order resolve` ends a doubt, `order cancel` takes \
             back what was not sent"
        ),
        Decided::Package => {
            bail!(
                "order {order} is one package: part of it cannot be counted; use --completed or \
                 --canceled"
            )
        }
        Decided::TooMany(units) => bail!("order {order} has only {units} units"),
        Decided::TooMuch(left) => {
            bail!("only {left} of the charge of order {order} is not refunded yet")
        }
        Decided::DoneBefore => bail!("order {order} was decided so before; nothing changed"),
        Decided::Unknown => {
            bail!("there is no order {order}; `panelgate order list` shows the newest")
        }
    }
}
