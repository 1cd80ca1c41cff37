//! One request to the API, read top to bottom.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::Full;

use crate::domain::customer::Caller;
use crate::domain::limit::LimitSettings;
use crate::domain::refusal::Refusal;
use crate::domain::wish::Parameter;
use crate::downstream::action::Action;
use crate::downstream::authenticate::authenticate;
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;
use crate::downstream::{Limits, Room, act, limit, reply};

/// The media type of the forms that everyone sends.
const FORM: &str = "application/x-www-form-urlencoded";
/// The media type of what newer clients send.
const JSON: &str = "application/json";

/// The action that a customer wanted, `none` where it was not asked for that; rides on the answer for the log's sake.
#[derive(Clone, Copy)]
pub struct Acted(pub &'static str);

/// Answers one request, whose body is here.
pub async fn serve(room: Arc<Room>, request: Request<Bytes>) -> Response<Full<Bytes>> {
    let house = &room.house;
    let in_force = house.catalog.in_force();
    let default = in_force.mapping.default_dialect;
    let form = match form(&request, &room.limits) {
        Ok(form) => form,
        Err(refusal) => return reply::refused(default, &refusal),
    };
    let limits = &in_force.mapping.limits;
    let origin = room.proxies.origin(&request);
    let standing = match house.pace.address(origin, limits).await {
        Ok(standing) => standing,
        Err(denied) => return limit::denied(default, &denied),
    };
    let caller = match authenticate(&house.customers, &form, origin).await {
        Ok(caller) => caller,
        Err(refusal) => return limit::tell(reply::refused(default, &refusal), &standing),
    };
    let (mut response, acted) = serve_caller(&room, limits, &caller, &form, &request).await;
    response.extensions_mut().insert(acted);
    response
}

/// Answers a customer, and what was done.
async fn serve_caller(
    room: &Room,
    limits: &LimitSettings,
    caller: &Caller,
    form: &Form,
    request: &Request<Bytes>,
) -> (Response<Full<Bytes>>, Acted) {
    let pace = &room.house.pace;
    if caller.suspended_at.is_some() {
        let refused = reply::refused(caller.dialect, &Refusal::Suspended);
        return (limit::tell(refused, &pace.look(caller, limits)), Acted("none"));
    }
    let standing = match pace.caller(caller, limits).await {
        Ok(standing) => standing,
        Err(denied) => return (limit::denied(caller.dialect, &denied), Acted("none")),
    };
    let action = match Action::read(form) {
        Ok(action) => action,
        Err(refusal) => {
            let refused = reply::refused(caller.dialect, &refusal);
            return (limit::tell(refused, &standing), Acted("none"));
        }
    };

    let outcome = act(room, action, caller, form, request).await;
    (limit::tell(reply::answer(caller.dialect, outcome), &standing), Acted(action.word()))
}

/// The parameters, wherever they stand. A HEAD has none: whoever asks for no answer cannot have meant to buy.
fn form(request: &Request<Bytes>, limits: &Limits) -> Result<Form, Refusal> {
    let mut form = Form::default();
    match *request.method() {
        Method::HEAD => return Ok(form),
        Method::GET | Method::POST => {}
        _ => return Err(Refusal::UnreadableRequest),
    }
    form.read_encoded(request.uri().query().unwrap_or_default().as_bytes())?;
    match media_type(request) {
        _ if request.body().is_empty() => {}
        kind if kind.is_empty() || kind.eq_ignore_ascii_case(FORM) => form.read_encoded(request.body())?,
        kind if kind.eq_ignore_ascii_case(JSON) => form.read_json(request.body())?,
        _ => return Err(Refusal::UnreadableRequest),
    }
    if let Some(key) = bearer(request) {
        form.read_key(key)?;
    }
    if request.body().len() > limits.body_bytes_max && !may_be_long(&form) {
        return Err(Refusal::TooLarge);
    }
    Ok(form)
}

/// What the body says that it is; a body that says nothing is a form.
fn media_type(request: &Request<Bytes>) -> &str {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return "" };
    value.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim()
}

/// The key that some clients send as a token.
fn bearer(request: &Request<Bytes>) -> Option<&str> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Only an order may bring a list, and only a list is long.
fn may_be_long(form: &Form) -> bool {
    let mut lists = Parameter::ALL.into_iter().filter(|parameter| parameter.is_list());
    matches!(Action::read(form), Ok(Action::Add)) && lists.any(|list| form.has(list.name()))
}

async fn act(
    room: &Room,
    action: Action,
    caller: &Caller,
    form: &Form,
    request: &Request<Bytes>,
) -> Result<Reply, Refusal> {
    let house = &room.house;
    match action {
        Action::Services => Ok(act::services::services(&room.menus, caller, &house.catalog.now()).await),
        Action::Add => act::add::add(house, caller, form, request.headers()).await,
        Action::Status => act::status::status(house, caller, form).await,
        Action::Refill => act::refill::refill(house, caller, form).await,
        Action::RefillStatus => act::refill::refill_status(house, caller, form).await,
        Action::Cancel => act::cancel::cancel(house, caller, form).await,
        Action::Balance => act::balance::balance(house, caller).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: String) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        request
    }

    #[test]
    fn only_an_add_with_comments_may_be_long() {
        let limits = Limits { body_bytes_max: 64, ..Limits::default() };
        let long = "x".repeat(64);
        for (body, read) in [
            (format!("action=add&comments={long}"), true),
            (format!("action=ADD&comments={long}"), true),
            (format!("action=add&link={long}"), false),
            (format!("action=add&comments=&link={long}"), false),
            (format!("action=add&keywords[0]={long}"), true),
            (format!("action=add&username={long}"), false),
            (format!("action=status&comments={long}"), false),
            (format!("comments={long}"), false),
        ] {
            let outcome = form(&post(body.clone()), &limits);
            assert_eq!(outcome.err(), (!read).then_some(Refusal::TooLarge), "{body}");
        }
    }
}
