//! `catalog diff` and `catalog accept`: what moved in the panels' catalogs, and rates that a
//! person lets pass.

use std::collections::HashMap;
use std::fmt::Write;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Value, json};

use crate::catalog::{Service, Snapshot, Unsold};
use crate::cli::answer::{CommandOutcome, WrongUse, moment, shortened, table};
use crate::cli::in_force;
use crate::cli::session::Session;
use crate::domain::clock::Timestamp;
use crate::domain::id::ProviderId;
use crate::domain::money::{Percent, Rate};
use crate::domain::service::Route;
use crate::store::moves::{self, CatalogChange, KINDS};
use crate::store::{catalog, shrunk};

/// Moves of each kind that are printed for people, and for scripts.
const SHOWN_MAX: i64 = 20;
const TOLD_MAX: i64 = 5_000;
/// The longest name that is printed for people, in characters.
const NAME_CHARS_MAX: usize = 40;
/// Services of ours that are named beside one move.
const OURS_MAX: usize = 3;
/// Moves that tell of rates.
const RATES: [&str; 4] = ["rate", "gone", "back", "added"];
/// Services that are named where they are accepted.
const ACCEPTED_NAMED_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub struct DiffOptions {
    /// Only this panel
    #[arg(long)]
    provider: Option<String>,
    /// Everything since then: 30m, 24h, 7d, a day such as 2026-11-01, or a moment such as
    /// 2026-11-01T12:00:00Z
    #[arg(long, value_name = "WHEN", conflicts_with = "last")]
    since: Option<String>,
    /// What each panel's last refresh found; so it is unless --since is given
    #[arg(long)]
    last: bool,
}

/// What moved, grouped by what it was that moved.
pub async fn diff(session: &Session, options: &DiffOptions) -> anyhow::Result<CommandOutcome> {
    let since = options
        .since
        .as_deref()
        .map(|text| when("--since", text, session.now()))
        .transpose()?;

    if let Some(provider) = &options.provider {
        session.panel(provider).await?;
    }

    let each_max = if session.globals.json {
        TOLD_MAX
    } else {
        SHOWN_MAX
    };

    let (snapshot, _) = in_force::snapshot(session).await?;
    let mut found =
        moves::list_changes(&session.store, options.provider.as_deref(), since, each_max).await?;

    // Within a kind they come in their order.
    found.sort_by_key(|found| KINDS.iter().position(|what| *what == found.what));
    let ours = Ours::of(&snapshot);
    let (mut text, mut totals) = (String::new(), serde_json::Map::new());

    for what in KINDS {
        let group: Vec<&CatalogChange> = found.iter().filter(|found| found.what == what).collect();
        let Some(first) = group.first() else { continue };
        totals.insert(what.to_owned(), first.total.into());
        let _ = writeln!(text, "{what}: {}", first.total);

        text += &table(
            [
                "provider", "service", "name", "was", "became", "moved", "ours",
            ],
            &group
                .iter()
                .map(|found| line(found, &ours))
                .collect::<Vec<_>>(),
        );

        let more = first.total - i64::try_from(group.len()).unwrap_or(i64::MAX);
        if more > 0 {
            let _ = writeln!(text, "… and {more} more");
        }

        text.push('\n');
    }

    for held in found
        .iter()
        .filter(|found| found.held && found.what == "rate")
    {
        if let Some(command) = to_accept(held) {
            let _ = writeln!(text, "held: {} {command}", session.globals.again());
        }
    }

    if found.is_empty() {
        text = nothing(&snapshot, options.provider.as_deref(), since);
    }

    let moves: Value = found.iter().map(|found| document(found, &ours)).collect();
    Ok(CommandOutcome::new(
        text,
        json!({ "since": since.map(moment), "totals": totals, "moves": moves }),
    ))
}

/// What is said where nothing moved: what was never read could not.
fn nothing(snapshot: &Snapshot, provider: Option<&str>, since: Option<Timestamp>) -> String {
    match (provider, since) {
        (Some(provider), _) if !snapshot.listings.knows(&ProviderId(provider.to_owned())) => {
            format!("no catalog of panel {provider} was read yet")
        }
        (None, _) if snapshot.listings.is_empty() => "no panel's catalog was read yet".to_owned(),
        (_, Some(since)) => format!("nothing moved since {}", moment(since)),
        (_, None) => "nothing moved at the last refresh".to_owned(),
    }
}

/// What to type so that the rate is accepted that is shown, and no other; nothing where a panel's
/// id of a service would need more than itself.
fn to_accept(held: &CatalogChange) -> Option<String> {
    let Route { provider, service } = &held.route;
    let is_plain =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let rate = Rate::parse(held.became.as_deref()?).ok()?;
    is_plain(service).then(|| format!("catalog accept {provider} {service} --rate {rate}"))
}

