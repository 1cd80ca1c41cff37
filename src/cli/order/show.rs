//! `order show`: one order's whole timeline.

use serde_json::{Value, json};

use crate::cli::answer::{CommandOutcome, maybe_moment, moment, shortened, table};
use crate::cli::order::head;
use crate::cli::session::Session;
use crate::domain::choice::{Choice, Passed};
use crate::domain::id::{OrderId, ProviderId};
use crate::domain::service::Route;
use crate::domain::spoken::on_one_line;
use crate::orders::decide::allowed;
use crate::orders::resolve::named_among;
use crate::store::doubts;
use crate::store::show::{
    self, CancelLine, DecisionRow, DoubtCheckRow, ExchangeRow, LegRow, OrderFilter, OrderRow,
    TransferRow,
};

/// A panel's words that are printed for people, in characters; `--json` has all that is kept.
const WORDS_CHARS_MAX: usize = 80;

/// Everything that happened to an order.
struct Timeline<'a> {
    order: &'a OrderRow,
    legs: Vec<LegRow>,
    exchanges: Vec<ExchangeRow>,
    checks: Vec<DoubtCheckRow>,
    decisions: Vec<DecisionRow>,
    cancel: Option<CancelLine>,
    /// Where it was in doubt before its last leg.
    doubted_before: Vec<Route>,
    transfers: Vec<TransferRow>,
}

impl<'a> Timeline<'a> {
    async fn of(session: &Session, order: &'a OrderRow) -> anyhow::Result<Self> {
        let store = &session.store;
        let legs = show::list_legs(store, order.id).await?;
        let mut tx = store.begin().await?;
        let last = legs.last().map_or(0, |leg| leg.n);
        let doubted_before = doubts::doubted_before(&mut tx, order.id, last).await?;
        tx.rollback().await?;

        Ok(Self {
            order,
            legs,
            exchanges: show::list_attempts(store, order.id).await?,
            checks: show::list_checks(store, order.id).await?,
            decisions: show::list_decisions(store, order.id).await?,
            cancel: show::find_cancel(store, order.id).await?,
            doubted_before,
            transfers: show::list_transfers(store, order.id).await?,
        })
    }

    /// The commands by which a person may decide it, as they are typed.
    fn allowed(&self) -> Vec<String> {
        let Some(leg) = self.legs.last() else {
            return Vec::new();
        };

        let order = self.order;
        let unknown_there = order.review.is_some() && leg.unknown_there;
        let not_whole = order.refunded < order.charge;
        let decisions = allowed(leg.state, unknown_there, order.package, not_whole);

        // What was found elsewhere decides nothing here, so it is said where it was found.
        let route = Route {
            provider: ProviderId(leg.provider.clone()),
            service: leg.service.clone(),
        };

        let at =
            (!self.doubted_before.is_empty()).then(|| named_among(&route, &self.doubted_before));
        decisions
            .iter()
            .map(|decision| decision.command(order.id, at.as_deref()))
            .collect()
    }

    fn document(&self) -> Value {
        let mut document = head(self.order);
        document["rate"] = self.order.rate.to_string().into();
        document["cost_rate"] = self.order.cost_rate.to_string().into();
        document["rule"] = self.order.rule.clone().into();
        document["config_hash"] = self.order.config_hash.clone().into();
        document["legs"] = self.legs.iter().map(|leg| self.leg_document(leg)).collect();

        document["cancel"] = self.cancel.as_ref().map(cancel_document).into();
        document["allowed"] = self.allowed().into();
        document["decisions"] = self.decisions.iter().map(decision_document).collect();
        document["transfers"] = self.transfers.iter().map(transfer_document).collect();

        document
    }

