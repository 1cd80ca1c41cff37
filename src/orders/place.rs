//! Buying: a wish is checked in the protocol's order, priced, and bought in one commit.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::catalog::{Snapshot, Sold};
use crate::customers::refused;
use crate::domain::customer::Caller;
use crate::domain::id::{OrderId, PublicId, ServiceId};
use crate::domain::order::{Placed, Placement, Quote, Request};
use crate::domain::refusal::Refusal;
use crate::domain::service::{Route, ServiceType};
use crate::domain::wish::{Details, LINES_MAX, LINK_BYTES_MAX, REQUEST_ID_CHARS_MAX, Wish};
use crate::orders::Orders;
use crate::pricing;
use crate::store::orders;

/// The most digits of a poll's answer.
const ANSWER_DIGITS_MAX: usize = 9;

impl Orders {
    /// Buys what is wished for, or says why not. The exact bytes of the answer; `spell` writes it for a new order.
    pub async fn place(
        &self,
        caller: &Caller,
        wish: Wish,
        spell: fn(OrderId, PublicId) -> String,
    ) -> Result<String, Refusal> {
        let request = request_of(caller, &wish)?;
        if let Some(request) = &request
            && let Some(answer) = self.replay(caller, request).await?
        {
            return Ok(answer);
        }
        let catalogue = self.catalog.now();
        let sold = find(&catalogue, wish.service.as_deref())?;
        let link = link(wish.link.as_deref())?;
        let (units, details) = contents(sold, &wish)?;
        let (quote, route) = price(&catalogue, sold, units)?;
        let order = self.intake.draw_id().await?;
        let public = PublicId(Uuid::now_v7());
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
            route,
            request,
            answer: spell(order, public),
            at: self.clock.now(),
        };
        match self.intake.buy(placement).await? {
            Placed::Bought(answer) | Placed::Replayed(answer) => Ok(answer),
            Placed::Reused => Err(Refusal::RequestReused),
            Placed::NoMoney => Err(Refusal::NoMoney),
        }
    }

    /// The answer that was given to the same request before, whatever became of the service and the wallet since.
    async fn replay(&self, caller: &Caller, request: &Request) -> Result<Option<String>, Refusal> {
        let remembered = orders::remembered(&self.store, caller.customer, request, self.clock.now()).await;
        match remembered.map_err(|error| refused(&error))? {
            None => Ok(None),
            Some((fingerprint, answer)) if fingerprint == request.fingerprint => Ok(Some(answer)),
            Some(_) => Err(Refusal::RequestReused),
        }
    }
}

/// By what the wish is known again: its own word, or else, where the key says so, what it asks for.
fn request_of(caller: &Caller, wish: &Wish) -> Result<Option<Request>, Refusal> {
    let Some(value) = &wish.request_id else { return Ok(repetition(caller, wish)) };
    if value.chars().count() > REQUEST_ID_CHARS_MAX {
        return Err(Refusal::Unreadable("request_id"));
    }
    let digest = Sha256::digest(value.as_bytes()).into();
    Ok(Some(Request { digest, fingerprint: fingerprint(wish), window_s: None }))
}

/// Clients that retry blindly say nothing that tells a repetition from a second order; their key's window does.
fn repetition(caller: &Caller, wish: &Wish) -> Option<Request> {
    let window_s = Some(caller.dedupe_window_s).filter(|seconds| *seconds > 0)?;
    // Longer than any request_id, so that none can be mistaken for it.
    let spelled = format!("the same order of key {} again, ", caller.key).repeat(REQUEST_ID_CHARS_MAX);
    let fingerprint = fingerprint(wish);
    let digest = Sha256::new().chain_update(spelled).chain_update(fingerprint).finalize().into();
    Some(Request { digest, fingerprint, window_s: Some(window_s) })
}

fn fingerprint(wish: &Wish) -> [u8; 32] {
    Sha256::digest(wish.canonical().as_bytes()).into()
}

fn find<'a>(catalogue: &'a Snapshot, service: Option<&str>) -> Result<&'a Sold, Refusal> {
    let id = service.ok_or(Refusal::Missing("service"))?.trim();
    let id = id.parse().map(ServiceId).map_err(|_| Refusal::ServiceUnknown)?;
    catalogue.sold.get(&id).map(AsRef::as_ref).ok_or(Refusal::ServiceUnknown)
}

fn link(link: Option<&str>) -> Result<String, Refusal> {
    let link = link.map(str::trim).filter(|link| !link.is_empty()).ok_or(Refusal::Missing("link"))?;
    if link.len() > LINK_BYTES_MAX {
        return Err(Refusal::Unreadable("link"));
    }
    if link.chars().any(char::is_control) {
        return Err(Refusal::BadLink);
    }
    Ok(link.to_owned())
}

/// How many units, and what else the panel is told; in the protocol's order of parameters, then the bounds.
fn contents(sold: &Sold, wish: &Wish) -> Result<(u64, Details), Refusal> {
    let mut details = Details::default();
    let mut units = 1;
    if sold.kind.takes_quantity() {
        let quantity = wish.quantity.as_deref().map(str::trim).filter(|quantity| !quantity.is_empty());
        let quantity = quantity.ok_or(Refusal::Missing("quantity"))?;
        if !quantity.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Unreadable("quantity"));
        }
        // A number of digits that passes 64 bits is above any maximum; its smaller neighbour is refused just the same.
        units = quantity.parse().unwrap_or(u64::MAX);
    }
    if sold.kind == ServiceType::Poll {
        let answer = wish.answer_number.as_deref().map(str::trim).filter(|answer| !answer.is_empty());
        let answer = answer.ok_or(Refusal::NoAnswer)?;
        if answer.len() > ANSWER_DIGITS_MAX || !answer.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::Unreadable("answer_number"));
        }
        details.answer_number = Some(answer.to_owned());
    }
    if sold.kind.takes_comments() {
        if wish.comments.is_empty() {
            return Err(Refusal::Missing("comments"));
        }
        if wish.comments.len() > LINES_MAX {
            return Err(Refusal::Unreadable("comments"));
        }
        details.comments.clone_from(&wish.comments);
        if !sold.kind.is_package() {
            units = wish.comments.len() as u64;
        }
    }
    if [&wish.runs, &wish.interval].into_iter().flatten().any(|value| value.trim() != "0") {
        return Err(Refusal::DripFeed);
    }
    within_bounds(sold, units)?;
    Ok((units, details))
}

fn within_bounds(sold: &Sold, units: u64) -> Result<(), Refusal> {
    if sold.kind.is_package() {
        return Ok(());
    }
    if units < sold.min {
        return Err(Refusal::BelowMinimum { min: sold.min });
    }
    if units > sold.max {
        return Err(Refusal::AboveMaximum { max: sold.max });
    }
    Ok(())
}

/// The quote, and the route that it was made for: the first whose cost is known.
fn price(catalogue: &Snapshot, sold: &Sold, units: u64) -> Result<(Quote, Route), Refusal> {
    let quote = pricing::quote(&sold.price, sold.billed(units), &catalogue.hash);
    // A charge that the books cannot hold is a quantity that nobody can pay for.
    let quote = quote.map_err(|_| Refusal::AboveMaximum { max: sold.max })?;
    let route = sold.routes.iter().find(|(_, rate)| rate.is_some()).ok_or(Refusal::ServiceUnknown)?;
    Ok((quote, route.0.clone()))
}
