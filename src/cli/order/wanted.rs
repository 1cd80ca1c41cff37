//! Which orders a command is about: the filters that `list` and the commands in bulk share.

use chrono::TimeDelta;

use crate::cli::answer::WrongUse;
use crate::cli::moves::when;
use crate::cli::session::Session;
use crate::domain::clock::Timestamp;
use crate::domain::id::OrderId;
use crate::domain::order::OrderState;
use crate::store::show::{ORDERS_MAX, OrderFilter};

/// Words that `--state` takes beside the orders' own states.
const MORE_STATES: [&str; 6] = [
    "review",
    "waiting",
    "stuck",
    "canceling",
    "parked",
    "in_doubt",
];

/// What narrows.
#[derive(Debug, Default, clap::Args)]
pub struct Filters {
    /// pending, processing, in_progress, completed, partial, canceled; or review, waiting, stuck,
    /// canceling, parked, in_doubt
    #[arg(long)]
    state: Option<String>,
    /// The id or the name of the customer
    #[arg(long)]
    customer: Option<String>,
    /// With a leg at this panel
    #[arg(long)]
    provider: Option<String>,
    /// With exactly this link
    #[arg(long)]
    link: Option<String>,
    /// Of this service of ours
    #[arg(long, value_name = "ID")]
    service: Option<i32>,
    /// With this id at the panel
    #[arg(long, value_name = "ID")]
    provider_order: Option<String>,
    /// At most so many, up to 1,000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=ORDERS_MAX))]
    limit: Option<i64>,
}

impl Filters {
    /// Whether nothing narrows; a limit alone does not.
    pub fn are_none(&self) -> bool {
        let Self {
            state,
            customer,
            provider,
            link,
            service,
            provider_order,
            limit: _,
        } = self;

        let texts = [state, customer, provider, link, provider_order];
        texts.iter().all(|text| text.is_none()) && service.is_none()
    }

    /// The same for the database, where panels and customers are known.
    pub async fn wanted(self, session: &Session) -> anyhow::Result<OrderFilter> {
        let known =
            |word: &&str| OrderState::from_word(word).is_some() || MORE_STATES.contains(word);

        if let Some(word) = self.state.as_deref().filter(|word| !known(word)) {
            let words = OrderState::ALL
                .map(OrderState::as_str)
                .into_iter()
                .chain(MORE_STATES);

            let words: Vec<_> = words.collect();
            return Err(WrongUse::because(format!(
                "--state {word:?} is none; there are: {}",
                words.join(", ")
            )));
        }

        let customer = match &self.customer {
            Some(customer) => Some(session.customer(customer).await?.id),
            None => None,
        };

        if let Some(provider) = &self.provider {
            session.panel(provider).await?;
        }

        Ok(OrderFilter {
            state: self.state,
            customer,
            provider: self.provider,
            link: self.link,
            service: self.service,
            panel_order: self.provider_order,
            limit: self.limit,
            ..OrderFilter::default()
        })
    }
}

/// What `list` takes.
#[derive(Debug, clap::Args)]
pub struct Listing {
    #[command(flatten)]
    filters: Filters,
    /// Exactly these orders, by our ids
    #[arg(long, value_name = "ID")]
    id: Vec<i32>,
    /// Bought since then: 24h, 7d, a day such as 2026-11-01, or a moment such as
    /// 2026-11-01T12:00:00Z
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Bought until then; a day counts whole
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
}

impl Listing {
    pub async fn wanted(self, session: &Session) -> anyhow::Result<OrderFilter> {
        let Self {
            filters,
            id,
            from,
            to,
        } = self;

        let (placed_from, placed_before) = span(
            session,
            MomentFlag {
                name: "--from",
                text: from,
            },
            MomentFlag {
                name: "--to",
                text: to,
            },
        )?;
        let orders = (!id.is_empty()).then(|| id.into_iter().map(OrderId).collect());
        Ok(OrderFilter {
            orders,
            placed_from,
            placed_before,
            ..filters.wanted(session).await?
        })
    }
}

/// A flag that names a moment, and what was typed for it.
pub struct MomentFlag<'a> {
    pub name: &'a str,
    pub text: Option<String>,
}

/// From when until before when.
pub fn span(
    session: &Session,
    from: MomentFlag<'_>,
    to: MomentFlag<'_>,
) -> anyhow::Result<(Option<Timestamp>, Option<Timestamp>)> {
    let now = session.now();
    let placed_from = from.text.map(|text| when(from.name, &text, now));
    let placed_before = to.text.map(|text| until(to.name, &text, now));
    Ok((placed_from.transpose()?, placed_before.transpose()?))
}

/// The end of a day, or the moment.
fn until(flag: &str, text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let at = when(flag, text, now)?;
    let is_day = text.parse::<chrono::NaiveDate>().is_ok();
    Ok(if is_day { at + TimeDelta::days(1) } else { at })
}