    fn leg_document(&self, leg: &LegRow) -> Value {
        let exchanges = self
            .exchanges
            .iter()
            .filter(|exchange| exchange.leg == leg.id)
            .map(|exchange| {
                json!({
                    "attempt": exchange.attempt, "provider": exchange.provider,
                    "sent_at": moment(exchange.sent_at),
                    "answered_at": exchange.answered_at.map(moment), "verdict": exchange.verdict,
                    "http_status": exchange.http_status, "words": exchange.words,
                })
            });

        let looks = self
            .checks
            .iter()
            .filter(|check| check.leg == leg.id)
            .map(|check| {
                json!({ "at": moment(check.at), "check": check.kind, "verdict": check.verdict,
                "words": check.words })
            });

        json!({
            "n": leg.n, "provider": leg.provider, "service": leg.service,
            "state": leg.state.as_str(),
            "panel_order": leg.panel_order, "late_order": leg.late_order,
            "panel_status": leg.panel_status, "panel_charge": leg.panel_charge,
            "panel_said": leg.seen, "cost": leg.cost.to_string(), "reason": leg.reason,
            "choice": leg.choice, "next_check_at": leg.check_at.map(moment),
            "exchanges": exchanges.collect::<Value>(),
            "looks": looks.collect::<Value>(),
        })
    }
}

/// One order, for people and for scripts.
pub async fn timeline(session: &Session, id: OrderId) -> anyhow::Result<CommandOutcome> {
    let wanted = OrderFilter {
        orders: Some(vec![id]),
        ..OrderFilter::default()
    };

    let Some(order) = show::list_orders(&session.store, &wanted)
        .await?
        .into_iter()
        .next()
    else {
        anyhow::bail!(
            "there is no order {id}; `{} order list` shows the newest",
            session.globals.again()
        );
    };

    let timeline = Timeline::of(session, &order).await?;
    Ok(CommandOutcome::new(
        page(&timeline, &session.globals.again()),
        timeline.document(),
    ))
}

/// One order, as scripts read it.
pub async fn document(session: &Session, order: &OrderRow) -> anyhow::Result<Value> {
    Ok(Timeline::of(session, order).await?.document())
}

fn cancel_document(row: &CancelLine) -> Value {
    json!({
        "asked_by": row.asked_by, "asked_at": moment(row.asked_at), "state": row.state,
        "words": row.words,
    })
}

/// What became of the cancel, in a line.
fn canceling(row: Option<&CancelLine>) -> String {
    let Some(row) = row else { return String::new() };
    let words = if row.words.is_empty() {
        String::new()
    } else {
        format!(": {}", on_one_line(&row.words))
    };

    format!(
        "cancel asked for by the {} at {}, {}{words}\n",
        row.asked_by,
        moment(row.asked_at),
        row.state
    )
}

fn decision_document(row: &DecisionRow) -> Value {
    json!({ "at": moment(row.at), "who": row.who, "what": row.what, "reason": row.reason })
}

fn decided(rows: &[DecisionRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }

    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                moment(row.at),
                row.who.clone(),
                row.what.clone(),
                row.reason.clone(),
            ]
        })
        .collect();

    table(["at", "who", "decided", "reason"], &cells)
}

fn transfer_document(row: &TransferRow) -> Value {
    json!({
        "id": row.id, "at": moment(row.at), "reason": row.reason, "debit": row.debit,
        "credit": row.credit,
        "amount": row.amount.to_string(),
    })
}

