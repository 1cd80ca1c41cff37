//! Buying: a wish is checked in the protocol's order, priced, and bought in one commit.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::catalog::{Prices, Service, Snapshot};
use crate::customers::refused;
use crate::domain::customer::Caller;
use crate::domain::id::{OrderId, PublicId, ServiceId};
use crate::domain::order::{Placed, Placement, Quote, Request};
use crate::domain::refusal::Refusal;
use crate::domain::wish::{
    LINK_BYTES_MAX, OrderRequest, Parameter, REQUEST_ID_CHARS_MAX, breaks_a_line,
};
use crate::orders::reroute::{self, RoutingContext, Sale};
use crate::orders::{Orders, contents};
use crate::pricing;
use crate::store::orders;

/// What a dialect has of its own in placing orders.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFormat {
    /// Whether an order must bring a `request_id`.
    pub needs_request_id: bool,
    /// Writes the answer for a new order; its bytes are remembered with it.
    pub added: fn(OrderId, PublicId) -> String,
}

impl Orders {
    /// Buys what is wished for, or says why not. The exact bytes of the answer.
    pub async fn place(
        &self,
        caller: &Caller,
        wish: OrderRequest,
        custom: ReplyFormat,
    ) -> Result<String, Refusal> {
        let request = request_of(caller, &wish)?;
        if let Some(request) = &request
            && let Some(answer) = self.replay(caller, request).await?
        {
            return Ok(answer);
        }

        let catalog = self.catalog.now();
        let sold = find_service(&catalog, wish.text(Parameter::Service)?)?;
        let link = read_link(wish.text(Parameter::Link)?)?;
        let (units, details) = contents::read_contents(sold, &wish)?;

        // Last of what can be missing: whoever sends next to nothing is told of the service first.
        if custom.needs_request_id && request.is_none() {
            return Err(Refusal::Missing("request_id"));
        }

        let quote = quote_order(&catalog.prices_for(caller.buyer()), sold, units)?;
        let public = PublicId(Uuid::now_v7());
        let (charge, quoted_cost) = (quote.charge, quote.cost);

        let sale = Sale {
            service: sold.id,
            kind: sold.kind,
            public,
            units,
            charge,
            quoted_cost,
        };

        let context = RoutingContext {
            catalog: &catalog,
            panels: &self.catalog.panels(),
        };

        let chosen = reroute::first_route(context, sold, &sale).ok_or(Refusal::ServiceUnknown)?;
        let order = self.intake.draw_id().await?;
        let placement = Placement {
            order,
            public,
            customer: caller.customer,
            key: caller.key,
            service: sold.id,
            kind: sold.kind,
            link,
            units,
            details,
            quote,
            route: chosen.route,
            leg_cost: chosen.cost,
            choice: chosen.choice,
            request,
            answer: (custom.added)(order, public),
            at: self.clock.now(),
        };

        match self.intake.buy(placement).await? {
            Placed::Bought(answer) | Placed::Replayed(answer) => Ok(answer),
            Placed::Reused => Err(Refusal::RequestReused),
            Placed::NoMoney => Err(Refusal::NoMoney),
        }
    }

    /// The answer that was given to the same request before, whatever became of the service and the
    /// wallet since.
    async fn replay(&self, caller: &Caller, request: &Request) -> Result<Option<String>, Refusal> {
        let remembered =
            orders::find_remembered(&self.store, caller.customer, request, self.clock.now()).await;

        match remembered.map_err(|error| refused(&error))? {
            None => Ok(None),
            Some((fingerprint, answer)) if fingerprint == request.fingerprint => Ok(Some(answer)),
            Some(_) => Err(Refusal::RequestReused),
        }
    }
}

/// By what the wish is known again: its own word, or else, where the key says so, what it asks for.
fn request_of(caller: &Caller, wish: &OrderRequest) -> Result<Option<Request>, Refusal> {
    let Some(value) = &wish.request_id else {
        return Ok(find_repetition(caller, wish));
    };

    if value.chars().count() > REQUEST_ID_CHARS_MAX {
        return Err(Refusal::Unreadable("request_id"));
    }

    let digest = Sha256::digest(value.as_bytes()).into();
    Ok(Some(Request {
        digest,
        fingerprint: request_fingerprint(wish),
        window_s: None,
    }))
}

/// Clients that retry blindly say nothing that tells a repetition from a second order; their key's
/// window does.
fn find_repetition(caller: &Caller, wish: &OrderRequest) -> Option<Request> {
    let window_s = Some(caller.dedupe_window_s).filter(|seconds| *seconds > 0)?;

    // Longer than any request_id, so that none can be mistaken for it.
    let spelled =
        format!("the same order of key {} again, ", caller.key).repeat(REQUEST_ID_CHARS_MAX);
    let fingerprint = request_fingerprint(wish);

    let digest = Sha256::new()
        .chain_update(spelled)
        .chain_update(fingerprint)
        .finalize()
        .into();

    Some(Request {
        digest,
        fingerprint,
        window_s: Some(window_s),
    })
}

fn request_fingerprint(wish: &OrderRequest) -> [u8; 32] {
    Sha256::digest(wish.canonical().as_bytes()).into()
}

fn find_service<'a>(catalog: &'a Snapshot, service: Option<&str>) -> Result<&'a Service, Refusal> {
    let id = service.ok_or(Refusal::Missing("service"))?;
    let id = id
        .parse()
        .map(ServiceId)
        .map_err(|_| Refusal::ServiceUnknown)?;

    catalog
        .sold
        .get(&id)
        .map(AsRef::as_ref)
        .ok_or(Refusal::ServiceUnknown)
}

fn read_link(link: Option<&str>) -> Result<String, Refusal> {
    let link = link.ok_or(Refusal::Missing("link"))?;
    if link.len() > LINK_BYTES_MAX {
        return Err(Refusal::Unreadable("link"));
    }

    if link.chars().any(breaks_a_line) {
        return Err(Refusal::BadLink);
    }

    Ok(link.to_owned())
}

fn quote_order(prices: &Prices<'_>, sold: &Service, units: u64) -> Result<Quote, Refusal> {
    let price = prices.of(sold).ok_or(Refusal::ServiceUnknown)?;
    let quote = pricing::quote_charge(&price, sold.billed(units), &prices.snapshot().hash);
    // A charge that the books cannot hold is a quantity that nobody can pay for.
    quote.map_err(|_| Refusal::AboveMaximum { max: sold.max })
}
