//! One request to the API, read top to bottom.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::domain::customer::Caller;
use crate::domain::limit::LimitSettings;
use crate::domain::refusal::Refusal;
use crate::downstream::action::Action;
use crate::downstream::authenticate::{authenticate, dialect_shown};
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;
use crate::downstream::{DoorState, act, limit, reply};

/// The action that a customer wanted, `none` where it was not asked for that; rides on the answer for the log's sake.
#[derive(Clone, Copy)]
pub struct Acted(pub &'static str);

/// Answers one request, whose form is read.
pub async fn serve(room: Arc<DoorState>, request: Request<Form>) -> Response<Full<Bytes>> {
    let house = &room.house;
    let in_force = house.catalog.in_force();
    let default = dialect_shown(request.body(), in_force.mapping.default_dialect);
    let limits = &in_force.mapping.limits;
    let origin = room.proxies.origin(&request);
    let standing = match house.pace.address(origin, limits).await {
        Ok(standing) => standing,
        Err(denied) => return limit::denied(default, &denied),
    };
    let caller = match authenticate(&house.customers, request.body(), origin).await {
        Ok(caller) => caller,
        Err(refusal) => return limit::tell(reply::refused(default, &refusal), &standing),
    };
    let (mut response, acted) = serve_caller(&room, limits, &caller, &request).await;
    response.extensions_mut().insert(acted);
    response
}

/// Answers a customer, and what was done.
async fn serve_caller(
    room: &DoorState,
    limits: &LimitSettings,
    caller: &Caller,
    request: &Request<Form>,
) -> (Response<Full<Bytes>>, Acted) {
    let (pace, form) = (&room.house.pace, request.body());
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

    let outcome = act(room, action, caller, request).await;
    (limit::tell(reply::answer(caller.dialect, outcome), &standing), Acted(action.as_str()))
}

async fn act(room: &DoorState, action: Action, caller: &Caller, request: &Request<Form>) -> Result<Reply, Refusal> {
    let (house, form) = (&room.house, request.body());
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