fn page(timeline: &Timeline<'_>, panelgate: &str) -> String {
    let order = timeline.order;
    let legs_rows: Vec<_> = timeline
        .legs
        .iter()
        .map(|leg| {
            [
                leg.n.to_string(),
                leg.provider.clone(),
                leg.state.as_str().to_owned(),
                panel_orders(leg),
                leg.cost.to_string(),
                leg.reason.clone(),
            ]
        })
        .collect();

    let exchange_rows: Vec<_> = timeline
        .exchanges
        .iter()
        .map(|exchange| {
            let status = exchange
                .http_status
                .map(|status| status.to_string())
                .unwrap_or_default();

            let words = shortened(&exchange.words, WORDS_CHARS_MAX);
            [
                moment(exchange.sent_at),
                exchange.provider.clone(),
                exchange.verdict.clone(),
                status,
                words,
            ]
        })
        .collect();

    let transfer_rows: Vec<_> = timeline
        .transfers
        .iter()
        .map(|row| {
            [
                moment(row.at),
                row.reason.clone(),
                row.debit.clone(),
                row.credit.clone(),
                row.amount.to_string(),
            ]
        })
        .collect();

    [
        facts_table(order),
        legs_and_choices(
            &timeline.legs,
            &table(
                ["leg", "provider", "state", "panel_order", "cost", "reason"],
                &legs_rows,
            ),
        ),
        table(
            ["sent_at", "provider", "verdict", "http", "words"],
            &exchange_rows,
        ),
        looked(&timeline.checks),
        table(
            ["at", "transfer", "debit", "credit", "amount"],
            &transfer_rows,
        ),
        canceling(timeline.cancel.as_ref()),
        decided(&timeline.decisions),
        may_decide(&timeline.allowed(), panelgate),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

/// What was ordered, by whom, at what price, and how it stands.
fn facts_table(order: &OrderRow) -> String {
    let facts = [
        [
            "order".to_owned(),
            format!("{} ({})", order.id, order.public.letters()),
        ],
        ["customer".to_owned(), order.customer.to_string()],
        [
            "bought".to_owned(),
            format!(
                "{} of service {} ({})",
                order.units, order.service, order.kind
            ),
        ],
        ["link".to_owned(), order.link.clone()],
        [
            "state".to_owned(),
            format!("{}, {} remain", order.state, order.remains),
        ],
        [
            "charge".to_owned(),
            format!("{}, of which {} was refunded", order.charge, order.refunded),
        ],
        [
            "price".to_owned(),
            format!(
                "{} per 1,000 or package, from {} ({})",
                order.rate, order.cost_rate, order.rule
            ),
        ],
        ["config_hash".to_owned(), order.config_hash.clone()],
        ["placed_at".to_owned(), moment(order.placed_at)],
        ["ended_at".to_owned(), maybe_moment(order.ended_at)],
        [
            "review".to_owned(),
            order.review.clone().unwrap_or_default(),
        ],
    ];

    table(["", ""], &facts).trim_start().to_owned()
}

/// A leg's ids at its panel.
fn panel_orders(leg: &LegRow) -> String {
    let late = leg.late_order.as_ref().map(|id| format!("{id} (late)"));
    let ids: Vec<String> = leg.panel_order.iter().cloned().chain(late).collect();
    ids.join(", ")
}

/// The table of legs, and under each why it goes by its route.
fn legs_and_choices(legs: &[LegRow], table: &str) -> String {
    let mut lines = table.lines();
    let mut text = lines
        .by_ref()
        .take(1)
        .map(|heads| heads.to_owned() + "\n")
        .collect::<String>();

    for (leg, line) in legs.iter().zip(lines) {
        text = text + line + "\n" + &leg.choice.as_ref().map(chosen).unwrap_or_default();
    }

    text
}

fn chosen(choice: &Choice) -> String {
    let won = format!(
        "     by {}: {}:{}, {}\n",
        choice.strategy.as_str(),
        choice.provider,
        choice.service,
        choice.why
    );

    let lost = |passed: &Passed| {
        format!(
            "        not {}:{}, {}\n",
            passed.provider, passed.service, passed.why
        )
    };

    won + &choice.others.iter().map(lost).collect::<String>()
}

fn looked(checks: &[DoubtCheckRow]) -> String {
    if checks.is_empty() {
        return String::new();
    }

    let cells: Vec<_> = checks
        .iter()
        .map(|check| {
            [
                moment(check.at),
                check.kind.clone(),
                check.verdict.clone(),
                check.words.clone(),
            ]
        })
        .collect();

    table(["at", "looked_at", "showed", "words"], &cells)
}

fn may_decide(commands: &[String], panelgate: &str) -> String {
    if commands.is_empty() {
        return String::new();
    }

    format!(
        "may be decided by:\n{}\n",
        commands
            .iter()
            .map(|line| format!("  {panelgate} {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    )
}
