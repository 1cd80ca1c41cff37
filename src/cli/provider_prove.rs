//! `provider prove`: one small order asked for again under its name, at the house's cost.

use std::io::{IsTerminal, Write as _};

use serde_json::json;

use crate::cli::answer::{CommandOutcome, WrongUse};
use crate::cli::check;
use crate::cli::session::Session;
use crate::config;
use crate::domain::clock::SharedClock;
use crate::domain::id::{PanelOrder, ProviderId};
use crate::domain::money::Money;
use crate::domain::proof::{Proof, ProofOutcome};
use crate::domain::provider::{PanelDialect, ProviderSettings};
use crate::domain::service::ServiceType;
use crate::orders::prove::{self, ProofOrder};
use crate::store::{gates, proofs};
use crate::upstream::Panel;

/// The longest link, as customers may send it.
const LINK_BYTES_MAX: usize = 2_048;

/// What no proof tells.
const FORGETS: &str = "That tells nothing of a panel that restarts and forgets the names it was \
                       told: what is asked there again within 30 minutes is then bought twice";

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The panel's id
    provider: String,
    /// The panel's own id of a service of type Default, best its cheapest
    #[arg(long, value_name = "ID")]
    service: String,
    /// What is delivered to: a link of your own
    #[arg(long, value_name = "LINK")]
    link: String,
    /// How many units; best the service's minimum
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=2_147_483_647))]
    quantity: u64,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
}

pub async fn run(session: &Session, options: Options) -> anyhow::Result<CommandOutcome> {
    let id = ProviderId(options.provider.clone());
    if session.globals.json && !options.yes {
        return Err(WrongUse::because(
            "it buys at the panel, perhaps twice, and asks before it does: with --json say --yes",
        ));
    }

    if options.link.is_empty()
        || options.link.len() > LINK_BYTES_MAX
        || options.link.chars().any(char::is_control)
    {
        return Err(WrongUse::because(
            "--link must have 1 to 2048 bytes and no control characters",
        ));
    }

    let settings = settings(session, &id)?;
    if let Some(since) = gates::frozen_since(&session.store).await? {
        anyhow::bail!(
            "nothing is sent to any panel since {since}; thaw with `{} dispatch thaw` first",
            session.globals.again()
        );
    }

    session.panel(&id.0).await?;
    let wish = wish(session, &id, &options).await?;
    if !options.yes && !is_meant(&settings, &wish)? {
        return Ok(CommandOutcome::new(
            "nothing was asked",
            json!({ "provider": id.0, "outcome": "nothing was asked" }),
        ));
    }

    let key = config::read_secret(&settings, &config::surroundings())
        .map_err(|why| WrongUse::because(why.to_string()))?;
    let clock: SharedClock = session.store.clock();
    let panel = Panel::new(settings, key)?;

    // No order goes to a panel that did not answer a harmless question first.
    if let Err(failure) = panel.balance().await {
        anyhow::bail!("nothing was bought: the panel does not tell our balance: {failure}");
    }

    let proof = prove::prove_names(&session.store, &clock, &panel, &wish).await?;
    let text = told(session, &id, &wish, &proof);

    let document = json!({
        "provider": id.0, "outcome": proof.outcome.as_str(),
        "proven": proof.outcome == ProofOutcome::Honoured,
        "first_order": proof.first.as_ref().map(|id| &id.0),
        "second_order": proof.second.as_ref().map(|id| &id.0),
        "bought": proof.bought, "in_doubt": proof.in_doubt, "cost_each": wish.cost.to_string(),
        "words": proof.words,
    });

    Ok(CommandOutcome::new(text, document).failing_if(proof.outcome != ProofOutcome::Honoured))
}

/// The panel's block, which must be of the one dialect that has names for adds.
fn settings(session: &Session, id: &ProviderId) -> anyhow::Result<ProviderSettings> {
    let path = check::file(&session.globals);
    let file = config::load(&path, &config::surroundings())?;
    let settings = file
        .mapping
        .providers
        .iter()
        .find(|provider| provider.id == *id);

    let Some(settings) = settings else {
        anyhow::bail!("{} has no provider {:?}", path.display(), id.0)
    };

    if settings.dialect != PanelDialect::Notpanel {
        let dialect = settings.dialect.as_str();
        anyhow::bail!(
            "panel {id} is asked in the dialect {dialect}, which has no request_id: there is \
             nothing to prove"
        );
    }

    Ok(settings.clone())
}