/// A span before now, a day, or a moment.
pub(super) fn when(flag: &str, text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let wrong = || {
        WrongUse::because(format!(
            "{flag} {text:?} is no time; write 24h, 7d, 2026-11-01 or the like"
        ))
    };

    let span = |letter: char, seconds: i64| {
        let count: i64 = text.strip_suffix(letter)?.parse().ok()?;
        now.checked_sub_signed(TimeDelta::try_seconds(count.checked_mul(seconds)?)?)
    };

    let day = || {
        Some(
            text.parse::<NaiveDate>()
                .ok()?
                .and_time(NaiveTime::MIN)
                .and_utc(),
        )
    };

    let exact = || {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.to_utc())
    };

    let spans = [('m', 60), ('h', 3_600), ('d', 86_400)];
    let span = spans
        .into_iter()
        .find_map(|(letter, seconds)| span(letter, seconds));

    span.or_else(day).or_else(exact).ok_or_else(wrong)
}

/// Our services by what they are delivered by.
struct Ours<'a> {
    snapshot: &'a Snapshot,
    sold: HashMap<&'a Route, Vec<&'a Service>>,
    unsold: HashMap<&'a Route, Vec<&'a Unsold>>,
}

impl<'a> Ours<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut ours = Self {
            snapshot,
            sold: HashMap::new(),
            unsold: HashMap::new(),
        };

        for sold in snapshot.sold.values() {
            for (route, _) in &sold.routes {
                ours.sold.entry(route).or_default().push(sold);
            }
        }

        for unsold in &snapshot.unsold {
            for route in &unsold.routes {
                ours.unsold.entry(route).or_default().push(unsold);
            }
        }

        ours
    }

    fn sold(&self, route: &Route) -> &[&'a Service] {
        self.sold.get(route).map_or(&[], Vec::as_slice)
    }

    fn unsold(&self, route: &Route) -> &[&'a Unsold] {
        self.unsold.get(route).map_or(&[], Vec::as_slice)
    }

    /// What a sale by this route leaves of the price now, where the route has a rate, held or not.
    fn margin(&self, sold: &Service, route: &Route) -> Option<Percent> {
        let rate = sold
            .routes
            .iter()
            .find(|(of, _)| of == route)
            .and_then(|(_, rate)| *rate);

        sold.price
            .rate
            .margin_over(rate.or_else(|| self.snapshot.held(route))?)
    }

    fn words(&self, route: &Route) -> String {
        let sold = self
            .sold(route)
            .iter()
            .map(|sold| match self.margin(sold, route) {
                Some(margin) => format!("{} at {}, margin {margin} %", sold.id, sold.price.rate),
                None => format!("{} at {}, not by this route", sold.id, sold.price.rate),
            });

        let unsold = self
            .unsold(route)
            .iter()
            .map(|unsold| format!("{} not sold", unsold.id));

        let mut all: Vec<String> = sold.chain(unsold).collect();
        if all.len() > OURS_MAX {
            let more = all.split_off(OURS_MAX).len();
            all.push(format!("{more} more"));
        }

        all.join("; ")
    }
}

fn line(found: &CatalogChange, ours: &Ours<'_>) -> [String; 7] {
    let words = ours.words(&found.route);
    let held = if found.held && found.what == "rate" {
        "held; "
    } else {
        ""
    };

    // Rates as everywhere; bounds, names and words are what they are.
    let shown = |text: &Option<String>| {
        let text = text.clone().unwrap_or_default();
        if RATES.contains(&&*found.what) {
            Rate::parse(&text).map_or(text, |rate| rate.to_string())
        } else {
            text
        }
    };

    [
        found.route.provider.to_string(),
        found.route.service.clone(),
        shortened(&found.name, NAME_CHARS_MAX),
        shown(&found.was),
        shown(&found.became),
        found
            .percent
            .map(|percent| format!("{percent} %"))
            .unwrap_or_default(),
        format!("{held}{words}").trim_end_matches("; ").to_owned(),
    ]
}

fn document(found: &CatalogChange, ours: &Ours<'_>) -> Value {
    let route = &found.route;
    let sold = ours.sold(route).iter().map(|sold| {
        let margin = ours.margin(sold, route).map(|margin| margin.to_string());
        json!({ "id": sold.id.0, "rate": sold.price.rate.to_string(), "margin_percent": margin })
    });

    let unsold = ours
        .unsold(route)
        .iter()
        .map(|unsold| json!({ "id": unsold.id.0, "why": unsold.why }));

    json!({
        "provider": route.provider.0, "service": route.service, "name": found.name,
        "at": moment(found.at),
        "what": found.what, "was": found.was, "became": found.became,
        "percent": found.percent.map(|percent| percent.to_string()), "held": found.held,
        "ours": sold.chain(unsold).collect::<Value>(),
    })
}

