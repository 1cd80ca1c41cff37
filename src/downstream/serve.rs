//! One request to the API, read top to bottom.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::domain::customer::Caller;
use crate::domain::limit::LimitSettings;
use crate::domain::refusal::Refusal;
use crate::downstream::action::Action;
use crate::downstream::authenticate::{authenticate_caller, dialect_shown};
use crate::downstream::form::Form;
use crate::downstream::reply::Reply;
use crate::downstream::{DoorState, act, limit, reply};

/// The action that a customer wanted, `none` where it was not asked for that; rides on the answer
/// for the log's sake.
#[derive(Clone, Copy)]
pub struct Acted(pub &'static str);

/// Answers one request, whose form is read.
pub async fn serve_request(room: Arc<DoorState>, request: Request<Form>) -> Response<Full<Bytes>> {
    let house = &room.house;
    let in_force = house.catalog.in_force();
    let default = dialect_shown(request.body(), in_force.mapping.default_dialect);
    let limits = &in_force.mapping.limits;
    let origin = room.proxies.origin(&request);

    let standing = match house.pace.address(origin, limits).await {
        Ok(standing) => standing,
        Err(denied) => return limit::deny_request(default, &denied),
    };

    let caller = match authenticate_caller(&house.customers, request.body(), origin).await {
        Ok(caller) => caller,
        Err(refusal) => {
            return limit::tell_limit(reply::refused_answer(default, &refusal), &standing);
        }
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
        let refused = reply::refused_answer(caller.dialect, &Refusal::Suspended);
        return (
            limit::tell_limit(refused, &pace.look(caller, limits)),
            Acted("none"),
        );
    }

    let standing = match pace.caller(caller, limits).await {
        Ok(standing) => standing,
        Err(denied) => return (limit::deny_request(caller.dialect, &denied), Acted("none")),
    };

    let action = match Action::read(form) {
        Ok(action) => action,
        Err(refusal) => {
            let refused = reply::refused_answer(caller.dialect, &refusal);
            return (limit::tell_limit(refused, &standing), Acted("none"));
        }
    };

    let outcome = run_action(room, action, caller, request).await;
    (
        limit::tell_limit(reply::http_answer(caller.dialect, outcome), &standing),
        Acted(action.as_str()),
    )
}

async fn run_action(
    room: &DoorState,
    action: Action,
    caller: &Caller,
    request: &Request<Form>,
) -> Result<Reply, Refusal> {
    let (house, form) = (&room.house, request.body());
    match action {
        Action::Services => {
            Ok(act::services::list_services(&room.menus, caller, &house.catalog.now()).await)
        }
        Action::Add => act::add::add_order(house, caller, form, request.headers()).await,
        Action::Status => act::status::order_statuses(house, caller, form).await,
        Action::Refill => act::refill::refill_orders(house, caller, form).await,
        Action::RefillStatus => act::refill::refill_status(house, caller, form).await,
        Action::Cancel => act::cancel::cancel_orders(house, caller, form).await,
        Action::Balance => act::balance::read_balance(house, caller).await,
    }
}