/// What will be bought, as the panel's catalog was read last.
async fn wish(session: &Session, id: &ProviderId, options: &Options) -> anyhow::Result<ProofOrder> {
    let Some(listed) = proofs::find_listed(&session.store, id, &options.service).await? else {
        anyhow::bail!(
            "panel {id} lists no service {:?}; `{} catalog refresh` reads it anew",
            options.service,
            session.globals.again()
        );
    };

    anyhow::ensure!(
        ServiceType::read(&listed.kind) == Some(ServiceType::Default),
        "service {:?} is of type {:?}; a proof needs one of type Default",
        options.service,
        listed.kind
    );

    let within = i64::try_from(options.quantity)
        .is_ok_and(|units| (listed.min..=listed.max).contains(&units));

    anyhow::ensure!(
        within,
        "--quantity must be {} to {} for this service",
        listed.min,
        listed.max
    );

    let (Some(rate), Some(own_rate)) = (listed.rate, listed.own_rate) else {
        anyhow::bail!(
            "service {:?} has no rate that can be read: what it costs could not be booked",
            options.service
        );
    };

    let too_large = |_| anyhow::anyhow!("so many would cost more than the books can hold");
    Ok(ProofOrder {
        service: options.service.clone(),
        link: options.link.clone(),
        units: options.quantity,
        cost: rate.for_units(options.quantity).map_err(too_large)?,
        amount: own_rate.for_units(options.quantity).map_err(too_large)?,
        asked_by: session.by(),
        reason: session.reason().to_owned(),
    })
}

/// Asks the person who typed it; who cannot be asked did not mean it.
fn is_meant(settings: &ProviderSettings, wish: &ProofOrder) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(WrongUse::because(
            "it buys at the panel, perhaps four times, and nobody is there to ask: say --yes",
        ));
    }

    let (id, cost) = (&settings.id, wish.cost);
    let mut out = std::io::stderr();
    write!(
        out,
        "This buys {} of service {} at {id} twice, for {cost} each, and up to twice more where \
         the panel does not\nknow its request_id again: {} at most. Go on? [y/N] ",
        wish.units,
        wish.service,
        four_times(cost)
    )?;

    out.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;

    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn four_times(cost: Money) -> String {
    let all = cost.plus(cost).and_then(|both| both.plus(both));
    all.map_or_else(|_| "four times that".to_owned(), |all| all.to_string())
}

fn told(session: &Session, id: &ProviderId, wish: &ProofOrder, proof: &Proof) -> String {
    let name = |order: &Option<PanelOrder>| {
        order
            .as_ref()
            .map_or("none".to_owned(), ToString::to_string)
    };

    let (first, second, cost) = (name(&proof.first), name(&proof.second), wish.cost);
    let words = &proof.words;

    match proof.outcome {
        ProofOutcome::Honoured => format!(
            "proven: {id} answered twice with order {first}, and another request_id with another; \
             doubts there are asked again from now on. Two were bought, for {cost} each, booked \
             as cost without an order. {FORGETS}"
        ),
        ProofOutcome::NotHonoured if proof.second.is_some() && proof.second == proof.first => {
            format!(
                "not honoured by {id}: {words}. {} were bought in all, for {cost} each, booked as \
                 cost without an order. Doubts there are never asked again",
                proof.bought
            )
        }
        ProofOutcome::NotHonoured if proof.second.is_some() => format!(
            "not honoured: {id} made two orders of one request_id, {first} and {second}; {} were \
             bought in all, for {cost} each, booked as cost without an order. Doubts there are \
             never asked again",
            proof.bought
        ),
        ProofOutcome::NotHonoured => format!(
            "not honoured: {id} gave order {first}, and the second time an error instead of it: \
             {words}\n{} were bought for {cost} each{}; doubts there are never asked again",
            proof.bought,
            if proof.in_doubt > 0 {
                "; look there whether there is a second"
            } else {
                ""
            }
        ),
        ProofOutcome::Refused => {
            format!("not proven, and nothing was bought: {id} refused, or was not reached: {words}")
        }
        ProofOutcome::Lost => format!(
            "not proven: {words}. Orders known: {first}. Look at {id} for orders of service {} \
             with {} units to {}: there may be {} that nobody counted; `{} treasury drift` shows \
             what is missing. Nothing is tried again by itself",
            wish.service,
            wish.units,
            wish.link,
            proof.in_doubt,
            session.globals.again()
        ),
    }
}