/// Refuses to let pass what is not what was looked at.
fn check_seen(
    session: &Session,
    provider: &ProviderId,
    service: Option<&str>,
    seen: Option<Rate>,
    accepted: &[moves::Accepted],
) -> anyhow::Result<()> {
    if let Some(seen) = seen {
        match accepted.first() {
            Some(one) if one.became == seen => {}
            Some(one) => anyhow::bail!(
                "service {:?} of panel {provider} costs {} by now, and not {seen}; nothing was \
                 accepted: look at it again with `{} catalog diff`",
                one.service,
                one.became,
                session.globals.again()
            ),
            None => anyhow::bail!(
                "no rate of service {:?} of panel {provider} is held by now; nothing was accepted",
                service.unwrap_or_default()
            ),
        }
    }

    Ok(())
}

/// Lets rates pass that moved too far: all of a panel's, or one service's, where it is what was
/// looked at.
pub async fn accept(
    session: &Session,
    provider: String,
    service: Option<&str>,
    rate: Option<&str>,
) -> anyhow::Result<CommandOutcome> {
    let provider = ProviderId(provider);
    let wrong = |rate| {
        WrongUse::because(format!(
            "--rate {rate:?} is no rate; write it as `catalog diff` does"
        ))
    };

    let seen = rate
        .map(|rate| Rate::parse(rate).map_err(|_| wrong(rate)))
        .transpose()?;

    let mut tx = session.store.begin().await?;
    if !moves::is_known(&mut tx, &provider, None).await? {
        anyhow::bail!("no panel {:?}; `provider list` shows all", provider.0);
    }

    if let Some(service) = service
        && !moves::is_known(&mut tx, &provider, Some(service)).await?
    {
        anyhow::bail!(
            "panel {provider} never listed a service {service:?}; name it by the panel's own id"
        );
    }

    catalog::only_one(&mut tx, &provider).await?;
    let accepted = moves::accept_rates(&mut tx, &provider, service).await?;
    check_seen(session, &provider, service, seen, &accepted)?;

    if !accepted.is_empty() {
        catalog::renew_catalog(&mut tx, &provider).await?;
        let names: Vec<&str> = accepted
            .iter()
            .take(ACCEPTED_NAMED_MAX)
            .map(|one| one.service.as_str())
            .collect();

        let more = accepted.len() - names.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };

        session
            .note(
                &mut tx,
                "catalog accept",
                &format!("provider {provider} services {}{more}", names.join(", ")),
            )
            .await?;
    }

    tx.commit().await?;
    let rows: Vec<_> = accepted
        .iter()
        .map(|one| {
            [
                one.service.clone(),
                one.was.to_string(),
                one.became.to_string(),
            ]
        })
        .collect();

    let text = if rows.is_empty() {
        format!("no rate of panel {provider} is held")
    } else {
        table(["service", "was", "accepted"], &rows)
    };

    let document = accepted.iter().map(|one| {
        json!({ "service": one.service, "was": one.was.to_string(),
            "accepted": one.became.to_string() })
    });

    Ok(CommandOutcome::new(
        text,
        json!({ "provider": provider.0, "accepted": document.collect::<Value>() }),
    ))
}

/// Takes a panel at its word that lists far less than before: what is missing is sold no more.
pub async fn accept_gone(session: &Session, provider: String) -> anyhow::Result<CommandOutcome> {
    let provider = ProviderId(provider);
    let mut tx = session.store.begin().await?;
    if !moves::is_known(&mut tx, &provider, None).await? {
        anyhow::bail!("no panel {:?}; `provider list` shows all", provider.0);
    }

    catalog::only_one(&mut tx, &provider).await?;
    let gone = shrunk::accept_gone(&mut tx, &provider, session.now()).await?;
    if !gone.is_empty() {
        catalog::renew_catalog(&mut tx, &provider).await?;
        let named: Vec<&str> = gone
            .iter()
            .take(ACCEPTED_NAMED_MAX)
            .map(String::as_str)
            .collect();

        let more = gone.len() - named.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };

        let object = format!(
            "provider {provider} all gone: services {}{more}",
            named.join(", ")
        );

        session.note(&mut tx, "catalog accept", &object).await?;
    }

    tx.commit().await?;
    let text = match gone.len() {
        0 => format!("no service of panel {provider} is missing"),
        count => format!("{count} services of panel {provider} are gone, and sold no more by it"),
    };

    Ok(CommandOutcome::new(
        text,
        json!({ "provider": provider.0, "gone": gone }),
    ))
}
